"""What references say of a measure: limits, p-values and how well they predict one another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alarm_agents.uncertainty.calibration import FLOOR, USUAL_SPREAD, Calibration, held_out_likelihood

VALUES = st.lists(st.floats(0.0, 1e4), min_size=1, max_size=30)
POSITIVE = st.lists(st.floats(0.1, 1e3), min_size=1, max_size=30)


def taught(values: list[float]) -> Calibration:
    return Calibration.of(values, values)


def normal(rng: np.random.Generator, count: int, spread: float = USUAL_SPREAD) -> list[float]:
    return list(np.exp(rng.normal(0, spread, count)))


@settings(deadline=None)
@given(values=VALUES)
def test_the_limit_lies_above_the_typical_value(values: list[float]) -> None:
    found = taught(values)
    limit, verified = found.limit(0.01)
    assert found.typical * 1.000001 >= FLOOR
    assert found.typical < limit < math.inf
    assert not verified, "so few references cannot bear out one in a hundred"
    warm = Calibration.warm_up(np.array(values))
    assert 0 < warm.typical < warm.reach() < math.inf


@settings(deadline=None)
@given(values=POSITIVE, unit=st.floats(1, 1e3))
@example(values=[7.0], unit=1.5)  # as odd as the oddest reference, which is a reference's rank in any unit
def test_another_unit_gives_the_same_in_that_unit(values: list[float], unit: float) -> None:
    ours, theirs = taught(values), taught([value * unit for value in values])
    assert theirs.limit(0.01)[0] == pytest.approx(ours.limit(0.01)[0] * unit)
    assert theirs.p_value(7.0 * unit)[0] == pytest.approx(ours.p_value(7.0)[0], rel=1e-6)


@settings(deadline=None)
@given(values=POSITIVE, a=st.floats(0.01, 1e4), b=st.floats(0.01, 1e4))
def test_what_is_odder_is_less_likely(values: list[float], a: float, b: float) -> None:
    found = taught(values)
    low, high = sorted((a, b))
    assert 0 < found.p_value(high)[0] <= found.p_value(low)[0] <= 1
    far = found.blocks[-1]
    assert found.p_value(far * 3)[0] < found.p_value(far * 2)[0] < found.p_value(far)[0], "beyond, it still ranks"


def test_within_the_references_p_is_a_rank_over_blocks_and_beyond_them_an_estimate() -> None:
    found = Calibration.of([1.0, 1.1, 1.2, 1.3] * 3, [1.0, 1.1, 1.2, 1.3])
    assert found.p_value(1.25) == (2 / 5, True)
    assert found.p_value(0.5) == (1.0, True)
    p, verified = found.p_value(1.5)
    assert p < 1 / 5
    assert not verified


@pytest.mark.parametrize("count", [10, 40])
def test_p_values_of_new_normal_windows_are_as_rare_as_they_say(count: int) -> None:
    rng = np.random.default_rng(2)
    share, found = 2 / (count + 1), []
    for _ in range(300):
        calibration = taught(normal(rng, count))
        found += [calibration.p_value(value)[0] <= share for value in normal(rng, 20)]
    assert np.mean(found) < share * 1.15


@pytest.mark.parametrize(("count", "most"), [(10, 0.03), (40, 0.02)])
def test_about_one_new_normal_window_in_a_hundred_lies_beyond_the_limit(count: int, most: float) -> None:
    rng = np.random.default_rng(3)
    beyond = [np.mean(np.array(normal(rng, 500)) > taught(normal(rng, count)).limit(0.01)[0]) for _ in range(200)]
    assert 0.01 / 3 < np.mean(beyond) < most


def test_enough_blocks_bear_the_limit_out() -> None:
    rng = np.random.default_rng(4)
    beyond = []
    for _ in range(100):
        limit, verified = taught(normal(rng, 120, spread=0.5)).limit(0.01)
        assert verified
        beyond.append(np.mean(np.array(normal(rng, 500, spread=0.5)) > limit))
    assert np.mean(beyond) < 0.0115


def test_references_that_vary_more_reach_further() -> None:
    narrow, wide = (taught([math.exp(s * x) for x in np.linspace(-2, 2, 25)]) for s in (0.1, 0.5))
    assert narrow.typical == pytest.approx(wide.typical)
    assert narrow.limit(0.01)[0] < wide.limit(0.01)[0]


def test_idle_windows_among_references_do_not_lift_the_limit() -> None:
    busy = [1.0, 1.2, 1.5, 1.7, 1.1]
    idle = [0.02] * 4
    assert taught(busy + idle).limit(0.01)[0] < 2.0 * max(busy), "of a road on which now and then nobody drives"
    assert taught(busy + idle).limit(0.01)[0] > 1.0


def test_a_minority_of_odd_frames_and_idle_stretches_do_not_move_a_warm_ups_limit_far() -> None:
    walking = np.random.default_rng(0).normal(1.0, 0.05, 200)
    clean = Calibration.warm_up(walking).reach()
    assert Calibration.warm_up(np.concatenate([walking, np.full(40, 9.0)])).reach() < 1.5 * clean < 9.0
    assert Calibration.warm_up(np.concatenate([walking, np.zeros(500)])).reach() == pytest.approx(clean)


def test_a_measure_that_varies_predicts_references_worse_than_a_steady_one() -> None:
    rng = np.random.default_rng(5)
    steady, wild = (held_out_likelihood(normal(rng, 20, spread), 20) for spread in (0.05, 0.6))
    assert wild < steady
    constant = held_out_likelihood([1.0] * 20, 20)
    assert constant == pytest.approx(steady, abs=0.3), "a measure that never varies is hardly better than a steady one"


def test_nothing_to_calibrate_by_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Calibration.of([], [])
