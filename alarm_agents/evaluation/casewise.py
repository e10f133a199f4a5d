"""Metrics over cases, from plain arrays: what was accepted and how often it was wrong, by group too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.evaluation.expectations import DEFERRAL_SHARES
from alarm_agents.evaluation.metrics import expected_calibration_error, frame_auroc, mean_or_none
from alarm_agents.uncertainty.risk import accuracy_at_deferral, aurc, excess_aurc

FloatArray = NDArray[np.float64]


def case_metrics(
    labels: NDArray[np.int_],
    p: FloatArray,
    score: FloatArray,
    majority: FloatArray,
    *,
    accept_below: float,
    normal_below: float | None = None,
) -> dict[str, Any]:
    """The metrics of judged cases, ready for JSON; None where one is undefined.

    `p` and `majority` are NaN where nobody answered: such a case is never accepted, never called normal, and counted in
    `unscored`. `coverage` is the share accepted (score under `accept_below`, of cases called normal under
    `normal_below` where a promise sets one), `accepted_error` the share of these that
    is wrong, `missed` the share of anomalous cases that was accepted as normal, `over_majority` what is gained in
    accuracy over the members' plain vote on the same cases.
    """
    there = np.isfinite(p)
    called = np.nan_to_num(p) >= 0.5
    accepted = there & (score < np.where(called, accept_below, accept_below if normal_below is None else normal_below))
    wrong = (called != labels.astype(bool))[there]
    voted = np.mean((majority[there] >= 0.5) == labels[there]) if there.any() else None
    accuracy = mean_or_none(~wrong)
    odd = labels == 1
    return {
        "case_accuracy": accuracy,
        "case_auroc": frame_auroc(labels, p),
        "coverage": mean_or_none(accepted),
        "accepted_error": mean_or_none((called != labels.astype(bool))[accepted]),
        "missed": mean_or_none((accepted & ~called)[odd]),
        "aurc": aurc(wrong, score[there]),
        "eaurc": excess_aurc(wrong, score[there]),
        "uncertainty_auroc": frame_auroc(wrong.astype(np.int_), score[there]),
        "ece": expected_calibration_error(labels[there], p[there]),
        "brier": mean_or_none(np.square(p[there] - labels[there])),
        "over_majority": None if accuracy is None or voted is None else accuracy - float(voted),
        "unscored": int((~there).sum()),
        "accuracy_at_deferral": {
            share: accuracy_at_deferral(wrong, score[there], float(share)) for share in DEFERRAL_SHARES
        },
    }


def spread(found: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mean of each metric over the splits that define it, and its standard deviation; nested ones alike."""
    mean: dict[str, Any] = {}
    deviation: dict[str, Any] = {}
    for name, first in found[0].items():
        values = [each[name] for each in found]
        if isinstance(first, dict):
            mean[name], deviation[name] = spread(values)
        else:
            known = [float(value) for value in values if value is not None]
            mean[name] = float(np.mean(known)) if known else None
            deviation[name] = float(np.std(known)) if known else None
    return mean, deviation
