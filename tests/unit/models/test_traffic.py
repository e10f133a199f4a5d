"""What only a real server can do wrong, and what is sent to it."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState

from alarm_agents.models import Model, ScriptedChatModel, ScriptError, heard, openai
from alarm_agents.models.breaker import Breaker
from alarm_agents.observability import tracing
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Parse
from support.openai_server import OpenAIServer, Reply


class Judgement(BaseModel):
    label: str


class Other(BaseModel):
    label: str


GOOD = '{"label": "normal"}'
QUESTION = [HumanMessage("What is it?")]


def _until(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true within five seconds; for a thread of its own."""
    return any(condition() or threading.Event().wait(0.005) for _ in range(1_000))


def model_at(base_url: str, **settings: Any) -> Model:
    ready = ModelSettings(backend="openai", model="tiny", base_url=base_url, **settings)
    return Model("eye", ready, openai.build(ready), backoff_s=0.001)


async def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYE_KEY", "s3cret")
    with OpenAIServer(lambda *_: GOOD) as server:
        options = {"seed": 7, "temperature": 0.5, "max_tokens": 33, "logprobs": True, "extra": {"min_p": 0.1}}
        await model_at(server.base_url, api_key_env="EYE_KEY", **options).ask(QUESTION, Judgement)
    (request,) = server.requests
    assert (request.model, request.constrained, request.images) == ("tiny", True, 0)
    sent = request.body
    assert (sent["temperature"], sent["max_tokens"], sent["min_p"]) == (0.5, 33, 0.1)
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 5)
    assert sent["response_format"]["json_schema"]["name"] == "Judgement"
    assert request.headers["authorization"] == "Bearer s3cret"


async def test_samples_of_one_question_have_seeds_of_their_own_and_the_same_in_the_next_run() -> None:
    async def seeds(base: int | None) -> list[int | None]:
        with OpenAIServer(lambda *_: GOOD) as server:
            model = model_at(server.base_url, seed=base)
            for question in ("one", "two", "one", "one"):
                await model.ask([HumanMessage(question)], Judgement)
        return [request.body.get("seed") for request in server.requests]

    first = await seeds(7)
    assert len(set(first)) == 4
    assert first == await seeds(7) != await seeds(8)
    assert await seeds(None) == [None] * 4


async def test_a_server_that_rejects_schemas_is_asked_without_and_remembered() -> None:
    def reply(model: str, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> str | Reply:
        return Reply("response_format is not supported", status=400) if schema else GOOD

    with OpenAIServer(reply) as server:
        model = model_at(server.base_url)
        answers = [await model.ask(QUESTION, schema) for schema in (Judgement, Judgement, Other)]
    assert {answer.parse for answer in answers} == {Parse.PARSED}
    assert [request.constrained for request in server.requests] == [True, False, False, True, False]


async def test_a_request_that_is_rejected_either_way_is_not_held_against_schemas() -> None:
    replies = [Reply(status=400), Reply(status=400), Reply(GOOD)]
    with OpenAIServer(lambda *_: replies.pop(0)) as server:
        model = model_at(server.base_url)
        first, second = [await model.ask(QUESTION, Judgement) for _ in range(2)]
    assert (first.parse, first.note) == (Parse.FAILED, "HTTP 400 (the server rejects the request)")
    assert second.parse is Parse.PARSED
    assert [request.constrained for request in server.requests] == [True, False, True]


@pytest.mark.parametrize(
    "said",
    [
        "context_length_exceeded",
        "This model's maximum context length is 2048 tokens. However, you requested 4069 tokens",
        "the request exceeds the available context size, try increasing it",
    ],
)
async def test_a_prompt_that_is_too_long_is_not_sent_again(said: str) -> None:
    with OpenAIServer(lambda *_: Reply(said, status=400)) as server:
        answer = await model_at(server.base_url).ask(QUESTION, Judgement)
    assert (answer.parse, answer.note) == (Parse.FAILED, "the prompt is longer than the model's context")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        *("", "not json", "[]", "null", '"text"', "{}", '{"choices": null}', '{"choices": []}', '{"choices": [{}]}'),
        *('{"choices": [{"message": null}]}', '{"error": {"message": "secret"}}', '{"choices": 7}'),
        *('{"choices": "\udcff"}', "[" * 100_000),
    ],
)
async def test_an_answer_that_is_no_chat_completion_is_failed(raw: str) -> None:
    with OpenAIServer(lambda *_: Reply(raw=raw)) as server:
        answer = await model_at(server.base_url, retries=0).ask(QUESTION, Judgement)
    assert (answer.value, answer.parse) == (None, Parse.FAILED)
    assert "secret" not in repr(answer)


async def test_an_answer_cut_off_by_the_token_limit_is_repaired() -> None:
    replies = [Reply('{"label": "nor', finish_reason="length"), Reply(GOOD)]
    with OpenAIServer(lambda *_: replies.pop(0)) as server:
        answer = await model_at(server.base_url).ask(QUESTION, Judgement)
    assert (answer.parse, answer.note) == (Parse.REPAIRED, "the JSON is cut off")


async def test_a_content_filter_is_a_refusal() -> None:
    with OpenAIServer(lambda *_: Reply("", finish_reason="content_filter")) as server:
        answer = await model_at(server.base_url).ask(QUESTION, Judgement)
    assert answer.parse is Parse.REFUSED


async def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        answer = await model_at(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", retries=1).ask(QUESTION, Judgement)
    assert (answer.parse, answer.note) == (
        Parse.FAILED,
        "the server cannot be reached, or dropped the connection",
    )


async def test_the_callers_own_time_limit_is_cancellation_not_failure() -> None:
    chat = ScriptedChatModel.of(GOOD, before=lambda _: asyncio.Event().wait())  # type: ignore[arg-type]
    model = Model("eye", ModelSettings(backend="scripted", script="-"), chat)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await model.ask(QUESTION, Judgement)


async def test_cancelled_work_stops_at_the_server_too() -> None:
    with OpenAIServer(lambda *_: Reply(GOOD, wait=threading.Event())) as server:
        model = model_at(server.base_url)
        asked = asyncio.create_task(model.ask(QUESTION, Judgement))
        assert await asyncio.to_thread(lambda: _until(lambda: server.open == 1))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await asyncio.to_thread(server.abandoned.wait, 5), "the request was not dropped"
        server.reply = lambda *_: GOOD
        assert (await model.ask(QUESTION, Judgement)).parse is Parse.PARSED, "the slot is free, the breaker closed"


async def test_an_answer_that_stalls_half_way_is_a_time_out_and_dropped() -> None:
    with OpenAIServer(lambda *_: Reply(GOOD, stall=True, wait=threading.Event())) as server:
        answer = await model_at(server.base_url, retries=0, timeout_s=0.1).ask(QUESTION, Judgement)
        assert (answer.parse, answer.note) == (Parse.FAILED, "timed out")
        assert await asyncio.to_thread(server.abandoned.wait, 5)


@pytest.mark.parametrize(
    ("said", "least", "most"), [("0.3", 0.3, 0.31), ("9999", 30.0, 30.01), ("soon", 0.0, 0.01), ("-5", 0.0, 0.01)]
)
async def test_a_wait_that_the_server_asks_for_is_kept_up_to_a_bound(
    said: str, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    replies = [Reply(status=429, headers={"Retry-After": said}), Reply(GOOD)]
    with OpenAIServer(lambda *_: replies.pop(0)) as server:
        answer = await model_at(server.base_url).ask(QUESTION, Judgement)
    assert answer.parse is Parse.PARSED
    (waited,) = slept
    assert least <= waited <= most


def test_two_pauses_of_the_same_attempt_differ_so_that_callers_do_not_come_back_together() -> None:
    model = model_at("http://localhost/v1")
    model.backoff_s = 1.0
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = 3
    pauses = {model._pause(state) for _ in range(20)}
    assert len(pauses) == 20
    assert all(0.0 <= pause <= 4.0 for pause in pauses)
    assert max(pauses) - min(pauses) > 0.5


async def test_a_model_that_is_down_is_left_alone_and_found_back_by_one_call() -> None:
    now = 0.0
    healthy = threading.Event()
    with OpenAIServer(lambda *_: GOOD if healthy.is_set() else Reply(status=503)) as server:
        model = model_at(server.base_url, retries=0, max_concurrency=8)
        model.breaker = Breaker(failures=3, period_s=10, clock=lambda: now)
        with heard() as listening:
            answers = [await model.ask(QUESTION, Judgement) for _ in range(6)]
        assert [answer.parse for answer in answers] == [Parse.FAILED] * 6
        assert answers[-1].note == "the model is down (HTTP 503 (the server failed)), tried again in 10 s"
        assert len(server.requests) == 3, "the rest was answered at once"
        assert (listening.usable, listening.down) == (set(), {"eye"})
        now = 10.0
        answers = await asyncio.gather(*(model.ask(QUESTION, Judgement) for _ in range(5)))
        assert len(server.requests) == 4, "one call tried"
        assert sum(answer.note.endswith("being tried again now") for answer in answers) == 4
        now = 20.0
        healthy.set()
        answers = await asyncio.gather(*(model.ask(QUESTION, Judgement) for _ in range(5)))
        assert [answer.parse for answer in answers].count(Parse.PARSED) == 1
        answers = await asyncio.gather(*(model.ask(QUESTION, Judgement) for _ in range(5)))
        assert {answer.parse for answer in answers} == {Parse.PARSED}


async def test_programming_errors_propagate() -> None:
    model = Model("eye", ModelSettings(backend="scripted", script="-"), ScriptedChatModel.of())
    with pytest.raises(ScriptError):
        await model.ask(QUESTION, Judgement)


async def test_a_foreign_class_may_raise_anything() -> None:
    class Vendor(ScriptedChatModel):
        async def _agenerate(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("secret")

    chat: BaseChatModel = Vendor(steps=())
    answer = await Model("eye", ModelSettings(backend="langchain", model="a:B"), chat).ask(QUESTION, Judgement)
    assert (answer.parse, answer.note) == (Parse.FAILED, "failed with RuntimeError")


async def test_each_turn_is_a_span(tmp_path: Any) -> None:
    chat = ScriptedChatModel.of("hm, secret", {"error": 500}, {"error": 500}, GOOD)
    model = Model("eye", ModelSettings(backend="scripted", script="-", model="tiny"), chat, backoff_s=0.001)
    with tracing.start(tmp_path / "traces.db"), tracing.span("w", "window"):
        await model.ask(QUESTION, Judgement)
        first, second = tracing.finished(tracing.current_trace_id())
    assert [(span.name, span.kind) for span in (first, second)] == [("tiny", "model")] * 2
    assert first.attributes["alarm.parse"] == "unparsed"
    kept = hashlib.sha256(b"hm, secret").hexdigest(), len("hm, secret")
    assert (first.attributes["alarm.raw_sha256"], first.attributes["alarm.raw_length"]) == kept
    assert "alarm.raw_sha256" not in second.attributes
    assert second.attributes["alarm.parse"] == "repaired"
    assert second.attributes["alarm.retries"] == 2
    assert second.attributes["gen_ai.request.model"] == "tiny"
    assert second.attributes["gen_ai.operation.name"] == "chat"
    assert second.attributes["gen_ai.usage.output_tokens"] == 2
    assert second.attributes["alarm.model_name"] == "eye"
    assert "secret" not in repr((first, second))
