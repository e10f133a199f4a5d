"""What a member's stated p is worth, learned from labels: a rising curve, and nothing from too few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.evaluation.metrics import expected_calibration_error
from alarm_agents.uncertainty.recalibration import FEWEST, MANY, Recalibrated


def boaster(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One that states 0.95 or 0.05 and is right three times out of four."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, count)
    right = draw.random(count) < 0.75
    return np.where(right == labels.astype(bool), 0.95, 0.05), labels


@pytest.mark.parametrize("count", [MANY // 2, 2 * MANY])
def test_a_boaster_is_taken_for_what_he_is(count: int) -> None:
    found = Recalibrated(*boaster(count))
    stated, labels = boaster(2_000, seed=1)
    said = found.p(np.array([0.05, 0.95]))
    assert said == pytest.approx([0.25, 0.75], abs=0.12)
    before, after = expected_calibration_error(labels, stated), expected_calibration_error(labels, found.p(stated))
    assert before is not None
    assert after is not None
    assert after < before / 2


@settings(deadline=None, max_examples=50)
@given(
    stated=st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=120), seed=st.integers(0, 99), more=st.booleans()
)
def test_it_never_falls_and_never_invents(stated: list[float], seed: int, more: bool) -> None:
    given_ = np.array(stated * (1 + 5 * more), float)
    labels = np.random.default_rng(seed).integers(0, 2, len(given_))
    asked = np.array([0.0, 0.1, 0.5, 0.9, 1.0, np.nan])
    found = Recalibrated(given_, labels).p(asked)
    assert np.isnan(found[-1])
    assert (np.diff(found[:-1]) >= -1e-12).all()
    assert ((found[:-1] >= 0) & (found[:-1] <= 1)).all()


@pytest.mark.parametrize("few", ["normal", "anomalous"])
def test_until_there_are_enough_labels_of_both_kinds_it_is_as_stated(few: str) -> None:
    stated, labels = boaster(400)
    rare = np.flatnonzero(labels == (few == "anomalous"))[: FEWEST - 1]
    kept = np.sort(np.concatenate([rare, np.flatnonzero(labels == (few == "normal"))]))
    asked = np.linspace(0, 1, 11)
    assert (Recalibrated(stated[kept], labels[kept]).p(asked) == asked).all()


def test_what_is_stated_the_wrong_way_round_says_nothing() -> None:
    stated, labels = boaster(300)
    assert len(set(Recalibrated(1 - stated, labels).p(np.array([0.1, 0.9])).tolist())) == 1
