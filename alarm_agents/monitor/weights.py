"""The weights of uncertainty's signals in a workspace: fitted from people's answers, and read by whoever watches.

Fitted on the earlier half of the answered cases that people were asked about; promises are tested on what was judged
after it, with the uncertainty that those cases have by these weights. So no answer is used for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from alarm_agents.graphs.casework import by_agents
from alarm_agents.memory.recall import answered_label
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case
from alarm_agents.uncertainty import signals
from alarm_agents.uncertainty.combination import Combination, fitted
from alarm_agents.uncertainty.monitor import USUAL, WEIGHTS, scored, signals_of
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.fits import Fit

NEEDED = 100
"""Answered cases under which nothing is fitted; half of them are fitted on."""
WRONG = 5
"""Cases of the half that the agents were wrong about, and right about, under which there is nothing to tell apart."""
READ = 2_000
"""The latest cases, labelled or not, among which a signal's value is ranked."""
GROWTH = 2
"""Fitted again whenever so many times as many cases have been answered."""


class Weights:
    """The fits for a scenario as it is, with these references."""

    def __init__(self, workspace: Workspace, scenario: Scenario, namespace: str, references: str) -> None:
        self._workspace, self._scenario, self._namespace = workspace, scenario, namespace
        self._references = references
        self._known: dict[int, Fit] = {}

    @cached_property
    def key(self) -> str:
        """What fits are kept under."""
        likeness = self._workspace.runs.likeness
        return likeness(self._scenario, namespace=self._namespace, references=self._references)

    def latest(self) -> int:
        """The number of the last fit, by whichever process; 0 before the first."""
        return self._workspace.fits.revision(self.key)

    def combination(self, revision: int) -> Combination:
        """The weights of that fit; the usual ones for 0."""
        fit = self._fit(revision)
        return USUAL if fit is None else Combination(fit.weights, fit.known, fit.scale)

    def place(self, revision: int) -> int:
        """Where the last case stands that the fit rests on; 0 where there is none."""
        fit = self._fit(revision)
        return 0 if fit is None else fit.place

    @property
    def text(self) -> str:
        """Which weights there are, and how many answers are missing for others, in words."""
        revision = self.latest()
        fit = self._fit(revision)
        if fit is not None:
            shares = ", ".join(
                f"{name} {weight:.2f}" for name, weight in sorted(fit.weights.items()) if weight >= 0.005
            )
            return f"fit {revision} of {fit.labels} answers: {shares}; the next one at {fit.due} answered cases"
        tried = self._workspace.fits.get(self.key, 0)
        lacking = NEEDED if tried is None else tried.lacking
        usual = ", ".join(f"{name} {weight:.2f}" for name, weight in WEIGHTS.items() if weight)
        return f"the usual ones ({usual}) until at least {lacking} more cases that people are asked about are answered"

    def learn(self) -> Fit | None:
        """Fit anew where enough has been answered since the last time; the fit, if there is a new one."""
        fits, revision = self._workspace.fits, self.latest()
        answered = self._workspace.cases.count_answered(self._namespace, self._scenario.name)
        last = fits.get(self.key, revision)
        if answered < (NEEDED if last is None else last.due):
            return None
        cases = self._labelled()
        half, lacking = cases[: len(cases) // 2], max(0, NEEDED - len(cases))
        wrong = [by_agents(case) is not answered_label(case.resolution) for _, case in half]
        lacking = lacking or 2 * max(0, WRONG - min(sum(wrong), len(wrong) - sum(wrong)))
        made = None if lacking else self._fitted([case for _, case in half], wrong)
        if made is None:
            again = answered + max(lacking, NEEDED // 10)
            none = Fit(revision=0, labels=len(cases), lacking=max(lacking, 1), due=again, weights={}, known={})
            fits.put(self.key, none)
            return None
        fit = Fit(
            revision=revision + 1,
            labels=len(half),
            due=GROWTH * answered,
            place=half[-1][0],
            weights=dict(made.weights),
            known={name: tuple(values) for name, values in made.known.items()},
            scale=(tuple(made.scale[0]), tuple(made.scale[1])),
        )
        fits.put(self.key, fit)
        return fit

    def _fit(self, revision: int) -> Fit | None:
        if revision and revision not in self._known:
            found = self._workspace.fits.get(self.key, revision)
            if found is not None:
                self._known[revision] = found
        return self._known.get(revision)

    def _labelled(self) -> list[tuple[int, Case]]:
        """The cases, each with its place, that were put to a person of their own accord or by lot, and answered."""
        runs = self._workspace.runs.alike(self._scenario, namespace=self._namespace, references=self._references)
        reviewed = self._workspace.cases.reviewed(self._scenario.name, namespace=self._namespace)
        return [
            (place, case)
            for place, case, run in reviewed
            if run in runs and case.deferred and case.answered and case.score is not None
        ]

    def _fitted(self, half: Sequence[Case], wrong: Sequence[bool]) -> Combination | None:
        """The weights for these cases, spread as the usual ones spread the latest cases; None for a single signal."""
        runs = self._workspace.runs.alike(self._scenario, namespace=self._namespace, references=self._references)
        latest = [case for case in self._workspace.cases.latest(list(runs), READ) if case.score is not None]
        rows = [signals_of(case.uncertainty) for case in half]
        around = [signals_of(case.uncertainty) for case in latest]
        names = [name for name in WEIGHTS if any(row[name] is not None for row in rows)]
        names = [name for name in names if any(row[name] is not None for row in around)]
        if len(names) < 2:
            return None
        counts = [1.0 / (case.uncertainty.drawn or 1.0) for case in half]
        known = {name: [row[name] for row in around] for name in names}
        made = fitted({name: [row[name] for row in rows] for name in names}, wrong, counts=counts, known=known)
        return made.scaled(around, USUAL)


def unsure(case: Case, combination: Combination, revision: int) -> float:
    """The uncertainty of a stored case by these weights, in [0, 1]."""
    found = case.uncertainty
    if found.fit == revision or found.score >= 1.0:
        return found.score
    return scored(signals_of(found), case.perceptions, combination)


def by_members(case: Case) -> tuple[float, float]:
    """P and uncertainty as the members alone have them, by the usual weights: what no answer of a person changes."""
    assert case.score is not None
    if case.precedent is None and case.uncertainty.fit == 0:
        return case.score, case.uncertainty.score
    standing = signals.standing(case.verdicts)
    p = signals.mean_p(standing)
    found = {**signals_of(case.uncertainty), "analysis": signals.analysis(standing, p)}
    return case.score if p is None else p, scored(found, case.perceptions, USUAL)
