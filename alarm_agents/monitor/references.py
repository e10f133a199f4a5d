"""Drawing references: which frames of which sources a scenario learns its normal from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alarm_agents.errors import SourceError
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.tools.scene import small

MOST_FRAMES = 1_200
"""Frames learned from when no number is asked for; of more, stretches are taken evenly (they lie in memory)."""
STRETCH = 160
"""Frames of a source of which one stretch is taken where not all can be."""
SHORTEST = 64
"""Frames in a stretch at least, where the source has them: what stays and what comes back takes time to see."""
NEIGHBOURS = 1
"""Frames on either side that come with a drawn reference frame, so that motion can be seen."""


@dataclass(frozen=True)
class Clip:
    """A reference: a run of consecutive frames of one source, in the size that experts work at."""

    source: str
    """The source's slug."""
    frames: Sequence[Any]


def draw(medias: Sequence[Media], frames: int | None, seed: int) -> list[Clip]:
    """The references: `frames` frames drawn at random over all sources, each with its neighbours; or all there is.

    Frames are drawn without replacement with the seed. Without a number whole sources are taken, and of more than
    `MOST_FRAMES` stretches that are spread evenly. Raises `SourceError` when the sources hold no frame.
    """
    counts = [sum(1 for _ in media.source.frames()) for media in medias]
    runs = _all(counts) if frames is None else _drawn(counts, frames, seed)
    clips = [clip for media, wanted in zip(medias, runs, strict=True) for clip in _collected(media, wanted)]
    if not clips:
        raise SourceError("the references hold no frames", remedy="name sources of normal data")
    return clips


def picked(medias: Sequence[Media], wanted: Sequence[frozenset[int]]) -> list[Clip]:
    """The frames of these numbers, each a reference by itself; raises `SourceError` when there is none."""
    clips = [
        Clip(media.source.slug, [as_held(frame)])
        for media, numbers in zip(medias, wanted, strict=True)
        for frame in media.source.frames()
        if frame.index in numbers
    ]
    if not clips:
        raise SourceError("the references hold no frames", remedy="name sources of normal data")
    return clips


def divided(clips: Sequence[Clip], least: int) -> list[Clip]:
    """The clips, the longest cut in two until there are `least` of them, or none is long enough to cut."""
    parts = list(clips)
    while len(parts) < least:
        place = max(range(len(parts)), key=lambda i: len(parts[i].frames))
        clip = parts[place]
        middle = len(clip.frames) // 2
        if middle < 2:
            break
        parts[place : place + 1] = [
            replace(clip, frames=clip.frames[:middle]),
            replace(clip, frames=clip.frames[middle:]),
        ]
    return parts


def _all(counts: Sequence[int]) -> list[list[range]]:
    """The runs of places to take of each source, of all frames or of evenly spread stretches."""
    total = sum(counts)
    if total <= MOST_FRAMES:
        return [[range(count)] if count else [] for count in counts]
    length = max(SHORTEST, STRETCH * MOST_FRAMES // total)
    every = max(1, round(length * total / (STRETCH * MOST_FRAMES)))
    found: list[list[range]] = []
    number = 0
    for count in counts:
        found.append([])
        for start in range(0, count, STRETCH):
            if number % every == 0:
                found[-1].append(range(start, min(count, start + length)))
            number += 1
    return found


def _drawn(counts: Sequence[int], frames: int, seed: int) -> list[list[range]]:
    total = sum(counts)
    drawn = np.random.default_rng(seed).choice(total, min(frames, total), replace=False) if total else np.zeros(0)
    wanted = np.sort(drawn).tolist()
    found, start = [], 0
    for count in counts:
        places = [int(i) - start for i in wanted if start <= i < start + count]
        found.append([range(max(0, place - NEIGHBOURS), min(count, place + NEIGHBOURS + 1)) for place in places])
        start += count
    return found


def _collected(media: Media, wanted: Sequence[range]) -> Iterator[Clip]:
    """The runs of frames at these places, in one pass over the source."""
    needed = {place for run in wanted for place in run}
    if not needed:
        return
    held = {i: as_held(frame) for i, frame in enumerate(media.source.frames()) if i in needed}
    for run in wanted:
        yield Clip(media.source.slug, [held[place] for place in run])


def as_held(frame: Any) -> Any:
    """A frame as it is held in memory to learn from: a picture in the size that experts work at."""
    return replace(frame, image=small(frame)) if isinstance(frame, Picture) else frame
