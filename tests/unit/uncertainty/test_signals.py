"""The uncertainty signals: in range, and never lowered by a member that does not answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.types import Parse, Perception, Precedent, Verdict
from alarm_agents.uncertainty import signals
from support.records import NO_ANSWER, perception, silent, verdict


def analysis(verdicts: list[Verdict]) -> float:
    return signals.analysis(verdicts, signals.mean_p(verdicts))


P = st.floats(0, 1)
ANSWERS = st.sampled_from([Parse.PARSED, Parse.REPAIRED, Parse.EMBEDDED])
VERDICTS = st.lists(st.builds(verdict, P, st.just("mind"), parse=ANSWERS), min_size=1, max_size=6)
SILENCE = st.builds(silent, st.just("mute"), st.sampled_from(NO_ANSWER))
CANNOT_TELL = st.just(verdict(None, "unsure", parse=Parse.PARSED))
WORDS = st.sets(st.sampled_from(["a man", "a dog", "a cart", "a tree"]))
SEEN = st.builds(lambda words, parse: perception("eye", *sorted(words), parse=parse), WORDS, ANSWERS)
BLIND = st.builds(lambda parse: perception("blind", parse=parse), st.sampled_from(NO_ANSWER))


@settings(deadline=None)
@given(verdicts=VERDICTS, silence=st.lists(SILENCE | CANNOT_TELL, min_size=1, max_size=3))
def test_a_silent_reasoner_never_lowers_analysis(verdicts: list[Verdict], silence: list[Verdict]) -> None:
    before = analysis(verdicts)
    after = analysis([*verdicts, *silence])
    assert 0.0 <= before <= after <= 1.0
    if before < 1.0 - 1e-9:  # nearer to it numbers have no room left
        assert after > before
    assert signals.mean_p([*verdicts, *silence]) == pytest.approx(signals.mean_p(verdicts))


@settings(deadline=None)
@given(verdicts=VERDICTS, silence=SILENCE)
def test_a_reasoner_that_falls_silent_counts_for_less_than_one_that_agrees(
    verdicts: list[Verdict], silence: Verdict
) -> None:
    p = signals.mean_p(verdicts)
    assert p is not None
    assert analysis([*verdicts, silence]) >= analysis([*verdicts, verdict(p)]) - 1e-9


@settings(deadline=None)
@given(verdicts=VERDICTS, p=st.floats(0, 1), weight=st.integers(1, 5))
def test_a_verdict_counts_for_as_many_as_its_weight_says(verdicts: list[Verdict], p: float, weight: int) -> None:
    heavy = verdict(p).model_copy(update={"weight": float(weight)})
    assert signals.mean_p([*verdicts, heavy]) == pytest.approx(signals.mean_p([*verdicts, *[verdict(p)] * weight]))


@pytest.mark.parametrize("parse", NO_ANSWER)
def test_nobody_usable_is_as_uncertain_as_can_be(parse: Parse) -> None:
    assert analysis([silent("a", parse), silent("b", parse)]) == 1.0
    assert analysis([]) == 1.0
    assert signals.mean_p([silent("a", parse)]) is None


@pytest.mark.parametrize("parse", NO_ANSWER)
def test_a_probability_beside_an_unusable_answer_is_not_used(parse: Parse) -> None:
    assert signals.mean_p([verdict(0.01, parse=parse), verdict(0.8)]) == pytest.approx(0.8)


@settings(deadline=None)
@given(seen=st.lists(SEEN, min_size=1, max_size=4), blind=BLIND)
def test_a_blind_perceiver_never_lowers_comprehension(seen: list[Perception], blind: Perception) -> None:
    before, after = signals.comprehension(seen), signals.comprehension([*seen, blind])
    assert after is not None
    assert 0.0 <= (before or 0.0) <= after <= 1.0
    assert after > 0


@settings(deadline=None)
@given(seen=st.lists(SEEN, min_size=2, max_size=4), blind=BLIND, place=st.integers(0, 3))
def test_a_perceiver_that_goes_blind_never_lowers_comprehension(
    seen: list[Perception], blind: Perception, place: int
) -> None:
    place %= len(seen)
    before, after = signals.comprehension(seen), signals.comprehension([*seen[:place], blind, *seen[place + 1 :]])
    assert before is not None
    assert after is not None
    assert before <= after


def test_comprehension_is_zero_where_perceivers_agree_and_one_where_they_share_nothing() -> None:
    man, dog = perception("a", "a man"), perception("b", "a dog")
    assert signals.comprehension([man, man.model_copy(update={"member": "b"})]) == 0.0
    assert signals.comprehension([man, dog]) == 1.0
    assert signals.comprehension([perception("a", "a man", "a dog"), dog]) == pytest.approx(0.5)
    assert signals.comprehension([man]) is None
    assert signals.comprehension([]) is None


@pytest.mark.parametrize("parse", NO_ANSWER)
def test_the_only_perceiver_being_blind_is_full_disagreement(parse: Parse) -> None:
    assert signals.comprehension([perception("eye", parse=parse)]) == 1.0


@given(before=st.none() | P, after=st.none() | P)
def test_reflection_measures_the_move_and_no_answer_is_the_largest(before: float | None, after: float | None) -> None:
    moved = signals.reflection(before, after)
    if after is None:
        assert moved == 1.0
    elif before is None:
        assert moved is None
    else:
        assert moved == abs(after - before)


def test_memory_is_the_distance_to_what_resolved_cases_say() -> None:
    said = Precedent(p=0.35, members=0.2, trust=0.75, neighbours=25, anomalous=20, cases=60)
    assert signals.memory(said) == pytest.approx(0.15)
    assert signals.memory(None) is None
    assert signals.memory(said.model_copy(update={"neighbours": 0})) is None
