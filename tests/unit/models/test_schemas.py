"""What servers are asked to hold answers to; and that an answer which was cut off is asked for again, shorter."""

from __future__ import annotations

import json
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field

from alarm_agents.agents.inducer import Proposed
from alarm_agents.agents.perceiver import Seen
from alarm_agents.agents.reasoner import Judged
from alarm_agents.agents.reflector import Reconsidered
from alarm_agents.models import Model, openai
from alarm_agents.models.schemas import response_format
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Parse
from support.openai_server import OpenAIServer, Reply

ANSWERS = [Seen, Judged, Reconsidered, Proposed]


def constraint(schema: type[BaseModel], room: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = response_format(schema, room)["json_schema"]["schema"]
    return found


class Part(BaseModel):
    name: str = Field(max_length=200)
    value: float | bool | str
    share: float = Field(0.0, ge=0, le=1)
    place: tuple[float, float] | None = None


class Told(BaseModel):
    label: Literal["normal", "anomalous"]
    words: str
    parts: list[Part] = Field(default=[], max_length=40)
    free: dict[str, Any] = {}


def longest(schema: dict[str, Any]) -> dict[str, Any]:
    """An answer of `Told` that takes every limit to its end."""
    part = schema["$defs"]["Part"]["properties"]
    texts = [choice for choice in part["value"]["anyOf"] if choice["type"] == "string"]
    one = {"name": "x" * part["name"]["maxLength"], "value": "x" * texts[0]["maxLength"], "share": 0.55, "place": None}
    properties = schema["properties"]
    parts = [one] * properties["parts"]["maxItems"]
    return {"label": "anomalous", "words": "x" * properties["words"]["maxLength"], "parts": parts, "free": {}}


@settings(deadline=None, max_examples=30)
@given(room=st.integers(200, 20_000))
def test_the_longest_answer_fits_and_is_one_of_the_schemas(room: int) -> None:
    schema = constraint(Told, room)
    answer = longest(schema)
    jsonschema.validate(answer, schema)
    Told.model_validate(answer)
    assert len(json.dumps(answer)) <= room


def test_what_has_no_end_in_a_grammar_is_left_out_where_something_else_will_do() -> None:
    schema = constraint(Told, 1000)
    part = schema["$defs"]["Part"]["properties"]
    assert [choice["type"] for choice in part["value"]["anyOf"]] == ["boolean", "string"]
    assert [choice["type"] for choice in part["place"]["anyOf"]] == ["null"]
    assert part["share"]["enum"][-1] == 1.0
    assert (schema["properties"]["free"]["properties"], schema["properties"]["free"]["additionalProperties"]) == (
        {},
        False,
    )


@pytest.mark.parametrize("schema", ANSWERS)
def test_the_agents_answers_have_no_keys_but_their_own_and_limits_of_their_own(schema: type[BaseModel]) -> None:
    whole, short = [json.dumps(constraint(schema, room)) for room in (None, 512)]
    assert '"additionalProperties": true' not in whole.replace('"arguments": {"additionalProperties": true', "")
    assert '"additionalProperties": true' not in short
    assert '"maxLength": 2000' not in short


def test_a_schema_that_admits_no_limit_is_held_as_short_as_can_be() -> None:
    class Number(BaseModel):
        value: float
        more: list[str]

    schema = constraint(Number, 10)
    assert schema["properties"]["value"]["type"] == "number"
    assert schema["properties"]["more"]["maxItems"] == 1


async def ask(*replies: Reply) -> tuple[Parse, list[dict[str, Any]]]:
    """How the answer was parsed, and the schemas of the requests."""
    left, asked = list(replies), []

    def answer(_: str, __: list[dict[str, Any]], schema: dict[str, Any] | None) -> Reply:
        asked.append(schema or {})
        return left.pop(0)

    with OpenAIServer(answer) as server:
        settings = ModelSettings(backend="openai", model="tiny", base_url=server.base_url, max_tokens=512)
        model = Model("eye", settings, openai.build(settings))
        return (await model.ask([HumanMessage("What is it?")], Judged)).parse, asked


async def test_an_answer_that_was_cut_off_is_asked_for_again_with_what_the_tokens_suffice_for() -> None:
    good = json.dumps({"label": "normal", "p_anomaly": 0.1, "rationale": "x" * 100})
    parse, (first, second) = await ask(Reply(good[:-40], finish_reason="length"), Reply(good))
    assert parse is Parse.REPAIRED
    assert first == constraint(Judged)
    assert second == constraint(Judged, 512)


async def test_an_answer_that_is_wrong_in_another_way_is_asked_for_again_with_the_same_schema() -> None:
    parse, (first, second) = await ask(Reply('{"label": "odd"}'), Reply('{"label": "normal", "p_anomaly": 0.1}'))
    assert parse is Parse.REPAIRED
    assert first == second == constraint(Judged)
