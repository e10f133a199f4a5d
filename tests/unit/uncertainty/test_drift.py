"""Drift is told where cases change, and hardly ever where they do not."""

from __future__ import annotations

import numpy as np

from alarm_agents.uncertainty.drift import FALSE_ALARM, Drift, Gambler, Sights


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
        gambler = Gambler()
        for rank in draw.random(10):
            gambler.take(rank)
        ends.append(gambler.value)
    assert abs(np.mean(ends) - 1.0) < 0.1


def test_a_shift_of_what_is_seen_is_told_though_nothing_is_odder_or_more_unsure() -> None:
    draw = np.random.default_rng(8)

    def seen(count: int, place: int) -> np.ndarray:
        vectors = draw.normal(size=(count, 32)) + 4 * np.eye(32)[place]
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    sights = Sights(np.concatenate([seen(50, 0), seen(50, 1)]))
    rows = [[draw.random(), *row] for row in sights.of(seen(100, 0)).tolist()]
    drift = Drift(1 + Sights.features, [[draw.random(), *row] for row in sights.of(seen(100, 1)).tolist()] + rows)
    for row in sights.of(np.concatenate([seen(1, draw.integers(2)) for _ in range(100)])).tolist():
        drift.take([draw.random(), *row], draw.random())
    before = drift.found
    for row in sights.of(seen(60, 1)).tolist():  # one of two places, that was seen before, alone
        drift.take([draw.random(), *row], draw.random())
    assert (before, drift.found) == (False, True)
    assert drift.strongest > 0


def test_sights_are_told_by_the_nearest_and_by_where_they_lie() -> None:
    known = np.eye(8, dtype=np.float32)[:2]
    found = Sights(known).of(np.eye(8, dtype=np.float32)[:3])
    assert found.shape == (3, Sights.features)
    assert found[:, 0].tolist() == [0.0, 0.0, 1.0]
    assert found[0, 1] == -found[1, 1] != 0.0
