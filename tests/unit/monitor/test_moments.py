"""The frame that shows a case best, and where things are between the frames that facts are of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.monitor.moments import HELD, JOINED, located, moment_of, seen_at, sightings, telling
from support.records import case, fact, verdict

LEFT, RIGHT = (0.1, 0.4, 0.2, 0.6), (0.5, 0.4, 0.6, 0.6)


def test_a_case_is_shown_when_its_most_extreme_thing_was_seen() -> None:
    slow = fact("slow", value=1.5, region=LEFT, time=10.1)
    fast = fact("fast", value=3.5, region=RIGHT, time=10.3)
    moment = moment_of(case(10.0, 0.9, slow, fast))
    assert (moment.time, moment.frame) == (10.3, 103)
    assert moment.facts == (fast,), "the slow thing was elsewhere by then"


def test_without_places_in_the_picture_it_is_shown_at_its_largest_p() -> None:
    moment = moment_of(case(10.0, 0.9, fact("a man runs"), frame_scores=(0.1, 0.2, 0.9, 0.3)))
    assert (moment.time, moment.p, moment.facts) == (10.2, 0.9, ())


def test_a_whole_thing_tells_more_than_one_cut_by_the_edge() -> None:
    cut = case(0.0, 0.99, fact("cut", value=3.0, region=(0.0, 0.4, 0.1, 0.6)))
    whole = case(0.4, 0.7, fact("whole", value=2.0, region=LEFT))
    assert telling(whole) > telling(cut) > telling(case(0.8, 0.8))


def test_a_track_moves_evenly_from_one_sighting_to_the_next() -> None:
    first = fact("object 3", value=2.0, region=LEFT, time=1.0, track="3")
    last = fact("object 3", value=3.0, region=RIGHT, time=2.0, track="3")
    seen = sightings([case(0.8, 0.9, first), case(1.8, 0.9, last)])
    (middle,) = seen_at(1.5, seen)
    assert middle.region == pytest.approx((0.3, 0.4, 0.4, 0.6))
    assert [seen_at(time, seen)[0].fact for time in (1.0, 1.1, 1.9, 2.0)] == [first, first, last, last]
    assert seen_at(2.0 + 2 * HELD, seen) == []


def test_what_lasts_a_whole_window_is_shown_all_through_it() -> None:
    bag = fact("bag", region=LEFT)
    seen = sightings([case(1.0, 0.9, bag)])
    assert all([one.region for one in seen_at(time, seen)] == [LEFT] for time in (1.0, 1.2, 1.39))


@given(st.floats(0, 10), st.floats(0.01, 2 * JOINED), st.floats(0, 1))
def test_a_box_stays_in_the_picture_and_is_there_only_near_a_sighting(at: float, apart: float, share: float) -> None:
    facts = [fact("it", region=box, time=at + add, track="1") for box, add in ((LEFT, 0.0), (RIGHT, apart))]
    found = seen_at(at + share * apart, sightings([case(0.0, 0.9, *facts)]))
    near = min(share, 1 - share) * apart <= HELD
    assert bool(found) == (near or apart <= JOINED) or abs(min(share, 1 - share) * apart - HELD) < 1e-6
    assert all(0 <= edge <= 1 for one in found for edge in one.region)


def test_what_a_case_rests_on_is_shown_and_not_what_merely_has_a_large_number() -> None:
    thing = fact("a thing", value=9.0, region=LEFT, time=10.1, measure="geometry.shape")
    gap = fact("a gap", value=0.6, region=RIGHT, time=10.1, measure="presence.absent")
    shown = case(10.0, 0.9, thing, gap)
    assert located(shown) == [thing, gap]
    odd = shown.model_copy(update={"verdicts": (verdict(0.9, "embedded", beyond=("presence.absent",)),)})
    assert located(odd) == [gap]
