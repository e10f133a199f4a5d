"""What agents can call: experts, zoom, context, similar cases, and users' own tools."""

from alarm_agents.tools.function import Artifact, tool
from alarm_agents.tools.work import current

__all__ = ["Artifact", "current", "tool"]
