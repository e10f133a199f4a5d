"""Drawing who moves through the place: people with a gait, and people on bicycles, seen from the side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from alarm_agents.demo.place import Spot
from alarm_agents.demo.scene import FINE, Colour, Image, mixed

Point = tuple[float, float]  # metres ahead of the foot point, metres above it
PART = 3  # bits for parts of a pixel in OpenCV's coordinates
STRIDE_WALK, STRIDE_RUN = 0.83, 1.8  # metres that two steps cover, in body heights
LEG, FOREARM, ANKLE = 0.255, 0.17, 0.04  # body heights; thigh and shank are equally long
WHEEL, CRANK, GEAR = 0.34, 0.17, 5.2  # metres; a turn of the pedals covers `GEAR`


@dataclass(frozen=True)
class Looks:
    """What tells one person from another."""

    height: float  # metres
    shirt: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    backpack: bool = False


@dataclass(frozen=True)
class Gait:
    """How a person moves: swing of the thighs and arms and bend of knees and elbows, in radians; a forward lean."""

    stride: float
    thigh: float
    knee: float
    arm: float
    elbow: float
    lean: float
    bounce: float


@dataclass(frozen=True)
class Pose:
    """What somebody on foot does besides going on."""

    pace: float = 1.0
    """Share of the gait that is left while slowing down; 0 stands, one hand raised as if with a phone."""
    bent: float = 0.0
    """How far bent down to the ground, from 0 to 1."""
    bag: Colour | None = None
    """The colour of the bag in the near hand."""
    idle: float = 0.0
    """Radians by which an elbow moves while standing."""


WALK = Gait(STRIDE_WALK, 0.43, 0.75, 0.45, 0.3, 0.04, 0.0)
RUN = Gait(STRIDE_RUN, 0.78, 1.55, 0.8, 1.5, 0.2, 0.05)


class Pen:
    """Draws in metres, relative to where somebody's feet are; `ahead` is 1 to the right and -1 to the left."""

    def __init__(self, canvas: Image, spot: Spot, ahead: int) -> None:
        self._canvas, self._ahead = canvas, ahead
        self._x, self._y, self._metre = spot.x * FINE, spot.row * FINE, spot.scale * FINE

    def limb(self, points: Sequence[Point], thick: float, colour: Colour) -> None:
        """Draw a line of round ends through the points, `thick` metres wide."""
        width = max(1, round(thick * self._metre))
        line = np.array([self._at(point) for point in points], np.int32)
        cv2.polylines(self._canvas, [line], False, colour, width, cv2.LINE_AA, PART)

    def disc(self, centre: Point, radius: float, colour: Colour, squeeze: float = 1.0) -> None:
        """Fill an ellipse as high as `radius` says and `squeeze` times as wide."""
        axes = round(radius * squeeze * self._metre * (1 << PART)), round(radius * self._metre * (1 << PART))
        cv2.ellipse(self._canvas, self._at(centre), axes, 0, 0, 360, colour, -1, cv2.LINE_AA, PART)

    def ring(self, centre: Point, radius: float, thick: float, colour: Colour) -> None:
        """Draw a circle."""
        width, size = max(1, round(thick * self._metre)), round(radius * self._metre * (1 << PART))
        cv2.circle(self._canvas, self._at(centre), size, colour, width, cv2.LINE_AA, PART)

    def _at(self, point: Point) -> tuple[int, int]:
        x, y = self._x + self._ahead * point[0] * self._metre, self._y - point[1] * self._metre
        return round(x * (1 << PART)), round(y * (1 << PART))


def person(pen: Pen, looks: Looks, gait: Gait, gone: float, pose: Pose) -> None:
    """Draw somebody on foot who has gone `gone` metres; the feet do not slide."""
    h = looks.height
    far_arm = _posed(gait, pose)
    near_arm = replace(far_arm, arm=0.2 * far_arm.arm, elbow=0.05) if pose.bag or pose.bent else far_arm
    phase = 2 * math.pi * gone / (gait.stride * h)
    legs = [_leg(far_arm, phase + turn) for turn in (math.pi, 0.0)]
    hip = ANKLE - min(ankle[1] for _, ankle in legs) + gait.bounce * abs(math.sin(phase))
    shoulder = (0.29 * math.sin(far_arm.lean), hip + 0.29 * math.cos(far_arm.lean))
    far = mixed(looks.shirt, 0.72), mixed(looks.trousers, 0.72)
    _draw_arm(pen, looks, _arm(far_arm, phase, shoulder), sleeve=far[0])
    _draw_leg(pen, h, hip, legs[0], far[1])
    _draw_leg(pen, h, hip, legs[1], looks.trousers)
    if looks.backpack:
        back = _scaled((-0.1, hip + 0.1), h), _scaled((shoulder[0] - 0.11, shoulder[1] - 0.05), h)
        pen.limb(back, 0.15, (60, 52, 46))
    _draw_torso(pen, looks, (0.0, hip), shoulder)
    _draw_head(pen, looks, shoulder, far_arm.lean)
    arm = _arm(near_arm, phase + math.pi, shoulder)
    if pose.bag is not None:
        holdall(pen, _scaled(arm[2], h), pose.bag)
    _draw_arm(pen, looks, arm, sleeve=mixed(looks.shirt, 0.88))


def holdall(pen: Pen, grip: Point, colour: Colour) -> None:
    """Draw a travelling bag that hangs or stands below `grip`."""
    x, y = grip
    pen.limb(
        [(x - 0.15, y - 0.16), (x - 0.08, y - 0.02), (x + 0.08, y - 0.02), (x + 0.15, y - 0.16)], 0.035, (40, 38, 36)
    )
    pen.limb([(x - 0.19, y - 0.27), (x + 0.19, y - 0.27)], 0.28, colour)
    pen.limb([(x - 0.2, y - 0.19), (x + 0.2, y - 0.19)], 0.06, mixed(colour, 1.5))
    pen.limb([(x - 0.2, y - 0.38), (x + 0.2, y - 0.38)], 0.05, mixed(colour, 0.6))


def cyclist(pen: Pen, looks: Looks, gone: float) -> None:
    """Draw somebody on a bicycle that has rolled `gone` metres."""
    rear, front, crank, seat, bar = (-0.52, WHEEL), (0.56, WHEEL), (-0.06, 0.3), (-0.24, 0.93), (0.4, 1.04)
    turn, pedals = gone / WHEEL, 2 * math.pi * gone / GEAR
    feet = [_around(crank, CRANK, pedals + half) for half in (math.pi, 0.0)]
    hip, shoulder = (-0.2, 1.0), (0.16, 1.47)
    _draw_leg_on_pedal(pen, hip, feet[0], mixed(looks.trousers, 0.72))
    for hub in (rear, front):
        for spoke in range(3):
            angle = turn + spoke * math.pi / 3
            pen.limb([_around(hub, WHEEL, angle), _around(hub, WHEEL, angle + math.pi)], 0.012, (120, 120, 124))
        pen.ring(hub, WHEEL, 0.06, (34, 34, 36))
    frame = (40, 40, 176)
    for line in ([rear, crank, (0.34, 0.82), seat, rear], [crank, seat], [(0.34, 0.82), front], [(0.34, 0.82), bar]):
        pen.limb(line, 0.05, frame)
    pen.limb([(-0.34, 0.96), (-0.12, 0.96)], 0.07, (30, 30, 32))
    _draw_leg_on_pedal(pen, hip, feet[1], looks.trousers)
    pen.limb([hip, shoulder], 0.3, looks.shirt)
    pen.limb([_between(hip, shoulder, 0.5), _between(hip, shoulder, 0.95)], 0.12, mixed(looks.shirt, 1.2))
    pen.limb([shoulder, (0.3, 1.18), bar], 0.1, mixed(looks.shirt, 0.85))
    head = (0.28, 1.66)
    pen.limb([shoulder, head], 0.1, looks.skin)
    pen.disc(head, 0.12, looks.skin, 0.85)
    pen.limb([(head[0] - 0.1, head[1] + 0.06), (head[0] + 0.08, head[1] + 0.08)], 0.12, looks.hair)


def shadow(mask: Image, spot: Spot, length: float) -> None:
    """Darken the ground beside the feet: `length` metres along the ground, to the right, away from the sun."""
    metre = spot.scale * FINE
    centre = round(spot.x * FINE + 0.35 * length * metre), round(spot.row * FINE)
    axes = round(0.6 * length * metre), max(1, round(0.11 * metre))
    cv2.ellipse(mask, centre, axes, 2, 0, 360, 255, -1, cv2.LINE_AA)


def _leg(gait: Gait, phase: float) -> tuple[Point, Point]:
    """Knee and ankle relative to the hip, in body heights; the knee bends while the leg swings forward."""
    thigh = gait.thigh * math.sin(phase) + 0.06
    shank = thigh - 0.12 - gait.knee * max(0.0, math.cos(phase)) ** 1.5
    knee = (LEG * math.sin(thigh), -LEG * math.cos(thigh))
    return knee, (knee[0] + LEG * math.sin(shank), knee[1] - LEG * math.cos(shank))


def _draw_leg(pen: Pen, h: float, hip: float, leg: tuple[Point, Point], colour: Colour) -> None:
    knee, ankle = ((x, hip + y) for x, y in leg)
    pen.limb([_scaled((0, hip), h), _scaled(knee, h)], 0.095 * h, colour)
    pen.limb([_scaled(knee, h), _scaled(ankle, h)], 0.07 * h, colour)
    heel, toe = (ankle[0] - 0.015, ankle[1] - 0.02), (ankle[0] + 0.095, ankle[1] - 0.025)
    pen.limb([_scaled(heel, h), _scaled(toe, h)], 0.04 * h, (38, 36, 40))


def _posed(gait: Gait, pose: Pose) -> Gait:
    """The gait as the pose leaves it."""
    pace, still = pose.pace, 1 - pose.pace
    raised = gait.elbow + still * (1 - pose.bent) * (1.5 + pose.idle)
    lean = gait.lean + 1.1 * pose.bent
    return replace(gait, thigh=pace * gait.thigh, knee=pace * gait.knee, arm=pace * gait.arm, elbow=raised, lean=lean)


def _arm(gait: Gait, phase: float, shoulder: Point) -> tuple[Point, Point, Point]:
    """Its top, elbow and hand, in body heights."""
    upper = gait.arm * math.sin(phase) - 0.05
    top = (shoulder[0], shoulder[1] - 0.03)
    elbow = (top[0] + 0.17 * math.sin(upper), top[1] - 0.17 * math.cos(upper))
    lower = upper + gait.elbow
    return top, elbow, (elbow[0] + FOREARM * math.sin(lower), elbow[1] - FOREARM * math.cos(lower))


def _draw_arm(pen: Pen, looks: Looks, arm: tuple[Point, Point, Point], *, sleeve: Colour) -> None:
    h, (top, elbow, hand) = looks.height, arm
    pen.limb([_scaled(elbow, h), _scaled(hand, h)], 0.045 * h, looks.skin)
    pen.limb([_scaled(top, h), _scaled(elbow, h)], 0.06 * h, sleeve)


def _draw_torso(pen: Pen, looks: Looks, hip: Point, shoulder: Point) -> None:
    h = looks.height
    low, high = _scaled((hip[0], hip[1] + 0.03), h), _scaled((shoulder[0], shoulder[1] - 0.05), h)
    pen.limb([low, high], 0.16 * h, looks.shirt)
    pen.limb([_between(low, high, 0.3), _between(low, high, 0.9)], 0.06 * h, mixed(looks.shirt, 1.18))
    pen.limb([_scaled(hip, h), low], 0.13 * h, looks.trousers)


def _draw_head(pen: Pen, looks: Looks, shoulder: Point, lean: float) -> None:
    h = looks.height
    head = (shoulder[0] + 0.12 * math.sin(lean) + 0.012, shoulder[1] + 0.1)
    pen.limb([_scaled(shoulder, h), _scaled(head, h)], 0.05 * h, looks.skin)
    pen.disc(_scaled(head, h), 0.067 * h, looks.skin, 0.85)
    pen.disc(_scaled((head[0] - 0.014, head[1] + 0.022), h), 0.055 * h, looks.hair, 0.95)


def _draw_leg_on_pedal(pen: Pen, hip: Point, foot: Point, colour: Colour) -> None:
    """A leg from hip to pedal; both its halves are as long as they need to be, the knee points ahead."""
    half = 0.46
    apart = math.dist(hip, foot)
    out = math.sqrt(max(0.0, half**2 - (apart / 2) ** 2))
    middle = _between(hip, foot, 0.5)
    knee = (middle[0] + out * (hip[1] - foot[1]) / apart, middle[1] + out * (foot[0] - hip[0]) / apart)
    pen.limb([hip, knee], 0.15, colour)
    pen.limb([knee, foot], 0.11, colour)
    pen.limb([(foot[0] - 0.06, foot[1] - 0.03), (foot[0] + 0.14, foot[1] - 0.03)], 0.07, (38, 36, 40))


def _around(centre: Point, radius: float, angle: float) -> Point:
    # Clockwise to somebody who sees it roll to the right.
    return centre[0] + radius * math.sin(angle), centre[1] + radius * math.cos(angle)


def _between(a: Point, b: Point, part: float) -> Point:
    return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])


def _scaled(point: Point, factor: float) -> Point:
    return point[0] * factor, point[1] * factor
