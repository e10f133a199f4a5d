"""What every picture expert must do: one suite over all of them, on generated walkers with something odd among them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.experts import MEASURES, experts_for, taught_experts
from alarm_agents.tools.presence import Presence
from support.clips import Image, clip

FPS = 10.0
NAMES = [name for name in experts_for("frames") if name in MEASURES]


def pictures(images: list[Image]) -> list[Picture]:
    return [Picture(np.asarray(image, np.uint8), i, i / FPS, FPS) for i, image in enumerate(images)]


NORMAL = pictures(clip(240, seed=3))
WATCHED = pictures(clip(60, fast=range(30, 60), seed=3))
RUNS = [NORMAL[:120], NORMAL[120:]]


def left_behind() -> list[Picture]:
    """A dark box that stands in the walkers' ground from the thirtieth frame on."""
    images = clip(80, seed=3)
    for image in images[30:]:
        image[100:108, 70:80] = 5
    return pictures(images)


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, Any]]:
    experts = experts_for("frames")
    for expert in experts.values():
        expert.fit(RUNS)
    return {name: expert.state() for name, expert in experts.items()}


def measured(states: dict[str, dict[str, Any]], name: str, frames: list[Picture], size: int = 1000) -> Any:
    """The frames measured by a fresh expert with that state, in windows of `size`; all values in one."""
    expert = taught_experts("frames", states)[name]
    expert.begin()
    values: dict[str, list[float]] = {}
    facts: list[Any] = []
    for start in range(0, len(frames), size):
        overlap = min(1, start)
        found = expert.measure(frames[start - overlap : start + size], overlap)
        facts += found.facts
        for measure, series in found.frames.items():
            values.setdefault(measure, []).extend(series)
    return values, facts


@pytest.mark.parametrize("name", NAMES)
def test_each_frame_has_one_finite_value_of_each_measure(states: dict[str, Any], name: str) -> None:
    values, facts = measured(states, name, WATCHED)
    assert values
    assert set(values) <= set(MEASURES[name])
    for series in values.values():
        assert len(series) == len(WATCHED)
        assert all(math.isfinite(value) and value >= 0 for value in series)
    for fact in facts:
        assert fact.perceiver == name
        assert fact.measure.partition(".")[0] == name
        assert fact.measure.partition(".")[2] in MEASURES[name]
        assert any(digit in fact.text for digit in "0123456789"), "a fact has its number"
        assert fact.region is None or (0 <= fact.region[0] < fact.region[2] <= 1)


@pytest.mark.parametrize("name", NAMES)
def test_how_a_stream_is_cut_into_windows_does_not_matter(states: dict[str, Any], name: str) -> None:
    whole, _ = measured(states, name, WATCHED)
    cut, _ = measured(states, name, WATCHED, size=16)
    for measure, series in whole.items():
        assert cut[measure] == pytest.approx(series), measure


@pytest.mark.parametrize("name", NAMES)
def test_a_state_can_be_stored_and_brings_back_what_was_learned(
    states: dict[str, Any], name: str, tmp_path: Any
) -> None:
    np.savez(tmp_path / "state.npz", **states[name])
    with np.load(tmp_path / "state.npz", allow_pickle=False) as stored:
        again = {**states, name: dict(stored)}
    assert measured(again, name, WATCHED) == measured(states, name, WATCHED)


@pytest.mark.parametrize("name", NAMES)
def test_taught_by_nothing_an_expert_has_no_state_and_does_not_fail(name: str) -> None:
    expert = experts_for("frames")[name]
    expert.fit([])
    assert expert.state() == {}
    expert.begin()
    found = expert.measure(WATCHED[:8], 0)
    assert name == "motion" or found.frames == {}


@pytest.mark.parametrize("name", NAMES)
def test_one_picture_as_reference_is_no_crash(name: str) -> None:
    expert = experts_for("frames")[name]
    expert.fit([NORMAL[:1]])
    expert.begin()
    found = expert.measure(WATCHED[:8], 0)
    assert set(found.frames) == ({"speed", "moving"} if name == "motion" else set()), "one picture teaches no usual"


@pytest.mark.parametrize("name", NAMES)
def test_one_picture_alone_is_not_measured(states: dict[str, Any], name: str) -> None:
    assert measured(states, name, WATCHED[:1])[0] == {}


def test_each_oddity_stands_out_in_the_measure_that_is_for_it(states: dict[str, Any]) -> None:
    speed, _ = measured(states, "motion", WATCHED)
    assert np.median(speed["ratio"][35:]) > 1.5 * np.median(speed["ratio"][5:28])
    calm, _ = measured(states, "presence", NORMAL[:80])
    stays, facts = measured(states, "presence", left_behind())
    assert max(stays["stays"][60:]) > 2.5 > max(stays["stays"][:30])
    assert max(calm["left"]) < 2.0 < max(stays["left"][60:])
    told = [fact for fact in facts if fact.measure == "presence.left"]
    assert told
    x0, y0, x1, y1 = told[-1].region
    assert x0 < 75 / 160 < x1
    assert y0 < 104 / 120 < y1


def test_an_untaught_expert_is_not_among_those_that_watch() -> None:
    assert set(taught_experts("frames", {})) <= {"motion", "camera"}


def belt(frames: int, missing: int = -1) -> list[Picture]:
    """Blocks that pass to the right, 24 pixels wide, one every 60; number `missing` is not there."""
    images = []
    for index in range(frames):
        image = np.full((90, 180, 3), 90, np.uint8)
        for number in range(-3, frames):
            left = 4 * index - 60 * number
            if number != missing and -24 < left < 180:
                image[30:60, max(0, left) : left + 24] = 220
        images.append(image)
    return pictures(images)


def test_what_fails_to_come_is_told_while_the_picture_would_hold_all_of_it() -> None:
    presence = Presence()
    presence.fit([belt(150), belt(150)])
    absent = presence.measure(belt(150, missing=5), 0).frames["absent"]
    told = [place for place, value in enumerate(absent) if value > 0.4]
    entered, leaves = 60 * 5 // 4, (60 * 5 + 180 - 24) // 4
    assert told[0] in range(entered - 1, entered + 8), "but for a cell of the coarse picture, to a frame"
    assert told[-1] < leaves
