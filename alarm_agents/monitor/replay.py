"""What a rule would have changed on stored cases: each is judged again from its record, with the rule and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from alarm_agents import expressions
from alarm_agents.agents.predicates import judge, observed
from alarm_agents.errors import ExpressionError
from alarm_agents.graphs.casework import NOT_MODELS, alarm_title, by_agents, extend
from alarm_agents.memory.recall import answered_label
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.monitor.rulebook import Rulebook
from alarm_agents.types import Case, Incident, Label, Rule, Verdict
from alarm_agents.uncertainty import signals
from alarm_agents.workspace import Workspace


@dataclass(frozen=True)
class Change:
    """A case that the rule gives another label."""

    case: str
    source: str
    start: float
    end: float
    title: str
    before: Label
    after: Label
    said: Label
    """What a person has said of it; unknown where nobody has."""


@dataclass
class Replay:
    """What the rule does over all stored cases of its scenario; "before" is without it, "after" with it."""

    rule: Rule
    cases: int = 0
    by_models: int = 0
    """Cases that models judged: what they would say with the rule cannot be known without asking them again."""
    undecided: int = 0
    """Cases in which something that the rule speaks of was not measured, or whose rules are not known any more."""
    covered: int = 0
    """Cases in which the rule's predicate holds."""
    moved: int = 0
    """Covered cases that get another p by it, whether or not that is another label."""
    asked: int = 0
    """Those among them that were put to a person, who may not be asked about such cases any more."""
    agreed: int = 0
    """Covered cases that a person has answered, and whose label with the rule is that answer."""
    disagreed: list[str] = field(default_factory=list)
    """Covered cases whose label with the rule is not what a person answered."""
    changes: list[Change] = field(default_factory=list)
    spared: list[Incident] = field(default_factory=list)
    """Incidents that would not have been raised."""
    raised: list[Incident] = field(default_factory=list)
    """Incidents that would have been raised as well."""


def replay(
    workspace: Workspace, memory: RuleMemory, rule: Rule, progress: Callable[[int], None] = lambda _: None
) -> Replay:
    """Judge every stored case of the scenario with the rules that it was judged by, with and without this one.

    A case on which the reflector looked again is replayed on what the first look measured, which is what is stored.
    """
    found, book = Replay(rule), Rulebook(workspace, memory)
    stored = workspace.cases.each(memory.scenario, namespace=memory.namespace)
    for run, cases in groupby(stored, key=lambda pair: pair[1]):
        labelled: list[tuple[Case, Label, Label]] = []
        for case, _ in cases:
            labelled.append((_light(case), *_labels(found, book, case, run)))
            found.cases += 1
            progress(found.cases)
        alert = workspace.runs.scenario_of(run)[0].alerts_unknown
        before = list(_incidents([_as(case, label) for case, label, _ in labelled], alert))
        after = list(_incidents([_as(case, label) for case, _, label in labelled], alert))
        found.spared += _without_counterpart(before, after)
        found.raised += _without_counterpart(after, before)
    return found


def _labels(found: Replay, book: Rulebook, case: Case, run: str) -> tuple[Label, Label]:
    """The case's label without the rule and with it, noted in what has been found so far."""
    stored = by_agents(case)
    if not {verdict.model for verdict in signals.usable(case.verdicts) or case.verdicts} <= set(NOT_MODELS):
        found.by_models += 1
        return stored, stored
    rules = book.of(case, run, case.revision)
    if rules is None:
        found.undecided += 1
        return stored, stored
    rule, others = found.rule, [known for known in rules if known.id != found.rule.id]
    if rule.predicate is None or (rule.source and rule.source not in {known.source for known in rules}):
        return stored, stored
    try:
        covers = expressions.holds(rule.predicate, _values(case))
    except ExpressionError:
        found.undecided += 1
        return stored, stored
    without, with_it = (_judged(case, held) for held in (others, [*others, rule]))
    if covers and without.p_anomaly != with_it.p_anomaly:
        found.moved += 1
        found.asked += case.deferred
    # Where both come to the same, the case stays as it is, also where a second look has decided it.
    same = without.label is with_it.label and (without.p_anomaly == with_it.p_anomaly or not covers)
    judged_it = any(known.ref == rule.ref for known in rules)
    before = without.label if judged_it and not same else stored
    after = stored if judged_it or same else with_it.label
    _note(found, case, before, after, covers=covers)
    return before, after


def _judged(case: Case, rules: Sequence[Rule]) -> Verdict:
    return judge("replay", rules, case.measurements, case.perceptions, window=case.window, lift=case.lift)


def _note(found: Replay, case: Case, before: Label, after: Label, *, covers: bool) -> None:
    said = answered_label(case.resolution)
    if covers:
        found.covered += 1
        if said is after:
            found.agreed += said is not Label.UNKNOWN
        elif said is not Label.UNKNOWN:
            found.disagreed.append(case.id)
    if before is not after:
        window = case.window
        title = alarm_title(case)
        found.changes.append(Change(case.id, case.source, window.start, window.end, title, before, after, said))


def _values(case: Case) -> dict[str, object]:
    facts = [fact for perception in case.perceptions for fact in perception.facts]
    return observed(case.measurements, facts, case.perceptions, case.window)


def _light(case: Case) -> Case:
    """What incidents are made of: the case without what was seen and said."""
    heavy: dict[str, object] = {"measurements": (), "perceptions": (), "verdicts": (), "similar": (), "notes": {}}
    return case.model_copy(update={"title": alarm_title(case), **heavy})


def _as(case: Case, label: Label) -> Case:
    return case.model_copy(update={"label": label})


def _incidents(cases: Sequence[Case], alert_unknown: bool) -> Iterator[Incident]:
    """The incidents that cases of one run, in order, come to."""
    current: Incident | None = None
    made: dict[str, Incident] = {}
    for case in cases:
        current, belongs = extend(current, case, alert_unknown=alert_unknown)
        if current is not None and belongs:
            made[current.id] = current
    yield from made.values()


def _without_counterpart(incidents: Sequence[Incident], others: Sequence[Incident]) -> list[Incident]:
    """The incidents of which no case belongs to any of the others."""
    known = {case for incident in others for case in incident.cases}
    return [incident for incident in incidents if known.isdisjoint(incident.cases)]
