"""Times as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LONG = 600.0
"""Seconds from which on a recording is told in hours and minutes."""
UNIX = 1e8
"""Times beyond this are Unix seconds, as live sources have them; no recording lasts three years."""


@dataclass(frozen=True)
class Clock:
    """How the times of one source are told; `end` is its last one, in seconds."""

    end: float

    def text(self, time: float) -> str:
        """The time of day for a live source, else time from the start: `24.0 s`, or `1:02:03` in a long recording."""
        if self.end > UNIX:
            return datetime.fromtimestamp(time).strftime("%H:%M:%S")
        if self.end < LONG:
            return f"{time:.1f} s"
        minutes, seconds = divmod(round(time), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"

    def second(self, time: float) -> str:
        """The time in whole seconds, as a clock in the picture tells it."""
        return f"{int(time)} s" if self.end < LONG else self.text(int(time))

    def span(self, start: float, end: float) -> str:
        """From when to when."""
        return f"{self.text(start).removesuffix(' s')} – {self.text(end)}"

    @property
    def day(self) -> str:
        """What the times of a live source are of; empty for a recording."""
        return datetime.fromtimestamp(self.end).strftime("%Y-%m-%d") if self.end > UNIX else ""
