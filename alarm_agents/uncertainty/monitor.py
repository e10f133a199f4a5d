"""The uncertainty monitor: combines the signals and decides to accept, reflect or defer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from alarm_agents.types import Decision, Perception, Precedent, Uncertainty, Verdict
from alarm_agents.uncertainty import signals
from alarm_agents.uncertainty.combination import Combination

WEIGHTS: Mapping[str, float] = {
    **{"analysis": 0.75, "reflection": 0.25},
    **dict.fromkeys(("comprehension", "memory", "ambiguity", "critic"), 0.0),
    **dict.fromkeys(("dispersion", "mutual_information", "vote_entropy"), 0.0),
}
"""Margin and reflection shift decide; the others are recorded with weight 0 until labels have fitted weights.

Reflection weighs less, so that looking again and finding the same does not by itself settle a case at p = 0.5.
"""
USUAL = Combination(WEIGHTS, known={})
"""Until labels have fitted others: the weighted mean of the signals themselves."""


def assess(
    perceptions: Sequence[Perception],
    rounds: Sequence[Sequence[Verdict]],
    precedent: Precedent | None,
    *,
    accept_below: float,
    may_reflect: bool,
    beside: Mapping[str, float | None] = MappingProxyType({}),
    weights: tuple[int, Combination] = (0, USUAL),
) -> Uncertainty:
    """The uncertainty of a case and what to do about it.

    `rounds` holds the reasoners' verdicts first and then those of each reflection; `precedent` is what resolved cases
    say of the last one's p; `beside` are signals that were measured elsewhere (`ambiguity`, `critic`, `dispersion`).
    The score is the weighted mean of the signals that exist, in [0, 1], and with n of M perceivers dead
    1 - (1 - n/M)(1 - that mean); 1.0 when nobody gave a usable answer, whatever the signals say. Nothing is accepted
    unless more than half of the reasoners gave a usable answer: how far an ensemble agrees cannot be told from the
    rest of it.
    `weights` are those that were fitted last, with their number. Second looks do not hang on them: else what a case's
    signals come to would, and stored cases could not be scored by other weights.
    """
    latest = rounds[-1] if rounds else ()
    p = signals.mean_p(latest)
    said = precedent.of(p) if precedent is not None and p is not None else p
    before = signals.mean_p(rounds[-2]) if len(rounds) > 1 else None
    usable = signals.usable(latest)
    found = {
        "comprehension": signals.comprehension(perceptions),
        "analysis": signals.analysis(latest, said),
        "reflection": signals.reflection(before, p) if len(rounds) > 1 else None,
        "memory": signals.memory(precedent) if p is not None else None,
        "mutual_information": signals.mutual_information([verdict.p_anomaly or 0.0 for verdict in usable]),
        "vote_entropy": signals.vote_entropy([verdict.label for verdict in usable]) if len(usable) > 1 else None,
        **beside,
    }
    fit, combination = weights
    score, usual = (1.0 if p is None else scored(found, perceptions, by) for by in (combination, USUAL))
    told = len(usable)
    no_quorum = "" if 2 * told > len(latest) else f"{told} of {len(latest)} members gave a usable answer"
    heard = any(map(signals.usable, rounds))
    again = may_reflect and (p is None or usual >= accept_below or bool(no_quorum))
    decision, reason = _decide(p, score, accept_below, again, heard=heard, no_quorum=no_quorum)
    counted = {name: combination.weights.get(name, 0.0) for name, value in found.items() if value is not None}
    total = sum(counted.values())
    share = {name: weight / total if total else 0.0 for name, weight in counted.items()}
    return Uncertainty(**found, weights=share, score=score, fit=fit, decision=decision, reason=reason)


def scored(found: Mapping[str, float | None], perceptions: Sequence[Perception], combination: Combination) -> float:
    """The signals as combined; with n of M perceivers dead 1 - (1 - n/M)(1 - that): it was seen by fewer eyes."""
    dead = [not perception.parse.usable for perception in perceptions]
    alive = 1.0 - sum(dead) / len(dead) if dead else 1.0
    return min(1.0, max(0.0, 1.0 - alive * (1.0 - combination.score(found))))


def signals_of(found: Uncertainty) -> dict[str, float | None]:
    """The signals of a case by name."""
    return {name: getattr(found, name) for name in WEIGHTS}


def _decide(
    p: float | None, score: float, accept_below: float, again: bool, *, heard: bool, no_quorum: str
) -> tuple[Decision, str]:
    silent = "the second look gave no usable answer" if heard else "no member gave a usable answer"
    why = silent if p is None else no_quorum or f"uncertainty {score:.2f}"
    if again:
        return Decision.REFLECT, f"{why}, so the reflector looks again"
    if p is not None and score < accept_below and not no_quorum:
        return Decision.ACCEPT, f"{why} is under {accept_below:.2f}"
    return Decision.DEFER, f"{why} after all reflections, so a person is asked"
