"""`langgraph.json` as LangGraph's server reads it: it imports the file by path, calls the factory, compiles, draws."""

from __future__ import annotations

import json
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.warnings import LangGraphDeprecatedSinceV10

from alarm_agents.errors import ScenarioError

ROOT = Path(__file__).resolve().parents[2]
GRAPHS: dict[str, str] = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
NODES = {"gate", "perceive", "recall", "reason", "uncertainty", "reflect", "enqueue", "hand_off", "self_check"}


def factory(name: str) -> Any:
    file, _, variable = GRAPHS[name].rpartition(":")
    spec = spec_from_file_location(f"server_{name}", ROOT / file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, variable)


@pytest.mark.parametrize("name", GRAPHS)
async def test_the_server_gets_an_uncompiled_graph_and_draws_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALARM_SCENARIO", raising=False)
    builder = await factory(name)()
    assert isinstance(builder, StateGraph)
    graph = builder.compile()
    assert isinstance(graph, CompiledStateGraph)
    assert "graph TD" in graph.get_graph().draw_mermaid()
    for schema in (graph.get_input_jsonschema(), graph.get_output_jsonschema()):
        assert schema["properties"]
    graph.get_context_jsonschema()  # the server asks for it: a context of live objects must not fail there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangGraphDeprecatedSinceV10)
        graph.config_schema()


async def test_the_monitor_is_the_whole_topology(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALARM_SCENARIO", raising=False)
    assert set((await factory("monitor")()).compile().get_graph().nodes) >= {*NODES, "conclude"}


async def test_a_scenario_is_chosen_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text('def plates(state):\n    "Read plates."\n    return {}\n')
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ngraph:\n  nodes: {plates: 'mine.py:plates'}\n"
        "  edges: [{from: reason, to: plates}, {from: plates, to: uncertainty}]\n"
    )
    monkeypatch.setenv("ALARM_SCENARIO", str(tmp_path / "mine.yaml"))
    drawn = (await factory("monitor")()).compile().get_graph()
    assert "plates" in drawn.nodes
    monkeypatch.setenv("ALARM_SCENARIO", "no-such-scenario")
    with pytest.raises(ScenarioError, match="no-such-scenario"):
        await factory("monitor")()
