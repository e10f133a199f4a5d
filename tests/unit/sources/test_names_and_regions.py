"""Slugs, fingerprints of large files, masks, zones and sizes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.errors import SourceError
from alarm_agents.sources import base
from alarm_agents.sources.base import fingerprint_file, fingerprint_files, slugify
from alarm_agents.sources.regions import apply_masks, resize_to, scale_down, zones_of

fraction = st.floats(0, 1)


@given(st.text(max_size=80) | st.from_regex(r"[a-z<>\"'/. \-]{1,60}", fullmatch=True))
def test_slugs_are_safe_and_stable(path: str) -> None:
    slug = slugify(path)
    assert re.fullmatch(r"[a-z0-9-]{1,40}", slug)
    assert slugify(slug) == slug


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/data/ped2/test/01", "ped2-test-01"),
        ("../shared/data/video/car-detection.mp4", "car-detection"),
        ("captions/ped2/01.csv", "captions-ped2-01"),
        ("Abnormal_Scene 3.JPEG", "abnormal-scene-3"),
        ("a/clip/*.jpg", "a-clip"),
        ("Test/Test001", "test001"),
        ("ped2/test.001", "test-001"),
        ("Café.mp4", "cafe"),
        ("/", "source"),
        ("..", "source"),
        ("<script>alert(1)</script>", "script"),
    ],
)
def test_slugs_say_what_the_path_says(path: str, slug: str) -> None:
    assert slugify(path) == slug


def test_slugs_of_names_that_cannot_be_spelt_differ() -> None:
    names = ["видео.mp4", "камера.mp4", "カメラ.mp4", "x" * 60 + "a" * 40, "y" * 60 + "a" * 40]
    assert len({slugify(name) for name in names}) == len(names)


def test_large_files_are_told_apart_by_their_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_WHOLE", 10)
    monkeypatch.setattr(base, "_MIB", 4)
    prints = {}
    for name, content in [
        ("a", b"head......tail"),
        ("b", b"head.,,,,.tail"),
        ("c", b"HEAD......tail"),
        ("d", b"head......TAIL"),
    ]:
        (tmp_path / name).write_bytes(content)
        prints[name] = fingerprint_file(tmp_path / name)
    assert prints["a"] == prints["b"]
    assert len(set(prints.values())) == 3
    paths = [tmp_path / name for name in "abcd"]
    together = fingerprint_files(paths)
    (tmp_path / "b").write_bytes(b"HEAD......tail")
    assert fingerprint_files(paths) == together
    assert fingerprint_files(paths[1:]) != together


def test_fingerprint_of_a_file_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        fingerprint_file(tmp_path / "gone.mp4")


@given(x0=fraction, x1=fraction, y0=fraction, y1=fraction, width=st.integers(1, 40), height=st.integers(1, 40))
def test_masks_cover_every_pixel_whose_centre_is_inside(
    x0: float, x1: float, y0: float, y1: float, width: int, height: int
) -> None:
    (x0, x1), (y0, y1) = sorted((x0, x1)), sorted((y0, y1))
    image = np.full((height, width, 3), 200, np.uint8)
    masked = apply_masks(image, [((x0, y0), (x1, y0), (x1, y1), (x0, y1))])
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    inside = ((y >= y0) & (y <= y1))[:, None] & ((x >= x0) & (x <= x1))[None, :]
    assert not masked[inside].any()
    assert (image == 200).all()


def test_overlapping_masks_do_not_uncover_each_other() -> None:
    square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert not apply_masks(np.full((9, 9, 3), 200, np.uint8), [square, square]).any()


@given(x=fraction, y=fraction, width=st.floats(0, 0.2), height=st.floats(0, 0.2))
def test_a_thing_is_in_the_zone_its_foot_stands_in(x: float, y: float, width: float, height: float) -> None:
    zones = {
        "left": ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),
        "low": ((0.0, 0.6), (1.0, 0.6), (1.0, 1.0), (0.0, 1.0)),
    }
    box = (max(0.0, x - width), max(0.0, y - height), min(1.0, x + width), y)
    foot = (box[0] + box[2]) / 2
    found = zones_of(box, zones)
    if abs(foot - 0.5) > 1e-6:
        assert ("left" in found) == (foot < 0.5)
    if abs(y - 0.6) > 1e-6:
        assert ("low" in found) == (y > 0.6)
    assert list(found) == [name for name in zones if name in found]


@given(width=st.integers(1, 300), height=st.integers(1, 300), side=st.integers(16, 200))
def test_pictures_only_get_smaller(width: int, height: int, side: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    small = scale_down(image, side)
    assert max(small.shape[:2]) == min(max(width, height), side)
    assert small.shape[2] == 3
    assert scale_down(image, None) is image
    assert resize_to(small, 7, 5).shape == (5, 7, 3)
