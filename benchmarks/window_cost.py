"""What a window costs beyond its experts: time of graph and tracing, bytes of checkpoint and spans.

    python benchmarks/window_cost.py [SOURCE] [--repeat N]

The baseline is the experts alone on the same source, in the same run: decoding, measuring and smoothing without
graphs, checkpoints, traces or database. Each repeat runs baseline and watch in turn; the table gives the median.
Without SOURCE it renders the demo's clip. Checkpoint bytes are those of windows that wait for a person (a second
watch, in which every window is audited); those of concluded windows are deleted, which is checked here.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alarm_agents.demo.clips import make_clips
from alarm_agents.demo.worlds import WORLDS
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.stage import Stage
from alarm_agents.monitor.teach import open_media
from alarm_agents.observability import tracing
from alarm_agents.scenario import PromiseSettings, Scenario, load_scenario
from alarm_agents.tools.experts import taught_experts
from alarm_agents.types import Case
from alarm_agents.workspace import Workspace

BAR = 8 * 1024
"""Bytes a window that checkpoints may take, and spans."""


def baseline(source: Path, scenario: Scenario) -> tuple[float, int, int]:
    """Seconds, windows and frames of the experts alone."""
    started = time.perf_counter()
    media = open_media(str(source), scenario)
    windows = [window for window, _ in Stage(media, scenario.source, taught_experts(media.kind, {}))]
    return time.perf_counter() - started, len(windows), len({i for window in windows for i in window.frames})


def watched(source: Path, scenario: Scenario, workspace: Workspace) -> tuple[float, list[Case]]:
    """Seconds and cases of a whole watch with tracing and checkpoints on."""

    async def work() -> list[Case]:
        async with Monitor(workspace, scenario) as monitor:
            return [told.record async for told in monitor.watch(str(source)) if isinstance(told.record, Case)]

    started = time.perf_counter()
    with tracing.start(workspace.traces) as traces:
        cases = asyncio.run(work())
    assert traces.dropped == 0, "spans were lost"
    return time.perf_counter() - started, cases


def stored(file: Path, *columns: str) -> int:
    """Bytes that columns (`table.column`) hold."""
    with sqlite3.connect(file) as connection:
        sizes = [
            connection.execute(f"SELECT sum(length(CAST({name} AS BLOB))) FROM {table}").fetchone()[0]  # noqa: S608
            for table, name in (column.split(".") for column in columns)
        ]
    return sum(size or 0 for size in sizes)


def threads(file: Path) -> set[str]:
    """The cases that have checkpoints."""
    with sqlite3.connect(file) as connection:
        return {case for (case,) in connection.execute("SELECT DISTINCT thread_id FROM checkpoints")}


CHECKPOINTS = ("checkpoints.checkpoint", "checkpoints.metadata", "writes.value")
SPANS = tuple(f"spans.{name}" for name in "trace_id span_id parent_id name kind error case_id attributes".split())


def measure(source: Path, folder: Path, repeat: int) -> Table:
    """One table of it all."""
    scenario = load_scenario("generic")
    audited = scenario.model_copy(update={"promise": PromiseSettings(audit_rate=1.0)})
    alone, whole = [], []
    windows = frames = 0
    for turn in range(repeat):
        seconds, windows, frames = baseline(source, scenario)
        alone.append(seconds)
        workspace = Workspace(folder / f"watch-{turn}")
        seconds, cases = watched(source, scenario, workspace)
        whole.append(seconds)
        assert len(cases) == windows
        waiting = {case.id for case in cases if case.deferred}
        assert threads(workspace.checkpoints) == waiting, "checkpoints of concluded windows are gone"
    pending = Workspace(folder / "pending")
    _, cases = watched(source, audited, pending)
    assert all(case.deferred for case in cases)
    sizes = {
        "checkpoint bytes a pending window": stored(pending.checkpoints, *CHECKPOINTS),
        "span bytes a window": stored(workspace.traces, *SPANS),
        "case record bytes a window": stored(workspace.folder / "alarm.db", "cases.record"),
    }
    table = Table(title=f"{source.name}: {frames} frames in {windows} windows", title_justify="left")
    table.add_column("")
    for name in ("experts alone (baseline)", "watch", "difference"):
        table.add_column(name, justify="right")
    base, full = statistics.median(alone), statistics.median(whole)
    more = full - base
    table.add_row("frames/s", f"{frames / base:.0f}", f"{frames / full:.0f}", f"{base / full - 1:+.0%}")
    table.add_row("ms a window", *(f"{1000 * seconds / windows:.1f}" for seconds in (base, full, more)))
    table.add_row("graph, tracing, database / experts", "", "", f"{more / base:.0%}")
    for name, size in sizes.items():
        verdict = "" if name.startswith("case") else "within 8 KiB" if size / windows <= BAR else "OVER 8 KiB"
        table.add_row(name, "0", f"{size / windows:.0f}", verdict)
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, help="a video or a folder of frames [default: the demo's clip]")
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = chosen.source or make_clips(folder / "clips", WORLDS["walkway"], 0).watched
        # Wide enough for a log; a table that is cut off is no result.
        Console(width=110, file=sys.stdout).print(measure(source, folder, chosen.repeat))


if __name__ == "__main__":
    main()
