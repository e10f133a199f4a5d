"""Keeping a budget of alarms that references are too few to vouch for: an online controller of the limits.

After quantile tracking (Gibbs and Candes, NeurIPS 2021; Angelopoulos, Candes and Tibshirani, NeurIPS 2023): each
alarm that nobody has confirmed lifts the limits by a step, and each window without one lets them down by the step
times the share of windows that may alarm. Over T windows the share that did alarm then exceeds the share allowed by
at most (largest lift) / (step * T), whatever the windows are like.
"""

from __future__ import annotations

import math

STEP = 0.15
"""By how much an alarm lifts the logarithm of the limits: six in a row let only what is 2.5 times as odd through."""
HIGHEST = math.log(8.0)
"""The largest lift of the logarithm of the limits: beyond it an alarm is raised whatever the budget says."""


class Budget:
    """The lift of one stream's limits. Without a share that may alarm it stays at 1."""

    def __init__(self, share: float | None) -> None:
        self._share, self._level = share, 0.0

    @property
    def lift(self) -> float:
        """What induced limits are multiplied by, at least 1."""
        return math.exp(self._level)

    def take(self, alarmed: bool, *, confirmed: bool = False) -> None:
        """Take in the next window, in order: whether it opened an incident, and whether a person has confirmed it."""
        if self._share is None:
            return
        unconfirmed = alarmed and not confirmed
        self._level = min(HIGHEST, max(0.0, self._level + STEP * (unconfirmed - self._share)))
