"""The place that the demo's camera looks at: a walkway in perspective, the same in every clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from alarm_agents.demo.scene import FINE, HEIGHT, WIDTH, Colour, Floats, Image, cloudy

HORIZON = -25.0  # row of the horizon; it lies above the picture: the camera looks down
CAMERA = 8.5  # metres above the ground
FOCAL = 420.0  # pixels
WALK_FAR, WALK_NEAR = 92.0, 222.0  # rows between which people set their feet
SLAB = 0.9  # metres; side of a paving slab
SEED = 7  # of the textures: a place does not change from clip to clip

GRASS: Colour = (58, 104, 84)
PAVING: Colour = (148, 154, 158)
KERB: Colour = (170, 174, 176)
HEDGE: Colour = (38, 74, 52)
WALL: Colour = (96, 118, 150)


@dataclass(frozen=True)
class Spot:
    """Where something stands: its foot in pixels, and how many pixels a metre is there."""

    x: float
    row: float
    scale: float


def depth_of(row: float) -> float:
    """Metres from the camera to the ground seen in a row of the picture."""
    return FOCAL * CAMERA / (row - HORIZON)


def project(across: float, depth: float) -> Spot:
    """Where a point of the ground is seen, `across` metres right of the camera's axis and `depth` metres away."""
    scale = FOCAL / depth
    return Spot(WIDTH / 2 + across * scale, HORIZON + CAMERA * scale, scale)


def spot_at(x: float, row: float) -> Spot:
    """The point of the ground that is seen at a pixel."""
    return Spot(x, row, FOCAL / depth_of(row))


@dataclass(frozen=True)
class CutOut:
    """Something fixed that hides who passes behind it; its foot is at `row`."""

    row: float
    top: int
    left: int
    pixels: Image
    mask: Image
    """255 where it is, 0 where one sees past it."""

    def paste(self, canvas: Image) -> None:
        """Put it where it stands."""
        h, w = self.mask.shape
        part = canvas[self.top : self.top + h, self.left : self.left + w]
        cv2.copyTo(self.pixels, self.mask, part)


@cache
def cut_outs() -> tuple[CutOut, ...]:
    """The fixed things that hide people, far ones first."""
    return _cut_out(LAMP.row, _lamp_post), _cut_out(PLANTER.row, _planter)


@cache
def backdrop() -> Image:
    """All that never moves and hides nobody, at `FINE` times the size (read-only)."""
    rng = np.random.default_rng(SEED)
    rows = (np.arange(HEIGHT * FINE, dtype=np.float32) + 0.5) / FINE
    columns = (np.arange(WIDTH * FINE, dtype=np.float32) + 0.5) / FINE
    depth: Floats = (FOCAL * CAMERA / (rows - HORIZON))[:, None].astype(np.float32)
    across: Floats = ((columns[None, :] - WIDTH / 2) * depth / FOCAL).astype(np.float32)
    canvas = np.empty((len(rows), len(columns), 3), np.float32)
    canvas[:] = GRASS
    canvas *= (1 + 0.16 * cloudy(rng, 2.0) + 0.12 * cloudy(rng, 24.0))[..., None]
    paved = (rows > 80) & (rows < 230)
    canvas[paved] = _paving(rng, across, depth)[paved]
    for top, bottom in ((80, 83), (228, 233)):
        kerb = (rows > top) & (rows < bottom)
        canvas[kerb] = np.asarray(KERB, np.float32) * (1 + 0.05 * cloudy(rng, 3.0)[kerb])[..., None]
    _wall(canvas, rng)
    _hedge(canvas, rng)
    shade = cv2.GaussianBlur((cloudy(rng, 34.0) > 0.8).astype(np.float32), (0, 0), 3.0 * FINE)  # of trees
    canvas[rows > 52] *= (1 - 0.24 * np.asarray(shade, np.float32)[rows > 52])[..., None]
    canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8), np.float32)
    found = np.clip(canvas, 0, 255).astype(np.uint8)
    _bench(found)
    found.flags.writeable = False
    return found


def _cut_out(row: float, draw: Callable[[Image], None]) -> CutOut:
    """What `draw` draws, once and for all: drawing it anew for each picture would take longer than the people."""
    canvas = backdrop().copy()
    draw(canvas)
    mask = (canvas != backdrop()).any(axis=2).astype(np.uint8) * 255
    x, y, w, h = cv2.boundingRect(mask)
    return CutOut(row, y, x, canvas[y : y + h, x : x + w].copy(), mask[y : y + h, x : x + w].copy())


def _lamp_post(canvas: Image) -> None:
    x, foot, metre = LAMP.x * FINE, LAMP.row * FINE, LAMP.scale * FINE
    top = foot - 4.6 * metre
    cv2.ellipse(canvas, _px(x, foot), (round(0.22 * metre), round(0.08 * metre)), 0, 0, 360, (52, 56, 58), -1)
    cv2.line(canvas, _px(x, foot), _px(x, top), (62, 66, 66), max(2, round(0.13 * metre)), cv2.LINE_AA)
    cv2.line(canvas, _px(x - 1, foot), _px(x - 1, top), (96, 100, 100), 1, cv2.LINE_AA)
    cv2.line(canvas, _px(x, top), _px(x - 0.8 * metre, top + 0.1 * metre), (62, 66, 66), 4, cv2.LINE_AA)
    lamp = _px(x - 0.85 * metre, top + 0.16 * metre)
    cv2.ellipse(canvas, lamp, (round(0.25 * metre), round(0.1 * metre)), -6, 0, 360, (205, 226, 232), -1, cv2.LINE_AA)


def _planter(canvas: Image) -> None:
    rng = np.random.default_rng(SEED + 1)
    x, foot, metre = PLANTER.x * FINE, PLANTER.row * FINE, PLANTER.scale * FINE
    for _ in range(90):
        along, up = rng.uniform(-0.85, 0.85), rng.uniform(0.45, 0.95)
        green = float(rng.uniform(0.6, 1.35))
        leaf = (34 * green, 84 * green, 58 * green)
        cv2.circle(canvas, _px(x + along * metre, foot - up * metre), round(0.1 * metre), leaf, -1, cv2.LINE_AA)
    left, right = _px(x - 0.9 * metre, foot - 0.55 * metre), _px(x + 0.9 * metre, foot)
    cv2.rectangle(canvas, left, right, (104, 116, 128), -1)
    cv2.rectangle(canvas, left, (right[0], left[1] + 5), (140, 150, 160), -1)
    for part in (0.25, 0.5, 0.75):
        along = round(left[0] + part * (right[0] - left[0]))
        cv2.line(canvas, (along, left[1] + 6), (along, right[1]), (88, 98, 110), 2, cv2.LINE_AA)


LAMP = project(2.9, depth_of(172))
PLANTER = project(-3.9, depth_of(231))


def _px(x: float, y: float) -> tuple[int, int]:
    return round(x), round(y)


def _paving(rng: np.random.Generator, across: Floats, depth: Floats) -> Floats:
    """Slabs that differ a little in tone, with joints that keep to the ground's perspective; (h, w, 3)."""
    tones = rng.normal(1.0, 0.07, (64, 64)).astype(np.float32)
    column, row = np.floor(across / SLAB).astype(int), np.floor(depth / SLAB).astype(int)
    tone = tones[row % 64, column % 64]
    wide = 0.03 + depth * 0.0012  # a joint is never thinner than the grain of the picture
    joints = np.minimum(_to_edge(across), _to_edge(depth)) < wide / 2
    tone = tone * np.where(joints, 0.8, 1.0) * (1 + 0.05 * cloudy(rng, 1.5) + 0.05 * cloudy(rng, 30.0))
    return np.asarray(tone[..., None] * np.asarray(PAVING, np.float32), np.float32)


def _to_edge(metres: Floats) -> Floats:
    part = np.mod(metres / SLAB, 1.0)
    return np.asarray(np.minimum(part, 1 - part) * SLAB, np.float32)


def _wall(canvas: Floats, rng: np.random.Generator) -> None:
    foot, metre = 40 * FINE, project(0, depth_of(40)).scale * FINE
    bricks = 1 + 0.07 * cloudy(rng, 1.2)[:foot] + 0.05 * cloudy(rng, 20.0)[:foot]
    canvas[:foot] = np.asarray(WALL, np.float32) * bricks[..., None]
    canvas[foot - round(0.6 * metre) : foot] *= 0.8
    for left in np.arange(0.6 * metre, WIDTH * FINE, 3.1 * metre):
        pane = (
            slice(round(foot - 3.2 * metre), round(foot - 1.3 * metre)),
            slice(round(left), round(left + metre * 1.3)),
        )
        canvas[pane] = (92, 78, 66)
        canvas[pane[0], pane[1].start + 3 : pane[1].stop - 3] *= 1.15
        sill = slice(pane[0].stop, pane[0].stop + 3), slice(pane[1].start - 3, pane[1].stop + 3)
        canvas[sill] = (168, 176, 184)


def _hedge(canvas: Floats, rng: np.random.Generator) -> None:
    columns = np.arange(WIDTH * FINE)
    edge = 33 * FINE + 2.5 * FINE * cloudy(rng, 10.0)[0]
    leaves = np.asarray(HEDGE, np.float32) * (1 + 0.3 * cloudy(rng, 1.6) + 0.15 * cloudy(rng, 6.0))[..., None]
    for row in range(26 * FINE, 52 * FINE):
        green = columns[row > edge]
        canvas[row, green] = leaves[row, green]
    canvas[52 * FINE : 55 * FINE] *= 0.7


def _bench(canvas: Image) -> None:
    spot = project(-3.0, depth_of(76))
    x, foot, metre = spot.x * FINE, spot.row * FINE, spot.scale * FINE
    for along in (-0.75, 0.75):
        leg = _px(x + along * metre, foot), _px(x + along * metre, foot - 0.85 * metre)
        cv2.line(canvas, *leg, (50, 54, 56), 3, cv2.LINE_AA)
    for up in (0.42, 0.62, 0.8):
        plank = _px(x - 0.95 * metre, foot - up * metre), _px(x + 0.95 * metre, foot - up * metre)
        cv2.line(canvas, *plank, (62, 92, 128), 3, cv2.LINE_AA)
