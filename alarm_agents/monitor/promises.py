"""What a scenario's promises come to in a workspace: labels that people gave, thresholds, and drift as cases come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from alarm_agents.graphs.casework import COOL_DOWN, by_agents
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.recall import answered_label
from alarm_agents.memory.texts import description
from alarm_agents.monitor.weights import Weights, by_members, unsure
from alarm_agents.scenario import Scenario
from alarm_agents.types import Acceptance, Case, Decision, Drifted, Label, Record
from alarm_agents.uncertainty.combination import Combination
from alarm_agents.uncertainty.drift import Drift, Sights
from alarm_agents.uncertainty.promises import Labels, Promise, alarms_promise, held_to, lot, missed_promise
from alarm_agents.workspace import Workspace

FEATURES = ("how odd cases are", "how unsure they are", *["what they are about"] * Sights.features)
"""What drift is looked for in: p, uncertainty, and what their words are about, by several features."""
KNOWN, EARLIER = 100, 100
"""Cases that words are compared with, and cases before one that it is ranked among, before drift is looked for."""
READ = 2_000
"""Cases read back at most when a watch starts."""
NARROW = 0.5
"""What the thresholds are multiplied by after a drift, until labels bear out larger ones."""
PartKind = Literal["source", "zone", "category"]


class Part(Record):
    """How a source, a zone or a category fares under the promises."""

    kind: PartKind
    name: str
    cases: int
    """Of the latest ones; of a zone those with a fact in it."""
    deferred: float | None
    """The share of them that is put to a person, audits apart."""
    anomalous: int
    """Reviewed cases that people found anomalous."""
    missed: float | None
    """The share of anomalous cases accepted as normal, estimated: each reviewed one counts for 1 / its probability."""

    @property
    def line(self) -> str:
        """In words."""
        deferred = "none" if self.deferred is None else f"{self.deferred:.1%}"
        missed = "too few answers to tell" if self.missed is None else f"about {self.missed:.1%}"
        said = (
            f"of {self.cases} cases {deferred} put to a person; of {self.anomalous} found anomalous, missed: {missed}"
        )
        return f"{self.kind} {self.name}: {said}"


class Standing(Record):
    """How the promises of a scenario stand."""

    promises: tuple[Promise, ...]
    cases: int
    """The latest cases that the shares are of."""
    deferred: float | None
    """The share of them that is put to a person to keep the promises, audits apart; None without any case."""
    deferred_without: float | None
    """The share that is by `uncertainty.accept_below` alone."""
    drifted: tuple[str, ...] = ()
    """The sources that have drifted since labels were given."""
    parts: tuple[Part, ...] = ()
    """By source and category, where there are cases of others, and by zone."""

    @property
    def lines(self) -> list[str]:
        """The promises in words, one a line."""
        said = [f"promise {each.name} {each.bound:g}: {each.reason}" for each in self.promises]
        if said and self.deferred is not None:
            share = f"{self.deferred:.1%} of the latest {self.cases} cases would be put to a person"
            said.append(f"{share}, {self.deferred_without:.1%} without promises; audits come on top")
        said += [f"source {name} has drifted: fewer verdicts are accepted" for name in self.drifted]
        return said + [part.line for part in self.parts]


@dataclass(frozen=True)
class Labelled:
    """Where the labels of a scenario's promises are: in the cases of runs that judged as it does now."""

    workspace: Workspace
    scenario: Scenario
    namespace: str
    references: str

    @cached_property
    def weights(self) -> Weights:
        """What uncertainty is weighed by."""
        return Weights(self.workspace, self.scenario, self.namespace, self.references)

    @property
    def runs(self) -> dict[str, float]:
        """Those runs, each with its audit rate."""
        runs = self.workspace.runs
        return runs.alike(self.scenario, namespace=self.namespace, references=self.references)

    def labels(self, source: str = "", drift: int = 0) -> Labels:
        """The labels of all sources that have not drifted, or of a source since it drifted for the `drift`-th time.

        Runs without audits tell nothing. What comes after a case that was drawn for audit and waits for its answer
        does not count yet: else people could choose what counts by what they answer. Nor does what the weights were
        fitted on; the uncertainty of all others is by the weights of now, whatever they were judged by.
        """
        fit = self.weights.latest()
        combination, first = self.weights.combination(fit), self.weights.place(fit)
        runs = {run: rate for run, rate in self.runs.items() if rate > 0}
        rows: list[tuple[float, bool, float, float]] = []
        last = None
        for place, case, run in self.workspace.cases.reviewed(self.scenario.name, namespace=self.namespace):
            counts = (
                place > first and run in runs and case.deferred and case.drift == drift and source in ("", case.source)
            )
            if not counts or (case.resolution is not None and not case.answered) or case.score is None:
                continue
            if case.uncertainty.drawn is not None and case.resolution is None:
                last = place
                break
            truth = {Label.ANOMALOUS: 1.0, Label.NORMAL: 0.0}.get(answered_label(case.resolution), np.nan)
            probability = case.uncertainty.drawn or 1.0
            rows.append((_unsure(case, combination, fit), by_agents(case) is Label.ANOMALOUS, truth, probability))
        columns = np.array(rows, float).reshape(-1, 4).T
        # How many windows there have been since a drift is not counted; fewer than there were promise less.
        windows = len(rows) if drift else self.workspace.cases.judged(list(runs), after=first, before=last)
        rate = min([*runs.values(), self.scenario.promise.audit_rate])
        return Labels(columns[0], columns[1].astype(bool), columns[2], columns[3], max(windows, len(rows)), rate)

    def promises(self, source: str = "", drift: int = 0) -> tuple[Promise, ...]:
        """The promises that the scenario asks for, as far as these labels bear them out."""
        asked, share = self.scenario.promise, self.scenario.share_allowed
        found, labels = [], self.labels(source, drift)
        if asked.max_missed is not None:
            found.append(missed_promise(labels, asked.max_missed, asked.delta))
        if asked.false_alarms_per_day is not None and share is not None and asked.audit_rate > 0:
            found.append(alarms_promise(labels, share, asked.delta, a_day=asked.false_alarms_per_day))
        return tuple(found)

    def standing(self) -> Standing:
        """How the promises stand, and what share of the latest cases they put to a person."""
        promises = self.promises()
        if not promises:
            return Standing(promises=(), cases=0, deferred=None, deferred_without=None)
        latest = self.workspace.cases.latest(list(self.runs), READ)
        acceptance = acceptance_of(promises, self.weights.latest())
        judged = [case for case in latest if case.score is not None]
        sources = {case.source: case.drift for case in latest}
        return Standing(
            promises=promises,
            cases=len(judged),
            deferred=_share([self._asks(case, acceptance) for case in judged]),
            deferred_without=_share([self._asks(case, Acceptance(fit=acceptance.fit)) for case in judged]),
            drifted=tuple(source for source, drift in sources.items() if drift),
            parts=self._parts(judged, acceptance),
        )

    def _parts(self, latest: Sequence[Case], acceptance: Acceptance) -> tuple[Part, ...]:
        """How sources, zones and categories fare: what the latest cases come to, and what people answered."""
        runs, reviewed = self.runs, self.workspace.cases.reviewed(self.scenario.name, namespace=self.namespace)
        answered = [case for _, case, run in reviewed if run in runs and case.deferred]
        odd = [case for case in answered if answered_label(case.resolution) is Label.ANOMALOUS]
        of = {case.id: _parts_of(case) for case in (*latest, *odd)}
        found = []
        for part in sorted(set().union(*of.values())):
            if part[0] != "zone" and all(part in parts for parts in of.values()):
                continue  # it would say again what is said of all
            cases = [case for case in latest if part in of[case.id]]
            weights = [
                (1.0 / (case.uncertainty.drawn or 1.0), self._missed(case, acceptance))
                for case in odd
                if part in of[case.id]
            ]
            total = sum(weight for weight, _ in weights)
            found.append(
                Part(
                    kind=part[0],
                    name=part[1],
                    cases=len(cases),
                    deferred=_share([self._asks(case, acceptance) for case in cases]),
                    anomalous=len(weights),
                    missed=sum(weight for weight, lost in weights if lost) / total if total else None,
                )
            )
        return tuple(found)

    def _missed(self, case: Case, acceptance: Acceptance) -> bool:
        """Whether it would be accepted as normal."""
        return by_agents(case) is Label.NORMAL and not self._asks(case, acceptance)

    def _asks(self, case: Case, acceptance: Acceptance) -> bool:
        """Whether the case would be put to a person by its uncertainty."""
        score = _unsure(case, self.weights.combination(acceptance.fit), acceptance.fit)
        if abs(score) == np.inf:
            return score > 0
        accepted = score < self.scenario.uncertainty.accept_below
        told = {"score": score, "decision": Decision.ACCEPT if accepted else Decision.DEFER}
        return held_to(case.uncertainty.model_copy(update=told), case.score, acceptance).decision is Decision.DEFER


def standing_of(workspace: Workspace, scenario: Scenario) -> Standing:
    """How the promises of a scenario stand, as it is now and was taught last."""
    references = workspace.runs.references(scenario.name, "main").key
    return Labelled(workspace, scenario, "main", references).standing()


class Promises:
    """The promises of one source while it is watched."""

    def __init__(self, labelled: Labelled, source: str) -> None:
        self.labelled, self._source = labelled, source
        asked = labelled.scenario.promise
        self._any = asked.max_missed is not None or (asked.false_alarms_per_day is not None and asked.audit_rate > 0)
        self._drift = 0
        self._learned_at, self._acceptance = (-1, 0), Acceptance()
        self._looking: Drift | None = None
        self._cases: list[Case] = []
        self._last: Case | None = None
        if self._any:
            self._read_back()

    def acceptance(self) -> Acceptance:
        """Up to which uncertainty verdicts are accepted now, by which weights; learned again as people answer more."""
        labelled, fit = self.labelled, self.labelled.weights.latest()
        if not self._any:
            return Acceptance(fit=fit)
        answered = labelled.workspace.cases.count_answered(labelled.namespace, labelled.scenario.name)
        if (answered, fit) != self._learned_at:
            self._learned_at, self._acceptance = (answered, fit), self._learned(fit)
        return self._acceptance

    def take(self, case: Case) -> Drifted | None:
        """Take in the next case of the source, in order; what there is to tell where it has drifted by it."""
        if not self._any or case.score is None or not self._apart(case):
            return None
        if case.drift > self._drift:  # it was told when the case was judged
            self._begin(case.drift)
        if case.drift < self._drift:  # judged before the drift was found
            return None
        if self._looking is None:
            self._cases.append(case)
            if len(self._cases) >= KNOWN + EARLIER:
                self._look()
            return None
        self._looking.take(self._row(case), lot(case.id, "tie"))
        if not self._looking.found:
            return None
        odds, most = self._looking.odds, FEATURES[self._looking.strongest]
        self._begin(self._drift + 1)
        return Drifted(
            source=case.source,
            case=case.id,
            start=case.window.start,
            number=self._drift,
            odds=odds,
            text=f"cases are no longer like those before them, most of all in {most}; fewer verdicts are accepted "
            "until answers bear them out, or the scenario is taught again",
        )

    def _read_back(self) -> None:
        """Begin with what was judged before: of this source, or of all while it has too few cases."""
        labelled = self.labelled
        latest = labelled.workspace.cases.latest(list(labelled.runs), READ)
        mine = [case for case in latest if case.source == self._source]
        self._drift = max((case.drift for case in mine), default=0)
        known = [case for case in mine if case.drift == self._drift and case.score is not None and self._apart(case)]
        if self._drift == 0 and len(known) < KNOWN + EARLIER:
            known = [case for case in latest if case.drift == 0 and case.score is not None and self._apart(case)]
        self._cases, self._last = known[-KNOWN - READ // 4 :], None
        if len(self._cases) >= KNOWN + EARLIER:
            self._look()

    def _begin(self, drift: int) -> None:
        self._drift, self._cases, self._looking, self._learned_at = drift, [], None, (-1, 0)

    def _look(self) -> None:
        texts = [description(case) for case in self._cases[:KNOWN]]
        self._sights = Sights(default_embedder().embed(texts))
        self._looking = Drift(len(FEATURES), [self._row(case) for case in self._cases[KNOWN:]])
        self._cases = []

    def _row(self, case: Case) -> Sequence[float]:
        (words,) = self._sights.of(default_embedder().embed([description(case)]))
        return (*by_members(case), *words.tolist())

    def _apart(self, case: Case) -> bool:
        """Whether the case is far enough from the last one that counted: neighbouring windows show the same."""
        near = (
            self._last is not None
            and self._last.source == case.source
            and 0 <= case.window.start - self._last.window.start < COOL_DOWN
        )
        if not near:
            self._last = case
        return not near

    def _learned(self, fit: int) -> Acceptance:
        labelled, scenario = self.labelled, self.labelled.scenario
        before = acceptance_of(labelled.promises(), fit)
        if not self._drift:
            return before
        promises = labelled.promises(self._source, self._drift)
        if promises and promises[0].kept:
            return acceptance_of(promises, fit).model_copy(update={"drift": self._drift})
        usual = scenario.uncertainty.accept_below
        return Acceptance(
            normal=NARROW * min(usual, usual if before.normal is None else before.normal),
            anomalous=NARROW * min(usual, usual if before.anomalous is None else before.anomalous),
            fit=fit,
            drift=self._drift,
            narrowed=True,
        )


def acceptance_of(promises: Sequence[Promise], fit: int) -> Acceptance:
    """The thresholds of the promises that are given; a class without one keeps `uncertainty.accept_below`."""
    thresholds = {promise.name: promise.threshold for promise in promises if promise.kept}
    return Acceptance(normal=thresholds.get("max_missed"), anomalous=thresholds.get("false_alarms_per_day"), fit=fit)


def _parts_of(case: Case) -> set[tuple[PartKind, str]]:
    """The source, the zones that anything was seen in, and the category if it has one."""
    found: set[tuple[PartKind, str]] = {("source", case.source)}
    found.update(("zone", zone) for zone in case.zones)
    if case.window.category:
        found.add(("category", case.window.category))
    return found


def _unsure(case: Case, combination: Combination, fit: int) -> float:
    """The uncertainty that thresholds are compared with: none where the gate accepts whatever it is, or nobody does."""
    if any(verdict.member == "gate" for verdict in case.verdicts):
        return -np.inf
    return np.inf if any(anomaly.severe for anomaly in case.anomalies) else unsure(case, combination, fit)


def _share(found: Sequence[bool]) -> float | None:
    return sum(found) / len(found) if found else None
