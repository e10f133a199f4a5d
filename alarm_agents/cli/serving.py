"""`alarm models serve`: the command that serves a model of a scenario, printed or run."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from alarm_agents.cli.app import JsonOption, ScenarioOption
from alarm_agents.cli.models import commands
from alarm_agents.cli.output import console, emit, note, plain
from alarm_agents.errors import NotFoundError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.models.serving import Host, Serving, program, serving


@commands.command(epilog="Examples: `alarm models serve eye -s my.yaml` · `alarm models serve eye -s my.yaml --run`")
def serve(
    name: Annotated[str, typer.Argument(help="The model's name in the scenario.")],
    scenario: ScenarioOption = "generic",
    run: Annotated[bool, typer.Option("--run", help="Run it here instead of printing it.")] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Another port than that of base_url.")] = None,
    context: Annotated[int | None, typer.Option(min=256, help="Tokens of one question and its answer.")] = None,
    python: Annotated[
        Path | None,
        typer.Option(help="The Python of vLLM's environment, on machines without GPU [default: .venv-vllm/bin/python]"),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Print the command that serves a model (vLLM, llama.cpp or Ollama), or run it."""
    found, _ = load_monitor(scenario)
    if name not in found.models:
        known = ", ".join(found.models) or "it has none"
        raise NotFoundError(f"there is no model '{name}'", where=f"scenario {found.name}", remedy=f"known: {known}")
    command = serving(found.models[name], found.folder, Host.here(python), port, context)
    if run:
        _become(command)
    if json_:
        emit({"server": command.server, "command": command.command, "env": command.env, "then": command.then})
        return
    console.print(plain(command.shell), soft_wrap=True)
    if command.then:
        console.print(plain(shlex.join(command.then)), soft_wrap=True)


def _become(command: Serving) -> None:
    """Turn this process into the server, so that whoever started it stops the server itself."""
    path = program(command)
    if command.then:
        note(f"when it listens, in another terminal: {shlex.join(command.then)}")
    os.execve(path, command.command, {**os.environ, **command.env})  # noqa: S606  (no shell is what is wanted)
