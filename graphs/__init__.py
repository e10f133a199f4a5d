"""State, nodes and topology of the monitor and induction graphs, and ready scenarios in `library/`."""

from alarm_agents.graphs.builder import MonitorGraph
from alarm_agents.graphs.load import build_monitor

__all__ = ["MonitorGraph", "build_monitor"]
