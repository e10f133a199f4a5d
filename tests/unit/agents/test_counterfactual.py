"""What would have made it normal: found by asking the reasoner, the smallest there is, within a bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.agents.counterfactual import (
    Change,
    Judge,
    Seen,
    changed,
    measured_parts,
    smallest_change,
    worded_parts,
)
from alarm_agents.agents.predicates import judge
from alarm_agents.types import Label, Rule
from support.records import fact, fast, motion, perception, rule


def by(*rules: Rule) -> Judge:
    async def again(seen: Seen) -> Label:
        return judge("embedded", rules, seen.measurements, seen.perceptions).label

    return again


async def test_of_a_measure_beyond_its_limit_it_is_the_largest_value_under_it() -> None:
    rules = [fast(2.0)]
    seen = Seen((motion(1.0, 7.0),), ())
    found = await smallest_change(by(*rules), seen, measured_parts(seen, rules), 100)
    (change,) = found.changes
    assert (change.what, change.was) == ("motion.ratio", 7.0)
    assert change.at_most is not None
    assert 1.98 <= change.at_most < 2.0
    assert found.smallest
    assert "motion.ratio at most" in found.text


@given(largest=st.floats(2.1, 500.0), limit=st.floats(0.1, 2.0))
async def test_what_it_says_is_normal_the_reasoner_calls_normal(largest: float, limit: float) -> None:
    rules = [fast(limit, typical=limit / 2)]
    seen = Seen((motion(largest),), ())
    found = await smallest_change(by(*rules), seen, measured_parts(seen, rules), 100)
    assert await by(*rules)(changed(seen, found.changes)) is Label.NORMAL
    (change,) = found.changes
    assert change.at_most is not None
    above = change.model_copy(update={"at_most": change.at_most * 1.02})
    assert await by(*rules)(changed(seen, [above])) is not Label.NORMAL, "there is no room above it"


async def test_where_two_rules_speak_both_measures_have_to_change() -> None:
    slow = rule("tall things", predicate="motion.tall > 3.0")
    rules = [fast(2.0), slow]
    both = motion(7.0).model_copy(update={"frames": {"ratio": (7.0,), "tall": (9.0,)}})
    seen = Seen((both,), ())
    found = await smallest_change(by(*rules), seen, measured_parts(seen, rules), 200)
    assert {change.what: change.at_most for change in found.changes} == {"motion.ratio": 1.99, "motion.tall": 2.99}


async def test_a_fact_that_a_predicate_reads_may_be_missing() -> None:
    cart = rule("no carts", predicate="facts.exists(f, f.text.contains('cart'))", origin="person")
    calm = rule("slow is normal", predicate="motion.ratio < 2.0", kind="normal")
    seen = Seen((motion(1.0),), (perception("eye", "a cart rolls", "a person walks"),))
    found = await smallest_change(by(cart, calm), seen, measured_parts(seen, [cart, calm]), 50)
    assert [change.text for change in found.changes] == ["without 'a cart rolls'"]


async def test_nothing_is_invented_where_no_change_helps() -> None:
    always = rule("everything is odd", predicate="motion.ratio >= 0.0", origin="person")
    seen = Seen((motion(5.0),), ())
    found = await smallest_change(by(always), seen, measured_parts(seen, [always]), 50)
    assert found.changes == ()
    assert found.text == "no change of what the record holds makes it normal"


async def test_the_reasoner_is_asked_no_more_often_than_allowed_and_what_was_not_found_is_said() -> None:
    asked: list[Seen] = []

    async def all_three_are_needed(seen: Seen) -> Label:
        asked.append(seen)
        return Label.ANOMALOUS if any(p.facts for p in seen.perceptions) else Label.NORMAL

    seen = Seen((), (perception("eye", "one", "two", "three"),))
    found = await smallest_change(all_three_are_needed, seen, worded_parts(seen), 4)
    assert len(asked) == found.asked == 4
    assert not found.smallest
    assert "whether less would do was not found with 4 questions" in found.text
    none = await smallest_change(all_three_are_needed, seen, worded_parts(seen), 1)
    assert none.changes == ()
    assert "was found with 1 question" in none.text


async def test_a_record_that_is_normal_when_judged_again_is_said_to_be() -> None:
    seen = Seen((motion(1.0),), (perception("eye").model_copy(update={"facts": (fact("x"),)}),))
    found = await smallest_change(by(fast(2.0)), seen, measured_parts(seen, [fast(2.0)]), 50)
    assert "a later look decided" in found.text


async def test_what_captions_would_not_have_said_is_for_the_judge_to_measure_again() -> None:
    async def again(seen: Seen) -> Label:
        return Label.NORMAL if {"person riding", "person running"} <= seen.unsaid else Label.ANOMALOUS

    parts = [Change(kind="clause", what=f"person {does}") for does in ("riding", "running", "walking", "standing")]
    found = await smallest_change(again, Seen((), ()), parts, 50)
    assert [change.what for change in found.changes] == ["person riding", "person running"]
    assert found.text == "it would have been normal: without 'person riding' and without 'person running'"
    many = [Change(kind="clause", what=str(number)) for number in range(12)]

    async def all_of_it(seen: Seen) -> Label:
        return Label.NORMAL if len(seen.unsaid) == len(many) else Label.ANOMALOUS

    found = await smallest_change(all_of_it, Seen((), ()), many, 50)
    assert len(found.changes) == 12
    assert found.text.endswith("without '7' and 4 more changes")
