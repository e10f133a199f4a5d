"""The one repair turn: the model is shown its own text and told what was wrong with it."""

from __future__ import annotations

import json
from functools import lru_cache

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel

_MAX_TEXT = 2000


def repair_turn(text: str, reason: str, schema: type[BaseModel]) -> list[BaseMessage]:
    """The messages to add to the conversation in which the model wrote `text`."""
    request = (
        f"That answer could not be used: {reason}. Answer the same question again with one JSON object that follows "
        f"this JSON schema, and with nothing else:\n{_told(schema)}"
    )
    # Some servers refuse an empty turn of the assistant's.
    return [AIMessage(text[:_MAX_TEXT].strip() or "(no answer)"), HumanMessage(request)]


@lru_cache(maxsize=256)
def _told(schema: type[BaseModel]) -> str:
    return json.dumps(schema.model_json_schema())
