"""Live sources against a real camera on loopback, read by PyAV: losses, stalls, garbage, slow readers, secrets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from tenacity import wait_none

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.address import Address, is_live, parse
from alarm_agents.sources.connection import pictures
from alarm_agents.sources.live import LiveSource
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.windows import cut
from support.clips import clip, write_video
from support.mjpeg import DROP, GARBAGE, STALL, Camera, camera

FRAMES = clip(12)
QUICK = partial(pictures, silence=0.5, back_off=wait_none(), rest=0.0)
"""A connection that takes nothing for hung sooner, and tries again at once."""


def source(url: str, patience: float = 60.0, **keys: object) -> LiveSource:
    settings = SourceSettings.model_validate({"fps": 240, "frames": 64, **keys})
    return LiveSource(parse(url), settings, patience=patience, settling=0.0, connection=QUICK)


@pytest.fixture
def cam() -> Iterator[Camera]:
    with camera(FRAMES) as served:
        yield served


def test_gives_the_pictures_as_they_come_and_ends_when_stopped(cam: Camera) -> None:
    live = source(cam.url)
    found: list[Picture] = []
    for picture in live.frames():
        found.append(picture)
        if len(found) == 5:
            live.stop()
    assert [picture.index for picture in found] == [0, 1, 2, 3, 4]
    times = [picture.time for picture in found]
    assert times == sorted(set(times))
    assert times[0] > 1.7e9  # Unix seconds
    assert {picture.image.shape for picture in found} == {(120, 160, 3)}
    assert all(abs(picture.image.mean() - FRAMES[0].mean()) < 3 for picture in found)


@pytest.mark.parametrize("how", [DROP, STALL, GARBAGE])
def test_comes_back_after_a_loss_as_a_new_stretch(how: str, cam: Camera, caplog: pytest.LogCaptureFixture) -> None:
    stream = source(cam.url).frames()
    first = next(stream)
    cam.then(how)
    found = first
    for found in stream:
        if found.stretch != first.stretch:
            break
    assert found.time > first.time
    assert cam.viewers >= 2
    stream.close()
    said = " ".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "the connection is lost" in said
    assert "the pictures are back" in said


def test_a_camera_that_is_not_there_is_told_while_it_is_waited_for(cam: Camera) -> None:
    cam.then(STALL)
    live = source(cam.url, patience=0.05)
    stream = live.frames()
    notices = list(islice(stream, 3))
    assert all(notice.lost >= 0.05 and not notice.image.any() for notice in notices)
    assert [notice.lost for notice in notices] == sorted(notice.lost for notice in notices)
    for before, after in pairwise(notices):  # they stand for all the time that passes
        assert before.time + 1 / before.fps == pytest.approx(after.time, abs=1e-5)
    windows = list(cut(notices, source="s", size=16, step=16))
    assert [(len(window.frames), overlap) for window, _, overlap in windows] == [(1, 0)] * 3
    assert next(picture for picture in stream if not picture.lost).image.any()
    stream.close()


def test_gives_up_where_the_scenario_says_so() -> None:
    live = source("http://127.0.0.1:9/video", patience=0.02, give_up_s=0.05)
    with pytest.raises(SourceError, match=r"no picture for .*source\.give_up_s"):
        list(live.frames())


def test_a_slow_reader_misses_pictures_and_does_not_lag() -> None:
    read, sent = threading.Event(), threading.Event()

    def burst(_: Address, stopped: threading.Event) -> Iterator[tuple[VideoFrame, bool]]:
        for index in range(40):
            clock.now += 0.1
            yield av.VideoFrame.from_ndarray(np.full((32, 48, 3), index, np.uint8), format="bgr24"), index == 0
            if index == 0:
                read.wait()
        sent.set()
        stopped.wait()

    clock = Clock()
    settings = SourceSettings(fps=10, frames=4)
    live = LiveSource(parse("rtsp://cam/1"), settings, clock=clock, patience=1e6, settling=0.0, connection=burst)
    stream = live.frames()
    assert next(stream).image[0, 0, 0] == 0
    read.set()
    sent.wait()
    found = list(islice(stream, 4))
    assert [int(picture.image[0, 0, 0]) for picture in found] == [36, 37, 38, 39]
    assert [picture.index for picture in found] == [1, 2, 3, 4]
    stream.close()


class Clock:
    """A clock that a test turns."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def scripted(steps: list[tuple[float, bool]], clock: Clock) -> Callable[..., Iterator[tuple[VideoFrame, bool]]]:
    """A connection whose pictures come so many seconds after the one before, some of them on a new connection."""

    def run(_: Address, stopped: threading.Event) -> Iterator[tuple[VideoFrame, bool]]:
        for number, (after, fresh) in enumerate(steps):
            clock.now += after
            yield av.VideoFrame.from_ndarray(np.full((32, 48, 3), number, np.uint8), format="bgr24"), fresh
        raise SourceError("the end")

    return run


def numbers(steps: list[tuple[float, bool]], settling: float = 0.5) -> list[tuple[int, int]]:
    """Which of the pictures are given, and their stretch."""
    clock = Clock()
    live = LiveSource(
        parse("0"),
        SourceSettings(fps=10, frames=1000),
        clock=clock,
        patience=1e6,
        settling=settling,
        connection=scripted(steps, clock),
    )
    found: list[tuple[int, int]] = []
    with pytest.raises(SourceError, match="the end"):
        found.extend((int(picture.image[0, 0, 0]), picture.stretch) for picture in live.frames())
    return found


def test_keeps_the_scenarios_rate_of_a_faster_camera() -> None:
    given = numbers([(0.04, i == 0) for i in range(251)], settling=0.0)
    assert len(given) == pytest.approx(100, abs=2)  # 25 pictures a second: two of five


def test_what_was_held_back_is_passed_over_and_not_measured_against() -> None:
    steady = [(0.1, i == 0) for i in range(20)]
    backlog = [(3.0, False), *[(0.001, False)] * 15]
    given = numbers(steady + backlog + steady[1:])
    assert {stretch for number, stretch in given if number < 20} == {1}
    assert {stretch for number, stretch in given if number >= 20} == {2}
    assert not {number for number, _ in given} & {0, 1, 2, 3, *range(20, 39)}


def test_a_slow_camera_has_no_hiccups() -> None:
    assert [stretch for _, stretch in numbers([(2.0, i == 0) for i in range(12)])] == [1] * 11


def test_reads_again_what_it_still_holds_masked_and_in_full_size(cam: Camera) -> None:
    live = source(cam.url, max_side=80, masks=["0,0,0.5,0,0.5,1,0,1"])
    stream = live.frames()
    given = [picture for picture, _ in zip(stream, range(4), strict=False)]
    stream.close()
    (again,) = live.read(1, 1)
    assert again.image.shape == (120, 160, 3)
    assert not again.image[:, :79].any()
    assert again.image[:, 82:].any()
    assert [np.array_equal(a.image, b.image) for a, b in zip(live.read(0, 2, max_side=80), given, strict=False)] == [
        True
    ] * 3
    assert live.read(900, 950) == []
    window = next(cut(given, source="s", size=4, step=4))[0]
    media = Media(live, 80)
    media.keep(window, given)
    assert {picture.image.shape for picture in media.native(window, before=3.0)} == {(120, 160, 3)}
    live._held.clear()  # as after minutes
    assert {picture.image.shape for picture in media.native(window)} == {(60, 80, 3)}


def test_pictures_before_an_interruption_are_no_context() -> None:
    def picture(index: int) -> Picture:
        return Picture(np.zeros((8, 8, 3), np.uint8), index, index / 10, 10.0, stretch=index // 6)

    windows = [
        (window.frames, overlap) for window, _, overlap in cut(map(picture, range(14)), source="s", size=4, step=4)
    ]
    assert windows == [((0, 1, 2, 3), 0), ((4, 5), 1), ((6, 7, 8, 9), 0), ((10, 11), 1), ((12, 13), 0)]


@pytest.mark.parametrize(
    ("path", "name", "slug"),
    [
        ("0", "0", "camera-0"),
        ("/dev/video2", "/dev/video2", "camera-2"),
        ("rtsp://me:pa%20ss@cam.local:554/live/1?channel=1&pwd=123", None, None),
        ("http://[::1]:80/a?user=me&token=5", None, None),
    ],
)
def test_names_and_slugs_keep_no_secret(path: str, name: str | None, slug: str | None) -> None:
    address = parse(path)
    assert is_live(path)
    assert name in (None, address.name)
    assert slug in (None, address.slug)
    for secret in ("pa%20ss", "me:", "me@", "123", "user=me"):
        assert secret not in repr(address)
    assert parse(address.name).slug == address.slug  # what records keep can be opened again


def test_two_channels_of_one_host_are_two_sources() -> None:
    assert parse("rtsp://cam/real?channel=1").slug != parse("rtsp://cam/real?channel=2").slug


def test_each_start_is_a_stream_of_its_own() -> None:
    assert source("rtsp://cam/1").fingerprint != source("rtsp://cam/1").fingerprint


@pytest.mark.parametrize(
    "path", ["rtsp://me:hunter2@cam:port/1", "file:///hunter2", "http://me:hunter2@/", "gopher://hunter2"]
)
def test_refusals_keep_no_secret(path: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(path)
    assert "hunter2" not in str(caught.value)


def test_failures_keep_no_secret_and_redirections_reach_no_file(cam: Camera, caplog: pytest.LogCaptureFixture) -> None:
    address = parse(f"http://me:hunter2@{cam.host}/file?key=hunter2")
    stopped = threading.Event()
    tries = iter(range(3))

    def rest(state: object) -> float:
        if next(tries, None) is None:
            stopped.set()
        return 0.0

    assert list(pictures(address, stopped, silence=2.0, back_off=rest)) == []
    assert cam.viewers >= 3
    assert "no picture" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_recording_behind_an_address_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", FRAMES)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with pytest.raises(SourceError, match="this is a recording, not a live stream; download it"):
            next(source(f"http://127.0.0.1:{server.server_port}/clip.mp4").frames())
        server.shutdown()
