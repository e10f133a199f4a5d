"""Generated streams of every kind, the same on every run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

COUNT, WIDTH, HEIGHT, RATE = 60, 160, 96, 20
"""Frames, pixels and native frames a second of the generated streams."""


def picture(index: int, seed: int = 0) -> NDArray[np.uint8]:
    """A bright noisy picture with a bar that moves: no two are alike, and nothing is black."""
    rng = np.random.default_rng([seed, index])
    image = rng.integers(90, 140, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image[:, (3 * index) % WIDTH : (3 * index) % WIDTH + 12] = 230
    return image


def write_video(path: Path, count: int = COUNT, options: dict[str, str] | None = None, codec: str = "libx264") -> Path:
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", 12
        container.start_encoding()  # so that a video without frames is one too
        for index in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="bgr24")))
        container.mux(stream.encode(None))
    return path


def write_folder(path: Path, count: int = COUNT, suffix: str = ".png") -> Path:
    path.mkdir(parents=True)
    for index in range(count):  # unpadded: only natural order is right
        cv2.imwrite(str(path / f"frame{index}{suffix}"), picture(index))
    return path


def write_captions(path: Path, count: int = COUNT) -> Path:
    rows = sorted(
        ((i, int(i > 30), f"frame {i}, with {i % 7} people") for i in range(count)), key=lambda row: str(row[0])
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("frame", "label", "caption"), *rows])
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {
    "video": lambda folder: write_video(folder / "clip.mp4"),
    "folder": lambda folder: write_folder(folder / "clip"),
    "captions": lambda folder: write_captions(folder / "clip.csv"),
}


@pytest.fixture(scope="session")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One stream of each kind, to be read only."""
    folder = tmp_path_factory.mktemp("streams")
    return {kind: write(folder) for kind, write in WRITERS.items()}


@pytest.fixture(scope="session")
def video_writer() -> Callable[..., Path]:
    return write_video


@pytest.fixture(scope="session")
def folder_writer() -> Callable[..., Path]:
    return write_folder


@pytest.fixture
def shared_data() -> Path:
    """The real data beside the repository; skips the test where it is not there."""
    data = Path(__file__).resolve().parents[4] / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"there is no real data at {data}")
    return data
