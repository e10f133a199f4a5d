"""Reading a window's data again by reference: how agents and tools reach pictures that no record holds."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from alarm_agents.sources.base import Kind, Source
from alarm_agents.sources.captions import Caption
from alarm_agents.sources.held import HeldSource
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.windows import window_of
from alarm_agents.types import Box, Window

RECENT = 256
"""Frames of the latest windows that stay in memory after measuring, so that agents need not decode them again."""


SHARED = 64
"""Things made of windows that stay in memory for the next member who asks for the same."""

T = TypeVar("T")


class Media:
    """The frames of one source, by window; privacy masks are applied by the source before anything is read.

    `category` is what kind of source it is, in a word; empty where nobody has said.
    """

    def __init__(self, source: Source[Any], max_side: int, category: str = "") -> None:
        self.source, self._max_side, self.category = source, max_side, category
        self._recent: OrderedDict[str, Sequence[Any]] = OrderedDict()
        self._shared: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    @property
    def kind(self) -> Kind:
        """`frames` or `captions`."""
        return self.source.kind

    @property
    def identity(self) -> str:
        """The source's name in rules that are for it alone: two files of one name are two sources."""
        return self.source.slug if self.source.live else f"{self.source.slug}-{self.source.fingerprint[:6]}"

    def keep(self, window: Window, frames: Sequence[Any]) -> None:
        """Remember a window's frames for a while; the oldest windows go where there are more than `RECENT` frames."""
        with self._lock:
            self._recent[window.id] = frames
            while len(self._recent) > 1 and sum(map(len, self._recent.values())) > RECENT:
                self._recent.popitem(last=False)

    def frames(self, window: Window) -> list[Any]:
        """The window's own frames as they were measured, from memory or read again."""
        with self._lock:
            kept = self._recent.get(window.id)
        return list(kept) if kept is not None else self.source.read(window.first, window.last, max_side=self._max_side)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once for all members of an ensemble: pictures take longer than all else of a call."""
        with self._lock:
            if key in self._shared:
                found: T = self._shared[key]
                return found
        made = make()
        with self._lock:
            self._shared[key] = made
            while len(self._shared) > SHARED:
                self._shared.popitem(last=False)
        return made

    def captions(self, window: Window) -> tuple[str, ...]:
        """The recorded captions of the window (empty for a source of pictures)."""
        if self.kind != "captions":
            return ()
        return tuple(frame.text for frame in self.frames(window) if isinstance(frame, Caption))

    def pictures(self, window: Window, *, limit: int | None = None, region: Box | None = None) -> list[Picture]:
        """At most `limit` of the window's pictures, evenly spread, cut to `region`; empty for captions."""
        found = [frame for frame in self.frames(window) if isinstance(frame, Picture)]
        if limit is not None and len(found) > limit:
            found = [found[i] for i in np.linspace(0, len(found) - 1, limit).round().astype(int)] if limit else []
        return [crop(picture, region) for picture in found] if region else found

    def native(self, window: Window, *, before: float = 0.0, after: float = 0.0) -> list[Picture]:
        """Every frame of the window, and of the seconds `before` and `after` it, at full resolution.

        Not beyond an interruption of the stream. Where a live source has let go of them, the frames as measured.
        """
        rate = self._native_rate(window)
        first = max(0, window.first - round(before * rate))
        found = self.source.read(first, window.last + round(after * rate), every=True)
        pictures = [frame for frame in found if isinstance(frame, Picture)]
        own = {frame.stretch for frame in pictures if window.first <= frame.index <= window.last}
        return [frame for frame in pictures if frame.stretch in own] or self.pictures(window)

    def between(self, start: float, end: float, near: Window) -> list[Picture]:
        """The pictures from `start` to `end` seconds as they were measured, for times not far from the window `near`.

        They come from memory where it reaches back so far, and where the stream is live and gone; else read again.
        """
        return [frame for frame in self._between(start, end, near) if isinstance(frame, Picture)]

    def before(self, window: Window, stretches: int) -> list[tuple[Window, Media]]:
        """So many stretches right before the window, of as many frames each, the latest last, with media of their own.

        There are fewer where the stream begins, was interrupted, or is live and gone.
        """
        size = len(window.frames)
        seconds = (stretches * size + 1) / window.fps  # a frame more, as time stamps are not exact
        found = [f for f in self._between(window.start - seconds, window.end, window) if f.index <= window.last]
        own = {frame.stretch for frame in found if frame.index >= window.first}
        earlier = [frame for frame in found if frame.index < window.first and frame.stretch in own]
        parts = [earlier[end - size : end] for end in range(len(earlier), size - 1, -size)][:stretches]
        return [
            (
                window_of(part, window.source),
                Media(HeldSource(part, self.source.slug, self.kind), self._max_side, self.category),
            )
            for part in reversed(parts)
        ]

    def _between(self, start: float, end: float, near: Window) -> list[Any]:
        with self._lock:
            recent = {frame.index: frame for frames in self._recent.values() for frame in frames}
        rate = self._native_rate(near)
        first, last = (near.first + math.floor((time - near.start) * rate) for time in (start, end))
        first = max(0, first)
        if not self.source.live:
            oldest, newest = min(recent, default=last + 1), max(recent, default=last)
            for begin, end_ in ((first, min(oldest - 1, last)), (max(newest + 1, first), last)):
                rest = self.source.read(begin, end_, max_side=self._max_side) if begin <= end_ else []
                recent |= {frame.index: frame for frame in rest}
        found = [recent[index] for index in sorted(recent)]
        return [frame for frame in found if start <= frame.time < end]

    @staticmethod
    def _native_rate(window: Window) -> float:
        """The source's own frames a second, from the frame numbers and time stamps of the window."""
        seconds = window.times[-1] - window.times[0] if len(window.frames) > 1 else 0.0
        return (window.frames[-1] - window.frames[0]) / seconds if seconds > 0 else window.fps


def crop(picture: Picture, region: Box) -> Picture:
    """The part of the picture inside `region`, at least two pixels wide and high."""
    height, width = picture.image.shape[:2]
    x0, y0, x1, y1 = region
    left, top = min(int(x0 * width), width - 2), min(int(y0 * height), height - 2)
    right, bottom = max(left + 2, round(x1 * width)), max(top + 2, round(y1 * height))
    return replace(picture, image=np.ascontiguousarray(picture.image[top:bottom, left:right]))
