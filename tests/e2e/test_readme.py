"""What the README and the docs say is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from alarm_agents.graphs.draw import mermaid
from alarm_agents.graphs.load import load_monitor
from alarm_agents.scenario import Scenario
from support.alarm import Alarm
from support.clips import clip, write_folder

ROOT = Path(__file__).resolve().parents[2]
FILE = re.compile(r"<!-- file: (?P<name>[\w.]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    """A folder with the files that the README spells out."""
    found = {match["name"]: match["text"] for match in FILE.finditer((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert set(found) == {"my_walkway.yaml", "my_plain.yaml", "my_nodes.py", "my_monitor.py", "my_tools.py"}
    for name, text in found.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_yaml_and_python_of_the_readme_compile_to_the_same_graph(readme: Path) -> None:
    drawn = [mermaid(load_monitor(readme / name)[1]) for name in ("my_walkway.yaml", "my_monitor.py")]
    assert drawn[0] == drawn[1]
    assert "reason -.-> check_light" in drawn[0]


@pytest.mark.parametrize("scenario", ["my_walkway.yaml", "my_monitor.py"])
def test_the_readmes_node_edge_and_tool_run_and_the_trace_shows_them(readme: Path, scenario: str) -> None:
    write_folder(readme / "frames", clip(64, fast=range(40, 64), seed=1))
    alarm = Alarm(readme)
    cases = alarm("watch", "frames", "--scenario", scenario, "--json").of("case")
    notes = {case["id"]: alarm("review", "show", case["id"], "--json").document["notes"] for case in cases}
    reached = [key for key, note in notes.items() if "check_light" in note]
    assert reached, "the clip has motion above the edge's condition"
    assert 0 < notes[reached[0]]["check_light"]["brightness"] < 255
    names = {(span["kind"], span["name"]) for span in alarm("traces", "show", reached[0], "--json").document}
    assert {("node", "check_light"), ("tool", "brightness")} <= names


def test_the_readmes_tool_is_listed_and_runs_on_a_case(readme: Path) -> None:
    write_folder(readme / "frames", clip(16, seed=1))
    alarm = Alarm(readme)
    listed = alarm("tools", "list", "--scenario", "my_walkway.yaml", "--json").document
    assert {tool["name"] for tool in listed} == {"motion", "brightness"}
    case = alarm("watch", "frames", "--json").of("case")[0]["id"]
    given = '{"darkest": 300}'
    result = alarm("tools", "run", "my_tools.py:brightness", "--case", case, "-a", given, "--json").document
    assert float(result["text"]) == 300


def test_the_documented_contract_is_the_contract() -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    block = text.split("```yaml\n")[1].split("```")[0]
    documented = yaml.safe_load(block)
    Scenario.model_validate(documented)
    missing = {name for name, field in Scenario.model_fields.items() if not field.exclude} - set(documented)
    assert not missing
