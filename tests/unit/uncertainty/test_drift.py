"""Drift is told where cases change, and hardly ever where they do not."""

from __future__ import annotations

import numpy as np

from alarm_agents.uncertainty.drift import FALSE_ALARM, Drift, Jumper, unlikeness


def test_a_source_that_stays_as_it_is_is_hardly_ever_said_to_drift() -> None:
    draw = np.random.default_rng(5)
    told = 0
    for _ in range(150):
        drift = Drift(2, draw.random((50, 2)).tolist())
        for case in draw.random((400, 2)).tolist():
            drift.take(case, draw.random())
            if drift.found:
                told += 1
                break
    assert told <= 150 * FALSE_ALARM + 4


def test_equal_cases_are_no_drift_and_odder_ones_are() -> None:
    draw = np.random.default_rng(5)
    drift = Drift(1, [[0.1]] * 50)
    found = []
    for value in [0.1] * 200 + [0.9] * 20:
        drift.take([value], draw.random())
        found.append(drift.found)
    assert not any(found[:200])
    assert any(found)


def test_one_feature_of_several_is_enough() -> None:
    draw = np.random.default_rng(6)
    drift = Drift(3, draw.normal(size=(200, 3)).tolist())
    for row in (draw.normal(size=(60, 3)) + np.array([0, 2, 0])).tolist():
        drift.take(row, draw.random())
    assert drift.found


def test_the_stake_stays_one_on_average() -> None:
    draw = np.random.default_rng(7)
    ends = []
    for _ in range(2_000):
        jumper = Jumper()
        for rank in draw.random(10):
            jumper.take(rank)
        ends.append(jumper.value)
    assert abs(np.mean(ends) - 1.0) < 0.1


def test_unlikeness_is_of_the_nearest() -> None:
    known = np.eye(3, dtype=np.float32)[:2]
    assert unlikeness(np.eye(3, dtype=np.float32), known).tolist() == [0.0, 0.0, 1.0]
