"""What resolved cases say of the one at hand: p_M, by similarity, and silence about what was not seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Vectors = NDArray[np.float32]
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
NEAREST = 0.05
"""Distance from the mean under which a text has no direction of its own: where all texts are the same, all are."""
AT_ONCE = 64
"""Cases compared with all that are remembered at a time."""
ROUNDING = 1e-4
"""How far float32 similarities of the same texts may lie apart."""


@dataclass(frozen=True, eq=False)
class Settings:
    """What is fitted on resolved cases; others can be remembered by the same settings."""

    mean: Vectors
    gate: float
    """The mean similarity of the nearest under which memory is silent."""
    tau: float
    """How many neighbours at full weight the members' p counts as."""


@dataclass(frozen=True, eq=False)
class Recalled:
    """What memory says of cases, a row each."""

    open: NDArray[np.bool_]
    """Whether memory has seen the like."""
    places: NDArray[np.int_]
    """The nearest remembered cases, (cases, neighbours)."""
    mean: FloatArray
    """The labels of these, weighted by similarity, in [0, 1]."""
    trust: FloatArray
    """The share of p_M that is the members' own p, in (0, 1]."""

    def p(self, members: FloatArray) -> FloatArray:
        """p_M of each case, from the members' p; that p itself where memory is silent."""
        return np.where(self.open, self.trust * members + (1 - self.trust) * self.mean, members)


class Remembered:
    """Resolved cases as vectors, with what people answered.

    p_M = (sum w_i y_i + tau p) / (sum w_i + tau) over the 25 nearest, w = exp((cos - 1) / h): nearest neighbours with
    the members' own p as a prior of tau cases. Cosines are taken about the mean, since texts of one scenario all
    resemble each other. The gate is shut (p_M = p) where the neighbours are less alike than those of `CLOSED` of the
    remembered cases: without it, memory harmed categories that it had never seen. Cost: no model call.
    """

    def __init__(self, vectors: Vectors, labels: FloatArray, settings: Settings) -> None:
        """`vectors` are unit vectors, (cases, dimensions); `labels` 0 or 1."""
        self.settings, self.labels, self._vectors = settings, labels, vectors
        self._along, self._length, self._short = self._about_mean(vectors)

    def recall(self, vectors: Vectors) -> Recalled:
        """What memory says of cases, from their vectors."""
        return self._recalled(*self.nearest(vectors))

    def p_of(self, vectors: Vectors, p: FloatArray) -> FloatArray:
        """p_M of each case, from its vector and the members' p."""
        return self.recall(vectors).p(p)

    def held_out(self, rows: NDArray[np.int_], p: FloatArray) -> FloatArray:
        """p_M of some of the remembered cases themselves, each by the others alone, from the members' p of these."""
        return self._recalled(*self.nearest(self._vectors[rows], but=_itself(rows, len(self.labels)))).p(p)

    def nearest(self, vectors: Vectors, but: NDArray[np.bool_] | None = None) -> tuple[FloatArray, NDArray[np.int_]]:
        """How alike the remembered cases are that are most alike, and which: (cases, neighbours) each.

        `but` marks those that are left out, (cases, remembered): -inf where there are too few others.
        """
        near, places = [], []
        for start in range(0, len(vectors), AT_ONCE):
            similar = self._similar(vectors[start : start + AT_ONCE])
            if but is not None:
                similar[but[start : start + AT_ONCE]] = -np.inf
            count = min(NEIGHBOURS, similar.shape[1])
            places.append(np.argpartition(-similar, count - 1, axis=1)[:, :count])
            near.append(np.take_along_axis(similar, places[-1], axis=1))
        return np.concatenate(near), np.concatenate(places)

    def _similar(self, vectors: Vectors) -> FloatArray:
        """Cosines about the mean, (cases, remembered), in [-1, 1]; 1 - (squared distance) / 2 near the mean itself."""
        along, length, short = self._about_mean(vectors)
        mean = float(self.settings.mean @ self.settings.mean)
        found = (vectors @ self._vectors.T + (mean - along)[:, None] - self._along) / length[:, None] / self._length
        return np.asarray(found + short[:, None] + self._short, float)

    def _about_mean(self, vectors: Vectors) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of each vector: its part along the mean, its length from there, and by how much it is too short."""
        distance = np.linalg.norm(vectors - self.settings.mean, axis=1).astype(float)
        length = np.maximum(distance, NEAREST)
        return np.asarray(vectors @ self.settings.mean, float), length, (1 - np.square(distance / length)) / 2

    def _recalled(self, near: FloatArray, places: NDArray[np.int_]) -> Recalled:
        weights = _weights(near)
        total, tau = weights.sum(axis=1), self.settings.tau
        mean = (weights * self.labels[places]).sum(axis=1) / total
        shut = near.mean(axis=1) < self.settings.gate - ROUNDING
        return Recalled(~shut, places, np.clip(mean, 0, 1), tau / (total + tau))


def fitted(vectors: Vectors, labels: FloatArray, p: FloatArray, groups: Sequence[str]) -> Settings:
    """The settings for such cases: the gate from all, tau from those with a `p` of the members (NaN: none)."""
    start = Remembered(vectors, labels, Settings(vectors.mean(axis=0), gate=-np.inf, tau=1.0))
    rows = sample(len(vectors))
    near, _ = start.nearest(vectors[rows], but=_itself(rows, len(vectors)))
    unit = float(np.median(_weights(near).sum(axis=1)))
    tau = unit * _multiple(start, vectors, p, np.asarray(groups, str), unit)
    return Settings(start.settings.mean, float(np.quantile(near.mean(axis=1), CLOSED)), tau)


def sample(count: int) -> NDArray[np.int_]:
    """The places of the cases that settings are found on: all, or `SAMPLE` drawn evenly."""
    return np.arange(count)[:: max(1, -(-count // SAMPLE))]


def _multiple(memory: Remembered, vectors: Vectors, p: FloatArray, groups: NDArray[np.str_], unit: float) -> float:
    """Of `TRUST` that with the smallest log loss where each group is judged by all others; the largest for one group.

    The gate stays open meanwhile, so that what is chosen does no harm where the gate fails.
    """
    rows = sample(len(vectors))
    rows = rows[np.isfinite(p[rows])]
    mine = groups[rows][:, None] == groups[None, :]
    judged = (~mine).sum(axis=1) >= NEIGHBOURS
    if not judged.any():
        return TRUST[-1]
    rows = rows[judged]
    near, places = memory.nearest(vectors[rows], but=mine[judged])
    weights = _weights(near)
    total, anomalous = weights.sum(axis=1), (weights * memory.labels[places]).sum(axis=1)
    losses = [_log_loss((anomalous + unit * m * p[rows]) / (total + unit * m), memory.labels[rows]) for m in TRUST]
    return TRUST[int(np.argmin(losses))]


def _itself(rows: NDArray[np.int_], count: int) -> NDArray[np.bool_]:
    return np.asarray(rows[:, None] == np.arange(count), bool)


def _weights(near: FloatArray) -> FloatArray:
    return np.asarray(np.exp((near - 1) / WIDTH), float)


def _log_loss(p: FloatArray, labels: FloatArray) -> float:
    held = np.clip(p, 1e-3, 1 - 1e-3)
    return float(-np.mean(labels * np.log(held) + (1 - labels) * np.log(1 - held)))
