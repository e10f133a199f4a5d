"""`alarm models`: the local models that a scenario names, what they can do, and what they are asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from alarm_agents.cli.app import JsonOption, ScenarioOption, open_workspace
from alarm_agents.cli.output import console, emit, plain
from alarm_agents.errors import ModelError, NotFoundError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.models import Model, build_models
from alarm_agents.models.probe import Probe, probe
from alarm_agents.monitor.sizing import Load, Need, advice, measure, needs, second_looks
from alarm_agents.scenario import Scenario
from alarm_agents.settings import EMBEDDED
from alarm_agents.workspace import Workspace

commands = typer.Typer(no_args_is_help=True, help="The local models that a scenario names.")


@commands.command("list")
def list_models(scenario: ScenarioOption = "generic", json_: JsonOption = False) -> None:
    """List the models and which agents they play; nothing is called."""
    found, _ = load_monitor(scenario)
    rows = [
        {"name": name, "backend": m.backend, "model": m.model, "base_url": m.base_url, "agents": _roles(found, name)}
        for name, m in found.models.items()
    ]
    embedded = _roles(found, EMBEDDED)
    if json_:
        emit({"scenario": found.name, "models": rows, "embedded": embedded})
        return
    if rows:
        table = Table()
        for column in ("name", "backend", "model", "base_url", "agents"):
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(
                *(plain(", ".join(value) if isinstance(value, list) else value or "") for value in row.values())
            )
        console.print(table)
    if embedded:
        console.print(plain(f"without a model (experts and rules): {', '.join(embedded)}"))


def _roles(scenario: Scenario, name: str) -> list[str]:
    agents = scenario.agents
    played = {
        "perceiver": agents.perceivers,
        "inducer": (agents.inducer,),
        "reasoner": agents.reasoners,
        "reflector": (agents.reflector,),
    }
    return [role for role, members in played.items() if name in members]


@commands.command("probe", epilog="Example: `alarm models probe --scenario walkway.yaml`")
def probe_models(
    names: Annotated[list[str] | None, typer.Argument(help="Which of the scenario's models [default: all]")] = None,
    scenario: ScenarioOption = "generic",
    json_: JsonOption = False,
) -> None:
    """Ask each model a question in words and one about a picture; say what it can do, and how to mend what it cannot.

    Pictures and log-probabilities are tried whatever the scenario says of them; loading the weights is not timed.
    Ends with exit code 3 when a model does not answer.
    """
    found, _ = load_monitor(scenario)
    unknown = [name for name in names or () if name not in found.models]
    if unknown:
        remedy = f"the scenario names {', '.join(found.models) or 'none'}"
        raise NotFoundError(f"there is no model '{unknown[0]}'", where=scenario, remedy=remedy)
    built = build_models(found.models, found.folder)
    probes = asyncio.run(_probed([built[name] for name in names or found.models], found.folder))
    if json_:
        emit({"scenario": found.name, "models": [one.model_dump(mode="json") for one in probes]})
    else:
        _show_probes(probes)
    silent = [one.name for one in probes if not one.answers]
    if silent:
        raise ModelError(f"no answer from {', '.join(silent)}", where=scenario, remedy="see above")


async def _probed(models: list[Model], folder: Path) -> list[Probe]:
    """One after the other, so that none is slowed by another on the same machine."""
    return [await probe(model, folder) for model in models]


def _show_probes(probes: list[Probe]) -> None:
    if not probes:
        console.print("the scenario names no model: experts and rules alone judge")
        return
    table = Table()
    for column in ("name", "answers", "pictures", "schema", "log-probabilities", "tokens/s", "latency", "context"):
        table.add_column(column, overflow="fold")
    for one in probes:
        can = [one.answers, one.images, one.schema_kept, one.logprobs]
        numbers = [_number(one.tokens_a_second), _number(one.latency_s, " s"), _number(one.context)]
        table.add_row(plain(one.name), *(_yes(value) for value in can), *numbers)
    console.print(table)
    for one in probes:
        for said in one.cannot:
            console.print(plain(f"{one.name}: {said}"), soft_wrap=True)


@commands.command("size", epilog="Example: `alarm models size --scenario walkway.yaml --measure`")
def size(
    scenario: ScenarioOption = "generic",
    measured: Annotated[
        bool, typer.Option("--measure", help="Ask the models now, with the scenario's own prompts.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Say what the windows of one source ask of the models, a minute, and whether they carry it.

    Speed and prompt sizes are those of the latest `--measure` with the same models. Models on one server, and those in
    this process, share it. Second looks come on top: the row with "at most" says what they would ask if every window
    were uncertain, and each took all the turns it may. So does a reasoner's where something spoke against each draft.
    """
    found, _ = load_monitor(scenario)
    workspace = open_workspace()
    if measured:
        _measure(workspace, found)
    loads = [load for name in found.models for load in _stored(workspace, found, name)]
    asked = needs(found, loads)
    said = advice(found, asked, loads)
    again = second_looks(found, loads)
    if json_:
        rows = [need.model_dump(mode="json") for need in (*asked, *again)]
        stored = [load.model_dump(mode="json") for load in loads]
        emit({"scenario": found.name, "needs": rows, "measured": stored, "advice": said})
        return
    _show_needs([*asked, *again], loads)
    for line in said:
        console.print(plain(line), style="yellow", soft_wrap=True)
    if asked and not said:
        console.print("the models carry it", style="green")


def _measure(workspace: Workspace, scenario: Scenario) -> None:
    rules = RuleMemory(workspace.engine, scenario.name).active()
    loads = asyncio.run(measure(scenario, build_models(scenario.models, scenario.folder), rules))
    for name in {load.model for load in loads}:
        own = [load.model_dump(mode="json") for load in loads if load.model == name]
        workspace.probes.save(scenario, name, {"loads": own})


def _stored(workspace: Workspace, scenario: Scenario, name: str) -> list[Load]:
    record = workspace.probes.find(scenario, name)
    return [Load.model_validate(load) for load in record["loads"]] if record else []


def _show_needs(asked: list[Need], loads: list[Load]) -> None:
    if not asked:
        console.print("no model perceives or judges: nothing is asked of any")
        return
    table = Table()
    for column in ("model", "as", "calls/min", "tokens/min", "carries calls/min", "share"):
        table.add_column(column, justify="left" if column in ("model", "as") else "right")
    carried = {(load.role, load.model): load.calls_a_minute for load in loads}
    for need in asked:
        carries = _number(carried.get((need.role, need.model)))
        share = "?" if need.share is None else f"{need.share:.0%}"
        calls = f"{'at most ' * need.at_most}{_number(need.calls_a_minute)}"
        numbers = [calls, _number(need.tokens_a_minute), carries, share]
        table.add_row(plain(need.model), need.role, *numbers)
    console.print(table)


def _yes(value: bool | None) -> str:
    return "not asked" if value is None else "yes" if value else "no"


def _number(value: float | None, unit: str = "") -> str:
    return "?" if value is None else f"{value:.3g}{unit}" if value < 1000 else f"{value:,.0f}{unit}"
