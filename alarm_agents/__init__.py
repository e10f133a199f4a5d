"""alarm-agents: an open, local-first, multi-agent anomaly monitor."""

from alarm_agents._version import __version__

__all__ = ["__version__"]
