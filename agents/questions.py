"""Guiding questions: how well their answers told reviewed cases apart, and which are kept.

VERA (Ye, Liu and He, CVPR 2025, "Explainable Video Anomaly Detection via Verbalized Learning") learns the questions
that a frozen model is asked from labelled clips. Here the labels are people's answers to cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from alarm_agents.agents.perceiver import answer_to
from alarm_agents.models import delimit
from alarm_agents.types import Case, Label, Parse, Rule, RuleStatus

ENOUGH = 10
"""Reviewed cases of each label that a question must have been asked about before it is kept or retired."""
SURE = 0.05
"""How likely answers that tell nothing may be to look as telling as those of a question that is kept."""
UNSAID = 0.5
"""What no answer counts, between no (0) and yes (1)."""


@dataclass(frozen=True)
class Weighed:
    """A question, with what became of it, and the reviewed cases in which it was asked."""

    question: Rule
    outcome: Literal["kept", "retired", "undecided"]
    anomalous: int
    normal: int
    yes_anomalous: float | None
    """The mean answer in anomalous cases (no 0, yes 1), over cases and perceivers; None without such cases."""
    yes_normal: float | None
    auroc: float | None
    """Of the answers, whichever way they point, in [0.5, 1]; None where a label is missing."""
    p: float | None
    """How likely so large an AUROC is by chance (Mann-Whitney, two-sided)."""

    @property
    def said(self) -> str:
        """In words."""
        asked = f"asked in {self.anomalous} anomalous and {self.normal} normal reviewed cases"
        if self.auroc is None or self.outcome == "undecided":
            return f"{asked}; {ENOUGH} of each are needed to decide on it"
        does = "told them apart" if self.outcome == "kept" else "did not tell them apart"
        return f"{asked}, its answers {does}: AUROC {self.auroc:.2f}, p {self.p:.3f}"


def weigh(question: Rule, cases: Sequence[Case]) -> Weighed:
    """How well the question's answers told `cases` apart, all of which it was asked in, and what is made of that.

    The question comes back as the version to store: with its AUROC on record, and retired (rejected) where answers as
    telling as these are likelier than `SURE` by chance alone. With fewer than `ENOUGH` cases of either label nothing
    is decided. Deferred cases are a biased sample of all: the AUROC is one among what was reviewed.
    """
    told = [
        (label, answer) for case in cases if (label := _label(case)) and (answer := _answer(question, case)) is not None
    ]
    anomalous = np.array([answer for label, answer in told if label is Label.ANOMALOUS])
    normal = np.array([answer for label, answer in told if label is Label.NORMAL])
    auroc, p = _apart(anomalous, normal)
    outcome: Literal["kept", "retired", "undecided"] = "undecided"
    if auroc is not None and p is not None and min(anomalous.size, normal.size) >= ENOUGH:
        outcome = "kept" if p <= SURE else "retired"
    found = Weighed(
        question=question,
        outcome=outcome,
        anomalous=int(anomalous.size),
        normal=int(normal.size),
        yes_anomalous=float(anomalous.mean()) if anomalous.size else None,
        yes_normal=float(normal.mean()) if normal.size else None,
        auroc=auroc,
        p=p,
    )
    if outcome == "undecided":
        return found
    provenance = question.provenance.model_copy(update={"auroc": auroc, "note": found.said})
    status = RuleStatus.ACTIVE if outcome == "kept" else RuleStatus.REJECTED
    return replace(found, question=question.model_copy(update={"status": status, "provenance": provenance}))


def asked_text(questions: Sequence[Rule]) -> str:
    """The questions that there have been, with what their answers were worth, for an inducer; delimited."""
    lines = [f"- {rule.text} ({_worth(rule)})" for rule in questions]
    return delimit("\n".join(lines), "questions") if lines else "(none yet)"


def _worth(rule: Rule) -> str:
    if rule.provenance.auroc is None:
        return "not known yet" if rule.status is RuleStatus.ACTIVE else "not asked any more"
    return f"AUROC {rule.provenance.auroc:.2f}" if rule.status is RuleStatus.ACTIVE else "told nothing"


def _label(case: Case) -> Label | None:
    answer = case.resolution.answer if case.resolution else "unsure"
    return None if answer == "unsure" else Label(answer)


def _answer(question: Rule, case: Case) -> float | None:
    """The mean of what the case's perceivers answered; None where none of them was in a state to answer."""
    asked = [p for p in case.perceptions if p.parse in (Parse.PARSED, Parse.REPAIRED)]
    said = [answer_to(question.id, perception) for perception in asked]
    return sum(UNSAID if answer is None else float(answer) for answer in said) / len(said) if said else None


def _apart(anomalous: np.ndarray, normal: np.ndarray) -> tuple[float | None, float | None]:
    """The AUROC of the answers, folded, and its p-value."""
    if not anomalous.size or not normal.size:
        return None, None
    if np.unique(np.concatenate([anomalous, normal])).size < 2:
        return 0.5, 1.0
    from scipy.stats import mannwhitneyu  # half a second, which only induction and a question's replay need

    test = mannwhitneyu(anomalous, normal, method="asymptotic")
    share = float(test.statistic) / (anomalous.size * normal.size)
    return max(share, 1.0 - share), float(test.pvalue)
