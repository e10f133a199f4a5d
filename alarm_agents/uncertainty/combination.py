"""Several signals to one score: each ranked against the calibration cases, then weighted on the simplex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarm_agents.uncertainty.risk import aurc

FloatArray = NDArray[np.float64]
CANDIDATES, BOOTSTRAPS = 60, 20
KNOTS = 200
"""Cases by which scores are spread, at most."""


@dataclass(frozen=True)
class Combination:
    """Weights (>= 0, sum 1) by signal, and the values that each had on the calibration cases, ascending."""

    weights: Mapping[str, float]
    known: Mapping[str, Sequence[float]]
    scale: tuple[Sequence[float], Sequence[float]] = ((), ())
    """What the weighted ranks of cases came to, ascending, and the scores that take their places, see `scaled`."""

    def score(self, values: Mapping[str, float | None]) -> float:
        """The score of one case, in [0, 1]: the weighted mean of the ranks of the signals that it has.

        A rank is the share of calibration cases with a smaller value, those with the same counting half. 1.0 where
        the case has none of the signals.
        """
        there = {name: value for name in self.weights if (value := values.get(name)) is not None}
        total = sum(self.weights[name] for name in there)
        if total <= 0:
            return 1.0
        found = sum(self.weights[name] * self.rank(name, value) for name, value in there.items()) / total
        before, after = self.scale
        return float(np.interp(found, [0.0, *before, 1.0], [0.0, *after, 1.0])) if before else found

    def scaled(self, cases: Sequence[Mapping[str, float | None]], like: Combination) -> Combination:
        """With scores that are spread over these cases as those of the other combination are.

        Cases then change places, and under any threshold as many are left as before; one that is beyond all of them
        in everything comes to 1.
        """
        plain = Combination(self.weights, self.known)
        ranks, scores = (np.sort([each.score(case) for case in cases]) for each in (plain, like))
        knots = np.linspace(0, len(cases) - 1, min(len(cases), KNOTS)).round().astype(int)
        return Combination(self.weights, self.known, (tuple(ranks[knots].tolist()), tuple(scores[knots].tolist())))

    def rank(self, name: str, value: float) -> float:
        """The rank of a signal's value among the calibration cases; the value itself where none are known."""
        known = self.known.get(name)
        if not known:
            return value
        return float(np.searchsorted(known, value, "left") + np.searchsorted(known, value, "right")) / (2 * len(known))


def equal(values: Mapping[str, Sequence[float | None]]) -> Combination:
    """All signals weighed alike: what there is without labels. `values` are those of the calibration cases."""
    return Combination({name: 1 / len(values) for name in values}, _known(values))


def fitted(
    values: Mapping[str, Sequence[float | None]],
    wrong: Sequence[bool],
    *,
    counts: Sequence[float] | None = None,
    known: Mapping[str, Sequence[float | None]] | None = None,
    seed: int = 0,
) -> Combination:
    """Weights with the smallest area under the risk-coverage curve (ties by expectation) on labelled cases.

    `counts` says for how many each case stands (one over the probability with which it was to be labelled); `known`
    holds the values that ranks are taken among, where these are not those of the labelled cases.
    Candidates are the corners of the simplex, its centre and `CANDIDATES` points drawn evenly (Dirichlet); for each of
    `BOOTSTRAPS` resamples the best is taken, and these are averaged, which keeps chance from deciding alone.
    Equal weights where no case is wrong, or all are.
    """
    start = equal(values if known is None else known)
    errors = np.asarray(wrong, bool)
    if errors.all() or not errors.any() or len(values) < 2:
        return start
    names = list(values)
    ranks = np.array([[np.nan if v is None else start.rank(name, v) for v in values[name]] for name in names], float)
    draw = np.random.default_rng(seed)
    points = np.vstack([np.eye(len(names)), np.full(len(names), 1 / len(names))])
    points = np.vstack([points, draw.dirichlet(np.ones(len(names)), CANDIDATES)])
    scores = _scores(points, ranks)
    share = None if counts is None else np.asarray(counts, float) / np.sum(counts)
    best = []
    for _ in range(BOOTSTRAPS):
        size = len(errors)
        rows = draw.integers(0, size, size) if share is None else draw.choice(size, size, p=share)
        risks = [aurc(errors[rows], score[rows]) or 0.0 for score in scores]
        best.append(points[int(np.argmin(risks))])
    return Combination(dict(zip(names, np.mean(best, axis=0).tolist(), strict=True)), start.known)


def _scores(points: FloatArray, ranks: FloatArray) -> FloatArray:
    """The score of each case by each point's weights, (points, cases), as `Combination.score` has it."""
    there = np.isfinite(ranks)
    total = points @ there
    found = np.divide(points @ np.where(there, ranks, 0.0), total, out=np.ones_like(total), where=total > 0)
    return np.asarray(np.round(found, 12), float)


def _known(values: Mapping[str, Sequence[float | None]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(sorted(value for value in each if value is not None)) for name, each in values.items()}
