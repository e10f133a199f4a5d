"""What is opened as what, and the sentence for everything that cannot be."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources import Caption, Picture, expand, open_source

Writer = Callable[..., Path]


def settings(**keys: object) -> SourceSettings:
    return SourceSettings.model_validate(keys)


def pictures(path: str, base: Path, **keys: object) -> list[Picture]:
    return [frame for frame in open_source(path, settings(**keys), base).frames() if isinstance(frame, Picture)]


def audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


PNG = cv2.imencode(".png", np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
JPEG = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))[1].tobytes()
HOSTILE: list[tuple[str, dict[str, bytes], dict[str, object], str]] = [
    ("gone.mp4", {}, {}, "gone.mp4: nothing is there"),
    ("", {}, {}, "nothing is there"),
    ("a\0b", {}, {}, "nothing is there"),
    ("~nobody-here/x.mp4", {}, {}, "nothing is there"),
    ("x" * 5000, {}, {}, "file name too long"),
    ("none*.jpg", {}, {}, "nothing is there"),
    ("*.txt", {"a.txt": b"x"}, {}, "not pictures; name one of them, such as a.txt"),
    ("rtsp://cam/1", {}, {"kind": "captions"}, "this is a live source"),
    ("ftp://me:secret@host/v.mp4", {}, {}, "cannot be watched"),
    ("0", {}, {"kind": "folder"}, "this is a live source"),
    ("zero.mp4", {"zero.mp4": b""}, {}, "zero.mp4: the file is empty"),
    ("zero.csv", {"zero.csv": b""}, {}, "zero.csv: the file is empty"),
    ("text.mp4", {"text.mp4": b"hello " * 100}, {}, "not a video"),
    ("cut.mp4", {"cut.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 99}, {}, "not a video"),
    ("empty", {"empty/.keep": b""}, {}, "no pictures in this folder"),
    ("notes", {"notes/a.txt": b"x", "notes/._1.jpg": b"x"}, {}, "no pictures in this folder"),
    ("many", {"many/b/1.png": PNG, "many/a/1.png": PNG}, {}, "2 folders; name one of them, such as many/a"),
    ("bad", {"bad/1.png": PNG, "bad/2.png": PNG[:50]}, {}, "bad/2.png: this picture is cut off"),
    ("bad", {"bad/1.jpg": JPEG[: len(JPEG) // 2]}, {}, "bad/1.jpg: this picture is cut off"),
    ("bad", {"bad/1.png": b""}, {}, "bad/1.png: this picture file is empty"),
    ("dir", {"dir/1.png": PNG}, {"kind": "video"}, "this is a folder, and source.kind is video"),
    ("dir", {"dir/1.png": PNG}, {"kind": "captions"}, "this is a folder"),
    ("a.mkv", {"a.mkv": b"x"}, {"kind": "folder"}, "not a folder of pictures"),
    ("c.csv", {"c.csv": b"frame,text\n0,x\n"}, {}, "c.csv:1: there is no column 'caption'"),
    ("c.csv", {"c.csv": b"caption\nx\n"}, {}, "no column 'frame'"),
    ("c.csv", {"c.csv": b"frame,caption\n"}, {}, "no rows below the header"),
    ("c.csv", {"c.csv": b"frame,caption\n0,a\none,b\n"}, {}, "c.csv:3: 'one' is not a frame number"),
    ("c.csv", {"c.csv": b"frame,caption\n-1,a\n"}, {}, "'-1' is not a frame number"),
    ("c.csv", {"c.csv": b"frame,caption\n1.5,a\n"}, {}, "'1.5' is not a frame number"),
    ("c.csv", {"c.csv": b"frame,caption\n0,a\n0,b\n"}, {}, "c.csv:3: frame 0 is there twice"),
    ("c.csv", {"c.csv": b"frame,caption\n0,a, b\n"}, {}, "c.csv:2: this row does not have the header's 2 fields"),
    ("c.csv", {"c.csv": b"frame,caption\n0\n"}, {}, "c.csv:2: this row does not have"),
    ("c.csv", {"c.csv": b"frame,caption,caption\n0,a,b\n"}, {}, "named twice"),
    ("c.csv", {"c.csv": b"frame,caption\n0,\xff\xfe\n"}, {}, "not UTF-8 text"),
    ("c.csv", {"c.csv": b'frame,caption\n0,"a\n'}, {}, "c.csv:2: not readable as CSV"),
    ("c.csv", {"c.csv": b"frame,caption\n0," + b"a" * 200_000}, {}, "not readable as CSV"),
]


@pytest.mark.parametrize(("path", "files", "keys", "sentence"), HOSTILE)
def test_hostile_inputs_get_one_sentence(
    path: str, files: dict[str, bytes], keys: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    write(tmp_path, files)
    with pytest.raises(SourceError) as caught:
        list(open_source(path, settings(**keys), tmp_path).frames())
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.where or not path
    assert caught.value.remedy


def test_other_hostile_files(tmp_path: Path, video_writer: Writer) -> None:
    audio(tmp_path / "sound.mkv")
    with pytest.raises(SourceError, match="no pictures in this file"):
        open_source("sound.mkv", settings(), tmp_path)
    video_writer(tmp_path / "none.mkv", count=0)
    with pytest.raises(SourceError, match=r"no picture|not a video"):
        list(open_source("none.mkv", settings(), tmp_path).frames())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="a device or a pipe"):
        open_source("pipe", settings(), tmp_path)


def test_a_video_that_vanishes_is_a_sentence(tmp_path: Path, video_writer: Writer) -> None:
    path = video_writer(tmp_path / "gone.mp4", count=5)
    source = open_source("gone.mp4", settings(), tmp_path)
    path.unlink()
    with pytest.raises(SourceError, match=r"gone\.mp4"):
        source.read(0, 3)


def test_folders_leave_out_what_is_not_a_picture(tmp_path: Path, folder_writer: Writer) -> None:
    folder_writer(tmp_path / "clip", count=12, suffix=".JPG")
    write(tmp_path / "clip", {"Thumbs.db": b"x", "._frame1.JPG": b"x", "notes.txt": b"x"})
    assert (
        len(pictures("clip", tmp_path))
        == len(pictures("clip/*.JPG", tmp_path))
        == len(pictures("clip/*", tmp_path))
        == 12
    )
    assert [frame.index for frame in pictures("clip/frame3.JPG", tmp_path)] == [0]
    assert pictures("clip", tmp_path, fps=4)[11].time == 11 / 4


def test_pictures_take_the_first_ones_size(tmp_path: Path) -> None:
    for name, shape in [("1.png", (40, 60, 3)), ("2.bmp", (80, 120, 3)), ("3.tiff", (10, 10)), ("4.webp", (40, 60, 3))]:
        cv2.imwrite(str(tmp_path / name), np.full(shape, 120, np.uint8))
    assert {frame.image.shape for frame in pictures(".", tmp_path)} == {(40, 60, 3)}
    assert [frame.index for frame in open_source(".", settings(), tmp_path).read(3, 3)] == [3]


def test_a_number_is_a_path_where_one_exists(tmp_path: Path, folder_writer: Writer) -> None:
    folder_writer(tmp_path / "01", count=2)
    assert len(pictures("01", tmp_path)) == 2


def test_patterns_become_sources(tmp_path: Path, folder_writer: Writer) -> None:
    for name in ("train/2", "train/10", "train/1"):
        folder_writer(tmp_path / name, count=2)
    assert expand("train/*", tmp_path) == ["train/1", "train/2", "train/10"]
    assert expand(str(tmp_path / "train/1*")) == [str(tmp_path / "train/1"), str(tmp_path / "train/10")]
    assert expand("train/1/*.png", tmp_path) == ["train/1/*.png"]
    assert expand("train/gone", tmp_path) == ["train/gone"]
    folder_writer(tmp_path / "odd [1]", count=1)
    assert expand("odd [1]", tmp_path) == ["odd [1]"]
    with pytest.raises(SourceError, match="nothing matches"):
        expand("test/*", tmp_path)


def test_captions_know_nothing_of_labels(streams: dict[str, Path]) -> None:
    assert {field.name for field in fields(Caption)} == {"text", "index", "time", "fps", "stretch"}
    caption = open_source(str(streams["captions"]), settings()).read(40, 40)[0]
    assert caption == Caption("frame 40, with 5 people", 40, 4.0, 10.0)


@pytest.mark.data
def test_real_data(shared_data: Path) -> None:
    walk = open_source("ped2/test/01", settings(), shared_data)
    assert (walk.slug, walk.fps, sum(1 for _ in walk.frames())) == ("ped2-test-01", 10.0, 180)
    road = open_source("video/car-detection.mp4", settings(fps=30), shared_data)
    assert road.slug == "car-detection"
    assert road.fps == pytest.approx(12.5, abs=0.1)
    slower = open_source("video/car-detection.mp4", settings(), shared_data)
    frames = [frame for frame in slower.frames() if isinstance(frame, Picture)]
    assert len(frames) == pytest.approx(10 * frames[-1].time, abs=2)
    assert frames[0].image.shape == (360, 640, 3)
    again = [
        frame for frame in slower.read(frames[-5].index, frames[-1].index, max_side=640) if isinstance(frame, Picture)
    ]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(again, frames[-5:], strict=True))
    talk = open_source("captions/ubnormal/normal_scene_14_scenario_1.csv", settings(), shared_data)
    numbers = [caption.index for caption in talk.frames()]
    assert numbers == sorted(numbers)
