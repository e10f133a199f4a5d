"""The controller that keeps a budget of alarms, whatever the windows are like."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.uncertainty.budget import HIGHEST, STEP, Budget


def watched(values: list[float], share: float, limit: float = 1.0) -> list[bool]:
    """Whether each window alarms, whose value is held against the lifted limit."""
    budget, alarms = Budget(share), []
    for value in values:
        alarms.append(value > limit * budget.lift)
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
    assert 1.5 < budget.lift < 3.0
    assert budget.lift == math.exp(5 * STEP * (1 - 0.001))


def test_a_confirmed_alarm_and_a_scenario_without_a_promise_lift_nothing() -> None:
    budget = Budget(0.01)
    budget.take(True, confirmed=True)
    assert budget.lift == 1.0
    unpromised = Budget(None)
    for _ in range(100):
        unpromised.take(True)
    assert unpromised.lift == 1.0
