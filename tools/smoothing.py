"""Smoothing of per-frame measures over time (AnomalyRuler smooths its verdicts; here the measures are smoothed)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import gaussian_filter1d, median_filter

CAUSAL_WEIGHT: dict[str, float] = {"frames": 0.4, "captions": 0.08}
"""Weight of the newest frame in the exponential mean, by kind of source. A measure of pixels moves with what
is there; one of captions jumps with the words that a captioner happened to choose, so it is given longer."""

OFFLINE_SECONDS: dict[str, float] = {"frames": 0.6, "captions": 1.8}
"""Standard deviation of the Gaussian that sees both sides, in seconds, by kind of source."""

STEADY = ("motion.tall", "motion.wide", "presence.stays", "presence.left", "presence.absent")
"""Measures that are taken as they are: the size of one thing and of another has no mean, and clocks hold no noise and
would run on after their end."""


class Smoothing(BaseModel):
    """How measures are smoothed. Only `exponential` looks back alone; the others need the whole source.

    `majority` is the median over the frames around each: above any limit where most of them are, which is
    AnomalyRuler's majority vote for a measure that is no verdict yet. `gaussian` weighs the nearer frames more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["exponential", "gaussian", "majority"] = "exponential"
    frames: int | None = Field(None, ge=1, le=10_000)
    """Length of the window: of the exponential mean its span (weight 2 / (frames + 1)), of the Gaussian four standard
    deviations, of the median its width. What suits the kind of source where none is given."""

    @property
    def causal(self) -> bool:
        """Whether a value depends on what came before it alone."""
        return self.kind == "exponential"

    def forward(self, values: Sequence[float], kind: str, previous: float | None = None) -> list[float]:
        """Exponential mean of each value and all before it, by kind of source; `previous` is the mean so far."""
        return causal(values, kind if self.frames is None else 2.0 / (self.frames + 1.0), previous)

    def whole(self, values: Sequence[float], kind: str, fps: float) -> list[float]:
        """All values smoothed over both sides; the ends are extended by their nearest value."""
        if not values:
            return []
        row = np.asarray(values, float)
        deviation = OFFLINE_SECONDS[kind] * fps if self.frames is None else self.frames / 4.0
        if self.kind == "majority":
            width = self.frames or max(1, round(4.0 * deviation))
            return [float(value) for value in median_filter(row, width, mode="nearest")]
        return [float(value) for value in gaussian_filter1d(row, deviation, mode="nearest")]


CAUSAL, OFFLINE = Smoothing(), Smoothing(kind="gaussian")


def causal(values: Sequence[float], weight: str | float, previous: float | None = None) -> list[float]:
    """Exponentially weighted mean of each value and all before it; `previous` is the mean so far, if any.

    `weight` is the newest value's, or the kind of source that it is known for.
    """
    share = CAUSAL_WEIGHT[weight] if isinstance(weight, str) else weight
    mean, smoothed = previous, []
    for value in values:
        mean = value if mean is None else share * value + (1.0 - share) * mean
        smoothed.append(mean)
    return smoothed
