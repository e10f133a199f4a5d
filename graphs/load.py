"""From a scenario (YAML), or a Python file that builds a graph, to a builder."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType

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

    A Python file defines `build_monitor(scenario)` and names the scenario that it builds on by `SCENARIO`: a library
    name or a YAML file beside it (`generic` when it names none). Raises `ScenarioError` when it returns no builder.
    """
    path = Path(name_or_path)
    if path.suffix != ".py":
        scenario = load_scenario(name_or_path)
    else:
        path = path.resolve()
        named = _factory(path).__globals__.get("SCENARIO", "generic")
        beside = path.parent / named
        scenario = load_scenario(beside if beside.is_file() else named)
        scenario = scenario.model_copy(update={"built_by": path})
    return scenario, builder_of(scenario)


def builder_of(scenario: Scenario) -> MonitorGraph:
    """The builder of a scenario that was loaded before, by its Python file where it has one."""
    if scenario.built_by is None:
        return build_monitor(scenario)
    builder = _factory(scenario.built_by)(scenario)
    if not isinstance(builder, MonitorGraph):
        remedy = "start from alarm_agents.graphs.build_monitor and return what it gives"
        raise ScenarioError(f"{FACTORY} must return the builder", where=str(scenario.built_by), remedy=remedy)
    return builder


def _factory(path: Path) -> FunctionType:
    factory = load_object(f"{path.name}:{FACTORY}", path.parent, "the scenario")
    if not isinstance(factory, FunctionType):
        raise ScenarioError(f"{FACTORY} must be a function of the scenario", where=str(path))
    return factory
