"""The size of what leads: of the fastest thing, seen whole."""

from __future__ import annotations

from alarm_agents.tools.leader import LOOKS, Leader, Size

WALKER, RIDER, PART = Size(1.0, 0.4), Size(1.0, 1.1), Size(0.6, 0.3)


def test_what_the_edge_cuts_has_no_size_yet() -> None:
    leader = Leader()
    assert leader.size(1.4, 1, WALKER) == WALKER
    assert leader.size(3.0, 2, None) == Size()
    assert leader.size(3.0, 2, RIDER) == RIDER


def test_what_hides_a_part_of_it_for_a_moment_changes_nothing() -> None:
    leader = Leader()
    seen = [leader.size(3.0, 2, size) for size in [RIDER] * 4 + [PART] * 3 + [RIDER] * 4]
    assert set(seen) == {RIDER}


def test_what_was_fastest_a_moment_before_is_still_meant_and_then_what_is() -> None:
    leader = Leader()
    for _ in range(2 * LOOKS):
        leader.size(3.0, 2, RIDER)
    after = [leader.size(1.4, 1, WALKER) for _ in range(8)]
    assert after[:3] == [RIDER] * 3
    assert after[-1] == WALKER


def test_something_faster_leads_at_once() -> None:
    leader = Leader()
    for _ in range(2 * LOOKS):
        leader.size(1.4, 1, WALKER)
    assert leader.size(2.6, 2, RIDER) == RIDER


def test_what_is_suddenly_far_faster_is_another_thing_though_it_is_taken_for_the_same() -> None:
    leader = Leader()
    for _ in range(2 * LOOKS):
        leader.size(1.4, 1, WALKER)
    assert leader.size(3.0, 1, None) == Size()
    assert leader.size(3.2, 1, RIDER) == RIDER
