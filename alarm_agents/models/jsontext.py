"""Finding the JSON in what a model wrote, without guessing.

Whatever could be read in two ways, or only by mending it, is `Unusable`. The work is linear in the text's length:
a bracket is read once, as JSON or, when it plainly is none, as prose that ends at its closing counterpart.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

_MAX_BRACKETS = 256
"""Groups of brackets looked at; an answer is one, and failed readings may overlap, so that their number is bounded."""

_OPENING = re.compile(r"[{\[]")
_MEANT_AS_JSON = {"{": re.compile(r'\s*(?:"|$)'), "[": re.compile(r'\s*(?:[{\["]|$)')}
_PAIRS = {"{": re.compile(r"[{}]"), "[": re.compile(r"[\[\]]")}
_MORE_JSON = re.compile(r'\s*(?:[}\]]|,\s*")')

_TAG = r"(?:think|thinking|reasoning|thought)"
_THINKING = re.compile(rf"\s*(?:<({_TAG})>.*?</\1>|◁think▷.*?◁/think▷)", re.DOTALL | re.IGNORECASE)
_THINKING_STARTS = re.compile(rf"\s*(?:<{_TAG}>|◁think▷)", re.IGNORECASE)
_THINKING_ENDS = re.compile(rf"(?:</{_TAG}>|◁/think▷)(?=[ \t]{{0,8}}(?:[\r\n{{`]|$))", re.IGNORECASE)
_ANSWER_STARTS = re.compile(r"\s*(?:[{\[]|```)")


class Unusable(Exception):
    """The text holds no JSON that can be taken without a guess; the message says why and quotes nothing."""


def without_thinking(text: str) -> str:
    """The text after the model's thinking (`<think>...</think>` and its like, also where a template opened it)."""
    at = 0
    while match := _THINKING.match(text, at):
        at = match.end()
    if _THINKING_STARTS.match(text, at):
        raise Unusable("the model was cut off while thinking")
    if _ANSWER_STARTS.match(text, at):
        return text[at:]
    return text[max((end.end() for end in _THINKING_ENDS.finditer(text, at)), default=at) :]


def find_values(text: str) -> Iterator[dict[str, Any] | list[Any]]:
    """The JSON objects in the text, and the lists that hold more than plain values, outermost only, in order.

    Raises `Unusable` for JSON that is broken, cut off, has a key twice, or holds what is no finite number.
    """
    at = 0
    for _ in range(_MAX_BRACKETS):
        opening = _OPENING.search(text, at)
        if opening is None:
            return
        try:
            value, at = _DECODER.raw_decode(text, opening.start())
        except json.JSONDecodeError as error:
            at = _past_prose(text, opening.start(), error)
            continue
        except RecursionError as error:
            raise Unusable("the JSON is nested too deeply") from error
        except ValueError as error:  # Python's limit on the digits of an integer
            raise Unusable("the JSON holds a number that is too long") from error
        if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
            continue  # a citation or an interval in prose, "[1]"
        if _MORE_JSON.match(text, at):
            raise Unusable("the JSON goes on after its closing bracket")
        yield value
    raise Unusable("there are too many brackets to tell which hold the answer")


def read_value(text: str) -> Any:
    """The text as one JSON value, which keeps to the same rules; raises `Unusable`, or `ValueError` for no JSON."""
    return _DECODER.decode(text)


def _past_prose(text: str, start: int, error: json.JSONDecodeError) -> int:
    """Where to go on after a bracket that is part of prose; raises `Unusable` if it was meant as JSON.

    Going on inside broken JSON would take a part of the answer for the whole.
    """
    bracket = text[start]
    if _MEANT_AS_JSON[bracket].match(text, start + 1):
        cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        raise Unusable("the JSON is cut off" if cut_off else f"the JSON is broken at character {error.pos - start}")
    depth = 0
    for match in _PAIRS[bracket].finditer(text, start):
        depth += 1 if match.group() == bracket else -1
        if depth == 0:
            return match.end()
    raise Unusable("a bracket is opened and never closed")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unusable("a key stands twice in one object")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise Unusable("NaN and Infinity are not JSON")


def _whole_number(digits: str) -> int:
    number = int(digits)
    if math.isinf(float(digits)):
        raise Unusable("the JSON holds a number that is too large")
    return number


# strict=False admits raw line breaks and tabs inside strings, which constrained decoders let through.
_DECODER = json.JSONDecoder(
    strict=False, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant, parse_int=_whole_number
)
