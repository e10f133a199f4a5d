"""`alarm graph`: scenarios as graphs: start one, check it, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alarm_agents.cli.app import JsonOption
from alarm_agents.cli.output import console, emit, plain
from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs.draw import mermaid, png
from alarm_agents.graphs.load import load_monitor
from alarm_agents.graphs.scaffold import write_scenario
from alarm_agents.scenario import library

commands = typer.Typer(no_args_is_help=True, help="Scenarios as graphs: start one, check it, look at it.")
ScenarioArgument = Annotated[str, typer.Argument(help="A library name, a YAML file, or a Python file.")]


@commands.command(epilog="Examples: `alarm graph new my.yaml` · `alarm graph new my.py`")
def new(
    path: Annotated[Path, typer.Argument(help="The file to write: .yaml, or .py to build the graph in Python.")],
) -> None:
    """Write a scenario to start from; refuses to overwrite."""
    if path.exists():
        raise ConfigurationError("the file is there already", where=str(path), remedy="choose another name")
    write_scenario(path)
    console.print(plain(f"wrote {path}; look at it with: alarm graph show {path}"))


@commands.command()
def validate(scenario: ScenarioArgument, json_: JsonOption = False) -> None:
    """Check a scenario, its files and its graph, without running anything."""
    found, builder = load_monitor(scenario)
    builder.compile()
    if json_:
        emit({"valid": True, "name": found.name})
        return
    console.print(plain(f"{scenario}: valid ('{found.name}', {len(builder.names)} nodes)"))


@commands.command(epilog="Examples: `alarm graph show walkway` · `alarm graph show my.yaml --png my.png`")
def show(
    scenario: ScenarioArgument,
    picture: Annotated[Path | None, typer.Option("--png", help="Draw it into this file instead.")] = None,
) -> None:
    """Print the graph as Mermaid, or draw it as a PNG picture."""
    _, builder = load_monitor(scenario)
    if picture is None:
        typer.echo(mermaid(builder))
    else:
        png(builder, picture)
        console.print(plain(f"wrote {picture}"))


@commands.command("list")
def list_(json_: JsonOption = False) -> None:
    """List the ready scenarios."""
    ready = {name: load_monitor(name)[0].normal for name in library()}
    if json_:
        emit(ready)
        return
    for name, normal in ready.items():
        console.print(f"[bold]{name:12}[/]", plain(normal.strip()))
