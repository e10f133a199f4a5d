"""One HTML file about what was watched: it opens without a server, a network or a script."""

from alarm_agents.report.page import write_report

__all__ = ["write_report"]
