"""Properties of `is_loop`: what is said again and again is one, ordinary text is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.models.loops import STRETCH, is_loop

WHO = ["a man", "the woman in red", "a dog", "two children", "the courier", "somebody in a grey hood", "the fox"]
DOES = ["walks to", "stands beside", "looks at", "leaves", "knocks on", "runs past", "carries a box to", "waits at"]
WHERE = ["the door", "the garden fence", "a parked car", "the stairs", "the pool", "the window", "a lamp", "the gate"]
WHEN = ["then", "again", "after a while", "slowly", "in the dark", "without a word", "at noon", "twice"]
SENTENCES = st.builds("{} {} {} {}.".format, *(st.sampled_from(words) for words in (WHO, DOES, WHERE, WHEN)))
ORDINARY = st.lists(SENTENCES, min_size=1, max_size=40, unique=True).map(" ".join)
PHRASES = st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=60)


@given(ORDINARY)
def test_ordinary_text_is_none(text: str) -> None:
    assert not is_loop(text)


@given(st.text(max_size=STRETCH // 4))
def test_short_text_is_none_whatever_it_says(text: str) -> None:
    assert not is_loop(text)


@given(ORDINARY, PHRASES, st.integers(0, 40))
def test_text_that_ends_in_repetitions_is_one(text: str, phrase: str, cut: int) -> None:
    again = STRETCH // len(phrase.encode()) + 3
    looping = f"{text} " + f"{phrase} " * again
    assert is_loop(looping[: len(looping) - min(cut, len(phrase))])


@given(ORDINARY, SENTENCES, ORDINARY)
def test_one_that_it_came_out_of_is_one_too(before: str, sentence: str, after: str) -> None:
    again = 2 * STRETCH // len(sentence) + 2
    assert is_loop(" ".join([before, *[sentence] * again, after]))


@given(ORDINARY, st.lists(SENTENCES, min_size=3, max_size=5, unique=True).map(" ".join))
def test_long_ones_may_count_along(text: str, sentences: str) -> None:
    assert is_loop(" ".join([text, *(f"{count} times {sentences}" for count in range(10, 40))]))
