"""`alarm watch`: cases and incidents of a source, as they come."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path, PurePath
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from alarm_agents.cli.app import JsonOption, ScenarioOption, app, open_workspace, run_traced
from alarm_agents.cli.output import clock, console, counted, emit, note, notes, number, plain
from alarm_agents.cli.report import ReportOption
from alarm_agents.cli.report import write as write_report
from alarm_agents.graphs.load import load_monitor
from alarm_agents.monitor.incidents import Watched
from alarm_agents.monitor.promises import standing_of
from alarm_agents.monitor.run import Monitor
from alarm_agents.scenario import Scenario
from alarm_agents.settings import EMBEDDED
from alarm_agents.sources import is_live
from alarm_agents.types import Case, Drifted, Incident, Label, Perception, Verdict, Window
from alarm_agents.workspace import Workspace

STYLES = {Label.NORMAL: "green", Label.ANOMALOUS: "bold red", Label.UNKNOWN: "yellow"}


def case_line(case: Case) -> dict[str, Any]:
    """A case as one line of JSON output; times in seconds from the start of the stream, or Unix seconds (live)."""
    return {
        "type": "case",
        "id": case.id,
        "source": case.source,
        "category": case.window.category,
        "start": case.window.start,
        "end": case.window.end,
        "label": case.label.value,
        "score": case.score,
        "p_value": case.p_value,
        "budget_verified": case.budget_verified,
        "decision": case.decision.value,
        "deferred": case.deferred,
        "status": case.status.value,
        "models": list(case.models),
        "uncertainty": case.uncertainty.model_dump(mode="json"),
        "severity": case.severity,
        "title": case.title,
        "explanation": case.explanation,
        "facts": [fact.text for perception in case.perceptions for fact in perception.facts],
        "rules": [ref.model_dump() for ref in case.rules],
        "trace_id": case.trace_id,
    }


def incident_line(incident: Incident) -> dict[str, Any]:
    """An incident as one line of JSON output; its evidence as paths in the workspace folder."""
    kept = incident.model_dump(
        mode="json",
        include={"id", "kind", "source", "start", "end", "severity", "title", "score", "cases", "evidence"},
    )
    return {"type": "incident", **kept}


def _line(record: Case | Incident | Drifted) -> dict[str, Any]:
    if isinstance(record, Drifted):
        return {"type": "drift", **record.model_dump(mode="json")}
    return case_line(record) if isinstance(record, Case) else incident_line(record)


@app.command(
    epilog="Examples: `alarm watch clip.mp4` · `alarm watch frames/ --scenario walkway` · `alarm watch clip.mp4 --json`"
    " · `alarm watch rtsp://camera/stream`"
)
def watch(
    source: Annotated[
        str,
        typer.Argument(
            help="A video file, a folder of frames, a glob of pictures, captions (CSV), a camera (0, /dev/video0), "
            "or an address (rtsp://, http://)."
        ),
    ],
    scenario: ScenarioOption = "generic",
    json_: JsonOption = False,
    category: Annotated[
        str, typer.Option("--category", help="What kind of source it is, in a word: promises are told by it, too.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Print the stored cases of an earlier run too.")] = False,
    report: ReportOption = None,
) -> None:
    """Watch a source: print its cases and incidents, with reasons.

    Without references (see `alarm induce`) the source's own first seconds set the threshold. Run again, it goes on
    where it was stopped, and prints nothing new for a source that it has finished. A live source is watched until
    Ctrl-C (or SIGTERM), which judges what is in flight first, and every start is a new run.
    """
    found, builder = load_monitor(scenario)
    workspace = open_workspace()
    monitor = Monitor(workspace, found, builder)
    announce(found)
    for line in standing_of(workspace, found).lines:
        note(line)
    try:
        run_traced(workspace, _watch(monitor, workspace, source, category, json_, everything))
    finally:  # also where the source ended early, or a person has seen enough
        if monitor.run:
            write_report(workspace, [monitor.run], report)


def announce(scenario: Scenario) -> None:
    """Say plainly what a person would otherwise take for granted."""
    if not scenario.uses_models:
        note("no model is configured: experts and rules alone judge (see `alarm doctor`)")


async def _watch(
    monitor: Monitor, workspace: Workspace, source: str, category: str, json_: bool, everything: bool
) -> None:
    def tell(watched: Watched) -> None:
        if not everything and watched.known:
            return
        if json_:
            emit(_line(watched.record))
        else:
            show(watched, workspace.folder)

    await follow(monitor, workspace, source, tell, category)
    if monitor.finished_before:
        note(
            "this source has been watched to its end already; nothing is new"
            + ("" if everything else " (--all prints it)")
        )


async def follow(
    monitor: Monitor, workspace: Workspace, source: str, tell: Callable[[Watched], None], category: str = ""
) -> None:
    """Watch the source to its end with progress on stderr, `tell` each case and incident, and sum up."""
    started, windows, cases, incidents, waiting = time.monotonic(), 0, 0, 0, 0
    silent: Counter[str] = Counter()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:
        task = progress.add_task("opening")

        def advance(window: Window) -> None:
            nonlocal windows
            windows += 1
            rate = windows / max(time.monotonic() - started, 1e-6)
            progress.update(task, description=f"{clock(window.end)} watched, {rate:.1f} windows/s")

        if is_live(source):
            _stop_by_signal(monitor)
        async with monitor, aclosing(monitor.watch(source, category=category, progress=advance)) as stream:
            async for watched in stream:
                if isinstance(watched.record, Case):
                    cases += 1
                    waiting += watched.record.deferred
                    members: list[Perception | Verdict] = [*watched.record.perceptions, *watched.record.verdicts]
                    silent.update({m.model for m in members if not m.parse.usable and m.model != EMBEDDED})
                elif isinstance(watched.record, Incident):
                    incidents += 1
                # Off the loop: while a reader pauses, others may need what the loop has locked in the workspace.
                await asyncio.to_thread(tell, watched)
    told = f"{counted(cases, 'case')}, {counted(incidents, 'incident')}, {waiting} handed to a person"
    note(f"{told}; kept in {workspace.folder}")
    for model, count in silent.items():
        note(f"{model} gave no usable answer in {count} cases; `alarm review show CASE` tells why", "yellow")
    if waiting:
        note("answer them with `alarm review list` and `alarm review resolve CASE --as normal|anomalous|unsure`")


def _stop_by_signal(monitor: Monitor) -> None:
    """Let the first Ctrl-C or SIGTERM end a live watch in good order, and the second one at once."""
    loop, both = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        note("stopping: what is in flight is judged first")
        monitor.stop()
        for which in both:
            loop.remove_signal_handler(which)

    for which in both:
        loop.add_signal_handler(which, stop)


def show(watched: Watched, folder: Path) -> None:
    """Print a case or an incident for people; evidence lies in the workspace `folder`."""
    record = watched.record
    if isinstance(record, Incident):
        what = "CAMERA" if record.kind == "camera" else "INCIDENT"
        span = f"{what} {clock(record.start)} to {clock(record.end)}  severity {record.severity}  "
        console.print(Text(span, style="bold white on red"), plain(record.title), soft_wrap=True)
        if record.evidence:
            kept = f"  pictures: {folder / PurePath(record.evidence[0]).parent}"
            console.print(plain(kept), style="dim", soft_wrap=True)
        return
    if isinstance(record, Drifted):
        console.print(Text(f"DRIFT {clock(record.start)}", style="bold black on yellow"), plain(record.text))
        return
    line = Text(f"{clock(record.window.start):>10}  ")
    line.append(f"{record.label.value:9}", style=STYLES[record.label])
    line.append(f"  p {number(record.score)}  unsure {number(record.uncertainty.score)}  ")
    line.append("asks you  " if record.deferred else "          ", style="magenta")
    line.append_text(plain(record.title if record.label is not Label.NORMAL else _seen(record)))
    console.print(line, soft_wrap=True)
    if record.label is not Label.NORMAL or record.deferred:
        console.print(Text("            "), plain(f"{record.explanation} [{record.id}]"), style="dim", soft_wrap=True)


def _seen(case: Case) -> str:
    facts = [fact.text for perception in case.perceptions for fact in perception.facts]
    return facts[0] if facts else (case.perceptions[0].caption if case.perceptions else "")
