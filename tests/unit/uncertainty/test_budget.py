"""The controller that keeps a budget of alarms, whatever the windows are like."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.uncertainty.budget import HIGHEST, STEP, Budget


def watched(values: list[float], share: float, limit: float = 1.0) -> list[bool]:
    """Whether each window alarms, whose value is held against the lifted limit."""
    budget, alarms = Budget(share), []
    for window, value in enumerate(values):
        alarms.append(value > limit * budget.lift_for(window))
        budget.take(alarms[-1])
    return alarms


@given(st.lists(st.floats(0, 7.9), min_size=1, max_size=400), st.floats(1e-4, 0.2))
def test_the_share_that_alarms_is_kept_whatever_comes(values: list[float], share: float) -> None:
    assert sum(watched(values, share)) <= share * len(values) + HIGHEST / STEP + 1


def test_limits_that_were_set_too_low_cost_a_few_alarms_and_not_one_a_window() -> None:
    values = list(np.exp(np.random.default_rng(0).normal(0.3, 0.12, 20_000)))
    alarms = watched(values, 0.001)
    assert sum(value > 1.0 for value in values) > 15_000
    assert 10 < sum(alarms) < 20_000 * 0.001 + HIGHEST / STEP


def test_what_is_far_out_still_alarms_after_the_limits_were_lifted() -> None:
    budget = Budget(0.001)
    for _ in range(5):
        budget.take(True)
    assert 1.5 < budget.lift_for(5) < 3.0
    assert budget.lift_for(5) == pytest.approx(math.exp(5 * STEP * (1 - 0.001)))


def test_a_confirmed_alarm_and_a_scenario_without_a_promise_lift_nothing() -> None:
    budget = Budget(0.01)
    budget.take(True, confirmed=True)
    assert budget.lift_for(1) == 1.0
    unpromised = Budget(None)
    for _ in range(100):
        unpromised.take(True)
    assert unpromised.lift_for(100) == 1.0


@given(st.lists(st.booleans(), min_size=20, max_size=60), st.randoms(use_true_random=False))
def test_a_lift_hangs_on_the_windows_and_not_on_how_fast_they_were_judged(alarms: list[bool], order: Random) -> None:
    """Whatever number of windows is in flight, at most eight, each gets the same lift."""

    def lifts(in_flight: list[int]) -> list[float]:
        budget, taken, found = Budget(0.05, delay=7), 0, []
        for window, most in enumerate(in_flight):
            while window - taken > most:
                budget.take(alarms[taken])
                taken += 1
            found.append(budget.lift_for(window))
        return found

    slow = lifts([7] * len(alarms))
    assert (
        lifts([order.randint(0, 7) for _ in alarms]) == slow == lifts([7 if w < 30 else 0 for w in range(len(alarms))])
    )
