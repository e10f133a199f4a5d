"""What normal references say of one measure: how likely a normal window is to measure as much or more.

Within what the references show, p is a conformal rank (Vovk, Gammerman and Shafer, 2005) over blocks: neighbouring
frames are alike, so that ten references are ten blocks, whatever their number of frames. Beyond the largest block a
log-normal tail takes over, so that what is far out still ranks; p is an estimate there and is reported as one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

FLOOR = 0.01
"""Measures count as at least this much: motion under 0.01 picture heights a second is the noise of the flow."""
USUAL_SPREAD, USUAL_WEIGHT = 0.12, 10
"""Standard deviation of the log of a measure from one normal window to the next, held before any is seen, and how
many blocks of references that belief is worth. A dozen references tell where normal is, but hardly how far it reaches.
Set so that about one normal window in a hundred of Ped2's training clips lies beyond the limit that ten others set."""
WARM_UP_SPREAD, WARM_UP_REACH = 0.12, 3.0
"""For a warm-up: the least robust spread of the log of a measure, and how many of them lie within the limit."""


@dataclass(frozen=True)
class Calibration:
    """`typical` value and log-normal `spread` of normal windows, and the largest value of each block, ascending."""

    typical: float
    spread: float
    blocks: tuple[float, ...] = ()

    @classmethod
    def of(cls, windows: Sequence[float], blocks: Sequence[float], expected: float = USUAL_SPREAD) -> Calibration:
        """From the largest value of each normal window and of each block of windows.

        Typical is the windows' median; the spread is their own mixed with the `expected` one (a weighted mean of
        variances, in which each block counts once). Raises `ValueError` without any window.
        """
        logs = _logs(windows)
        # Idle windows say nothing of how far up a measure reaches: none counts as further off than the largest. They
        # do count in `held_out_likelihood`, which asks how well all windows are predicted.
        spread = _mixed(np.maximum(logs, 2 * np.median(logs) - logs.max()), len(blocks), expected)
        return cls(float(np.exp(np.median(logs))), spread, tuple(sorted(max(float(block), FLOOR) for block in blocks)))

    @classmethod
    def warm_up(cls, values: NDArray[np.float64]) -> Calibration:
        """From the frames of a stream's own first windows, which may hold anomalies; none makes a block.

        Median and median absolute deviation, which a minority of odd frames cannot move far, are taken over the
        frames in which there was anything to measure: idle stretches say nothing about what moves in between.
        """
        busy = np.log(values[values > FLOOR]) if (values > FLOOR).any() else np.log([FLOOR])
        typical = float(np.median(busy))
        return cls(math.exp(typical), max(WARM_UP_SPREAD, 1.4826 * float(np.median(np.abs(busy - typical)))))

    def limit(self, share: float) -> tuple[float, bool]:
        """The value that at most `share` of normal windows exceed, and whether the blocks themselves bear it out."""
        rank = math.floor(share * (len(self.blocks) + 1) + 1e-9)
        if rank >= 1 and self.blocks:
            return self.blocks[-min(rank, len(self.blocks))], True
        return self.typical * math.exp(-float(ndtri(share)) * self.spread), False

    def reach(self) -> float:
        """The limit after a warm-up, which has no references to take a share of."""
        return self.typical * math.exp(WARM_UP_REACH * self.spread)

    def p_value(self, value: float) -> tuple[float, bool]:
        """How likely a normal window is to measure `value` or more, in (0, 1], and whether the blocks bear it out.

        It falls strictly from the largest block on, to the smallest number that there is.
        """
        count = len(self.blocks)
        if count and value <= self.blocks[-1]:
            return (1 + sum(block >= value for block in self.blocks)) / (count + 1), True
        beyond = self._log_tail(value) - (self._log_tail(self.blocks[-1]) if count else 0.0)
        return max(math.exp(max(-700.0, beyond)) / (count + 1), 1e-300), False

    def _log_tail(self, value: float) -> float:
        return float(log_ndtr(-(math.log(max(value, FLOOR)) - math.log(self.typical)) / self.spread))


def held_out_likelihood(windows: Sequence[float], blocks: int, expected: float = USUAL_SPREAD) -> float:
    """Mean log density of each normal window under what the others lead to expect (leave one out), up to a constant.

    It is of the logarithm of the measure, in times the usual, so that measures of unlike units compare. A spread
    under `USUAL_SPREAD` counts as that, and being nearer than expected counts for nothing: a measure that never
    varies is no better than one that hardly does.
    """
    logs = _logs(windows)
    if len(logs) < 2:
        return -math.log(max(USUAL_SPREAD, expected))
    found = []
    for place, value in enumerate(logs):
        rest = np.delete(logs, place)
        spread = max(USUAL_SPREAD, _mixed(rest, blocks, expected))
        found.append((-math.log(spread), ((value - float(np.median(rest))) / spread) ** 2))
    sharpness, surprise = np.mean(found, axis=0)
    return float(sharpness - max(0.0, surprise - 1.0) / 2)


def _mixed(logs: NDArray[np.float64], blocks: int, expected: float) -> float:
    return math.sqrt(np.average([expected**2, float(np.var(logs))], weights=(USUAL_WEIGHT, blocks)))


def _logs(values: Sequence[float]) -> NDArray[np.float64]:
    if not len(values):
        raise ValueError("there is nothing to calibrate by")
    return np.asarray(np.log(np.maximum(np.asarray(values, float), FLOOR)))
