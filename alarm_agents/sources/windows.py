"""Cutting a stream into windows, each with the frames before it that a measurement needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from alarm_agents.errors import SourceError
from alarm_agents.sources.base import Stamped
from alarm_agents.types import Window

Frame = TypeVar("Frame", bound=Stamped)


def cut(frames: Iterable[Frame], *, source: str, size: int, step: int) -> Iterator[tuple[Window, list[Frame], int]]:
    """Windows of `size` frames, one every `step` (1 <= step <= size), of the source whose slug is given.

    Yields each window, its frames, and `overlap`: how many of them, at the front, were in earlier yields already.
    Where windows touch (`step == size`) that is one frame of context, the last before the window, which is not one
    of the window's own; where they overlap it is the `size - step` frames shared with the window before. So
    `frames[overlap:]` is new, each frame is new exactly once, `frames[-len(window.frames):]` is the window, and only
    a stream's first window has overlap 0. The last window may be shorter, but has at least one new frame. Where the
    stream was interrupted (`stretch` changes), the window before ends early and the next one is a first one again.

    One window of frames (and its context) is held at a time. Where `frames` raises `SourceError`, what came before
    is yielded first. Window ids are unique while frames are a millisecond apart or more.
    """
    if not 1 <= step <= size:
        raise ValueError(f"step must be between 1 and size ({size}), not {step}")
    shared = size - step
    context: list[Frame] = []
    for new in _runs(frames, size, step):
        if context and context[-1].stretch != new[0].stretch:
            context = []
        held = [*context, *new]
        own = held[len(context) - shared :] if context else held
        yield window_of(own, source), held, len(context)
        context = held[-max(shared, 1) :]


def _runs(frames: Iterable[Frame], first: int, later: int) -> Iterator[list[Frame]]:
    """Frames that are new in a window: `first` for a stretch's first one, then `later` each, and what is left."""
    run: list[Frame] = []
    wanted, stretch = first, None
    try:
        for frame in frames:
            if run and run[-1].stretch != frame.stretch:
                yield run
                run = []
            if frame.stretch != stretch:
                wanted, stretch = first, frame.stretch
            run.append(frame)
            if len(run) == wanted:
                yield run
                run, wanted = [], later
    except SourceError:
        if run:
            yield run
        raise
    if run:
        yield run


def window_of(own: Sequence[Stamped], source: str) -> Window:
    """The window that these frames (at least one) of the source with that slug are."""
    start, last = own[0].time, own[-1]
    return Window(
        id=f"{source}:{round(start * 1000):09d}",
        source=source,
        start=start,
        end=round(last.time + 1 / last.fps, 6),
        first=own[0].index,
        last=last.index,
        fps=last.fps,
        times=tuple(frame.time for frame in own),
        frames=tuple(frame.index for frame in own),
    )
