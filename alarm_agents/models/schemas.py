"""JSON schemas as servers' grammars can hold them."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

_HUNDREDTHS = [i / 100 for i in range(101)]


def response_format(schema: type[BaseModel]) -> dict[str, Any]:
    """The request's `response_format` that asks the server to constrain the answer to the schema."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.__name__)[:64]
    constraint = _holdable(schema.model_json_schema())
    return {"type": "json_schema", "json_schema": {"name": name, "schema": constraint, "strict": True}}


def _holdable(part: Any) -> Any:
    """The schema with numbers from 0 to 1 as a choice of hundredths.

    llama.cpp's grammars know no ranges of numbers, and there every probability above 1 would be an answer lost.
    """
    if isinstance(part, list):
        return [_holdable(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "number" and (part.get("minimum"), part.get("maximum")) == (0, 1):
        return {**part, "enum": _HUNDREDTHS}
    return {key: _holdable(value) for key, value in part.items()}
