"""What is decided: accept, reflect or defer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.types import Decision, Parse, Perception, Precedent, Verdict
from alarm_agents.uncertainty.monitor import assess
from support.records import NO_ANSWER, perception, silent, verdict

BAR = 0.6
P = st.floats(0, 1)
SILENCE = st.builds(silent, st.just("mute"), st.sampled_from(NO_ANSWER))
ROUND = st.lists(st.builds(verdict, P) | SILENCE, max_size=4)
PERCEIVED = st.lists(st.sampled_from([perception("a", "a man"), perception("b", parse=Parse.FAILED)]), max_size=3)
PRECEDENT = st.none() | st.builds(
    Precedent, p=P, members=P, trust=P, neighbours=st.sampled_from([0, 25]), anomalous=st.just(0), cases=st.just(60)
)


@settings(deadline=None)
@given(PERCEIVED, st.lists(ROUND, max_size=3), PRECEDENT, st.floats(0, 1.01), st.booleans())
def test_every_assessment_is_in_range_and_says_why(
    seen: list[Perception], rounds: list[list[Verdict]], said: Precedent | None, bar: float, may: bool
) -> None:
    found = assess(seen, rounds, said, accept_below=bar, may_reflect=may)
    assert 0.0 <= found.score <= 1.0
    assert found.reason
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert found.decision is not Decision.REFLECT or may
    assert found.decision is not Decision.DEFER or not may
    assert found.decision is not Decision.ACCEPT or found.score < bar


@settings(deadline=None)
@given(PERCEIVED, st.lists(SILENCE, max_size=4), st.lists(ROUND, max_size=2), st.floats(0, 2), st.booleans())
def test_where_nobody_gave_a_usable_answer_nothing_is_ever_accepted(
    seen: list[Perception], last: list[Verdict], before: list[list[Verdict]], bar: float, may: bool
) -> None:
    found = assess(seen, [*before, last], None, accept_below=bar, may_reflect=may)
    assert found.score == 1.0
    assert found.decision is (Decision.REFLECT if may else Decision.DEFER)


@pytest.mark.parametrize(
    ("p", "may_reflect", "decision"),
    [
        (0.02, True, Decision.ACCEPT),
        (0.98, True, Decision.ACCEPT),
        (0.5, True, Decision.REFLECT),
        (0.45, True, Decision.REFLECT),
        (0.5, False, Decision.DEFER),
    ],
)
def test_margin_decides(p: float, may_reflect: bool, decision: Decision) -> None:
    assert assess((), [[verdict(p)]], None, accept_below=BAR, may_reflect=may_reflect).decision is decision


def test_looking_again_and_finding_the_same_does_not_settle_a_tie() -> None:
    twice = [[verdict(0.5)], [verdict(0.5, round=1)]]
    assert assess((), twice, None, accept_below=BAR, may_reflect=False).decision is Decision.DEFER


def test_a_second_look_that_turns_the_verdict_over_leaves_more_doubt_than_one_that_confirms_it() -> None:
    confirmed = assess((), [[verdict(0.9)], [verdict(0.95)]], None, accept_below=BAR, may_reflect=False)
    overturned = assess((), [[verdict(0.1)], [verdict(0.95)]], None, accept_below=BAR, may_reflect=False)
    assert confirmed.reflection == pytest.approx(0.05)
    assert overturned.score > confirmed.score


@pytest.mark.parametrize("parse", NO_ANSWER)
def test_a_reflector_without_an_answer_leaves_the_case_to_a_person(parse: Parse) -> None:
    found = assess((), [[verdict(0.01)], [silent("eye", parse)]], None, accept_below=BAR, may_reflect=False)
    assert (found.score, found.decision) == (1.0, Decision.DEFER)


@pytest.mark.parametrize("parse", NO_ANSWER)
@pytest.mark.parametrize(
    ("answered", "mute", "decision"),
    [
        (1, 1, Decision.DEFER),
        (2, 2, Decision.DEFER),
        (2, 1, Decision.ACCEPT),
        (3, 2, Decision.ACCEPT),
    ],
)
def test_however_sure_the_rest_is_more_than_half_must_have_answered(
    parse: Parse, answered: int, mute: int, decision: Decision
) -> None:
    ensemble = [*[verdict(0.01)] * answered, *[silent("mute", parse)] * mute]
    found = assess((), [ensemble], None, accept_below=BAR, may_reflect=False)
    assert found.decision is decision
    assert ("gave a usable answer" in found.reason) == (decision is Decision.DEFER)


def test_disagreeing_perceivers_and_memory_are_recorded_but_do_not_decide_yet() -> None:
    seen = [perception("a", "a man"), perception("b", "a dog")]
    against = Precedent(p=0.22, members=0.02, trust=0.8, neighbours=25, anomalous=25, cases=60)
    found = assess(seen, [[verdict(0.02)]], against, accept_below=BAR, may_reflect=True)
    assert (found.comprehension, found.memory) == (1.0, pytest.approx(0.2))
    assert found.analysis == pytest.approx(0.44)
    assert found.decision is Decision.ACCEPT


def test_a_dead_perceiver_and_an_invented_rule_raise_the_score() -> None:
    def score(perceptions: list, **values: object) -> float:
        sure = verdict(0.02, **values)
        return assess(perceptions, [[sure]], None, accept_below=0.6, may_reflect=True).score

    alive, dead = perception("eye-a", "a man"), perception("eye-b", parse=Parse.FAILED)
    assert score([alive, alive, dead]) > score([alive, alive, alive]) + 0.2
    assert score([alive], unknown_rules=("rule-9",)) > 0.9
