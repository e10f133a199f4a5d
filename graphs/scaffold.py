"""Scenario files to start from."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from alarm_agents.errors import ConfigurationError

YAML = Template("""\
version: 1
name: $name
# What is normal, in words: models read it.
normal: People walk and stand. Nothing rides, runs, or is left behind.

source:
  fps: 10          # most frames a second taken from a video; the rate of a folder of frames
  frames: 16       # frames in a window
  max_side: 640    # pixels
  # zones: {door: "0,0.6,0.3,0.6,0.3,1,0,1"}     # polygons in fractions of the picture
  # masks: ["0,0,0.2,0,0.2,0.2,0,0.2"]           # blackened before anything sees the picture

# Without models, experts and rules judge. To put local models in their place:
# models:
#   eye:  {backend: openai, base_url: "http://localhost:8000/v1", model: Qwen/Qwen2.5-VL-7B-Instruct}
#   mind: {backend: openai, base_url: "http://localhost:8001/v1", model: Qwen/Qwen3-8B}
# agents: {perceivers: [eye], inducer: mind, reasoners: [mind], reflector: eye}

tools: [zoom, context, motion, similar_cases]    # add your own: "my_tools.py:read_plate"

# graph:
#   max_reflections: 1
#   nodes: {plates: "my_nodes.py:check_plate"}
#   edges: [{from: reason, to: plates, when: "'door' in zones"}, {from: plates, to: uncertainty}]
""")

PYTHON = '''\
"""A monitoring scenario in Python: the default graph, and what is changed in it."""

from alarm_agents.graphs import MonitorGraph, build_monitor as default
from alarm_agents.graphs.state import MonitorState
from alarm_agents.scenario import Scenario

SCENARIO = "generic"  # a library name, or a YAML file beside this one


def note_speed(state: MonitorState) -> dict:
    """A node: takes the state (and, if it wants, LangGraph's Runtime), gives back what it adds."""
    return {"notes": {"note_speed": {"windows": 1}}}


def build_monitor(scenario: Scenario) -> MonitorGraph:
    """The builder of the graph."""
    builder = default(scenario)
    builder.add_node("note_speed", note_speed)
    builder.edge("reason", "note_speed", when="motion.speed > 0.3")
    builder.add_edge("note_speed", "uncertainty")
    return builder
'''


def write_scenario(path: Path) -> None:
    """Write a scenario to start from, YAML or Python by the file's ending; raises `ConfigurationError`."""
    if path.suffix not in (".yaml", ".yml", ".py"):
        raise ConfigurationError("a scenario's file ends in .yaml or .py", where=str(path))
    name = re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_") or "scenario"
    try:
        path.write_text(PYTHON if path.suffix == ".py" else YAML.substitute(name=name), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError("the file cannot be written", where=str(path), remedy="check the folder") from error
