"""Pictures with what was seen in them: boxes that are named, and a line of words below."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from alarm_agents.monitor.moments import Sighting
from alarm_agents.observability.tree import clean
from alarm_agents.sources.regions import Image
from alarm_agents.types import Fact

COLOUR, PAPER, INK = (200, 16, 46), (24, 26, 30), (240, 240, 240)  # RGB
_BGR = COLOUR[::-1]
TEXT = 0.032
"""Height of letters as a share of the picture's shorter side; at least `SMALLEST` pixels."""
SMALLEST, PAD, LONGEST = 11, 3, 200
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def annotate(image: Image, seen: Sequence[Sighting], words: str) -> Image:
    """A copy of the picture (h, w, 3), BGR, with a named box for each sighting and a strip with `words` below it."""
    height, width = image.shape[:2]
    size = max(SMALLEST, round(TEXT * min(height, width)))
    strip = size + 2 * PAD
    sheet = np.empty((height + strip + (height + strip) % 2, width, 3), np.uint8)
    sheet[:height], sheet[height:] = image, _strip(words, size, width, len(sheet) - height)
    line = max(2, size // 6)
    for sighting in seen:
        x0, y0, x1, y1 = (int(edge * side) for edge, side in zip(sighting.region, (width, height) * 2, strict=True))
        end = min(max(x1, x0 + 2), width - 1), min(max(y1, y0 + 2), height - 1)
        cv2.rectangle(sheet, (x0, y0), end, _BGR, line)
    for sighting in seen:  # after all boxes, so that none crosses a name
        plate = _plate(named(sighting.fact), size, width)
        left, top = sighting.region[0] * width, sighting.region[1] * height - plate.shape[0]
        x, y = round(max(0.0, min(left, width - plate.shape[1]))), round(max(0.0, top))
        under = sheet[y : y + plate.shape[0], x : x + plate.shape[1]]
        under[:] = plate[: under.shape[0], : under.shape[1]]
    return sheet


@lru_cache(maxsize=4)  # the pictures of one second of a clip show the same words
def _strip(words: str, size: int, width: int, height: int) -> Image:
    """The words on a strip; letters are Pillow's, and pictures are not turned into its own for them."""
    strip, font = Pillow.new("RGB", (width, height), PAPER), _font(size)
    fitting = _fitting(clean(words, LONGEST), font, width - 2 * PAD)
    ImageDraw.Draw(strip).text((PAD, PAD // 2), fitting, fill=INK, font=font)
    return _pixels(strip)


def named(fact: Fact) -> str:
    """What stands on a fact's box: what it is, and its value."""
    value = f"{fact.value:.2g}" if isinstance(fact.value, float) else "" if fact.value is True else str(fact.value)
    measured = " ".join(part for part in (value, fact.unit) if part)
    return clean(": ".join(part for part in (fact.subject, measured) if part), LONGEST)


@lru_cache(maxsize=64)  # a clip shows the same names in picture after picture, and drawing them takes longest
def _plate(text: str, size: int, most: int) -> Image:
    """The text on a plate of at most so many pixels, which is to be moved into the picture where it would leave it."""
    font = _font(size)
    fitting = _fitting(text, font, most - 2 * PAD)
    left, top, right, bottom = font.getbbox(fitting)
    plate = Pillow.new("RGB", (math.ceil(right - left) + 2 * PAD, math.ceil(bottom - top) + 2 * PAD), COLOUR)
    ImageDraw.Draw(plate).text((PAD - left, PAD - top), fitting, fill=(255, 255, 255), font=font)
    return _pixels(plate)


def _pixels(drawn: Pillow.Image) -> Image:
    """Pillow's picture as an array, BGR."""
    return np.asarray(drawn)[:, :, ::-1]


def _fitting(text: str, font: Font, width: float) -> str:
    """As much of the text as fits into so many pixels."""
    if font.getlength(text) <= width:
        return text
    most = bisect_right(range(1, len(text)), width, key=lambda n: font.getlength(text[:n] + "…"))
    return f"{text[:most]}…" if most else ""


@cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size)
