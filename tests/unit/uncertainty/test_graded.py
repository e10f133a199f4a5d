"""From a measure to a probability."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.types import Threshold
from alarm_agents.uncertainty.graded import AT_TYPICAL, curve

MEASURED = st.floats(1e-6, 1e6)
ANYTHING = st.floats(allow_nan=False)


def threshold(limit: float, typical: float) -> Threshold:
    return Threshold(measure="motion.ratio", limit=limit, typical=typical)


def graded(value: float, at: Threshold) -> float:
    return curve(at)(value)


@settings(deadline=None)
@given(limit=st.floats(1e-4, 1e4), share=st.floats(1e-3, 1 / 1.1))
def test_p_is_one_half_at_the_limit_and_a_twentieth_at_the_typical_value(limit: float, share: float) -> None:
    at = threshold(limit, limit * share)
    assert graded(limit, at) == pytest.approx(0.5)
    assert graded(limit * share, at) == pytest.approx(AT_TYPICAL) == pytest.approx(0.05)


@settings(deadline=None)
@given(a=MEASURED, b=MEASURED, limit=MEASURED, typical=MEASURED)
def test_p_ranks_windows_as_the_measure_does(a: float, b: float, limit: float, typical: float) -> None:
    at = threshold(limit, typical)
    low, high = graded(min(a, b), at), graded(max(a, b), at)
    assert low <= high
    # Where p has not run into 0 or 1, it tells any two values apart that differ by more than rounding.
    if low > 1e-9 and high < 1 - 1e-9 and max(a, b) > min(a, b) * 1.001:
        assert low < high


@settings(deadline=None)
@given(value=ANYTHING, limit=ANYTHING.filter(math.isfinite), typical=ANYTHING.filter(math.isfinite))
def test_p_is_a_probability_whatever_was_measured(value: float, limit: float, typical: float) -> None:
    assert 0.0 <= graded(value, threshold(limit, typical)) <= 1.0


@given(value=st.floats(max_value=0.0, allow_nan=False))
def test_nothing_measured_is_no_anomaly(value: float) -> None:
    assert graded(value, threshold(2.0, 1.0)) == 0.0


def test_references_that_never_vary_leave_room_above_them() -> None:
    still = threshold(1.0, 1.0)
    assert graded(1.0, still) == pytest.approx(0.5)
    assert graded(1.05, still) < 0.9 < graded(1.2, still)


def test_a_measure_that_is_no_number_is_not_taken_for_normal() -> None:
    assert graded(math.nan, threshold(2.0, 1.0)) >= 0.5
    assert graded(math.inf, threshold(2.0, 1.0)) >= 0.5
