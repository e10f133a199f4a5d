"""Running one tool by hand, as an agent would."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.index import VectorIndex
from alarm_agents.memory.recall import Memory
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.monitor.teach import open_media
from alarm_agents.scenario import Scenario
from alarm_agents.tools.call import ToolResult
from alarm_agents.tools.experts import taught_experts
from alarm_agents.tools.registry import load_tools
from alarm_agents.tools.work import Work, working_on
from alarm_agents.workspace import Workspace


async def run_tool(
    workspace: Workspace, scenario: Scenario, name: str, arguments: Mapping[str, Any], case_id: str | None
) -> ToolResult:
    """What the tool gives, on a stored case if one is named: one of the scenario's, or any other by name or path.

    Raises `ToolError` when the tool refuses or fails, `NotFoundError` for an unknown case.
    """
    toolbox = await load_tools(scenario.tools, scenario.folder)
    if name not in toolbox.names:
        toolbox = await load_tools([name], Path())
    place = nullcontext() if case_id is None else working_on(_work(workspace, case_id))
    with place:
        return await toolbox.run(name if name in toolbox.names else toolbox.names[0], arguments)


def _work(workspace: Workspace, case_id: str) -> Work:
    case = workspace.cases.get(case_id)
    scenario, path, key = workspace.runs.scenario_of(workspace.cases.run_of(case_id))
    media = open_media(path, scenario)
    references = workspace.runs.references(scenario.name, case.namespace, key)
    rules = RuleMemory(workspace.engine, scenario.name, case.namespace)
    memory = Memory(rules, workspace.cases, VectorIndex(workspace.memory, default_embedder()))
    return Work(case.window, media, taught_experts(media.kind, references.states), memory.similar)
