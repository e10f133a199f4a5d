"""Where incidents are told to people: webhooks and commands."""

from alarm_agents.sinks.deliver import deliver

__all__ = ["deliver"]
