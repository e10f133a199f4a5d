"""Pictures of a graph: Mermaid by LangGraph, PNG by Graphviz (offline, the port that ships as a package)."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs.builder import DEFAULT_NODES, MonitorGraph

PROGRAM = "graphviz-pure"


def mermaid(builder: MonitorGraph) -> str:
    """The graph as Mermaid text."""
    return builder.compile().get_graph().draw_mermaid()


def png(builder: MonitorGraph, path: Path) -> None:
    """Write the graph as a PNG file; raises `ConfigurationError` when it cannot be drawn or written."""
    scripts = sysconfig.get_path("scripts")
    program = shutil.which(PROGRAM, path=scripts) or shutil.which(PROGRAM)
    if program is None:
        raise ConfigurationError(f"{PROGRAM} is not to be found", remedy=f"pip install {PROGRAM}, or use --mermaid")
    try:
        subprocess.run(
            [program, "-Tpng", "-o", str(path)], input=_dot(builder), text=True, check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigurationError("the picture cannot be written", where=str(path), remedy="check the folder") from error


def _dot(builder: MonitorGraph) -> str:
    """The compiled graph in Graphviz's language; a scenario's own nodes stand out."""
    graph = builder.compile().get_graph()
    lines = [
        "digraph monitor {",
        'bgcolor="white"; rankdir=TB; nodesep=0.35; ranksep=0.4;',
        'node [shape=box, style="rounded,filled", fillcolor="#e8eefc", color="#4a67b0"];',
        'node [fontname="Arimo", fontsize=12];',
        'edge [color="#555555", fontname="Arimo", fontsize=10];',
    ]
    for name in graph.nodes:
        own = "" if name in DEFAULT_NODES or name.startswith("__") else ' [fillcolor="#fdebd0", color="#b9770e"]'
        lines.append(f'"{name}"{own};')
    for edge in graph.edges:
        style = " [style=dashed]" if edge.conditional else ""
        lines.append(f'"{edge.source}" -> "{edge.target}"{style};')
    return "\n".join([*lines, "}"])
