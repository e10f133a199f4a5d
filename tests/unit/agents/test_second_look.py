"""Where a second look goes, to what the eyes found most notable, and what both looks come to."""

from __future__ import annotations

import pytest

from alarm_agents.agents.perceiver import WHOLE
from alarm_agents.agents.second_look import _of_both, notable_region
from alarm_agents.types import Box, Measurement, Parse, Perception
from support.records import fact, perception

LEFT, RIGHT, FAINT = (0.1, 0.4, 0.2, 0.6), (0.7, 0.5, 0.8, 0.6), (0.0, 0.0, 0.1, 0.1)


def seen(member: str, *facts: tuple[float, Box | None], measure: str = "", parse: Parse = Parse.PARSED) -> Perception:
    told = [
        fact(f"{i}", attribute="speed", value=value, region=region, measure=measure, perceiver=member)
        for i, (value, region) in enumerate(facts)
    ]
    return perception(member, parse=parse).model_copy(update={"facts": tuple(told)})


def test_one_eye_is_followed_to_its_most_notable_fact_with_room_around_it() -> None:
    assert notable_region([seen("a", (1.0, FAINT), (3.0, LEFT))]) == pytest.approx((0.0, 0.2, 0.3, 0.8))


def test_of_several_eyes_the_one_that_found_the_most_notable_fact_is_followed() -> None:
    found = notable_region([seen("a", (1.0, FAINT), (3.0, LEFT)), seen("b", (1.5, RIGHT)), seen("c")])
    assert found == pytest.approx((0.0, 0.2, 0.3, 0.8))


def test_what_was_not_understood_or_has_no_region_leads_nowhere() -> None:
    unread = seen("b", (9.0, RIGHT), parse=Parse.UNPARSED)
    assert notable_region([seen("a", (3.0, LEFT)), unread]) == pytest.approx((0.0, 0.2, 0.3, 0.8))
    assert notable_region([seen("a", (3.0, None)), unread]) == WHOLE
    assert notable_region([]) == WHOLE


def test_an_expert_looks_where_its_own_facts_are() -> None:
    both = [seen("a", (9.0, RIGHT)), seen("experts", (1.0, LEFT), measure="motion.ratio")]
    assert notable_region(both, "motion") == pytest.approx((0.0, 0.2, 0.3, 0.8))


def test_both_looks_count_alike_and_a_size_is_that_of_the_thing_that_is_faster() -> None:
    """A walker and a rider have no mean size; the second look had more frames, and none of the share that moves."""
    first = Measurement(
        expert="motion", score="ratio", frames={"ratio": (1.0, 1.0), "wide": (0.5, 0.5), "moving": (0.2, 0.3)}
    )
    again = {"ratio": (3.0, 3.0, 3.0, 0.0, 0.0), "wide": (1.2, 1.2, 1.2, 0.0, 0.0)}
    both = _of_both(first, again, [0.0, 0.1, 0.2, 0.3, 0.4], (0.2, 0.4))
    assert both["ratio"] == pytest.approx((2.0, 1.04), abs=0.01)  # the second look's mean goes down from frame to frame
    assert both["wide"] == (1.2, 0.0)
    assert both["moving"] == (0.2, 0.3)
