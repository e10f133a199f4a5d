"""What every world of the demo is told in: a scene to film, and the spans in which something odd is to be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.types import Box

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""

WIDTH, HEIGHT = 360, 240
FPS = 10
FIRST, APART = 5.0, 17.0  # seconds to the first anomaly, and between two: what merges incidents, and a few windows
FINE = 2  # scenes are drawn at this multiple of the picture's size, so that things move by parts of pixels


@dataclass(frozen=True)
class Span:
    """A stretch of a clip in which something odd is to be seen, in seconds; its end is not included."""

    kind: str
    start: float
    end: float
    boxes: tuple[Box, ...]
    """Where it is in each frame, in fractions of the picture, from `start` on."""

    def box_at(self, time: float) -> Box:
        """Where it is at that time, or at the nearest at which it is to be seen."""
        return self.boxes[min(max(0, round((time - self.start) * FPS)), len(self.boxes) - 1)]


@dataclass(frozen=True)
class Scene:
    """What the camera sees: a picture for each time, at `FINE` times the size and without light and noise."""

    seconds: float
    seed: int
    """Of the light and of the sensor's noise."""
    draw: Callable[[float], Image]
    implanted: tuple[Span, ...] = ()

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return round(self.seconds * FPS)


@dataclass(frozen=True)
class Stop:
    """A stop on the way: when it begins, for how long, and how long slowing down and speeding up take (seconds)."""

    start: float = math.inf
    seconds: float = 0.0
    ease: float = 0.5

    @property
    def end(self) -> float:
        """When what stopped goes on."""
        return self.start + self.seconds

    def going(self, time: float) -> float:
        """Seconds that it has been going by that time: what it has covered, divided by its speed."""
        slowing = min(max(0.0, time - self.start), self.ease)
        speeding = min(max(0.0, time - self.end), self.ease)
        since = max(0.0, time - self.end - self.ease)
        lost = slowing**2 / (2 * self.ease)
        return min(time, self.start) + slowing - lost + speeding**2 / (2 * self.ease) + since

    def pace(self, time: float) -> float:
        """Share of its speed that it has at that time, in [0, 1]."""
        if not math.isfinite(self.start):
            return 1.0
        slowed = min(max(0.0, (time - self.start) / self.ease), 1.0)
        return 1 - slowed + min(max(0.0, (time - self.end) / self.ease), 1.0)


NEVER = Stop()


def span(kind: str, seconds: float, box_at: Callable[[float], Box | None]) -> Span | None:
    """The stretch of a clip in which `box_at` says where something is (None: not to be seen); None for no frame."""
    boxes = [(index, box) for index in range(round(seconds * FPS)) if (box := box_at(index / FPS)) is not None]
    if not boxes:
        return None
    return Span(kind, boxes[0][0] / FPS, (boxes[-1][0] + 1) / FPS, tuple(box for _, box in boxes))


def box(left: float, top: float, right: float, bottom: float) -> Box:
    """The part of a rectangle of pixels that is in the picture, in fractions of it."""
    x0, x1 = (min(max(0.0, float(x) / WIDTH), 1.0) for x in (left, right))
    y0, y1 = (min(max(0.0, float(y) / HEIGHT), 1.0) for y in (top, bottom))
    return x0, y0, x1, y1


def cloudy(rng: np.random.Generator, grain: float, shape: tuple[int, int] = (HEIGHT * FINE, WIDTH * FINE)) -> Floats:
    """Smooth noise of deviation one and that shape; `grain` is the size of its blobs in pixels of the picture."""
    noise = rng.standard_normal(shape).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), grain * FINE / 2), np.float32)
    return np.asarray(smooth / smooth.std(), np.float32)


def mixed(colour: Colour, by: float) -> Colour:
    """The colour, `by` times as bright."""
    b, g, r = (min(255.0, part * by) for part in colour)
    return b, g, r
