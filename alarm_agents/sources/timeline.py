"""Where the pictures of a video stand in time, and which of them a slower series keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

PRECISION = Fraction(1, 1000)
"""Seconds: containers round time stamps to a millisecond, so a picture that much early still meets its tick."""


@dataclass(frozen=True)
class Place:
    """Where one decoded picture stands. All times are exact, so that a place found again is equal."""

    index: int
    """The picture's number in its source, from 0."""
    time: Fraction
    """Seconds from the first picture."""
    kept: bool
    """Whether the series of reduced rate has this picture."""
    pts: int | None
    """The container's time stamp, in its own unit."""
    origin: Fraction
    """The container's time, in seconds, at which `time` is 0."""


@dataclass(frozen=True)
class Timeline:
    """Places pictures one after the other.

    Time stamps are followed while they go forward. Where one is missing or steps back (two recordings joined), the
    picture is placed one frame after the last and time goes on from there.
    """

    rate: Fraction
    """Native frames a second."""
    unit: Fraction
    """Seconds that one unit of a time stamp lasts."""
    stamped: bool
    """Whether the container has time stamps worth following; else pictures are `1 / rate` apart."""
    fps: Fraction | None
    """Frames a second of the series to keep, or None to keep every picture."""

    def follow(self, last: Place | None, pts: int | None) -> Place:
        """The place of the picture that comes after `last` (None: the first one), by its time stamp if it has one."""
        expected = last.time + 1 / self.rate if last else Fraction(0)
        stamp = pts * self.unit if pts is not None and self.stamped else None
        origin = last.origin if last else stamp or Fraction(0)
        if stamp is None:
            time = expected
        elif last is None or stamp - origin > last.time:
            time = stamp - origin
        else:
            time, origin = expected, stamp - expected
        return Place(last.index + 1 if last else 0, time, self._keeps(last, time), pts, origin)

    def _keeps(self, last: Place | None, time: Fraction) -> bool:
        """Whether a tick n / fps lies after the picture before and not after this one."""
        if last is None or self.fps is None:
            return True
        return math.floor((time + PRECISION) * self.fps) > math.floor((last.time + PRECISION) * self.fps)


def hour_of(time: float, *, live: bool, starts: str | None) -> float | None:
    """The local time of day, in hours since midnight, at a window's time; None for recordings that do not tell.

    Of a live source `time` is Unix seconds; of a recording seconds from its start, which `starts` says ("21:58").
    """
    if live:
        day = datetime.fromtimestamp(time)
        seconds = day.hour * 3600 + day.minute * 60 + day.second
    elif starts is not None:
        hours, minutes, rest = (*map(int, starts.split(":")), 0)[:3]
        seconds = int(hours * 3600 + minutes * 60 + rest + time) % 86_400
    else:
        return None
    return round(seconds / 3600, 4)
