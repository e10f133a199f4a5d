"""Judging by rules alone: what the reasoner does where no model is configured, or when models fail."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alarm_agents import expressions
from alarm_agents.errors import ExpressionError
from alarm_agents.tools.experts import MEASURES, check_measures
from alarm_agents.types import Fact, Label, Measurement, Parse, Perception, Rule, RuleKind, Threshold, Verdict
from alarm_agents.uncertainty.graded import graded

MAX_CITED = 8


def observed(
    measurements: Sequence[Measurement], facts: Sequence[Fact], perceptions: Iterable[Perception]
) -> dict[str, Any]:
    """What expressions may speak of: each expert's measures, facts, the zones they lie in, and the caption."""
    return {
        **{expert: {} for expert in MEASURES},
        **{measurement.expert: measurement.values for measurement in measurements},
        "measures": {f"{m.expert}.{name}": value for m in measurements for name, value in m.values.items()},
        "facts": [fact.model_dump(include={"subject", "attribute", "value", "unit", "text"}) for fact in facts],
        "zones": sorted({zone for fact in facts for zone in fact.zones}),
        "caption": " ".join(perception.caption for perception in perceptions),
    }


PREDICATE_NAMES = ("motion", "caption", "captions", "measures", "facts", "zones")


def check_predicate(predicate: str, *, where: str) -> None:
    """Raise `ExpressionError` unless the predicate compiles and speaks only of what exists."""
    expressions.check(predicate, PREDICATE_NAMES, where=where)
    check_measures(predicate, where=where)


@dataclass(frozen=True)
class Reading:
    """A rule held against a window: whether its predicate holds, and p of an anomaly by it, also frame by frame."""

    rule: Rule
    holds: bool
    p: float
    frames: tuple[float, ...]

    @property
    def by_person(self) -> bool:
        """Whether a person wrote the rule or answered for it."""
        return self.rule.provenance.origin in ("person", "review")


def judge(
    member: str,
    rules: Sequence[Rule],
    measurements: Sequence[Measurement],
    perceptions: Sequence[Perception],
    *,
    round_: int = 0,
) -> Verdict:
    """The verdict of the rules that have predicates.

    p is the largest of the anomaly rules' (graded where the rule has a threshold, 1.0 where a plain predicate
    holds: it is a definition). A person's rule of normality that holds outweighs induced rules. What no rule
    covers is unknown, never normal.
    """
    facts = [fact for perception in perceptions for fact in perception.facts]
    values = observed(measurements, facts, perceptions)
    readings, undecided = _read(rules, values, measurements)
    # A plain predicate that does not hold says nothing; a threshold says how far away the window is.
    against = [r for r in readings if r.rule.kind is RuleKind.ANOMALOUS and (r.holds or r.rule.threshold)]
    normal = [reading for reading in readings if reading.rule.kind is RuleKind.NORMAL and reading.holds]
    if any(reading.by_person for reading in normal):
        against, normal = ([reading for reading in kept if reading.by_person] for kept in (against, normal))
    deciding = against or normal
    if not deciding:
        rationale = "no rule that could be checked covers this window" + _said(undecided)
        return Verdict(
            member=member, model=member, label=Label.UNKNOWN, rationale=rationale, parse=Parse.UNPARSED, round=round_
        )
    p = max(reading.p for reading in deciding)
    # At its very limit a threshold's predicate is not true yet, but p is 0.5: what is anomalous has its rule cited.
    fired = [reading.rule for reading in against if reading.holds or reading.p >= 0.5]
    cited = (fired or [reading.rule for reading in normal])[:MAX_CITED]
    return Verdict(
        member=member,
        model=member,
        label=Label.ANOMALOUS if p >= 0.5 else Label.NORMAL,
        p_anomaly=p,
        frames=_by_frame(deciding),
        severity=max((_severity(rule, measurements) for rule in fired), default=0),
        rationale=_reasons(cited, deciding, measurements) + _said(undecided),
        rules=tuple(rule.ref for rule in cited),
        parse=Parse.EMBEDDED,
        round=round_,
    )


def _read(
    rules: Sequence[Rule], values: dict[str, Any], measurements: Sequence[Measurement]
) -> tuple[list[Reading], list[Rule]]:
    """The rules with predicates held against the window, and those of them that could not be decided."""
    readings, undecided = [], []
    for rule in rules:
        if rule.predicate is None:
            continue
        try:
            holds = expressions.holds(rule.predicate, values)
        except ExpressionError:
            undecided.append(rule)
            continue
        if rule.threshold is None:
            readings.append(Reading(rule, holds, float(holds and rule.kind is RuleKind.ANOMALOUS), ()))
        else:
            frames = tuple(graded(value, rule.threshold) for value in _series(rule.threshold, measurements))
            readings.append(Reading(rule, holds, max(frames, default=0.0), frames))
    return readings, undecided


def _by_frame(readings: Sequence[Reading]) -> tuple[float, ...]:
    """The largest p over the rules for each frame; rules that do not tell frames apart give their p to all."""
    length = max(len(reading.frames) for reading in readings)
    rows = [reading.frames if len(reading.frames) == length else (reading.p,) * length for reading in readings]
    return tuple(max(column) for column in zip(*rows, strict=True))


def _series(threshold: Threshold, measurements: Sequence[Measurement]) -> tuple[float, ...]:
    expert, _, name = threshold.measure.partition(".")
    for measurement in measurements:
        if measurement.expert == expert:
            return measurement.frames.get(name, ())
    return ()


def _severity(rule: Rule, measurements: Sequence[Measurement]) -> int:
    """The rule's severity, one more for each doubling of its limit, at most 4."""
    if rule.threshold is None or rule.threshold.limit <= 0:
        return rule.severity
    largest = max(_series(rule.threshold, measurements), default=0.0)
    doublings = int(math.log2(largest / rule.threshold.limit)) if largest > rule.threshold.limit else 0
    return min(4, rule.severity + doublings)


def _reasons(cited: Sequence[Rule], deciding: Sequence[Reading], measurements: Sequence[Measurement]) -> str:
    """The rules that speak for the verdict; where none does, the one that came nearest to speaking against it."""
    if cited:
        return "; ".join(_because(rule, measurements) for rule in cited)
    nearest = max(deciding, key=lambda reading: reading.p)
    return f"not so: {_because(nearest.rule, measurements)}"


def _because(rule: Rule, measurements: Sequence[Measurement]) -> str:
    if rule.threshold is None:
        return rule.text
    largest = max(_series(rule.threshold, measurements), default=0.0)
    return f"{rule.text} (here {largest:.2f}, limit {rule.threshold.limit:.2f})"


def _said(undecided: Sequence[Rule]) -> str:
    names = ", ".join(rule.id for rule in undecided)
    return f" (could not be checked here: {names})" if names else ""
