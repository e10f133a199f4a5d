"""The presence expert: what stays where things pass, and what fails to come where it always comes.

A coarse picture of the place is compared with the ground that the references show, over as long as it takes: a bag
left behind, somebody who loiters, a belt that stands still; and a gap where things have always come in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.expert import Measured
from alarm_agents.tools.scene import Ground, Mask, References, Scene, Thing, gray, seconds_between, things
from alarm_agents.types import Box, Fact

COARSE = 4  # pixels of the working size to one cell
SAME = 10.0  # grey levels within which a cell still shows the same
SETTLED = 1.0  # seconds; less is passing by
SMALL = 0.6  # times usual height: less than that, high and wide, is a thing and no person
LONG = 5.0  # seconds that one reference must last to tell what stays and what comes back
VISITS = 3  # times that something must have come back to a cell
REGULAR = 1.5  # longest gap over the usual one, up to which things come regularly
AT_ONCE = 0.03  # share of the regular cells in which it must be late
LEAST = 0.5  # times usual; see geometry


class Presence:
    """The presence expert. It says nothing unless references last long enough to teach what stays and comes back."""

    name = "presence"
    score = "stays"

    def __init__(self, scene: Scene | None = None) -> None:
        self._scene = scene or Scene()
        self._ground: Ground | None = None
        self._gaps: NDArray[np.float32] | None = None
        self.begin()

    def fit(self, references: References) -> None:
        """Learn the ground, and for each cell the usual seconds between visits where these come regularly."""
        self._ground = self._gaps = None
        runs = [run for run in references if len(run) > 1 and run[-1].time - run[0].time >= LONG]
        if not runs:
            return
        self._ground = self._scene.learn(references)
        watches = []
        for run in runs:
            self.begin()
            watches.append(list(self._idle(run)))
        self._gaps = _regular(watches)
        self.begin()

    def begin(self) -> None:
        """Forget what has stayed and what was missed so far: a new stream starts."""
        self._last: Picture | None = None
        self._held: NDArray[np.float32] | None = None
        self._stay: NDArray[np.float32] | None = None
        self._gone: NDArray[np.float32] | None = None

    def measure(self, frames: Sequence[Picture], overlap: int) -> Measured:
        """`stays` and `left` (seconds, at least `SETTLED`) of the largest stay of anything, and of small things.

        Where things come regularly also `absent` (times the usual seconds between them, at least `LEAST`). One
        value a frame from `overlap` on.
        """
        if self._ground is None:
            return Measured({}, ())
        found: dict[str, list[float]] = {"stays": [], "left": [], **({} if self._gaps is None else {"absent": []})}
        oddest: dict[str, tuple[float, Fact]] = {}
        for picture in frames[overlap:]:
            mask = self._look(picture)
            told = self._staying(picture)
            if self._gaps is not None:
                told["absent"] = self._missing(picture, mask.shape)
            for name, (value, fact) in told.items():
                found[name].append(value)
                if fact is not None and (name not in oddest or value > oddest[name][0]):
                    oddest[name] = value, fact
        return Measured({name: tuple(values) for name, values in found.items()}, tuple(f for _, f in oddest.values()))

    def state(self) -> dict[str, NDArray[Any]]:
        """What references taught; nothing where they taught too little."""
        if self._ground is None:
            return {}
        return {**self._ground.state(), **({} if self._gaps is None else {"gaps": self._gaps})}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state that `state` gave."""
        self._ground = self._scene.restore(state) if state else None
        self._gaps = np.asarray(state["gaps"], np.float32) if "gaps" in state else None

    def _look(self, picture: Picture) -> Mask:
        """Take in one picture; what stands out in it, cell by cell."""
        assert self._ground is not None
        now, ground = _coarse(gray(picture)), _coarse(self._ground.image)
        change = now - (ground if ground.shape == now.shape else cv2.resize(ground, now.shape[::-1]))
        light = float(np.median(change))
        mask, level = np.abs(change - light) > self._ground.contrast, now - light
        passed = 0.0 if self._last is None else seconds_between(self._last, picture)
        if self._held is None or self._stay is None or self._gone is None or self._held.shape != now.shape:
            self._held, self._stay, self._gone = level, np.zeros_like(now), np.zeros_like(now)
        stays = mask & (np.abs(level - self._held) < SAME)
        self._stay = np.where(stays, self._stay + np.float32(passed), np.float32(0))
        self._held = np.where(stays, self._held, level)
        self._gone = np.where(mask, np.float32(0), self._gone + np.float32(passed))
        self._last = picture
        return np.asarray(mask)

    def _staying(self, picture: Picture) -> dict[str, tuple[float, Fact | None]]:
        """The longest stay of anything and of small things, in seconds, with a fact where there is one."""
        assert self._stay is not None
        assert self._ground is not None
        longest: dict[str, tuple[float, Thing]] = {}
        for thing in things((self._stay > SETTLED).astype(np.uint8), self._ground.height):
            x0, y0, x1, y1 = thing.box
            inside = self._stay[y0:y1, x0:x1]
            seconds = float(np.median(inside[inside > SETTLED]))
            for name in ("stays", "left") if max(thing.tall, thing.wide) < SMALL else ("stays",):
                if name not in longest or seconds > longest[name][0]:
                    longest[name] = seconds, thing
        told: dict[str, tuple[float, Fact | None]] = {"stays": (SETTLED, None), "left": (SETTLED, None)}
        for name, (seconds, thing) in longest.items():
            told[name] = seconds, _stay_fact(name, seconds, thing, thing.region(self._stay.shape), picture)
        return told

    def _missing(self, picture: Picture, shape: tuple[int, ...]) -> tuple[float, Fact | None]:
        """How late things are where they come regularly, in times the usual gap, with a fact where they are."""
        assert self._gone is not None
        assert self._gaps is not None
        gaps = self._gaps if self._gaps.shape == shape else cv2.resize(self._gaps, shape[::-1], None, 0, 0, 0)
        late = np.where(gaps > 0, self._gone / np.maximum(gaps, np.float32(1e-6)), 0)
        count = max(2, round(AT_ONCE * int((gaps > 0).sum())))
        value = float(np.partition(late.ravel(), -count)[-count])
        if value <= 1.0:
            return max(LEAST, value), None
        rows, columns = np.nonzero(late >= value)
        h, w = shape
        box = columns.min() / w, rows.min() / h, (columns.max() + 1) / w, (rows.max() + 1) / h
        return value, _gap_fact(value, float(self._gone[late >= value].max()), box, picture)

    def _idle(self, run: Sequence[Picture]) -> Iterator[tuple[Mask, NDArray[np.float32]]]:
        """For each picture what stands out in it, and the seconds since something did."""
        for picture in run:
            mask = self._look(picture)
            assert self._gone is not None
            yield mask, self._gone


def _coarse(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    h, w = image.shape
    return np.asarray(cv2.resize(image, (w // COARSE, h // COARSE), None, 0, 0, cv2.INTER_AREA), np.float32)


def _regular(watches: Sequence[Sequence[tuple[Mask, NDArray[np.float32]]]]) -> NDArray[np.float32] | None:
    """The usual seconds between visits (h, w), 0 where they come irregularly; None where they do everywhere."""
    first = watches[0][0][1]
    ended: list[NDArray[np.float32]] = []
    for watch in watches:
        visited = np.zeros(first.shape, bool)  # the gap before a cell's first visit began before the reference did
        for (was, gone), (now, _) in pairwise(watch):
            visited |= was
            ended.append(np.where(now & ~was & visited, gone, np.float32(np.nan)))
    gaps = np.array(ended)
    count = np.isfinite(gaps).sum(axis=0)
    known = np.where(count >= VISITS, np.nan_to_num(gaps).max(axis=0), 0)
    middle = np.nanmedian(np.where(count >= VISITS, gaps, 0), axis=0)
    regular = np.where((known > 0) & (known <= REGULAR * middle), middle, 0).astype(np.float32)
    return regular if (regular > 0).mean() > AT_ONCE / 2 else None


def _stay_fact(name: str, seconds: float, thing: Thing, region: Box, picture: Picture) -> Fact:
    what = "something small" if name == "left" else "something"
    return Fact(
        subject="thing",
        attribute="stays",
        value=float(f"{seconds:.3g}"),
        unit="s",
        text=f"{what}, {thing.tall:.2g} times as tall as things usually are, has been there for {seconds:.1f} s",
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
        unit="times usual",
        text=f"nothing has come here for {seconds:.1f} s, {value:.2g} times as long as it usually takes",
        region=(x0, y0, x1, y1),
        time=picture.time,
        perceiver="presence",
        measure="presence.absent",
    )
