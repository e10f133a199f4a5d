"""What lies on the conveyor: flanges of steel with a bore and four bolt holes, whole, turned or damaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.demo.belt import FINEST, MARGIN
from alarm_agents.demo.scene import Colour, Floats, Image, cloudy

SIDE = 0.3  # metres
ROUNDED, BORE, BOSS, BOLT, BOLTS = 0.045, 0.055, 0.092, 0.0165, 0.102  # metres: radii, and how far out the bolts are
PATCH = 0.62  # metres; room around a part for its shadow, however it is turned
BITS = 4  # for parts of a pixel in OpenCV's coordinates
STEEL: Colour = (158, 160, 161)
EDGE: Colour = (62, 62, 64)  # of a plate, as seen from the near side

Point = tuple[float, float]  # metres right of and below a part's middle, before it is turned
Damage = Literal["corner", "crack", "filled"]


@dataclass(frozen=True)
class Flange:
    """One part: where its middle is on the belt (metres), how it lies, and how it looks."""

    along: float
    across: float
    angle: float
    """Radians."""
    tone: float
    seed: tuple[int, ...]
    """Of its grain, its stains and the shape of its damage."""
    damage: Damage | None = None


def lay(strip: Image, flange: Flange) -> None:
    """Paint the flange with its shadow onto the strip."""
    size = round(PATCH * FINEST)
    left, top = round((flange.along + MARGIN) * FINEST - size / 2), round(flange.across * FINEST - size / 2)
    rows = slice(max(0, top), min(strip.shape[0], top + size))
    patch = slice(rows.start - top, rows.stop - top), slice(0, size)
    rng = np.random.default_rng([*flange.seed, 13])
    solid = _solid(flange, size, rng)
    shadow = 1 - 0.6 * np.asarray(cv2.GaussianBlur(_moved(solid, 9, 11), (0, 0), 5), np.float32)
    edge = np.maximum(_moved(solid, 0, 3), _moved(solid, 0, 6))  # of the plate's thickness
    under = strip[rows, left : left + size].astype(np.float32) * shadow[patch][..., None]
    under = _laid(under, edge[patch], np.asarray(EDGE, np.float32))
    face = _face(flange, solid, rng)[patch]
    strip[rows, left : left + size] = _laid(under, solid[patch], face).clip(0, 255).astype(np.uint8)


def _solid(flange: Flange, size: int, rng: np.random.Generator) -> Floats:
    """Where there is steel, in [0, 1]: the plate without its holes and without what has broken off."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [_points(_outline(), flange.angle, size)], 255, cv2.LINE_AA, BITS)
    holes = [((sx * BOLTS, sy * BOLTS), BOLT) for sx in (-1, 1) for sy in (-1, 1)]
    if flange.damage != "filled":
        holes.append(((0.0, 0.0), BORE))
    for centre, radius in holes:
        (at,) = _points([centre], flange.angle, size)
        cv2.circle(mask, tuple(map(int, at)), round(radius * FINEST * (1 << BITS)), 0, -1, cv2.LINE_AA, BITS)
    if flange.damage == "corner":
        cv2.fillPoly(mask, [_points(_broken(rng), flange.angle, size)], 0, cv2.LINE_AA, BITS)
    elif flange.damage == "crack":
        cv2.fillPoly(mask, [_points(_crack(rng), flange.angle, size)], 0, cv2.LINE_AA, BITS)
    return np.asarray(mask / 255, np.float32)


def _face(flange: Flange, solid: Floats, rng: np.random.Generator) -> Floats:
    """The plate's upper side: ground steel with a raised boss, edges that catch the light, a few stains."""
    size = solid.shape[0]
    grain = cv2.GaussianBlur(rng.standard_normal(solid.shape).astype(np.float32), (0, 0), sigmaX=7, sigmaY=0.8)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), -math.degrees(flange.angle), 1.0)
    ground = np.asarray(cv2.warpAffine(grain / grain.std(), turn, (size, size), borderMode=cv2.BORDER_REFLECT))
    stains = np.clip(cloudy(rng, 9.0, (size, size)) - 1.4, 0, 1)
    tone = flange.tone * (1 + 0.045 * ground - 0.12 * stains)
    boss = np.zeros_like(solid)
    cv2.circle(boss, (size // 2, size // 2), round(BOSS * FINEST), 1.0, -1, cv2.LINE_AA)
    tone = tone + 0.5 * _relief(solid, 2.0) + 0.45 * _relief(boss, 1.6) + 0.05 * boss
    return np.asarray(tone[..., None] * np.asarray(STEEL, np.float32), np.float32)


def _relief(height: Floats, soft: float) -> Floats:
    """Bright where a height rises away from the lamp's side (above left), dark where it falls away."""
    smooth = np.asarray(cv2.GaussianBlur(height, (0, 0), soft), np.float32)
    return np.asarray(smooth - _moved(smooth, 2, 3), np.float32)


def _moved(mask: Floats, right: int, down: int) -> Floats:
    return np.roll(mask, (down, right), axis=(0, 1))  # the patch's border is empty


def _laid(under: Floats, mask: Floats, over: Floats) -> Floats:
    return np.asarray(under + mask[..., None] * (over - under), np.float32)


def _outline() -> list[Point]:
    """A square with rounded corners and a notch in its right side, so that no two ways of turning it look alike."""
    inner, found = SIDE / 2 - ROUNDED, []
    for quarter, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        for step in range(9):
            angle = (quarter + step / 8) * math.pi / 2
            found.append((sx * inner + ROUNDED * math.cos(angle), sy * inner + ROUNDED * math.sin(angle)))
    half, deep = 0.022, SIDE / 2 - 0.028
    return [*found, (SIDE / 2, -half), (deep, -half), (deep, half), (SIDE / 2, half)]


def _broken(rng: np.random.Generator) -> list[Point]:
    """What is missing where a corner has broken off: more than a third of two sides, with a ragged edge."""
    sx, sy = rng.choice([-1, 1], 2)
    a, b, out = SIDE / 2 - rng.uniform(0.13, 0.17), SIDE / 2 - rng.uniform(0.13, 0.17), SIDE / 2 + 0.02
    ragged = [(out + part * (a - out), b + part * (out - b)) for part in np.sort(rng.uniform(0.1, 0.9, 5))]
    rough = [(x + float(rng.normal(0, 0.008)), y + float(rng.normal(0, 0.008))) for x, y in ragged]
    return [(sx * x, sy * y) for x, y in [(out, b), *rough, (a, out), (out, out)]]


def _crack(rng: np.random.Generator) -> list[Point]:
    """A gaping crack from the bore to one of the plate's sides, ever wider outwards."""
    angle, reach = rng.choice([0.5, 1.0, 1.5]) * math.pi + rng.normal(0, 0.15), SIDE * 0.62
    ways, bends, wide = np.linspace(0.9 * BORE, reach, 9), rng.normal(0, 0.011, 9), np.linspace(0.01, 0.034, 9)
    one, other = np.stack([ways, bends + wide], 1), np.stack([ways, bends - wide], 1)[::-1]
    cos, sin = math.cos(angle), math.sin(angle)
    return [(x * cos - y * sin, x * sin + y * cos) for x, y in (*one, *other)]


def _points(points: Sequence[Point], angle: float, size: int) -> NDArray[np.int32]:
    """Pixels of a patch, in OpenCV's fixed point, of points of a part that is turned by `angle`."""
    metres = np.asarray(points, float)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    pixels = (metres @ turn.T) * FINEST + (size - 1) / 2
    return np.asarray(np.rint(pixels * (1 << BITS)), np.int32)
