"""Explaining a case from what is kept: what was seen, why it was judged so, how severe, what would make it normal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from alarm_agents.agents.counterfactual import (
    Counterfactual,
    Judge,
    Seen,
    measured_parts,
    smallest_change,
    worded_parts,
)
from alarm_agents.agents.predicates import judge, severity_of
from alarm_agents.agents.reasoner import Question, Reasoner
from alarm_agents.errors import AlarmError, NotFoundError
from alarm_agents.graphs.casework import NOT_MODELS, by_agents, label_of
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.models import build_models
from alarm_agents.monitor.rereading import reread
from alarm_agents.monitor.rulebook import Rulebook
from alarm_agents.scenario import Scenario
from alarm_agents.sources.base import slug_of
from alarm_agents.tools.captions import Captions
from alarm_agents.types import SEVERITIES, Case, Fact, Label, Record, Rule, RuleRef, Severity, Verdict
from alarm_agents.uncertainty import signals
from alarm_agents.workspace import Workspace

EMBEDDED_BOUND = 2_000
"""Questions to the rules, which take a fraction of a millisecond each."""
MODEL_BOUND = 8
"""Questions to the reasoners on models, where nobody says otherwise."""


class Hop(Record):
    """One reference behind a rule: the pictures themselves, by file and time, or a case."""

    reference: str
    """The window's id, or a case's."""
    path: str = ""
    """Where it was taken from, where that is still known."""
    start: float | None = None
    """Seconds from the start of that source."""
    command: str = ""
    """What shows the case, where it is one."""


class Reason(Record):
    """A rule that the verdict rests on; without `rule`, this version is not stored any more."""

    ref: RuleRef
    rule: Rule | None
    command: str
    references: tuple[Hop, ...] = ()


class Explanation(Record):
    """All that `alarm explain` says of a case."""

    case: Case
    facts: tuple[Fact, ...]
    """What was seen; those that the verdict rests on first."""
    reasons: tuple[Reason, ...]
    severity: Severity
    criterion: str
    severity_from: tuple[str, ...]
    """How the severity came about, a line for each rule or member that gave one."""
    would_be_normal: Counterfactual
    commands: dict[str, str]
    """The next steps: what they show, and the command."""


def find_case(workspace: Workspace, key: str) -> Case:
    """The case of that id, or of an incident the case that was the most certain one; raises `NotFoundError`."""
    incident = workspace.cases.incident(key)
    if incident is None:
        return workspace.cases.get(key)
    cases = [case for each in incident.cases if (case := workspace.cases.known(each)) is not None]
    if not cases:
        raise NotFoundError("none of the incident's cases is stored any more", where=key)
    return max(cases, key=lambda case: case.score or 0.0)


async def explain(workspace: Workspace, case: Case, *, bound: int = MODEL_BOUND) -> Explanation:
    """The explanation of a stored case; `bound` is how often reasoners on models may be asked for it."""
    run = workspace.cases.run_of(case.id)
    memory = RuleMemory(workspace.engine, case.scenario, case.namespace)
    rules = Rulebook(workspace, memory).of(case, run, case.revision)
    reasons = tuple(_reason(workspace, memory, ref) for ref in case.rules)
    return Explanation(
        case=case,
        facts=tuple(dict.fromkeys([*case.notable, *(fact for p in case.perceptions for fact in p.facts)])),
        reasons=reasons,
        severity=case.severity,
        criterion=SEVERITIES[case.severity],
        severity_from=tuple(_severity_from(case, [reason.rule for reason in reasons if reason.rule])),
        would_be_normal=await _would_be_normal(workspace, case, run, rules, bound),
        commands=_commands(case, reasons),
    )


def hops(workspace: Workspace, rule: Rule, scenario: str, namespace: str = "main") -> tuple[Hop, ...]:
    """The references behind a rule: where each is from, and how to see it."""
    details = workspace.runs.references(scenario, namespace).details
    paths = {slug_of(Path(path)): path for path in details.get("sources", ())}
    reviewed = {each.window.id: each.case for each in workspace.reviewed.find(scenario, namespace=namespace)}
    found = []
    for reference in rule.provenance.references:
        source, _, milliseconds = reference.rpartition(":")
        start = int(milliseconds) / 1000 if milliseconds.isdigit() and source else None
        case = reviewed.get(reference) or (reference if workspace.cases.known(reference) else "")
        command = f"alarm explain {case}" if case else ""
        found.append(Hop(reference=reference, path=paths.get(source, ""), start=start, command=command))
    return tuple(found)


async def by_rules(workspace: Workspace, case: Case, run: str, rules: Sequence[Rule]) -> Counterfactual:
    """What would have made a case normal that rules alone judged.

    Of recorded captions it is what they would not have said, wherever that does; else what would have been measured.
    """

    async def again(seen: Seen) -> Label:
        found = judge("explain", rules, seen.measurements, seen.perceptions, window=case.window, lift=case.lift)
        return _label(case, found.p_anomaly)

    seen, note = Seen(case.measurements, case.perceptions), ""
    if any(measurement.expert == Captions.name for measurement in case.measurements):
        try:
            read = await asyncio.to_thread(reread, workspace, case, run, rules)
        except AlarmError as error:
            note = f"; what would have had to be unsaid cannot be told ({error.message})"
        else:
            unsaid = await smallest_change(lambda each: again(read.heard(each)), seen, read.parts(), EMBEDDED_BOUND)
            if unsaid.changes:
                return unsaid.model_copy(update={"text": f"{unsaid.text} ({read.count(unsaid.changes)})"})
            note = "; nothing that its captions could leave unsaid does"
    found = await smallest_change(again, seen, measured_parts(seen, rules), EMBEDDED_BOUND)
    return found.model_copy(update={"text": found.text + (note if found.changes else "")})


async def _would_be_normal(
    workspace: Workspace, case: Case, run: str, rules: Sequence[Rule] | None, bound: int
) -> Counterfactual:
    if case.blind:
        return Counterfactual(text="a blind camera is not judged: it would have had to see")
    if by_agents(case) is Label.NORMAL:
        return Counterfactual(text="it was judged normal as it is")
    if rules is None:
        return Counterfactual(text="the rules that judged it cannot be told any more, so nobody can be asked again")
    if {verdict.model for verdict in signals.usable(case.verdicts) or case.verdicts} <= set(NOT_MODELS):
        return await by_rules(workspace, case, run, rules)
    scenario, _, _ = workspace.runs.scenario_of(run)
    seen = Seen(case.measurements, case.perceptions)
    asked = await smallest_change(_reasoners(case, scenario, rules), seen, worded_parts(seen), bound)
    note = "; reasoners were asked without pictures" if scenario.agents.reasoners_see else ""
    return asked.model_copy(update={"text": asked.text + note})


def _reasoners(case: Case, scenario: Scenario, rules: Sequence[Rule]) -> Judge:
    """The scenario's reasoners, asked as they were, but in words alone: pictures would still show what is left out."""
    models = build_models(scenario.models, scenario.folder)
    reasoners = [Reasoner.of(scenario, member, models) for member in scenario.agents.reasoners]
    known = dict.fromkeys(ref for verdict in case.verdicts for ref in verdict.rules)
    ordered = sorted(rules, key=lambda rule: rule.ref not in known)

    async def again(seen: Seen) -> Label:
        question = partial(Question, case.window, scenario.normal, seen.measurements, seen.perceptions, ordered)
        answers = await asyncio.gather(*(each.reason(question(case.similar, case.lift)) for each in reasoners))
        return _label(case, signals.mean_p([verdict for answer in answers for verdict in answer]))

    return again


def _label(case: Case, p: float | None) -> Label:
    """The label, had the members said `p`; what resolved cases said of the case stays as it was."""
    return label_of(case.precedent.of(p) if case.precedent is not None and p is not None else p)


def _reason(workspace: Workspace, memory: RuleMemory, ref: RuleRef) -> Reason:
    command = f"alarm rules show {ref.id} -s {memory.scenario}"
    try:
        rule = next((each for each in memory.history(ref.id) if each.version == ref.version), None)
    except NotFoundError:
        rule = None
    found = hops(workspace, rule, memory.scenario, memory.namespace) if rule else ()
    return Reason(ref=ref, rule=rule, command=command, references=found)


def _severity_from(case: Case, rules: Sequence[Rule]) -> list[str]:
    """What each anomaly rule and each model gave; a rule's rises by one for each doubling of its limit."""
    if case.label is Label.NORMAL:
        return ["it is normal"]
    found = []
    for rule in rules:
        given = severity_of(rule, case.measurements)
        more = given - rule.severity
        rise = f", {more} more as its limit was exceeded {2**more} times or more" if more > 0 else ""
        if given:
            found.append(f"rule {rule.id} gives {rule.severity}{rise}")
    stated: list[Verdict] = [v for v in signals.usable(case.verdicts) if v.model not in NOT_MODELS and v.severity]
    found += [f"{verdict.member} says {verdict.severity}" for verdict in stated]
    return found or ["nobody gave one; what is held to be an anomaly counts 1 at least"]


def _commands(case: Case, reasons: Sequence[Reason]) -> dict[str, str]:
    found = {
        "the case's record": f"alarm review show {case.id}",
        "what the agents did": f"alarm traces show {case.id}",
    }
    found |= {f"rule {reason.ref.id}": reason.command for reason in reasons}
    found |= {f"similar case {each.case}": f"alarm explain {each.case}" for each in case.similar}
    if not case.answered:
        found["your answer"] = f"alarm review resolve {case.id} --as normal"
    return found
