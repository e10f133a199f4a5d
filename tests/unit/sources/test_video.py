"""What only videos do: time stamps, reduced rates, damage, rotation."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources import video
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.timeline import Place, Timeline
from alarm_agents.sources.video import VideoSource

Writer = Callable[..., Path]
SEEK = video._sought


def opened(path: Path, **keys: object) -> VideoSource:
    return VideoSource(path, SourceSettings.model_validate({"fps": 20, **keys}), name=path.name)


def until_error(source: VideoSource) -> tuple[list[Picture], str]:
    found: list[Picture] = []
    with pytest.raises(SourceError) as caught:
        found.extend(source.frames())  # keeps what came before the error
    return found, str(caught.value)


def test_a_lower_rate_keeps_the_first_frame_of_each_tick(streams: dict[str, Path]) -> None:
    source = opened(streams["video"], fps=8)
    frames = list(source.frames())
    ticks = [next(i for i in range(60) if i / 20 >= n / 8 - 1e-9) for n in range(24)]
    assert [frame.index for frame in frames] == ticks
    assert {frame.fps for frame in frames} == {8.0}
    assert [frame.index for frame in source.read(0, 12)] == [i for i in ticks if i <= 12]
    assert [frame.index for frame in source.read(51, 57, every=True)] == list(range(51, 58))
    assert [frame.index for frame in source.read(52, 60)] == [i for i in ticks if i >= 52]


def test_never_more_frames_than_native(streams: dict[str, Path]) -> None:
    source = opened(streams["video"], fps=50)
    assert source.fps == 20.0
    assert len(list(source.frames())) == 60


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.avi", "libx264"), ("b.avi", "mpeg4"), ("a.h264", "libx264")],
)
def test_containers_agree_on_numbers_and_times(
    video_writer: Writer, tmp_path: Path, name: str, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(video_writer(tmp_path / name, codec=codec), fps=25)
    frames = list(source.frames())
    rate = frames[0].fps
    assert [frame.index for frame in frames] == list(range(60))
    assert [frame.time for frame in frames] == pytest.approx([i / rate for i in range(60)], abs=0.002)
    sought: list[object] = []

    def spy(*given: Any) -> object:
        sought.append(SEEK(*given))
        return sought[-1]

    monkeypatch.setattr(video, "_sought", spy)
    again = source.read(52, 59, max_side=640)
    assert any(sought) or name == "a.h264"  # which cannot be sought in
    assert all(np.array_equal(a.image, b.image) for a, b in zip(again, frames[52:60], strict=True))


def test_an_avi_with_empty_slots_keeps_its_times(tmp_path: Path) -> None:
    slots = [*range(20), *range(20, 80, 6)]  # as of a camera that dropped pictures
    with av.open(str(tmp_path / "dropped.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for slot in slots:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), slot, np.uint8), format="bgr24")
            frame.pts = slot
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = opened(tmp_path / "dropped.avi", fps=10)
    frames = list(source.frames())
    assert [frame.time for frame in frames] == pytest.approx([slot / 10 for slot in slots])
    assert [frame.time for frame in source.read(22, 24)] == pytest.approx([3.2, 3.8, 4.4])


@pytest.mark.parametrize(("name", "options"), [("cut.mp4", {"movflags": "faststart"}), ("cut.mkv", {})])
def test_a_cut_off_video_is_read_as_far_as_it_goes(
    video_writer: Writer, tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    path = video_writer(tmp_path / name, options=options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    frames, message = until_error(opened(path))
    assert 10 < len(frames) < 40
    assert f"ends early at {frames[-1].time:.1f} s of 3.0 s" in message
    assert "cut." in message


def test_damage_in_the_middle_is_not_silent(video_writer: Writer, tmp_path: Path) -> None:
    path = video_writer(tmp_path / "hurt.mp4")
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][30]
        assert packet.pos is not None
        place, size = packet.pos, packet.size
    content = bytearray(path.read_bytes())
    content[place : place + min(size, 60)] = b"\xff" * min(size, 60)
    path.write_bytes(content)
    frames, message = until_error(opened(path))
    assert 50 < len(frames) < 60
    assert frames[-1].time > 2.5
    assert "damaged, the first after" in message


def test_pictures_stand_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(-90)  # recorded with the camera turned: show it turned clockwise
        image = np.zeros((64, 96, 3), np.uint8)
        image[:16] = 255
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    shown = next(opened(path).frames()).image
    assert shown.shape == (96, 64, 3)
    assert shown[:, -4].mean() > 200 > 50 > shown[:, 4].mean()


def test_a_playlist_is_refused_whatever_its_name(streams: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "innocent.mp4"
    path.write_text(f"ffconcat version 1.0\nfile '{streams['video']}'\n")
    with pytest.raises(SourceError, match="not a video"):
        opened(path)


stamps = st.lists(st.none() | st.integers(-1000, 100_000), min_size=1, max_size=40)


def walk(timeline: Timeline, pts: list[int | None], last: Place | None = None) -> list[Place]:
    places = []
    for stamp in pts:
        last = timeline.follow(last, stamp)
        places.append(last)
    return places


@given(pts=stamps, fps=st.integers(1, 60), stamped=st.booleans(), split=st.integers(0, 40))
def test_time_always_goes_forward_and_ticks_are_met_once(
    pts: list[int | None], fps: int, stamped: bool, split: int
) -> None:
    timeline = Timeline(Fraction(30), Fraction(1, 1000), stamped, Fraction(fps))
    places = walk(timeline, pts)
    assert places[0].time == 0
    assert all(a.time < b.time for a, b in pairwise(places))
    assert [place.index for place in places] == list(range(len(pts)))
    assert sum(place.kept for place in places) <= places[-1].time * fps + 1 + Fraction(fps, 1000)
    resumed = walk(timeline, pts[split + 1 :], places[split] if split < len(places) else None)
    assert resumed == places[split + 1 :]


def test_time_goes_on_where_two_recordings_are_joined() -> None:
    timeline = Timeline(Fraction(10), Fraction(1, 1000), stamped=True, fps=None)
    places = walk(timeline, [500, 600, 700, 100, 200, None, 400])
    assert [float(place.time) for place in places] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
