"""Keeping a budget of alarms that references are too few to vouch for: an online controller of the limits.

After quantile tracking (Gibbs and Candes, NeurIPS 2021; Angelopoulos, Candes and Tibshirani, NeurIPS 2023): each
alarm that nobody has confirmed lifts the limits by a step, and each window without one lets them down by the step
times the share of windows that may alarm. Over T windows the share that did alarm then exceeds the share allowed by
at most (largest lift) / (step * T), whatever the windows are like.
"""

from __future__ import annotations

import math
from collections import deque

STEP = 0.15
"""By how much an alarm lifts the logarithm of the limits: six in a row let only what is 2.5 times as odd through."""
HIGHEST = math.log(8.0)
"""The largest lift of the logarithm of the limits: beyond it an alarm is raised whatever the budget says."""


class Budget:
    """The lift of one stream's limits. Without a share that may alarm it stays at 1."""

    def __init__(self, share: float | None, *, delay: int = 0) -> None:
        """`delay` is by how many windows a window may be judged before those ahead of it have been taken in."""
        self._share, self._taken = share, 0
        self._levels = deque([0.0], maxlen=delay + 1)

    def lift_for(self, window: int) -> float:
        """What induced limits are multiplied by, at least 1, for the window of that number, from 0.

        It hangs on the windows up to `delay` before it alone, so that a watch that is run again gives the same,
        however fast its windows were judged. Those must have been taken in.
        """
        delay = (self._levels.maxlen or 1) - 1
        later = self._taken - max(0, window - delay)  # those taken in that do not count for it yet
        return math.exp(self._levels[max(0, len(self._levels) - 1 - later)])

    def take(self, alarmed: bool, *, confirmed: bool = False) -> None:
        """Take in the next window, in order: whether it opened an incident, and whether a person has confirmed it."""
        self._taken += 1
        step = 0.0 if self._share is None else STEP * ((alarmed and not confirmed) - self._share)
        self._levels.append(min(HIGHEST, max(0.0, self._levels[-1] + step)))
