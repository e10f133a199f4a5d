"""What the presence expert takes for something left behind: a thing by itself, for as long as it is there."""

from __future__ import annotations

import numpy as np
import pytest

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.presence import Presence
from alarm_agents.tools.rhythm import SETTLED

FPS = 10.0
GROUND, SOMEBODY, BAG = 90, 200, 30
TALL = 26
Thing = tuple[int, int, int, int, int]
"""Left, top, width, height, grey level."""


def person(left: int) -> Thing:
    return left, 60, 10, TALL, SOMEBODY


def bag(left: int) -> Thing:
    return left, 60 + TALL - 8, 10, 8, BAG


def pictures(moments: list[list[Thing]]) -> list[Picture]:
    """One picture a moment, with the things drawn one after another."""
    found = []
    for index, things in enumerate(moments):
        image = np.full((120, 160, 3), GROUND, np.uint8)
        for left, top, wide, tall, level in things:
            image[top : top + tall, max(0, left) : max(0, left + wide)] = level
        found.append(Picture(image, index, index / FPS, FPS))
    return found


@pytest.fixture(scope="module")
def presence() -> Presence:
    """Taught by people who walk by."""
    taught = Presence()
    taught.fit([pictures([[person(3 * index % 200 - 20)] for index in range(120)])])
    return taught


def left(presence: Presence, moments: list[list[Thing]]) -> list[float]:
    """The clock of what is left behind, frame by frame."""
    presence.begin()
    return list(presence.measure(pictures(moments), 0).frames["left"])


def test_what_its_owner_stands_beside_is_not_left_until_he_has_gone(presence: Presence) -> None:
    beside = [[bag(80), person(68)]] * 30
    clock = left(presence, [[], *beside, *([bag(80), person(68 - 4 * step)] for step in range(40))])
    told = [place for place, seconds in enumerate(clock) if seconds > SETTLED]
    assert told[0] in range(35, 46)
    assert clock[told[0]] > 3.0, "it tells how long the bag has been there"


def test_a_coat_as_bright_as_the_ground_is_part_of_who_wears_it(presence: Presence) -> None:
    standing = pictures([[], *[[bag(80)]] * 30])
    for picture in standing[1:]:
        picture.image[60 : 60 + TALL - 8, 80:90] = 230, 60, 96  # blue, and in grey the ground's level
    presence.begin()
    assert max(presence.measure(standing, 0).frames["left"]) == SETTLED


def test_somebody_in_parts_is_not_something_small(presence: Presence) -> None:
    x, top, wide, _, level = person(80)
    upper, lower = (x, top, wide, 9, level), (x, top + 17, wide, 9, level)
    assert max(left(presence, [[], *[[upper, lower]] * 50])) == SETTLED
    assert max(left(presence, [[], *[[lower]] * 50])) > 4.0


def test_who_passes_does_not_stop_the_clock(presence: Presence) -> None:
    passing = [[bag(80), person(40 + 5 * step)] for step in range(20)]
    clock = left(presence, [[], *[[bag(80)]] * 40, *passing, *[[bag(80)]] * 5])
    assert clock[-1] == pytest.approx(6.4, abs=0.2)


def test_what_is_hidden_counts_for_less_until_it_is_seen_again(presence: Presence) -> None:
    hiding = [[bag(80), (70, 40, 30, 50, SOMEBODY)]] * 8
    clock = left(presence, [[], *[[bag(80)]] * 60, *hiding, *[[bag(80)]] * 2])
    assert clock[60] == pytest.approx(5.9, abs=0.1)
    assert all(SETTLED < seconds == pytest.approx(1.9, abs=0.1) for seconds in clock[61:69]), "it may have been taken"
    assert clock[-1] == pytest.approx(6.9, abs=0.1)


def test_what_is_taken_ends_though_who_takes_it_stands_there(presence: Presence) -> None:
    taker = [(82, 60, 4, TALL, SOMEBODY)]
    clock = left(presence, [[], *[[bag(80)]] * 40, *[taker] * 10])
    assert clock[40] > 3.5
    assert clock[41] == SETTLED


def test_what_is_taken_is_told_no_more(presence: Presence) -> None:
    clock = left(presence, [[], *[[bag(80)]] * 40, *[[]] * 10])
    assert clock[40] > 3.5
    assert clock[41] == SETTLED


def test_who_comes_by_chance_is_not_expected() -> None:
    """A few of the gaps between chance visits are alike by chance; what belts carry comes again everywhere."""
    rng = np.random.default_rng(1)
    chance = [np.cumsum(rng.exponential(90, 30) + 20).astype(int).tolist() for _ in range(10)]
    belts = [list(range(lane, 500, 50)) for lane in range(10)]
    for lanes, expected in ((chance, False), (belts, True)):
        moments = [
            [(8 * (index - start), 12 * lane, 10, 8, SOMEBODY) for lane, starts in enumerate(lanes) for start in starts]
            for index in range(500)
        ]
        expert = Presence()
        expert.fit([pictures(moments)])
        expert.begin()
        assert ("absent" in expert.measure(pictures(moments[:20]), 0).frames) == expected
