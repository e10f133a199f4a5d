"""Pictures as a video that every browser plays, by PyAV (FFmpeg)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np

from alarm_agents.sources.regions import Image


def encode(
    target: Path | BinaryIO, pictures: Iterable[Image], fps: float, *, quality: int = 18, preset: str = "veryfast"
) -> None:
    """Write pictures (h, w, 3), BGR, all of one size, as MP4: H.264 where PyAV has the encoder, else MPEG-4.

    `quality` is x264's constant rate factor (0 to 51, lower is better), `preset` its effort for a small file. An odd
    last row or column is left out. To the eye the same on every run. Raises `av.FFmpegError` or `OSError` when it
    cannot be written.
    """
    codec, options = "libx264", {"crf": str(quality), "preset": preset, "threads": "1"}
    if codec not in av.codecs_available:
        codec, options = "mpeg4", {"qscale": "3", "threads": "1"}
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(str(target) if isinstance(target, Path) else target, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt, stream.gop_size = "yuv420p", round(3 * fps)
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
            # FFmpeg's own conversion of colours hangs on how memory is aligned, and would differ from run to run.
            planes = np.asarray(
                cv2.cvtColor(picture[: stream.height, : stream.width], cv2.COLOR_BGR2YUV_I420), np.uint8
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
