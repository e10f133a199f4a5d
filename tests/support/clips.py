"""Small generated clips, the same for a seed: textured walkers on a textured ground, and later something fast.

`clip` gives the pictures; `write_folder`, `write_video` and `write_labels` put them where a source can read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
WIDTH, HEIGHT = 160, 120
WALK, RUN = 0.8, 7.0
"""Pixels a frame of a walker and of the fast thing."""


def clip(frames: int, *, fast: Iterable[int] = (), seed: int = 0, walkers: int = 3) -> list[Image]:
    """`frames` pictures (120 x 160, BGR); the fast thing crosses them in the frames whose numbers are in `fast`."""
    rng = np.random.default_rng(seed)
    ground = _texture(rng, HEIGHT, WIDTH, 70, 110)
    people = [_texture(rng, 26, 10, 130, 230) for _ in range(walkers)]
    lanes = np.linspace(30, HEIGHT - 30, walkers).astype(int)
    starts, ways = rng.uniform(0, WIDTH, walkers), np.where(np.arange(walkers) % 2, -1, 1)
    rider, there = _texture(rng, 24, 22, 0, 255), set(fast)
    pictures = []
    for index in range(frames):
        picture = ground.copy()
        for person, lane, start, way in zip(people, lanes, starts, ways, strict=True):
            _paste(picture, person, (start + way * WALK * index) % (WIDTH + 20) - 10, lane)
        if index in there:
            _paste(picture, rider, (RUN * index) % (WIDTH + 44) - 22, HEIGHT // 2)
        grain = rng.normal(0, 1.5, picture.shape)
        pictures.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
    return pictures


def write_folder(folder: Path, pictures: Sequence[Image]) -> Path:
    """The pictures as `0000.jpg` and so on."""
    folder.mkdir(parents=True)
    for index, picture in enumerate(pictures):
        # Not cv2.imwrite, which cannot write to every name that a file system allows.
        (folder / f"{index:04}.jpg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    return folder


def write_video(path: Path, pictures: Sequence[Image], fps: int = 10) -> Path:
    """The pictures as an H.264 video."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.gop_size = "yuv420p", 20
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def write_labels(path: Path, frames: int, anomalous: Iterable[int]) -> Path:
    """A CSV file frame,label for `clip(frames, fast=anomalous)`."""
    odd = set(anomalous)
    rows = "".join(f"{index},{int(index in odd)}\n" for index in range(frames))
    path.write_text("frame,label\n" + rows, encoding="utf-8")
    return path


def _texture(rng: np.random.Generator, height: int, width: int, low: int, high: int) -> Image:
    """Blotches of a few pixels: something for optical flow to hold on to."""
    noise = cv2.GaussianBlur(rng.uniform(0, 1, (height, width, 3)), (0, 0), 1.5)
    spread = (noise - noise.min()) / (noise.max() - noise.min())
    return np.asarray(low + spread * (high - low), np.uint8)


def _paste(picture: Image, thing: Image, x: float, y: int) -> None:
    """Put the thing's centre at (x, y), with sub-pixel shift, cut off at the picture's edges."""
    tall, wide = thing.shape[:2]
    left, top = int(np.floor(x - wide / 2)), y - tall // 2
    shift = np.float32([[1, 0, x - wide / 2 - left], [0, 1, 0]])
    moved = cv2.warpAffine(thing, shift, (wide, tall), borderMode=cv2.BORDER_REPLICATE)
    x0, x1, y0, y1 = max(left, 0), min(left + wide, picture.shape[1]), max(top, 0), min(top + tall, picture.shape[0])
    if x0 < x1 and y0 < y1:
        picture[y0:y1, x0:x1] = moved[y0 - top : y1 - top, x0 - left : x1 - left]
