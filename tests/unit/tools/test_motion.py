"""The motion expert on rendered scenes: textured things that cross a textured background at known speeds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.motion import Motion, _usual
from alarm_agents.tools.scene import ROWS
from alarm_agents.types import Box

FPS = 10.0
SLOW, QUICK = 0.05, 0.2  # picture heights a second
Thing = tuple[float, float, float]
CYCLIST: Thing = (0.3, 0.7, QUICK)


def texture(h: int, w: int, seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).uniform(0, 255, (h, w)).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3))
    return np.asarray(40 + 175 * (soft - soft.min()) / np.ptp(soft), np.uint8)


def scene(things: list[Thing], frames: int, height: int = 240, start: float = 0.0) -> list[Picture]:
    """Things as (x at time 0, y, speed to the right) in picture heights, 0.16 tall; drawn at 480 and scaled."""
    background = texture(480, 720, 0)
    pictures = []
    for index in range(frames):
        time = start + index / FPS
        canvas = background.copy()
        for number, (x, y, speed) in enumerate(things):
            thing = texture(77, 38, number + 1) // 3 + (170 if number % 2 else 0)
            left, top = round((x + speed * time) * 480), round(y * 480)
            canvas[top : top + 77, left : left + 38] = thing[:, : max(0, 720 - left)]
        image = cv2.resize(
            cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR), (height * 3 // 2, height), None, 0, 0, cv2.INTER_AREA
        )
        pictures.append(Picture(np.asarray(image, np.uint8), index, time, FPS))
    return pictures


def walkers(speed: float = SLOW) -> list[Thing]:
    return [(0.1, 0.2, speed), (0.5, 0.45, speed), (0.2, 0.7, speed)]


@pytest.fixture(scope="module")
def fitted() -> Motion:
    """Taught by ten runs of three frames in which all things move slowly."""
    motion = Motion()
    motion.fit([scene(walkers(), 3, start=2.0 * run / 3) for run in range(10)])
    return motion


@pytest.fixture
def motion(fitted: Motion) -> Motion:
    fitted.begin()
    return fitted


def covers(box: Box, x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


@pytest.mark.parametrize("taught", [True, False])
def test_fast_among_slow_scores_higher_and_its_box_covers_it(motion: Motion, taught: bool) -> None:
    expert = motion if taught else Motion()
    assert expert.score == ("ratio" if taught else "speed")
    slow = expert.measure(scene(walkers(), 16), 0)
    expert.begin()
    fast = expert.measure(scene([*walkers()[:2], CYCLIST], 16), 0)
    assert np.median(fast.frames[expert.score]) > 2.5 * np.median(slow.frames[expert.score])
    told = fast.facts[0]
    assert told.track is not None
    assert told.region is not None
    assert told.time is not None
    assert covers(told.region, (0.3 + QUICK * told.time + 0.04) / 1.5, 0.78)


def test_speed_and_ratio_are_physical(motion: Motion) -> None:
    frames = motion.measure(scene([CYCLIST], 16), 0).frames
    assert np.median(frames["speed"]) == pytest.approx(QUICK, rel=0.2)
    assert np.median(frames["ratio"]) == pytest.approx(QUICK / SLOW, rel=0.3)
    assert 0.5 < np.median(frames["moving"]) / (0.16 * 0.08 / 1.5) < 3  # flow spreads over a thing's edges
    assert frames["speed"][0] == frames["speed"][1], "the first has none before it"


def test_what_is_usual_is_how_fast_the_slower_kind_is() -> None:
    """In six of ten references a cyclist rides in the walkers' row, so that most of what moves there is fast."""
    mixed, alone = Motion(), Motion()
    starts = [2.0 * run / 3 for run in range(10)]
    mixed.fit([scene([*walkers(), CYCLIST] if run < 6 else walkers(), 3, start=at) for run, at in enumerate(starts)])
    alone.fit([scene(walkers(), 3, start=at) for at in starts])
    runner = scene([(0.3, 0.7, 2.5 * SLOW)], 8)
    ratios = [float(np.median(motion.measure(runner, 0).frames["ratio"])) for motion in (mixed, alone)]
    assert ratios[0] == pytest.approx(ratios[1], rel=0.1)


def test_where_speeds_are_of_all_sizes_all_of_them_say_what_is_usual() -> None:
    """As on a belt that idles: leaving out what is far faster again and again would end at its trembling."""
    speeds = np.exp(np.random.default_rng(0).uniform(math.log(0.01), 0.0, (200, ROWS, 6)))
    usual = _usual(speeds, np.ones(ROWS))
    assert usual == pytest.approx(np.full(ROWS, np.median(speeds.mean(axis=2))), rel=0.1)


def test_a_coat_as_bright_as_the_pavement_hides_nobody() -> None:
    """In grey there is nothing to see of it but the ground that it covers."""

    def coloured(things: list[Thing], frames: int, start: float = 0.0) -> list[Picture]:
        pictures = []
        for picture in scene([], frames, start=start):
            image = np.full_like(picture.image, 120)
            for x, y, speed in things:
                left, top = round((x + speed * picture.time) * 240), round(y * 240)
                image[top : top + 38, left : left + 19] = (230, 120, 78)
            noise = np.random.default_rng(picture.index).normal(0, 2, image.shape)
            pictures.append(replace(picture, image=np.clip(image + noise, 0, 255).astype(np.uint8)))
        return pictures

    blue = coloured([CYCLIST], 1)[0].image
    assert np.ptp(cv2.blur(cv2.cvtColor(blue, cv2.COLOR_BGR2GRAY), (5, 5))) < 12, "it is as bright as the ground"
    motion = Motion()
    motion.fit([coloured(walkers(), 3, start=1.0 * run / 3) for run in range(20)])
    frames = motion.measure(coloured([CYCLIST], 16), 0).frames
    assert np.median(frames["speed"]) == pytest.approx(QUICK, rel=0.2)
    assert np.median(frames["ratio"]) == pytest.approx(QUICK / SLOW, rel=0.3)


def test_facts_are_in_words_with_numbers(motion: Motion) -> None:
    facts = motion.measure(scene([CYCLIST], 16), 0).facts
    assert facts[0].attribute == "speed ratio"
    assert f"{facts[0].value:.2g} times the usual speed here" in facts[0].text
    assert {fact.perceiver for fact in facts} == {"motion"}
    ordinary = motion.measure(scene(walkers(), 16, start=9.0), 0).facts
    assert "the fastest motion is" in ordinary[0].text
    assert ordinary[0].track is None


def test_identical_frames_score_zero(motion: Motion) -> None:
    still = scene(walkers(), 1)[0]
    measured = motion.measure([replace(still, index=i, time=i / FPS) for i in range(8)], 0)
    assert {value for name in ("speed", "ratio", "moving") for value in measured.frames[name]} == {0.0}
    assert set(measured.frames["still"]) == {1.0}
    assert [fact.text for fact in measured.facts] == ["nothing moves (0.0% of the picture)"]


def test_sensor_noise_is_not_motion() -> None:
    rng = np.random.default_rng(5)
    still = scene([], 1)[0]
    noisy = [np.clip(still.image + rng.normal(0, 4, still.image.shape), 0, 255).astype(np.uint8) for _ in range(6)]
    frames = Motion().measure([Picture(image, i, i / FPS, FPS) for i, image in enumerate(noisy)], 0).frames
    assert max(frames["speed"]) < SLOW / 2


def test_a_change_of_light_leaves_the_ratio_alone(motion: Motion) -> None:
    pictures = scene([CYCLIST], 8)
    brighter = [replace(picture, image=picture.image + np.uint8(25)) for picture in pictures]
    before, after = motion.measure(pictures, 0).frames["ratio"], motion.measure(brighter, 0).frames["ratio"]
    assert after[1:] == pytest.approx(before[1:], rel=0.15)


def test_state_brings_back_what_was_learned(motion: Motion, tmp_path: Path) -> None:
    learned: dict[str, Any] = motion.state()
    np.savez(tmp_path / "motion.npz", **learned)
    other = Motion()
    with np.load(tmp_path / "motion.npz") as state:
        other.restore(state)
    pictures = scene([CYCLIST], 6)
    assert other.measure(pictures, 0) == motion.measure(pictures, 0)
    other.restore({})
    assert other.score == "speed"
    assert other.state() == {}


def test_how_a_stream_is_cut_does_not_matter(motion: Motion) -> None:
    pictures = scene([*walkers(), CYCLIST], 32)
    whole = motion.measure(pictures, 0)
    motion.begin()
    first, second = motion.measure(pictures[:16], 0), motion.measure(pictures[15:], 1)
    assert {name: first.frames[name] + second.frames[name] for name in first.frames} == whole.frames
    assert {len(series) for series in second.frames.values()} == {16}


def test_an_object_keeps_its_number_until_a_new_stream_begins(motion: Motion) -> None:
    pictures = scene([CYCLIST], 32)
    first, second = motion.measure(pictures[:16], 0), motion.measure(pictures[15:], 1)
    assert first.facts[0].track == second.facts[0].track == "1"
    later = scene([(0.9, 0.2, QUICK)], 4)
    assert motion.measure([replace(picture, time=picture.time + 60) for picture in later], 0).facts[0].track == "2"
    motion.begin()
    assert motion.measure(pictures[:16], 0).facts[0].track == "1"


def test_looking_again_agrees_on_what_is_fast(motion: Motion) -> None:
    sharp = scene([*walkers()[:2], CYCLIST], 8, height=480)
    usual = motion.measure(sharp, 0).frames
    around, elsewhere = motion.look_again(sharp, (0.15, 0.6, 0.5, 1.0)), motion.look_again(sharp, (0.0, 0.0, 1.0, 0.6))
    assert np.median(around.frames["ratio"]) == pytest.approx(np.median(usual["ratio"]), rel=0.2)
    assert max(elsewhere.frames["ratio"]) < np.median(usual["ratio"]) / 2
    region = around.facts[0].region
    assert region is not None
    assert region[1] > 0.5


def test_looking_again_sees_nothing_beyond_the_region(motion: Motion) -> None:
    pictures = scene([CYCLIST], 6, height=480)
    boxes: list[Box] = [(0.0, 0.0, 1.0, 0.775), (0.0, 0.775, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0)]
    boxes.append((0.0, 0.0, 1.0, 0.3))
    above, below, whole, away = (np.median(motion.look_again(pictures, box).frames["speed"]) for box in boxes)
    assert min(above, below) > 0
    assert max(above, below) <= whole * 1.15
    assert away == 0.0


def test_looking_again_says_how_large_what_moves_is() -> None:
    motion = Motion()
    motion.fit([scene(walkers(), 3, start=2.0 * run / 3) for run in range(10)])
    pictures = scene([CYCLIST], 12)
    first, again = motion.measure(pictures, 0).frames, motion.look_again(pictures, (0.0, 0.0, 1.0, 1.0)).frames
    for name in ("tall", "wide"):
        assert again[name][-1] == pytest.approx(first[name][-1], rel=0.2)
        assert first[name][-1] > 0


def test_looking_again_leaves_the_followed_objects_alone(motion: Motion) -> None:
    pictures = scene([CYCLIST], 32)
    motion.measure(pictures[:16], 0)
    assert all(fact.track is None for fact in motion.look_again(pictures[:16], (0.0, 0.0, 1.0, 1.0)).facts)
    assert motion.measure(pictures[15:], 1).facts[0].track == "1"


@pytest.mark.parametrize("height", [120, 480])
def test_resolution_changes_little(motion: Motion, height: int) -> None:
    ordinary, other = (motion.measure(scene([CYCLIST], 8, height=h), 0).frames for h in (240, height))
    for name in ("speed", "ratio"):
        assert np.median(other[name]) == pytest.approx(np.median(ordinary[name]), rel=0.25)


def test_frame_rate_changes_little(motion: Motion) -> None:
    pictures = scene([CYCLIST], 16)
    every, second = motion.measure(pictures, 0).frames, motion.measure(pictures[::2], 0).frames
    assert np.median(second["speed"]) == pytest.approx(np.median(every["speed"]), rel=0.2)


def test_references_in_which_nothing_moves_give_finite_ratios() -> None:
    motion = Motion()
    still = scene(walkers(), 1)
    motion.fit([[still[0], still[0]]])
    ratios = motion.measure(scene([*walkers(0.0), CYCLIST], 6), 0).frames["ratio"]
    assert all(math.isfinite(ratio) for ratio in ratios)
    assert np.median(ratios) == pytest.approx(QUICK / 0.01, rel=0.3)


def test_without_a_pair_of_references_it_is_as_without_any() -> None:
    motion = Motion()
    motion.fit([])
    motion.fit([scene(walkers(), 1)])
    assert motion.score == "speed"


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (16, 300), (300, 16)])
def test_odd_sizes_and_time_stamps_are_survived(motion: Motion, size: tuple[int, int]) -> None:
    images = np.random.default_rng(3).integers(0, 255, (6, *size, 3), dtype=np.uint8)
    times = [0.0, 0.0, -1.0, math.nan, 2.0, 2.0 + 1e-9]
    pictures = [Picture(image, i, times[i], (0.0, FPS, math.nan)[i % 3]) for i, image in enumerate(images)]
    for expert in (motion, Motion()):
        for measured in (expert.measure(pictures, 0), expert.look_again(pictures, (0.4, 0.4, 0.6, 0.6))):
            values = [value for series in measured.frames.values() for value in series]
            assert all(math.isfinite(value) and value >= 0 for value in values)
            assert measured.facts
    tiny = Motion()
    tiny.fit([pictures[:2]])
    assert all(math.isfinite(ratio) for ratio in tiny.measure(pictures, 1).frames["ratio"])


def test_a_burst_of_time_stamps_does_not_make_things_fast() -> None:
    pictures = scene([CYCLIST], 8)
    burst = [replace(picture, time=5.0 + 1e-6 * picture.index) for picture in pictures]
    usual, odd = (np.median(Motion().measure(frames, 0).frames["speed"]) for frames in (pictures, burst))
    assert odd <= 2.01 * usual


@pytest.mark.parametrize("overlap", [0, 1])
def test_a_single_frame_has_nothing_to_be_compared_with(motion: Motion, overlap: int) -> None:
    measured = motion.measure(scene([CYCLIST], 1), overlap)
    assert measured.frames == {}, "0 would pass for calm"
    assert "needs two frames" in measured.facts[0].text


def test_pictures_may_change_size_within_a_stream() -> None:
    small, large = scene([CYCLIST], 4, height=120), scene([CYCLIST], 8)[4:]
    speeds = Motion().measure([*small, *large], 0).frames["speed"]
    assert np.median(speeds) == pytest.approx(QUICK, rel=0.25)
    assert max(speeds) < 2 * QUICK
