"""`alarm traces`: what the agents did, window by window."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from alarm_agents.cli.app import JsonOption, open_workspace
from alarm_agents.cli.output import console, emit, item, note
from alarm_agents.errors import NotFoundError
from alarm_agents.observability.store import KEEP_QUIET, SpanStore
from alarm_agents.observability.tree import render

commands = typer.Typer(no_args_is_help=True, help="What the agents did, window by window.")


@commands.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20, json_: JsonOption = False
) -> None:
    """List the latest traces."""
    store = SpanStore(open_workspace().traces)
    found = store.traces(limit)
    if json_:
        emit([summary.model_dump(mode="json") for summary in found])
        return
    if not found:
        note("there are no traces yet: watch something first")
        return
    for summary in found:
        when = datetime.fromtimestamp(summary.start).strftime("%Y-%m-%d %H:%M:%S")
        counts = f"{summary.seconds * 1000:.0f} ms, {summary.spans} spans, {summary.errors} errors"
        said = [when, summary.scenario, counts, summary.decision, summary.label]
        item(summary.case or summary.trace_id, ", ".join(filter(None, said)))


@commands.command()
def show(case: Annotated[str, typer.Argument(help="A case's id, or a trace's.")], json_: JsonOption = False) -> None:
    """Show a case's trace as a tree, with decisions and times."""
    workspace = open_workspace()
    store = SpanStore(workspace.traces)
    spans = store.trace_of_case(case) or store.trace(case)
    if not spans:
        known = workspace.cases.known(case)
        said = "there is no trace of this case"
        if known is not None and known.quiet:
            said = f"nothing happened in this case, and only the latest {KEEP_QUIET} such traces are kept"
        raise NotFoundError(said, where=case, remedy="see `alarm traces list`")
    if json_:
        emit([span.model_dump(mode="json") for span in spans])
    else:
        console.print(render(spans))
