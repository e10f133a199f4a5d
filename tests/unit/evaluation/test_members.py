"""Members alone, and what second looks changed."""

from __future__ import annotations

import pytest

from alarm_agents.evaluation.members import of_members
from support.records import case, silent, verdict

LABELS = dict.fromkeys(range(4), 0) | dict.fromkeys(range(4, 8), 1)
"""Two windows of four frames: a normal and an anomalous one."""


def test_each_member_is_measured_alone_and_the_best_one_is_what_the_ensemble_is_held_against() -> None:
    cases = [
        case(0.0, verdicts=(verdict(0.2, "a"), verdict(0.6, "b"))),
        case(0.4, verdicts=(verdict(0.9, "a"), verdict(0.4, "b"))),
    ]
    found = of_members([(LABELS, cases)], together=0.9)
    assert found["members"] == {"a": 1.0, "b": 0.0}
    assert found["gain_over_best_member"] == pytest.approx(-0.1)


def test_one_member_has_nobody_to_be_better_than() -> None:
    cases = [case(0.0, verdicts=(verdict(0.2),)), case(0.4, verdicts=(verdict(0.9),))]
    assert of_members([(LABELS, cases)], together=1.0)["gain_over_best_member"] is None


def test_second_looks_that_change_a_verdict_are_counted_as_right_or_wrong() -> None:
    cases = [
        case(0.0, verdicts=(verdict(0.6), verdict(0.1, round=1))),  # normal, held to be anomalous at first
        case(0.4, verdicts=(verdict(0.6), verdict(0.2, round=1))),  # anomalous, and lost
        case(0.4, verdicts=(verdict(0.6), verdict(0.9, round=1))),  # confirmed
        case(0.4, verdicts=(verdict(0.6), silent("mind", round=1))),  # could not tell
    ]
    found = of_members([(LABELS, cases)], together=None)["reflections"]
    assert found == {"rightly": 1, "wrongly": 1, "net": 0}


def test_windows_without_labels_count_for_nothing() -> None:
    found = of_members([({}, [case(0.0, verdicts=(verdict(0.6), verdict(0.1, round=1)))])], together=None)
    assert found == {
        "members": {},
        "gain_over_best_member": None,
        "reflections": {"rightly": 0, "wrongly": 0, "net": 0},
    }
