"""What a window costs beyond its experts: time of graph and tracing, bytes of checkpoint and spans.

    python benchmarks/window_cost.py [SOURCE [--normal CLIP]] [--repeat N]

The baseline is the experts alone on the same source, in the same run: decoding, measuring and smoothing without
graphs, checkpoints, traces or database. A second baseline does what else is none of these, too: experts look again at
the windows that the watch looked at again, and the pictures and clips of its incidents are written. By the clock, what
the watch takes beyond that is graph, tracing and database; of CPU seconds (the steadier measure where others use the
machine) it is what two threads take: that of the event loop, in which all graphs run and statements are executed, and
the one that writes spans. Both are held against the experts alone. Each repeat runs all three in turn; the table gives
medians. What is done once, opening a monitor, has a row of its own.
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
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from alarm_agents.agents.reasoner import Question
from alarm_agents.agents.second_look import measure_again
from alarm_agents.demo.clips import make_clips
from alarm_agents.demo.worlds import WORLDS
from alarm_agents.monitor.evidence import Evidence, key_frame_of
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.stage import Stage
from alarm_agents.monitor.teach import open_media, teach
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario, load_scenario
from alarm_agents.settings import PromiseSettings
from alarm_agents.sources.media import Media
from alarm_agents.tools.expert import Expert
from alarm_agents.tools.experts import taught_experts
from alarm_agents.tools.work import Work
from alarm_agents.types import Case, Measurement, Window
from alarm_agents.workspace import Workspace

BAR = 8 * 1024
"""Bytes a window that checkpoints may take, and spans."""
RATE_BAR, SHARE_BAR = 100, 0.25
"""Frames a second of a watch, and what comes to the experts' own time by graph, tracing and database."""


class Time(NamedTuple):
    """Seconds by the clock, of CPU, and of CPU in this thread and the one that writes spans."""

    clock: float
    cpu: float
    graph: float

    @classmethod
    def now(cls) -> Time:
        """The clocks' readings, of which differences are times."""
        idents = [thread.ident for thread in threading.enumerate() if thread.name.startswith("Otel")]
        writing = sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in idents if ident)
        return cls(time.perf_counter(), time.process_time(), time.thread_time() + writing)

    def until(self, later: Time) -> Time:
        """What has passed from this reading to a later one."""
        return Time(*(after - before for before, after in zip(self, later, strict=True)))


def medians(times: Sequence[Time], windows: int) -> Time:
    """The middle ones, in ms a window."""
    return Time(*(1000 * statistics.median(column) / windows for column in zip(*times, strict=True)))


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
    source: Path, scenario: Scenario, states: Mapping[str, Any], beside: Beside | None = None
) -> tuple[Time, int, int]:
    """Time, windows and frames of the experts alone, or with what is done beside."""

    async def measured() -> list[Window]:
        media = open_media(str(source), scenario)
        experts = taught_experts(media.kind, states)
        stage, windows, more = iter(Stage(media, scenario.source, experts)), [], []
        while (found := await asyncio.to_thread(next, stage, None)) is not None:
            windows.append(found[0])
            if beside is not None:
                more += [asyncio.create_task(each) for each in beside.of(*found, media, experts)]
        await asyncio.gather(*more)
        return windows

    started = Time.now()
    windows = asyncio.run(measured())
    return started.until(Time.now()), len(windows), len({i for window in windows for i in window.frames})


class Beside:
    """What a watch did for some of its windows, to be done again: second looks, and the pictures of incidents."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self._cases = {case.window.id: case for case in workspace.cases.find()}
        self._incidents = {incident.id: incident for incident in workspace.cases.incidents()}
        self.looks = {name for name, case in self._cases.items() if any(verdict.round for verdict in case.verdicts)}
        self._folder = folder

    def of(
        self, window: Window, measurements: tuple[Measurement, ...], media: Media, experts: Mapping[str, Expert[Any]]
    ) -> Iterator[Coroutine[Any, Any, object]]:
        """The work that the window's case is to be given; pictures that others took the place of are left out."""
        case = self._cases[window.id]
        if window.id in self.looks:
            question = Question(window, "", measurements, case.perceptions, (), ())
            yield measure_again(question, Work(window=window, media=media, experts=experts, similar=lambda *_: []))
        incident = self._incidents.get(case.incident or "")
        if incident is None:
            return
        evidence, bare = Evidence(self._folder, media), incident.model_copy(update={"evidence": ()})
        if key_frame_of(incident, case.id) is not None:
            yield evidence.joined(bare, case, ())
        if case.id == incident.cases[-1]:
            yield evidence.closed(bare, [each for each in self._cases.values() if each.id in incident.cases])


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
    alone, more, opening, whole = [], [], [], []
    windows = frames = looks = 0
    for turn in range(repeat):
        passed, windows, frames = baseline(source, scenario, states)
        alone.append(passed)
        workspace = copied(start, folder / f"watch-{turn}")
        opened, passed, cases = watched(source, scenario, workspace)
        opening.append(opened)
        whole.append(passed)
        assert len(cases) == windows
        beside = Beside(workspace, folder / f"beside-{turn}")
        looks = len(beside.looks)
        more.append(baseline(source, scenario, states, beside)[0])
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
    for name in ("experts alone", f"and {looks} second looks, pictures", "watch", "bar"):
        table.add_column(name, justify="right")
    add_times(table, frames / windows, *(medians(times, windows) for times in (alone, more, whole)))
    once = medians(opening, 1)
    table.add_row("ms to open a monitor, once", "", "", f"{once.clock:.0f}")
    for name, size in sizes.items():
        verdict = "" if name.startswith("case") else "within 8 KiB" if size / windows <= BAR else "OVER 8 KiB"
        table.add_row(name, "", "", f"{size / windows:.0f}", verdict)
    return table


def add_times(table: Table, size: float, base: Time, both: Time, full: Time) -> None:
    """Add the rows of what a window of that many frames takes: experts alone, with what is done beside, and a watch."""
    rates = [1000 * size / each.clock for each in (base, both, full)]
    said = f"{'within' if rates[-1] >= RATE_BAR else 'UNDER'} {RATE_BAR}"
    table.add_row("frames/s", *(f"{rate:.0f}" for rate in rates), said)
    shares = {"by the clock": (full.clock - both.clock) / base.clock, "of CPU": full.graph / base.cpu}
    for clock, times in (
        ("by the clock", (base.clock, both.clock, full.clock)),
        ("of CPU", (base.cpu, both.cpu, full.cpu)),
    ):
        table.add_row(f"ms a window {clock}", *(f"{each:.1f}" for each in times))
        table.add_row("  more than experts alone", "", *(f"{each / times[0] - 1:.0%}" for each in times[1:]))
        said = f"{'within' if shares[clock] <= SHARE_BAR else 'OVER'} {SHARE_BAR:.0%}"
        table.add_row("  graph, tracing, database", "", "", f"{shares[clock]:.0%}", said)


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
