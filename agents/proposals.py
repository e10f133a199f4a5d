"""What a person's answer teaches: the rule that it suggests (DESIGN section 4, hand_off), for a person to approve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alarm_agents.agents.quantiles import PHRASES
from alarm_agents.memory.texts import description
from alarm_agents.types import Case, Provenance, Resolution, Rule, RuleKind, RuleStatus, Threshold

LIKE = 1.25
"""A thing of the same kind measures up to so many times more, or less, than the one that was answered for."""
PARTLY = 2.0
"""A window that catches only the coming or going of a thing measures so many times less: smoothing halves what is
there for one frame."""
ENOUGH = 20
"""Other cases that a missed one must stand out from, for a rule to be made of that."""
MOST = 300
"""Characters of a worded rule: what models may write in one."""


@dataclass(frozen=True)
class Suggestion:
    """The rule that an answer suggests, or why there is none."""

    rule: Rule | None = None
    reason: str = ""


def measures_of(case: Case) -> dict[str, float]:
    """Each measure of the case by its full name (`motion.ratio`): its maximum over the window."""
    return {f"{m.expert}.{name}": value for m in case.measurements for name, value in m.values.items()}


def rule_of_normality(name: str, cases: Sequence[Case], rules: Sequence[Rule], resolution: Resolution) -> Suggestion:
    """The rule by which what alarmed in `cases`, and nothing more, would be normal; `rules` are those that judge.

    Each measure that was beyond its limit may be about what the cases measured: at most `LIKE` times their largest
    value; and no less than their smallest over `LIKE` and their largest over `PARTLY`, where that is still beyond the
    limit. Every other measure that has a limit must be within it. So the same thing stops alarming; a faster one, or
    something else that is odd at the same time, does not. Cases that models judged give a rule in words.
    """
    if insisting := _by_person(cases, rules):
        reason = f"rule {insisting} says that it is anomalous, and persons' rules outweigh others"
        return Suggestion(reason=f"{reason}: change that one, or disable it")
    limits = _limits(rules)
    measured = [measures_of(case) for case in cases]
    known = [measure for measure in sorted(limits) if all(measure in values for values in measured)]
    cited = {ref.id for case in cases for ref in case.rules}
    odd = [
        measure
        for measure in known
        # A second look may have found it beyond the limit where the first, which is stored, did not quite.
        if limits[measure].id in cited or any(values[measure] >= _limit(limits[measure]) for values in measured)
    ]
    if not odd:
        if any(case.models for case in cases):
            return Suggestion(_in_words(name, cases, resolution))
        return Suggestion(reason="no measure is beyond its limit by the rules as they are now")
    conditions, phrases = [], []
    for measure in known:
        limit = _limit(limits[measure])
        if measure not in odd:
            conditions.append(f"{measure} <= {limit!r}")
            continue
        values = [each[measure] for each in measured]
        least = min(_less(min(values), LIKE), _less(max(values), PARTLY))
        most = _more(max(*values, limit), LIKE)
        bounded = least > limit
        conditions.append((f"{measure} >= {least!r} && " if bounded else "") + f"{measure} <= {most!r}")
        phrases.append(_phrase(measure, f"between {least:.2f} and {most:.2f}" if bounded else f"at most {most:.2f}"))
    text = f"{' and '.join(phrases)}, and nothing else is beyond its limit"
    sources = {limits[measure].source for measure in odd}
    rule = Rule(
        id=name,
        kind=RuleKind.NORMAL,
        text=_said(text, resolution),
        predicate=" && ".join(conditions),
        severity=0,
        status=RuleStatus.PROPOSED,
        source=next(iter(sources)) if len(sources) == 1 else "",
        provenance=_provenance(cases, resolution),
    )
    return Suggestion(rule)


def rule_of_anomaly(name: str, case: Case, others: Sequence[Mapping[str, float]], resolution: Resolution) -> Suggestion:
    """The rule by which a missed case would have alarmed; `others` measured normal, as far as anybody has said.

    It speaks of the measures that set the case apart: more than `LIKE` times what any of the others measured.
    """
    if len(others) < ENOUGH:
        return Suggestion(reason=f"there are only {len(others)} other cases to set it apart from, not {ENOUGH}")
    floors = {measure: _less(value, LIKE) for measure, value in measures_of(case).items()}
    largest = {m: max((each[m] for each in others if m in each), default=float("inf")) for m in floors}
    apart = {measure: floor for measure, floor in sorted(floors.items()) if floor > largest[measure]}
    if not apart:
        return Suggestion(reason=f"no measure sets it apart from {len(others)} cases that are held to be normal")
    text = " and ".join(_phrase(measure, f"at least {floor:.2f}") for measure, floor in apart.items())
    rule = Rule(
        id=name,
        kind=RuleKind.ANOMALOUS,
        text=_said(text, resolution),
        predicate=" && ".join(f"{measure} >= {floor!r}" for measure, floor in apart.items()),
        status=RuleStatus.PROPOSED,
        provenance=_provenance([case], resolution),
    )
    return Suggestion(rule)


def _by_person(cases: Sequence[Case], rules: Sequence[Rule]) -> str | None:
    """A person's rule of anomaly that the cases cite, if there is one."""
    cited = {ref.id for case in cases for ref in case.rules}
    persons = ("person", "review")
    return next(
        (r.id for r in rules if r.id in cited and r.kind is RuleKind.ANOMALOUS and r.provenance.origin in persons), None
    )


def _limits(rules: Sequence[Rule]) -> dict[str, Rule]:
    """For each measure the rule of anomaly that is the strictest."""
    found: dict[str, Rule] = {}
    for rule in rules:
        if rule.kind is RuleKind.ANOMALOUS and rule.threshold is not None:
            measure = rule.threshold.measure
            if measure not in found or rule.threshold.limit < _limit(found[measure]):
                found[measure] = rule
    return found


def _limit(rule: Rule) -> float:
    threshold: Threshold | None = rule.threshold
    assert threshold is not None
    return threshold.limit


def _in_words(name: str, cases: Sequence[Case], resolution: Resolution) -> Rule:
    seen = "; ".join(dict.fromkeys(description(case) for case in cases)) or cases[0].title
    return Rule(
        id=name,
        kind=RuleKind.NORMAL,
        text=_said(seen, resolution)[:MOST],
        severity=0,
        status=RuleStatus.PROPOSED,
        provenance=_provenance(cases, resolution),
    )


def _provenance(cases: Sequence[Case], resolution: Resolution) -> Provenance:
    references = tuple(case.id for case in cases)
    count = len(references)
    return Provenance(
        origin="review", author=resolution.by, references=references, reference_count=count, note=resolution.note
    )


def _phrase(measure: str, value: str) -> str:
    return PHRASES.get(measure, measure + " is {}").format(value)


def _said(text: str, resolution: Resolution) -> str:
    """The rule's words, with the person's own before them."""
    return f"{resolution.note.strip()}: {text}" if resolution.note.strip() else text


def _more(value: float, times: float) -> float:
    """So many times more, for values of either sign; four digits are more than any expert can vouch for."""
    return float(f"{value + abs(value) * (times - 1):.4g}")


def _less(value: float, times: float) -> float:
    return float(f"{value - abs(value) * (1 - 1 / times):.4g}")
