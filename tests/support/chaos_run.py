"""A monitor at the mercy of a misbehaving server: what became of each window. Shared by a test and a benchmark."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from alarm_agents.errors import ModelError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.models.breaker import Breaker
from alarm_agents.monitor.run import Monitor
from alarm_agents.sources.encode import encode
from alarm_agents.sources.regions import Image
from alarm_agents.types import Case, CaseStatus, Label
from alarm_agents.workspace import Workspace
from support.chaos_server import WINDOW, Chaos, named
from support.openai_server import OpenAIServer

FRAMES, FPS = 4, 8
EVERY = 40
"""Each so many-th window shows something wrong."""
_TIME = re.compile(r"(\d+\.\d+) s\b")


@dataclass
class Outcome:
    """What a run came to; `lost`, `doubled` and `silent_normals` name windows, and none may be there."""

    windows: int
    period_s: float
    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    silent_normals: list[int] = field(default_factory=list)
    """Held to be normal without a usable answer that says so, or although something is wrong in them."""
    labels: Counter[str] = field(default_factory=Counter)
    deferred: int = 0
    held: int = 0
    """Windows that waited for a model for some time."""
    served: Counter[str] = field(default_factory=Counter)
    recovered_s: float = 0.0
    """From the server's recovery to the first answer that it was asked for."""
    seconds: float = 0.0


async def run(
    folder: Path, windows: int = 2_000, *, seed: int = 0, share: float = 0.3, period_s: float = 1.0, eyes: int = 0
) -> Outcome:
    """Watch `windows` windows: chaos first, then nothing but failures for two periods, then health.

    They are of captions, or, with `eyes`, of pictures that so many perceivers see, all on that server.
    """
    chaos = Chaos(seed, share, frozenset(range(EVERY // 2, windows, EVERY)), _asked)
    folder.mkdir(parents=True, exist_ok=True)
    with OpenAIServer(chaos) as server:
        source = _pictures(folder, windows) if eyes else _captions(folder, windows)
        scenario = _scenario(folder, server.base_url, "video" if eyes else "captions", eyes)
        outcome, workspace = Outcome(windows, period_s), Workspace(folder / "ws")
        started = time.monotonic()
        told = await _watch(scenario, source, workspace, chaos, outcome)
    outcome.seconds = time.monotonic() - started
    outcome.served, outcome.recovered_s = chaos.done, chaos.answered_at - chaos.healthy_at
    stored = workspace.cases.find()
    here = Counter(_number(case) for case in stored if case.status is not CaseStatus.HELD)
    outcome.lost = [number for number in range(windows) if not here[number] or not told[number]]
    outcome.doubled = [number for number in range(windows) if here[number] > 1 or told[number] > 1]
    outcome.silent_normals = [
        number
        for number, case in ((_number(case), case) for case in stored)
        if case.label is Label.NORMAL and (number in chaos.wrong or "normal" not in chaos.usable.get(number, ()))
    ]
    outcome.labels = Counter(case.label.value for case in stored)
    outcome.deferred = sum(case.deferred for case in stored)
    return outcome


async def _watch(scenario: Path, source: Path, workspace: Workspace, chaos: Chaos, outcome: Outcome) -> Counter[int]:
    """How often each window was told of. Where windows wait at the end, the server is healed and the watch goes on."""
    found, builder = load_monitor(scenario)
    told: Counter[int] = Counter()
    outage = _Outage(chaos, outcome, lambda: workspace.cases.count(found.name, status=CaseStatus.HELD))
    while True:
        async with Monitor(workspace, found, builder) as monitor:
            for model in monitor.models.values():
                model.breaker, model.backoff_s = Breaker(period_s=outcome.period_s), 0.01
            try:
                async for watched in monitor.watch(str(source), progress=outage.next):
                    if isinstance(watched.record, Case) and not watched.known:
                        told[_number(watched.record)] += 1
            except ModelError:
                if not outage.lasts:
                    raise
                outage.end()
                continue
        return told


class _Outage:
    """Two fifths into the run the server is down, for two periods of the breaker or until the source ends."""

    def __init__(self, chaos: Chaos, outcome: Outcome, waiting: Callable[[], int]) -> None:
        self._chaos, self._outcome, self._waiting = chaos, outcome, waiting
        self._passed = 0
        self._until = math.inf
        self.lasts = False

    def next(self, _: object) -> None:
        """Take note of a window."""
        self._passed += 1
        if self._passed == self._outcome.windows * 2 // 5:
            self._chaos.down()
            self.lasts, self._until = True, time.monotonic() + 2 * self._outcome.period_s
        elif self.lasts and time.monotonic() >= self._until:
            self.end()

    def end(self) -> None:
        """The server is well again."""
        self.lasts, self._outcome.held = False, self._waiting()
        self._chaos.heal()


def _captions(folder: Path, windows: int) -> Path:
    source = folder / "captions.csv"
    rows = (f"{frame},window {frame // FRAMES} shows a man" for frame in range(FRAMES * windows))
    source.write_text("frame,caption\n" + "\n".join(rows), encoding="utf-8")
    return source


def _pictures(folder: Path, windows: int) -> Path:
    """A bright square that goes to and fro."""

    def shown(frame: int) -> Image:
        image = np.full((48, 64, 3), 90, np.uint8)
        left = abs(frame % 80 - 40)
        image[16:40, left : left + 12] = 220
        return image

    source = folder / "square.mp4"
    encode(source, map(shown, range(FRAMES * windows)), FPS)
    return source


def _scenario(folder: Path, base_url: str, kind: str, eyes: int) -> Path:
    model = {"backend": "openai", "base_url": base_url, "model": "tiny", "timeout_s": 0.5, "max_concurrency": 8}
    seeing = {f"eye-{number}": {**model, "model": f"eye-{number}", "images": {"max": 1}} for number in range(eyes)}
    blocks = {
        "name": "chaos",
        "source": {"kind": kind, "fps": FPS, "frames": FRAMES},
        "models": {"mind": model, "second": {**model, "model": "other"}, **seeing},
        "agents": {"reasoners": ["mind"], "reflector": "second", **({"perceivers": list(seeing)} if eyes else {})},
        "when_models_fail": "hold",
    }
    scenario = folder / "chaos.yaml"
    scenario.write_text(yaml.safe_dump(blocks), encoding="utf-8")
    return scenario


def _asked(prompt: str) -> int:
    """The window that a prompt is about: as captions name it, else by the first time in it."""
    if WINDOW.search(prompt):
        return named(prompt)
    return int(float(_TIME.findall(prompt)[0]) * FPS / FRAMES)


def _number(case: Case) -> int:
    return round(case.window.start * FPS / FRAMES)
