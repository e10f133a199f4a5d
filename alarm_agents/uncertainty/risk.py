"""What uncertainty is worth: how few errors are left among the most certain verdicts. Arrays in, numbers out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def aurc(wrong: BoolArray, uncertainty: FloatArray) -> float | None:
    """Area under the risk-coverage curve (Geifman & El-Yaniv, NeurIPS 2017), in [0, 1], 0 is best.

    The mean over k = 1..n of the share of wrong predictions among the k least uncertain; None without
    predictions. With uninformative uncertainty it is the plain error rate.
    """
    if not len(wrong):
        return None
    return float(np.mean(errors_by_coverage(wrong, uncertainty)[1:] / np.arange(1, len(wrong) + 1)))


def excess_aurc(wrong: BoolArray, uncertainty: FloatArray) -> float | None:
    """E-AURC (Geifman, Uziel and El-Yaniv, ICLR 2019): AURC above that of an order which knows the errors; 0 is best.

    None without predictions.
    """
    found, best = aurc(wrong, uncertainty), aurc(wrong, wrong.astype(np.float64))
    return None if found is None or best is None else max(0.0, found - best)


def accuracy_at_deferral(wrong: BoolArray, uncertainty: FloatArray, share: float) -> float | None:
    """Accuracy on what is kept when the most uncertain `share` (in [0, 1)) is deferred, in [0, 1].

    A prediction on the boundary counts in part, so that the value doesn't hang on rounding `share` of n.
    """
    if not len(wrong):
        return None
    kept = (1 - share) * len(wrong)
    errors = np.interp(kept, np.arange(len(wrong) + 1), errors_by_coverage(wrong, uncertainty))
    return min(1.0, max(0.0, 1 - float(errors) / kept))


def errors_by_coverage(wrong: BoolArray, uncertainty: FloatArray) -> FloatArray:
    """Expected number of errors among the k least uncertain predictions, for k = 0..n.

    Within a tie every order is equally likely, so errors accrue evenly over it: a straight line from the
    tie's beginning to its end.
    """
    _, group, sizes = np.unique(uncertainty, return_inverse=True, return_counts=True)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    errors = np.concatenate([[0.0], np.cumsum(np.bincount(group, weights=wrong))])
    expected: FloatArray = np.interp(np.arange(len(wrong) + 1), ends, errors)
    return expected
