"""Run as `python -m alarm_agents`: the same as `alarm`."""

from alarm_agents.cli import main

main()
