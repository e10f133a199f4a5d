"""The table of hostile replies: what is taken, what is not, and that a refusal is told apart."""

from __future__ import annotations

import hashlib
import json
import random
import time
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from alarm_agents.models.structured import Parsed, Refused, Unparsed, parse_reply


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    what: str = ""
    size: float | None = None


class Judgement(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"label": "normal", "p": 0.123, "parts": []}]}
    )
    label: Literal["normal", "anomalous"]
    p: float = Field(ge=0, le=1)
    parts: list[Part] = []


class AllOptional(BaseModel):
    """The schema that is easiest to fool: every object without unknown keys fits."""

    model_config = ConfigDict(extra="ignore")
    label: str = "normal"


GOOD = '{"label": "anomalous", "p": 0.9}'
VALUE = Judgement(label="anomalous", p=0.9)
OTHER = '{"label": "normal", "p": 0.1}'
BROKEN = '{"label": "anomalous", "p": 0.9, "parts": [{"what": "car"}, {"wha'
SCHEMA = json.dumps(Judgement.model_json_schema(), indent=2)

TAKEN = {
    "plain": GOOD,
    "spaces around": f"\n\t {GOOD} \r\n",
    "fence": f"```json\n{GOOD}\n```",
    "fence without language": f"```\n{GOOD}\n```",
    "fence never closed": f"```json\n{GOOD}",
    "nested fences": f"````markdown\n```json\n{GOOD}\n```\n````",
    "prose before": f"Sure! Here is the answer: {GOOD}",
    "prose after": f"{GOOD}\nI hope that helps. Frame [3] shows it best.",
    "prose with braces": f"From the set {{a, b}} and [note 1] I conclude: {GOOD}",
    "prose with a citation": f"As frames [1] and [2, 3] show: {GOOD}",
    "thinking": f"<think>Is it {OTHER}? No.</think>\n{GOOD}",
    "thinking twice": f"<think>a {{</think><think>b [</think>{GOOD}",
    "thinking opened by the template": f"Maybe {OTHER}? No.\n</think>\n\n{GOOD}",
    "thinking within thinking": f"<think>a <think> {OTHER} </think> b\n</think>\n{GOOD}",
    "Kimi's thinking marks": f"◁think▷{OTHER}◁/think▷{GOOD}",
    "thinking in capitals": f"<THINK>{OTHER}</THINK>{GOOD}",
    "same object twice": f"{GOOD}\nAgain: {GOOD}",
    "same object, other order": GOOD + ' or {"p": 0.9, "label": "anomalous"}',
    "schema quoted first": f"The schema is {SCHEMA}. My answer: {GOOD}",
    "example quoted first": f'Like {{"p": 0.123, "parts": [], "label": "normal"}}: {GOOD}',
    "another language": f"映像には車が走っています。答え：{GOOD}。以上",
    "apology with an answer": f"I'm sorry, I can't be sure, but: {GOOD}",
    "byte order mark": f"\ufeff{GOOD}",
    "control characters around": f"\x00\x07{GOOD}\x08\x00",
    "right-to-left and zero-width marks": f"\u202e\u200b{GOOD}\u200b",
    "prompt quoted first": f'"Answer with one JSON object", <untrusted kind="seen">a man</untrusted>: {GOOD}',
    "integer for a float": '{"label": "anomalous", "p": 0.9, "parts": [{"what": "car", "size": 2}]}',
}


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_an_answer_is_found(text: str) -> None:
    outcome = parse_reply(text, Judgement)
    assert isinstance(outcome, Parsed)
    assert (outcome.value.label, outcome.value.p) == (VALUE.label, VALUE.p)


UNPARSED = {
    "empty": ("", "empty"),
    "blank": (" \n\t ", "empty"),
    "empty after thinking": ("<think>hm</think>  ", "empty"),
    "empty fence": ("```json\n```", "no JSON object"),
    "prose": ("The scene looks normal to me.", "no JSON object"),
    "another language": ("Die Szene ist normal.", "no JSON object"),
    "yes": ("Yes", "no JSON object"),
    "a bare string": ('"normal"', "no JSON object"),
    "a bare number": ("0.9", "no JSON object"),
    "null": ("null", "no JSON object"),
    "an object as a string": (json.dumps(GOOD), "no JSON object"),
    "single quotes": ("{'label': 'anomalous', 'p': 0.9}", "no JSON object"),
    "single quotes around proper JSON": (f"{{'was': {GOOD}}}", "no JSON object"),
    "cut off in a string": (BROKEN, "cut off"),
    "cut off after a key": ('{"label": "normal", "p"', "cut off"),
    "cut off after a value": ('{"label": "normal", "p": 0.9', "cut off"),
    "cut off at once": ("{", "cut off"),
    "cut off in a list": (f"[{GOOD}, ", "cut off"),
    "cut off in a fence": (f"```json\n{BROKEN}\n```", "cut off"),
    "cut off in thinking": (f"<think>{GOOD} is what I would", "while thinking"),
    "trailing comma": ('{"label": "normal", "p": 0.9,}', "broken"),
    "comments": ('{"label": "normal", // yes\n "p": 0.9}', "broken"),
    "bare word with a good object inside": (f'{{"label": normal, "was": {GOOD}}}', "broken"),
    "more after the end": (GOOD + ', "p": 0.1}', "goes on"),
    "one bracket too many": (GOOD + "}", "goes on"),
    "bracket of prose never closed": (f"{{ let me think: {GOOD}", "never closed"),
    "word for a number": ('{"label": "normal", "p": "high"}', "p: Input should be a valid number"),
    "number in words": ('{"label": "normal", "p": "ninety percent"}', "p: Input should be a valid number"),
    "per cent": ('{"label": "normal", "p": "90%"}', "p: Input should be a valid number"),
    "per cent without quotes": ('{"label": "normal", "p": 90%}', "broken"),
    "number as a string": ('{"label": "normal", "p": "0.9"}', "p: Input should be a valid number"),
    "boolean for a number": ('{"label": "normal", "p": true}', "p: Input should be a valid number"),
    "out of range": ('{"label": "normal", "p": 90}', "p: Input should be less than"),
    "unknown label": ('{"label": "Normal!", "p": 0.9}', "label: Input should be 'normal' or 'anomalous'"),
    "label in another language": ('{"label": "正常", "p": 0.1}', "label: "),
    "missing key": ('{"label": "normal"}', "p: Field required"),
    "null for a number": ('{"label": "normal", "p": null}', "p: "),
    "unknown key": ('{"label": "normal", "p": 0.9, "hacked": 1}', "there is an unknown key"),
    "key twice": ('{"label": "normal", "label": "anomalous", "p": 0.9}', "twice"),
    "key twice, equal": ('{"label": "normal", "p": 0.9, "p": 0.9}', "twice"),
    "two objects": (f"{GOOD}\n{OTHER}", "several different"),
    "two objects in nested fences": (f"````\n```json\n{GOOD}\n```\n```json\n{OTHER}\n```\n````", "several different"),
    "an object quoted from the prompt": (f'<untrusted kind="seen">{OTHER}</untrusted> So: {GOOD}', "several different"),
    "the prompt alone": ('Answer with one JSON object: {"label": "normal" or "anomalous", "p": 0 to 1}.', "broken"),
    "terminal colours": (f"\x1b[31m{GOOD}\x1b[0m", "never closed"),
    "a megabyte in a field": ('{"label": "' + "x" * 1_000_000 + '", "p": 0.9}', "over and over"),
    "an object that fits and one that does not": (f'{{"x": 1}} {GOOD}', "several different"),
    "true and 1": ('{"label": "normal", "p": 1} {"label": "normal", "p": true}', "several different"),
    "the schema alone": (SCHEMA, "only repeats"),
    "the example alone": ('{"label": "normal", "p": 0.123, "parts": []}', "only repeats"),
    "list": (f"[{GOOD}]", "a list"),
    "list of lists": ("[[0, 1], [2, 3]]", "a list"),
    "list of numbers": ("[0.9, 0.1]", "no JSON object"),
    "empty list": ("[]", "no JSON object"),
    "empty object": ("{}", "label: Field required"),
    "NaN": ('{"label": "normal", "p": NaN}', "NaN"),
    "Infinity": ('{"label": "normal", "p": -Infinity}', "Infinity"),
    "infinite by its exponent": ('{"label": "normal", "p": 1e999}', "too large"),
    "infinite by its digits": ('{"label": "normal", "p": 0.9, "parts": [{"size": -1' + "0" * 400 + "}]}", "too large"),
    "infinite by its digits, in prose": ("label: normal\np: 1" + "0" * 400, "too large"),
    "not a number, in prose": ("label: normal\np: NaN", "NaN"),
    "more digits than Python reads": ('{"label": "normal", "p": ' + "9" * 5000 + "}", "too long"),
    "nested too deeply": ('{"parts": ' * 100_000, "nested too deeply"),
    "nested lists too deeply": ("[" * 100_000, "nested too deeply"),
    "lone surrogate": ('{"label": "\\ud800", "p": 0.9}', ""),
    "a refusal that is long": ("I'm sorry, but I cannot assist with that. " * 40, "no JSON object"),
    "inability that is no refusal": ("I cannot see any anomaly in this scene.", "no JSON object"),
    "inability of a thing": ("Unfortunately, the car won't stop.", "no JSON object"),
}


@pytest.mark.parametrize(("text", "reason"), UNPARSED.values(), ids=UNPARSED)
def test_nothing_is_guessed(text: str, reason: str) -> None:
    outcome = parse_reply(text, Judgement)
    assert isinstance(outcome, Unparsed)
    assert reason in outcome.reason
    assert "hacked" not in outcome.reason
    assert len(outcome.reason) <= 200


REFUSED = {
    "en": "I'm sorry, but I can't assist with that request.",
    "en, typographic apostrophe": "I’m sorry, but I can’t help with identifying people in images.",
    "en, cannot": "I cannot assist with this.",
    "en, unable": "I am unable to comply with this request.",
    "en, won't": "I won't provide that.",
    "en, as an AI": "As an AI language model, I am unable to view surveillance footage.",
    "en, apology": "I apologize, but I am not able to analyze this image.",
    "en, policy": "This request violates our usage policies.",
    "en, after thinking": "<think>This is private.</think>I'm sorry, I can't help with that.",
    "en, fenced": "```\nI'm sorry, but I can't help with that.\n```",
    "de": "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "fr": "Je suis désolé, mais je ne peux pas répondre à cette demande.",
    "es": "Lo siento, pero no puedo ayudar con eso.",
    "it": "Mi dispiace, ma non posso aiutarti.",
    "pt": "Desculpe, mas não posso ajudar com isso.",
    "nl": "Het spijt me, maar ik kan daar niet mee helpen.",
    "ru": "Извините, но я не могу с этим помочь.",
    "zh": "很抱歉，我无法回答这个问题。",
    "ja": "申し訳ありませんが、お手伝いできません。",
    "ko": "죄송하지만 도와드릴 수 없습니다.",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_told_apart(text: str) -> None:
    assert isinstance(parse_reply(text, Judgement), Refused)


def test_the_servers_refusal_field_wins_over_any_text() -> None:
    assert isinstance(parse_reply(GOOD, Judgement, refusal="no"), Refused)


@pytest.mark.parametrize(
    "text",
    [
        BROKEN,
        f"[{GOOD}, ",
        "{'label': 'anomalous', 'inner': {}}",
        '{"label": anomalous, "inner": {}}',
        '[1, {"label": "normal"}, oops]',
        '{"caption": "the sign says </think> {}"',
        "<think>{}",
    ],
)
def test_a_part_of_broken_json_is_never_taken_for_the_whole(text: str) -> None:
    assert isinstance(parse_reply(text, AllOptional), Unparsed)


def test_thinking_tags_inside_an_answer_are_text() -> None:
    class Caption(BaseModel):
        text: str

    said = "a sign: </think>\n{} <think>"
    outcome = parse_reply(json.dumps({"text": said}), Caption)
    assert isinstance(outcome, Parsed)
    assert outcome.value.text == said


def test_control_characters_inside_strings_are_read() -> None:
    outcome = parse_reply('{"what": "two\nlines\tand a \x01"}', Part)
    assert isinstance(outcome, Parsed)
    assert outcome.value.what == "two\nlines\tand a \x01"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "{" * 1_000_000,
        "[" * 1_000_000,
        "{}" * 500_000,
        "[1] " * 250_000,
        "{a} " * 250_000,
        '{"a":' * 200_000,
        "{a " * 300_000 + "}" * 300_000,
        '[1,"]",' * 140_000,
        '{"a": "' + "\\" * 999_990,
        "<think>" * 140_000,
        "</think>\n" * 110_000,
        " " * 1_000_000,
        '"' * 1_000_000,
        "sorry " * 160_000,
        "x" * 5_000_000,
    ],
    ids=lambda text: text[:8],
)
def test_a_megabyte_takes_bounded_time(text: str) -> None:
    start = time.process_time()
    assert isinstance(parse_reply(text, AllOptional), Unparsed | Parsed)
    assert time.process_time() - start < 2


def test_a_megabyte_of_prose_around_an_answer() -> None:
    rng = random.Random(0)
    prose = " ".join(rng.choices(["so", "what", "is", "odd", "here", "may", "be", "said", "soon"], k=220_000))
    start = time.process_time()
    assert isinstance(parse_reply(f"{prose}\n{GOOD} ok", Judgement), Parsed)
    assert time.process_time() - start < 2


LOOPING = "The dog walks on the fence. " * 30
OBJECTS = [{"what": "a car", "size": float(place % 7)} for place in range(40)]


@pytest.mark.parametrize(
    "text",
    [
        f'{{"label": "normal", "rationale": "{LOOPING}"}}',
        f'{{"label": "normal", "parts": [{{"what": "{LOOPING}"}}]}}',
        f'{{"label": "normal"}}\n{LOOPING}',
        '{"label": "normal"}\n' * 100,
        f'{LOOPING}\n{{"label": "normal"}}',
        f"label: normal\nwhy: {LOOPING}",
        "label: normal\n" + "".join(f"why: it knocks {place} times, and then goes away. " for place in range(40)),
    ],
)
def test_an_answer_that_came_into_a_loop_is_none(text: str) -> None:
    outcome = parse_reply(text, AllOptional)
    assert isinstance(outcome, Unparsed)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"label": "normal", "parts": {json.dumps(OBJECTS)}}}',
        '{"label": "normal"}' + "\n" * 5_000,
        '{"label": "normal", "why": "' + "It barks. " * 10 + '"}',
    ],
    ids=["objects that are alike", "blank lines", "said a few times"],
)
def test_what_is_alike_is_no_loop(text: str) -> None:
    assert isinstance(parse_reply(text, AllOptional), Parsed)


def test_what_is_kept_of_the_text_is_hash_and_length() -> None:
    outcome = parse_reply("secret words", Judgement)
    assert isinstance(outcome, Unparsed)
    assert (outcome.sha256, outcome.length) == (hashlib.sha256(b"secret words").hexdigest(), 12)
    assert "secret" not in repr(outcome)
