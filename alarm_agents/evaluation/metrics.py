"""Metrics of a suite, from plain arrays: one row a labelled frame, the frames of all cases pooled.

Standard metrics are scikit-learn's. A metric that is undefined on the data at hand (one class only, nothing
predicted positive) is None, never 0 and never NaN. Frames without a score are left out of every metric that
needs one: they are counted by `FrameTable.unscored`, never taken for normal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from alarm_agents.evaluation.expectations import DEFERRAL_SHARES
from alarm_agents.uncertainty.risk import accuracy_at_deferral, aurc, excess_aurc

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int_]
BoolArray = NDArray[np.bool_]

ECE_BINS = 15
"""What an expectation may speak of; a dot leads into a metric that has several values."""


@dataclass(frozen=True, eq=False)
class FrameTable:
    """The labelled frames of a suite's run, a row each; all columns are one-dimensional and equally long."""

    scores: FloatArray
    """p of an anomaly in [0, 1]; NaN where no window gave the frame a score."""
    labels: IntArray
    """1 anomalous, 0 normal."""
    predicted: BoolArray
    """Whether the frame is called anomalous, at the threshold that the references alone set."""
    deferred: BoolArray
    """Whether the frame's case was handed to a person."""
    uncertainty: FloatArray
    """Any finite number, higher is less certain; not looked at where there is no score."""
    seconds: FloatArray
    """How long each frame stands for, >= 0 (sources differ in frame rate)."""
    cases: IntArray
    """Which case of the suite the frame belongs to, from 0."""

    def __post_init__(self) -> None:
        shapes = {field.name: getattr(self, field.name).shape for field in fields(self)}
        if any(shape != (len(self.scores),) for shape in shapes.values()):
            raise ValueError(f"columns of a frame table are one-dimensional and equally long, not {shapes}")
        scored = self.scored
        if not ((self.scores[scored] >= 0) & (self.scores[scored] <= 1)).all():
            raise ValueError("scores are probabilities between 0 and 1, or NaN")
        if not np.isin(self.labels, (0, 1)).all():
            raise ValueError("labels are 0 or 1")
        if not np.isfinite(self.uncertainty[scored]).all():
            raise ValueError("a frame with a score needs a finite uncertainty")
        if not (np.isfinite(self.seconds) & (self.seconds >= 0)).all():
            raise ValueError("seconds are finite and not negative")

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def scored(self) -> BoolArray:
        """Which rows have a score."""
        return ~np.isnan(self.scores)

    @property
    def unscored(self) -> int:
        """How many frames have no score."""
        return int((~self.scored).sum())

    def where(self, rows: BoolArray) -> FrameTable:
        """The table of these rows only, for example `table.where(table.cases == 2)`."""
        return FrameTable(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def compute(table: FrameTable, incidents: Iterable[Sequence[int]] = ()) -> dict[str, Any]:
    """All metrics of a suite, ready for JSON; `incidents` are the rows of `table` that each incident covers."""
    scored = table.where(table.scored)
    wrong = scored.predicted != scored.labels
    shares = {share: accuracy_at_deferral(wrong, scored.uncertainty, float(share)) for share in DEFERRAL_SHARES}
    return {
        "frame_auroc": frame_auroc(scored.labels, scored.scores),
        "frame_ap": frame_ap(scored.labels, scored.scores),
        **_classification(scored.labels, scored.predicted),
        "false_alarms_per_hour": false_alarms_per_hour(table, incidents),
        "ece": expected_calibration_error(scored.labels, scored.scores),
        "brier": mean_or_none(np.square(scored.scores - scored.labels)),
        "aurc": aurc(wrong, scored.uncertainty),
        "eaurc": excess_aurc(wrong, scored.uncertainty),
        "uncertainty_auroc": frame_auroc(wrong.astype(np.int_), scored.uncertainty),
        "deferred": mean_or_none(table.deferred),
        "accuracy_at_deferral": shares,
    }


def frame_auroc(labels: IntArray, scores: FloatArray) -> float | None:
    """Area under the ROC curve (scikit-learn), in [0, 1]; frames with a NaN score are left out.

    None unless both classes are there.
    """
    labels, scores = labels[~np.isnan(scores)], scores[~np.isnan(scores)]
    return float(sk.roc_auc_score(labels, scores)) if len(np.unique(labels)) == 2 else None


def frame_ap(labels: IntArray, scores: FloatArray) -> float | None:
    """Average precision (scikit-learn), in (0, 1]; None without an anomalous frame."""
    return float(sk.average_precision_score(labels, scores)) if labels.any() else None


def _classification(labels: IntArray, predicted: BoolArray) -> dict[str, float | None]:
    """Accuracy, precision, recall and F1 of the anomalous class (scikit-learn), each in [0, 1].

    F1 is 2 TP / (2 TP + FP + FN): 0 where every anomaly was missed, None where there was nothing to find
    and nothing was found.
    """
    if not len(labels):
        return dict.fromkeys(("accuracy", "precision", "recall", "f1"))
    calls = predicted.astype(np.int_)
    return {
        "accuracy": float(sk.accuracy_score(labels, calls)),
        "precision": _defined(sk.precision_score(labels, calls, zero_division=np.nan)),
        "recall": _defined(sk.recall_score(labels, calls, zero_division=np.nan)),
        "f1": _defined(sk.f1_score(labels, calls, zero_division=np.nan)),
    }


def false_alarms_per_hour(table: FrameTable, incidents: Iterable[Sequence[int]]) -> float | None:
    """Incidents that touch no anomalous frame, per hour of frames labelled normal, >= 0.

    None without a normal frame. An incident outside all labelled frames can be neither right nor wrong and
    isn't counted. Normal frames without a score count as time watched: the system could have alarmed there.
    """
    hours = float(table.seconds[table.labels == 0].sum()) / 3600
    covered = [table.labels[np.asarray(rows, dtype=np.intp)] for rows in incidents]
    false = sum(1 for labels in covered if len(labels) and not labels.any())
    return false / hours if hours > 0 else None


def expected_calibration_error(labels: IntArray, scores: FloatArray, bins: int = ECE_BINS) -> float | None:
    """Expected calibration error of p(anomaly), in [0, 1], 0 is best; None without frames.

    The binary definition (Naeini, Cooper & Hauskrecht, AAAI 2015) with bins of equal width over [0, 1]:
    the mean over frames of |mean p - share anomalous| in the frame's bin. It isn't the top-label variant of
    Guo et al. (ICML 2017), which bins max(p, 1 - p) against correctness and so says nothing about which
    class is over-stated.
    """
    if not len(labels):
        return None
    index = np.minimum((scores * bins).astype(np.intp), bins - 1)
    # A bin's share times its gap is |sum(p - label)| / n: the bin's own size cancels.
    return float(np.abs(np.bincount(index, weights=scores - labels)).sum() / len(labels))


def mean_or_none(values: Sequence[bool] | NDArray[Any]) -> float | None:
    """The mean; None of nothing."""
    return float(np.mean(values)) if len(values) else None


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
