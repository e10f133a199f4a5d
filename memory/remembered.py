"""What resolved cases say of the one at hand: p_M, by similarity, and silence about what was not seen before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
NEIGHBOURS = 25
WIDTH = 0.2
"""h: by how much less alike a neighbour counts 1/e as much. Similarities are cosines about the mean of all cases."""
CLOSED = 0.1
"""The share of the remembered cases themselves which, had the others been all, the gate would have kept out."""
TRUST = (3.0, 5.0, 10.0)
"""The values of tau that are tried, in multiples of what 25 neighbours weigh together as they usually are. Memory
corrects the members and never outweighs them: at equal weight it harmed a category that it had not seen."""
SAMPLE = 600
"""Remembered cases that settings are found on, at most; drawn evenly."""
FEWEST = 2 * NEIGHBOURS
"""Resolved cases under which memory says nothing."""


class Remembered:
    """Resolved cases as vectors, with what people answered and what the members had said.

    p_M = (sum w_i y_i + tau p) / (sum w_i + tau) over the 25 nearest, w = exp((cos - 1) / h): nearest neighbours with
    the members' own p as a prior of tau cases. tau is chosen by leaving one group out at a time (log loss). The gate
    is shut (p_M = p) where the neighbours are less alike than those of `CLOSED` of the remembered cases: without it,
    memory harmed categories that it had never seen. Cosines are taken about the mean, since texts of one scenario all
    resemble each other. Range: [0, 1]. Cost: no model call.
    """

    def __init__(
        self, vectors: NDArray[np.float32], labels: Sequence[int], p: Sequence[float], groups: Sequence[str]
    ) -> None:
        """`vectors` (cases, dimensions); `labels` 0 or 1; the members' `p` in [0, 1]; `groups` any names."""
        self.labels, self._groups = np.asarray(labels, float), np.asarray(groups, str)
        raw = np.asarray(vectors, np.float32)
        self._p, self._mean = np.asarray(p, float), raw.mean(axis=0)
        self._vectors = self._turned(raw)
        self.rows = np.arange(len(self.labels))[:: max(1, -(-len(self.labels) // SAMPLE))]
        """The cases that settings were found on: all, or a sample drawn evenly."""
        near, places = _nearest(self._similar(self._vectors[self.rows], drop=self.rows))
        self._gate = float(np.quantile(near.mean(axis=1), CLOSED))
        self._unit = float(np.median(np.exp((near - 1) / WIDTH).sum(axis=1)))
        self.tau = self._chosen()
        self.held_out = self._gated(near, self.labels[places], self._p[self.rows])
        """p_M of the remembered cases themselves, each by the others alone (of the sample, where they are many)."""

    def p_of(self, vectors: NDArray[np.float32], p: Sequence[float]) -> FloatArray:
        """p_M of each case, from its vector and the members' p."""
        near, places = _nearest(self._similar(self._turned(np.asarray(vectors, np.float32))))
        return self._gated(near, self.labels[places], np.asarray(p, float))

    def _turned(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = vectors - self._mean
        turned: NDArray[np.float32] = centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-9)
        return turned

    def _similar(self, vectors: NDArray[np.float32], drop: NDArray[np.int_] | None = None) -> FloatArray:
        found = np.asarray(vectors @ self._vectors.T, float)
        if drop is not None:
            found[np.arange(len(drop)), drop] = -np.inf
        return found

    def _gated(self, near: FloatArray, labels: FloatArray, p: FloatArray) -> FloatArray:
        return np.where(near.mean(axis=1) >= self._gate, self._joined(near, labels, p, self.tau), p)

    def _joined(self, near: FloatArray, labels: FloatArray, p: FloatArray, tau: float) -> FloatArray:
        weights = np.exp((near - 1) / WIDTH)
        joined = ((weights * labels).sum(axis=1) + tau * p) / (weights.sum(axis=1) + tau)
        return np.asarray(joined, float)

    def _chosen(self) -> float:
        """Tau with the smallest log loss where each group is judged by all others; the largest where there is one.

        The gate stays open meanwhile, so that what is chosen does no harm where the gate fails.
        """
        taus, rows = [self._unit * multiple for multiple in TRUST], self.rows
        similar = self._similar(self._vectors[rows])
        similar[self._groups[rows][:, None] == self._groups[None, :]] = -np.inf
        judged = np.isfinite(similar).sum(axis=1) >= NEIGHBOURS
        if not judged.any():
            return taus[-1]
        near, places = _nearest(similar[judged])
        truth, p = self.labels[rows][judged], self._p[rows][judged]
        losses = [_log_loss(self._joined(near, self.labels[places], p, tau), truth) for tau in taus]
        return taus[int(np.argmin(losses))]


def _nearest(similar: FloatArray) -> tuple[FloatArray, NDArray[np.int_]]:
    """The similarities of the nearest of each row, and where they are."""
    count = min(NEIGHBOURS, similar.shape[1])
    places = np.argpartition(-similar, count - 1, axis=1)[:, :count]
    return np.take_along_axis(similar, places, axis=1), places


def _log_loss(p: FloatArray, labels: FloatArray) -> float:
    held = np.clip(p, 1e-3, 1 - 1e-3)
    return float(-np.mean(labels * np.log(held) + (1 - labels) * np.log(1 - held)))
