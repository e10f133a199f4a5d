"""JSON schemas as servers' grammars can hold them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

SPELLING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""How JSON is to be written, for llguidance: as Python, and most that models have read, writes it, on one line.

White space without a limit is what weak models spend their tokens on. It stands in the schema, as vLLM knows no other
way to say it; other grammars pass over keys that they do not know.
"""
_HUNDREDTHS = [i / 100 for i in range(101)]
_SHORTER = ((16, 800), (8, 400), (6, 300), (4, 200), (3, 150), (2, 100), (1, 60), (1, 30), (1, 15))
"""Elements that a list, and characters that a string may have at most, from the longest answers to the shortest."""
_NUMBER = 20
"""Characters that a number takes."""
_DEEPEST = 12
_ENDLESS = 1_000_000


@lru_cache(maxsize=256)  # made anew, it takes longer than all else that a call costs us
def response_format(schema: type[BaseModel], room: int | None = None) -> Mapping[str, Any]:
    """The request's `response_format` that asks the server to constrain the answer to the schema.

    With `room`, strings and lists are held so short that the longest answer takes no more characters than that, as
    far as the schema admits: a model that rambles then has to come to an end.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.__name__)[:64]
    constraint = _holdable(schema.model_json_schema())
    if room is not None:
        constraint = _fitted(constraint, room)
    spelled = {**constraint, "x-guidance": SPELLING}
    return {"type": "json_schema", "json_schema": {"name": name, "schema": spelled, "strict": True}}


def _holdable(part: Any) -> Any:
    """The schema with numbers from 0 to 1 as a choice of hundredths, and objects without keys that it does not name.

    llama.cpp's grammars know no ranges of numbers, and there every probability above 1 would be an answer lost.
    Servers differ in whether they allow keys that a schema is silent about; a weak model never comes to their end.
    """
    if isinstance(part, list):
        return [_holdable(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "number" and (part.get("minimum"), part.get("maximum")) == (0, 1):
        return {**part, "enum": _HUNDREDTHS}
    held = {key: _holdable(value) for key, value in part.items()}
    return {"additionalProperties": False, **held} if part.get("type") == "object" and "properties" in part else held


def _fitted(schema: dict[str, Any], room: int) -> dict[str, Any]:
    """The schema with the longest lists and strings under which every answer fits, or else with the shortest."""
    fitted = schema
    for items, text in _SHORTER:
        fitted = _shortened(schema, items, text)
        if _longest(fitted, fitted.get("$defs", {})) <= room:
            break
    return fitted


def _shortened(part: Any, items: int, text: int) -> Any:
    """The schema with lists and strings of at most so many elements and characters, and nothing without any limit."""
    if isinstance(part, list):
        return [_shortened(each, items, text) for each in part]
    if not isinstance(part, dict):
        return part
    short = {key: _shortened(value, items, text) for key, value in part.items() if key != "enum"}
    short |= {"enum": part["enum"]} if "enum" in part else {}
    match part.get("type"):
        case "string" if not part.keys() & {"enum", "const", "format", "pattern"}:
            short["maxLength"] = max(min(part.get("maxLength", text), text), part.get("minLength", 0))
        case "array" if "prefixItems" not in part:
            short["maxItems"] = max(min(part.get("maxItems", items), items), part.get("minItems", 0))
        case "object" if "properties" not in part:
            short |= {"properties": {}, "additionalProperties": False}
    if isinstance(part.get("anyOf"), list):  # numbers only where nothing else will do
        short["anyOf"] = [choice for choice in short["anyOf"] if not _has_numbers(choice)] or short["anyOf"]
    return short


def _has_numbers(part: Any) -> bool:
    """Whether it is made of numbers that have digits without end under some grammars."""
    inner = [*part.get("prefixItems", ()), part.get("items")] if isinstance(part, dict) else []
    return bool(inner) and ((part.get("type") == "number" and "enum" not in part) or any(map(_has_numbers, inner)))


def _longest(part: Any, parts: Mapping[str, Any], depth: int = 0) -> int:
    """The characters of the longest JSON text that the schema admits, written without line breaks."""
    if depth > _DEEPEST or not isinstance(part, dict):
        return _ENDLESS

    def of(inner: Any) -> int:
        return _longest(inner, parts, depth + 1)

    if "$ref" in part:
        return of(parts.get(part["$ref"].rpartition("/")[2]))
    if "const" in part or "enum" in part:
        return max(len(json.dumps(value)) for value in part.get("enum", [part.get("const")]))
    if "anyOf" in part:
        return max(map(of, part["anyOf"]))
    return 2 + _longest_inside(part, of)


def _longest_inside(part: Mapping[str, Any], of: Callable[[Any], int]) -> int:
    """The characters inside the quotes or brackets of a value of this type."""
    length = _ENDLESS
    match part.get("type"):
        case "string":
            length = int(part.get("maxLength", _ENDLESS))
        case "array" if "prefixItems" in part:
            length = sum(2 + of(inner) for inner in part["prefixItems"])
        case "array":
            length = int(part.get("maxItems", _ENDLESS)) * (2 + of(part.get("items")))
        case "object":
            length = sum(6 + len(key) + of(value) for key, value in part.get("properties", {}).items())
        case "integer" | "number" | "boolean" | "null":
            length = _NUMBER
    return length
