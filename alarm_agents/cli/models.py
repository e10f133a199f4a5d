"""`alarm models`: the local models that a scenario names."""

from __future__ import annotations

import typer
from rich.table import Table

from alarm_agents.cli.app import JsonOption, ScenarioOption
from alarm_agents.cli.output import console, emit, plain
from alarm_agents.graphs.load import load_monitor
from alarm_agents.scenario import EMBEDDED, Scenario

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
