"""The scripted model is strict: it answers by its script, and says when it was not followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from alarm_agents.errors import AlarmError, ScenarioError
from alarm_agents.models import ScriptedChatModel, ScriptError


def test_steps_answer_in_order_and_mappings_are_json() -> None:
    chat = ScriptedChatModel.of("one", {"reply": {"a": "ü"}})
    assert [chat.invoke("x").text for _ in range(2)] == ["one", '{"a": "ü"}']
    chat.assert_finished()


async def test_the_first_open_step_whose_when_matches_answers() -> None:
    chat = ScriptedChatModel.of(
        {"when": "car", "reply": "first car"}, {"when": "car", "reply": "car", "times": None}, {"reply": "rest"}
    )
    said = [(await chat.ainvoke(prompt)).text for prompt in ("a tree", "a car", "a car", "a car")]
    assert said == ["rest", "first car", "car", "car"]
    chat.assert_finished()


def test_an_unexpected_call_is_an_error_of_the_test() -> None:
    chat = ScriptedChatModel.of("only")
    chat.invoke("x")
    with pytest.raises(ScriptError, match="no step answers call 2, whose prompt ends with 'y'") as caught:
        chat.invoke("y")
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, AlarmError)


def test_a_prompt_without_what_is_expected() -> None:
    with pytest.raises(ScriptError, match="step 1 expects 'zone road'"):
        ScriptedChatModel.of({"expect": "zone road", "reply": "x"}).invoke("zone path")


def test_steps_left_over() -> None:
    chat = ScriptedChatModel.of({"reply": "x", "times": 2}, {"when": "z", "reply": "x"}, {"reply": "y", "times": None})
    chat.invoke("x")
    with pytest.raises(ScriptError, match="step 1, 2 of 3"):
        chat.assert_finished()


def test_pictures_are_recorded_as_a_count() -> None:
    chat = ScriptedChatModel.of("x")
    picture = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}}
    message = chat.invoke([HumanMessage([{"type": "text", "text": "two words"}, picture, picture])])
    (call,) = chat.calls
    assert (call.text, call.images) == ("two words", 2)
    assert message.usage_metadata == {"input_tokens": 2, "output_tokens": 1, "total_tokens": 3}


@pytest.mark.parametrize("step", [{}, {"reply": "x", "refusal": True}, {"reply": "x", "tims": 2}, {"error": "fire"}])
def test_a_step_that_makes_no_sense(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ScriptedChatModel.of(step)


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_script_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"script.{suffix}"
    steps = [{"reply": {"label": "normal"}, "times": None}, {"error": "timeout"}]
    path.write_text(json.dumps(steps) if suffix == "json" else "- {reply: {label: normal}, times: null}\n")
    assert ScriptedChatModel.from_file(path).invoke("x").text == '{"label": "normal"}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {reply: x, tims: 2}", "did you mean 'times'"),
        ("reply: x", "list of steps"),
        ("- [", "not valid YAML"),
        ("- {times: 2}", "exactly one of"),
    ],
)
def test_a_script_file_with_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=message) as caught:
        ScriptedChatModel.from_file(path)
    assert "script.yaml" in caught.value.where
