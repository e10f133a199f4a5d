"""What leads: the fastest thing of a stream, frame by frame, and how large it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.scene import Ground
from alarm_agents.types import Box

LEADS = 0.8
"""Share of its speed from one frame to the next, down to which what was fastest still leads."""
APART = 1.6
"""Times the speed of things of one kind, from which on what is faster is of another kind."""
LOOKS = 9
"""Latest frames with the whole leader in them, of which the median is its size: things pass before one another."""


@dataclass(frozen=True)
class Size:
    """Height and width in times the usual height at a thing's place; 0 where they are not known."""

    tall: float = 0.0
    wide: float = 0.0


class Leader:
    """What a smoothed speed speaks of: the fastest object, or what has been far faster a moment before."""

    def __init__(self) -> None:
        self._speed, self._track = 0.0, 0
        self._looks: deque[Size] = deque(maxlen=LOOKS)

    def size(self, speed: float, track: int, seen: Size | None) -> Size:
        """The leader's size after the next frame, of which `speed`, `track` and `seen` are those of the fastest object.

        Nothing is known until it has been seen whole: what comes into the picture looks narrower than it is.
        """
        fading = LEADS * self._speed
        if speed < fading:
            self._speed = fading
        else:
            # Something else leads now, whichever track it is taken for where it is so much faster at once.
            if track != self._track or speed > APART * self._speed:
                self._looks.clear()
            self._speed, self._track = speed, track
            if seen is not None:
                self._looks.append(seen)
        if not self._looks:
            return Size()
        return Size(median(look.tall for look in self._looks), median(look.wide for look in self._looks))


def size_at(ground: Ground, picture: Picture, box: Box) -> Size | None:
    """The size of the thing that covers most of the box; None where nothing does, or the picture's edge cuts it."""

    def shared(region: Box) -> float:
        across, down = min(box[2], region[2]) - max(box[0], region[0]), min(box[3], region[3]) - max(box[1], region[1])
        return max(0.0, across) * max(0.0, down)

    shape = ground.foreground(picture).shape
    under = max(ground.things(picture), key=lambda thing: shared(thing.region(shape)), default=None)
    whole = under is not None and under.whole and shared(under.region(shape)) > 0
    return Size(under.tall, under.wide) if under is not None and whole else None
