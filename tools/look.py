"""A closer look at the window at hand, and a longer one around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

from alarm_agents.errors import ToolError
from alarm_agents.sources.captions import Caption
from alarm_agents.sources.media import Media, crop
from alarm_agents.sources.picture import Picture, changed
from alarm_agents.tools.function import MAX_PICTURES, Artifact, tool
from alarm_agents.tools.work import current
from alarm_agents.types import Box, Window

SIDE = 640
"""Longest side in pixels of the pictures around a window: an overview, and minutes of them fit into memory."""
CHUNK = 64
"""Frame numbers read at once around a window."""


def _numbers(value: object) -> object:
    """`"0.1,0.2,0.5,0.6"`, as people and some models write it; anything else is left for pydantic to judge."""
    return value.split(",") if isinstance(value, str) else value


def _ordered(region: Box) -> Box:
    x0, y0, x1, y1 = region
    if x0 >= x1 or y0 >= y1:
        raise ValueError("a region is x0,y0,x1,y1 with x0 < x1 and y0 < y1")
    return region


Region = Annotated[
    Box,
    BeforeValidator(_numbers),
    AfterValidator(_ordered),
    Field(description="x0, y0, x1, y1 as fractions of the picture's width and height; 0,0 is the top left."),
]
Frames = Annotated[int, Field(ge=1, le=MAX_PICTURES, description="How many pictures at most, evenly spread.")]
Seconds = Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)]
Item = TypeVar("Item")


@tool
def zoom(region: Region, frames: Frames = 4) -> tuple[str, Artifact]:
    """Look at a region of the window's pictures at full resolution."""
    work = current()
    if work.media.kind != "frames":
        raise ToolError("this source has no pictures to zoom into", where="tool zoom")
    return _shown(work.media.native(work.window), frames, region)


@tool
def context(before: Seconds = 0, after: Seconds = 0, frames: Frames = 8) -> tuple[str, Artifact]:
    """Look at what came up to 30 seconds before the window, and after it as far as the stream has come."""
    if not before and not after:
        raise ToolError("there is nothing to look at", where="tool context", remedy="give before or after in seconds")
    work = current()
    found = _around(work.media, work.window, before, after, frames)
    captions = [frame for frame in found if isinstance(frame, Caption)]
    if captions:
        return "\n".join(f"{frame.time:.2f} s: {frame.text}" for frame in spread(captions, frames)), Artifact()
    return _shown([frame for frame in found if isinstance(frame, Picture)], frames)


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _around(media: Media, window: Window, before: float, after: float, frames: int) -> list[Any]:
    """Frames before and after the window; some times as many as are wanted, for the stream may end early."""
    rate = _rate(window)
    gap = (before + after) / (4 * frames)
    spans = (
        (max(0, window.first - round(before * rate)), window.first - 1),
        (window.last + 1, window.last + round(after * rate)),
    )
    found: list[Any] = []
    for first, last in spans:
        for frame in _read(media, first, last):
            if not found or abs(frame.time - found[-1].time) >= gap:
                found.append(frame)
    return found


def _read(media: Media, first: int, last: int) -> Iterator[Any]:
    """The source's frames `first` to `last` a few at a time, so that a long look needs no more memory than a short."""
    for start in range(first, last + 1, CHUNK):
        yield from media.source.read(start, min(start + CHUNK - 1, last), max_side=SIDE)


def _rate(window: Window) -> float:
    """The source's own frames a second, from the window's frame numbers and time stamps."""
    seconds = window.times[-1] - window.times[0] if window.times else 0.0
    return (window.frames[-1] - window.frames[0]) / seconds if seconds > 0 else window.fps


def _shown(found: Sequence[Picture], most: int, region: Box | None = None) -> tuple[str, Artifact]:
    """At most so many of the pictures, cut to the region, in words and as they are.

    None repeats the one before: several of a picture that stands still would pass for time in which nothing moved.
    """
    if not found:
        return "there are no pictures at these times", Artifact()
    kept = [found[place] for place in changed(found)]
    pictures = tuple(crop(picture, region) if region else picture for picture in spread(kept, most))
    height, width = pictures[0].image.shape[:2]
    times = ", ".join(f"{picture.time:.2f}" for picture in pictures)
    said = f"{len(pictures)} pictures of {width} x {height} pixels at {times} s"
    if len(kept) == 1 < len(found):
        said = f"1 picture of {width} x {height} pixels at {times} s: it did not change up to {found[-1].time:.2f} s"
    return said, Artifact(pictures=pictures)
