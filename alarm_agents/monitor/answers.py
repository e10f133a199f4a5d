"""A person's answers: written to cases, settled in incidents, and turned into what can be learned from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from alarm_agents.agents.proposals import Suggestion, measures_of, rule_of_anomaly, rule_of_normality
from alarm_agents.errors import ConflictError, NotFoundError
from alarm_agents.graphs.casework import COOL_DOWN, answered, by_agents
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.monitor.incidents import Incidents
from alarm_agents.monitor.reviewed import remember
from alarm_agents.monitor.rulebook import Rulebook
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.weights import Weights
from alarm_agents.types import Case, CaseStatus, Label, Resolution, Rule, RuleStatus
from alarm_agents.workspace import Workspace


@dataclass(frozen=True)
class Answered:
    """What an answer came to: the cases as they are now, and the rule that it suggests, as stored."""

    cases: tuple[Case, ...]
    suggestion: Suggestion
    missed: tuple[str, ...] = ()
    """What kept other cases of the incident from being answered."""


async def answer(workspace: Workspace, key: str, resolution: Resolution) -> Answered:
    """Write a person's answer to a case, or to all cases of an incident that have none, and learn from it.

    Raises `NotFoundError` when there is neither, `ConflictError` when it has been answered already.
    """
    meant = _meant(workspace, key)
    done: list[Case] = []
    missed: list[ConflictError] = []
    async with AsyncExitStack() as stack:
        monitor = None
        if any(case.status is CaseStatus.PENDING for case in meant):
            monitor = await stack.enter_async_context(_monitor_of(workspace, meant[0]))
        for case in meant:
            try:
                if monitor is not None and case.status is CaseStatus.PENDING:
                    done.append(await monitor.resolve(case.id, resolution))
                else:
                    done.append(await _settled(workspace, workspace.cases.resolve(case.id, resolution)))
            except ConflictError as error:
                missed.append(error)
    if not done:
        raise missed[0]
    _weigh(workspace, done[0])
    incident = next((case.incident for case in meant if case.incident), None)
    return Answered(tuple(done), _learn(workspace, done, resolution, incident), tuple(str(error) for error in missed))


async def finish(workspace: Workspace) -> None:
    """Take cases on whose answers were written but that were cut off before they were settled."""
    for case in workspace.cases.find(status=CaseStatus.RESOLVED):
        assert case.resolution is not None
        if case.deferred:
            async with _monitor_of(workspace, case) as monitor:
                done = await monitor.finish_resolved(case.id)
        else:
            done = await _settled(workspace, case)
        _learn(workspace, [done], case.resolution, case.incident)
        _weigh(workspace, done)


def _meant(workspace: Workspace, key: str) -> list[Case]:
    """The case of that id, or the unanswered cases of the incident of that id."""
    incident = workspace.cases.incident(key)
    if incident is None:
        try:
            return [workspace.cases.get(key)]
        except NotFoundError as error:
            remedy = "see `alarm review list`, or `alarm watch SOURCE --all`"
            raise NotFoundError("there is no such case or incident", where=key, remedy=remedy) from error
    cases = [case for case in map(workspace.cases.get, incident.cases) if case.resolution is None]
    if not cases:
        raise ConflictError("the incident was answered already", where=key, remedy="see `alarm review list`")
    return cases


def _monitor_of(workspace: Workspace, case: Case) -> Monitor:
    """The monitor that the case was judged by, from the scenario as it was then."""
    scenario, _, key = workspace.runs.scenario_of(workspace.cases.run_of(case.id))
    return Monitor(workspace, scenario, namespace=case.namespace, references=key)


async def _settled(workspace: Workspace, case: Case) -> Case:
    """A case that no graph waits for, with its answer taken in and its incident changed accordingly."""
    assert case.resolution is not None
    run = workspace.cases.run_of(case.id)
    scenario, _, _ = workspace.runs.scenario_of(run)
    return await Incidents(scenario, workspace, run, None).resettled(answered(case, case.resolution))


def _weigh(workspace: Workspace, case: Case) -> None:
    """Fit the weights of uncertainty anew, where enough has been answered since the last time."""
    scenario, _, references = workspace.runs.scenario_of(workspace.cases.run_of(case.id))
    Weights(workspace, scenario, case.namespace, references).learn()


def _learn(workspace: Workspace, cases: Sequence[Case], resolution: Resolution, incident: str | None) -> Suggestion:
    """Remember what is normal as references, and store the rule that the answer suggests."""
    memory = RuleMemory(workspace.engine, cases[0].scenario, cases[0].namespace)
    run = workspace.cases.run_of(cases[0].id)
    if resolution.answer == "normal":
        for case in cases:
            remember(workspace, case, run, resolution)
        suggestion = _normality(workspace, memory, cases, run, incident)
    elif resolution.answer == "anomalous":
        suggestion = _anomaly(workspace, cases)
    else:
        return Suggestion(reason="an unsure answer teaches nothing")
    if suggestion.rule is None:
        return suggestion
    return Suggestion(memory.add([suggestion.rule])[0])


def _normality(
    workspace: Workspace, memory: RuleMemory, cases: Sequence[Case], run: str, incident: str | None
) -> Suggestion:
    alarmed = [case for case in cases if by_agents(case) is Label.ANOMALOUS]
    if not alarmed:
        return Suggestion(reason="it had not alarmed")
    name, earlier = _name(incident or alarmed[0].id), []
    known = {rule.id: rule for rule in memory.latest()}
    if name in known:
        if known[name].status is RuleStatus.PROPOSED:  # one rule for the incident, over all that was answered of it
            earlier = [workspace.cases.get(key) for key in known[name].provenance.references]
        else:
            name = _name(alarmed[0].id)
    book = Rulebook(workspace, memory)
    rules: list[Rule] = book.of(alarmed[0], run) or []
    everything = list({case.id: case for case in (*earlier, *alarmed)}.values())
    last = everything[-1].resolution
    assert last is not None
    return rule_of_normality(name, everything, rules, last)


def _anomaly(workspace: Workspace, cases: Sequence[Case]) -> Suggestion:
    missed = [case for case in cases if by_agents(case) is Label.NORMAL]
    if not missed:
        return Suggestion(reason="it had alarmed already")
    case, resolution = missed[0], missed[0].resolution
    assert resolution is not None
    others = [
        measures_of(other)
        for other, _ in workspace.cases.each(case.scenario, namespace=case.namespace)
        if other.label is Label.NORMAL and not _near(case, other)
    ]
    return rule_of_anomaly(_name(case.id), case, others, resolution)


def _near(case: Case, other: Case) -> bool:
    """Whether the other is so close that it may show the same thing; the case itself is."""
    apart = max(other.window.start - case.window.end, case.window.start - other.window.end)
    return other.source == case.source and apart < COOL_DOWN


def _name(key: str) -> str:
    """The id of the rule that answers for a case or an incident suggest."""
    return f"reviewed-{hashlib.sha256(key.encode()).hexdigest()[:6]}"
