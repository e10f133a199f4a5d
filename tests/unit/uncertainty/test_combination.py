"""Signals, their combination, and ALARM's residual."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.types import Label
from alarm_agents.uncertainty import signals
from alarm_agents.uncertainty.alarm2025 import LowRank
from alarm_agents.uncertainty.combination import equal, fitted

P = st.floats(0, 1)


@given(st.lists(P, min_size=2, max_size=5))
def test_disagreement_is_within_the_total(members: list[float]) -> None:
    found = signals.mutual_information(members)
    assert found is not None
    assert 0 <= found <= signals.entropy(sum(members) / len(members)) + 1e-9


def test_signals_at_their_ends() -> None:
    assert signals.vote_entropy([Label.ANOMALOUS, Label.NORMAL, Label.UNKNOWN]) == 1.0
    assert signals.vote_entropy([Label.UNKNOWN]) is None
    assert signals.set_disagreement([frozenset("ab"), frozenset("cd")]) == 1.0
    same = np.tile(np.array([[1.0, 0.0]], np.float32), (3, 1))
    assert signals.dispersion(same) == pytest.approx(0.0)
    assert signals.dispersion(np.eye(2, dtype=np.float32)) == pytest.approx(1.0)


def test_a_rank_that_leaves_no_residual_is_refused() -> None:
    cases = np.random.default_rng(0).random((20, 3))
    with pytest.raises(ValueError, match="leaves no residual"):
        LowRank(cases, rank=3)
    assert LowRank(cases, rank=2).residuals(cases).max() > 0


def test_labels_find_the_signal_that_tells_errors() -> None:
    draw = np.random.default_rng(0)
    wrong = draw.random(200) < 0.3
    values = {"good": (wrong + draw.random(200)).tolist(), "noise": draw.random(200).tolist()}
    made = fitted(values, wrong.tolist())
    assert made.weights["good"] > 0.8
    assert sum(made.weights.values()) == pytest.approx(1.0)
    assert made.score({"good": 2.0, "noise": 0.9}) > made.score({"good": 0.1, "noise": 0.9})


def test_without_labels_all_count_alike_and_a_single_case_can_be_scored() -> None:
    made = equal({"a": [0.0, 0.5, 1.0], "b": [0.2, None, 0.4]})
    assert made.score({"a": 0.5, "b": None}) == 0.5
    assert made.score({"a": None}) == 1.0
