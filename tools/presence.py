"""The presence expert: what stays where things pass, and what fails to come where it always comes.

A coarse picture of the place is compared with the ground that the references show, over as long as it takes: a bag
left behind, somebody who loiters, a belt that stands still; and a gap where things have always come in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.expert import Measured
from alarm_agents.tools.rhythm import SETTLED, Cells, Rhythm
from alarm_agents.tools.scene import (
    Colours,
    Ground,
    Mask,
    References,
    Scene,
    Thing,
    fitted,
    light,
    seconds_between,
    small,
    things,
)
from alarm_agents.types import Box, Fact

COARSE = 3  # pixels of the working size to one cell
FEW = 3  # cells
PATCH = 8  # cells; less that stays is an edge or a shadow
BRIGHT = 0.05  # share of the ground's brightness by which a bright place may differ more: it may be over-exposed
SMALL = 0.6  # times usual height: less than that, high and wide, is a thing and no person
PARTED = 0.4  # usual heights between parts of one thing
SEEN = 0.5  # share of what stays, less of which to be seen is hidden
WHOLE = 0.8  # the same, from which on it is seen whole: its edges flicker
LONG = 10.0  # seconds that one reference must last to tell what stays and what comes back
MISSED = 0.2  # share of the area of a whole thing; less that fails to come is jitter


class _Empty(NamedTuple):
    """The ground in the size of a stream's pictures, (h, w, 3) each but for cells: worked out once for a stream."""

    picture: Colours
    cells: NDArray[np.float32]
    least: NDArray[np.float32]
    """Levels by which a cell must differ, colour by colour."""

    @classmethod
    def of(cls, ground: Colours, contrast: float) -> _Empty:
        cells = _coarse(ground)
        return cls(ground, cells, np.asarray(contrast + BRIGHT * cells, np.float32))


class _Stay(NamedTuple):
    """Something that stays."""

    seconds: float
    shown: float
    """Share of it that is to be seen at the moment."""
    thing: Thing

    @property
    def counts(self) -> float:
        """Seconds for which it counts: who hides it may have taken it, so then down to only their cube root."""
        return float(self.seconds ** ((1 + 2 * min(1.0, self.shown / WHOLE)) / 3))


class Presence:
    """The presence expert. It says nothing unless references last long enough to teach what stays and comes back."""

    name = "presence"
    score = "stays"

    def __init__(self, scene: Scene | None = None) -> None:
        self._scene = scene or Scene()
        self._ground: Ground | None = None
        self._rhythm: Rhythm | None = None
        self.begin()

    def fit(self, references: References) -> None:
        """Learn the ground, and for each cell how long gaps and visits usually are where things come regularly."""
        self._ground = self._rhythm = None
        runs = [run for run in references if len(run) > 1 and run[-1].time - run[0].time >= LONG]
        if not runs:
            return
        self._ground = ground = self._scene.learn(references)
        watches = []
        for run in runs:
            self.begin()
            watches.append(list(self._clocks(run)))
        areas = [thing.area for run in runs for picture in run for thing in ground.things(picture) if thing.counts]
        self._rhythm = Rhythm.learn(watches, float(np.median(areas or [0])) / COARSE**2)
        self.begin()

    def begin(self) -> None:
        """Forget what has stayed and what was missed so far: a new stream starts."""
        self._last: Picture | None = None
        self._cells: Cells | None = None
        self._empty: _Empty | None = None

    def measure(self, frames: Sequence[Picture], overlap: int) -> Measured:
        """`stays` and `left` (seconds, at least `SETTLED`): the longest stay of anything, and of anything small.

        What is hidden at the moment may have been taken, and counts for as little as the cube root of its seconds.

        Where things come regularly also `absent` (share of a whole thing that is not where one should be by now, at
        least `MISSED`). One value a frame from `overlap` on.
        """
        if self._ground is None or len(frames) < 2:  # one picture alone shows nothing that lasts
            return Measured({}, ())
        found: dict[str, list[float]] = {"stays": [], "left": [], **({} if self._rhythm is None else {"absent": []})}
        oddest: dict[str, tuple[float, Fact]] = {}
        for picture in frames[overlap:]:
            cells = self._look(picture)
            told = self._staying(cells, picture)
            if self._rhythm is not None:
                told["absent"] = _missing(self._rhythm, cells, picture)
            for name, (value, fact) in told.items():
                found[name].append(value)
                if fact is not None and (name not in oddest or value > oddest[name][0]):
                    oddest[name] = value, fact
        return Measured({name: tuple(values) for name, values in found.items()}, tuple(f for _, f in oddest.values()))

    def state(self) -> dict[str, NDArray[Any]]:
        """What references taught; nothing where they taught too little."""
        if self._ground is None:
            return {}
        return {**self._ground.state(), **({} if self._rhythm is None else self._rhythm.state())}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state that `state` gave."""
        self._ground = self._scene.restore(state) if state else None
        self._rhythm = Rhythm.restore(state)
        self.begin()

    def _look(self, picture: Picture) -> Cells:
        """Take in one picture: the cells as they are now, by the colour that tells most from the ground."""
        assert self._ground is not None
        frame = small(picture)
        if self._empty is None or self._empty.picture.shape != frame.shape:
            self._empty = _Empty.of(fitted(self._ground.colours, frame), self._ground.contrast)
        empty = self._empty
        colours = _coarse(frame) / np.float32(light(frame[..., 1], empty.picture[..., 1]))
        mask = (np.abs(colours - empty.cells) > empty.least).any(axis=2)
        level = np.asarray(cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY), np.float32)
        passed = 0.0 if self._last is None else seconds_between(self._last, picture)
        before = self._cells if self._cells is not None and self._cells.mask.shape == mask.shape else None
        minor = partial(_minor, self._ground)
        self._cells = Cells.first(mask, level) if before is None else before.after(mask, level, minor, passed)
        self._last = picture
        return self._cells

    def _staying(self, cells: Cells, picture: Picture) -> dict[str, tuple[float, Fact | None]]:
        """The longest stay of anything and of small things, in seconds, with a fact where there is one."""
        assert self._ground is not None
        longest: dict[str, _Stay] = {}
        shown = cells.shown
        for thing in things((cells.stay > SETTLED).astype(np.uint8), self._ground.height):
            if thing.area < PATCH:
                continue
            x0, y0, x1, y1 = thing.box
            inside = cells.stay[y0:y1, x0:x1] > SETTLED
            # Something else that stays may touch it: what has stayed longest counts.
            seconds, alone = (float(np.sort(c[y0:y1, x0:x1][inside])[-FEW]) for c in (cells.stay, cells.alone))
            old = cells.stay[y0:y1, x0:x1] > seconds / 2
            stay = _Stay(seconds, float(shown[y0:y1, x0:x1][old].mean()), thing)
            for name in ("stays", "left") if alone > SETTLED else ("stays",):
                longest[name] = max(longest.get(name, stay), stay, key=lambda each: each.counts)
        told: dict[str, tuple[float, Fact | None]] = {"stays": (SETTLED, None), "left": (SETTLED, None)}
        for name, stay in longest.items():
            told[name] = stay.counts, _stay_fact(name, stay, stay.thing.region(cells.stay.shape), picture)
        return told

    def _clocks(self, run: Sequence[Picture]) -> Iterator[Cells]:
        for picture in run:
            yield self._look(picture)


def _coarse(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    h, w = image.shape[:2]
    return np.asarray(cv2.resize(image, (w // COARSE, h // COARSE), None, 0, 0, cv2.INTER_AREA), np.float32)


def _minor(ground: Ground, mask: Mask) -> Mask:
    """Which cells (h, w) of a mask something covers that is small for its place.

    What lies closely above one another is one: of people in the ground's own tone often only parts stand out.
    """
    reach = max(3, round(PARTED * float(ground.height.max()) * len(mask)))
    joined = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((reach, 3)))
    found = np.zeros(mask.shape, bool)
    for thing in things(np.asarray(joined, np.uint8), ground.height):
        if max(thing.tall, thing.wide) < SMALL:
            x0, y0, x1, y1 = thing.box
            found[y0:y1, x0:x1] |= mask[y0:y1, x0:x1]
    return found


def _missing(rhythm: Rhythm, cells: Cells, picture: Picture) -> tuple[float, Fact | None]:
    """The share of a thing that should be there by now and is not, with a fact where it is a good part of one."""
    late = _whole(rhythm.late(cells.gone))
    value = float(late.sum()) / rhythm.area
    if value <= MISSED:
        return MISSED, None
    rows, columns = np.nonzero(late)
    h, w = late.shape
    box = columns.min() / w, rows.min() / h, (columns.max() + 1) / w, (rows.max() + 1) / h
    return value, _gap_fact(value, float(cells.gone[late].max()), box, picture)


def _whole(mask: Mask) -> Mask:
    """The parts of a mask (h, w) that the picture's edge does not cut: how much is missing beyond it nobody knows."""
    count, parts = cv2.connectedComponents(mask.view(np.uint8), ltype=cv2.CV_16U)
    inner = np.ones(count, bool)
    for edge in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        inner[edge] = False
    return np.asarray(mask & inner[parts])


def _stay_fact(name: str, stay: _Stay, region: Box, picture: Picture) -> Fact:
    what = "something small" if name == "left" else "something"
    said = f"{what}, {stay.thing.tall:.2g} times as tall as things usually are, has been there for {stay.seconds:.1f} s"
    return Fact(
        subject="thing",
        attribute="stays",
        value=float(f"{stay.seconds:.3g}"),
        unit="s",
        text=f"{said}, and is hidden now" if stay.shown < SEEN else said,
        region=region,
        time=picture.time,
        perceiver="presence",
        measure=f"presence.{name}",
    )


def _gap_fact(value: float, seconds: float, region: tuple[Any, ...], picture: Picture) -> Fact:
    x0, y0, x1, y1 = (float(edge) for edge in region)
    return Fact(
        subject="picture",
        attribute="absent",
        value=float(f"{value:.3g}"),
        unit="share of a thing",
        text=f"nothing has come here for {seconds:.1f} s, and something should be here by now",
        region=(x0, y0, x1, y1),
        time=picture.time,
        perceiver="presence",
        measure="presence.absent",
    )
