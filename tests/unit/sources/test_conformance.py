"""What every source must do, whatever its kind."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from alarm_agents.settings import SourceSettings
from alarm_agents.sources import AnySource, Caption, Picture, open_source

COUNT, NATIVE = 60, 20.0
KINDS = ("video", "folder", "captions")
MASK = "0.25,0.25,0.75,0.25,0.75,0.75,0.25,0.75"


def settings(**keys: object) -> SourceSettings:
    return SourceSettings.model_validate({"fps": NATIVE, **keys})


def same(a: object, b: object) -> bool:
    if isinstance(a, Picture) and isinstance(b, Picture):
        return (a.index, a.time, a.fps) == (b.index, b.time, b.fps) and np.array_equal(a.image, b.image)
    return a == b


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(kind: str, streams: dict[str, Path]) -> AnySource:
    return open_source(str(streams[kind]), settings())


def test_says_what_it_is(source: AnySource, kind: str, streams: dict[str, Path]) -> None:
    assert source.name == str(streams[kind])
    assert source.slug == "clip"
    assert source.kind == ("captions" if kind == "captions" else "frames")
    assert source.live is False
    assert re.fullmatch(r"[0-9a-f]{64}", source.fingerprint)


def test_yields_all_frames_in_order_with_native_numbers(source: AnySource) -> None:
    frames: list[Picture | Caption] = [*source.frames()]
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert [frame.time for frame in frames] == pytest.approx([i / NATIVE for i in range(COUNT)])
    assert {frame.fps for frame in frames} == {source.fps} == {NATIVE}


def test_frames_can_be_iterated_twice(source: AnySource) -> None:
    assert all(same(a, b) for a, b in zip(source.frames(), source.frames(), strict=True))


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 15), (7, 22), (50, 58), (59, 59), (55, 90), (-5, 2)])
def test_read_gives_what_frames_gave(source: AnySource, first: int, last: int) -> None:
    fresh = source.read(first, last, max_side=640)  # before anything is known of the stream
    wanted = [frame for frame in source.frames() if first <= frame.index <= last]
    again = source.read(first, last, max_side=640)
    assert wanted
    for found in (fresh, again):
        assert all(same(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize(("first", "last"), [(60, 70), (9, 8), (-4, -1)])
def test_read_outside_the_stream_is_empty(source: AnySource, first: int, last: int) -> None:
    assert source.read(first, last) == []


def test_reads_from_several_threads_agree(source: AnySource) -> None:
    starts = [0, 40, 13, 52]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda start: source.read(start, start + 3), starts))
    assert [[frame.index for frame in part] for part in found] == [list(range(s, s + 4)) for s in starts]


def test_fingerprint_survives_copying_and_follows_content(kind: str, streams: dict[str, Path], tmp_path: Path) -> None:
    original, copy = streams[kind], tmp_path / "elsewhere" / "copy"
    copy.parent.mkdir()
    (shutil.copytree if original.is_dir() else shutil.copy)(original, copy)
    keys = settings(kind=kind)
    before = open_source(str(original), keys).fingerprint
    assert open_source(str(copy), keys).fingerprint == before
    changed = copy / "frame30.png" if copy.is_dir() else copy
    content = bytearray(changed.read_bytes())
    content[-5] ^= 1
    changed.write_bytes(content)
    assert open_source(str(copy), keys).fingerprint != before


@pytest.mark.parametrize("picture_kind", ["video", "folder"])
def test_masks_are_black_wherever_pictures_come_from(picture_kind: str, streams: dict[str, Path]) -> None:
    source = open_source(str(streams[picture_kind]), settings(masks=[MASK], max_side=80))
    streamed = [frame for frame in source.frames() if isinstance(frame, Picture)]
    native = [frame for frame in source.read(0, COUNT, every=True) if isinstance(frame, Picture)]
    assert len(streamed) == len(native) == COUNT
    assert {frame.image.shape for frame in streamed} == {(48, 80, 3)}
    assert {frame.image.shape for frame in native} == {(96, 160, 3)}
    for frame in streamed + native:
        h, w = frame.image.shape[:2]
        assert not frame.image[h // 4 + 1 : 3 * h // 4 - 1, w // 4 + 1 : 3 * w // 4 - 1].any()
        assert frame.image[: h // 8].min() > 50


@pytest.mark.parametrize("picture_kind", ["video", "folder"])
def test_kind_may_be_named(picture_kind: str, streams: dict[str, Path]) -> None:
    path = streams[picture_kind]
    named = open_source(path.name, settings(kind=picture_kind), base=path.parent)
    assert named.name == path.name
    assert len(list(named.frames())) == COUNT
