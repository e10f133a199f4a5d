"""`alarm doctor` and `alarm tools`: what there is and whether it works."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from alarm_agents import __version__
from alarm_agents.cli.app import JsonOption, ScenarioOption, app, open_workspace, run_traced
from alarm_agents.cli.output import console, emit, note, plain
from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.remembered import FEWEST
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.monitor.promises import standing_of
from alarm_agents.monitor.tooling import run_tool
from alarm_agents.monitor.weights import Weights
from alarm_agents.scenario import Scenario
from alarm_agents.settings import EMBEDDED
from alarm_agents.tools.registry import available, load_tools
from alarm_agents.types import CaseStatus, Label
from alarm_agents.uncertainty.gate import labels_needed
from alarm_agents.workspace import Workspace

tools = typer.Typer(no_args_is_help=True, help="What agents can call.")
EXTRAS = {"transformers": "transformers", "llamacpp": "xllamacpp", "embeddings": "sentence-transformers", "mcp": "mcp"}


@tools.command("list")
def list_tools(
    scenario: Annotated[
        str | None, typer.Option("--scenario", "-s", help="Only the tools that this scenario names.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """List tools with their arguments."""
    found = load_monitor(scenario)[0] if scenario else None
    names, folder = (found.tools, found.folder) if found else (available(), Path())
    described = asyncio.run(load_tools(names, folder)).describe()
    if json_:
        emit([tool.model_dump(mode="json") for tool in described])
        return
    table = Table()
    for column in ("tool", "from", "arguments", "what it does"):
        table.add_column(column, overflow="fold")
    for tool in described:
        arguments = ", ".join(tool.arguments.get("properties", {}))
        table.add_row(plain(tool.name), plain(tool.origin), plain(arguments), plain(tool.description))
    console.print(table)


@tools.command("run", epilog="Example: `alarm tools run zoom --case CASE --arguments '{\"region\": [0, 0, 0.5, 0.5]}'`")
def run(
    name: Annotated[str, typer.Argument(help="The tool's name, or file.py:function.")],
    arguments: Annotated[str, typer.Option("--arguments", "-a", help="Its arguments as a JSON object.")] = "{}",
    case: Annotated[str | None, typer.Option(help="The case to look at, for tools that look at one.")] = None,
    scenario: ScenarioOption = "generic",
    json_: JsonOption = False,
) -> None:
    """Run one tool and print what it gives."""
    given = _object(arguments)
    workspace = open_workspace()
    found, _ = load_monitor(scenario)
    result = run_traced(workspace, run_tool(workspace, found, name, given, case))
    if json_:
        emit(
            {
                "text": result.text,
                "facts": [fact.model_dump(mode="json") for fact in result.facts],
                "pictures": len(result.pictures),
            }
        )
        return
    console.print(plain(result.text))
    if result.pictures:
        note(f"and {len(result.pictures)} pictures, which only agents can see")


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"--arguments is not JSON ({error.msg})", remedy='write, for example: {"k": 3}'
        ) from error
    if not isinstance(given, dict):
        raise ConfigurationError("--arguments must be a JSON object", remedy='write, for example: {"k": 3}')
    return given


@app.command()
def doctor(scenario: ScenarioOption = "generic", json_: JsonOption = False) -> None:
    """Say what works here, which models would take part, and what is missing."""
    workspace = open_workspace()
    found, builder = load_monitor(scenario)
    builder.compile()
    rules = RuleMemory(workspace.engine, found.name)
    references = workspace.runs.references(found.name, "main")
    standing = standing_of(workspace, found)
    report = {
        "version": __version__,
        "workspace": str(workspace.folder),
        "scenario": found.name,
        "models": sorted(member for member in found.agents.members if member != EMBEDDED),
        "no_model": not found.uses_models,
        "embedder": default_embedder().name,
        "rules": len(rules.active()),
        "gate": _gate(workspace, found),
        "case_memory": _memory(workspace, found),
        "weights": Weights(workspace, found, "main", references.key).text,
        "references": dict(references.details),
        "extras": {extra: _installed(package) for extra, package in EXTRAS.items()},
        "waiting_for_a_model": workspace.cases.count(found.name, status=CaseStatus.HELD),
        "promises": standing.model_dump(mode="json"),
    }
    if json_:
        emit(report)
        return
    table = Table(show_header=False, box=None)
    for key, value in report.items():
        if key not in ("no_model", "promises"):
            said = _taught(references.details) if key == "references" else _in_words(value)
            table.add_row(key.replace("_", " "), plain(said))
    console.print(table)
    for line in standing.lines:
        console.print(plain(line), soft_wrap=True)
    if report["no_model"]:
        console.print(
            "[yellow]No model takes part:[/] experts and rules alone judge. Name models in the scenario to change that."
        )
    if not references.details:
        console.print(
            "[yellow]No references:[/] each source's own first seconds set its threshold. `alarm induce` teaches it."
        )


def _in_words(value: object) -> str:
    """A value of the report as people read it."""
    if isinstance(value, dict):
        value = [f"{name} {said}" for name, said in value.items()]
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _taught(details: Mapping[str, Any]) -> str:
    """What was learned from, as people read it; the record has hashes of it, too."""
    told = {name: value for name, value in details.items() if name not in ("fingerprint", "scenario") and value}
    return "; ".join(f"{name} {_in_words(value)}" for name, value in told.items()) or "none"


def _memory(workspace: Workspace, scenario: Scenario) -> str:
    """How many resolved cases there are, and how many more memory needs before it says anything."""
    count = workspace.cases.count_answered("main", scenario.name)
    missing = max(0, FEWEST - count)
    return f"{count} resolved cases" + (f"; silent until {missing} more are answered" if missing else "")


def _gate(workspace: Workspace, scenario: Scenario) -> str:
    """Whether the gate can be closed yet: without labels nobody knows what it would miss."""
    if scenario.graph.gate is None:
        return "off"
    needed = labels_needed(scenario.graph.gate.max_missed, scenario.promise.delta)
    answered = workspace.cases.find(scenario=scenario.name, answered=True)
    count = sum(case.label is Label.ANOMALOUS for case in answered)
    return f"{'open' if count < needed else 'in use'}: {count} of {needed} answers 'anomalous' that its bound needs"


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
