"""Which scenario is meant, for commands on what is kept in the workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.rules import RuleMemory, scenarios_with
from alarm_agents.workspace import Workspace

WhichScenario = Annotated[
    str | None,
    typer.Option(
        "--scenario", "-s", help="The scenario's name or file [default: the one that has the rule, or was used last]"
    ),
]


def scenario_name(workspace: Workspace, scenario: str | None, rule: str | None = None) -> str:
    """The name of the scenario that is meant: the one named, the one that has the rule, or the one used last."""
    if scenario is not None:
        return scenario if scenario in scenarios_with(workspace.engine) else load_monitor(scenario)[0].name
    holders = scenarios_with(workspace.engine, rule) if rule else []
    if len(holders) > 1:
        raise ConfigurationError(f"several scenarios have a rule '{rule}'", remedy=f"say -s {' or -s '.join(holders)}")
    return holders[0] if holders else workspace.runs.latest_scenario() or "generic"


def rules_of(workspace: Workspace, scenario: str | None, rule: str | None = None) -> RuleMemory:
    """The rules of that scenario."""
    return RuleMemory(workspace.engine, scenario_name(workspace, scenario, rule))
