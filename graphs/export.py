"""The monitor graph for LangGraph's dev server (`langgraph dev`), named in `langgraph.json`."""

from __future__ import annotations

import os

from alarm_agents.graphs.builder import MonitorGraph
from alarm_agents.graphs.load import load_monitor

VARIABLE = "ALARM_SCENARIO"


def monitor() -> MonitorGraph:
    """The uncompiled graph of the scenario that `ALARM_SCENARIO` names (library name, YAML or Python file)."""
    return load_monitor(os.environ.get(VARIABLE, "generic"))[1]
