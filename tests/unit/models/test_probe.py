"""What `probe` knows of a model's context, by backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from alarm_agents.models import Model, build_models, ollama
from alarm_agents.models.probe import _context
from alarm_agents.scenario import ModelSettings

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
