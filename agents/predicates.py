"""Judging by rules alone: what the reasoner does where no model is configured, or when models fail."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alarm_agents import expressions
from alarm_agents.errors import ExpressionError
from alarm_agents.settings import OBSERVED_NAMES
from alarm_agents.tools.experts import MEASURES, check_measures, named_measures
from alarm_agents.types import (
    Fact,
    Label,
    Measurement,
    Parse,
    Perception,
    Rule,
    RuleKind,
    RuleRef,
    Threshold,
    Verdict,
    Window,
)
from alarm_agents.uncertainty.calibration import Calibration
from alarm_agents.uncertainty.graded import AT_TYPICAL, curve

MAX_CITED = 8


def observed(
    measurements: Sequence[Measurement],
    facts: Sequence[Fact],
    perceptions: Iterable[Perception],
    window: Window | None = None,
) -> dict[str, Any]:
    """What expressions may speak of: each expert's measures, facts, the zones they lie in, the caption, the clock.

    `clock.hour` is the time of day (21.5 is half past nine in the evening); where the source does not tell it, what
    depends on it cannot be decided.
    """
    measured = {measurement.expert: measurement.values for measurement in measurements}
    return {
        **{expert: {} for expert in MEASURES},
        **measured,
        "measures": {f"{expert}.{name}": value for expert, found in measured.items() for name, value in found.items()},
        "facts": [
            fact.model_dump(include={"subject", "attribute", "value", "unit", "text", "zones"}) for fact in facts
        ],
        "zones": sorted({zone for fact in facts for zone in fact.zones}),
        "caption": " ".join(perception.caption for perception in perceptions),
        "clock": {} if window is None or window.hour is None else {"hour": window.hour},
    }


def check_predicate(predicate: str, *, where: str) -> None:
    """Raise `ExpressionError` unless the predicate compiles and speaks only of what exists."""
    expressions.check(predicate, OBSERVED_NAMES, where=where)
    check_measures(predicate, where=where)


@dataclass(frozen=True)
class Reading:
    """A rule held against a window: whether it speaks, and p of an anomaly by it, also frame by frame."""

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
    window: Window | None = None,
    round_: int = 0,
    lift: float = 1.0,
) -> Verdict:
    """The verdict of the rules that have predicates.

    p is the largest of the anomaly rules' (graded where the rule has a threshold, 1.0 where a plain predicate
    holds: it is a definition). Of the rules that references set limits by, the one of motion with the largest weight
    ranks windows throughout (without any, that with the largest weight at all; of measures that are mostly at rest none
    can), and the others speak beyond their limits only;
    an induced rule of normality without a limit excuses the frames that it describes. A person's rule of normality
    that holds outweighs induced rules. `lift` is what the induced limits are multiplied by, for a budget of alarms or
    a new usual; `window` tells the time of day. What no rule covers is unknown, never normal.
    """
    facts = [fact for perception in perceptions for fact in perception.facts]
    values = observed(measurements, facts, perceptions, window)
    readings, undecided = _read(rules, values, measurements, lift)
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
    fired = sorted((r for r in against if r.holds or r.p >= 0.5), key=lambda reading: -reading.p)
    cited = ([reading.rule for reading in fired] or [reading.rule for reading in normal])[:MAX_CITED]
    p_value, verified = _p_value(against, measurements)
    return Verdict(
        member=member,
        model=member,
        label=Label.ANOMALOUS if p >= 0.5 else Label.NORMAL,
        p_anomaly=p,
        p_value=p_value,
        budget_verified=verified,
        frames=_by_frame(deciding),
        severity=max((severity_of(reading.rule, measurements) for reading in fired), default=0),
        rationale="; ".join(
            [
                *(fact.text for fact in _beyond(fired, measurements, facts) if fact.rules),
                _reasons(cited, deciding, measurements, lift) + _said(undecided),
            ]
        ),
        rules=tuple(dict.fromkeys([*(rule.ref for rule in cited), *_spoken_for(fired, measurements, facts)])),
        beyond=tuple(r.rule.threshold.measure for r in fired if r.rule.threshold is not None),
        parse=Parse.EMBEDDED,
        round=round_,
    )


def _read(
    rules: Sequence[Rule], values: dict[str, Any], measurements: Sequence[Measurement], lift: float
) -> tuple[list[Reading], list[Rule]]:
    """The rules with predicates held against the window, and those of them that could not be decided."""
    readings, undecided = [], []
    limits = [r.threshold for r in rules if r.threshold is not None and r.kind is RuleKind.ANOMALOUS]
    ranking = _ranking([limit for limit in limits if _series(limit, measurements)])  # captions have no motion
    excuses = [r for r in rules if r.kind is RuleKind.NORMAL and r.predicate and not r.threshold and _induced(r)]
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
            continue
        threshold, scale = rule.threshold, lift if _induced(rule) else 1.0
        p_of = curve(threshold)
        frames = [p_of(value / scale) for value in _series(threshold, measurements)]
        if _induced(rule):
            _excuse(frames, threshold.measure, excuses, measurements)
        if rule.kind is RuleKind.ANOMALOUS:
            if ranking and threshold.measure not in ranking:
                frames = [p if p >= 0.5 else 0.0 for p in frames]
            holds = any(p > 0.5 for p in frames)
        readings.append(Reading(rule, holds, max(frames, default=0.0), tuple(frames)))
    return readings, undecided


def _ranking(limits: Sequence[Threshold]) -> set[str]:
    """The measures that rank windows throughout; empty where none of the limits can: then all of them do.

    Motion's where there is any: weights tell how well references are predicted, not how well oddities are ranked, and
    what is odd moves oddly before more of it can be told.
    """
    able = [limit for limit in limits if not limit.rests]
    able = [limit for limit in able if limit.measure.startswith("motion.")] or able
    most = max((limit.weight for limit in able), default=0.0)
    return {limit.measure for limit in able if limit.weight == most}


def _induced(rule: Rule) -> bool:
    """Whether it stands for what was learned; a scenario's limit does until it is."""
    learned = rule.provenance.origin in ("references", "warm-up")
    return learned or (rule.provenance.origin == "scenario" and rule.threshold is not None)


def _excuse(frames: list[float], measure: str, rules: Sequence[Rule], measurements: Sequence[Measurement]) -> None:
    """Take the frames as usual that are beyond the measure's limit, and that a rule of normality describes."""
    for rule in rules:
        assert rule.predicate is not None
        if measure not in named_measures(rule.predicate):
            continue
        for place, p in enumerate(frames):
            if p >= 0.5 and _describes(rule.predicate, measurements, place):
                frames[place] = AT_TYPICAL


def _describes(predicate: str, measurements: Sequence[Measurement], place: int) -> bool:
    """Whether the predicate is true of one frame; where it cannot be decided, it is not."""
    values = {m.expert: {name: row[place] for name, row in m.frames.items() if place < len(row)} for m in measurements}
    try:
        return expressions.holds(predicate, values)
    except ExpressionError:
        return False


def _p_value(against: Sequence[Reading], measurements: Sequence[Measurement]) -> tuple[float | None, bool]:
    """How likely a normal window is to be as odd as this one by any of the limits, and whether references bear it out.

    The smallest over the measures, times how many there are (Bonferroni). None where there is no limit.
    """
    found = []
    for reading in against:
        threshold = reading.rule.threshold
        if threshold is not None and threshold.spread > 0:
            calibration = Calibration(threshold.typical, threshold.spread, threshold.blocks)
            found.append(calibration.p_value(max(_series(threshold, measurements), default=0.0)))
    if not found:
        return None, False
    smallest, verified = min(found)
    return min(1.0, smallest * len(found)), verified


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


def _spoken_for(fired: Sequence[Reading], measurements: Sequence[Measurement], facts: Sequence[Fact]) -> list[RuleRef]:
    """The rules in words that what lies beyond the limits was held against, and found to speak for it."""
    return [ref for fact in _beyond(fired, measurements, facts) for ref in fact.rules]


def _beyond(fired: Sequence[Reading], measurements: Sequence[Measurement], facts: Sequence[Fact]) -> list[Fact]:
    """The facts of the measures that are beyond their limits."""
    measures = {reading.rule.threshold.measure for reading in fired if reading.rule.threshold is not None}
    said = (*facts, *(fact for measurement in measurements for fact in measurement.facts))
    return [fact for fact in dict.fromkeys(said) if fact.measure in measures]


def severity_of(rule: Rule, measurements: Sequence[Measurement]) -> int:
    """The rule's severity, one more for each doubling of its limit, at most 4."""
    if rule.threshold is None or rule.threshold.limit <= 0:
        return rule.severity
    largest = max(_series(rule.threshold, measurements), default=0.0)
    doublings = int(math.log2(largest / rule.threshold.limit)) if largest > rule.threshold.limit else 0
    return min(4, rule.severity + doublings)


def _reasons(
    cited: Sequence[Rule], deciding: Sequence[Reading], measurements: Sequence[Measurement], lift: float
) -> str:
    """The rules that speak for the verdict; where none does, the one that came nearest to speaking against it."""
    if cited:
        return "; ".join(_because(rule, measurements, lift) for rule in cited)
    nearest = max(deciding, key=lambda reading: reading.p)
    return f"not so: {_because(nearest.rule, measurements, lift)}"


def _because(rule: Rule, measurements: Sequence[Measurement], lift: float) -> str:
    if rule.threshold is None:
        return rule.text
    largest = max(_series(rule.threshold, measurements), default=0.0)
    lifted = f" lifted {lift:.2f} times by what came before" if lift > 1.0 and _induced(rule) else ""
    return f"{rule.text} (here {largest:.2f}, limit {rule.threshold.limit:.2f}{lifted})"


def _said(undecided: Sequence[Rule]) -> str:
    names = ", ".join(rule.id for rule in undecided)
    return f" (could not be checked here: {names})" if names else ""
