"""The gate's promise, by simulation: what it may miss, it misses no more often than promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.uncertainty.gate import gate_threshold

DELTA = 0.1
SCORES = st.lists(st.floats(0, 100), min_size=60, max_size=120)


@pytest.mark.parametrize(("labels", "max_missed"), [(120, 0.02), (100, 0.05), (60, 0.1)])
def test_the_share_missed_stays_under_the_promise_with_the_promised_confidence(labels: int, max_missed: float) -> None:
    rng = np.random.default_rng(7)
    population = rng.lognormal(0.0, 1.0, 200_000)
    missed = []
    for _ in range(1_500):
        threshold = gate_threshold(rng.choice(population, labels), max_missed, DELTA)
        assert threshold is not None
        missed.append(float(np.mean(population < threshold)))
    broken = np.mean(np.array(missed) > max_missed)
    assert broken <= DELTA + 0.02  # two and a half standard errors of 1,500 draws
    assert broken >= DELTA / 10  # it is a bound that is used, not one that never closes the gate
    assert np.mean(missed) > 0


@pytest.mark.parametrize(("labels", "max_missed"), [(0, 0.02), (113, 0.02), (44, 0.05)])
def test_too_few_labels_leave_the_gate_open(labels: int, max_missed: float) -> None:
    assert gate_threshold([1.0] * labels, max_missed, DELTA) is None


@pytest.mark.parametrize(("labels", "max_missed"), [(114, 0.02), (45, 0.05)])
def test_the_smallest_number_of_labels_is_that_of_the_rule_of_threes_kind(labels: int, max_missed: float) -> None:
    """None of n missed bounds the share at 1 - delta^(1/n)."""
    assert 1 - DELTA ** (1 / labels) <= max_missed < 1 - DELTA ** (1 / (labels - 1))
    assert gate_threshold([3.0] * labels, max_missed, DELTA) == 3.0


@settings(deadline=None, max_examples=50)
@given(scores=SCORES, a=st.floats(0.03, 0.5), b=st.floats(0.03, 0.5))
def test_a_stricter_promise_never_closes_the_gate_further(scores: list[float], a: float, b: float) -> None:
    strict, loose = gate_threshold(scores, min(a, b), DELTA), gate_threshold(scores, max(a, b), DELTA)
    assert strict is None or (loose is not None and strict <= loose)


@settings(deadline=None, max_examples=50)
@given(scores=SCORES, order=st.randoms(use_true_random=False))
def test_the_order_of_the_labels_does_not_matter(scores: list[float], order: object) -> None:
    shuffled = list(scores)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert gate_threshold(shuffled, 0.1, DELTA) == gate_threshold(scores, 0.1, DELTA)
