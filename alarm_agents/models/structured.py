"""From a model's text to a value of a schema, or to a typed reason why there is none. Pure functions.

Nothing is guessed: types are checked strictly ("0.9" and "high" are not 0.9), one object is taken only if there is
no other that says something else, and the raw text is kept as hash and length alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from alarm_agents.models.jsontext import Unusable, find_values, without_thinking
from alarm_agents.models.loops import is_loop
from alarm_agents.models.prose import read_prose
from alarm_agents.models.refusals import is_refusal

T = TypeVar("T", bound=BaseModel)

MAX_LENGTH = 4_000_000
"""Characters beyond which a reply is not looked into."""

_MAX_REASON = 200
_BRACKETS = re.compile(r"[][{}]")


@dataclass(frozen=True)
class Parsed(Generic[T]):
    """The reply followed the schema."""

    value: T
    sha256: str
    length: int


@dataclass(frozen=True)
class Unparsed:
    """The reply did not follow the schema; `reason` is for people and for the repair turn, and quotes no reply."""

    reason: str
    sha256: str
    length: int


@dataclass(frozen=True)
class Refused:
    """The model declined to answer."""

    reason: str
    sha256: str
    length: int


def parse_reply(text: str, schema: type[T], *, refusal: str | None = None) -> Parsed[T] | Unparsed | Refused:
    """What the reply says, by the schema.

    `refusal` is what an OpenAI-compatible server puts into the field of that name. An object equal to the schema, or
    to one of the schema's own `examples`, is taken for a quotation of the prompt, never for an answer. Nor is what a
    model said that came into a loop, whatever it had said before.
    """
    mark = (sha256_of(text or refusal or ""), len(text or refusal or ""))
    if refusal:
        return Refused("the server marked the reply as a refusal", *mark)
    if len(text) > MAX_LENGTH:
        return Unparsed(f"the reply is longer than {MAX_LENGTH} characters", *mark)
    try:
        answer = without_thinking(text)
        values: list[Any] = list(find_values(answer))
        if not values:
            if is_refusal(answer):
                return Refused("the model declined in words", *mark)
            told = read_prose(answer, schema)
            values = [told] if told else []
        return Parsed(schema.model_validate_json(_the_one(values, schema, answer), strict=True), *mark)
    except Unusable as error:
        return Unparsed(str(error), *mark)
    except ValidationError as error:
        return Unparsed(_complaint(error, schema), *mark)


def sha256_of(text: str) -> str:
    """The hash by which a raw reply is known; lone surrogates, which models can write as escapes, included."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: dict[str, Any] | list[Any]) -> str:
    """One spelling for equal values (Python's own `==` holds 1, 1.0 and True for equal)."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except ValueError as error:  # 1e999 is read as infinity
        raise Unusable("the JSON holds a number that is too large") from error
    except RecursionError as error:
        raise Unusable("the JSON is nested too deeply") from error


def _the_one(values: Sequence[Any], schema: type[BaseModel], answer: str) -> str:
    """The only object among the values, spelled out; raises `Unusable` if there is none, a choice, or a loop."""
    found = list(map(_canonical, values))
    if not answer.strip():
        raise Unusable("the reply is empty")
    if not found:
        raise Unusable("there is no JSON object in the reply")
    own = set(found) - _quotable(schema)
    if not own:
        raise Unusable("the reply only repeats the schema or the example of the prompt")
    if len(own) > 1:
        raise Unusable("the reply holds several different JSON values where one was asked for")
    one = own.pop()
    if one.startswith("["):
        raise Unusable("the reply is a list where one object was asked for")
    said_again = [answer] if found.count(one) > 1 else []
    if any(map(is_loop, [*said_again, *_texts(answer, values)])):
        raise Unusable("the reply says the same over and over")
    return one


def _texts(answer: str, values: Sequence[Any]) -> Iterator[str]:
    """All that the answer says in words: around its brackets, and in the texts of its values.

    The brackets themselves are left out, for objects with the same keys are alike, and no loop.
    """
    yield _BRACKETS.split(answer, maxsplit=1)[0]
    yield _BRACKETS.split(answer)[-1]
    parts = [*values]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict | list):
            parts += part.values() if isinstance(part, dict) else part


@lru_cache(maxsize=256)
def _quotable(schema: type[BaseModel]) -> frozenset[str]:
    described = schema.model_json_schema()
    return frozenset(map(_canonical, [described, *described.get("examples", [])]))


@lru_cache(maxsize=256)
def _names(schema: type[BaseModel]) -> frozenset[str]:
    described = schema.model_json_schema()
    parts = [described, *described.get("$defs", {}).values()]
    return frozenset([*schema.model_fields, *(name for part in parts for name in part.get("properties", {}))])


def _complaint(error: ValidationError, schema: type[BaseModel]) -> str:
    """The first thing that is wrong, and where; keys that the model made up are not repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or part in _names(schema))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    message = "there is an unknown key" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{path}: {message}{more}"[:_MAX_REASON] if path else f"{message}{more}"[:_MAX_REASON]
