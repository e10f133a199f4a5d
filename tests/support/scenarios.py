"""Scenarios on scripted models, and running them in this process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from alarm_agents.graphs.load import load_monitor
from alarm_agents.monitor.run import Monitor
from alarm_agents.observability import tracing
from alarm_agents.types import Case, Incident
from alarm_agents.workspace import Workspace

Steps = Sequence[dict[str, Any] | str]
SEEN = {
    "caption": "a man walks",
    "facts": [{"subject": "man", "attribute": "gait", "value": "walks", "region": [0.2, 0.2, 0.4, 0.6]}],
}
TEAM = {"perceivers": ["eye", "lens"], "inducer": "mind", "reasoners": ["mind", "eye"], "reflector": "lens"}
WINDOWS = 3
SORRY = "I'm sorry, but I can't help with that."


def always(*replies: Any) -> list[dict[str, Any]]:
    """Steps that answer any prompt, as often as it comes; only the first is ever used."""
    return [{"reply": reply, "times": None} for reply in replies]


def judged(p: float, *rules: str, why: str = "because") -> dict[str, Any]:
    """A reasoner's answer."""
    label = "anomalous" if p >= 0.5 else "normal"
    return {"label": label, "p_anomaly": p, "severity": 3, "rules": list(rules), "rationale": why}


def again(p: float, *rules: str) -> dict[str, Any]:
    """A reflector's answer."""
    return judged(p, *rules, why="looked again")


def write_scenario(folder: Path, models: dict[str, Steps] | None = None, name: str = "yard", **blocks: Any) -> Path:
    """`yard.yaml` in the folder, with a script for each model; other blocks of the scenario as they are given."""
    folder.mkdir(parents=True, exist_ok=True)
    block = {}
    for model, steps in (models or {}).items():
        (folder / f"{model}.json").write_text(json.dumps(list(steps)), encoding="utf-8")
        block[model] = {"backend": "scripted", "script": f"{model}.json", "retries": 0}
    source = {"fps": 10, "frames": 8, **blocks.pop("source", {})}
    scenario = {
        "name": name,
        "normal": "People walk.",
        "source": source,
        **({"models": block} if block else {}),
        **blocks,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(scenario, sort_keys=False), encoding="utf-8")
    return path


async def watch(
    scenario: Path, source: Path, workspace: Path, **options: Any
) -> tuple[list[Case], list[Incident], Workspace]:
    """What watching the source to its end gives, traced; with the workspace that it is kept in."""
    found, builder = load_monitor(scenario)
    opened = Workspace(workspace)
    cases: list[Case] = []
    incidents: list[Incident] = []
    with tracing.start(opened.traces):
        async with Monitor(opened, found, builder, **options) as monitor:
            async for watched in monitor.watch(str(source)):
                record = watched.record
                cases.append(record) if isinstance(record, Case) else incidents.append(record)
    return cases, incidents, opened


def team(eye: Any = None, lens: Any = None, mind: Any = None) -> dict[str, Any]:
    """The scripts of three models that see a man and hold everything to be normal, unless told otherwise.

    `eye` perceives and judges, `lens` perceives and looks again, `mind` judges.
    """
    look = {"when": "You describe what a fixed sensor shows", "reply": SEEN, "times": None}
    return {
        "eye": [look, *(eye or always(judged(0.02)))],
        "lens": [look, *(lens or always(again(0.03)))],
        "mind": mind or always(judged(0.04)),
    }


def checkpoints(workspace: Path) -> dict[str, int]:
    """Bytes kept for each thread that has any."""
    with sqlite3.connect(workspace / "checkpoints.db") as connection:
        sizes: dict[str, int] = {}
        for table, columns in (("checkpoints", ("checkpoint", "metadata")), ("writes", ("value",))):
            total = " + ".join(f"coalesce(length({column}), 0)" for column in columns)
            query = f"SELECT thread_id, sum({total}) FROM {table} GROUP BY thread_id"
            for thread, size in connection.execute(query):
                sizes[thread] = sizes.get(thread, 0) + size
        return sizes
