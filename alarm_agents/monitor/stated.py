"""What models' stated p have been worth so far, by the answers that people gave."""

from __future__ import annotations

import numpy as np

from alarm_agents.memory.recall import answered_label
from alarm_agents.types import Label
from alarm_agents.uncertainty.recalibration import Recalibrated
from alarm_agents.workspace.cases import CaseStore

GROWTH = 1.1
"""Learned again whenever so many times as many cases have been answered: all are read then, and a window waits."""


class Stated:
    """The p of a scenario's members, recalibrated where they state it themselves."""

    def __init__(self, cases: CaseStore, namespace: str, scenario: str) -> None:
        self._cases, self._namespace, self._scenario = cases, namespace, scenario
        self._learned_from, self._curves = 0, dict[str, Recalibrated]()

    def p(self, model: str, stated: float) -> float:
        """What the p that the model stated is worth, in [0, 1]; as stated until enough cases were answered."""
        answered = self._cases.count_answered(self._namespace, self._scenario)
        if answered < self._learned_from or answered > self._learned_from * GROWTH:
            self._learned_from, self._curves = answered, self._learned()
        curve = self._curves.get(model)
        return stated if curve is None else float(curve.p(np.array([stated]))[0])

    def _learned(self) -> dict[str, Recalibrated]:
        """By model; a reviewed case counts for as many as went unreviewed beside it."""
        rows: dict[str, list[tuple[float, bool, float]]] = {}
        for case in self._cases.find(namespace=self._namespace, scenario=self._scenario, answered=True):
            label, weight = answered_label(case.resolution), 1.0 / (case.uncertainty.drawn or 1.0)
            for verdict in case.verdicts if label is not Label.UNKNOWN else ():
                if verdict.p_from == "stated" and verdict.p_stated is not None:
                    row = (verdict.p_stated, label is Label.ANOMALOUS, weight)
                    rows.setdefault(verdict.model, []).append(row)
        found = {}
        for model, each in rows.items():
            stated, odd, weight = np.array(each, float).T
            found[model] = Recalibrated(stated, odd.astype(int), weight)
        return found
