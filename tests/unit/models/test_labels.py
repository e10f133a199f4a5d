"""The probability of a label from the tokens that spelled it."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from alarm_agents.models.labels import label_odds, words_of

WORDS = ("normal", "anomalous", "cannot tell")
TEXT = '{"label": "anomalous", "p_anomaly": 0.9}'
Listed = dict[str, float]


def token(text: str, p: float = 1.0, others: Listed | None = None, *, raw: bool = False) -> dict[str, Any]:
    """A token with what is listed at its place, as probabilities; `raw` gives the bytes, and no text to go by."""
    top = [_entry(*pair, raw=raw) for pair in {text: p, **(others or {})}.items()] if others is not None else []
    return {**_entry(text, p, raw=raw), "top_logprobs": top}


def _entry(text: str, p: float, *, raw: bool) -> dict[str, Any]:
    spelled = list(text.encode()) if raw else None
    return {"token": "\ufffd" if raw else text, "bytes": spelled, "logprob": math.log(p) if p > 0 else -9999.0}


def odds(*tokens: dict[str, Any], text: str = TEXT) -> dict[str, float] | None:
    found = label_odds(tokens, text, WORDS)
    return found and {word: round(p, 4) for word, p in found.items()}


WHOLE = token("anomalous", 0.7, {"normal": 0.2, "cannot": 0.1})
HEAD = [token('{"'), token("label"), token('":'), token(' "')]
TAIL = [token('",'), token(' "p_anomaly": 0.9}')]
EXPECTED = {"normal": 0.2, "anomalous": 0.7, "cannot tell": 0.1}


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param([*HEAD, WHOLE, *TAIL], id="one token a label"),
        pytest.param([*HEAD, token("an", 0.7, {"n": 0.2, "c": 0.1}), token("omalous"), *TAIL], id="split label"),
        pytest.param(
            [
                *HEAD,
                token("an", 0.3, {"anomal": 0.4, "norm": 0.05, "no": 0.15, "cannot": 0.1}),
                token("omalous"),
                *TAIL,
            ],
            id="alternatives that spell the same label in other pieces are summed",
        ),
        pytest.param(
            [*HEAD, token("anomalous", 0.7, {"normal": 0.2, "cannot": 0.1, "the": 0.0, "{": 0.0}), *TAIL],
            id="masked after the grammar, -9999",
        ),
        pytest.param(
            [*HEAD, token("anomalous", 0.07, {"normal": 0.02, "cannot": 0.01, "Sure": 0.6, "I": 0.3}), *TAIL],
            id="raw, before the grammar: what it forbids is not counted",
        ),
        pytest.param(
            [token("<|im_start|>"), token("anomalous", 0.1, {"normal": 0.9}), *HEAD, WHOLE, *TAIL, token("<|im_end|>")],
            id="tokens that are not in the content",
        ),
        pytest.param(
            [
                token('{"label":'),
                token(' "anomalous', 0.7, {' "normal': 0.2, ' "cannot': 0.08, '"cannot': 0.02}),
                *TAIL,
            ],
            id="the quote in one token with the label, and another spacing",
        ),
        pytest.param(
            [token('{"label": "anomalous",', 0.7, {'{"label": "normal",': 0.2, '{"label":"cannot': 0.1}), TAIL[1]],
            id="everything in one token",
        ),
        pytest.param(
            [token(part["token"], raw=True) for part in HEAD]
            + [token("anomalous", 0.7, {"normal": 0.2, "cannot tell": 0.1}, raw=True)]
            + [token(part["token"], raw=True) for part in TAIL],
            id="bytes where the token's text is no text",
        ),
        pytest.param(
            [token('\u2581{"'), *HEAD[1:], WHOLE, *TAIL], id="tokens that do not spell the text to the letter"
        ),
    ],
)
def test_odds(tokens: list[dict[str, Any]]) -> None:
    assert odds(*tokens) == EXPECTED


def test_a_label_may_also_be_left_where_its_quote_is_opened() -> None:
    tokens = [*HEAD[:3], token(' "', 0.5, {' "n': 0.1}), token("anomalous", 0.7, {"normal": 0.1, "cannot": 0.1}), *TAIL]
    # normal: 0.1 + 0.5 * 0.1; anomalous: 0.5 * 0.7; cannot tell: 0.5 * 0.1
    assert odds(*tokens) == {"normal": round(0.15 / 0.55, 4), "anomalous": round(0.35 / 0.55, 4), "cannot tell": 0.0909}


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        pytest.param([], TEXT, id="none at all"),
        pytest.param([*HEAD, token("anomalous", 0.7), *TAIL], TEXT, id="no alternatives"),
        pytest.param([*HEAD, token("anomalous", 0.99, {}), *TAIL], TEXT, id="an alternative that is the token itself"),
        pytest.param(
            [*HEAD, token("anomalous", 0.01, {"Sure": 0.5, "I": 0.1}), *TAIL], TEXT, id="the other labels not listed"
        ),
        pytest.param([*HEAD, token("anomalous", 0.0, {"normal": 0.0}), *TAIL], TEXT, id="all masked"),
        pytest.param(["anomalous", None], TEXT, id="no token objects"),
        pytest.param([{"token": 3, "logprob": "x"}], TEXT, id="other types"),
        pytest.param([token("x", math.nan)], TEXT, id="not a number"),
        pytest.param([*HEAD, WHOLE | {"logprob": -(10**400)}, *TAIL], TEXT, id="an integer of hundreds of digits"),
        pytest.param([*HEAD, WHOLE, *TAIL], "", id="tokens of no text"),
        pytest.param([token("Sure.")], "Sure.", id="no label"),
        pytest.param([*HEAD, WHOLE, *TAIL, *HEAD, WHOLE, *TAIL], TEXT + TEXT, id="two labels"),
    ],
)
def test_what_does_not_tell_is_absent(tokens: list[Any], text: str) -> None:
    assert odds(*tokens, text=text) is None


def test_a_confident_answer_needs_no_list_of_all_labels() -> None:
    listed = {"normal": 0.004, "the": 0.003, "a": 0.001}
    assert odds(*HEAD, token("anomalous", 0.99, listed), *TAIL) == {
        "normal": 0.004,
        "anomalous": 0.996,
        "cannot tell": 0.0,
    }


def test_thinking_is_not_looked_into() -> None:
    thought = '<think>{"label": "normal"}</think>'
    found = odds(token(thought), *HEAD, WHOLE, *TAIL, text=thought + TEXT)
    assert found == EXPECTED


def test_words_come_from_the_schema() -> None:
    class Judged(BaseModel):
        label: Literal["normal", "anomalous", "cannot tell"]

    class Free(BaseModel):
        label: str

    class Other(BaseModel):
        outcome: Literal["a", "b"]

    assert (words_of(Judged), words_of(Free), words_of(Other)) == (WORDS, (), ())


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]], dict[str, float]]:
    """A reply, its tokens cut anywhere, and the true odds of a model that spells labels letter by letter."""
    weights = draw(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3))
    truth = {word: weight / sum(weights) for word, weight in zip(WORDS, weights, strict=True)}
    label = draw(st.sampled_from(WORDS))
    head, rest = draw(st.sampled_from(['{"label": "', '{"label":"', '{"p_anomaly": 0.2, "label" : "'])), '", "x": 1}'
    # Cut head and rest anywhere, and the label behind its first letter, where the three words part.
    tokens = [token(part) for part in _cut(draw, head)]
    length = draw(st.integers(1, len(label)))
    others = {word[: draw(st.integers(1, len(word)))]: p for word, p in truth.items() if word != label}
    tokens.append(token(label[:length], truth[label], others))
    tokens += [token(part) for part in _cut(draw, label[length:] + rest)]
    return head + label + rest, tokens, truth


def _cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=4)))
    edges = [0, *(place for place in places if place < len(text)), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


@given(spelled(), st.lists(st.text(max_size=5), max_size=3), st.lists(st.text(max_size=5), max_size=3))
def test_the_odds_are_those_of_the_model_however_its_words_are_cut(
    case: tuple[str, list[dict[str, Any]], dict[str, float]], before: list[str], after: list[str]
) -> None:
    text, tokens, truth = case
    found = label_odds([*map(token, before), *tokens, *map(token, after)], text, WORDS)
    assert found is not None
    assert found == pytest.approx(truth)


_ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["token", "bytes", "logprob", "top_logprobs", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(_ANY, max_size=4), st.sampled_from([TEXT, "", "x"]))
def test_whatever_a_server_sends_gives_odds_or_none(tokens: list[Any], text: str) -> None:
    found = label_odds([*HEAD, *tokens, *TAIL], text, WORDS)
    assert found is None or math.isclose(sum(found.values()), 1.0)
