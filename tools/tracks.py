"""Tracks: which fast window of one frame is which object of the frames before, and how fast that has been lately."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from alarm_agents.types import Box

MEMORY = 1.0
"""Seconds; an object not seen for longer is forgotten, and so is how fast it was before."""
QUANTILE = 0.8
"""How fast an object counts among its frames in that time, the lower one of two: flow takes swinging limbs, and what is
half hidden, for slow; what has just come in, and now and then any other, for far too fast."""
HIDDEN = 0.35
"""Seconds for which an object counts that is not among the fastest things any more, unless it was at an edge."""


@dataclass(frozen=True)
class Peak:
    """The fastest window of one object in one frame. `odd` is its ratio, or its speed without references."""

    odd: float
    speed: float
    box: Box
    time: float
    track: int = 0
    sightings: int = 1
    before: tuple[tuple[float, float], ...] = ()
    """Time and `odd` of the sightings of its object in the `MEMORY` seconds before."""

    @cached_property
    def lately(self) -> float:
        """How odd its object has been in the last `MEMORY` seconds: the `QUANTILE`."""
        odds = sorted([self.odd, *(odd for _, odd in self.before)])
        return odds[int(QUANTILE * (len(odds) - 1))]

    def at(self, time: float) -> float:
        """How odd its object is taken to be at that time: as lately, or more just now; 0 where it is likely gone."""
        if not time > self.time:  # it is of this frame, whatever the frame's time is
            return max(self.odd, self.lately)
        x0, y0, x1, y1 = self.box
        inside = x0 > 0 and y0 > 0 and x1 < 1 and y1 < 1
        return self.lately if inside and time - self.time <= HIDDEN else 0.0

    def next_to(self, old: Peak) -> Peak:
        """It as the next sighting of the older one's object."""
        before = (each for each in (*old.before, (old.time, old.odd)) if self.time - each[0] < MEMORY)
        return replace(self, track=old.track, sightings=old.sightings + 1, before=tuple(before))

    def reaches(self, old: Peak) -> float:
        """Distance from an older peak over what it can have moved (half its height, and what its speed allows)."""
        (a, b, c, d), (e, f, g, h) = self.box, old.box
        reach = (d - b) / 2 + max(self.speed, old.speed) * (self.time - old.time)
        return math.hypot(a + c - e - g, b + d - f - h) / 2 / max(reach, 1e-9)


class Tracks:
    """The objects of one stream, followed from frame to frame."""

    def __init__(self) -> None:
        self._followed: list[Peak] = []
        self._count = 0

    def follow(self, peaks: Sequence[Peak], time: float) -> tuple[Peak, ...]:
        """The next frame's peaks, numbered by the object each belongs to: the nearest one seen lately, or a new one."""
        known = [old for old in self._followed if 0 < time - old.time <= MEMORY]
        found: list[Peak] = []
        for peak in peaks:
            near = min(known, key=peak.reaches, default=None)
            if near is not None and peak.reaches(near) <= 1:
                known.remove(near)
                found.append(peak.next_to(near))
            else:
                self._count += 1
                found.append(replace(peak, track=self._count))
        self._followed = [*found, *known]
        return tuple(found)

    def oddest(self, time: float) -> Peak | None:
        """The latest sighting of the object that is taken to be the oddest at that time; None without any."""
        return max(self._followed, key=lambda peak: peak.at(time), default=None)
