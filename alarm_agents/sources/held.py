"""Frames that are in memory, as a source: what is learned from is measured the way that streams are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic

from alarm_agents.sources.base import Frame, Kind


class HeldSource(Generic[Frame]):
    """Consecutive frames (at least one) of the source with that slug."""

    live = False

    def __init__(self, frames: Sequence[Frame], slug: str, kind: Kind) -> None:
        self.name, self.slug, self.kind = slug, slug, kind
        self.fps = frames[0].fps
        self.fingerprint = ""
        self._frames = frames

    def frames(self) -> Iterator[Frame]:
        """All of them, in order."""
        return iter(self._frames)

    def read(self, first: int, last: int, *, max_side: int | None = None, every: bool = False) -> list[Frame]:
        """Those numbered `first` to `last`, in the size that is held."""
        del max_side, every
        return [frame for frame in self._frames if first <= frame.index <= last]
