"""The second look by a model: tools until it is sure, within what it may use up."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Question
from alarm_agents.agents.reflector import LastWord, Reconsidered, Reflection, Reflector
from alarm_agents.agents.toolwork import earlier_tool, perceivers_tool
from alarm_agents.models import openai
from alarm_agents.models.client import Model
from alarm_agents.models.labels import words_of
from alarm_agents.models.schemas import response_format
from alarm_agents.models.scripted import Call, ScriptedChatModel
from alarm_agents.scenario import Scenario
from alarm_agents.settings import ModelSettings, ReflectionSettings
from alarm_agents.sources.media import Media
from alarm_agents.sources.open import open_source
from alarm_agents.tools.motion import Motion
from alarm_agents.tools.registry import Entry, Toolbox, load_tools
from alarm_agents.tools.work import Work, working_on
from alarm_agents.types import Label, Parse
from support.clips import clip, write_folder
from support.openai_server import OpenAIServer, Reply
from support.records import motion, perception, verdict, window
from support.scenarios import SEEN, again

TOOLS = ("zoom", "context", "motion", "similar_cases")
SCENARIO = Scenario.model_validate({"name": "yard"})


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    folder = write_folder(tmp_path_factory.mktemp("clip") / "frames", clip(8))
    return Media(open_source(str(folder), SCENARIO.source), 640)


def look(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """An answer that wants tools."""
    return {"label": "look", "calls": [{"tool": name, "arguments": arguments} for name, arguments in calls]}


def model(chat: Any, name: str = "lens", **settings: Any) -> Model:
    return Model(name, ModelSettings(**{"backend": "scripted", "script": "s", "retries": 0, **settings}), chat)


async def reflected(
    mind: Model, media: Media, tools: Toolbox | None = None, case: Question | None = None, **limits: Any
) -> Reflection:
    case = case or Question(window(), "", [motion(1.0)], [perception("eye", "a man")], (), ())
    toolbox = tools or await load_tools(TOOLS, Path())
    with working_on(Work(window(), media, {"motion": Motion()}, lambda *_: ())):
        return await Reflector(mind).reflect(
            case,
            [verdict(0.5)],
            Work(window(), media, {}, lambda *_: ()),
            toolbox,
            1,
            limits=ReflectionSettings(**limits),
        )


async def test_it_looks_with_tools_until_it_is_sure(media: Media) -> None:
    chat = ScriptedChatModel.of(
        {"reply": look(("zoom", {"region": [0.1, 0.1, 0.5, 0.5], "frames": 2}))},
        {"reply": look(("context", {"after": 0.4}), ("similar_cases", {"text": "a man"}))},
        {"reply": again(0.9)},
    )
    found = await reflected(model(chat), media)
    assert (found.verdict.label, found.verdict.p_anomaly, found.verdict.round) == (Label.ANOMALOUS, 0.9, 1)
    first, second, third = chat.calls
    assert '"region"' in first.text  # how the tools are called
    assert "You have 4 turns left" in first.text
    assert (first.images, second.images) == (4, 6)
    assert 'Call 1:\n<untrusted kind="tool">\n2 pictures of 64 x 48 pixels' in second.text
    assert "no resolved case resembles this" in third.text
    assert third.images > second.images
    assert "You have 2 turns left, the last one to end in, and 3 calls." in third.text
    chat.assert_finished()


@pytest.mark.parametrize("style", ["frames", "composite"])
async def test_a_frozen_clip_is_one_picture_in_every_turn_and_the_model_is_told(tmp_path: Path, style: str) -> None:
    source = open_source(str(write_folder(tmp_path / "frozen", clip(1) * 40)), SCENARIO.source)
    chat = ScriptedChatModel.of(
        {"reply": look(("zoom", {"region": [0.1, 0.1, 0.5, 0.5]}), ("context", {"after": 2}))},
        {"reply": look(*[("zoom", {"region": [0.1, 0.1, 0.5, 0.5]})] * 2)},
        {"reply": again(0.1)},
    )
    await reflected(model(chat, images={"max": 4, "style": style}), Media(source, 640))
    first, second, third = chat.calls
    # A later turn holds the pictures of those before: a region and what lies around the window, then the region again.
    assert [call.images for call in chat.calls] == [1, 3, 4]
    for asked in (first.text, second.text.partition("Call 1:")[2], third.text.rpartition("Call 1:")[2]):
        assert "1 picture of" in asked
        assert "it did not change up to" in asked


async def test_a_call_that_cannot_be_made_is_told_and_the_look_goes_on(media: Media) -> None:
    chat = ScriptedChatModel.of(
        {"reply": look(("read_file", {"path": "/etc/passwd"}), ("zoom", {"region": [0.9, 0.1, 0.2, 0.5]}))},
        {"expect": "there is no tool 'read_file'", "reply": again(0.1)},
    )
    found = await reflected(model(chat), media)
    assert found.verdict.p_anomaly == 0.1
    assert "a region is x0,y0,x1,y1" in chat.calls[1].text


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"rounds": 2}, "2 turns"), ({"calls": 1}, "1 calls"), ({"tokens": 10}, "10 tokens"), ({"calls": 0}, "0 calls")],
)
async def test_what_looks_on_and_on_cannot_tell_and_why_is_said(media: Media, limits: dict, says: str) -> None:
    chat = ScriptedChatModel.of({"reply": look(("motion", {})), "times": None})
    found = await reflected(model(chat), media, **limits)
    assert (found.verdict.label, found.verdict.p_anomaly) == (Label.UNKNOWN, None)
    assert found.verdict.parse is Parse.EXHAUSTED
    assert says in found.verdict.rationale
    assert len(chat.calls) <= 2


async def test_in_the_last_turn_the_model_is_told_so(media: Media) -> None:
    chat = ScriptedChatModel.of(
        {"reply": look(("motion", {}))}, {"when": "This is your last turn", "reply": again(0.2)}
    )
    assert (await reflected(model(chat), media, rounds=2)).verdict.p_anomaly == 0.2


async def test_time_that_runs_out_is_no_answer_and_the_call_is_given_up(
    media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up, loop = asyncio.Event(), asyncio.get_running_loop()
    now = loop.time

    async def hang(_: Call) -> None:
        monkeypatch.setattr(loop, "time", lambda: now() + 60)  # a minute goes by at once
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    chat = ScriptedChatModel.of({"reply": again(0.0)}, before=hang)
    found = await reflected(model(chat), media, seconds=60)
    assert (found.verdict.parse, found.verdict.p_anomaly) == (Parse.EXHAUSTED, None)
    assert "60 seconds" in found.verdict.rationale
    assert given_up.is_set()


async def test_perceivers_are_asked_sharper_questions_about_a_region(media: Media) -> None:
    eye = ScriptedChatModel.of({"expect": "Does he carry a bag?", "reply": SEEN})
    case = Question(window(), "", [motion(1.0)], [perception("eye", "a man")], (), ())
    asking = perceivers_tool([Perceiver(model(eye, "eye"))], case, media, SCENARIO)
    tools = (await load_tools(TOOLS, Path())).including(Entry(asking, "built in"))
    asked = look(("ask_perceiver", {"question": "Does he carry a bag?", "region": [0.2, 0.2, 0.8, 0.8]}))
    chat = ScriptedChatModel.of({"reply": asked}, {"expect": "a man walks", "reply": again(0.3)})
    assert (await reflected(model(chat), media, tools, case)).verdict.p_anomaly == 0.3
    assert "Only the region 0.20, 0.20, 0.80, 0.80" in eye.calls[0].text


async def test_perceivers_tell_what_came_before_at_first_and_when_they_are_asked(media: Media) -> None:
    late = window(0.4, 2)
    eye = ScriptedChatModel.of(
        {"when": "taken at 0.00 s", "reply": SEEN | {"caption": "a bag stands alone"}, "times": None},
        {"when": "taken at 0.20 s", "reply": SEEN | {"caption": "a man\nlifts a bag"}, "times": None},
    )
    blind = ScriptedChatModel.of({"reply": "", "times": None})
    eyes = [Perceiver(model(eye, "eye")), Perceiver(model(blind, "blind"))]
    tools = Toolbox([Entry(earlier_tool(eyes, late, media, SCENARIO), "built in")])
    chat = ScriptedChatModel.of({"reply": look(("perceive_earlier", {"stretches": 1}))}, {"reply": again(0.3)})
    case = Question(late, "", [motion(1.0)], [perception("eye", "a man")], (), ())
    await reflected(model(chat), media, tools, case, earlier=2)
    latest = "0.2 s to 0.0 s before:\neye: a man lifts a bag\nblind: gave no usable answer\n"
    earliest = "0.4 s to 0.2 s before:\neye: a bag stands alone\nblind: gave no usable answer\n"
    at_first, then = chat.calls[0].text, chat.calls[1].text.partition("Call 1:")[2]
    assert f'<untrusted kind="seen">\n{earliest}{latest}</untrusted>' in at_first
    assert f'<untrusted kind="tool">\n{latest}</untrusted>' in then


async def test_nobody_is_asked_what_came_before_unless_the_scenario_says_so(media: Media) -> None:
    tools = Toolbox([Entry(earlier_tool([], window(0.4, 2), media, SCENARIO), "built in")])
    chat = ScriptedChatModel.of({"expect": "(not asked)", "reply": again(0.3)})
    await reflected(model(chat), media, tools)
    chat.assert_finished()


@pytest.mark.parametrize("reply", [{"label": "look", "calls": []}, {"label": "normal"}, {}])
async def test_an_answer_that_neither_looks_nor_ends_is_no_answer(media: Media, reply: dict) -> None:
    chat = ScriptedChatModel.of({"reply": reply, "times": 2})
    found = await reflected(model(chat), media)
    assert (found.verdict.parse, found.verdict.p_anomaly) == (Parse.UNPARSED, None)


def test_a_grammar_insists_on_the_label_and_what_belongs_to_it_and_native_calls_need_none() -> None:
    schema = response_format(Reconsidered)["json_schema"]["schema"]
    assert all(next(iter(choice["properties"])) == "label" for choice in schema["anyOf"])
    assert [choice["required"] for choice in schema["anyOf"]] == [["label", "calls"], ["label", "p_anomaly"], ["label"]]
    last = response_format(LastWord)["json_schema"]["schema"]
    assert last["anyOf"] == schema["anyOf"][1:]  # in the last turn nothing is left but to end
    assert words_of(LastWord) == words_of(Reconsidered)
    assert Reconsidered.model_validate({"calls": [{"tool": "zoom"}]}).label == "look"


async def test_a_server_is_held_to_the_tools_that_there_are_and_to_none_in_the_last_turn(media: Media) -> None:
    with OpenAIServer(lambda *_: json.dumps(look(("motion", {})))) as server:
        settings = ModelSettings(backend="openai", model="tiny", base_url=server.base_url, retries=0)
        await reflected(Model("lens", settings, openai.build(settings)), media, rounds=2)
        first, last = (json.dumps(request.body["response_format"]) for request in server.requests)
    assert f'"tool": {{"enum": {json.dumps(list(TOOLS))}}}' in first
    assert '"calls"' not in last


async def test_the_log_probabilities_of_the_label_are_its_p_and_those_of_looking_further_do_not_count(
    media: Media,
) -> None:
    shares = {"look": 0.2, "normal": 0.08, "anomalous": 0.64, "cannot": 0.08}
    listed = [{"token": word, "bytes": None, "logprob": math.log(p)} for word, p in shares.items()]
    spelled = json.dumps(again(0.9))
    head, tail = spelled.split("anomalous")
    tokens = [
        {"token": head, "logprob": 0.0, "top_logprobs": []},
        {**listed[2], "top_logprobs": listed},
        {"token": tail, "logprob": 0.0, "top_logprobs": []},
    ]
    chat = ScriptedChatModel.of({"reply": again(0.9), "logprobs": tokens})
    found = await reflected(model(chat, logprobs=True), media)
    assert (found.verdict.label, found.verdict.p_from) == (Label.ANOMALOUS, "log-probabilities")
    assert found.verdict.p_anomaly == pytest.approx((0.64 + 0.04) / 0.8)


@pytest.mark.parametrize(
    ("reply", "told"),
    [(again(0.9), "confirm"), (again(0.1), "revise"), ({"label": "cannot tell", "rationale": "too dark"}, "cannot")],
)
async def test_whether_it_confirms_or_revises_is_found_and_not_asked(media: Media, reply: dict, told: str) -> None:
    found = await reflected(model(ScriptedChatModel.of({"reply": reply})), media)  # of an anomaly at 0.5
    assert found.verdict.rationale.startswith(told)
    assert (found.verdict.p_anomaly is None) == (told == "cannot")


async def test_a_server_with_native_tool_calls_is_offered_them_and_its_calls_are_taken(media: Media) -> None:
    function = {"name": "zoom", "arguments": json.dumps({"region": [0.1, 0.1, 0.5, 0.5]})}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": function}],
    }
    native = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "tiny",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
    }
    replies = [Reply(raw=json.dumps(native)), Reply(json.dumps(again(0.8)))]
    with OpenAIServer(lambda *_: replies.pop(0)) as server:
        settings = ModelSettings(backend="openai", model="tiny", base_url=server.base_url, tool_calls=True)
        found = await reflected(Model("lens", settings, openai.build(settings)), media)
        first, second = server.requests
    assert [tool["function"]["name"] for tool in first.body["tools"]] == list(TOOLS)
    assert not first.constrained
    assert second.images == 8
    assert (found.verdict.parse, found.verdict.p_anomaly) == (Parse.PARSED, 0.8)
