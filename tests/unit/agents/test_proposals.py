"""What a person's answer suggests as a rule, held against the judge that would use it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.agents.predicates import check_predicate, judge
from alarm_agents.agents.proposals import ENOUGH, LIKE, measures_of, rule_of_anomaly, rule_of_normality
from alarm_agents.types import Case, Label, Measurement, Resolution, Rule, RuleKind, RuleStatus, Threshold
from support.records import fast, resolved
from support.records import rule as a_rule

NORMAL = Resolution(answer="normal", by="ann", note="the gardener", at=1.0)
MISSED = Resolution(answer="anomalous", by="ann", at=1.0)
BEYOND = st.floats(2.01, 500.0)


def limit(measure: str, value: float, **values: Any) -> Rule:
    """The induced rule of anomaly that a measure exceeds a limit."""
    threshold = Threshold(measure=measure, limit=value, typical=value / 2)
    return a_rule(f"{measure} is high", predicate=f"{measure} > {value!r}", threshold=threshold, **values)


RULES = [fast(2.0), limit("presence.stays", 10.0)]


def case(ratio: float, stays: float = 1.0, key: str = "a", **values: Any) -> Case:
    """A case of which two experts measured that much at most."""
    measurements = (
        Measurement(expert="motion", score="ratio", frames={"ratio": (ratio / 4, ratio), "speed": (ratio / 10,)}),
        Measurement(expert="presence", score="stays", frames={"stays": (0.0, stays)}),
    )
    return resolved(key, "a cart passes").model_copy(update={"measurements": measurements, **values})


def proposed(cases: list[Case], rules: list[Rule] = RULES) -> Rule:
    suggestion = rule_of_normality("reviewed-1", cases, rules, NORMAL)
    assert suggestion.rule is not None, suggestion.reason
    return suggestion.rule


def label(rule: Rule, found: Case, rules: list[Rule] = RULES) -> Label:
    return judge("embedded", [*rules, rule], found.measurements, found.perceptions).label


@settings(max_examples=60, deadline=None)
@given(ratios=st.lists(BEYOND, min_size=1, max_size=5))
def test_what_was_answered_is_normal_from_then_on_and_what_is_faster_is_not(ratios: list[float]) -> None:
    cases = [case(ratio, key=str(place)) for place, ratio in enumerate(ratios)]
    rule = proposed(cases)
    assert rule.predicate is not None
    assert [label(rule, each) for each in cases] == [Label.NORMAL] * len(cases)
    assert label(rule, case(max(ratios) * LIKE * 1.01)) is Label.ANOMALOUS
    assert label(rule, case(max(ratios), stays=10.5)) is Label.ANOMALOUS, "something else that is odd at the same time"
    assert label(rule, case(1.0, stays=10.5)) is Label.ANOMALOUS


def test_a_thing_that_comes_or_goes_is_covered_and_a_much_slower_one_is_not() -> None:
    rule = proposed([case(20.0)])
    assert label(rule, case(10.5)) is Label.NORMAL  # half of it: a window that catches one frame of the same thing
    assert label(rule, case(6.0)) is Label.ANOMALOUS


def test_several_measures_beyond_their_limits_are_bounded_together() -> None:
    rule = proposed([case(8.0, stays=30.0), case(7.0, stays=3.0, key="b")])
    assert rule.provenance.references == ("a", "b")
    assert label(rule, case(8.0, stays=30.0)) is label(rule, case(7.0, stays=3.0)) is Label.NORMAL
    assert label(rule, case(8.0, stays=40.0)) is Label.ANOMALOUS


def test_the_rule_says_what_it_is_in_words_and_where_it_comes_from() -> None:
    rule = proposed([case(8.0)])
    assert (rule.status, rule.kind, rule.severity) == (RuleStatus.PROPOSED, RuleKind.NORMAL, 0)
    assert rule.text.startswith("the gardener: the fastest thing moves between ")
    origin = rule.provenance
    assert (origin.origin, origin.author, origin.note, origin.references) == ("review", "ann", "the gardener", ("a",))
    check_predicate(proposed([case(8.0)], [fast(2.0)]).predicate or "", where="")


def test_a_rule_of_one_source_leads_to_a_rule_of_that_source() -> None:
    assert proposed([case(8.0)], [fast(2.0, source="clip-123456")]).source == "clip-123456"
    assert proposed([case(8.0)]).source == ""


def test_measures_that_were_not_taken_are_not_spoken_of() -> None:
    rule = proposed([case(8.0)], [*RULES, limit("geometry.shape", 3.0)])
    assert "geometry" not in (rule.predicate or "")
    assert label(rule, case(8.0)) is Label.NORMAL


def test_what_the_second_look_found_beyond_the_limit_is_covered_at_the_first() -> None:
    reflected = case(1.95, rules=(fast(2.0).ref,))
    assert label(proposed([reflected]), reflected) is Label.NORMAL


@pytest.mark.parametrize("ratio", [-3.0, 0.0])
def test_measures_and_limits_below_zero_are_bounded_too(ratio: float) -> None:
    rules = [limit("motion.ratio", -5.0)]
    rule = proposed([case(ratio)], rules)
    assert label(rule, case(ratio), rules) is Label.NORMAL


def test_models_cases_give_a_rule_in_words_alone() -> None:
    rule = proposed([case(1.0, models=("mind",))])
    assert (rule.predicate, rule.text) == (None, "the gardener: a cart passes")


def test_no_rule_is_made_where_it_could_change_nothing() -> None:
    quiet = rule_of_normality("reviewed-1", [case(1.0)], RULES, NORMAL)
    assert quiet.rule is None
    assert "no measure is beyond its limit" in quiet.reason
    insisting = fast(2.0, origin="person")
    stubborn = rule_of_normality("reviewed-1", [case(8.0, rules=(insisting.ref,))], [insisting, *RULES], NORMAL)
    assert stubborn.rule is None
    assert insisting.id in stubborn.reason


def test_a_missed_case_gives_a_rule_where_a_measure_sets_it_apart() -> None:
    others = [measures_of(case(1.0 + place / 100)) for place in range(ENOUGH)]
    rule = rule_of_anomaly("reviewed-1", case(1.8), others, MISSED).rule
    assert rule is not None
    assert (rule.kind, rule.status) == (RuleKind.ANOMALOUS, RuleStatus.PROPOSED)
    assert label(rule, case(1.8)) is Label.ANOMALOUS
    assert label(rule, case(1.3)) is Label.NORMAL
    assert "presence" not in (rule.predicate or "")


@pytest.mark.parametrize(("count", "why"), [(ENOUGH, "sets it apart"), (3, "only 3 other cases")])
def test_a_missed_case_like_the_others_gives_none_and_says_so(count: int, why: str) -> None:
    others = [measures_of(case(1.5))] * count
    suggestion = rule_of_anomaly("reviewed-1", case(1.6), others, MISSED)
    assert suggestion.rule is None
    assert why in suggestion.reason
