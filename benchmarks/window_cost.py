"""What a window costs beyond its experts: time of graph and tracing, bytes of checkpoint and spans.

    python benchmarks/window_cost.py [SOURCE [--normal CLIP]] [--repeat N]

The baseline is the experts alone on the same source, in the same run: decoding, measuring and smoothing without
graphs, checkpoints, traces or database. Each repeat runs baseline and watch in turn; the table gives the median, by
the clock and in CPU seconds of the whole process (the steadier of the two where others use the machine). What is done
once, opening a monitor, has a row of its own. What the experts do again in second looks is their own time, too: a
second baseline looks again at the windows that the watch looked at again, and the share is given against both. All
else counts as the graph's, the pictures and clips of incidents among it.
Without SOURCE it renders the demo's clips. There is a table without references (motion and camera health alone) and,
taught by the normal clip, one with all experts. Checkpoint bytes are those of windows that wait for a person (a
second watch, in which every window is audited); those of concluded windows are deleted, which is checked here.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from alarm_agents.agents.reasoner import Question
from alarm_agents.agents.second_look import measure_again
from alarm_agents.demo.clips import make_clips
from alarm_agents.demo.worlds import WORLDS
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.stage import Stage
from alarm_agents.monitor.teach import open_media, teach
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario, load_scenario
from alarm_agents.settings import PromiseSettings
from alarm_agents.tools.experts import taught_experts
from alarm_agents.tools.work import Work
from alarm_agents.types import Case, Window
from alarm_agents.workspace import Workspace

BAR = 8 * 1024
"""Bytes a window that checkpoints may take, and spans."""
RATE_BAR, SHARE_BAR = 100, 0.25
"""Frames a second of a watch, and what comes to the experts' own time by graph, tracing and database."""


class Time(NamedTuple):
    """Seconds by the clock, and of CPU."""

    clock: float
    cpu: float

    @classmethod
    def now(cls) -> Time:
        """The clocks' readings, of which differences are times."""
        return cls(time.perf_counter(), time.process_time())

    def until(self, later: Time) -> Time:
        """What has passed from this reading to a later one."""
        return Time(later.clock - self.clock, later.cpu - self.cpu)


def taught(folder: Path, scenario: Scenario, normal: Path | None) -> Workspace:
    """A workspace in which the normal clip is learned, if there is one."""
    workspace = Workspace(folder)
    if normal is not None:
        with tracing.start(workspace.traces):
            asyncio.run(teach(workspace, scenario, {}, [str(normal)]))
    workspace.close()
    return workspace


def copied(workspace: Workspace, folder: Path) -> Workspace:
    """The workspace as it is before anything is watched, once more."""
    shutil.copytree(workspace.folder, folder)
    return Workspace(folder)


def baseline(
    source: Path, scenario: Scenario, states: Mapping[str, Any], again: Sequence[Case] = ()
) -> tuple[Time, int, int]:
    """Time, windows and frames of the experts alone, who look again at the windows of some cases."""
    cases = {case.window.id: case for case in again}

    async def measured() -> list[Window]:
        media = open_media(str(source), scenario)
        experts = taught_experts(media.kind, states)
        stage, windows, looks = iter(Stage(media, scenario.source, experts)), [], []
        while (found := await asyncio.to_thread(next, stage, None)) is not None:
            window, measurements = found
            windows.append(window)
            if case := cases.get(window.id):
                question = Question(window, "", measurements, case.perceptions, (), ())
                work = Work(window=window, media=media, experts=experts, similar=lambda *_: [])
                looks.append(asyncio.create_task(measure_again(question, work)))
        await asyncio.gather(*looks)
        return windows

    started = Time.now()
    windows = asyncio.run(measured())
    return started.until(Time.now()), len(windows), len({i for window in windows for i in window.frames})


def watched(source: Path, scenario: Scenario, workspace: Workspace) -> tuple[Time, Time, list[Case]]:
    """Times to open a monitor and of a whole watch with tracing and checkpoints on, and the cases."""

    async def work() -> tuple[Time, list[Case]]:
        async with Monitor(workspace, scenario) as monitor:
            opened = Time.now()
            return opened, [told.record async for told in monitor.watch(str(source)) if isinstance(told.record, Case)]

    gc.freeze()  # as every `alarm` command does
    started = Time.now()
    with tracing.start(workspace.traces) as traces:
        opened, cases = asyncio.run(work())
    assert traces.dropped == 0, "spans were lost"
    return started.until(opened), opened.until(Time.now()), cases


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


def measure(source: Path, folder: Path, repeat: int, normal: Path | None = None) -> Table:
    """One table of it all, taught by `normal` where it is given."""
    scenario = load_scenario("generic")
    start = taught(folder / "start", scenario, normal)
    states = start.runs.references(scenario.name, "main").states
    start.close()
    audited = scenario.model_copy(update={"promise": PromiseSettings(audit_rate=1.0)})
    alone, twice, opening, whole = [], [], [], []
    windows = frames = 0
    again: list[Case] = []
    for turn in range(repeat):
        passed, windows, frames = baseline(source, scenario, states)
        alone.append(passed)
        workspace = copied(start, folder / f"watch-{turn}")
        opened, passed, cases = watched(source, scenario, workspace)
        opening.append(opened)
        whole.append(passed)
        assert len(cases) == windows
        again = [case for case in cases if any(verdict.round for verdict in case.verdicts)]
        twice.append(baseline(source, scenario, states, again)[0])
        waiting = {case.id for case in cases if case.deferred}
        assert threads(workspace.checkpoints) == waiting, "checkpoints of concluded windows are gone"
    pending = copied(start, folder / "pending")
    _, _, cases = watched(source, audited, pending)
    assert all(case.deferred for case in cases)
    sizes = {
        "checkpoint bytes a pending window": stored(pending.checkpoints, *CHECKPOINTS),
        "span bytes a window": stored(workspace.traces, *SPANS),
        "case record bytes a window": stored(workspace.folder / "alarm.db", "cases.record"),
    }
    experts = f"taught: {', '.join(states)}" if states else "without references"
    table = Table(title=f"{source.name}: {frames} frames in {windows} windows, {experts}", title_justify="left")
    table.add_column("")
    for name in ("experts alone", f"and {len(again)} second looks", "watch", "bar"):
        table.add_column(name, justify="right")
    for number, clock in enumerate(("by the clock", "of CPU")):
        base, both, full, once = (
            statistics.median(time[number] for time in times) for times in (alone, twice, whole, opening)
        )
        if number == 0:
            rates = [frames / seconds for seconds in (base, both, full)]
            said = f"{'within' if rates[-1] >= RATE_BAR else 'UNDER'} {RATE_BAR}"
            table.add_row("frames/s", *(f"{rate:.0f}" for rate in rates), said)
        table.add_row(f"ms a window {clock}", *(f"{1000 * seconds / windows:.1f}" for seconds in (base, both, full)))
        shares = [full / seconds - 1 for seconds in (base, both)]
        said = " / ".join("within" if share <= SHARE_BAR else "OVER" for share in shares)
        row = (f"graph, tracing, database / experts {clock}", *(f"{share:.0%}" for share in shares))
        table.add_row(*row, "", f"{said} {SHARE_BAR:.0%}")
        table.add_row(f"ms to open a monitor, once, {clock}", "", "", f"{1000 * once:.0f}")
    for name, size in sizes.items():
        verdict = "" if name.startswith("case") else "within 8 KiB" if size / windows <= BAR else "OVER 8 KiB"
        table.add_row(name, "", "", f"{size / windows:.0f}", verdict)
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, help="a video or a folder of frames [default: the demo's clip]")
    parser.add_argument("--normal", type=Path, help="normal footage to learn from, for a second table")
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, normal = chosen.source, chosen.normal
        if source is None:
            clips = make_clips(folder / "clips", WORLDS["walkway"], 0)
            source, normal = clips.watched, clips.normal
        console = Console(width=120, file=sys.stdout)  # wide enough for a log; a table that is cut off is no result
        console.print(measure(source, folder / "untaught", chosen.repeat))
        if normal is not None:
            console.print(measure(source, folder / "taught", chosen.repeat, normal))


if __name__ == "__main__":
    main()
