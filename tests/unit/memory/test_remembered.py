"""What resolved cases say of the one at hand."""

from __future__ import annotations

import numpy as np

from alarm_agents.memory.remembered import Remembered


def world(count: int = 200, seed: int = 0) -> tuple[np.ndarray, list[int], list[str]]:
    """Two kinds of normal and two of anomalous cases, each around a direction of its own."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 4, count)
    vectors = (np.eye(16)[kind] + draw.normal(0, 0.1, (count, 16))).astype(np.float32)
    return vectors, (kind >= 2).astype(int).tolist(), [f"group {number}" for number in kind % 2]


def test_memory_moves_p_towards_what_people_answered_of_such_cases() -> None:
    vectors, labels, groups = world()
    memory = Remembered(vectors, labels, [0.5] * len(labels), groups)
    fresh, truth, _ = world(seed=1)
    found = memory.p_of(fresh, [0.5] * len(truth))
    assert np.mean((found >= 0.5) == np.array(truth)) > 0.85
    assert ((memory.held_out >= 0) & (memory.held_out <= 1)).all()


def test_memory_is_silent_about_what_it_has_not_seen() -> None:
    vectors, labels, groups = world()
    memory = Remembered(vectors, labels, [0.5] * len(labels), groups)
    strange = np.zeros((1, 16), np.float32)
    strange[0, 10] = 1.0
    assert memory.p_of(strange, [0.3]).tolist() == [0.3]
