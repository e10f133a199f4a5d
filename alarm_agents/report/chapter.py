"""What a report says of one source: gathered from the workspace case by case, so that long runs fit into memory."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from alarm_agents.errors import NotFoundError
from alarm_agents.graphs.casework import by_agents
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.monitor.clock import Clock
from alarm_agents.monitor.evidence import CLIP, key_frame_of
from alarm_agents.monitor.explaining import by_rules
from alarm_agents.monitor.moments import extent, telling
from alarm_agents.monitor.promises import Labelled
from alarm_agents.monitor.rulebook import Rulebook
from alarm_agents.report.plot import Curve, Span
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case, CaseStatus, Decision, Fact, Incident, Label, Rule, RuleRef
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.runs import Pass

SHOWN = 12
"""Incidents shown in full at most: the most severe; of the others the list tells when and what."""
LISTED = 200
"""Rows of a list at most."""
FACTS, RULES = 6, 8
"""Facts and rules told of an incident at most."""
DECIDED = {Decision.ACCEPT: "accepted", Decision.REFLECT: "looked at again", Decision.DEFER: "put to a person"}


@dataclass
class Story:
    """An incident with what its cases say of it."""

    incident: Incident
    peak: Case | None = None
    would_be_normal: str = ""
    """What would have made the peak normal; empty where models judged it, which a report does not ask again."""
    decisions: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    rules: Counter[RuleRef] = field(default_factory=Counter)
    models: set[str] = field(default_factory=set)
    facts: dict[str, Fact] = field(default_factory=dict)
    """What was seen: of what is measured again and again the most extreme; what has a place in the picture first."""
    cases: dict[str, Case] = field(default_factory=dict)
    """Those that have a key frame."""

    def add(self, case: Case) -> None:
        """Take in one of the incident's cases."""
        if self.peak is None or telling(case) > telling(self.peak):
            self.peak = case
        self.decisions[DECIDED[case.decision]] += 1
        if any(verdict.round for verdict in case.verdicts):
            self.decisions["looked at again"] += case.decision is not Decision.REFLECT
        if case.resolution is not None:
            self.answers[": ".join(filter(None, (case.resolution.answer, case.resolution.note)))] += 1
        self.rules.update(case.rules)
        self.models.update(case.models)
        for fact in (fact for seen in case.perceptions for fact in seen.facts):
            key = f"{fact.subject} {fact.attribute}" if isinstance(fact.value, float) else fact.text
            if key not in self.facts or extent(fact) > extent(self.facts[key]):
                self.facts[key] = fact
        best = heapq.nlargest(FACTS, self.facts.items(), key=lambda item: (item[1].region is not None, extent(item[1])))
        self.facts = dict(best)
        if key_frame_of(self.incident, case.id):
            self.cases[case.id] = case

    @property
    def frames(self) -> list[tuple[str, Case]]:
        """References of the key frames and the cases that they are of, by time."""
        pairs = [(key_frame_of(self.incident, key), case) for key, case in self.cases.items()]
        return sorted(((path, case) for path, case in pairs if path), key=lambda pair: pair[1].window.start)

    @property
    def clip(self) -> str | None:
        """The reference of the clip, if there is one."""
        return next((path for path in self.incident.evidence if PurePath(path).name == CLIP), None)


@dataclass
class Chapter:
    """One run over one source, as a report tells it."""

    run: Pass
    incidents: list[Incident]
    labelled: Sequence[Span]
    references: Mapping[str, Any]
    stories: dict[str, Story] = field(default_factory=dict)
    """The incidents that are shown in full, by id and in time."""
    rules: dict[RuleRef, Rule | None] = field(default_factory=dict)
    """The rules that fired in them; None for one that is not stored any more."""
    curve: Curve = field(default_factory=Curve)
    labels: Counter[Label] = field(default_factory=Counter)
    waiting: list[Case] = field(default_factory=list)
    waiting_count: int = 0
    models: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    """What kind of source it was said to be, where that was said."""
    drifts: list[float] = field(default_factory=list)
    """When it was noticed that cases were no longer like those before them, in seconds."""
    promised: tuple[str, ...] = ()
    """How the scenario's promises stand, in words."""
    end: float = 0.0
    _drift: int = 0

    @property
    def scenario(self) -> Scenario:
        """The scenario as it was when the run started."""
        return self.run.scenario

    @property
    def windows(self) -> int:
        """How many windows were judged."""
        return sum(self.labels.values())

    @property
    def clock(self) -> Clock:
        """How its times are told."""
        return Clock(self.end)

    def matches(self, incident: Incident) -> str:
        """What was labelled where the incident is; empty where nothing was."""
        found = [name for name, start, end in self.labelled if incident.start < end and start < incident.end]
        return ", ".join(dict.fromkeys(found))

    @property
    def missed(self) -> list[Span]:
        """What was labelled and no incident overlaps."""
        return [
            (name, start, end)
            for name, start, end in self.labelled
            if not any(incident.start < end and start < incident.end for incident in self.incidents)
        ]

    def add(self, case: Case) -> None:
        """Take in the next case of the run."""
        window = case.window
        self.labels[case.label] += 1
        self.models.update(case.models)
        self.categories |= {window.category} - {""}
        if case.drift > self._drift:
            self._drift = case.drift
            self.drifts.append(window.start)
        self.end = max(self.end, window.end)
        if case.score is None:
            self.curve.silent.append((window.start, window.end))
        else:
            self.curve.times += window.times
            self.curve.p += case.frame_scores or (case.score,) * len(window.times)
        self.curve.window_times.append((window.start + window.end) / 2)
        self.curve.uncertainty.append(case.uncertainty.score)
        if case.status is CaseStatus.PENDING:
            self.waiting_count += 1
            if len(self.waiting) < LISTED:
                self.waiting.append(case)
        story = self.stories.get(case.incident or "")
        if story is not None:
            story.add(case)


def gather(workspace: Workspace, run: Pass, labelled: Sequence[Span]) -> Chapter:
    """All that a report says of a run."""
    incidents = workspace.cases.incidents(namespace=run.namespace, run=run.id)
    details = workspace.runs.references(run.scenario.name, run.namespace, run.references).details
    chapter = Chapter(run, incidents, labelled, details)
    chapter.promised = tuple(Labelled(workspace, run.scenario, run.namespace, run.references).standing().lines)
    shown = heapq.nlargest(SHOWN, incidents, key=lambda each: (each.severity, each.score or 0.0))
    chapter.stories = {each.id: Story(each) for each in sorted(shown, key=lambda each: each.start)}
    for case in workspace.cases.of_run(run.id):
        chapter.add(case)
    memory = RuleMemory(workspace.engine, run.scenario.name, run.namespace)
    book = Rulebook(workspace, memory)
    for story in chapter.stories.values():
        peak = story.peak
        if peak is None or peak.models or peak.blind or by_agents(peak) is Label.NORMAL:  # a person made it an incident
            continue
        rules = book.of(peak, run.id, peak.revision)
        story.would_be_normal = asyncio.run(by_rules(workspace, peak, run.id, rules)).text if rules else ""
    cited = dict.fromkeys(ref for story in chapter.stories.values() for ref, _ in story.rules.most_common(RULES))
    chapter.rules = {ref: _stored(memory, ref) for ref in cited}
    return chapter


def settings(scenario: Scenario) -> dict[str, str]:
    """The settings of a scenario that matter to somebody who reads what it found."""
    source, graph, promise, agents = scenario.source, scenario.graph, scenario.promise, scenario.agents
    promised = [f"at most {promise.false_alarms_per_day:g} false alarms a day"] if promise.false_alarms_per_day else []
    promised += [f"at most {promise.max_missed:.0%} of anomalies missed"] if promise.max_missed else []
    promised += [f"{promise.audit_rate:.0%} of accepted cases go to review too"] if promise.audit_rate else []
    models = [f"{name}: {model.model or model.script} ({model.backend})" for name, model in scenario.models.items()]
    gate = graph.gate
    return {
        "perceivers": ", ".join(agents.perceivers),
        "reasoners": ", ".join(agents.reasoners),
        "inducer, reflector": f"{agents.inducer}, {agents.reflector}",
        "models": "; ".join(models) or "none: experts and rules",
        "windows": f"{source.frames} frames, a new one every {source.step}, at most {source.fps:g} frames/s",
        "pictures": f"at most {source.max_side} pixels; {len(source.masks)} privacy masks; "
        f"zones: {', '.join(source.zones) or 'none'}",
        "gate": f"{gate.expert}, may miss {gate.max_missed:.0%}" if gate else "off: every window is judged in full",
        "looked at again": f"above uncertainty {scenario.uncertainty.accept_below:g}, "
        f"at most {graph.max_reflections} times; then a person is asked",
        "promises": "; ".join(promised) or "none",
        "tools": ", ".join(scenario.tools) or "none",
        "own nodes": ", ".join(graph.nodes) or "none",
        "when models fail": scenario.when_models_fail,
    }


def _stored(memory: RuleMemory, ref: RuleRef) -> Rule | None:
    try:
        history = memory.history(ref.id)
    except NotFoundError:
        return None
    return next((rule for rule in history if rule.version == ref.version), None)
