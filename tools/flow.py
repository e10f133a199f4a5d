"""Dense optical flow from one picture to the next: how far every pixel has moved.

Inverse search (Kroeger et al., ECCV 2016; `cv2.DISOpticalFlow`), computed only where something changes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.scene import Gray, fitted, gray, seconds_between
from alarm_agents.types import Box

Flow = NDArray[np.float32]

CHANGED = 10  # grey levels by which frames differ in a row for flow to be worth computing there
NOTHING = np.empty(0, np.float32)  # no flow to start from: how a stream is cut into windows must not matter


@dataclass(frozen=True)
class Step:
    """A picture and the one before it in gray (h, w), and the seconds between them."""

    picture: Picture
    before: Gray
    after: Gray
    seconds: float

    @property
    def time(self) -> float:
        """The time of the later picture, in seconds."""
        return self.picture.time


def steps_of(pictures: Sequence[Picture], look: Callable[[Picture], Gray] = gray) -> Iterator[Step]:
    """Each picture after the first with the one before it, as `look` shows them."""
    shown = map(look, pictures)
    before = next(shown, None)
    for (old, new), after in zip(pairwise(pictures), shown, strict=True):
        assert before is not None
        yield Step(new, fitted(before, after), after, seconds_between(old, new))
        before = after


class _Own(threading.local):
    """Each thread's own: OpenCV's flow object keeps buffers between calls."""

    def __init__(self) -> None:
        # What a live stream can afford. Without refinement what is fast stands out less from the limits; the preset's
        # five rounds take longer and tell hardly more than three.
        self.flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self.flow.setFinestScale(1)
        self.flow.setVariationalRefinementIterations(3)


_own = _Own()


def length_of(step: Step) -> Flow:
    """Length (h, w) of the flow in pixels, computed only for the rows in which something changes."""
    length = np.zeros(step.after.shape, np.float32)
    changed = cv2.threshold(cv2.absdiff(step.before, step.after), CHANGED, 1, cv2.THRESH_BINARY)[1]
    rows = np.flatnonzero(cv2.reduce(changed, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S) > 1)
    if rows.size:
        band = _span(rows[0], rows[-1] + 1, len(length))
        length[band] = _flow(_own.flow, step.before[band], step.after[band])
    return length


def _flow(flow: cv2.DISOpticalFlow, before: Gray, after: Gray) -> Flow:
    """Length (h, w) of the flow in pixels."""
    found = flow.calc(np.ascontiguousarray(before), np.ascontiguousarray(after), NOTHING)
    across, down = cv2.split(found)
    # Not `cv2.magnitude`, whose last digit hangs on where in memory its input lies.
    return np.asarray(np.sqrt(across * across + down * down), np.float32)


def finer_length(flow: cv2.DISOpticalFlow, step: Step, fine: Step, region: Box) -> Flow:
    """As `length_of`, from more pixels and with more effort, and 0 outside the region."""
    (h, w), (tall, wide) = step.after.shape, fine.after.shape
    x0, y0, x1, y1 = region
    crop = _span(y0 * tall, y1 * tall, tall), _span(x0 * wide, x1 * wide, wide)
    large = np.zeros((tall, wide), np.float32)
    large[crop] = _flow(flow, fine.before[crop], fine.after[crop]) * (h / tall)
    inside = slice(round(y0 * h), round(y1 * h)), slice(round(x0 * w), round(x1 * w))
    length = np.zeros((h, w), np.float32)
    length[inside] = cv2.resize(large, (w, h), interpolation=cv2.INTER_AREA)[inside]
    return length


def _span(first: float, last: float, length: int) -> slice:
    # In multiples of 16, to change little from frame to frame; and long enough for the flow's coarse levels, which
    # see the fast things.
    top = max(0, min(int(first - 16) // 16 * 16, length - 64))
    return slice(top, min(length, max(math.ceil((last + 16) / 16) * 16, top + 64)))
