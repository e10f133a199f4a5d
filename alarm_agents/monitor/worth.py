"""What a model's verdict is worth as a probability, where no log-probabilities tell: learned from stored cases.

In this order: what all members' verdicts say of such sights (`alarm_agents.uncertainty.distilled`, no labels needed),
else the share of a member's samples, else the number that it stated, as people's answers have borne such numbers out.
"""

from __future__ import annotations

import numpy as np

from alarm_agents.memory.recall import answered_label
from alarm_agents.memory.texts import sight
from alarm_agents.monitor.promises import Labelled
from alarm_agents.types import Case, Label, Verdict
from alarm_agents.uncertainty import signals
from alarm_agents.uncertainty.distilled import Distilled
from alarm_agents.uncertainty.recalibration import Recalibrated

READ = 2_000
"""The latest cases from whose verdicts p is distilled."""
AGAIN = 0.5
"""Distilled again when so many more verdicts have been given, as a share of those that there were."""
GROWTH = 1.1
"""The curves of stated p are learned again whenever so many times as many cases have been answered."""
BARELY = float(np.nextafter(0.5, 0.0))
"""The largest p of "normal"."""


class Worth:
    """The p of a scenario's members where they wrote it themselves."""

    def __init__(self, labelled: Labelled) -> None:
        self._labelled = labelled
        self._distilled: Distilled | None = None
        self._given, self._due = 0, 0
        self._read, self._learned_from = set[str](), 0
        self._rows: dict[str, list[tuple[float, bool, float]]] = {}
        self._curves: dict[str, Recalibrated] = {}

    def verdict(self, verdict: Verdict, seen: str, samples: int) -> Verdict:
        """The verdict, which was stated of what was `seen`, as one of `samples` of its member.

        A distilled p makes it less sure and never turns it around: a sight that was never seen before may be what
        only this member has understood. Nor does it speak of second looks, which have seen more.
        """
        assert verdict.p_stated is not None
        odd, distilled = verdict.p_stated >= 0.5, self._frequency(seen) if verdict.round == 0 else None
        if distilled is not None:
            held = max(0.5, distilled) if odd else min(BARELY, distilled)
            return verdict.model_copy(update={"p_anomaly": held, "p_from": "distilled"})
        if samples > 1:
            return verdict.model_copy(update={"p_anomaly": float(odd), "p_from": "sampled"})
        p = self._borne_out(verdict.model, verdict.p_stated)
        return verdict.model_copy(update={"p_anomaly": p, "label": Label.ANOMALOUS if p >= 0.5 else Label.NORMAL})

    def _frequency(self, seen: str) -> float | None:
        """How often members call such a sight anomalous; None without words, or until that can be told."""
        if self._given >= self._due:
            told = self._told()
            texts, odd = [text for text, _ in told], [odd for _, odd in told]
            self._distilled = Distilled(texts, odd) if Distilled.enough(odd) else None
            self._due = self._given + max(Distilled.FEWEST, round(AGAIN * len(told)))
        self._given += 1
        found = self._distilled.frequency([seen]) if self._distilled is not None and seen else None
        return None if found is None else float(found[0])

    def _told(self) -> list[tuple[str, bool]]:
        """The first verdicts of the latest cases that say themselves how sure they are: what was seen, and which.

        No answers of people: what these say of cases that are unlike theirs is for memory to judge, which is gated.
        """
        cases = self._labelled.workspace.cases.latest(list(self._labelled.runs), READ)
        return [
            (text, verdict.p_stated >= 0.5)
            for case in cases
            for verdict in signals.usable(case.verdicts)
            if verdict.round == 0 and verdict.p_stated is not None and (text := sight(case.perceptions, verdict.model))
        ]

    def _borne_out(self, model: str, stated: float) -> float:
        """What the p that the model stated is worth, in [0, 1]; as stated until enough cases were answered."""
        labelled, cases = self._labelled, self._labelled.workspace.cases
        answered = cases.count_answered(labelled.namespace, labelled.scenario.name)
        if answered < self._learned_from or answered > self._learned_from * GROWTH:
            self._learned_from = answered
            ids = set(cases.answered(labelled.namespace, labelled.scenario.name))
            if not self._read <= ids:  # somebody has deleted cases: begin anew
                self._read, self._rows = set(), {}
            for case in cases.some(sorted(ids - self._read)):
                self._take(case)
            self._read = ids
            self._curves = {name: _curve(rows) for name, rows in self._rows.items()}
        curve = self._curves.get(model)
        return stated if curve is None else float(curve.p(np.array([stated]))[0])

    def _take(self, case: Case) -> None:
        """An answered case; one that was drawn for review counts for as many as went unreviewed beside it."""
        label, weight = answered_label(case.resolution), 1.0 / (case.uncertainty.drawn or 1.0)
        for verdict in case.verdicts:
            if verdict.p_stated is not None:
                self._rows.setdefault(verdict.model, []).append((verdict.p_stated, label is Label.ANOMALOUS, weight))


def _curve(rows: list[tuple[float, bool, float]]) -> Recalibrated:
    stated, odd, weight = np.array(rows, float).T
    return Recalibrated(stated, odd.astype(int), weight)
