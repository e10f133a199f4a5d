"""llama.cpp by xllamacpp: GGUF weights and how they are loaded, once a process."""

from __future__ import annotations

import importlib.util
import os
import secrets
import threading
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from alarm_agents.errors import MissingExtraError, ModelError

_QUIET = -1
_loading = threading.Lock()


class Options(BaseModel):
    """What `extra` may hold for backend llamacpp."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_ctx: int = Field(8192, ge=256)
    """Tokens that one question and its answer may take together; memory grows with it times `max_concurrency`."""
    n_threads: int = Field(max(1, (os.cpu_count() or 2) // 2), ge=1)
    """Half the processors unless given: with as many threads as busy processors llama.cpp slows down twentyfold."""
    n_gpu_layers: int = Field(-1, ge=-1)
    """-1 for as many as the GPU holds."""
    n_batch: int = Field(512, ge=32)
    """Tokens of a prompt read in one go; work that is cancelled stops after the one it is at."""


class Weights(BaseModel):
    """Everything that one loaded model is known by."""

    model_config = ConfigDict(frozen=True)

    model: Path
    mmproj: Path | None = None
    slots: int = Field(1, ge=1)
    """Questions answered at once."""
    options: Options = Options()


def require() -> None:
    """Raise `MissingExtraError` where xllamacpp is not installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtraError("llamacpp", "backend llamacpp")


def load(weights: Weights) -> Any:
    """The xllamacpp server on these weights, loaded once a process; raises `ModelError`.

    The library holds the interpreter while it loads: everything else in the process waits so long, once.
    """
    with _loading:
        return _loaded(weights)


@cache
def _loaded(weights: Weights) -> Any:
    # The library always listens on a loopback port too; with a key that nobody knows, nobody else can ask there.
    return start(weights, port=0, api_keys=[secrets.token_urlsafe(32)])


def start(weights: Weights, port: int, api_keys: list[str], alias: str = "") -> Any:
    """A running xllamacpp server on a loopback port (0: any); it ends with the object. Raises `ModelError`."""
    require()
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights.model)
    if weights.mmproj is not None:
        params.mmproj.path = str(weights.mmproj)
    if alias:
        params.model_alias = {alias}
    options = weights.options
    params.n_parallel = weights.slots
    params.n_ctx = options.n_ctx * weights.slots  # the library divides it between the slots
    params.n_batch = params.n_ubatch = options.n_batch
    params.n_gpu_layers = options.n_gpu_layers
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.n_threads
    params.cache_ram_mib = 0  # up to 8 GB otherwise; what windows have in common is found in the slots
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], port, api_keys
    params.ui = params.warmup = False
    params.endpoint_slots = not api_keys
    params.verbosity = _QUIET
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelError(
            f"llama.cpp cannot load {weights.model.name}" + (f" with {weights.mmproj.name}" if weights.mmproj else ""),
            remedy="check that the file is a whole GGUF, that mmproj belongs to it, that memory suffices for n_ctx "
            "times max_concurrency, and that the port is free",
        ) from error
