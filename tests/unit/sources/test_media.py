"""Frames between two times: from memory where they are there, else read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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


@pytest.mark.parametrize("fps", [5, RATE])
@pytest.mark.parametrize("kept", [0, 3])
def test_the_stretches_before_a_window_are_the_windows_that_were_judged(tmp_path: Path, fps: int, kept: int) -> None:
    source = VideoSource(write_video(tmp_path / "clip.mp4"), SourceSettings(fps=fps), name="clip")
    media = Media(source, 640)
    found = list(cut(source.frames(), source=source.slug, size=3, step=3))
    for window, frames, _ in found[:kept]:
        media.keep(window, frames)
    windows = [window for window, _, _ in found]
    assert [earlier for earlier, _ in media.before(windows[3], 2)] == windows[1:3]
    assert [earlier for earlier, _ in media.before(windows[1], 2)] == windows[:1]  # the stream begins there
    assert media.before(windows[0], 2) == []
    earlier, held = media.before(windows[3], 1)[0]
    assert [picture.index for picture in held.pictures(earlier)] == list(windows[2].frames)


def test_nothing_is_before_an_interruption_and_of_a_live_stream_nothing_that_is_gone(tmp_path: Path) -> None:
    source = Gone(VideoSource(write_video(tmp_path / "clip.mp4"), SourceSettings(), name="clip"))
    taken = [replace(frame, stretch=int(frame.time >= 0.8)) for frame in source.frames()]
    windows = list(cut(taken, source=source.slug, size=4, step=4))
    media = Media(source, 640)
    for window, frames, _ in windows[1:5]:
        media.keep(window, frames)
    names = [window.id for window, _, _ in windows]
    assert (
        [[earlier.id for earlier, _ in media.before(window, 2)] for window, _, _ in windows[1:5]]
        == [
            [],  # the first one was not kept
            [],  # after the interruption
            names[2:3],
            names[2:4],
        ]
    )
