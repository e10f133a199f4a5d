"""`alarm review`: the queue of cases that wait for a person, and the answers."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from alarm_agents.cli.app import JsonOption, open_workspace, run_traced
from alarm_agents.cli.output import clock, console, emit, note, number, plain
from alarm_agents.cli.people import who
from alarm_agents.cli.watch import case_line
from alarm_agents.monitor.run import Monitor
from alarm_agents.types import Case, CaseStatus, Resolution
from alarm_agents.workspace import Workspace

commands = typer.Typer(no_args_is_help=True, help="Cases that wait for a person.")


class Answer(StrEnum):
    """What a person may say."""

    NORMAL = "normal"
    ANOMALOUS = "anomalous"
    UNSURE = "unsure"


@commands.command("list")
def list_(json_: JsonOption = False) -> None:
    """List the cases that wait for an answer."""
    workspace = open_workspace()
    _finish(workspace)
    waiting = workspace.cases.find(status=CaseStatus.PENDING)
    if json_:
        emit([case_line(case) for case in waiting])
        return
    if not waiting:
        note("nothing waits for an answer")
        return
    table = Table(title=f"{len(waiting)} cases wait for an answer", title_justify="left")
    for column in ("case", "from", "to", "p", "unsure", "why"):
        table.add_column(column, overflow="fold")
    for case in waiting:
        times = (clock(case.window.start), clock(case.window.end))
        table.add_row(plain(case.id), *times, number(case.score), number(case.uncertainty.score), plain(case.title))
    console.print(table)


@commands.command()
def show(case: Annotated[str, typer.Argument(help="The case's id.")], json_: JsonOption = False) -> None:
    """Show all that is known of a case."""
    found = open_workspace().cases.get(case)
    if json_:
        emit(found.model_dump(mode="json"))
        return
    _show(found)


@commands.command(epilog='Example: `alarm review resolve CASE --as normal --note "the gardener"`')
def resolve(
    case: Annotated[str, typer.Argument(help="The case's id.")],
    answer: Annotated[Answer, typer.Option("--as", help="What it is.")],
    note_: Annotated[str, typer.Option("--note", help="Why, in your words.")] = "",
    json_: JsonOption = False,
) -> None:
    """Answer a case; its graph goes on from where it waited."""
    workspace = open_workspace()
    resolution = Resolution(answer=answer.value, note=note_, by=who(), at=time.time())

    async def work() -> Case:
        async with _monitor_of(workspace, case) as monitor:
            return await monitor.resolve(case, resolution)

    done = run_traced(workspace, work())
    if json_:
        emit(case_line(done))
    else:
        console.print(plain(f"{done.id} is {done.label.value}, as you said"))


def _finish(workspace: Workspace) -> None:
    """Take cases on whose answers were written but whose graphs were cut off before they ended."""
    for case in workspace.cases.find(status=CaseStatus.RESOLVED):

        async def work(case_id: str = case.id) -> Case:
            async with _monitor_of(workspace, case_id) as monitor:
                return await monitor.finish_resolved(case_id)

        run_traced(workspace, work())


def _monitor_of(workspace: Workspace, case_id: str) -> Monitor:
    """The monitor that the case was judged by, from the scenario as it was then."""
    found = workspace.cases.get(case_id)
    scenario, _, key = workspace.runs.scenario_of(workspace.cases.run_of(case_id))
    return Monitor(workspace, scenario, namespace=found.namespace, references=key)


def _show(case: Case) -> None:
    table = Table(show_header=False, box=None)
    rows = {
        "case": case.id,
        "source": f"{case.source}, {case.window.start:.1f} s to {case.window.end:.1f} s",
        "scenario": case.scenario,
        "status": case.status.value,
        "label": case.label.value,
        "p": number(case.score),
        "severity": str(case.severity),
        "decision": f"{case.decision.value}: {case.uncertainty.reason}",
        "uncertainty": ", ".join(
            f"{name} {number(getattr(case.uncertainty, name))}"
            for name in ("comprehension", "analysis", "reflection", "memory", "score")
        ),
        "models": ", ".join(case.models) or "none took part",
        "rules": ", ".join(f"{ref.id} v{ref.version}" for ref in case.rules) or "none",
        "why": case.explanation,
        "trace": case.trace_id,
        "answer": f"{case.resolution.answer} {case.resolution.note}" if case.resolution else "none yet",
    }
    for name, value in rows.items():
        table.add_row(name, plain(value))
    for perception in case.perceptions:
        for fact in perception.facts:
            table.add_row("fact", plain(fact.text))
    for anomaly in case.anomalies:
        table.add_row("trace anomaly", plain(anomaly.text))
    console.print(table)
