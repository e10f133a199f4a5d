"""Frames between two times: from memory where they are there, else read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.video import VideoSource
from alarm_agents.sources.windows import cut
from alarm_agents.types import Window

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


def cut_and_kept(
    media: Media, frames: Iterable[Picture], size: int, kept: slice
) -> tuple[list[Window], list[list[Picture]]]:
    """Windows of so many frames, and the frames of each; some of them are in the memory of `media`."""
    found = list(cut(frames, source=media.source.slug, size=size, step=size))
    for window, held, _ in found[kept]:
        media.keep(window, held)
    return [window for window, _, _ in found], [held for _, held, _ in found]


@pytest.mark.parametrize("fps", [5, RATE])
@pytest.mark.parametrize("kept", [0, 2, 100])
def test_the_same_frames_come_from_memory_and_from_the_file(tmp_path: Path, fps: int, kept: int) -> None:
    source = VideoSource(write_video(tmp_path / "clip.mp4"), SourceSettings(fps=fps), name="clip")
    media = Media(source, 640)
    windows, _ = cut_and_kept(media, source.frames(), 4, slice(kept))
    wanted = [frame.index for frame in source.frames() if 0.5 <= frame.time < 1.5]
    assert [picture.index for picture in media.between(0.5, 1.5, windows[1])] == wanted
    assert len(wanted) == fps


def test_of_a_live_stream_there_is_what_is_in_memory(tmp_path: Path) -> None:
    source = Gone(VideoSource(write_video(tmp_path / "clip.mp4"), SourceSettings(), name="clip"))
    media = Media(source, 640)
    windows, frames = cut_and_kept(media, source.frames(), 4, slice(2, 4))
    indices = [picture.index for picture in media.between(0.0, 9.0, windows[2])]
    assert indices == sorted({frame.index for held in frames[2:4] for frame in held})


@pytest.mark.parametrize("fps", [5, RATE])
@pytest.mark.parametrize("kept", [0, 3])
def test_the_stretches_before_a_window_are_the_windows_that_were_judged(tmp_path: Path, fps: int, kept: int) -> None:
    source = VideoSource(write_video(tmp_path / "clip.mp4"), SourceSettings(fps=fps), name="clip")
    media = Media(source, 640)
    windows, _ = cut_and_kept(media, source.frames(), 3, slice(kept))
    assert [earlier for earlier, _ in media.before(windows[3], 2)] == windows[1:3]
    assert [earlier for earlier, _ in media.before(windows[1], 2)] == windows[:1]  # the stream begins there
    assert media.before(windows[0], 2) == []
    earlier, held = media.before(windows[3], 1)[0]
    assert [picture.index for picture in held.pictures(earlier)] == list(windows[2].frames)


def test_nothing_is_before_an_interruption_and_of_a_live_stream_nothing_that_is_gone(tmp_path: Path) -> None:
    source = Gone(VideoSource(write_video(tmp_path / "clip.mp4"), SourceSettings(), name="clip"))
    taken = [replace(frame, stretch=int(frame.time >= 0.8)) for frame in source.frames()]
    media = Media(source, 640)
    windows, _ = cut_and_kept(media, taken, 4, slice(1, 5))
    before = [[earlier for earlier, _ in media.before(window, 2)] for window in windows[1:5]]
    assert before[0] == []  # the first one was not kept
    assert before[1] == []  # after the interruption
    assert before[2:] == [windows[2:3], windows[2:4]]
