"""Which of a window's pictures a model is shown, in which form, and what it is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alarm_agents.models import composite, picture_block
from alarm_agents.settings import ImageSettings
from alarm_agents.sources.media import Media, crop
from alarm_agents.sources.picture import Picture, changed
from alarm_agents.tools.look import spread
from alarm_agents.types import Box, Measurement, Window

MOMENTS = 3
"""Pictures in a composite: one a colour channel."""


@dataclass(frozen=True)
class Shown:
    """Pictures as content blocks of a prompt, and what they are in words."""

    blocks: Sequence[Mapping[str, Any]] = ()
    said: str = "No pictures are shown."


def show(
    window: Window,
    measurements: Sequence[Measurement],
    media: Media,
    images: ImageSettings,
    region: Box | None = None,
) -> Shown:
    """At most `images.max` of the window's pictures, cut to `region`, where most happens in it.

    Pictures that repeat the one before are left out, and the words say so: a model that is sent one picture twice
    would take it for time in which nothing moved, whatever really happened. Members with like settings share them.
    """
    key = (window.id, region, images.max, images.max_side, images.style)
    return media.once(key, lambda: _shown(window, measurements, media, images, region))


def _shown(
    window: Window, measurements: Sequence[Measurement], media: Media, images: ImageSettings, region: Box | None
) -> Shown:
    found = media.pictures(window) if images.max else []
    if not found:
        return Shown()
    values = _motion(measurements, len(found))
    places = changed(found)
    kept = [found[place] for place in places]
    most = MOMENTS if images.style == "composite" else images.max
    chosen = [kept[place] for place in telling([values[place] for place in places], most)]
    cut = [crop(picture, region) if region else picture for picture in chosen]
    return _as_frames(cut, images, still=len(kept) == 1)


def given(pictures: Sequence[Picture], images: ImageSettings) -> Shown:
    """The pictures that tools gave, as many as the model takes, evenly spread.

    Tools give no frame twice, and what they are asked for twice is sent once; a region in which nothing moves while
    the rest does is shown at each of its times.
    """
    if not images.max or not pictures:
        return Shown()
    if len({picture.image.shape for picture in pictures}) > 1:  # several regions are no moments of one
        images = images.model_copy(update={"style": "frames"})
    once = [picture for place, picture in enumerate(pictures) if not _among(picture, pictures[:place])]
    return _as_frames(once if images.style == "composite" else spread(once, images.max), images, still=False)


def _among(picture: Picture, others: Sequence[Picture]) -> bool:
    return any(picture.time == other.time and np.array_equal(picture.image, other.image) for other in others)


def _as_frames(pictures: Sequence[Picture], images: ImageSettings, *, still: bool) -> Shown:
    """The pictures in the style that the model takes, one by one or as one; `still`: nothing changes between them."""
    if images.style == "composite":
        return _as_composite(pictures, images, still=still)
    times = ", ".join(f"{picture.time:.2f} s" for picture in pictures)
    said = f"The pictures are from one short stretch, in order, taken at {times}."
    if len(pictures) == 1:
        said = f"One picture is shown, taken at {times}{': it did not change in the whole stretch' if still else ''}."
    return Shown([picture_block(picture.image, images.max_side) for picture in pictures], said)


def _as_composite(pictures: Sequence[Picture], images: ImageSettings, *, still: bool) -> Shown:
    """One picture of up to three moments: the first in red, the middle one in green, the last in blue."""
    moments = [pictures[0], pictures[len(pictures) // 2], pictures[-1]]
    block = picture_block(composite([picture.image for picture in moments]), images.max_side)
    first, middle, last = (f"{picture.time:.2f} s" for picture in moments)
    said = (
        f"One picture is shown, made of three moments in grey: {first} in its red channel, {middle} in green, {last} "
        "in blue. What stood still is grey; what moved shows in colours."
    )
    return Shown([block], f"{said} The picture did not change in the whole stretch." if still else said)


def telling(motion: Sequence[float], most: int) -> list[int]:
    """The places of at most `most` pictures, ascending, given how much moves in each.

    The first, the last, and those between at which equal shares of all motion have passed (as Zhi et al.'s MGSampler,
    2021, samples clips): dense where much moves, evenly spread where motion is even or absent. A single one is the
    one in which most moves.
    """
    count = len(motion)
    if count <= most:
        return list(range(count))
    if most == 1:
        return [int(np.argmax(motion))]
    steps = np.maximum(np.asarray(motion[1:], float), 0.0)
    steps += max(float(steps.mean()), 1e-9) * 0.1  # a still part of the window is not skipped altogether
    passed = np.concatenate([[0.0], np.cumsum(steps) / steps.sum()])
    places: list[int] = []
    for number, share in enumerate(np.linspace(0, 1, most)):
        place = int(np.abs(passed - share).argmin())
        least = places[-1] + 1 if places else 0
        places.append(min(max(place, least), count - (most - number)))
    return places


def _motion(measurements: Sequence[Measurement], count: int) -> Sequence[float]:
    """How much moves in each of so many frames, by the motion expert; even where it has not measured them."""
    for measurement in measurements:
        values = measurement.frames.get(measurement.score, ())
        if measurement.expert == "motion" and len(values) == count:
            return values
    return (0.0,) * count
