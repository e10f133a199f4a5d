"""The appearance expert: whether things look like those of the references, part by part.

Each thing that stands out is cut out, brought to one size and described in 16 parts by its edges (histograms of
oriented gradients, Dalal and Triggs, CVPR 2005), its brightness and its colour. Size and speed do not count.

A seam or a shadow that touches a thing widens its frame, and then each part is held against another part of what the
references show. So a thing counts as odd as it looks in the frame that becomes it best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.expert import Measured
from alarm_agents.tools.likeness import Bank, Compares, Descriptors
from alarm_agents.tools.scene import Colours, Ground, Thing, gray, lasting, small, thinned
from alarm_agents.types import Fact

SIDE, PARTS, BINS = 32, 4, 8  # pixels a side of a cut-out, parts a side, directions of edges
DEPTH = BINS + 3
MOST = 12  # things looked at in a frame, the largest
EVERY = 2  # frames from one look to the next: looks change less than places do
STUDIED = 150  # frames a run that are learned from at most
ALIKE = 0.05  # distance of descriptors under which parts look the same
LEAST = 0.5  # times usual; see geometry
DOUBTED = 2.0  # times usual; what looks odder is framed anew before it is said
PULLED = (0.06, 0.12)  # of a thing's width or height; by how much one side of its frame is pulled in
FLAT = 10.0  # grey levels; added to a cut-out's contrast, so that noise on flat things is not taken for edges


class Appearance(Compares):
    """The appearance expert. It says nothing before references have taught it."""

    name = "appearance"
    score = "look"
    alike = ALIKE

    def begin(self) -> None:
        """Forget what was seen so far: a new stream starts."""
        self._frames, self._last = 0, LEAST
        self._before: tuple[Thing, ...] = ()

    def measure(self, frames: Sequence[Picture], overlap: int) -> Measured:
        """`look` of the oddest thing that lasts, in times as unlike the references as usual, at least `LEAST`.

        One value a frame from `overlap` on; only every second frame is looked at, the others take its value.
        """
        if self._ground is None or self._bank is None or len(frames) < 2:  # one picture alone shows nothing that lasts
            return Measured({}, ())
        looks, oddest = [], None
        for picture in frames[overlap:]:
            if self._frames % EVERY == 0:
                now = self._ground.things(picture)
                things = _worth(lasting(now, self._before))
                self._before = now
                found = _oddest(self._bank, small(picture), things)
                self._last = LEAST if found is None else max(LEAST, found[0])
                if found is not None and (oddest is None or found[0] > oddest[0]):
                    oddest = *found, picture
            self._frames += 1
            looks.append(self._last)
        return Measured({"look": tuple(looks)}, () if oddest is None else (_fact(*oddest),))

    def _described(self, ground: Ground, run: Sequence[Picture]) -> Descriptors:
        return _looks([(small(picture), _worth(ground.things(picture))) for picture in thinned(run, STUDIED)])


def _oddest(bank: Bank, image: Colours, things: Sequence[Thing]) -> tuple[float, Thing] | None:
    """How odd the oddest thing looks, framed as becomes it best, in times usual; and the thing. None without any."""
    values = bank.unlike(_looks([(image, things)]))
    oddest: tuple[float, Thing] | None = None
    for place in np.argsort(-values):
        value = float(values[place])
        if oddest is not None and value <= oddest[0]:  # another frame would only make it less odd
            break
        if value >= DOUBTED:
            value = float(bank.unlike(_looks([(image, _reframed(things[place]))])).min(initial=value))
        if oddest is None or value > oddest[0]:
            oddest = value, things[place]
    return oddest


def _reframed(thing: Thing) -> list[Thing]:
    """The thing in frames of which one side is pulled in."""
    x0, y0, x1, y1 = thing.box
    frames = []
    for share in PULLED:
        dx, dy = math.ceil(share * (x1 - x0)), math.ceil(share * (y1 - y0))
        frames += [(x0 + dx, y0, x1, y1), (x0, y0 + dy, x1, y1), (x0, y0, x1 - dx, y1), (x0, y0, x1, y1 - dy)]
    return [replace(thing, box=frame) for frame in frames if frame[0] < frame[2] and frame[1] < frame[3]]


def _worth(things: Sequence[Thing]) -> list[Thing]:
    return [thing for thing in things if thing.counts][:MOST]


def _looks(found: Sequence[tuple[Colours, Sequence[Thing]]]) -> Descriptors:
    """The things of some pictures (h, w, 3) of working size, described; (n, PARTS * PARTS, DEPTH)."""
    cuts = [_cut(image, thing) for image, things in found for thing in things]
    if not cuts:
        return np.empty((0, PARTS * PARTS, DEPTH), np.float32)
    # All below one another in one picture, each framed by its own mirrored edges: one by one it takes longer.
    column = np.concatenate([cv2.copyMakeBorder(cut, 1, 1, 1, 1, cv2.BORDER_REFLECT_101) for cut in cuts])
    lab = np.asarray(cv2.cvtColor(column, cv2.COLOR_BGR2LAB), np.float32)
    slopes = (np.asarray(cv2.Sobel(lab[..., 0], cv2.CV_32F, *along), np.float32) for along in ((1, 0), (0, 1)))
    lab, across, down = (_unframed(each, len(cuts)) for each in (lab, *slopes))
    light = lab[..., 0].reshape(len(cuts), -1)
    contrast = (light.std(axis=1) + np.float32(FLAT))[:, None, None]
    size = PARTS, len(cuts) * PARTS
    tone = cv2.resize(lab, size, None, 0, 0, cv2.INTER_AREA).reshape(len(cuts), -1, 3)
    bright = (tone[..., :1] - light.mean(axis=1)[:, None, None]) / contrast
    edges = _edges(across, down).reshape(len(cuts), -1, BINS) / (contrast * SIDE)
    return np.concatenate([edges, bright, (tone[..., 1:] - 128) / 32], axis=2).astype(np.float32)


def _cut(image: Colours, thing: Thing) -> Colours:
    """A thing in its frame (h, w, 3), cut out; (SIDE, SIDE, 3)."""
    x0, y0, x1, y1 = thing.box
    return np.asarray(cv2.resize(image[y0:y1, x0:x1], (SIDE, SIDE), None, 0, 0, cv2.INTER_AREA), np.uint8)


def _unframed(column: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A column of `count` framed pictures without the frames; (count * SIDE, SIDE, ...)."""
    framed = column.reshape(count, SIDE + 2, SIDE + 2, *column.shape[2:])
    return np.ascontiguousarray(framed[:, 1:-1, 1:-1]).reshape(count * SIDE, SIDE, *column.shape[2:])


def _edges(across: NDArray[np.float32], down: NDArray[np.float32]) -> NDArray[np.float64]:
    """How strong edges in each direction are in each part of a column of pictures (h, SIDE), flat."""
    length, turn = cv2.cartToPolar(across, down)
    way = (np.asarray(turn) * (BINS / np.pi)).astype(int) % BINS
    row, column = (np.arange(side) * PARTS // SIDE for side in across.shape)
    place = (row[:, None] * PARTS + column) * BINS + way
    count = across.size // (SIDE // PARTS) ** 2 * BINS
    return np.asarray(np.bincount(place.ravel(), np.asarray(length).ravel(), count), np.float64)


def _fact(value: float, thing: Thing, picture: Picture) -> Fact:
    return Fact(
        subject="thing",
        attribute="look",
        value=float(f"{value:.3g}"),
        unit="times usual",
        text=f"something looks {value:.2g} times as unlike the references as things usually do",
        region=thing.region(gray(picture).shape),
        time=picture.time,
        perceiver="appearance",
        measure="appearance.look",
    )
