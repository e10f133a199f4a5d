"""The camera expert: whether the camera sees anything at all. It tells of the camera, never of what is before it.

A picture is held against what references show and against the stream's own past, which follows slow changes such as
nightfall. It is frozen when next to nothing changes where a sensor's noise used to change all of it; dark or covered
when hardly any contrast is left; blurred when fine detail is lost against coarse detail at the same places, which
does not depend on what walks by (the idea of Crete et al., "The blur effect", 2007: a blurred picture loses little by
blurring), or when coarse detail is lost as well.

It cannot see that a camera was turned, nor that the picture of a world without noise is frozen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.expert import Measured
from alarm_agents.types import Fact, Measurement

Gray = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

NAME = "camera"
SIZE = (256, 192)  # pixels; pictures are looked at in this size: comparable, and a third of a millisecond each
GRID = (16, 12)  # cells across and down the picture
EDGED = 48  # cells with the most coarse detail, a quarter of them: by these sharpness is told
LASTS = {"frozen": 3.0, "dark": 1.5, "covered": 1.5, "blurred": 3.0}
"""Seconds for which a picture must be so before it is said: people walk by closely, lenses find their focus."""
PAST = 4.0  # seconds of a stream that must have been seen before it can be held against its own past
MEMORY = 60.0  # seconds; how slowly the past follows what is seen
FEW = 0.05  # share of cells: a camera that changes no more of them is standing still (a clock in a corner runs on)
ALIVE = 0.9  # share of cells that change within a second where a sensor's noise is everywhere
NOTHING = 1.5  # grey levels; contrast under which there is nothing to see, whatever was before
FAINT = 8.0  # grey levels; contrast that may be little
LITTLE = 0.15  # of the usual contrast
DIM = 0.35  # of the usual light: what shows little is dark under it, covered or dazzled above it
SHARP = np.array([0.42, 0.6, 0.15])  # of the usual `View.detail`; each is told from noise at another strength of blur


def blindness(measurements: Sequence[Measurement]) -> tuple[Fact, ...]:
    """The facts that say that, and why, the camera is blind in a window; empty while it sees."""
    return tuple(fact for measured in measurements if measured.expert == NAME for fact in measured.facts)


@dataclass(frozen=True)
class View:
    """What a picture, or what is usual of pictures, looks like in numbers."""

    light: float
    """Mean grey level."""
    contrast: float
    """Standard deviation of coarse grey levels, in which noise counts little."""
    detail: Floats
    """(3,): fine and middle detail as a share of the coarse at the same places, and the coarse in grey levels."""

    def toward(self, other: View, weight: float) -> View:
        """The mean of the two, by weight of the other."""
        light, contrast, detail = self.light, self.contrast, self.detail
        return View(
            light + weight * (other.light - light),
            contrast + weight * (other.contrast - contrast),
            detail + weight * (other.detail - detail),
        )


class Camera:
    """The camera expert. One instance serves one stream at a time."""

    name = NAME
    score = ""
    """It has no anomaly score: what a blind camera shows is neither normal nor odd."""

    def __init__(self) -> None:
        self._taught: tuple[View, float] | None = None
        self.begin()

    def begin(self) -> None:
        """Forget the stream's past; what references taught stays."""
        self._usual: View | None = self._taught[0] if self._taught else None
        self._alive = self._taught[1] if self._taught else 0.0
        self._known = PAST if self._taught else 0.0
        self._before: tuple[Gray, float] | None = None
        self._second: tuple[float, Mask] | None = None
        self._since: dict[str, float] = {}

    def fit(self, references: Sequence[Sequence[Picture]]) -> None:
        """Learn usual light, contrast and detail, and whether the whole picture changes within each reference."""
        self._taught = None
        runs = [[_gray(picture) for picture in run] for run in references]
        views = [_view(gray) for run in runs for gray in run[:: len(run) // 4 + 1]]
        if views:
            parts = zip(*((view.light, view.contrast, view.detail) for view in views), strict=True)
            light, contrast, detail = (np.median(part, axis=0) for part in parts)
            alive = [np.any([_changed(*pair) for pair in pairwise(run)], axis=0).mean() for run in runs if len(run) > 1]
            self._taught = View(float(light), float(contrast), detail), float(np.median(alive)) if alive else 0.0
        self.begin()

    def measure(self, pictures: Sequence[Picture], overlap: int) -> Measured:
        """`blind`: for how many seconds the camera has seen nothing, one value a frame; 0 while it sees."""
        found = [self._look(picture) for picture in pictures[overlap:]]
        blind = [fact for fact in found if fact is not None]
        frames = {"blind": tuple(float(fact.value) if fact else 0.0 for fact in found)}
        return Measured(frames, (max(blind, key=lambda fact: float(fact.value)),) if blind else ())

    def state(self) -> dict[str, NDArray[Any]]:
        """Give what references taught, as arrays; nothing without any."""
        if self._taught is None:
            return {}
        view, alive = self._taught
        return {**{name: np.array(value) for name, value in vars(view).items()}, "alive": np.array(alive)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state that `state` gave."""
        self._taught = None
        if state:
            view = View(float(state["light"]), float(state["contrast"]), np.array(state["detail"]))
            self._taught = view, float(state["alive"])
        self.begin()

    def _look(self, picture: Picture) -> Fact | None:
        """The fact that the camera is blind in this picture, if it is."""
        if picture.lost:
            return _fact("lost", picture.lost, picture.time, f"no picture has come for {picture.lost:.0f} s")
        gray = _gray(picture)
        view = _view(gray)
        said = self._wrong(view)
        if self._stands_still(gray, picture.time):
            said["frozen"] = "is frozen: the picture has not changed"
        self._since = {what: self._since.get(what, picture.time) for what in said}
        if not said:
            self._learn(view, picture)
        self._before = gray, picture.time
        for what, words in said.items():
            lasted = picture.time - self._since[what]
            if lasted >= max(LASTS[what], 4 / picture.fps):
                return _fact(what, lasted, picture.time, f"the camera {words} for {lasted:.1f} s")
        return None

    def _wrong(self, view: View) -> dict[str, str]:
        """What is wrong with the picture by itself, and in which words."""
        usual = self._usual if self._known >= PAST else None
        if view.contrast < NOTHING or (usual and view.contrast < min(FAINT, LITTLE * usual.contrast)):
            if view.light < (DIM * usual.light if usual else 32.0):
                return {
                    "dark": f"is dark (brightness {view.light:.0f} of 255{_usually(usual.light if usual else None)})"
                }
            words = f"is covered or dazzled (contrast {view.contrast:.1f}{_usually(usual.contrast if usual else None)})"
            return {"covered": words}
        if usual is not None:
            left = view.detail / np.maximum(usual.detail, 0.01)
            left[2] /= min(1.0, view.light / max(usual.light, 1.0))  # in half the light edges are half as strong
            if (left < SHARP).any():
                return {"blurred": f"is blurred ({left.min():.0%} of the usual detail is left)"}
        return {}

    def _stands_still(self, gray: Gray, time: float) -> bool:
        """Whether next to nothing changed since the picture before, where normally all of it does within a second."""
        if self._before is None:
            return False
        changed = _changed(self._before[0], gray)
        begun, cells = self._second or (self._before[1], changed)
        share = float((cells | changed).mean())
        if time - begun < 1.0:
            self._second = begun, cells | changed
        else:
            self._second = None
            if share > FEW:
                self._alive += (share - self._alive) / min(max(self._known, 1.0), MEMORY)
        return self._alive >= ALIVE and self._known >= PAST and float(changed.mean()) <= FEW

    def _learn(self, view: View, picture: Picture) -> None:
        """Let the past follow what is seen, while nothing is wrong with it."""
        passed = min(max(picture.time - self._before[1], 0.0), 1.0) if self._before else 0.0
        self._known = min(self._known + passed, MEMORY)
        weight = passed / max(self._known, passed, 1e-6)
        self._usual = view if self._usual is None else self._usual.toward(view, weight)


def _usually(value: float | None) -> str:
    return f", usually {value:.0f}" if value is not None else ""


def _fact(attribute: str, seconds: float, time: float, text: str) -> Fact:
    value = round(max(seconds, 0.001), 3)
    return Fact(subject=NAME, attribute=attribute, value=value, unit="s", text=text, time=time, perceiver=NAME)


def _gray(picture: Picture) -> Gray:
    gray = cv2.cvtColor(picture.image, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(gray, SIZE, interpolation=cv2.INTER_LINEAR), np.uint8)


def _view(gray: Gray) -> View:
    half = np.asarray(cv2.resize(gray, None, None, 0.5, 0.5, cv2.INTER_AREA), np.uint8)
    quarter = np.asarray(cv2.resize(half, None, None, 0.5, 0.5, cv2.INTER_AREA), np.uint8)
    fine, middle, coarse = (_detail(scale) for scale in (gray, half, quarter))
    edged = np.argpartition(coarse, -EDGED)[-EDGED:]
    share = [np.sort(finer[edged] / np.maximum(coarse[edged], 0.5))[EDGED // 2] for finer in (fine, middle)]
    return View(float(quarter.mean()), float(quarter.std()), np.array([*share, np.sort(coarse)[-EDGED // 2]]))


def _detail(gray: Gray) -> Floats:
    """Root mean square of the Laplacian in each cell, (192,)."""
    edges = cv2.Laplacian(gray, cv2.CV_32F)
    return np.sqrt(cv2.resize(cv2.multiply(edges, edges), GRID, interpolation=cv2.INTER_AREA), dtype=np.float64).ravel()


def _changed(before: Gray, after: Gray) -> Mask:
    """Whether any pixel changed at all in each cell, (12, 16)."""
    # One pixel of a cell's 256 that is at 255 gives a mean just large enough not to be rounded to 0.
    pixels = cv2.threshold(cv2.absdiff(before, after), 0, 255, cv2.THRESH_BINARY)[1]
    return np.asarray(cv2.resize(pixels, GRID, interpolation=cv2.INTER_AREA) > 0)
