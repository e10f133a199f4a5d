"""The uncertainty monitor: combines the signals and decides to accept, reflect or defer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from alarm_agents.types import Decision, Perception, Precedent, Uncertainty, Verdict
from alarm_agents.uncertainty import signals

WEIGHTS: Mapping[str, float] = {
    **{"analysis": 0.75, "reflection": 0.25},
    **dict.fromkeys(("comprehension", "memory", "ambiguity", "critic"), 0.0),
}
"""Margin and reflection shift decide; the others are recorded with weight 0 until labels have fitted weights.

Reflection weighs less, so that looking again and finding the same does not by itself settle a case at p = 0.5.
"""


def assess(
    perceptions: Sequence[Perception],
    rounds: Sequence[Sequence[Verdict]],
    precedent: Precedent | None,
    *,
    accept_below: float,
    may_reflect: bool,
    beside: Mapping[str, float | None] = MappingProxyType({}),
) -> Uncertainty:
    """The uncertainty of a case and what to do about it.

    `rounds` holds the reasoners' verdicts first and then those of each reflection; `precedent` is what resolved cases
    say of the last one's p; `beside` are signals that were measured elsewhere (`ambiguity`, `critic`). The score is
    the weighted mean of the signals that exist, in [0, 1], and with n of M perceivers dead 1 - (1 - n/M)(1 - that
    mean); 1.0 when nobody gave a usable answer, whatever the signals say. Nothing is accepted unless more than half of
    the reasoners gave a usable answer: how far an ensemble agrees cannot be told from the rest of it.
    """
    latest = rounds[-1] if rounds else ()
    p = signals.mean_p(latest)
    said = precedent.of(p) if precedent is not None and p is not None else p
    before = signals.mean_p(rounds[-2]) if len(rounds) > 1 else None
    found = {
        "comprehension": signals.comprehension(perceptions),
        "analysis": signals.analysis(latest, said),
        "reflection": signals.reflection(before, p) if len(rounds) > 1 else None,
        "memory": signals.memory(precedent) if p is not None else None,
        **beside,
    }
    weights = {name: WEIGHTS[name] for name, value in found.items() if value is not None}
    total = sum(weights.values())
    score = sum(weights[name] * (found[name] or 0.0) for name in weights) / total if total else 1.0
    dead = [not perception.parse.usable for perception in perceptions]
    if any(dead):  # what is judged was seen by fewer eyes
        score = 1.0 - (1.0 - score) * (1.0 - sum(dead) / len(dead))
    if p is None:
        score = 1.0
    told = len(signals.usable(latest))
    no_quorum = "" if 2 * told > len(latest) else f"{told} of {len(latest)} members gave a usable answer"
    heard = any(map(signals.usable, rounds))
    decision, reason = _decide(p, score, accept_below, may_reflect, heard=heard, no_quorum=no_quorum)
    share = {name: weight / total if total else 0.0 for name, weight in weights.items()}
    return Uncertainty(**found, weights=share, score=min(1.0, score), decision=decision, reason=reason)


def _decide(
    p: float | None, score: float, accept_below: float, may_reflect: bool, *, heard: bool, no_quorum: str
) -> tuple[Decision, str]:
    silent = "the second look gave no usable answer" if heard else "no member gave a usable answer"
    why = silent if p is None else no_quorum or f"uncertainty {score:.2f}"
    if p is not None and score < accept_below and not no_quorum:
        return Decision.ACCEPT, f"{why} is under {accept_below:.2f}"
    if may_reflect:
        return Decision.REFLECT, f"{why}, so the reflector looks again"
    return Decision.DEFER, f"{why} after all reflections, so a person is asked"
