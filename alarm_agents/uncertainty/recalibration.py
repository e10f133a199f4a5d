"""From the p that a member states to how often it is right: fitted on labelled cases, never invented.

Language models state confidence in round numbers and too high (Xiong et al., ICLR 2024). From few labels two numbers
are learned (Platt, 1999: a logistic curve of the log-odds), from many any rising curve (isotonic regression, Zadrozny
and Elkan, KDD 2002); both are scikit-learn's. Until there are enough labels a stated p stays what it is, and a member
that states none is given none. Range: [0, 1]. Cost: no model call.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
FEWEST = 20
"""Labelled cases of each kind under which nothing is learned."""
MANY = 500
"""Labelled cases from which on any rising curve may be learned: fewer give it steps that are chance."""
EDGE = 1e-3
"""A stated 0 or 1 counts as this far from it: nobody is that sure, and log-odds need it."""


class Recalibrated:
    """The curve of one member: from p as stated to p as labels bear it out; never falling."""

    def __init__(
        self, stated: FloatArray, anomalous: NDArray[np.int_], weights: NDArray[np.float64] | None = None
    ) -> None:
        """From the p that the member stated of labelled cases (NaN where it stated none) and their labels, 0 or 1.

        `weights` are one over the probability with which each was to be labelled, 1 where none are given.
        """
        there = np.isfinite(stated)
        weight = np.ones(len(stated)) if weights is None else weights
        self._curve = _curve(stated[there], anomalous[there], weight[there])

    def p(self, stated: FloatArray) -> FloatArray:
        """The p of cases, in [0, 1]; NaN stays NaN."""
        found, there = np.array(stated, float), np.isfinite(stated)
        if there.any():
            found[there] = np.clip(self._curve(found[there]), 0.0, 1.0)
        return found


def _curve(stated: FloatArray, anomalous: NDArray[np.int_], weight: FloatArray) -> Callable[[FloatArray], FloatArray]:
    odd = int(anomalous.sum())
    if min(odd, len(anomalous) - odd) < FEWEST:
        return lambda p: p
    from sklearn.isotonic import IsotonicRegression  # a second, which only a curve that is learned needs
    from sklearn.linear_model import LogisticRegression

    if len(anomalous) >= MANY:
        rising = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(stated, anomalous, weight)
        return lambda p: np.asarray(rising.predict(p), float)
    found = LogisticRegression(max_iter=1_000).fit(_odds(stated), anomalous, weight)
    if found.coef_[0, 0] <= 0:  # what it states says nothing of the labels, or the reverse: all alike, as labels are
        return lambda p: np.full(len(p), np.average(anomalous, weights=weight))
    return lambda p: np.asarray(found.predict_proba(_odds(p))[:, 1], float)


def _odds(p: FloatArray) -> FloatArray:
    """The log-odds, one column."""
    held = np.clip(p, EDGE, 1 - EDGE)
    return np.asarray(np.log(held / (1 - held))[:, None], float)
