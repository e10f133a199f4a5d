"""Limits of a stream without references: its first seconds set them, and what it shows since then lifts them.

A window is odd there when it measures clearly more than all that came before it. Of windows in any order the n-th is
a record with probability 1/n (Renyi, 1962), so that a stream of which nothing is known alarms a few times in its
first minute and ever more seldom, whatever it shows; quick warm-ups alone know little of a road between two cars.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from alarm_agents.uncertainty.calibration import USUAL_SPREAD

SHARE = 0.01
"""Share of the windows known that may have measured more than the limit: it is no record any more once there are many,
so that one odd window does not hide all that follow."""
KNOWN = 1000
"""Windows that are known at most, the latest."""
LONGEST = 10.0
"""Seconds for which what is beyond the limit stays odd; what goes on for longer is how the stream is now."""


class Records:
    """The largest measures of one stream's windows so far, in order."""

    def __init__(self) -> None:
        self._known: dict[str, deque[float]] = {}
        self._beyond: list[Mapping[str, float]] = []
        self._since = 0.0

    def lift(self, start: float, end: float, values: Mapping[str, float], limits: Mapping[str, float]) -> float:
        """What `limits` are multiplied by for the window from `start` to `end` seconds, at least 1.

        `values` are its largest measures. They are known from the next window on, or, where they are beyond the
        lifted limits, once a window is not: what is odd stays so while it lasts.
        """
        lift = max((self._least(measure) / limit for measure, limit in limits.items() if limit > 0), default=1.0)
        lift = max(1.0, lift)
        beyond = any(values.get(measure, 0.0) > lift * limit for measure, limit in limits.items())
        if not self._beyond:
            self._since = start
        self._beyond.append(values)
        if not beyond or not 0 <= end - self._since < LONGEST:
            for each in self._beyond:
                self.learn(each)
            self._beyond = []
        return lift

    def learn(self, values: Mapping[str, float]) -> None:
        """Know a window's largest measures."""
        for measure, value in values.items():
            self._known.setdefault(measure, deque(maxlen=KNOWN)).append(value)

    def _least(self, measure: str) -> float:
        """What a window must measure to be clearly more than those before it; 0 where none is known."""
        known = sorted(self._known.get(measure, ()))
        return known[-1 - int(SHARE * len(known))] * math.exp(USUAL_SPREAD) if known else 0.0
