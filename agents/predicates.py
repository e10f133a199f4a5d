"""Judging by rules alone: what the reasoner does where no model is configured, or when models fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from alarm_agents import expressions
from alarm_agents.errors import ExpressionError
from alarm_agents.types import Label, Measurement, Parse, Perception, Rule, RuleKind, Threshold, Verdict
from alarm_agents.uncertainty.graded import graded

MAX_CITED = 8


def predicate_values(measurements: Sequence[Measurement], perceptions: Sequence[Perception]) -> dict[str, Any]:
    """What a predicate may speak of: each expert's measures, facts, the zones they lie in, and the caption."""
    facts = [fact for perception in perceptions for fact in perception.facts]
    return {
        "motion": {},
        "captions": {},
        **{measurement.expert: measurement.values for measurement in measurements},
        "measures": {f"{m.expert}.{name}": value for m in measurements for name, value in m.values.items()},
        "facts": [fact.model_dump(include={"subject", "attribute", "value", "unit", "text"}) for fact in facts],
        "zones": sorted({zone for fact in facts for zone in fact.zones}),
        "caption": " ".join(perception.caption for perception in perceptions),
    }


PREDICATE_NAMES = ("motion", "caption", "captions", "measures", "facts", "zones")


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
    values = predicate_values(measurements, perceptions)
    holding, undecided = _holding(rules, values)
    excused = any(r.kind is RuleKind.NORMAL and r.provenance.origin in ("person", "review") for r in holding)
    against = [rule for rule in rules if rule.kind is RuleKind.ANOMALOUS and rule.predicate and rule not in undecided]
    if excused:
        against = [rule for rule in against if rule.provenance.origin == "person"]
    strengths = {rule.id: _strength(rule, rule in holding, measurements) for rule in against}
    normal = [rule for rule in holding if rule.kind is RuleKind.NORMAL]
    if not against and not normal:
        rationale = "no rule that could be checked covers this window" + _said(undecided)
        return Verdict(
            member=member, model=member, label=Label.UNKNOWN, rationale=rationale, parse=Parse.UNPARSED, round=round_
        )
    fired = [rule for rule in against if rule in holding]
    if against and not excused:
        p, frames = _combined(against, strengths, measurements)
    else:
        p = max((strengths[rule.id] for rule in fired), default=0.0 if excused else _lowest(normal, measurements))
        frames = ()
    cited = (fired or normal)[:MAX_CITED]
    return Verdict(
        member=member,
        model=member,
        label=Label.ANOMALOUS if p >= 0.5 else Label.NORMAL,
        p_anomaly=p,
        frames=frames,
        severity=max((_severity(rule, measurements) for rule in fired), default=0) if p >= 0.5 else 0,
        rationale="; ".join(_because(rule, measurements) for rule in cited) + _said(undecided),
        rules=tuple(rule.ref for rule in cited),
        parse=Parse.EMBEDDED,
        round=round_,
    )


def _holding(rules: Sequence[Rule], values: dict[str, Any]) -> tuple[list[Rule], list[Rule]]:
    """The rules whose predicates hold, and those that could not be decided."""
    holding, undecided = [], []
    for rule in rules:
        if rule.predicate is None:
            continue
        try:
            if expressions.holds(rule.predicate, values):
                holding.append(rule)
        except ExpressionError:
            undecided.append(rule)
    return holding, undecided


def _combined(
    rules: Sequence[Rule], strengths: dict[str, float], measurements: Sequence[Measurement]
) -> tuple[float, tuple[float, ...]]:
    """The largest p over the rules, for the window and for each frame."""
    series = [
        [graded(value, rule.threshold) for value in _series(rule.threshold, measurements)]
        if rule.threshold
        else [strengths[rule.id]]
        for rule in rules
    ]
    length = max(len(values) for values in series)
    frames = tuple(max(values[min(i, len(values) - 1)] for values in series if values) for i in range(length))
    return max(strengths.values()), frames


def _strength(rule: Rule, holds: bool, measurements: Sequence[Measurement]) -> float:
    if rule.threshold is None:
        return 1.0 if holds else 0.0
    return max((graded(value, rule.threshold) for value in _series(rule.threshold, measurements)), default=0.0)


def _series(threshold: Threshold, measurements: Sequence[Measurement]) -> tuple[float, ...]:
    expert, _, name = threshold.measure.partition(".")
    for measurement in measurements:
        if measurement.expert == expert:
            return measurement.frames.get(name, ())
    return ()


def _lowest(normal: Sequence[Rule], measurements: Sequence[Measurement]) -> float:
    """The p of a window that only rules of normality cover: their graded thresholds, else 0.0."""
    return max((_strength(rule, False, measurements) for rule in normal if rule.threshold), default=0.0)


def _severity(rule: Rule, measurements: Sequence[Measurement]) -> int:
    """The rule's severity, one more for each doubling of its limit, at most 4."""
    if rule.threshold is None or rule.threshold.limit <= 0:
        return rule.severity
    largest = max(_series(rule.threshold, measurements), default=0.0)
    doublings = int(math.log2(largest / rule.threshold.limit)) if largest > rule.threshold.limit else 0
    return min(4, rule.severity + doublings)


def _because(rule: Rule, measurements: Sequence[Measurement]) -> str:
    if rule.threshold is None:
        return rule.text
    largest = max(_series(rule.threshold, measurements), default=0.0)
    return f"{rule.text} (here {largest:.2f}, limit {rule.threshold.limit:.2f})"


def _said(undecided: Sequence[Rule]) -> str:
    names = ", ".join(rule.id for rule in undecided)
    return f" (could not be checked here: {names})" if names else ""
