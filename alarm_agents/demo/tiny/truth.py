"""What a stretch of a rendered clip shows, known from the renderer, and what a perceiver should say of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alarm_agents.agents.perceiver import Seen, SeenFact
from alarm_agents.demo.people import Actor
from alarm_agents.demo.walkway import Figure, Life
from alarm_agents.types import Box

KINDS = ("walker", "runner", "cyclist", "bag")
"""What can be in a picture; all but the first are odd. The bag is one that was left behind."""
STEP = 0.05
"""Of regions, as fractions of the picture: the models are too small for a finer answer."""
SEVERITY = {"runner": 1, "cyclist": 2, "bag": 3}


@dataclass(frozen=True)
class Thing:
    """One thing that is to be seen, with a box for each of the moments at which it is."""

    kind: str
    boxes: tuple[Box, ...]
    share: float = 1.0
    """Share of the moments at which it counts as odd; of walkers, at which they are there."""
    speed: float = 0.0
    ahead: int = 0
    """1 to the right, -1 to the left."""

    @property
    def region(self) -> Box:
        """What holds all its boxes, on a grid of `STEP`."""
        edges = zip(*self.boxes, strict=True)
        x0, y0, x1, y1 = (pick(edge) for pick, edge in zip((min, min, max, max), edges, strict=True))
        left, top = _down(x0), _down(y0)
        return left, top, max(left + STEP, _up(x1)), max(top + STEP, _up(y1))

    def told(self) -> str:
        """It in words."""
        way = "to the right" if self.ahead > 0 else "to the left"
        return {
            "walker": "People walk.",
            "runner": f"Somebody runs {way}.",
            "cyclist": f"A cyclist rides {way}.",
            "bag": "A bag is left behind.",
        }[self.kind]

    def fact(self) -> SeenFact:
        """It as a perceiver's fact."""
        region = tuple(round(edge, 2) for edge in self.region)
        said = ("left behind", 9.0, "") if self.kind == "bag" else ("speed", round(2 * self.speed) / 2, "m/s")
        return SeenFact(subject=self.kind, attribute=said[0], value=said[1], unit=said[2], region=region)


@dataclass(frozen=True)
class Truth:
    """What a stretch shows, and which share of it is anomalous."""

    things: tuple[Thing, ...]
    share: float

    @property
    def anomalous(self) -> bool:
        """Whether half of the stretch or more is."""
        return self.share >= 0.5

    @property
    def other(self) -> Truth:
        """The same things, held to be what they are not by half or more."""
        return Truth(self.things, 0.0 if self.anomalous else 1.0)

    @property
    def odd(self) -> tuple[Thing, ...]:
        """The things that make it anomalous; none where it is normal."""
        if not self.anomalous:
            return ()
        found = [thing for thing in self.things if thing.kind != "walker"]
        most = max(thing.share for thing in found)
        return tuple(thing for thing in found if thing.share >= min(0.5, most))

    @property
    def notable(self) -> tuple[Thing, ...]:
        """The things to tell of: what is odd, else the walker."""
        return self.odd or tuple(thing for thing in self.things if thing.kind == "walker")

    def told(self) -> str:
        """It in words."""
        return " ".join(dict.fromkeys(thing.told() for thing in self.notable)) or "Nobody is there."


def truth_at(life: Life, times: Sequence[float]) -> Truth:
    """What the clip shows at those times; the fastest walker stands for all."""
    things = [_odd(life, place, times) for place in range(len(life.scene.implanted))]
    known = {id(figure) for figure in life.figures if isinstance(figure, Actor) and figure.kind != "walker"}
    walkers = [_walker(figure, times) for figure in life.figures if id(figure) not in known]
    fastest = max((found for found in walkers if found), key=lambda thing: thing.speed, default=None)
    there = [thing for thing in things if thing is not None]
    moments = [any(span.start <= time < span.end for span in life.scene.implanted) for time in times]
    return Truth((*there, *([fastest] if fastest else [])), sum(moments) / len(times))


def boxes_at(life: Life, time: float) -> list[tuple[int, Box]]:
    """The place in `KINDS` and the box of all that the picture at that time shows."""
    found = [
        (KINDS.index(figure.kind), box)
        for figure in life.figures
        if isinstance(figure, Actor) and (box := figure.box_at(time)) is not None
    ]
    bags = [span for span in life.scene.implanted if span.kind == "bag" and span.start <= time < span.end]
    return [*found, *((KINDS.index("bag"), span.box_at(time)) for span in bags)]


def answer_of(truth: Truth) -> Seen:
    """What a perceiver should say."""
    return Seen(caption=truth.told(), facts=[thing.fact() for thing in truth.notable[:2]])


def _odd(life: Life, place: int, times: Sequence[float]) -> Thing | None:
    span = life.scene.implanted[place]
    shown = [time for time in times if span.start <= time < span.end]
    if not shown:
        return None
    boxes = tuple(span.box_at(time) for time in shown)
    share = len(shown) / len(times)
    if span.kind == "bag":
        return Thing("bag", boxes, share)
    moved = [next(f for f in _actors(life) if f.kind == span.kind and f.box_at(shown[0]) == boxes[0])]
    return Thing(span.kind, boxes, share, moved[0].speed, moved[0].ahead)


def _actors(life: Life) -> list[Actor]:
    return [figure for figure in life.figures if isinstance(figure, Actor)]


def _walker(figure: Figure, times: Sequence[float]) -> Thing | None:
    if not isinstance(figure, Actor):
        return None
    boxes = tuple(box for time in times if (box := figure.box_at(time)) is not None)
    if not boxes:
        return None
    pace = abs(figure.gone(times[-1]) - figure.gone(times[0])) / (times[-1] - times[0])
    return Thing("walker", boxes, len(boxes) / len(times), pace, figure.ahead)


def _down(edge: float) -> float:
    return math.floor(edge / STEP + 1e-6) * STEP


def _up(edge: float) -> float:
    return min(1.0, math.ceil(edge / STEP - 1e-6) * STEP)
