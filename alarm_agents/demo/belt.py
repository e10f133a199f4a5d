"""The place of the conveyor: a belt in a workshop seen from above and a little from the side, the same in every clip.

The belt and what lies on it are painted once, as one long strip; each picture shows a part of the strip in perspective.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.demo.scene import FINE, HEIGHT, WIDTH, Colour, Floats, Image, box, cloudy
from alarm_agents.types import Box

BROAD = 0.6  # metres from edge to edge of the belt
FAR, NEAR = 58, 190  # rows of the picture in which its edges are
FAR_HALF, NEAR_HALF = 0.91, 0.81  # metres of the belt that are in the picture, left and right of its middle
FINEST = 440  # pixels of the strip in a metre
MARGIN = 1.6  # metres of the strip before and behind what is asked for
SEED = 11  # of the textures: a place does not change from clip to clip

RUBBER: Colour = (74, 88, 66)
CONCRETE: Colour = (128, 134, 136)
CABINET: Colour = (106, 84, 62)
RAIL: Colour = (176, 174, 170)


def bare(metres: float, seed: int) -> Image:
    """A belt of that length with nothing on it, `MARGIN` more at each end: (BROAD, metres + 2 MARGIN) in `FINEST`."""
    rng = np.random.default_rng([seed, 11])
    shape = round(BROAD * FINEST), round((metres + 2 * MARGIN) * FINEST)
    # Wear runs along the belt; only its weave, marks and seams tell that it moves.
    along = cv2.resize(cloudy(rng, 1.5, (shape[0], 64)), (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    tone = 1 + 0.05 * cloudy(rng, 1.1, shape) + 0.035 * np.asarray(along, np.float32)
    middle = np.abs(np.linspace(-1, 1, shape[0], dtype=np.float32))[:, None]
    tone *= 1.05 - 0.13 * middle**4
    strip = (tone[..., None] * np.asarray(RUBBER, np.float32)).clip(0, 255).astype(np.uint8)
    for seam in np.arange(rng.uniform(0, 3.0), shape[1] / FINEST, 3.1):
        ends = (round(seam * FINEST), 0), (round((seam + 0.14) * FINEST), shape[0])
        cv2.line(strip, *ends, (56, 68, 50), 4, cv2.LINE_AA)
        cv2.line(strip, (ends[0][0] + 5, 0), (ends[1][0] + 5, shape[0]), (88, 103, 80), 2, cv2.LINE_AA)
    for _ in range(round(2.5 * metres)):
        x, y, length = rng.uniform(0, shape[1]), rng.uniform(0.04, 0.96) * shape[0], rng.uniform(4, 30)
        tint = float(rng.choice([0.82, 1.14]))
        colour = tuple(tint * part for part in RUBBER)
        ends = (round(x), round(y)), (round(x + length), round(y + rng.normal(0, 3)))
        cv2.line(strip, *ends, colour, int(rng.integers(2, 5)), cv2.LINE_AA)
    return strip


def view(strip: Image, middle: float) -> Image:
    """The picture, at `FINE` times the size, when `middle` metres of the strip are at the picture's middle."""
    half = FAR_HALF + 0.1
    left = int((middle - half + MARGIN) * FINEST)
    piece = strip[:, left : left + round(2 * half * FINEST)]
    shift = np.array([[1 / FINEST, 0, left / FINEST - MARGIN - middle], [0, 1 / FINEST, 0], [0, 0, 1]])
    down = np.array([[1.0, 0, 0], [0, 1, -FAR * FINE], [0, 0, 1]])
    canvas = workshop().copy()
    size = WIDTH * FINE, (NEAR - FAR) * FINE
    seen = cv2.warpPerspective(piece, down @ _to_picture() @ shift, size, flags=cv2.INTER_LINEAR)
    canvas[FAR * FINE : NEAR * FINE] = cv2.multiply(seen, _light()[FAR * FINE : NEAR * FINE], dtype=cv2.CV_8U)
    _sensor(canvas)
    return canvas


def place_of(along: float, across: float, size: float) -> Box:
    """Where in the picture a square of `size` metres is whose middle is `along` metres right of the picture's."""
    half = size / 2
    corners = np.array([[[along + i * half, across + j * half] for i in (-1, 1) for j in (-1, 1)]])
    (points,) = cv2.perspectiveTransform(corners, _to_picture()) / FINE
    return box(*points.min(axis=0), *points.max(axis=0))


@cache
def half_width(across: float) -> float:
    """Metres from the picture's middle to its edge, `across` metres from the belt's far edge."""
    (((along, _),),) = cv2.perspectiveTransform(
        np.array([[[WIDTH * FINE, _row(across) * FINE]]], float), np.linalg.inv(_to_picture())
    )
    return float(along)


def _row(across: float) -> float:
    (((_, row),),) = cv2.perspectiveTransform(np.array([[[0.0, across]]]), _to_picture()) / FINE
    return float(row)


@cache
def _to_picture() -> NDArray[np.float64]:
    """From metres (right of the picture's middle, from the belt's far edge) to pixels at `FINE` times the size."""
    belt = [(-FAR_HALF, 0), (FAR_HALF, 0), (NEAR_HALF, BROAD), (-NEAR_HALF, BROAD)]
    picture = [(0, FAR), (WIDTH, FAR), (WIDTH, NEAR), (0, NEAR)]
    found = cv2.getPerspectiveTransform(np.array(belt, np.float32), np.array(picture, np.float32) * FINE)
    return np.asarray(found, np.float64)


@cache
def _light() -> Floats:
    """How bright each pixel is under the lamp that hangs above the belt, (h, w, 3)."""
    y, x = np.mgrid[0 : HEIGHT * FINE, 0 : WIDTH * FINE].astype(np.float32) / FINE
    far = ((x - 0.42 * WIDTH) / (0.75 * WIDTH)) ** 2 + ((y - 0.4 * HEIGHT) / (0.95 * HEIGHT)) ** 2
    return np.repeat((0.8 + 0.32 * np.exp(-1.6 * far))[..., None], 3, axis=2)


@cache
def workshop() -> Image:
    """All that never moves, at `FINE` times the size (read-only): floor, cabinet, the belt's frame."""
    rng = np.random.default_rng(SEED)
    canvas = np.empty((HEIGHT * FINE, WIDTH * FINE, 3), np.float32)
    canvas[:] = CONCRETE
    canvas *= (1 + 0.05 * cloudy(rng, 1.2) + 0.06 * cloudy(rng, 14.0) + 0.04 * cloudy(rng, 50.0))[..., None]
    _floor_line(canvas, rng)
    _cabinet(canvas, rng)
    for top, bottom in ((FAR - 12, FAR), (NEAR, NEAR + 15)):
        _rail(canvas, top, bottom, rng)
    canvas *= _light()
    found = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.7), np.float32).clip(0, 255).astype(np.uint8)
    found.flags.writeable = False
    return found


def _floor_line(canvas: Floats, rng: np.random.Generator) -> None:
    """The yellow line on the floor in front, worn by feet, and the shade under the belt's frame."""
    top, bottom = (NEAR + 27) * FINE, (NEAR + 36) * FINE
    worn = (0.86 + 0.1 * cloudy(rng, 2.0)[top:bottom].clip(-2, 1))[..., None]
    canvas[top:bottom] += worn * (np.asarray((60, 176, 206), np.float32) - canvas[top:bottom])
    shade = np.linspace(0.5, 1.0, 12 * FINE, dtype=np.float32)[:, None, None]
    canvas[(NEAR + 15) * FINE : (NEAR + 27) * FINE] *= shade


def _cabinet(canvas: Floats, rng: np.random.Generator) -> None:
    """The machine behind the belt: sheet metal with a grille, a striped bar and a lamp that is lit."""
    foot = (FAR - 12) * FINE
    canvas[:foot] = np.asarray(CABINET, np.float32) * (1 + 0.03 * cloudy(rng, 8.0)[:foot])[..., None]
    for x in (118, 246):
        canvas[:foot, x * FINE : x * FINE + 3] *= 0.6
        canvas[:foot, x * FINE + 3 : x * FINE + 5] *= 1.25
    for row in range(6 * FINE, 28 * FINE, 4 * FINE):
        canvas[row : row + 2 * FINE, 20 * FINE : 92 * FINE] *= 0.55
    y, x = np.mgrid[0 : 9 * FINE, 0 : WIDTH * FINE]
    stripes = np.where(((x + y) // (11 * FINE) % 2)[..., None] == 0, (48, 178, 214), (40, 40, 40))
    canvas[foot - 9 * FINE : foot] = stripes * (1 + 0.06 * cloudy(rng, 3.0)[: 9 * FINE])[..., None]
    for x, colour in ((282, (70, 70, 190)), (300, (110, 220, 120)), (318, (70, 170, 200))):
        cv2.circle(canvas, (x * FINE, 14 * FINE), 5 * FINE, (46, 44, 42), -1, cv2.LINE_AA)
        cv2.circle(canvas, (x * FINE, 14 * FINE), 4 * FINE, colour, -1, cv2.LINE_AA)


def _rail(canvas: Floats, top: int, bottom: int, rng: np.random.Generator) -> None:
    """A side of the belt's frame: an aluminium profile with a slot and bolts."""
    rows = (np.arange(HEIGHT * FINE) + 0.5) / FINE
    inside = (rows > top) & (rows < bottom)
    height = (rows[inside] - top) / (bottom - top)
    profile = 1.12 - 0.35 * height - 0.38 * (np.abs(height - 0.55) < 0.13)
    grain = 1 + 0.03 * cloudy(rng, 1.0)[: int(inside.sum())]
    canvas[inside] = np.asarray(RAIL, np.float32) * (profile[:, None] * grain)[..., None].astype(np.float32)
    canvas[(rows > bottom - 1) & (rows < bottom)] *= 0.45
    for x in range(26, WIDTH, 77):
        at = x * FINE, round((top + 0.3 * (bottom - top)) * FINE)
        cv2.circle(canvas, at, 5, (84, 82, 80), -1, cv2.LINE_AA)
        cv2.circle(canvas, (at[0] - 1, at[1] - 1), 3, (150, 148, 146), -1, cv2.LINE_AA)


def _sensor(canvas: Image) -> None:
    """The sensor on its arm, which reaches over the belt's near edge."""
    x, foot, top = 318 * FINE, (NEAR + 8) * FINE, (NEAR - 20) * FINE
    cv2.line(canvas, (x, foot), (x, top), (70, 70, 68), 4 * FINE, cv2.LINE_AA)
    cv2.line(canvas, (x - 2, foot), (x - 2, top), (120, 120, 118), FINE, cv2.LINE_AA)
    cv2.rectangle(canvas, (x - 7 * FINE, top - 9 * FINE), (x + 7 * FINE, top + 3 * FINE), (44, 46, 48), -1)
    cv2.rectangle(canvas, (x - 7 * FINE, top - 9 * FINE), (x + 7 * FINE, top - 8 * FINE), (96, 98, 100), -1)
    cv2.circle(canvas, (x, top - 3 * FINE), 2 * FINE, (60, 60, 210), -1, cv2.LINE_AA)
