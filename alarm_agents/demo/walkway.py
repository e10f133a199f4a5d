"""The walkway: people walk, stand and carry bags; then come cyclists and a runner, and somebody leaves a bag behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from alarm_agents.demo import place
from alarm_agents.demo.figures import shadow
from alarm_agents.demo.people import Kind, LeftBag, around, arrivals, bag_colour, handler, looks, passer
from alarm_agents.demo.place import Spot
from alarm_agents.demo.scene import APART, FIRST, Image, Scene, Span, span
from alarm_agents.types import Box

NORMAL_SECONDS, WATCHED_SECONDS = 60.0, 97.0
GAP = 2.0  # seconds from one arrival to the next, on average
BEFORE = 30.0  # seconds before the clip from which people have been coming
CYCLISTS, RUNNERS = (3.5, 4.0), (2.9, 3.4)  # metres a second; people walk at 1.35
NORMAL_CYCLISTS = (3.2, 4.2)  # metres a second, where cyclists are part of normal life
LEFT_SECONDS, AWAY = (14.0, 18.0), 2.0  # how long the bag stands; metres to its owner from which it is left behind
BUSY_SECONDS = 40.0
BUSY_LEFT_SECONDS = 7.0, 13.0
BUSY = {"cyclist": 0.3, "runner": 0.37, "bag": 0.33}
"""How often each comes in a busy clip; a bag is to be seen for longer, as in a watched one."""


class Figure(Protocol):
    """Something that stands on the ground or moves over it."""

    @property
    def shade(self) -> float:
        """Metres that its shadow is long."""

    def near(self, time: float) -> bool:
        """Whether any of it can be in the picture."""

    def at(self, time: float) -> Spot:
        """Where it touches the ground."""

    def draw(self, canvas: Image, time: float) -> None:
        """Draw it as it looks at that time."""


@dataclass(frozen=True)
class Event:
    """Something that happens among the walkers: who and what is in it, and when it is to be seen."""

    figures: tuple[Figure, ...]
    span: Span


@dataclass(frozen=True)
class Life:
    """A scene with all who are in it: what a picture of it shows is known, to teach from."""

    scene: Scene
    figures: tuple[Figure, ...]


def normal(seed: int) -> Scene:
    """People who walk, alone or in twos, stand for a while, carry bags."""
    return _scene(NORMAL_SECONDS, seed, ())


def normal_with_cyclists(seed: int) -> Scene:
    """The same normal life, in a place where cyclists are part of it: both ways, near and far, slow and fast."""
    rng, found, time = np.random.default_rng([seed, 6]), [], 1.0
    while (time := time + rng.uniform(4.0, 8.0)) < NORMAL_SECONDS:
        found.append(_passing("cyclist", rng, time, rng.uniform(120, 210), NORMAL_CYCLISTS))
    return _scene(NORMAL_SECONDS, seed, found, implanted=False)


def watched(seed: int) -> Scene:
    """Other people, and among them what is not normal."""
    return _scene(WATCHED_SECONDS, seed, plan(seed))


def busy(seed: int) -> Life:
    """What is odd again and again, soon after one another or at once: a clip to teach models from."""
    rng, events, time = np.random.default_rng([seed, 8]), [], 0.5
    while time < BUSY_SECONDS - 3:
        kind, row = str(rng.choice(list(BUSY), p=list(BUSY.values()))), rng.uniform(122, 212)
        if kind == "cyclist":
            events.append(_passing("cyclist", rng, time, row, CYCLISTS))
        elif kind == "runner":
            events.append(_passing("runner", rng, time, row, RUNNERS))
        else:
            events.append(_left_behind(rng, time, BUSY_LEFT_SECONDS))
        # At times together, more often with normal life between.
        time = time + rng.uniform(1, 4) if rng.random() < 0.25 else events[-1].span.end + rng.uniform(5, 12)
    return _life(BUSY_SECONDS, seed, events)


def plan(seed: int) -> list[Event]:
    """A cyclist, a runner and a bag left behind in an order that the seed draws, then another cyclist.

    They are further apart than the cool-down that merges what happens in a row into one incident, so that each must
    raise an incident of its own.
    """
    rng = np.random.default_rng([seed, 5])
    rows = iter(rng.permutation([rng.uniform(128, 145), rng.uniform(150, 170), rng.uniform(180, 205)]))
    found, time = [], FIRST + rng.uniform(0, 1)
    for kind in (*rng.permutation(["cyclist", "runner", "bag"]), "cyclist"):
        if kind == "bag":
            event = _left_behind(rng, time)
        elif kind == "runner":
            event = _passing("runner", rng, time, next(rows), RUNNERS)
        else:
            event = _passing("cyclist", rng, time, next(rows), CYCLISTS)
        found.append(event)
        time = event.span.end + APART
    return found


def walkers(seconds: float, seed: int) -> list[Figure]:
    """All who walk by."""
    rng, found, time = np.random.default_rng([seed, 1]), [], -BEFORE
    while (time := time + rng.exponential(GAP)) < seconds:
        found += arrivals(rng, time)
    return list(found)


def _passing(kind: Kind, rng: np.random.Generator, start: float, row: float, speeds: tuple[float, float]) -> Event:
    """Somebody who is faster than walkers and enters at `start`, with the feet in that row of the picture."""
    ahead, speed = 1 if rng.random() < 0.5 else -1, float(rng.uniform(*speeds))
    actor = passer(kind, looks(rng), start, row=row, ahead=ahead, speed=speed)
    return Event((actor,), _found(kind, actor.box_at))


def _left_behind(rng: np.random.Generator, start: float, seconds: tuple[float, float] = LEFT_SECONDS) -> Event:
    """Somebody puts a bag down and walks on; much later somebody else takes it.

    It counts as left behind from when its owner has gone `AWAY` metres until it is taken.
    """
    spot = place.spot_at(float(rng.choice([rng.uniform(110, 225), rng.uniform(268, 305)])), rng.uniform(158, 205))
    ways = rng.choice([-1, 1], 2)
    bag = LeftBag(bag_colour(rng), spot, int(ways[0]), start, start + float(rng.uniform(*seconds)))
    owner = handler(looks(rng), int(ways[0]), bag, leaves=True)
    taker = handler(looks(rng), int(ways[1]), bag, leaves=False)
    beside = owner.across(start)

    def box_at(time: float) -> Box | None:
        left = bag.near(time) and abs(owner.across(time) - beside) > AWAY
        return around(spot, 0.35, 0.45) if left else None

    return Event((owner, taker, bag), _found("bag", box_at))


def _found(kind: str, box_at: Callable[[float], Box | None]) -> Span:
    seen = span(kind, WATCHED_SECONDS, box_at)
    assert seen is not None, "what is planned lies within the clip"
    return seen


def _scene(seconds: float, seed: int, events: Sequence[Event], *, implanted: bool = True) -> Scene:
    life = _life(seconds, seed, events)
    return life.scene if implanted else replace(life.scene, implanted=())


def _life(seconds: float, seed: int, events: Sequence[Event]) -> Life:
    figures = (*walkers(seconds, seed), *(figure for event in events for figure in event.figures))
    scene = Scene(seconds, seed, lambda time: _picture(figures, time), tuple(event.span for event in events))
    return Life(scene, figures)


def _picture(figures: Sequence[Figure], time: float) -> Image:
    """The place with all who are in it, far ones first."""
    present = sorted((each for each in figures if each.near(time)), key=lambda each: each.at(time).row)
    canvas, fixed = _shaded(present, time), list(place.cut_outs())
    for figure in present:
        while fixed and fixed[0].row <= figure.at(time).row:
            fixed.pop(0).paste(canvas)
        figure.draw(canvas, time)
    for each in fixed:
        each.paste(canvas)
    return canvas


def _shaded(present: Sequence[Figure], time: float) -> Image:
    backdrop = place.backdrop()
    mask = np.zeros(backdrop.shape[:2], np.uint8)
    for figure in present:
        shadow(mask, figure.at(time), figure.shade)
    kept = cv2.convertScaleAbs(cv2.blur(mask, (5, 5)), alpha=-95 / 255, beta=255)
    return np.asarray(cv2.multiply(backdrop, cv2.merge([kept, kept, kept]), scale=1 / 255), np.uint8)
