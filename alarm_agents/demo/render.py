"""Rendering a clip of the walkway: who comes by and when, drawn frame by frame, and labels of what is odd.

Everything follows from the seed. The place is the same for every seed; people, light and sensor noise are not.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.demo import place
from alarm_agents.demo.figures import RUN, WALK, Gait, Looks, Pen, cyclist, person, shadow
from alarm_agents.demo.place import HEIGHT, WIDTH, Colour, Image, Spot
from alarm_agents.sources.encode import encode

FPS = 10
WALKING, SPREAD = 1.35, 0.13  # metres a second; and the standard deviation of its log from one person to the next
SLOWEST, FASTEST = 0.95, 1.8  # metres a second; bounds of walking
GAP = 2.0  # seconds from one arrival to the next, on average
TOGETHER = 0.25  # share of arrivals that are two people side by side
BEFORE = 30.0  # seconds before the clip from which people have been coming
EDGE = 25.0  # pixels outside the picture where people come and go
NOISE = 2.2  # grey levels; standard deviation of the sensor's noise
DRIFT, DRIFT_SECONDS = 0.04, 47.0  # share by which the light comes and goes, and its period

Kind = Literal["walker", "runner", "cyclist"]
Oddity = Literal["runner", "cyclist"]

SHIRTS: tuple[Colour, ...] = (
    *((58, 60, 178), (158, 96, 44), (70, 70, 70), (222, 222, 216), (64, 128, 60), (52, 170, 206)),
    *((140, 70, 120), (36, 38, 44), (190, 150, 90), (96, 120, 200)),
)
TROUSERS: tuple[Colour, ...] = ((92, 62, 40), (48, 46, 46), (70, 84, 98), (120, 84, 58), (66, 96, 128), (34, 34, 38))
SKINS: tuple[Colour, ...] = ((150, 184, 224), (110, 146, 194), (72, 98, 146), (50, 66, 96))
HAIRS: tuple[Colour, ...] = ((28, 30, 34), (38, 62, 94), (90, 140, 176), (120, 122, 126), (20, 34, 56))


@dataclass(frozen=True)
class Anomaly:
    """Something that does not belong here: what, and when it enters the picture."""

    kind: Oddity
    start: float
    """Seconds from the start of the clip."""
    speed: float
    """Metres a second; people walk at `WALKING`."""
    row: float = 150.0
    """Row of the picture in which its feet are; larger is nearer."""
    ahead: Literal[1, -1] = 1
    """1 to the right, -1 to the left."""


@dataclass(frozen=True)
class Span:
    """A stretch of the clip in which an anomaly is to be seen, in seconds; its end is not included."""

    kind: Oddity
    start: float
    end: float


@dataclass(frozen=True)
class Actor:
    """Somebody on a straight way through the place."""

    kind: Kind
    looks: Looks
    enters: float  # seconds; when it passes the picture's edge
    depth: float  # metres from the camera on entering
    ahead: int
    speed: float  # metres a second
    slant: float = 0.0  # radians by which the way leads towards the camera
    sway: float = 0.0  # share by which the speed comes and goes
    rhythm: float = 0.0  # radians; where in that it begins

    def gone(self, time: float) -> float:
        """Metres covered since it entered."""
        since, turn = time - self.enters, 0.9
        return self.speed * (since + self.sway / turn * (math.cos(self.rhythm) - math.cos(turn * since + self.rhythm)))

    def at(self, time: float) -> Spot:
        """Where its feet are."""
        gone, edge = self.gone(time), WIDTH / 2 + EDGE
        across = self.ahead * (gone * math.cos(self.slant) - edge * self.depth / place.FOCAL)
        return place.project(across, self.depth - gone * math.sin(self.slant))

    def seen(self, time: float) -> bool:
        """Whether its middle is in the picture."""
        return time >= self.enters and 0 <= self.at(time).x < WIDTH

    def near(self, time: float) -> bool:
        """Whether any of it can be in the picture."""
        return time >= self.enters and -2 * EDGE <= self.at(time).x < WIDTH + 2 * EDGE

    def draw(self, canvas: Image, time: float) -> None:
        """Draw it as it looks at that time."""
        pen, gaits = Pen(canvas, self.at(time), self.ahead), {"walker": WALK, "runner": RUN}
        gait: Gait | None = gaits.get(self.kind)
        if gait is None:
            cyclist(pen, self.looks, self.gone(time))
        else:
            person(pen, self.looks, gait, self.gone(time) + 5 * self.rhythm)


def render_walkway(file: Path, *, seconds: float, seed: int, anomalies: Sequence[Anomaly] = ()) -> NDArray[np.int_]:
    """Write the clip to `file` (MP4) and its labels beside it (CSV with frame and label); returns the labels.

    A frame is labelled 1 while the middle of an anomaly is in the picture. Both files appear whole or not at all.
    """
    found = labels(anomalies, seconds)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{os.getpid()}-{file.name}")
    try:
        encode(unfinished, frames(seconds, seed, anomalies), FPS)
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    with unfinished.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("frame", "label"), *enumerate(found.tolist())])
    os.replace(unfinished, labels_file(file))
    return found


def labels_file(file: Path) -> Path:
    """Where the labels of a clip are."""
    return file.with_suffix(".csv")


def labels(anomalies: Sequence[Anomaly], seconds: float) -> NDArray[np.int_]:
    """1 for each frame in which an anomaly is to be seen, else 0."""
    found = np.zeros(round(seconds * FPS), np.int_)
    for span in spans(anomalies, seconds):
        found[round(span.start * FPS) : round(span.end * FPS)] = 1
    return found


def spans(anomalies: Sequence[Anomaly], seconds: float) -> list[Span]:
    """When each anomaly is to be seen, in the anomalies' order; those that never are in the clip are left out."""
    found = []
    for anomaly in anomalies:
        actor = _odd_one(anomaly, np.random.default_rng(0))
        seen = [index for index in range(round(seconds * FPS)) if actor.seen(index / FPS)]
        if seen:
            found.append(Span(anomaly.kind, seen[0] / FPS, (seen[-1] + 1) / FPS))
    return found


def cast(seconds: float, seed: int, anomalies: Sequence[Anomaly] = ()) -> list[Actor]:
    """All who come by, those who walk first."""
    rng = np.random.default_rng([seed, 1])
    found: list[Actor] = []
    time = -BEFORE
    while (time := time + rng.exponential(GAP)) < seconds:
        first = _walker(rng, time)
        found.append(first)
        if rng.random() < TOGETHER:
            found.append(_companion(rng, first))
    rng = np.random.default_rng([seed, 2])  # so that walkers are the same with anomalies and without
    return [*found, *(_odd_one(anomaly, rng) for anomaly in anomalies)]


def frames(seconds: float, seed: int, anomalies: Sequence[Anomaly] = ()) -> Iterator[Image]:
    """The clip's pictures (HEIGHT, WIDTH, 3), BGR."""
    actors, phase = cast(seconds, seed, anomalies), np.random.default_rng([seed, 3]).uniform(0, 2 * math.pi)
    for index in range(round(seconds * FPS)):
        time = index / FPS
        small = cv2.resize(_scene(actors, time), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
        light = 1 + DRIFT * math.sin(2 * math.pi * time / DRIFT_SECONDS + phase)
        rng = np.random.default_rng([seed, 4, index])
        noise = rng.standard_normal(small.shape, np.float32) * NOISE
        yield np.clip(np.rint(small * light + noise), 0, 255).astype(np.uint8)


def _scene(actors: Sequence[Actor], time: float) -> Image:
    """The place with all who are in it, far ones first, at `FINE` times the size."""
    present = sorted((actor for actor in actors if actor.near(time)), key=lambda actor: actor.at(time).row)
    canvas = _shaded(present, time)
    fixed = [(place.LAMP.row, place.lamp_post), (place.PLANTER.row, place.planter)]
    for actor in present:
        while fixed and fixed[0][0] <= actor.at(time).row:
            fixed.pop(0)[1](canvas)
        actor.draw(canvas, time)
    for _, draw in fixed:
        draw(canvas)
    return canvas


def _shaded(present: Sequence[Actor], time: float) -> Image:
    backdrop = place.backdrop()
    mask = np.zeros(backdrop.shape[:2], np.uint8)
    for actor in present:
        shadow(mask, actor.at(time), 1.6 if actor.kind == "cyclist" else 1.0)
    kept = 255 - (np.asarray(cv2.blur(mask, (5, 5)), np.uint16) * 95 // 255).astype(np.uint8)
    return np.asarray(cv2.multiply(backdrop, cv2.merge([kept, kept, kept]), scale=1 / 255), np.uint8)


def _walker(rng: np.random.Generator, enters: float) -> Actor:
    speed = float(np.clip(WALKING * math.exp(rng.normal(0, SPREAD)), SLOWEST, FASTEST))
    depth = place.depth_of(rng.uniform(place.WALK_FAR, place.WALK_NEAR))
    ahead = 1 if rng.random() < 0.5 else -1
    slant, sway, rhythm = rng.normal(0, 0.03), rng.uniform(0.02, 0.08), rng.uniform(0, 2 * math.pi)
    return Actor("walker", _looks(rng), enters, depth, ahead, speed, float(slant), float(sway), float(rhythm))


def _companion(rng: np.random.Generator, first: Actor) -> Actor:
    """Somebody who walks beside another, at the same pace but with other steps."""
    row = float(np.clip(place.project(0, first.depth).row + 10, place.WALK_FAR, place.WALK_NEAR))
    late = float(rng.uniform(0.1, 0.5))
    way = {"depth": place.depth_of(row), "enters": first.enters + late, "rhythm": float(rng.uniform(0, 2 * math.pi))}
    return Actor("walker", _looks(rng), ahead=first.ahead, speed=first.speed, slant=first.slant, sway=first.sway, **way)


def _odd_one(anomaly: Anomaly, rng: np.random.Generator) -> Actor:
    depth = place.depth_of(anomaly.row)
    before = EDGE * depth / place.FOCAL / anomaly.speed  # so that it is at the picture's edge at its start
    return Actor(anomaly.kind, _looks(rng), anomaly.start - before, depth, anomaly.ahead, anomaly.speed)


def _looks(rng: np.random.Generator) -> Looks:
    def one(colours: Sequence[Colour]) -> Colour:
        b, g, r = colours[int(rng.integers(len(colours)))]
        tone = float(rng.uniform(0.88, 1.12))
        return b * tone, g * tone, r * tone

    height = float(np.clip(rng.normal(1.72, 0.08), 1.52, 1.92))
    return Looks(height, one(SHIRTS), one(TROUSERS), one(SKINS), one(HAIRS), bool(rng.random() < 0.3))
