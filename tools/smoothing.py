"""Smoothing of per-frame measures over time (AnomalyRuler smooths its verdicts; here the measures are smoothed)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

CAUSAL_WEIGHT: dict[str, float] = {"frames": 0.4, "captions": 0.3}
"""Weight of the newest frame in the exponential mean, by kind of source. A measure of pixels moves with what
is there; one of captions jumps with the words that a captioner happened to choose, so it is given longer."""

OFFLINE_SECONDS: dict[str, float] = {"frames": 0.6, "captions": 1.5}
"""Standard deviation of the Gaussian that sees both sides, in seconds, by kind of source."""


def causal(values: Sequence[float], kind: str, previous: float | None = None) -> list[float]:
    """Exponentially weighted mean of each value and all before it; `previous` is the mean so far, if any."""
    weight, mean, smoothed = CAUSAL_WEIGHT[kind], previous, []
    for value in values:
        mean = value if mean is None else weight * value + (1.0 - weight) * mean
        smoothed.append(mean)
    return smoothed


def offline(values: Sequence[float], kind: str, fps: float) -> list[float]:
    """Gaussian mean over both sides of each value; the ends are extended by their nearest value."""
    if not values:
        return []
    sigma = OFFLINE_SECONDS[kind] * fps
    return [float(value) for value in gaussian_filter1d(np.asarray(values, float), sigma, mode="nearest")]
