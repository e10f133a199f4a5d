"""The conveyor: parts pass at even spacing; then one is missing, one turned, one damaged, and the belt jams."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count

import numpy as np

from alarm_agents.demo import belt
from alarm_agents.demo.parts import SIDE, Damage, Flange, lay
from alarm_agents.demo.scene import APART, FIRST, FPS, NEVER, WIDTH, Image, Scene, Span, Stop, box, span
from alarm_agents.types import Box

NORMAL_SECONDS, WATCHED_SECONDS = 60.0, 95.0
SPEED = 0.27  # metres a second
SPACING = 0.8  # metres from part to part: the belt itself is what is mostly to be seen
JAM_SECONDS, JAM_EASE = (5.0, 6.0), 0.3
TURNED = (25.0, 45.0)  # degrees
DAMAGES: tuple[Damage, ...] = ("corner", "crack", "filled")
STARTS = belt.FAR_HALF + SIDE  # metres right of the picture's middle; where part 0 is at the clip's start


@dataclass(frozen=True)
class Plan:
    """What is odd: which parts, by their number and what is wrong with them, and when the belt stands."""

    parts: dict[int, str]
    jam: Stop

    def along(self, number: int, time: float) -> float:
        """Where part `number` is at that time: metres right of the picture's middle."""
        return STARTS - number * SPACING + SPEED * self.jam.going(time)


NOTHING = Plan({}, NEVER)


@dataclass(frozen=True)
class Belt:
    """The belt with the parts that pass on it in so many seconds."""

    seconds: float
    seed: int
    plan: Plan

    def draw(self, time: float) -> Image:
        """The picture at that time, at `FINE` times the size."""
        return belt.view(self._strip, self._length - SPEED * self.plan.jam.going(time))

    @property
    def _length(self) -> float:
        return SPEED * self.seconds

    @cached_property
    def _strip(self) -> Image:
        strip = belt.bare(self._length, self.seed)
        for flange in self.flanges():
            lay(strip, flange)
        return strip

    def flanges(self) -> list[Flange]:
        """All parts that lie on the strip; parts that are normal are the same with anomalies and without."""
        last = int((STARTS + self._length + STARTS) / SPACING)  # to as far left of the picture as part 0 is right
        return [self._flange(number) for number in range(last + 1) if self.plan.parts.get(number) != "missing"]

    def _flange(self, number: int) -> Flange:
        rng = np.random.default_rng([self.seed, 12, number])
        along, across = (float(each) for each in rng.normal(0, 0.008, 2).clip(-0.016, 0.016))
        angle, tone, way = float(rng.normal(0, 0.022)), float(rng.normal(1, 0.045)), int(rng.choice([-1, 1]))
        wrong = self.plan.parts.get(number)
        if wrong == "rotated":
            angle = way * math.radians(rng.uniform(*TURNED))
        damage = DAMAGES[rng.integers(len(DAMAGES))] if wrong == "damaged" else None
        at = self._length + self.plan.along(number, 0.0) + along, belt.BROAD / 2 + across
        return Flange(*at, angle, tone, (self.seed, number), damage)


def normal(seed: int) -> Scene:
    """Parts that pass as they should."""
    return Scene(NORMAL_SECONDS, seed, Belt(NORMAL_SECONDS, seed, NOTHING).draw)


def watched(seed: int) -> Scene:
    """Parts that pass, with all that can go wrong once each, in an order that the seed draws."""
    chosen = plan(seed)
    return Scene(WATCHED_SECONDS, seed, Belt(WATCHED_SECONDS, seed, chosen).draw, tuple(spans(chosen)))


def plan(seed: int) -> Plan:
    """What goes wrong for a seed; the anomalies are far enough apart to be incidents of their own."""
    rng = np.random.default_rng([seed, 5])
    found, time = NOTHING, FIRST + rng.uniform(0, 1)
    for kind in rng.permutation(["missing", "rotated", "damaged", "jammed"]):
        if kind == "jammed":
            found = Plan(found.parts, Stop(float(time), float(rng.uniform(*JAM_SECONDS)), JAM_EASE))
            time = found.jam.end + APART
        else:
            number = next(n for n in range(1000) if found.along(n, time) < -belt.FAR_HALF - SIDE / 2)
            found = Plan({**found.parts, number: str(kind)}, found.jam)
            time += APART + next(s for s in _times() if found.along(number, time + s) > belt.FAR_HALF)
    return found


def spans(chosen: Plan) -> list[Span]:
    """When each anomaly is to be seen, in order.

    A part while all of it is in the picture, a missing one while all of its place is; a jam while the belt stands.
    """
    stands = chosen.jam.start + chosen.jam.ease, chosen.jam.end
    whole = box(0, belt.FAR, WIDTH, belt.NEAR)
    found = [span("jammed", WATCHED_SECONDS, lambda time: whole if stands[0] <= time < stands[1] else None)]
    found += [span(kind, WATCHED_SECONDS, partial(_seen, chosen, number)) for number, kind in chosen.parts.items()]
    return sorted((each for each in found if each is not None), key=lambda each: each.start)


def _seen(chosen: Plan, number: int, time: float) -> Box | None:
    along, edge = chosen.along(number, time), belt.half_width(belt.BROAD / 2)
    return belt.place_of(along, belt.BROAD / 2, SIDE) if abs(along) + SIDE / 2 <= edge else None


def _times() -> Iterator[float]:
    return (index / FPS for index in count())
