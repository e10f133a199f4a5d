"""The graphs for LangGraph's dev server, named in `langgraph.json`; uncompiled: the server does that."""

from __future__ import annotations

import os
from typing import Any

from langgraph.graph import StateGraph

from alarm_agents.graphs.builder import MonitorGraph
from alarm_agents.graphs.induction import build_induction
from alarm_agents.graphs.load import load_monitor

VARIABLE = "ALARM_SCENARIO"


def monitor() -> MonitorGraph:
    """The graph of the scenario that `ALARM_SCENARIO` names: a library name, a YAML or a Python file."""
    return load_monitor(os.environ.get(VARIABLE, "generic"))[1]


def induction() -> StateGraph[Any, Any, Any, Any]:
    """The graph that induces rules from references."""
    return build_induction()
