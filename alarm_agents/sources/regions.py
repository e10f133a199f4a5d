"""Regions of a picture: privacy masks, zones, and the one place where pictures are made smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.settings import Polygon
from alarm_agents.types import Box

Image = NDArray[np.uint8]


def apply_masks(image: Image, polygons: Sequence[Polygon]) -> Image:
    """A copy of an image (h, w, 3) in which the polygons (points in fractions, edges included) are black.

    Without polygons it is the image itself.
    """
    if not polygons:
        return image
    masked = image.copy()
    last = np.array([image.shape[1] - 1, image.shape[0] - 1])
    for polygon in polygons:
        # One by one: filled in one call, overlapping polygons would uncover each other (even-odd rule).
        points = np.rint(np.array(polygon) * last).astype(np.int32)
        cv2.fillPoly(masked, [points], (0, 0, 0))
    return masked


def scale_down(image: Image, max_side: int | None) -> Image:
    """An image (h, w, 3) whose longer side is at most `max_side` pixels; the image itself where it is already."""
    height, width = image.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return image
    scale = max_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def resize_to(image: Image, width: int, height: int) -> Image:
    """An image of exactly width x height pixels; the image itself where it is that already."""
    if image.shape[:2] == (height, width):
        return image
    method = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def zones_of(box: Box, zones: Mapping[str, Polygon]) -> tuple[str, ...]:
    """Names of the zones, in their order, in which a thing stands: where its box's bottom centre lies (edges count)."""
    x0, _, x1, y1 = box
    foot = ((x0 + x1) / 2, y1)
    return tuple(
        name
        for name, polygon in zones.items()
        if cv2.pointPolygonTest(np.array(polygon, dtype=np.float32), foot, measureDist=False) >= 0
    )
