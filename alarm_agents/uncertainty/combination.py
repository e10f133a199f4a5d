"""Several signals to one score: each ranked against the calibration cases, then weighted on the simplex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarm_agents.uncertainty.risk import aurc

FloatArray = NDArray[np.float64]
CANDIDATES, BOOTSTRAPS = 60, 20


@dataclass(frozen=True)
class Combination:
    """Weights (>= 0, sum 1) by signal, and the values that each had on the calibration cases, ascending."""

    weights: Mapping[str, float]
    known: Mapping[str, tuple[float, ...]]

    def score(self, values: Mapping[str, float | None]) -> float:
        """The score of one case, in [0, 1]: the weighted mean of the ranks of the signals that it has.

        A rank is the share of calibration cases with a smaller value, those with the same counting half. 1.0 where
        the case has none of the signals.
        """
        there = {name: value for name in self.weights if (value := values.get(name)) is not None}
        total = sum(self.weights[name] for name in there)
        if total <= 0:
            return 1.0
        return sum(self.weights[name] * self._rank(name, value) for name, value in there.items()) / total

    def _rank(self, name: str, value: float) -> float:
        known = self.known[name]
        if not known:
            return value
        return float(np.searchsorted(known, value, "left") + np.searchsorted(known, value, "right")) / (2 * len(known))


def equal(values: Mapping[str, Sequence[float | None]]) -> Combination:
    """All signals weighed alike: what there is without labels. `values` are those of the calibration cases."""
    return Combination({name: 1 / len(values) for name in values}, _known(values))


def fitted(values: Mapping[str, Sequence[float | None]], wrong: Sequence[bool], *, seed: int = 0) -> Combination:
    """Weights with the smallest area under the risk-coverage curve (ties by expectation) on labelled cases.

    Candidates are the corners of the simplex, its centre and `CANDIDATES` points drawn evenly (Dirichlet); for each of
    `BOOTSTRAPS` resamples the best is taken, and these are averaged, which keeps chance from deciding alone.
    Equal weights where no case is wrong, or all are.
    """
    start = equal(values)
    errors = np.asarray(wrong, bool)
    if errors.all() or not errors.any() or len(values) < 2:
        return start
    names = list(values)
    corners = [Combination({name: 1.0}, start.known) for name in names]
    ranks = np.array(
        [[corner.score({name: value}) for value in values[name]] for corner, name in zip(corners, names, strict=True)]
    )
    draw = np.random.default_rng(seed)
    points = np.vstack([np.eye(len(names)), np.full(len(names), 1 / len(names))])
    points = np.vstack([points, draw.dirichlet(np.ones(len(names)), CANDIDATES)])
    scores = np.round(points @ ranks, 12)
    best = []
    for _ in range(BOOTSTRAPS):
        rows = draw.integers(0, len(errors), len(errors))
        risks = [aurc(errors[rows], score[rows]) or 0.0 for score in scores]
        best.append(points[int(np.argmin(risks))])
    return Combination(dict(zip(names, np.mean(best, axis=0).tolist(), strict=True)), start.known)


def _known(values: Mapping[str, Sequence[float | None]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(sorted(value for value in each if value is not None)) for name, each in values.items()}
