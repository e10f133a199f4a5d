"""The graphs for LangGraph's dev server, named in `langgraph.json`; uncompiled: the server does that."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from langgraph.graph import StateGraph

from alarm_agents.graphs.builder import MonitorGraph
from alarm_agents.graphs.induction import build_induction
from alarm_agents.graphs.load import load_monitor

VARIABLE = "ALARM_SCENARIO"


async def monitor() -> MonitorGraph:
    """The graph of the scenario that `ALARM_SCENARIO` names: a library name, a YAML or a Python file."""
    # The server asks again and again on its event loop, where it refuses to read files.
    _, builder = await asyncio.to_thread(load_monitor, os.environ.get(VARIABLE, "generic"))
    return builder


async def induction() -> StateGraph[Any, Any, Any, Any]:
    """The graph that induces rules from references."""
    return build_induction()
