"""Rules in words become predicates where the grammar can read them, and are refused where it would have to guess."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents import expressions
from alarm_agents.agents.predicates import check_predicate, observed
from alarm_agents.agents.wording import understand
from alarm_agents.errors import ConfigurationError, ExpressionError
from alarm_agents.types import Fact, RuleKind
from support.records import fact, motion, perception, window

ODD = RuleKind.ANOMALOUS


def seen(caption: str = "", *facts: Fact, hour: float | None = None, ratio: float = 1.0) -> dict[str, Any]:
    """What an expression may speak of, in a window at that time of day."""
    timed = window().model_copy(update={"hour": hour})
    return observed([motion(ratio)], facts, [perception("eye", caption=caption)], timed)


def holds(text: str, values: dict[str, Any], zones: tuple[str, ...] = ()) -> bool:
    predicate = understand(text, ODD, zones).predicate
    assert predicate is not None
    check_predicate(predicate, where="here")
    return expressions.holds(predicate, values)


@pytest.mark.parametrize(("hour", "applies"), [(21.99, False), (22.0, True), (23.9, True), (0.5, False)])
def test_after_a_time_is_until_midnight(hour: float, applies: bool) -> None:
    assert holds("no bicycles after 22:00", seen("A person rides a bicycle.", hour=hour)) is applies


@pytest.mark.parametrize(("hour", "applies"), [(21.0, False), (22.0, True), (3.0, True), (6.4, True), (6.5, False)])
def test_between_two_times_may_go_over_midnight(hour: float, applies: bool) -> None:
    text = "nobody rides a bicycle or a scooter between 10 pm and 6:30"
    assert holds(text, seen("Two people riding bicycles.", hour=hour)) is applies
    assert holds(text, seen("Somebody on a scooter.", hour=hour)) is applies
    assert not holds(text, seen("A person walks past a parked bicycle.", hour=hour))


def test_what_is_not_said_needs_no_clock_and_what_is_said_cannot_be_decided_without_one() -> None:
    assert not holds("no bicycles after 22:00", seen("A person walks."))
    with pytest.raises(ExpressionError):
        holds("no bicycles after 22:00", seen("A bicycle."))


def test_in_a_zone_it_is_what_stands_there_that_counts() -> None:
    dog, cat = fact("a dog sits", zones=("road",)), fact("a cat sits", zones=("road",))
    assert holds("no dogs on the road", seen("", dog), ("road", "pavement"))
    assert not holds("no dogs on the road", seen("", fact("a dog sits"), cat), ("road",))
    assert understand("no dogs on the road", ODD).predicate is None, "a zone that nobody has drawn is a word"


def test_what_the_captions_expert_says_of_a_rule_is_not_said_by_a_caption() -> None:
    quoted = fact("'walking' is closer to the rule 'no bicycles'", attribute="says")
    assert not holds("no bicycles after 22:00", seen("A person walks.", quoted, hour=23.0))


def test_measures_are_read() -> None:
    assert understand("nothing is left for more than 2 minutes", ODD).predicate == "presence.left > 120.0"
    assert holds("nothing moves faster than 3 times the usual speed", seen(ratio=3.5))
    assert not holds("nothing moves faster than 3 times the usual speed after 20:00", seen(ratio=3.5, hour=19.0))


def test_a_rule_without_a_condition_stays_one_in_words() -> None:
    understood = understand("nobody rides a bicycle", ODD)
    assert understood.predicate is None
    assert "captions expert" in understood.said


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("no bicycles at night", ODD, "has no hours"),
        ("no bicycles on Sundays", ODD, "has no hours"),
        ("nobody after 22:00", ODD, "not clear what may not be"),
        ("no bicycles after 25:00", ODD, "no time of day"),
        ("no bicycles after 14 pm", ODD, "no time of day"),
        ("bicycles before 9:00", RuleKind.NORMAL, "would excuse all else"),
    ],
)
def test_what_it_would_have_to_guess_is_refused_with_a_remedy(text: str, kind: RuleKind, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        understand(text, kind)
    assert refused.value.remedy


@given(st.text(max_size=60).map(lambda text: f"no {text} after 22:00"))
def test_whatever_is_written_it_is_a_valid_predicate_or_refused(text: str) -> None:
    try:
        predicate = understand(text, ODD).predicate
    except ConfigurationError:
        return
    if predicate is not None:
        check_predicate(predicate, where="here")
        expressions.holds(predicate, seen("a person walks", hour=23.0))
