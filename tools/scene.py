"""What the picture experts share: the picture in grey, the ground as references show it, and what stands out from it.

References teach the still background (the median of each pixel) and how tall things are in each row of the picture
(Siegel's robust line). Everything is measured at one working size, in fractions of the picture and in seconds, so
that pictures of any size and rate compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.errors import WorkspaceError
from alarm_agents.sources.picture import Picture
from alarm_agents.types import Box

Gray = NDArray[np.uint8]
Colours = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
References = Sequence[Sequence[Picture]]

WORKING = 240  # pixels; pictures are measured at this height at most: comparable, and fast enough for a live stream
LEAST = 32  # pixels; smaller pictures are enlarged, for the flow to have something to match
ROWS = 60  # rows of the picture for which heights and speeds are learned
PERSON = 0.15  # picture heights; how tall moving things are where no reference teaches it
SOLID = 5  # pixels of the working size; what is thinner is a seam, a shadow or a limb, and no thing
SPECK = 0.0004  # share of the picture; what stands out over less is noise
LEGIBLE = 0.04  # square of the usual height; the box of a thing that can be told by its outline
BRIGHTER = 2  # grey levels that a level of difference by colour alone is worth to flow
UNTIMED = 0.1  # seconds between frames where neither time stamps nor frame rate tell
LEARNED = 100  # pictures that the median is taken of, at most
# Pictures this small are measured faster by threads of our own: OpenCV's wait for one another busily, and how many
# there are would change what flow says.
cv2.setNumThreads(1)
_NEAR = np.ones((3, 3), np.uint8)
_ROUND = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SOLID, SOLID))
_grays: WeakKeyDictionary[Picture, Gray] = WeakKeyDictionary()


def small(picture: Picture, tallest: int = WORKING) -> Colours:
    """The picture (h, w, 3), at most `tallest` pixels high and no side under `LEAST`."""
    h, w = picture.image.shape[:2]
    scale = min(1.0, tallest / h)
    size = max(LEAST, round(w * scale)), max(LEAST, round(h * scale))
    if size == (w, h):
        return picture.image
    return np.asarray(cv2.resize(picture.image, size, None, 0, 0, cv2.INTER_AREA), np.uint8)


def gray(picture: Picture, tallest: int = WORKING) -> Gray:
    """The same in grey (h, w); at working size it is remembered while the picture is."""
    if tallest == WORKING and picture in _grays:
        return _grays[picture]
    found = np.asarray(cv2.cvtColor(small(picture, tallest), cv2.COLOR_BGR2GRAY), np.uint8)
    if tallest == WORKING:
        _grays[picture] = found
    return found


def share_of(mask: Mask) -> float:
    """The share of a mask's pixels that are set, in [0, 1]."""
    return cv2.countNonZero(mask.view(np.uint8)) / mask.size


def fitted(image: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image in the size of the other."""
    h, w = other.shape[:2]
    if image.shape[:2] == (h, w):
        return image
    return np.asarray(cv2.resize(image, (w, h), None, 0, 0, cv2.INTER_AREA), np.uint8)


def soft(image: Colours) -> Colours:
    """The image without what is finer than noise is."""
    return np.asarray(cv2.blur(image, (3, 3)), np.uint8)


def light(now: Gray, ground: Gray) -> float:
    """How much brighter all is now than the ground, as a factor: lamps and clouds change the light on everything.

    Both are in grey, or in green alone, which is most of it.
    """
    one = np.float32(1)
    ratio = ((now[::4, ::4] + one) / (ground[::4, ::4] + one)).ravel()
    middle = ratio.size // 2  # not `np.median`, which takes longer than all else here, and this is done every frame
    return float(np.partition(ratio, middle)[middle])


@dataclass(frozen=True)
class Thing:
    """Something that stands out from the ground in one frame."""

    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels of the working size; the ends are not included."""
    area: int
    """Pixels."""
    tall: float
    """Height and, likewise, width in times the usual height at its place."""
    wide: float
    whole: bool
    """Whether the picture's edge does not cut it."""

    @property
    def counts(self) -> bool:
        """Whether it is whole, and large enough for its outline to be its own."""
        return self.whole and self.tall * self.wide > LEGIBLE

    def region(self, shape: tuple[int, int]) -> Box:
        """The box in fractions of a picture of that shape (h, w)."""
        (x0, y0, x1, y1), (h, w) = self.box, shape
        return x0 / w, y0 / h, x1 / w, y1 / h


class Ground:
    """The ground as references show it. Expensive answers are remembered for as long as the picture is."""

    def __init__(self, colours: Colours, contrast: float, height: Floats) -> None:
        """`colours` (h, w, 3); `contrast` in levels of one colour; `height` (ROWS,) of things in picture heights."""
        self.colours, self.contrast, self.height = colours, contrast, height
        self._soft = soft(colours)
        self._brighter = np.clip(BRIGHTER * (np.arange(256) - contrast / 2), 0, 255).astype(np.uint8)
        self._differences: WeakKeyDictionary[Picture, tuple[Gray, Gray]] = WeakKeyDictionary()
        self._masks: WeakKeyDictionary[Picture, Mask] = WeakKeyDictionary()
        self._things: WeakKeyDictionary[Picture, tuple[Thing, ...]] = WeakKeyDictionary()

    def foreground(self, picture: Picture) -> Mask:
        """What stands out (h, w) from the ground, whatever the light as a whole does."""
        found = self._masks.get(picture)
        if found is None:
            most, _ = self._difference(picture)
            found = self._masks[picture] = np.asarray(most > int(self.contrast))
        return found

    def coloured(self, picture: Picture, tallest: int = WORKING) -> Gray:
        """The picture in grey (h, w), at most `tallest` pixels high, brighter where colour alone tells from the ground.

        Where things differ from the ground by colour and not by brightness, flow has something to hold on to then.
        """
        (_, hue), shown = self._difference(picture), gray(picture, tallest)
        brighter = np.asarray(cv2.LUT(hue, self._brighter), np.uint8)
        return np.asarray(cv2.add(shown, fitted(brighter, shown)), np.uint8)

    def _difference(self, picture: Picture) -> tuple[Gray, Gray]:
        """By how many levels (h, w) a picture differs from the ground, and how many of these are not of brightness.

        In the colour that differs most: a blue coat may be as bright as the pavement.
        """
        found = self._differences.get(picture)
        if found is None:
            now = soft(small(picture))
            ground = self._soft if self._soft.shape == now.shape else soft(fitted(self.colours, now))
            lit = cv2.convertScaleAbs(ground, alpha=light(now[..., 1], ground[..., 1]))
            blue, green, red = cv2.split(cv2.absdiff(now, lit))
            most = np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)
            bright = cv2.absdiff(*(cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (now, lit)))
            found = self._differences[picture] = most, np.asarray(cv2.subtract(most, bright), np.uint8)
        return found

    def things(self, picture: Picture) -> tuple[Thing, ...]:
        """What stands out, thing by thing, largest first."""
        found = self._things.get(picture)
        if found is None:
            joined = cv2.morphologyEx(self.foreground(picture).view(np.uint8), cv2.MORPH_CLOSE, _NEAR)
            solid = cv2.morphologyEx(joined, cv2.MORPH_OPEN, _ROUND)
            found = self._things[picture] = things(np.asarray(solid, np.uint8), self.height)
        return found

    def state(self) -> dict[str, NDArray[Any]]:
        """As arrays that `Scene.restore` takes back."""
        return {"colours": self.colours, "contrast": np.array(self.contrast), "height": self.height}


class Scene:
    """The ground that the experts of one stream share, so that it is learned once and looked at once a frame."""

    def __init__(self) -> None:
        self._ground: Ground | None = None
        self._taught: tuple[ref[Picture], ...] = ()

    def learn(self, references: References) -> Ground:
        """The ground of the references (at least one picture), learned anew only where they are others."""
        pictures = [picture for run in references for picture in run]
        taught = tuple(ref(picture) for picture in pictures)
        if self._ground is None or taught != self._taught:
            self._ground, self._taught = _learned(pictures), taught
        return self._ground

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Ground:
        """The ground of a state that `Ground.state` gave; raises `WorkspaceError` for one of an older version."""
        if "colours" not in state:
            reason = "what the references taught was kept by a version that knew no colours"
            raise WorkspaceError(reason, remedy="teach the scenario again with `alarm induce`")
        colours, height = np.array(state["colours"]), np.array(state["height"])
        if self._ground is None or not np.array_equal(self._ground.colours, colours):
            self._ground = Ground(colours, float(state["contrast"]), height)
        return self._ground


def things(mask: NDArray[np.uint8], height: Floats) -> tuple[Thing, ...]:
    """The parts of a mask (h, w) that hang together, largest first; specks are left out."""
    h, w = mask.shape
    # Labels of 16 bits take a third of the time, and are enough for any picture of working size but a panorama.
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, ltype=cv2.CV_16U if mask.size < 2**18 else cv2.CV_32S)
    found = []
    for x, y, wide, tall, area in stats[1:].tolist():
        if area > SPECK * h * w:
            usual = float(height[min(ROWS - 1, int((y + tall / 2) / h * ROWS))]) * h
            whole = x > 0 and y > 0 and x + wide < w and y + tall < h
            found.append(Thing((x, y, x + wide, y + tall), area, tall / usual, wide / usual, whole))
    return tuple(sorted(found, key=lambda thing: -thing.area))


def lasting(now: Sequence[Thing], before: Sequence[Thing]) -> list[Thing]:
    """The things that count and lie where something lay a moment before: flicker is nothing."""

    def was_there(thing: Thing) -> bool:
        (a, b, c, d) = thing.box
        return any(a < old.box[2] and old.box[0] < c and b < old.box[3] and old.box[1] < d for old in before)

    return [thing for thing in now if thing.counts and was_there(thing)]


def seconds_between(before: Picture, after: Picture) -> float:
    """Seconds from one picture to the next, > 0 whatever their time stamps say."""
    # Frames that came in a burst or by a broken clock count as half a nominal frame apart at least: a difference
    # near zero would make any motion infinitely fast.
    usual = 1.0 / after.fps if math.isfinite(after.fps) and after.fps > 0 else 0.0
    passed = after.time - before.time
    if not math.isfinite(passed) or passed <= 0:
        return usual or UNTIMED
    return max(passed, usual / 2, 1 / 240)


def thinned(items: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the items, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, most).astype(int))]


def _learned(pictures: Sequence[Picture]) -> Ground:
    h, w = gray(pictures[0]).shape
    some = [np.asarray(cv2.resize(small(picture), (w, h)), np.uint8) for picture in thinned(pictures, LEARNED)]
    colours = np.partition(np.stack(some), len(some) // 2, axis=0)[len(some) // 2]
    ground = soft(colours)
    lit = [(now[::4, ::4], light(now[..., 1], ground[..., 1]) * ground[::4, ::4]) for now in map(soft, some)]
    noise = 1.4826 * float(np.median([np.abs(now - still) for now, still in lit]))
    flat = Ground(colours, float(np.clip(7 * noise, 12, 40)), np.full(ROWS, PERSON))
    masks = [flat.foreground(picture).astype(np.uint8) for picture in thinned(pictures, 3 * LEARNED)]
    seen = [thing.box for mask in masks for thing in things(mask, flat.height) if thing.whole]
    height = _heights([((y0 + y1) / 2 / h, (y1 - y0) / h) for _, y0, _, y1 in seen])
    return Ground(colours, flat.contrast, height)


def _heights(seen: Sequence[tuple[float, float]]) -> Floats:
    """Height (ROWS,) of things from the middle row and the height of each, in picture heights.

    A robust line over the rows where they are; the prior where there are too few.
    """
    if len(seen) < 20:
        return np.full(ROWS, PERSON)
    from scipy.stats import siegelslopes  # half a second, which only teaching needs

    row, tall = np.array(thinned(seen, 500)).T
    first, last = np.quantile(row, [0.05, 0.95])
    slope, level = siegelslopes(tall, row) if last - first > 0.05 else (0.0, np.median(tall))
    rows = np.clip((np.arange(ROWS) + 0.5) / ROWS, first, last)
    return np.asarray(np.clip(level + slope * rows, 0.05, 0.5))
