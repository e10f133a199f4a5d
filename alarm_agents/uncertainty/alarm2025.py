"""The baseline `alarm2025`: the uncertainty of ALARM (Zhang et al., 2025, arXiv 2512.03101), in outline.

S1 (comprehension): what members saw is compared pair by pair; the residual of a low-rank factorisation of the matrix
cases x pairs says how unlike the usual pattern of agreement a case is. S2 (analysis): the entropy of the members'
votes. S3 (reflection): how far a second look moved p. Each is standardised by the mean and deviation of the calibration
cases, which are frozen, and the sum of those that there are is the uncertainty. The paper itself was not at hand: S2
and the plain sum are our reading of it. Cost: no model call of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
RANK = 1


def pair_similarities(vectors: NDArray[np.float32]) -> FloatArray:
    """The cosines of all pairs of members, (cases, pairs), from unit vectors (cases, members, dimensions)."""
    pairs = list(combinations(range(vectors.shape[1]), 2))
    columns = [np.einsum("nd,nd->n", vectors[:, a], vectors[:, b]) for a, b in pairs]
    return np.asarray(columns, float).T.reshape(len(vectors), len(pairs))


class LowRank:
    """A factorisation of the similarities of calibration cases: their `rank` main directions."""

    def __init__(self, similarities: FloatArray, rank: int = RANK) -> None:
        """Raises `ValueError` where the rank reaches the number of pairs: every residual would be zero then."""
        pairs = similarities.shape[1]
        if rank >= pairs:
            raise ValueError(f"rank {rank} with {pairs} pairs of members leaves no residual; it must be lower")
        self._basis = np.linalg.svd(similarities, full_matrices=False)[2][:rank]

    def residuals(self, similarities: FloatArray) -> FloatArray:
        """The root mean square of what the factorisation does not explain, >= 0, one a case."""
        left = similarities - similarities @ self._basis.T @ self._basis
        return np.asarray(np.sqrt(np.square(left).mean(axis=1)), float)


class Alarm2025:
    """The sum of S1 to S3, with the statistics of calibration cases."""

    def __init__(self, signals: Sequence[FloatArray]) -> None:
        """`signals` of the calibration cases, one array a signal."""
        self._frozen = [(float(each.mean()), max(float(each.std()), 1e-12)) for each in signals]

    def score(self, signals: Sequence[FloatArray]) -> FloatArray:
        """The uncertainty of cases, an unbounded number each; higher is less certain."""
        parts = [(each - mean) / spread for each, (mean, spread) in zip(signals, self._frozen, strict=True)]
        return np.asarray(np.sum(parts, axis=0), float)
