"""The camera expert on generated clips: what blinds a camera is told, what merely happens before it is not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.camera import Camera
from alarm_agents.types import Fact
from support.clips import clip

FPS, START, COUNT = 10.0, 60, 120
"""Of the clips; what goes wrong does so from `START` on."""
Image = NDArray[np.uint8]


TILES = np.kron(np.random.default_rng(0).integers(0, 255, (24, 32, 1)), np.ones((10, 10, 3))).astype(np.uint8)


def sharp(image: Image) -> Image:
    """The picture in twice the size, before tiles with edges for blur to take away."""
    return np.asarray(cv2.addWeighted(cv2.resize(image, (320, 240)), 0.6, TILES, 0.4, 0), np.uint8)


CLIP = [sharp(image) for image in clip(COUNT, seed=3)]
BARE = sharp(clip(1, walkers=0)[0])


def pictures(images: list[Image], start: int = 0) -> list[Picture]:
    return [Picture(image, start + i, (start + i) / FPS, FPS) for i, image in enumerate(images)]


def told(images: list[Image], camera: Camera | None = None, window: int = 16) -> list[Fact]:
    """The facts of the clip, measured window by window as the stage does."""
    camera = camera or Camera()
    found: list[Fact] = []
    frames = pictures(images)
    for first in range(0, len(frames), window):
        overlap = min(first, 1)
        found += camera.measure(frames[first - overlap : first + window], overlap).facts
    return found


def from_start(change: Callable[[int], Image]) -> list[Image]:
    return [change(i) if i >= START else image for i, image in enumerate(CLIP)]


def grainy(image: Image, seed: int, deviation: float = 1.5) -> Image:
    grain = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def scaled(image: Image, light: float) -> Image:
    return (image * light).astype(np.uint8)


def clocked(image: Image, index: int) -> Image:
    return np.asarray(cv2.putText(image.copy(), str(index), (2, 10), 0, 0.3, (255, 255, 255)), np.uint8)


BLIND = {
    "frozen": lambda i: CLIP[START],
    "frozen, with a clock that runs on": lambda i: clocked(CLIP[START], i),
    "dark": lambda i: scaled(CLIP[i], 0.02),
    "dark, with noise": lambda i: grainy(np.full_like(CLIP[i], 4), i),
    "covered": lambda i: grainy(np.full_like(CLIP[i], 90), i),
    "blurred": lambda i: np.asarray(cv2.GaussianBlur(CLIP[i], (0, 0), 4), np.uint8),
}


@pytest.mark.parametrize("how", BLIND)
def test_a_blind_camera_is_told_with_its_cause_and_how_long(how: str) -> None:
    facts = told(from_start(BLIND[how]))
    assert {fact.attribute for fact in facts} == {how.split(",", maxsplit=1)[0]}
    assert max(fact.value for fact in facts) == pytest.approx(COUNT / FPS - START / FPS, abs=0.31)
    assert facts[0].text.startswith(f"the camera is {facts[0].attribute}")
    assert all((fact.time or 0.0) >= START / FPS + 1.4 for fact in facts)


SEEING: dict[str, list[Image]] = {
    "people walk": CLIP,
    "nothing moves but a sensor's noise": [grainy(BARE, i) for i in range(COUNT)],
    "nothing moves, nor is there noise": [BARE] * COUNT,
    "every picture comes twice": [CLIP[i // 2] for i in range(COUNT)],
    "a second's freeze": CLIP[:70] + [CLIP[70]] * 12 + CLIP[82:],
    "a light goes down by half": from_start(lambda i: scaled(CLIP[i], 0.5)),
    "dusk": [scaled(CLIP[i % COUNT], 1 - 0.8 * i / 600) for i in range(600)],
    "a lens finds its focus": from_start(
        lambda i: np.asarray(cv2.GaussianBlur(CLIP[i], (0, 0), 4), np.uint8) if i < START + 15 else CLIP[i]
    ),
}


@pytest.mark.parametrize("what", SEEING)
def test_what_happens_before_a_camera_that_sees_is_not_told(what: str) -> None:
    assert told(SEEING[what]) == []


def test_a_rendered_world_in_which_all_stands_still_is_not_frozen() -> None:
    rng = np.random.default_rng(0)
    walkers = [BARE.copy() for _ in range(COUNT)]
    for i, image in enumerate(walkers[:START]):
        image[100:140, 2 * i : 2 * i + 16] = rng.integers(0, 255, (40, 16, 3))
    assert told(walkers) == []


@pytest.mark.parametrize("how", ["dark", "covered", "blurred"])
def test_references_tell_from_the_first_picture_on(how: str) -> None:
    camera = Camera()
    camera.fit([pictures(CLIP[i : i + 3]) for i in range(0, 30, 3)])
    again = Camera()
    again.restore(camera.state())
    for taught in (camera, again):
        facts = told([BLIND[how](START + i) for i in range(48)], taught)
        assert {fact.attribute for fact in facts} == {how}


def test_a_new_stream_knows_nothing_of_the_one_before() -> None:
    camera = Camera()
    told(CLIP, camera)
    camera.begin()
    assert told([BLIND["blurred"](START + i) for i in range(48)], camera) == []


def test_a_picture_that_did_not_come_is_said_to_be_lost() -> None:
    black = Picture(np.zeros((120, 160, 3), np.uint8), 7, 100.0, 0.2, stretch=-1, lost=12.2)
    measured = Camera().measure([black], 0)
    assert measured.frames == {"blind": (12.2,)}
    assert [fact.text for fact in measured.facts] == ["no picture has come for 12 s"]


def test_one_value_a_new_frame_however_windows_are_cut() -> None:
    images = from_start(BLIND["frozen"])
    values = []
    for window in (16, 5):
        camera, frames = Camera(), pictures(images)
        parts = [(max(0, first - 1), first) for first in range(0, COUNT, window)]
        found = [camera.measure(frames[low : first + window], first - low).frames["blind"] for low, first in parts]
        values.append([value for part in found for value in part])
    assert values[0] == values[1]
    assert len(values[0]) == COUNT


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (16, 16, 3), (480, 640, 3)])
def test_pictures_of_any_size(shape: tuple[int, int, int]) -> None:
    images = [np.random.default_rng(i).integers(0, 255, shape, dtype=np.uint8) for i in range(20)]
    assert len(Camera().measure(pictures(images), 0).frames["blind"]) == 20
