"""The workspace: the folder `.alarm/` that holds everything kept on disk."""

from alarm_agents.workspace.folder import Workspace

__all__ = ["Workspace"]
