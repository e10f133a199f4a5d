"""The motion expert: how fast the fastest thing in the picture is, and how that compares with what is usual there.

Dense inverse-search optical flow (Kroeger et al., ECCV 2016; `cv2.DISOpticalFlow`) is averaged over the moving
foreground in person-sized windows; where references show the ground, what differs from it by colour alone counts, too.
References teach three things: the still background (median of each pixel), how tall moving things are in each row of
the picture (Siegel's robust line), and how fast they usually are there (median). Things are followed, and each counts
by the 80th percentile of its last second. Everything is in fractions of the picture and in seconds, so pictures of any
size and rate compare.

It cannot see things on wheels that move at walking speed, and it takes a moving camera for moving things.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.expert import Measured
from alarm_agents.tools.flow import Flow, Step, finer_length, length_of, steps_of
from alarm_agents.tools.leader import Leader, Size, size_at
from alarm_agents.tools.scene import (
    PERSON,
    ROWS,
    WORKING,
    Floats,
    Gray,
    Ground,
    Mask,
    Scene,
    gray,
    share_of,
    thinned,
)
from alarm_agents.tools.tracks import Peak, Tracks
from alarm_agents.types import Box, Fact

T = TypeVar("T")

SLIM = 0.5  # width of a window as a share of its height
FILLED = 0.4  # share of a window that moving things must fill for its mean to count in full
STILL = 0.25  # pixels a frame at working height; the noise of the flow itself
SLOWEST = 0.01  # heights/s; floor of the usual speed, so that ratios are finite where references never move
SAME = 0.6  # windows that hang together at this share of a peak's speed or more are one thing
FAST = 2.0  # times the usual speed, from which an object is worth a fact of its own
OBJECTS = 4  # followed in a frame, and told of in a window
TAUGHT = 300  # pairs of frames learned from at most: the medians asked of them are settled long before
MOVES = 0.3  # share of what is there; less that stands still is people who wait, edges and shadows
LOOKED_AT = ("speed", "ratio", "tall", "wide")  # measures that a part of the picture can be asked for
FASTER = 2.0  # times the usual speed; what is faster, though it is normal, is of another kind
STANDING = 0.002  # share of the picture that must stand out for it to be said to stand still


@dataclass(frozen=True)
class Seen:
    """The measures of one frame and its peaks, fastest first."""

    time: float
    speed: float = 0.0
    odd: float = 0.0
    moving: float = 0.0
    still: float = 0.0
    size: Size = field(default_factory=Size)
    """Of the fastest object, as far as it is known."""
    peaks: tuple[Peak, ...] = ()


class Windows:
    """Person-sized boxes around a grid of centres in a picture of h x w pixels, summed by integral image."""

    def __init__(self, h: int, w: int, height: Floats) -> None:
        columns = max(1, round(ROWS * w / h))
        y = (np.arange(ROWS)[:, None] + 0.5) / ROWS * h
        x = (np.arange(columns)[None, :] + 0.5) / columns * w
        tall = np.maximum(height[:, None] * h, 2.0)
        y0, y1 = (np.clip(np.rint(y + half * tall), 0, h).astype(int) for half in (-0.5, 0.5))
        x0, x1 = (np.clip(np.rint(x + half * SLIM * tall), 0, w).astype(int) for half in (-0.5, 0.5))
        self.shape = h, w
        self.least = FILLED * SLIM * tall**2
        # Corners as places in a flat integral image, and sides that lie together in memory: this is done every frame.
        corners = ((y1, x1), (y0, x1), (y1, x0), (y0, x0))
        self._corners = np.stack([down * (w + 1) + across for down, across in corners])
        sides = np.broadcast_arrays(x0 / w, y0 / h, x1 / w, y1 / h)
        self.sides: tuple[Floats, ...] = tuple(np.ascontiguousarray(side) for side in sides)
        self.middle: tuple[Floats, Floats] = (sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2

    def sums(self, values: Flow | NDArray[np.uint8]) -> Floats:
        """Sum values (h, w) over each window (ROWS, columns)."""
        flat = np.asarray(cv2.integral(values)).ravel()
        both, above, left, corner = flat.take(self._corners)
        return np.asarray(both - above - left + corner, np.float64)

    def means(self, length: Flow, moving: Mask) -> tuple[Floats, Mask]:
        """Average length over each window's moving pixels, less where these do not fill it; and say where they do."""
        weight = moving.view(np.uint8)
        area = self.sums(weight)
        return self.sums(length * weight) / np.maximum(area, self.least), area >= self.least

    def box(self, place: tuple[int, int]) -> Box:
        """The window's box."""
        x0, y0, x1, y1 = (float(side[place]) for side in self.sides)
        return x0, y0, x1, y1

    def apart(self, box: Box) -> Mask:
        """Which windows (ROWS, columns) share nothing with the box."""
        x0, y0, x1, y1 = self.sides
        return np.asarray((x0 >= box[2]) | (x1 <= box[0]) | (y0 >= box[3]) | (y1 <= box[1]))


class Motion:
    """The motion expert. One instance serves one stream at a time: it follows objects from window to window."""

    name = "motion"

    def __init__(self, scene: Scene | None = None) -> None:
        self._scene = scene or Scene()
        self._ground: Ground | None = None
        self._usual: Floats | None = None
        self._windows: Windows | None = None
        self._threads = ThreadPoolExecutor(2, "flow")
        self.begin()

    @property
    def score(self) -> str:
        """`ratio` (times the usual speed) with references, else `speed` (picture heights a second)."""
        return "speed" if self._usual is None else "ratio"

    def begin(self) -> None:
        """Forget the objects followed so far: a new stream starts."""
        self._tracks = Tracks()
        self._leader = Leader()

    def fit(self, references: Sequence[Sequence[Picture]]) -> None:
        """Learn ground, heights and usual speeds (the medians) from normal runs of two or more consecutive frames.

        Without a single pair of frames only the ground is learned, and without a picture nothing.
        """
        self._ground = self._usual = self._windows = None
        if not any(references):
            return
        self._ground = self._scene.learn(references)
        pairs = thinned([pair for run in references for pair in pairwise(run)], TAUGHT)
        speeds = self._each(self._speeds, (step for pair in pairs for step in steps_of(pair, self._look)))
        if speeds:
            self._usual = _usual(np.array(speeds), self._ground.height)

    def measure(self, pictures: Sequence[Picture], overlap: int) -> Measured:
        """`speed` of the fastest thing (heights/s), `moving` (share of the picture), and what references allow to say.

        With references: `still` (share in [0, 1] of what stands out that does not move), `ratio` (times the usual
        speed: of the fastest object, the 80th percentile of its last second), and `tall` and `wide` (of what leads, in
        times the usual height; 0 until it has been seen whole: what comes into the picture looks narrower). One value
        a frame from `overlap` on, of that frame against the one before it; a stream's first frame, which has none
        before it, takes the second's. A single frame alone measures nothing.
        """
        pictures = pictures[max(0, overlap - 1) :]
        seen = self._each(lambda step: self._see(length_of(step), step), steps_of(pictures, self._look))
        led = self._led(seen, pictures, self._tracks, self._leader)
        return self._measured(pictures, led, min(overlap, 1))

    def look_again(self, pictures: Sequence[Picture], region: Box) -> Measured:
        """The measures of what moves, as of `measure` without overlap, with finer flow and only within the region."""
        # OpenCV's flow object keeps buffers between calls, and several second looks run at once.
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        usual, fine = (steps_of(pictures, partial(self._look, tallest=tall)) for tall in (WORKING, 2 * WORKING))
        steps = zip(usual, fine, strict=True)
        seen = [self._see(finer_length(flow, step, fine, region), step) for step, fine in steps]
        found = self._measured(pictures, self._led(seen, pictures, Tracks(), Leader()), 0)
        # What the region leaves out does not stand still; and the numbers of these tracks are not the stream's.
        frames = {name: found.frames[name] for name in found.frames if name in LOOKED_AT}
        return Measured(frames, self._facts(seen) if seen else found.facts)

    def state(self) -> dict[str, NDArray[Any]]:
        """Give what references taught, as arrays; nothing without any."""
        if self._ground is None:
            return {}
        return {**self._ground.state(), **({} if self._usual is None else {"usual": self._usual})}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state that `state` gave."""
        self._ground = self._scene.restore(state) if state else None
        self._usual = np.array(state["usual"]) if "usual" in state else None
        self._windows = None

    def _see(self, length: Flow, step: Step) -> Seen:
        """One frame's measures from the length (h, w) of its flow in pixels."""
        moving = self._moving(length, step)
        means, _ = self._means(length, moving, step)
        odd = means if self._usual is None else means / self._usual[:, None]
        peaks = _peaks(means, odd, self._windows_of(length.shape), step.time)
        seen = Seen(step.time, float(means.max()), moving=share_of(moving), peaks=peaks)
        if self._ground is None:
            return seen
        mask = self._ground.foreground(step.picture)
        standing = share_of(mask & ~moving) / max(share_of(mask), STANDING)
        return replace(seen, still=min(1.0, max(MOVES, standing)))

    def _led(self, seen: Sequence[Seen], pictures: Sequence[Picture], tracks: Tracks, leader: Leader) -> list[Seen]:
        """A stream's next frames (the pictures after the first): objects followed, and how large the leading one is."""
        led = []
        for each, picture in zip(seen, pictures[1:], strict=True):
            peaks, oddest = tracks.follow(each.peaks, each.time), tracks.oddest(each.time)
            odd, size, track = 0.0, None, 0
            if oddest is not None:
                odd, track = oddest.at(each.time), oddest.track
                if self._ground is not None and oddest in peaks:
                    size = size_at(self._ground, picture, oddest.box)
            led.append(replace(each, peaks=peaks, odd=odd, size=leader.size(odd, track, size)))
        return led

    def _look(self, picture: Picture, tallest: int = WORKING) -> Gray:
        """What flow is computed of: grey, and where the ground is known, brighter where colour alone tells from it."""
        return gray(picture, tallest) if self._ground is None else self._ground.coloured(picture, tallest)

    def _moving(self, length: Flow, step: Step) -> Mask:
        """What moves (h, w), of what stands out from the ground where that is known."""
        moving = length > STILL
        return moving if self._ground is None else moving & self._ground.foreground(step.picture)

    def _means(self, length: Flow, moving: Mask, step: Step) -> tuple[Floats, Mask]:
        """Speed of what moves in each window in heights/s, and where there is enough of it."""
        means, filled = self._windows_of(length.shape).means(length, moving)
        return means / (len(length) * step.seconds), filled

    def _windows_of(self, shape: tuple[int, ...]) -> Windows:
        """The windows of pictures of that shape (h, w), which hardly ever changes."""
        windows = self._windows
        if windows is None or windows.shape != shape:
            height = np.full(ROWS, PERSON) if self._ground is None else self._ground.height
            windows = self._windows = Windows(shape[0], shape[1], height)
        return windows

    def _speeds(self, step: Step) -> Floats:
        """Speed in each window (ROWS, columns) that something fills, in heights/s; NaN in the others."""
        length = length_of(step)
        means, filled = self._means(length, self._moving(length, step), step)
        return np.asarray(np.where(filled, means, np.nan))

    def _each(self, work: Callable[[Step], T], steps: Iterable[Step]) -> list[T]:
        """The work on each step, in order; done by two threads, since flow takes most of a watch's time."""
        return list(self._threads.map(work, steps))

    def _measured(self, pictures: Sequence[Picture], seen: list[Seen], overlap: int) -> Measured:
        if len(pictures) < 2:  # a measure of nothing would pass for a calm one
            text = f"motion needs two frames and got {len(pictures)}: nothing was compared"
            return Measured({}, (_fact("picture", "frames compared", 0.0, text),))
        seen = [seen[0], *seen][overlap:]
        names = ("speed", "moving") if self._usual is None else ("speed", "moving", "still")
        frames = {name: tuple(float(getattr(each, name)) for each in seen) for name in names}
        if self._usual is not None:
            frames["ratio"] = tuple(each.odd for each in seen)
            frames["tall"] = tuple(each.size.tall for each in seen)
            frames["wide"] = tuple(each.size.wide for each in seen)
        return Measured(frames, self._facts(seen))

    def _facts(self, seen: list[Seen]) -> tuple[Fact, ...]:
        """Tell of lasting fast objects at their peaks, or else of the fastest motion; and how much moves."""
        share = max(each.moving for each in seen)
        peaks = sorted((peak for each in seen for peak in each.peaks), key=lambda peak: peak.odd)
        if not peaks:
            return (_share("moving", share, f"nothing moves ({share:.1%} of the picture)"),)
        lasting = {peak.track for peak in peaks if peak.sightings > 2}
        objects = {peak.track: peak for peak in peaks if peak.track in lasting}
        least = peaks[-1].odd / 2 if self._usual is None else FAST
        fast = sorted((peak for peak in objects.values() if peak.odd >= least), key=lambda peak: -peak.odd)
        told = [self._told(peak, f"object {peak.track}", "moves") for peak in fast[:OBJECTS]]
        told = told or [self._told(replace(peaks[-1], track=0), "the fastest motion", "is")]
        standing = max(each.still for each in seen)
        more = (
            () if self._usual is None else (_share("still", standing, f"{standing:.0%} of what is there stands still"),)
        )
        return (*told, _share("moving", share, f"up to {share:.1%} of the picture moves at once"), *more)

    def _told(self, peak: Peak, subject: str, verb: str) -> Fact:
        time, track = peak.time if math.isfinite(peak.time) else None, str(peak.track) if peak.track else None
        where = {"region": peak.box, "time": time, "track": track}
        measured, odd = _rounded(peak.speed), _rounded(peak.odd)
        speed = f"{measured:.2g} picture heights/s"
        if self._usual is None:
            where |= {"unit": "heights/s", "measure": "motion.speed"}
            return _fact(subject, "speed", measured, f"{subject} {verb} {speed}", **where)
        where |= {"unit": "times usual", "measure": "motion.ratio"}
        text = f"{subject} {verb} {odd:.2g} times the usual speed here ({speed})"
        return _fact(subject, "speed ratio", odd, text, **where)


def _share(name: str, value: float, text: str) -> Fact:
    unit = "share of the picture" if name == "moving" else "share of what is there"
    return _fact("picture", f"{name} share", value, text, unit=unit, measure=f"motion.{name}")


def _fact(subject: str, attribute: str, value: float, text: str, **more: Any) -> Fact:
    return Fact(subject=subject, attribute=attribute, value=_rounded(value), text=text, perceiver="motion", **more)


def _rounded(value: float) -> float:
    """To the digits that are kept, of which the words speak, too."""
    return float(f"{value:.3g}")


def _usual(speeds: Floats, height: Floats) -> Floats:
    """Usual speed (ROWS,) from the speeds (frames, ROWS, columns) of references, NaN where nothing moves.

    Found anew without what is far faster, until nothing is: where cyclists are normal they do not say how fast walkers
    are. Where that would leave less than half, speeds are of all sizes and no kind is most of it: then all count.
    """
    own = speeds / height[:, None]  # so that rows in which little moved borrow from the others in perspective
    most = own
    while (faster := most > FASTER * _row_medians(most)[:, None]).any():
        most = np.where(faster, np.nan, most)
    if 2 * np.isfinite(most).sum() < np.isfinite(own).sum():
        most = own
    return np.asarray(np.maximum(gaussian_filter1d(_row_medians(most), 2, mode="nearest") * height, SLOWEST))


def _row_medians(speeds: Floats) -> Floats:
    """The median (ROWS,) over frames of the mean over columns, of each row and those around it."""
    means = np.ma.masked_invalid(speeds).mean(axis=2).filled(np.nan)
    known = means[np.isfinite(means)]
    medians = np.full(ROWS, np.median(known) if known.size else 0.0)
    for row in range(ROWS):
        near = means[:, max(0, row - 3) : row + 4]
        near = near[np.isfinite(near)]
        if near.size >= 20:
            medians[row] = np.median(near)
    return medians


def _peaks(means: Floats, odd: Floats, windows: Windows, time: float) -> tuple[Peak, ...]:
    """Find the oddest things, oddest first: a thing's windows hang together."""
    left = odd.copy()
    found: list[Peak] = []
    while len(found) < OBJECTS and left.max() > 0:
        row, column = np.unravel_index(left.argmax(), left.shape)
        at = int(row), int(column)
        _, parts = cv2.connectedComponents((left >= SAME * left[at]).view(np.uint8), ltype=cv2.CV_16U)
        own = parts == parts[at]
        (x0, y0, x1, y1), (x, y) = windows.box(at), (middle[own] for middle in windows.middle)
        x0, y0 = min(x0, float(x.min())), min(y0, float(y.min()))
        x1, y1 = max(x1, float(x.max())), max(y1, float(y.max()))
        found.append(Peak(float(odd[at]), float(means[at]), (x0, y0, x1, y1), time))
        left[own | ~windows.apart((x0, y0, x1, y1))] = 0
    return tuple(found)
