"""Recorded cases as arrays: what the members said of each, and what can be told from that without any label."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.reasons import Reasons
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.texts import written
from alarm_agents.sources.recorded import RecordedCase, read_case_labels, read_case_reasons, read_recorded
from alarm_agents.tools.deduction import Deduction, Judged
from alarm_agents.types import Label, Rule
from alarm_agents.uncertainty import signals
from alarm_agents.uncertainty.alarm2025 import pair_similarities
from alarm_agents.uncertainty.distilled import Distilled
from alarm_agents.uncertainty.recalibration import Recalibrated

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Panel:
    """The cases of a suite and the members that count; rows are cases, columns members, NaN is a missing answer."""

    cases: Sequence[RecordedCase]
    labels: NDArray[np.int_]
    members: tuple[str, ...]
    dropped: tuple[str, ...]
    """Members whose verdict never changes, which tell nothing apart."""
    rules: Sequence[Rule] = ()
    """The scenario's rules; what was seen is held against those in words."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Why people judged as they did, by case."""

    @classmethod
    def read(cls, files: Sequence[tuple[Path, Path | None]], rules: Sequence[Rule] = ()) -> Panel:
        """From recorded files and their annotations; raises `SourceError`, and `ScenarioError` without any member."""
        cases = [case for path, more in files for case in read_recorded(path, more)]
        labels = {key: label for path, _ in files for key, label in read_case_labels(path).items()}
        names = list(dict.fromkeys(member for case in cases for member in case.verdicts))
        told = {name: {case.verdicts[name].label for case in cases if name in case.verdicts} for name in names}
        kept = tuple(name for name in names if len(told[name] - {Label.UNKNOWN}) > 1)
        if not kept or len({case.id for case in cases}) < len(cases):
            why = "no member ever changes its verdict" if not kept else "a case stands in two files"
            raise ScenarioError(f"the recorded cases cannot be used: {why}", where=str(files[0][0]))
        dropped = tuple(name for name in names if name not in kept)
        people = {key: reason for each in files for key, reason in read_case_reasons(*each).items()}
        return cls(cases, np.array([labels[case.id] for case in cases]), kept, dropped, rules, people)

    @cached_property
    def groups(self) -> list[str]:
        """The category of each case, empty where it has none."""
        return [case.category for case in self.cases]

    @cached_property
    def votes(self) -> FloatArray:
        """1 where the member says anomalous, 0 normal, NaN where it gave no usable verdict."""
        value = {Label.ANOMALOUS: 1.0, Label.NORMAL: 0.0, Label.UNKNOWN: np.nan}
        return self._table(lambda case, name: value[case.verdicts[name].label] if name in case.verdicts else np.nan)

    @cached_property
    def majority(self) -> FloatArray:
        """The share of the members that say anomalous; NaN where nobody said anything."""
        return mean_of(self.votes)

    @cached_property
    def seen(self) -> list[list[str]]:
        """What each member saw, in words; empty where it said nothing."""
        return [
            [case.perceptions[n].caption if n in case.perceptions else "" for n in self.members] for case in self.cases
        ]

    @cached_property
    def why(self) -> list[list[str]]:
        """The reason that each member gave; empty where it gave none."""
        return [[case.verdicts[n].rationale if n in case.verdicts else "" for n in self.members] for case in self.cases]

    @cached_property
    def reasons(self) -> Reasons | None:
        """The members' reasons held against people's; None where people wrote none."""
        people = [self.people.get(case.id, "") for case in self.cases]
        return Reasons(self.why, people) if any(people) else None

    @cached_property
    def texts(self) -> list[str]:
        """All that the members wrote of a case, as memory keeps it."""
        found = []
        for case, row in zip(self.cases, np.isfinite(self.votes), strict=True):
            told = [name for name, ok in zip(self.members, row, strict=True) if ok]
            found.append(written([case.perceptions[n] for n in told], [case.verdicts[n] for n in told]))
        return found

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The texts' embeddings, (cases, dimensions), by the embedder that live memory uses."""
        return default_embedder().embed(self.texts)

    @cached_property
    def sights(self) -> NDArray[np.float32]:
        """The embeddings of what each member saw, (cases, members, dimensions)."""
        flat = default_embedder().embed([text for row in self.seen for text in row])
        return flat.reshape(len(self.cases), len(self.members), -1)

    @cached_property
    def stated(self) -> FloatArray:
        """The p that each member stated of each case; NaN where it stated none."""
        return self._table(_stated)

    @cached_property
    def distilled(self) -> FloatArray | None:
        """The p of each member's verdict as distilled from all verdicts; None where there are too few, or no words."""
        told = np.isfinite(self.votes)
        texts = [text for row, ok in zip(self.seen, told, strict=True) for text in np.array(row)[ok].tolist()]
        odd = [bool(vote) for vote in self.votes[told]]
        if not all(texts) or not Distilled.enough(odd):
            return None
        p = np.full(told.shape, np.nan)
        p[told] = Distilled(texts, odd).p(texts)
        return p

    @cached_property
    def p_members(self) -> FloatArray:
        """The p of each member: distilled, else the one that it stated, else its vote, which is its only sample."""
        return self._p(self.stated)

    def p_recalibrated(self, known: NDArray[np.int_]) -> FloatArray:
        """`p_members`, the stated ones as the labels of the `known` cases bear them out, member by member."""
        truth = self.labels[known]
        return self._p(np.column_stack([Recalibrated(each[known], truth).p(each) for each in self.stated.T]))

    def _p(self, stated: FloatArray) -> FloatArray:
        if self.distilled is not None:
            return self.distilled
        return np.where(np.isfinite(stated), stated, self.votes)

    @cached_property
    def signals(self) -> dict[str, list[float | None]]:
        """The signals that need neither labels nor statistics of other cases, by name."""
        words = [[frozenset(re.findall(r"[a-z]{4,}", text.lower())) for text in row if text] for row in self.seen]
        sights = [rows[[bool(text) for text in texts]] for rows, texts in zip(self.sights, self.seen, strict=True)]
        p = [[float(value) for value in row if np.isfinite(value)] for row in self.p_members]
        labels = [[case.verdicts[n].label for n in self.members if n in case.verdicts] for case in self.cases]
        return {
            "dispersion": [signals.dispersion(each) for each in sights],
            "set_disagreement": [signals.set_disagreement(each) for each in words],
            "mutual_information": [signals.mutual_information(each) for each in p],
            "vote_entropy": [signals.vote_entropy(each) for each in labels],
            "ambiguity": [signals.rule_ambiguity(each.contest) for each in self._deduced],
        }

    @cached_property
    def _deduced(self) -> list[Judged]:
        worded = [rule for rule in self.rules if rule.predicate is None]
        return Deduction(default_embedder(), worded, ()).judge([". ".join(filter(None, row)) for row in self.seen])

    @cached_property
    def similarities(self) -> FloatArray:
        """The cosines of what was seen, by pair of members."""
        return pair_similarities(self.sights)

    def _table(self, cell: Any) -> FloatArray:
        return np.array([[cell(case, name) for name in self.members] for case in self.cases], float)


def mean_of(table: FloatArray) -> FloatArray:
    """The mean of what each row has; NaN where it has nothing."""
    there = np.isfinite(table)
    total = np.where(there, table, 0.0).sum(axis=1)
    found: FloatArray = np.full(len(table), np.nan)
    np.divide(total, there.sum(axis=1), out=found, where=there.any(axis=1))
    return found


def _stated(case: RecordedCase, name: str) -> float:
    verdict = case.verdicts.get(name)
    p = verdict.p_anomaly if verdict is not None and verdict.p_from == "stated" else None
    return np.nan if p is None else p
