"""`alarm report`: what was found, as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from alarm_agents.cli.app import app, open_workspace
from alarm_agents.cli.output import note
from alarm_agents.workspace import Workspace

ReportOption = Annotated[
    Path | None, typer.Option("--report", help="Write what was found as one HTML file, when it is over.")
]


@app.command(epilog="Examples: `alarm report` · `alarm report clip.mp4 --out clip.html` · `alarm report RUN RUN`")
def report(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE_OR_RUN]...", help="Sources as they were watched, or ids of runs."),
    ] = None,
    scenario: Annotated[
        str | None, typer.Option("--scenario", "-s", help="Only runs of the scenario of that name.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("report.html"),
) -> None:
    """Write a report of the latest run (or of those named) that opens without a server or a network.

    It shows p and uncertainty over time, incidents with key frames, the rules that fired and where they come from,
    and what waits for an answer.
    """
    workspace = open_workspace()
    names: list[str | None] = [*sources] if sources else [None]
    runs = [workspace.runs.latest(name, scenario=scenario).id for name in names]
    write(workspace, list(dict.fromkeys(runs)), out)


def write(workspace: Workspace, runs: Sequence[str], out: Path | None, **more: Any) -> None:
    """Write the report, if one is wanted, and say where it is; see `write_report`."""
    if out is None:
        return
    from alarm_agents.report import write_report  # drawing takes half a second to import

    write_report(workspace, runs, out, **more)
    note(f"report: {out.absolute()}")
