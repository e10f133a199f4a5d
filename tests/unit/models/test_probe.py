"""What `probe` finds out by asking, and what it knows of a model's context, by backend."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from alarm_agents.models import Model, build_models, ollama
from alarm_agents.models import probe as module
from alarm_agents.models.probe import Probe, _context, probe
from alarm_agents.settings import ModelSettings
from support.openai_server import OpenAIServer, Reply

SERVERS: dict[str, dict[str, Any]] = {
    "vllm": {"/v1/models": {"data": [{"id": "other", "max_model_len": 1}, {"id": "tiny", "max_model_len": 4096}]}},
    "llama.cpp": {
        "/props": {"default_generation_settings": {"n_ctx": 2048}},
        "/v1/models": {"data": [{"id": "tiny", "meta": {"n_ctx_train": 8192}}]},
    },
    "an old llama.cpp": {"/v1/models": {"data": [{"id": "tiny", "meta": {"n_ctx_train": 8192}}]}},
    "ollama": {"/api/ps": {"models": [{"name": "tiny", "model": "tiny", "context_length": 1024}]}},
    "silent": {"/v1/models": {"data": ["tiny"]}, "/props": {}},
    "broken": {"/v1/models": {"data": 7}},
}

TOP = [{"token": word, "bytes": None, "logprob": math.log(p)} for word, p in (("hello", 0.9), ("goodbye", 0.1))]
LOGPROBS = [
    {"token": '{"label": "', "bytes": None, "logprob": 0.0, "top_logprobs": []},
    {**TOP[0], "top_logprobs": TOP},
    {"token": '", "words": "hi"}', "bytes": None, "logprob": 0.0, "top_logprobs": []},
]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    def start(pages: dict[str, Any]) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            found = pages.get(request.url.path)
            return httpx.Response(404 if found is None else 200, text=json.dumps(found))

        client = httpx.AsyncClient
        monkeypatch.setattr(httpx, "AsyncClient", lambda **_: client(transport=httpx.MockTransport(answer)))

    return start


def built(**settings: Any) -> Model:
    return build_models({"eye": ModelSettings(**settings)}, Path())["eye"]


@pytest.mark.parametrize(
    ("server", "size"),
    [("vllm", 4096), ("llama.cpp", 2048), ("an old llama.cpp", 8192), ("silent", None), ("broken", None)],
)
async def test_of_a_server(server: str, size: int | None, serve: Any) -> None:
    model = built(backend="openai", model="tiny", base_url="http://127.0.0.1:1/v1")
    serve(SERVERS[server])
    assert await _context(model) == size


@pytest.mark.parametrize(("extra", "size"), [({}, 1024), ({"num_ctx": 512}, 512)])
async def test_of_ollama(extra: dict[str, Any], size: int, serve: Any) -> None:
    pytest.importorskip("langchain_ollama", reason="the extra ollama is not installed")
    model = built(backend="langchain", model=ollama.CLASS, extra={"model": "tiny", **extra})
    serve(SERVERS["ollama"])
    assert await _context(model) == size


async def test_of_llama_cpp_in_this_process(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs the extra [llamacpp]: make test-models")
    (tmp_path / "mind.gguf").touch()
    model = built(backend="llamacpp", model=str(tmp_path / "mind.gguf"), extra={"n_ctx": 640})
    assert await _context(model) == 640


class Served:
    """A server of one model, that can do everything unless told otherwise; `asked` counts the requests."""

    def __init__(self, *, sees: bool = True, gives_logprobs: bool = True) -> None:
        self.sees, self.gives = sees, gives_logprobs
        self.colour, self.first, self.asked = "red", '{"label": "hello", "words": "hi"}', 0

    def __call__(self, _: str, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> Reply:
        self.asked += 1
        if "image_url" in json.dumps(messages):
            return Reply(json.dumps({"label": self.colour}), status=200 if self.sees else 400)
        if len(messages) == 1:
            return Reply(self.first, logprobs=LOGPROBS if self.gives else None)
        return Reply('{"label": "hello", "words": "hi"}')


async def probed(answering: Served, **settings: Any) -> tuple[Probe, OpenAIServer]:
    with OpenAIServer(answering) as server:
        model = built(backend="openai", model="tiny", base_url=server.base_url, retries=0, **settings)
        return await probe(model, Path()), server


async def test_loading_the_weights_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    answering = Served()
    # By the requests that were answered: the first takes ten minutes, each further one two seconds.
    clock = SimpleNamespace(monotonic=lambda: 600.0 * min(1, answering.asked) + 2.0 * answering.asked)
    monkeypatch.setattr(module, "time", clock)
    found, _ = await probed(answering)
    assert found.latency_s == 2.0
    assert found.tokens_a_second == len(answering.first.split()) / 2.0


@pytest.mark.parametrize(
    ("gives", "asks", "says"),
    [
        (True, True, ""),
        (True, False, "is not asked for them (logprobs: false); with logprobs: true"),
        (False, True, "it gives none, and the p that it writes is used; set logprobs: false"),
        (False, False, "it gives none, and the p that it writes is used; serve it where they are given"),
    ],
)
async def test_log_probabilities_are_tried_whatever_the_block_says(gives: bool, asks: bool, says: str) -> None:
    found, server = await probed(Served(gives_logprobs=gives), logprobs=asks)
    assert any(request.body.get("logprobs") for request in server.requests)
    assert found.logprobs is gives
    lines = [line for line in found.cannot if line.startswith("log-probabilities: ")]
    assert len(lines) == bool(says)
    assert says in "".join(lines)


async def test_a_server_that_refuses_log_probabilities_gives_none() -> None:
    class Refuses(Served):
        def __call__(self, *given: Any) -> Reply:
            wanted = server.requests[-1].body.get("logprobs")
            return Reply("no logprobs here", status=400) if wanted else super().__call__(*given)

    with OpenAIServer(Refuses()) as server:
        found = await probe(built(backend="openai", model="tiny", base_url=server.base_url, retries=0), Path())
    assert (found.answers, found.logprobs) == (True, False)


@pytest.mark.parametrize(
    ("sees", "colour", "most", "says"),
    [
        (True, "red", 4, ""),
        (True, "red", 0, "it takes them, and the scenario sends none (images.max: 0); raise images.max"),
        (False, "red", 0, "the scenario sends none (images.max: 0), which is right for a model of words alone; for"),
        (False, "red", 4, "set images.max: 0, or serve it with its vision part"),
        (True, "blue", 0, "called a red square by another colour, what it sees is not to be relied on; take another"),
    ],
)
async def test_a_picture_is_asked_about_whatever_the_block_says(sees: bool, colour: str, most: int, says: str) -> None:
    answering = Served(sees=sees)
    answering.colour = colour
    found, server = await probed(answering, images={"max": most})
    assert any(request.images for request in server.requests)
    assert found.images is sees
    lines = [line for line in found.cannot if line.startswith("pictures: ")]
    assert len(lines) == bool(says)
    assert says in "".join(lines)


async def test_answers_that_are_not_constrained_and_an_unknown_context_have_a_remedy() -> None:
    answering = Served()
    answering.first = "Hello!"
    found, _ = await probed(answering, logprobs=True)
    assert found.schema_kept is False
    constrained, context = (line for line in found.cannot if not line.startswith("log-probabilities"))
    assert "at one more call; backend openai on a server that takes response_format" in constrained
    assert context == (
        "context: not told, so that prompts may be too long; "
        "start its server with one that you know, as `alarm models serve eye --context N` has it"
    )


async def test_a_model_that_is_silent_is_asked_once() -> None:
    class Broken(Served):
        def __call__(self, *given: Any) -> Reply:
            return Reply(status=503)

    found, server = await probed(Broken())
    assert (found.answers, len(server.requests)) == (False, 1)
