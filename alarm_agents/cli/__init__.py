"""The command line: `alarm` and its verbs, one file each."""

from alarm_agents.cli import (
    demo,
    explain,
    graph,
    info,
    models,
    proposed,
    report,
    review,
    rules,
    serving,
    suites,
    teaching,
    traces,
    training,
    watch,
)
from alarm_agents.cli.app import app, main

for part, name in ((review, "review"), (rules, "rules"), (graph, "graph"), (traces, "traces"), (models, "models")):
    app.add_typer(part.commands, name=name)
app.add_typer(info.tools, name="tools")

__all__ = [
    "app",
    "demo",
    "explain",
    "info",
    "main",
    "proposed",
    "report",
    "serving",
    "suites",
    "teaching",
    "training",
    "watch",
]
