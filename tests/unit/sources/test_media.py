"""Frames between two times: from memory where they are there, else read again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.video import VideoSource
from alarm_agents.sources.windows import cut

from .conftest import RATE, write_video


class Gone:
    """A live stream over a video: what has passed cannot be read again."""

    live, kind, slug, name = True, "frames", "camera", "camera"

    def __init__(self, inner: VideoSource) -> None:
        self.inner, self.fps = inner, inner.fps

    def frames(self) -> Iterator[Picture]:
        return self.inner.frames()

    def read(self, *_: object, **__: object) -> list[Picture]:
        raise SourceError("what has passed cannot be read again", where="camera")


@pytest.mark.parametrize("fps", [5, RATE])
@pytest.mark.parametrize("kept", [0, 2, 100])
def test_the_same_frames_come_from_memory_and_from_the_file(tmp_path: Path, fps: int, kept: int) -> None:
    source = VideoSource(write_video(tmp_path / "clip.mp4"), SourceSettings(fps=fps), name="clip")
    media = Media(source, 640)
    found = list(cut(source.frames(), source=source.slug, size=4, step=4))
    for window, frames, _ in found[:kept]:
        media.keep(window, frames)
    wanted = [frame.index for frame in source.frames() if 0.5 <= frame.time < 1.5]
    assert [picture.index for picture in media.between(0.5, 1.5, found[1][0])] == wanted
    assert len(wanted) == fps


def test_of_a_live_stream_there_is_what_is_in_memory(tmp_path: Path) -> None:
    source = Gone(VideoSource(write_video(tmp_path / "clip.mp4"), SourceSettings(), name="clip"))
    media = Media(source, 640)
    windows = list(cut(source.frames(), source=source.slug, size=4, step=4))
    for window, frames, _ in windows[2:4]:
        media.keep(window, frames)
    indices = [picture.index for picture in media.between(0.0, 9.0, windows[2][0])]
    assert indices == sorted({frame.index for _, frames, _ in windows[2:4] for frame in frames})
