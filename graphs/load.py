"""From a scenario (YAML), or a Python file that builds a graph, to a builder."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType

from langgraph.graph import StateGraph

from alarm_agents.errors import ScenarioError
from alarm_agents.graphs.builder import MonitorGraph, default_monitor
from alarm_agents.plugins import load_object
from alarm_agents.scenario import Scenario, load_scenario

FACTORY = "build_monitor"


def build_monitor(scenario: Scenario) -> MonitorGraph:
    """The builder of a scenario's graph: the default topology with the scenario's own nodes and edges.

    Call it first in a Python file's own `build_monitor(scenario)`, change what it gives, and return that.
    """
    return default_monitor(scenario)


def load_monitor(name_or_path: str | Path) -> tuple[Scenario, MonitorGraph]:
    """The scenario and its builder, from a library name, a YAML file, or a Python file.

    A Python file defines `build_monitor(scenario)` and, beside it or named by `SCENARIO`, the YAML that it builds on
    (`generic` when neither is there). Raises `ScenarioError` when it does not return a builder.
    """
    path = Path(name_or_path)
    if path.suffix != ".py":
        scenario = load_scenario(name_or_path)
        return scenario, build_monitor(scenario)
    base = path.resolve().parent
    factory = load_object(f"{path.name}:{FACTORY}", base, str(path))
    if not isinstance(factory, FunctionType):
        raise ScenarioError(f"{FACTORY} must be a function of the scenario", where=str(path))
    beside = path.with_suffix(".yaml")
    named = factory.__globals__.get("SCENARIO", str(beside) if beside.exists() else "generic")
    scenario = load_scenario(base / named if (base / named).exists() else named)
    scenario = scenario.model_copy(update={"folder": base})
    builder = factory(scenario)
    if not isinstance(builder, StateGraph) or not isinstance(builder, MonitorGraph):
        raise ScenarioError(
            f"{FACTORY} must return the builder", where=str(path), remedy="start from alarm_agents.graphs.build_monitor"
        )
    return scenario, builder
