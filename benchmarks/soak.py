"""Watching for long when nothing happens: resident memory, and what the workspace grows by.

    python benchmarks/soak.py [--minutes 5]
    python benchmarks/soak.py --minutes 60        # the hour-long stream, some five to ten minutes of work

The stream is the demo's clip of normal life, played there and back again and again, so that nobody ever jumps, and
watched as fast as it goes by `Monitor.watch` with tracing and checkpoints on, after the clip was taught and watched
once. A day is reckoned at one window a second from the growth a window; of quiet windows the traces stop growing at
`KEEP_QUIET`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from alarm_agents.demo.clips import make_clips
from alarm_agents.demo.worlds import WORLDS
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.teach import teach
from alarm_agents.observability import tracing
from alarm_agents.observability.store import KEEP_QUIET
from alarm_agents.scenario import load_scenario
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.encode import encode
from alarm_agents.sources.video import VideoSource
from alarm_agents.types import Case, Window
from alarm_agents.workspace import Workspace

T = TypeVar("T")
DAY = 86_400
MEMORY_BAR, GROWTH_BAR, FLAT = 1024.0, 100.0, 0.05
"""MiB of resident memory, MB a day, and the share by which memory may differ between settled and end."""
SETTLED = 10.0
"""Stream minutes after which memory has settled (or half of a shorter stream)."""


def there_and_back(clip: Path, target: Path) -> None:
    """The clip forwards and backwards, for the turn not to show when it is repeated."""
    source = VideoSource(clip, SourceSettings(fps=240), name=clip.stem)
    frames = [picture.image for picture in source.frames()]
    encode(target, [*frames, *frames[-2:0:-1]], source.fps)


def repeated(clip: Path, target: Path, seconds: float) -> Path:
    """The clip again and again, its packets as they are with time stamps that go on, until `seconds` are full."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as output:
        stream = source.streams.video[0]
        copy = output.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        stamps = [(packet.pts or 0, packet.dts or 0) for packet in packets]
        length = max(pts + (packet.duration or 0) for packet, (pts, _) in zip(packets, stamps, strict=True))
        for turn in range(max(1, round(seconds / float(length * stream.time_base)))):
            for packet, (pts, dts) in zip(packets, stamps, strict=True):
                packet.pts, packet.dts, packet.stream = pts + turn * length, dts + turn * length, copy
                output.mux(packet)
    return target


def resident() -> float:
    """MiB of memory that this process holds (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file of a workspace."""
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


@dataclass
class Soaked:
    """What was seen on the way: stream minutes with MiB, the write-ahead logs' most bytes, and the cases' kinds."""

    minutes: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    logs: int = 0
    windows: int = 0
    quiet: int = 0

    def settled(self) -> int:
        """The place of the first sample after memory has settled."""
        return int(np.searchsorted(self.minutes, min(SETTLED, self.minutes[-1] / 2)))

    def slope(self) -> float:
        """MiB an hour of stream, by least squares over what came after it had settled."""
        first = self.settled()
        return 60 * float(np.polyfit(self.minutes[first:], self.memory[first:], 1)[0])


async def prepare(clip: Path, workspace: Workspace) -> None:
    """Teach the scenario and watch the clip once, after which the files that a workspace has are there."""
    scenario = load_scenario("generic")
    await teach(workspace, scenario, {}, [str(clip)])
    async with Monitor(workspace, scenario) as monitor:
        async for _ in monitor.watch(str(clip)):
            pass


async def soak(stream: Path, workspace: Workspace) -> Soaked:
    """Watch the stream to its end."""
    seen = Soaked()

    def sample(window: Window) -> None:
        seen.minutes.append(window.end / 60)
        seen.memory.append(resident())
        logs = sum(size for name, size in sizes(workspace.folder).items() if name.endswith("-wal"))
        seen.logs = max(seen.logs, logs)

    async with Monitor(workspace, load_scenario("generic")) as monitor:
        async for told in monitor.watch(str(stream), progress=sample):
            if isinstance(told.record, Case):
                seen.windows += 1
                seen.quiet += told.record.quiet
    return seen


def traced(work: Coroutine[Any, Any, T], workspace: Workspace) -> T:
    """Run it with tracing on; afterwards everything is in the files, the write-ahead logs are gone."""
    with tracing.start(workspace.traces) as traces:
        found = asyncio.run(work)
    assert traces.dropped == 0, "spans were lost"
    workspace.close()
    return found


def prepared(clip: Path, folder: Path) -> None:
    """`prepare`, for another process."""
    workspace = Workspace(folder)
    traced(prepare(clip, workspace), workspace)


def verdict(good: bool, bar: str) -> str:
    """The bar, and whether it is met."""
    return f"{'within' if good else 'OVER'} {bar}"


def report(seen: Soaked, before: dict[str, int], after: dict[str, int], seconds: float) -> Table:
    """All numbers, with verdicts against the bars."""
    table = Table(title=f"{seen.minutes[-1]:.0f} minutes of stream in {seconds / 60:.1f} minutes", title_justify="left")
    for name in ("", "measured", "bar"):
        table.add_column(name, justify="right" if name == "measured" else "left")
    start, settled, end = seen.memory[0], seen.memory[seen.settled()], seen.memory[-1]
    table.add_row("windows, of them quiet", f"{seen.windows}, {seen.quiet / seen.windows:.1%}", "")
    table.add_row("memory at the start", f"{start:.0f} MiB", "")
    table.add_row(f"memory after {seen.minutes[seen.settled()]:.0f} minutes", f"{settled:.0f} MiB", "")
    table.add_row("memory at the end", f"{end:.0f} MiB", verdict(max(seen.memory) <= MEMORY_BAR, "1 GiB at any time"))
    table.add_row("memory an hour", f"{seen.slope():+.1f} MiB", verdict(end <= settled * (1 + FLAT), "5% since then"))
    notable = 1 - seen.quiet / seen.windows
    total = 0.0
    for file in ("alarm.db", "traces.db", "checkpoints.db"):
        each = (after[file] - before.get(file, 0)) / seen.windows
        growing = min(DAY, KEEP_QUIET + notable * DAY) if file == "traces.db" else DAY
        total += each * growing
        table.add_row(f"{file}: bytes a window, MB a day", f"{each:.0f}, {each * growing / 1e6:.1f}", "")
    table.add_row("write-ahead logs at most", f"{seen.logs / 1e6:.1f} MB", "")
    total = total / 1e6 + seen.logs / 1e6
    table.add_row("workspace, the first day", f"{total:.1f} MB", verdict(total <= GROWTH_BAR, "100 MB"))
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="minutes of stream [default: 5]")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clips(folder / "clips", WORLDS["walkway"], 0).normal
        # As with `alarm induce`, another process: what preparing and teaching take is not the watch's memory.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            other.submit(there_and_back, clip, folder / "turning.mp4").result()
            other.submit(prepared, clip, folder / "workspace").result()
        stream = repeated(folder / "turning.mp4", folder / "stream.mp4", chosen.minutes * 60)
        workspace = Workspace(folder / "workspace")
        before, started = sizes(workspace.folder), time.perf_counter()
        seen = traced(soak(stream, workspace), workspace)
        seconds = time.perf_counter() - started
        Console(width=110, file=sys.stdout).print(report(seen, before, sizes(workspace.folder), seconds))


if __name__ == "__main__":
    main()
