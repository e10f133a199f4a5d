"""The geometry expert: how large things are, how they are cut, and how much of the picture they take.

Height and width count in times the usual height at their row, which is perspective as the references show it. It
sees outlines only: what looks odd inside its outline is the appearance expert's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.expert import Measured
from alarm_agents.tools.likeness import Compares, Descriptors
from alarm_agents.tools.scene import Ground, References, Thing, gray, lasting, share_of
from alarm_agents.types import Fact

LEAST = 0.5  # times usual; less is not worth telling apart, and small numbers would make the spread look large
ALIKE = 0.15  # distance in logs of height, width and filled share under which outlines are the same
EMPTY = 0.001  # share of the picture; floor of what is usually covered


class Geometry(Compares):
    """The geometry expert. It says nothing before references have taught it."""

    name = "geometry"
    score = "shape"
    alike = ALIKE
    _covered = 0.0

    def fit(self, references: References) -> None:
        """Learn the sizes and outlines of what stands out in the references, and how much usually does."""
        super().fit(references)
        if self._ground is not None:
            shares = [share_of(self._ground.foreground(picture)) for run in references for picture in run]
            self._covered = float(np.median(shares))

    def begin(self) -> None:
        """Forget the things of the frame before: a new stream starts."""
        self._before: tuple[Thing, ...] = ()

    def measure(self, frames: Sequence[Picture], overlap: int) -> Measured:
        """`shape` of the oddest thing that lasts (times as unlike as usual) and `crowding` (times the usual share).

        One value a frame from `overlap` on, both at least `LEAST`.
        """
        if self._ground is None or self._bank is None or len(frames) < 2:  # one picture alone shows nothing that lasts
            return Measured({}, ())
        shapes, crowds, oddest = [], [], None
        for picture in frames[overlap:]:
            now = self._ground.things(picture)
            things = lasting(now, self._before)
            self._before = now
            values = self._bank.unlike(_outlines(things))
            shapes.append(max(LEAST, float(values.max(initial=0.0))))
            crowds.append(max(LEAST, share_of(self._ground.foreground(picture)) / max(self._covered, EMPTY)))
            if len(values) and (oddest is None or values.max() > oddest[0]):
                oddest = float(values.max()), things[int(values.argmax())], picture
        facts = () if oddest is None else (_shape_fact(*oddest),)
        return Measured({"shape": tuple(shapes), "crowding": tuple(crowds)}, (*facts, *_crowd_facts(crowds)))

    def state(self) -> dict[str, NDArray[Any]]:
        """What references taught; nothing where they taught too little."""
        found = super().state()
        return {**found, "covered": np.array(self._covered)} if found else {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state that `state` gave."""
        super().restore(state)
        self._covered = float(state["covered"]) if state else 0.0

    def _described(self, ground: Ground, run: Sequence[Picture]) -> Descriptors:
        return _outlines([thing for picture in run for thing in ground.things(picture) if thing.counts])


def _outlines(things: Sequence[Thing]) -> Descriptors:
    """The outlines of things; (n, 1, 3)."""
    return np.array([_outline(thing) for thing in things], np.float32).reshape(-1, 1, 3)


def _outline(thing: Thing) -> Descriptors:
    """Logs of height, width and of the share of its box that a thing fills; (3,)."""
    x0, y0, x1, y1 = thing.box
    filled = thing.area / ((x1 - x0) * (y1 - y0))
    return np.log(np.array([thing.tall, thing.wide, filled], np.float32))


def _shape_fact(value: float, thing: Thing, picture: Picture) -> Fact:
    text = f"something is {thing.tall:.2g} times as tall and {thing.wide:.2g} times as wide as things usually are tall"
    return Fact(
        subject="thing",
        attribute="shape",
        value=float(f"{value:.3g}"),
        unit="times usual",
        text=f"{text} here: an outline {value:.2g} times as unusual as most",
        region=thing.region(gray(picture).shape),
        time=picture.time,
        perceiver="geometry",
        measure="geometry.shape",
    )


def _crowd_facts(crowds: Sequence[float]) -> tuple[Fact, ...]:
    value = max(crowds, default=LEAST)
    if value <= LEAST:
        return ()
    return (
        Fact(
            subject="picture",
            attribute="crowding",
            value=float(f"{value:.3g}"),
            unit="times usual",
            text=f"things cover {value:.2g} times as much of the picture as usual",
            perceiver="geometry",
            measure="geometry.crowding",
        ),
    )
