"""One frame of a stream, in memory only: pictures never enter state, checkpoints, spans or the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SAME = 2
"""Grey levels by which no pixel differs in two pictures that count as one: a decoder's rounding, nothing that moved."""


@dataclass(frozen=True, eq=False)  # compared by identity: what is computed of a picture is kept under it
class Picture:
    """A frame with privacy masks already applied."""

    image: NDArray[np.uint8]
    """(height, width, 3), BGR."""
    index: int
    """The frame's number in its source, from 0."""
    time: float
    """Seconds from the start of the stream, from the container where it has time stamps; live: Unix seconds."""
    fps: float
    """Frames a second of the series that this picture belongs to."""
    stretch: int = 0
    """Changes where the stream was interrupted: nothing may be compared across."""
    lost: float = 0.0
    """Seconds for which no picture has come; above 0 this one is black and stands in for it."""


def changed(pictures: Sequence[Picture]) -> list[int]:
    """The places of the pictures that differ from the last one kept; the first always is."""
    places: list[int] = []
    for place, picture in enumerate(pictures):
        last = pictures[places[-1]].image if places else None
        if last is None or last.shape != picture.image.shape or cv2.absdiff(last, picture.image).max() > SAME:
            places.append(place)
    return places
