"""What models are asked for and what they carry: warm-up, failures, places where models compute, second calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from alarm_agents.models.client import Model
from alarm_agents.models.scripted import Call, ScriptedChatModel
from alarm_agents.monitor import sizing
from alarm_agents.monitor.sizing import Load, advice, measure, needs, second_looks
from alarm_agents.scenario import Scenario
from support.scenarios import judged

WINDOWS = 60.0
"""A minute: 10 frames a second, 10 a window."""
SERVED = {"backend": "openai", "model": "tiny", "base_url": "http://127.0.0.1:8000/v1"}
IN_PROCESS = {"backend": "transformers", "model": "m"}
SCRIPTED = {"backend": "scripted", "script": "s", "retries": 0, "max_concurrency": 2}


def scenario(models: dict[str, dict[str, Any]], **agents: Any) -> Scenario:
    source = {"fps": 10, "frames": 10, "max_side": 32}
    return Scenario(name="yard", source=source, models=models, agents={"reasoners": tuple(models), **agents})


def load(model: str, share: float, failed: int = 0) -> Load:
    """Of a reasoner whose windows' calls take this share."""
    return Load(
        role="reasoner",
        model=model,
        calls=4,
        failed=failed,
        input_tokens=100.0,
        output_tokens=10.0,
        calls_a_minute=WINDOWS / share if share else 0.0,
    )


def said(found: Scenario, *loads: Load) -> list[str]:
    return advice(found, needs(found, loads), loads)


async def measured(chat: ScriptedChatModel, **agents: Any) -> Load:
    found = scenario({"mind": SCRIPTED}, **agents)
    (only,) = await measure(found, {"mind": Model("mind", found.models["mind"], chat)}, ())
    return only


async def test_the_first_call_which_loads_weights_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0

    async def passes(call: Call) -> None:
        nonlocal clock
        clock += 600.0 if len(chat.calls) == 1 else 1.0

    monkeypatch.setattr(sizing, "time", SimpleNamespace(monotonic=lambda: clock))
    chat = ScriptedChatModel.of({"reply": judged(0.1), "times": None}, before=passes)
    only = await measured(chat)
    assert (only.calls, only.failed, only.calls_a_minute) == (2, 0, 60.0)
    first, second, third = (call.text for call in chat.calls)
    assert first != second == third, "what a server caches of the first prompt must not speed up those that count"


async def test_only_usable_answers_count_as_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 2.0))
    monkeypatch.setattr(sizing, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    good = {"reply": judged(0.1)}
    only = await measured(ScriptedChatModel.of(good, good, {"error": 400}))
    assert (only.calls, only.failed, only.calls_a_minute) == (2, 1, 30.0)


def test_advice_names_the_calls_that_failed() -> None:
    found = scenario({"mind": SERVED})
    (line,) = said(found, load("mind", 0.5, failed=1))
    assert line == "mind: no usable answer in 1 of 4 calls as reasoner; `alarm models probe mind` says why"
    assert said(found, load("mind", 0.5)) == []


def test_a_model_that_failed_always_carries_nothing() -> None:
    found = scenario({"mind": SERVED}, reflector="mind")
    loads = [load("mind", 0.0, failed=4)]
    assert [need.share for need in (*needs(found, loads), *second_looks(found, loads))] == [None, None]
    assert "no usable answer in 4 of 4 calls" in said(found, *loads)[0]


@pytest.mark.parametrize(
    ("blocks", "place"),
    [
        ([SERVED, {**SERVED, "model": "other"}, {**SERVED, "base_url": "http://localhost:8000"}], "at 127.0.0.1:8000"),
        ([IN_PROCESS, {"backend": "llamacpp", "model": "g"}, IN_PROCESS], "on this machine"),
        (
            [
                {"backend": "langchain", "model": "langchain_ollama:ChatOllama", "extra": {"model": "q"}},
                {**SERVED, "base_url": "http://localhost:11434/v1"},
                {"backend": "langchain", "model": "a:B", "extra": {"base_url": "http://127.0.0.1:11434"}},
            ],
            "at 127.0.0.1:11434",
        ),
    ],
)
def test_models_of_one_place_share_it(blocks: list[dict[str, Any]], place: str) -> None:
    found = scenario(dict(zip("abc", blocks, strict=True)))
    (line,) = said(found, *(load(name, 0.75) for name in "abc"))
    assert line.startswith(f"a, b, c {place}: asked together for 2.2 times what is carried there; ")
    assert "serve one of them elsewhere" in line
    assert said(found, *(load(name, 0.3) for name in "abc")) == []


def test_models_of_several_places_are_sized_apart() -> None:
    blocks = {"a": SERVED, "b": {**SERVED, "base_url": "http://127.0.0.1:8001/v1"}, "c": IN_PROCESS, "d": SCRIPTED}
    found = scenario(blocks)
    assert said(found, *(load(name, 0.75) for name in blocks)) == []
    (line,) = said(found, load("a", 0.75), load("b", 1.5), load("c", 0.75), load("d", 0.75))
    assert line.startswith("b: asked for 1.5 times what it carries; ")


def test_a_place_is_sized_by_what_is_known_of_it() -> None:
    found = scenario({"a": SERVED, "b": SERVED})
    unknown, too_much = said(found, load("a", 2.0))
    assert unknown == "b: not measured yet; add --measure"
    assert too_much.startswith("a, b at 127.0.0.1:8000: asked together for 2.0 times")


def test_a_second_word_on_each_draft_is_counted() -> None:
    mind = {**SERVED, "temperature": 0.7}
    plain, again = (
        needs(scenario({"mind": mind}, samples=3, reasoners_recheck=recheck), [load("mind", 0.2)])
        for recheck in (False, True)
    )
    assert [(need.calls_a_minute, need.at_most) for need in (*plain, *again)] == [(180.0, False), (360.0, True)]
    assert again[0].share == pytest.approx(1.2)
    (line,) = said(scenario({"mind": mind}, samples=3, reasoners_recheck=True), load("mind", 0.2))
    assert "asked for up to 1.2 times what it carries; " in line
    assert "leave out agents.reasoners_recheck" in line
