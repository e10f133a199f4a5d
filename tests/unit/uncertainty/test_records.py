"""Limits that a stream without references lifts by what it has shown."""

from __future__ import annotations

import numpy as np
import pytest

from alarm_agents.uncertainty.calibration import USUAL_SPREAD
from alarm_agents.uncertainty.records import KNOWN, LONGEST, Records

SECONDS = 1.6
LIMITS = {"motion.speed": 1.0}


def odd(values: list[float], records: Records | None = None) -> list[int]:
    """Which windows are beyond their lifted limit; the first is the warm-up."""
    records = records or Records()
    found = []
    records.learn({"motion.speed": values[0]})
    for place, value in enumerate(values[1:], 1):
        start = place * SECONDS
        lift = records.lift(start, start + SECONDS, {"motion.speed": value}, LIMITS)
        assert lift >= 1.0
        if value > lift * LIMITS["motion.speed"]:
            found.append(place)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_of_which_nothing_is_known_alarms_ever_more_seldom(seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(1.0, 0.5, 400).tolist()
    found = odd(values)
    alarms = [place for place in found if place - 1 not in found]
    assert len(alarms) <= 10  # in ten minutes
    assert sum(place >= 200 for place in alarms) <= 4


def test_what_is_clearly_more_than_all_before_is_odd_and_goes_on_to_be_so_while_it_lasts() -> None:
    assert odd([2.0] * 30 + [4.0, 3.0, 4.0] + [2.0] * 5) == [30, 31, 32]


def test_what_lasts_is_how_the_stream_is_now() -> None:
    found = odd([2.0] * 30 + [4.0] * 60)
    assert found[:2] == [30, 31]
    assert max(found) * SECONDS < 30 * SECONDS + 2 * LONGEST


def test_what_is_hardly_more_than_before_is_not_odd() -> None:
    assert odd([2.0, 2.0 * np.exp(USUAL_SPREAD) * 0.99]) == []


def test_one_odd_window_does_not_hide_another_for_good() -> None:
    assert odd([2.0] * 150 + [5.0] + [2.0] * 5 + [4.9]) == [150, 156]


def test_little_is_never_odd_and_what_is_known_is_bounded() -> None:
    records = Records()
    assert odd([0.5] * 10, records) == []
    for _ in range(2 * KNOWN):
        records.learn({"motion.speed": 9.0})
    assert records.lift(0.0, SECONDS, {"motion.speed": 1.0}, LIMITS) == pytest.approx(9.0 * np.exp(USUAL_SPREAD))
    assert records.lift(0.0, SECONDS, {}, {}) == 1.0
