"""Ways to judge recorded cases: the system's own, with or without labels, and the baselines beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from alarm_agents.agents.drafts import objections
from alarm_agents.evaluation.calibration import Split
from alarm_agents.evaluation.comparable import check_comparable
from alarm_agents.evaluation.recorded import Panel, mean_of
from alarm_agents.memory.recall import CASES
from alarm_agents.memory.remembered import FEWEST, Remembered, sample
from alarm_agents.memory.remembered import fitted as remembering
from alarm_agents.types import Label, Parse, SimilarCase, Verdict
from alarm_agents.uncertainty import signals
from alarm_agents.uncertainty.alarm2025 import Alarm2025, LowRank
from alarm_agents.uncertainty.combination import Combination, equal, fitted
from alarm_agents.uncertainty.signals import margin

FloatArray = NDArray[np.float64]
UNLABELLED = ("margin",)
"""What counts without labels: disagreement between members did not find errors, so it waits for labels to weigh it."""
WEIGHED = ("dispersion", "set_disagreement", "mutual_information", "vote_entropy", "margin", "residual", "memory")
SIGNALS = (*WEIGHED, "entropy", "ambiguity", "critic")
"""What `--compare` may ask for; `entropy` ranks as `margin` does, and the last two added nothing to the combination."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Cases (rows of the panel) with the p of an anomaly and the uncertainty of each; NaN where nobody answered."""

    rows: NDArray[np.int_]
    p: FloatArray
    score: FloatArray

    @property
    def verdict(self) -> NDArray[np.int_]:
        """1 where the case is held to be anomalous, 0 normal, -1 where nobody could say."""
        return np.where(np.isfinite(self.p), (np.nan_to_num(self.p) >= 0.5).astype(int), -1)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Both parts of a split, judged alike: each calibration case by the others alone."""

    calibration: Judged
    rest: Judged
    weights: Mapping[str, float]
    normal_below: float | None = None
    """The uncertainty under which "normal" is accepted, where a promise sets one."""


def by_system(panel: Panel, split: Split, *, only: str | None = None, labels: bool = True) -> Outcome:
    """The members' p and, with labels, what memory says; uncertainty is the fitted combination, or one signal alone.

    Raises `ScenarioError` where that one cannot be told of any of the cases.
    """
    members = mean_of(panel.p_recalibrated(split.calibration) if labels else panel.p_members)
    known = split.calibration[np.isfinite(members[split.calibration])]
    if not labels or len(known) < FEWEST:
        rest = _described(panel, split.rest, split.rest, members[split.rest], None)
        if only is not None:
            check_comparable(only, rest, members=panel.members, labels=len(known))
        values = {name: rest[name] for name in (UNLABELLED if only is None else (only,))}
        made = equal(values)
        return Outcome(_nothing(), _scored(panel, split.rest, members[split.rest], values, made), made.weights)
    groups = [panel.groups[row] for row in known]
    vectors, truth, said = panel.vectors[known], panel.labels[known].astype(float), members[known]
    memory = Remembered(vectors, truth, remembering(vectors, truth, said, groups))
    rows = sample(len(known))
    held, p_held = known[rows], memory.held_out(rows, said[rows])
    p_rest = memory.p_of(panel.vectors[split.rest], members[split.rest])
    values = _described(panel, known, held, p_held, panel.majority[held])
    rest = _described(panel, known, split.rest, p_rest, panel.majority[split.rest])
    if only is not None:
        check_comparable(only, values, rest, members=panel.members, labels=len(known))
    counted = WEIGHED if only is None else (only,)
    values, rest = ({name: each[name] for name in counted if name in each} for each in (values, rest))
    wrong = ((p_held >= 0.5).astype(int) != panel.labels[held]).tolist()
    made = fitted(values, wrong)
    return Outcome(
        _scored(panel, held, p_held, values, made), _scored(panel, split.rest, p_rest, rest, made), made.weights
    )


def by_majority(panel: Panel, split: Split) -> Outcome:
    """The share of members that say anomalous; how even the votes are is the uncertainty."""
    return _plain(panel.majority, _margins(panel.majority), split)


def by_alarm2025(panel: Panel, split: Split) -> Outcome:
    """The majority's verdict with ALARM's uncertainty (S3 needs a second look, which recordings have none of).

    Raises `ScenarioError` for fewer than three members: there is no S1 then, and the rest is `vote_entropy`.
    """
    if panel.similarities.shape[1] < 2:
        check_comparable("alarm2025", members=panel.members, labels=len(split.calibration))
    frozen = split.calibration if len(split.calibration) else split.rest
    evenness = np.nan_to_num(np.array(list(panel.signals["vote_entropy"]), float), nan=1.0)
    parts = [evenness, LowRank(panel.similarities[frozen]).residuals(panel.similarities)]
    made = Alarm2025([part[frozen] for part in parts])
    return _plain(panel.majority, made.score(parts), split)


def by_words(panel: Panel, split: Split) -> Outcome:
    """No agents: TF-IDF and logistic regression (scikit-learn) on all that was written, from labels to labels."""
    if len(np.unique(panel.labels[split.calibration])) < 2:
        return _plain(np.full(len(panel.labels), np.nan), np.ones(len(panel.labels)), split)
    pipe = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1_000))
    pipe.fit([panel.texts[row] for row in split.calibration], panel.labels[split.calibration])
    p = pipe.predict_proba(panel.texts)[:, 1]
    return _plain(p, _margins(p), split)


WAYS: Mapping[str, Callable[[Panel, Split], Outcome]] = {
    "majority": by_majority,
    "label-free": partial(by_system, labels=False),
    "alarm2025": by_alarm2025,
    "tfidf": by_words,
    **{name: partial(by_system, only=name) for name in SIGNALS},
}
"""What `--compare` may name: baselines, and the signals one by one under the system's own verdicts."""


def _described(
    panel: Panel, frozen: NDArray[np.int_], rows: NDArray[np.int_], p: FloatArray, said: FloatArray | None
) -> dict[str, list[float | None]]:
    """The signals of those cases by name; statistics are of the `frozen` cases.

    `said` is the votes' share, where memory has spoken since.
    """
    found: dict[str, list[float | None]] = {name: [each[row] for row in rows] for name, each in panel.signals.items()}
    found["margin"] = [margin(float(value)) if np.isfinite(value) else None for value in p]
    found["entropy"] = [signals.entropy(float(value)) if np.isfinite(value) else None for value in p]
    if panel.similarities.shape[1] > 1:
        found["residual"] = LowRank(panel.similarities[frozen]).residuals(panel.similarities[rows]).tolist()
    if said is not None:
        found["memory"] = [float(v) if np.isfinite(v) else None for v in np.abs(said - p)]
        found["critic"] = _rejected(panel, frozen, rows)
    return found


def _rejected(panel: Panel, known: NDArray[np.int_], rows: NDArray[np.int_]) -> list[float | None]:
    """`signals.critic` of the members' answers: what the nearest of the known cases, other than itself, say of each."""
    alike = panel.vectors[rows] @ panel.vectors[known].T
    alike[rows[:, None] == known[None, :]] = -np.inf
    found = []
    for row, near in zip(rows, alike, strict=True):
        similar = [
            SimilarCase(case=panel.cases[known[i]].id, label=_LABELS[panel.labels[known[i]]], similarity=near[i])
            for i in np.argsort(-near)[:CASES]
        ]
        drafts = [panel.cases[row].verdicts[name] for name in panel.members if name in panel.cases[row].verdicts]
        against = [objections(draft, checked=_UNCHECKED, similar=similar, before=()) for draft in drafts]
        found.append(signals.critic(drafts, against))
    return found


_LABELS = (Label.NORMAL, Label.ANOMALOUS)
_UNCHECKED = Verdict(member="rules", model="rules", label=Label.UNKNOWN, parse=Parse.UNPARSED)
"""No rule can be checked on what was never measured."""


def _scored(
    panel: Panel, rows: NDArray[np.int_], p: FloatArray, values: Mapping[str, Sequence[float | None]], made: Combination
) -> Judged:
    """Uncertainty as combined; with n of N members missing it is 1 - (1 - n/N)(1 - that)."""
    combined = [made.score({name: each[i] for name, each in values.items()}) for i in range(len(rows))]
    there = np.isfinite(panel.votes[rows]).mean(axis=1)
    return Judged(rows, p, 1.0 - there * (1.0 - np.array(combined, float)))


def _margins(p: FloatArray) -> FloatArray:
    return np.asarray([margin(value) for value in p.tolist()], float)


def _plain(p: FloatArray, score: FloatArray, split: Split) -> Outcome:
    known, rest = (
        Judged(rows, p[rows], np.nan_to_num(score[rows], nan=np.inf)) for rows in (split.calibration, split.rest)
    )
    return Outcome(known, rest, weights={})


def _nothing() -> Judged:
    return Judged(np.zeros(0, int), np.zeros(0), np.zeros(0))


def records(panel: Panel, judged: Judged) -> list[dict[str, Any]]:
    """The cases one by one, ready for JSON: id, label, p, score, group, verdict (None where nobody could say)."""
    return [
        {
            "id": panel.cases[row].id,
            "label": int(panel.labels[row]),
            "p": float(p) if np.isfinite(p) else None,
            "score": float(score),
            "group": panel.groups[row],
            "verdict": int(verdict) if verdict >= 0 else None,
        }
        for row, p, score, verdict in zip(judged.rows, judged.p, judged.score, judged.verdict, strict=True)
    ]
