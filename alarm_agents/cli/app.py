"""The `alarm` command: its options for all verbs, and how errors reach a person."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.exc import SQLAlchemyError

from alarm_agents import __version__
from alarm_agents.cli.output import notes, plain
from alarm_agents.errors import AlarmError, WorkspaceError
from alarm_agents.observability import tracing
from alarm_agents.workspace import Workspace

T = TypeVar("T")
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document (JSON lines for streams) on stdout.")]
ScenarioOption = Annotated[
    str,
    typer.Option("--scenario", "-s", help="A scenario's name in the library, or the path of its YAML or Python file."),
]

app = typer.Typer(
    name="alarm",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Watch something, know what is normal from a few examples, say why something is not.\n\n"
    "Start with `alarm watch VIDEO`, or `alarm demo`.",
)


class Options:
    """What was given before the verb."""

    workspace: Path | None = None
    debug: bool = False


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alarm-agents {__version__}")
        raise typer.Exit


@app.callback()
def options(
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="The folder that holds everything kept [default: .alarm]")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options for every verb."""
    Options.workspace, Options.debug = workspace, debug


def open_workspace() -> Workspace:
    """The workspace that the options name."""
    return Workspace(Options.workspace)


def run_traced(workspace: Workspace, work: Coroutine[Any, Any, T]) -> T:
    """Run async work with tracing into the workspace."""
    # What is loaded now stays: looking through it for garbage again and again took a tenth of a window's time.
    gc.freeze()
    with tracing.start(workspace.traces):
        return asyncio.run(work)


def main() -> None:
    """The entry point: errors become one sentence and the exit code of their kind (DESIGN section 9)."""
    # A library that we import (wordllama) turns on everybody's notes at their chattiest.
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", force=True)
    try:
        app()
    except AlarmError as error:
        if Options.debug:
            raise
        notes.print(plain(f"alarm: {error}"), style="bold red", soft_wrap=True)
        sys.exit(error.exit_code)
    except (SQLAlchemyError, sqlite3.Error) as error:
        if Options.debug:
            raise
        reason = str(error.__cause__ or error).splitlines()[0]
        said = f"alarm: the workspace cannot be used now ({reason}); is another program holding it?"
        notes.print(plain(said), style="bold red", soft_wrap=True)
        sys.exit(WorkspaceError.exit_code)
    except Exception as error:
        # A mistake of ours or of a scenario's code: said in a sentence as well, and never the code of `test`.
        if Options.debug:
            raise
        said = f"alarm: something unforeseen went wrong ({type(error).__name__}: {error}); --debug shows where"
        notes.print(plain(said), style="bold red", soft_wrap=True)
        sys.exit(AlarmError.exit_code)
    except SystemExit as left:  # Typer and Rich turn both of these into exits of their own
        if isinstance(left.__context__, BrokenPipeError):  # the reader of our output has left, as `head` does
            sys.exit(0)
        if left.code == 130:
            notes.print("stopped; the same command goes on from here", style="dim")
        raise
