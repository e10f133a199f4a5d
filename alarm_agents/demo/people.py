"""Who passes through the walkway: people on foot who may stop, carry a bag and put it down, runners, cyclists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from alarm_agents.demo import place
from alarm_agents.demo.figures import RUN, WALK, Looks, Pen, Pose, cyclist, holdall, person
from alarm_agents.demo.place import Spot
from alarm_agents.demo.scene import NEVER, WIDTH, Colour, Image, Stop, box, mixed
from alarm_agents.types import Box

WALKING, SPREAD = 1.35, 0.13  # metres a second; and the standard deviation of its log from one person to the next
SLOWEST, FASTEST = 0.95, 1.8  # metres a second; bounds of walking
TOGETHER = 0.25  # share of arrivals that are two people side by side
STANDING, STANDS = 0.2, (2.5, 6.0)  # share of arrivals that stop on their way, and for how many seconds
CARRYING = 0.25  # share of people with a bag in their hand
EDGE = 25.0  # pixels outside the picture where people come and go
REACH = 0.45  # metres ahead of the feet; where somebody who bends down puts a bag
BENDING = 0.9  # seconds that bending down takes, and getting up

Kind = Literal["walker", "runner", "cyclist"]

SHIRTS: tuple[Colour, ...] = (
    *((58, 60, 178), (158, 96, 44), (70, 70, 70), (222, 222, 216), (64, 128, 60), (52, 170, 206)),
    *((140, 70, 120), (36, 38, 44), (190, 150, 90), (96, 120, 200)),
)
TROUSERS: tuple[Colour, ...] = ((92, 62, 40), (48, 46, 46), (70, 84, 98), (120, 84, 58), (66, 96, 128), (34, 34, 38))
SKINS: tuple[Colour, ...] = ((150, 184, 224), (110, 146, 194), (72, 98, 146), (50, 66, 96))
HAIRS: tuple[Colour, ...] = ((28, 30, 34), (38, 62, 94), (90, 140, 176), (120, 122, 126), (20, 34, 56))
BAGS: tuple[Colour, ...] = ((44, 40, 126), (92, 54, 30), (40, 40, 42), (38, 70, 104), (56, 84, 48))


@dataclass(frozen=True)
class Carried:
    """A bag in somebody's hand from `taken` to `left`, seconds from the start of the clip."""

    colour: Colour
    taken: float = -math.inf
    left: float = math.inf

    def held(self, time: float) -> bool:
        """Whether it is in the hand at that time."""
        return self.taken <= time < self.left

    def bent(self, time: float) -> float:
        """How far its bearer is bent down to it, from 0 to 1."""
        away = min(abs(time - self.taken), abs(time - self.left)) / BENDING
        return math.cos(away * math.pi / 2) ** 0.7 if away < 1 else 0.0


@dataclass(frozen=True)
class Actor:
    """Somebody on a straight way through the place."""

    kind: Kind
    looks: Looks
    enters: float  # seconds; when it passes the picture's edge
    depth: float  # metres from the camera on entering
    ahead: int  # 1 to the right, -1 to the left
    speed: float  # metres a second
    slant: float = 0.0  # radians by which the way leads towards the camera
    sway: float = 0.0  # share by which the speed comes and goes
    rhythm: float = 0.0  # radians; where in that it begins
    stop: Stop = NEVER
    bag: Carried | None = None

    @property
    def shade(self) -> float:
        """Metres that its shadow is long."""
        return 1.6 if self.kind == "cyclist" else 1.0

    def gone(self, time: float) -> float:
        """Metres covered since it entered."""
        since, turn = self.stop.going(time) - self.enters, 0.9
        return self.speed * (since + self.sway / turn * (math.cos(self.rhythm) - math.cos(turn * since + self.rhythm)))

    def across(self, time: float) -> float:
        """Metres right of the camera's axis."""
        gone, edge = self.gone(time), WIDTH / 2 + EDGE
        return self.ahead * (gone * math.cos(self.slant) - edge * self.depth / place.FOCAL)

    def at(self, time: float) -> Spot:
        """Where its feet are."""
        return place.project(self.across(time), self.depth - self.gone(time) * math.sin(self.slant))

    def near(self, time: float) -> bool:
        """Whether any of it can be in the picture."""
        return time >= self.enters and -2 * EDGE <= self.at(time).x < WIDTH + 2 * EDGE

    def box_at(self, time: float) -> Box | None:
        """Where it is in the picture, while its middle is."""
        spot, half = self.at(time), 0.9 if self.kind == "cyclist" else 0.45
        if time < self.enters or not 0 <= spot.x < WIDTH:
            return None
        return around(spot, half, 1.8)

    def draw(self, canvas: Image, time: float) -> None:
        """Draw it as it looks at that time."""
        pen = Pen(canvas, self.at(time), self.ahead)
        if self.kind == "cyclist":
            cyclist(pen, self.looks, self.gone(time))
            return
        bag = self.bag.colour if self.bag is not None and self.bag.held(time) else None
        bent = self.bag.bent(time) if self.bag is not None else 0.0
        pose = Pose(self.stop.pace(time), bent, bag, idle=0.12 * math.sin(2.1 * time + self.rhythm))
        person(pen, self.looks, RUN if self.kind == "runner" else WALK, self.gone(time) + 5 * self.rhythm, pose)


@dataclass(frozen=True)
class LeftBag:
    """A bag that stands on the ground from `start` to `end`."""

    colour: Colour
    spot: Spot
    ahead: int
    start: float
    end: float
    shade: float = 0.5

    def at(self, _: float) -> Spot:
        """Where it stands."""
        return self.spot

    def near(self, time: float) -> bool:
        """Whether it is there."""
        return self.start <= time < self.end

    def draw(self, canvas: Image, _: float) -> None:
        """Draw it."""
        holdall(Pen(canvas, self.spot, self.ahead), (0.0, 0.43), self.colour)


def around(spot: Spot, half: float, tall: float) -> Box:
    """The box of something that is `tall` metres high and reaches `half` metres to each side."""
    wide = half * spot.scale
    return box(spot.x - wide, spot.row - tall * spot.scale, spot.x + wide, spot.row + 0.1 * spot.scale)


def arrivals(rng: np.random.Generator, enters: float) -> list[Actor]:
    """Who comes by on foot at that time: one person, or two side by side."""
    first = _walker(rng, enters)
    return [first, _companion(rng, first)] if rng.random() < TOGETHER else [first]


def passer(kind: Kind, looks: Looks, start: float, *, row: float, ahead: int, speed: float) -> Actor:
    """Somebody who is at the picture's edge at `start`, with the feet in that row of the picture."""
    depth = place.depth_of(row)
    return Actor(kind, looks, start - EDGE * depth / place.FOCAL / speed, depth, ahead, speed)


def handler(looks: Looks, ahead: int, bag: LeftBag, *, leaves: bool) -> Actor:
    """Who puts the bag down (`leaves`) or takes it: walks up to it, stops, bends down, walks on."""
    moment = bag.start if leaves else bag.end
    stop = Stop(moment - BENDING - 0.5, 2 * BENDING + 0.5)
    depth, speed = place.FOCAL / bag.spot.scale, WALKING
    target = (bag.spot.x - WIDTH / 2) / bag.spot.scale - ahead * REACH
    way = ahead * target + (WIDTH / 2 + EDGE) * depth / place.FOCAL
    carried = Carried(bag.colour, left=moment) if leaves else Carried(bag.colour, taken=moment)
    enters = stop.start + stop.ease / 2 - way / speed
    return Actor("walker", looks, enters, depth, ahead, speed, stop=stop, bag=carried)


def looks(rng: np.random.Generator) -> Looks:
    """Somebody's height and clothes."""
    height = float(np.clip(rng.normal(1.72, 0.08), 1.52, 1.92))
    tints = (_one(rng, SHIRTS), _one(rng, TROUSERS), _one(rng, SKINS), _one(rng, HAIRS))
    return Looks(height, *tints, bool(rng.random() < 0.3))


def bag_colour(rng: np.random.Generator) -> Colour:
    """A bag's colour."""
    return _one(rng, BAGS)


def _walker(rng: np.random.Generator, enters: float) -> Actor:
    speed = float(np.clip(WALKING * math.exp(rng.normal(0, SPREAD)), SLOWEST, FASTEST))
    depth = place.depth_of(rng.uniform(place.WALK_FAR, place.WALK_NEAR))
    ahead = 1 if rng.random() < 0.5 else -1
    slant, sway, rhythm = rng.normal(0, 0.03), rng.uniform(0.02, 0.08), rng.uniform(0, 2 * math.pi)
    after, seconds, stands = rng.uniform(3, 9), rng.uniform(*STANDS), rng.random() < STANDING
    stop = Stop(float(enters + after), float(seconds)) if stands else NEVER
    bag = Carried(bag_colour(rng)) if rng.random() < CARRYING else None
    return Actor("walker", looks(rng), enters, depth, ahead, speed, float(slant), float(sway), float(rhythm), stop, bag)


def _companion(rng: np.random.Generator, first: Actor) -> Actor:
    """Somebody who walks beside another, at the same pace but with other steps, and stops where the other does."""
    row = float(np.clip(place.project(0, first.depth).row + 10, place.WALK_FAR, place.WALK_NEAR))
    late, rhythm = float(rng.uniform(0.1, 0.5)), float(rng.uniform(0, 2 * math.pi))
    depth, enters = place.depth_of(row), first.enters + late
    return replace(first, looks=looks(rng), enters=enters, depth=depth, rhythm=rhythm, bag=None)


def _one(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    return mixed(colours[int(rng.integers(len(colours)))], float(rng.uniform(0.88, 1.12)))
