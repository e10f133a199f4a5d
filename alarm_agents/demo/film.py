"""Filming a scene: the light comes and goes, the sensor has its noise, and the clip gets its labels."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.demo.scene import FPS, HEIGHT, WIDTH, Image, Scene, Span
from alarm_agents.sources.encode import encode

NOISE = 2.2  # grey levels; standard deviation of the sensor's noise
DRIFT, DRIFT_SECONDS = 0.04, 47.0  # share by which the light comes and goes, and its period


def shoot(scene: Scene, file: Path) -> None:
    """Write the clip to `file` (MP4) and its labels beside it; both files appear whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{os.getpid()}-{file.name}")
    try:
        encode(unfinished, frames(scene), FPS)
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    write_labels(labels_file(file), labels(scene.implanted, scene.frames))


def frames(scene: Scene, wanted: Sequence[int] | None = None) -> Iterator[Image]:
    """The clip's pictures (HEIGHT, WIDTH, 3), BGR; all of them, or those of the wanted frames."""
    rng = np.random.default_rng([scene.seed, 3])
    phase = rng.uniform(0, 2 * math.pi)
    # Each frame takes another part of one sheet of noise: new noise for each would take longer than drawing.
    sheet = rng.standard_normal((2 * HEIGHT, 2 * WIDTH, 3), np.float32) * NOISE
    for index in range(scene.frames) if wanted is None else wanted:
        time = index / FPS
        small = cv2.resize(scene.draw(time), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
        light = 1 + DRIFT * math.sin(2 * math.pi * time / DRIFT_SECONDS + phase)
        top, left = rng.integers(HEIGHT), rng.integers(WIDTH)
        noisy = cv2.scaleAdd(small, light, sheet[top : top + HEIGHT, left : left + WIDTH])
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def labels(spans: Sequence[Span], count: int) -> NDArray[np.int_]:
    """1 for each of `count` frames in which something odd is to be seen, else 0."""
    found = np.zeros(count, np.int_)
    for each in spans:
        found[round(each.start * FPS) : round(each.end * FPS)] = 1
    return found


def labels_file(file: Path) -> Path:
    """Where the labels of a clip are."""
    return file.with_suffix(".csv")


def write_labels(file: Path, found: NDArray[np.int_]) -> None:
    """Write a CSV file with the columns frame and label, whole or not at all."""
    unfinished = file.with_name(f".{os.getpid()}-{file.name}")
    with unfinished.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("frame", "label"), *enumerate(found.tolist())])
    os.replace(unfinished, file)
