"""The rendered conveyor: even spacing, constant speed, and four things that go wrong, where and when the spans say."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from alarm_agents.demo import belt, conveyor
from alarm_agents.demo.conveyor import DAMAGES, NOTHING, SPACING, WATCHED_SECONDS, Belt, Plan, plan
from alarm_agents.demo.parts import SIDE, Damage, Flange, lay
from alarm_agents.demo.scene import FPS, HEIGHT, WIDTH, Image, Span

SEED = 3


def shown(running: Belt, time: float) -> Image:
    return np.asarray(cv2.resize(running.draw(time), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="module")
def watched() -> Belt:
    return Belt(WATCHED_SECONDS, SEED, plan(SEED))


@pytest.fixture(scope="module")
def spans() -> dict[str, Span]:
    return {span.kind: span for span in conveyor.watched(SEED).implanted}


@pytest.mark.parametrize("seed", range(5))
def test_each_thing_goes_wrong_once(seed: int) -> None:
    assert sorted(span.kind for span in conveyor.watched(seed).implanted) == ["damaged", "jammed", "missing", "rotated"]
    assert conveyor.normal(seed).implanted == ()


def test_parts_lie_evenly_but_for_natural_variation() -> None:
    flanges = Belt(60.0, 0, NOTHING).flanges()
    gaps = -np.diff([each.along for each in flanges])
    assert gaps.mean() == pytest.approx(SPACING, rel=0.01)
    assert 0.002 < gaps.std() < 0.02
    assert 0 < np.abs(np.degrees([each.angle for each in flanges])).max() < 6
    assert len({each.tone for each in flanges}) == len(flanges)


@pytest.mark.parametrize("seed", range(5))
def test_only_what_should_be_wrong_is_and_it_is_not_subtle(seed: int) -> None:
    chosen = plan(seed)
    normal = {each.seed: each for each in Belt(WATCHED_SECONDS, seed, NOTHING).flanges()}
    odd = {each.seed: each for each in Belt(WATCHED_SECONDS, seed, chosen).flanges()}
    numbers = {kind: (seed, number) for number, kind in chosen.parts.items()}
    assert normal.keys() - odd.keys() == {numbers["missing"]}
    assert {key for key in odd if odd[key] != normal[key]} == {numbers["rotated"], numbers["damaged"]}
    assert 25 <= abs(math.degrees(odd[numbers["rotated"]].angle)) <= 45
    assert odd[numbers["damaged"]].damage is not None


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_changes_what_a_part_looks_like(damage: Damage) -> None:
    painted = []
    for how in (None, damage):
        strip = np.full((round(belt.BROAD * belt.FINEST), 1800, 3), 80, np.uint8)
        lay(strip, Flange(0.5, 0.3, 0.0, 1.0, (1, 1), how))
        painted.append(strip.astype(int))
    changed = np.abs(painted[0] - painted[1]).max(axis=2) > 40
    assert changed.sum() > 0.04 * (SIDE * belt.FINEST) ** 2


def test_the_belt_moves_at_constant_speed_and_stands_in_a_jam(watched: Belt, spans: dict[str, Span]) -> None:
    jam = spans["jammed"]
    assert 4.5 < jam.end - jam.start < 6
    jammed = [shown(watched, time) for time in np.arange(jam.start, jam.end, 0.5)]
    assert all((picture == jammed[0]).all() for picture in jammed)
    for time in (jam.start - 3.0, jam.end + 2.0):
        assert _shift(shown(watched, time), shown(watched, time + 1 / FPS)) == pytest.approx(5.7, abs=1.0)


def _shift(before: Image, after: Image) -> int:
    """Pixels to the right by which the middle of the belt has moved."""
    rows, most = slice(belt.FAR + 30, belt.NEAR - 40), 20
    match = cv2.matchTemplate(after[rows], before[rows, 60:260], cv2.TM_CCOEFF_NORMED)[0]
    return int(np.argmax(match[60 - most : 60 + most])) - most


@pytest.mark.parametrize("kind", ["missing", "rotated", "damaged"])
def test_the_box_is_where_something_is_wrong(watched: Belt, spans: dict[str, Span], kind: str) -> None:
    """Where the picture differs from the one in which nothing is wrong with the parts."""
    time = (spans[kind].start + spans[kind].end) / 2
    right = Belt(WATCHED_SECONDS, SEED, Plan({}, watched.plan.jam))
    changed = np.abs(shown(watched, time).astype(int) - shown(right, time)).max(axis=2) > 25
    rows, columns = np.nonzero(changed)
    assert len(rows) > 150
    x0, y0, x1, y1 = spans[kind].box_at(time)
    room = 22  # for a shadow, for the corners of a part turned by up to 45 degrees (13), and for jitter (3)
    assert x0 * WIDTH - room < columns.min() <= columns.max() < x1 * WIDTH + room
    assert y0 * HEIGHT - room < rows.min() <= rows.max() < y1 * HEIGHT + room
