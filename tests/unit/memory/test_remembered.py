"""What resolved cases say of the one at hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.memory.remembered import FEWEST, NEIGHBOURS, Remembered, fitted

Array = np.ndarray


def world(count: int = 200, seed: int = 0) -> tuple[Array, Array, list[str]]:
    """Two kinds of normal and two of anomalous cases, each around a direction of its own."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 4, count)
    vectors = np.eye(16)[kind] + draw.normal(0, 0.1, (count, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), (kind >= 2).astype(float), [f"group {number}" for number in kind % 2]


def memory_of(vectors: Array, labels: Array, groups: list[str]) -> Remembered:
    return Remembered(vectors, labels, fitted(vectors, labels, np.full(len(labels), 0.5), groups))


def strange(count: int = 1) -> Array:
    return np.tile(np.eye(16, dtype=np.float32)[10], (count, 1))


def test_memory_moves_p_towards_what_people_answered_of_such_cases() -> None:
    vectors, labels, groups = world()
    memory = memory_of(vectors, labels, groups)
    fresh, truth, _ = world(seed=1)
    found = memory.p_of(fresh, np.full(len(truth), 0.5))
    assert np.mean((found >= 0.5) == truth) > 0.85
    others = memory.held_out(np.arange(len(labels)), np.full(len(labels), 0.5))
    assert np.mean((others >= 0.5) == labels) > 0.85


def test_memory_is_silent_about_what_it_has_not_seen() -> None:
    memory = memory_of(*world())
    assert memory.p_of(strange(), np.array([0.3])).tolist() == [0.3]


def test_where_all_remembered_texts_are_the_same_the_same_is_known_and_another_is_not() -> None:
    same = np.tile(np.full(16, 0.25, np.float32), (FEWEST, 1))
    memory = memory_of(same, np.ones(FEWEST), ["a"] * FEWEST)
    assert memory.recall(same[:1]).open.tolist() == [True]
    assert memory.p_of(same[:1], np.array([0.4]))[0] > 0.4
    assert memory.recall(strange()).open.tolist() == [False]


def test_a_case_without_a_p_of_the_members_is_remembered_but_chooses_nothing() -> None:
    vectors, labels, groups = world()
    p = np.where(labels == 1, 0.9, 0.1)
    some = np.where(np.arange(len(p)) % 3 == 0, np.nan, p)
    found = fitted(vectors, labels, some, groups)
    assert np.isfinite(found.tau)
    assert fitted(vectors, labels, np.full(len(p), np.nan), groups).tau == pytest.approx(
        fitted(vectors, labels, p, ["one"] * len(p)).tau
    )


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), p=st.floats(0, 1), flips=st.sets(st.integers(0, 79), max_size=20))
def test_p_is_between_the_members_and_the_labels_and_never_falls_when_an_answer_rises(
    seed: int, p: float, flips: set[int]
) -> None:
    vectors, labels, groups = world(80, seed)
    before = memory_of(vectors, labels, groups)
    raised = labels.copy()
    raised[list(flips)] = 1.0
    after = Remembered(vectors, raised, before.settings)
    asked = np.concatenate([world(20, seed + 1)[0], strange(2)])
    members = np.full(len(asked), p)
    low, high, recalled = before.p_of(asked, members), after.p_of(asked, members), before.recall(asked)
    assert ((low >= 0) & (low <= 1)).all()
    assert (high >= low - 1e-12).all()
    assert (low[~recalled.open] == p).all()
    assert not recalled.open[-2:].any()
    near = labels[recalled.places]
    assert recalled.places.shape == (len(asked), NEIGHBOURS)
    assert (low >= np.minimum(p, near.min(axis=1)) - 1e-12).all()
    assert (low <= np.maximum(p, near.max(axis=1)) + 1e-12).all()
    assert (recalled.trust >= 0.5).all()
