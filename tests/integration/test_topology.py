"""The graph's topology: written in YAML or in Python it is the same, and what leads nowhere is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START
from langgraph.runtime import Runtime

from alarm_agents.errors import AlarmError, ConfigurationError
from alarm_agents.graphs import MonitorGraph, build_monitor
from alarm_agents.graphs.builder import DEFAULT_NODES
from alarm_agents.graphs.context import Context
from alarm_agents.graphs.draw import mermaid, png
from alarm_agents.graphs.load import load_monitor
from alarm_agents.graphs.state import MonitorState
from alarm_agents.monitor.run import Monitor
from alarm_agents.observability.store import SpanStore
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case, CaseStatus
from alarm_agents.workspace import Workspace
from support.alarm import Alarm
from support.clips import clip, write_folder
from support.scenarios import watch, write_scenario

Edges = list[dict[str, str]]

NODES = """
def visited(name):
    def node(state):
        return {"notes": {name: {"round": state.get("round", 0)}}}
    return node

plates, crowd, log = visited("plates"), visited("crowd"), visited("log")
"""

VARIATIONS: dict[str, Edges] = {
    "nothing changed": [],
    "a node in between": [{"from": "reason", "to": "plates"}, {"from": "plates", "to": "uncertainty"}],
    "now and then": [
        {"from": "reason", "to": "plates", "when": "'road' in zones"},
        {"from": "plates", "to": "uncertainty"},
    ],
    "a choice of three": [
        {"from": "reason", "to": "plates", "when": "severity > 2"},
        {"from": "reason", "to": "crowd", "when": "p_anomaly > 0.3"},
        {"from": "plates", "to": "uncertainty"},
        {"from": "crowd", "to": "plates", "when": "round == 0"},
        {"from": "crowd", "to": "uncertainty"},
    ],
    "a chain at the end": [
        {"from": "self_check", "to": "log", "when": "label == 'anomalous'"},
        {"from": "log", "to": "conclude"},
    ],
    "first of all": [{"from": "__start__", "to": "log"}, {"from": "log", "to": "gate"}],
    "first of all, at times": [
        {"from": "__start__", "to": "log", "when": "size(measures) > 0"},
        {"from": "log", "to": "gate"},
    ],
    "before perceiving": [{"from": "gate", "to": "log"}, {"from": "log", "to": "perceive"}],
    "straight to a person": [{"from": "uncertainty", "to": "enqueue", "when": "severity >= 4"}],
    "no second look": [{"from": "uncertainty", "to": "self_check"}],
    "behind an edge without a condition": [
        {"from": "reason", "to": "plates"},
        {"from": "reason", "to": "crowd"},
        {"from": "plates", "to": "uncertainty"},
        {"from": "crowd", "to": "uncertainty"},
    ],
}
USED = ("plates", "crowd", "log")


def nodes_of(edges: Edges) -> list[str]:
    return [name for name in USED if any(name in (edge["from"], edge["to"]) for edge in edges)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "my_nodes.py").write_text(NODES, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two windows."""
    return write_folder(tmp_path_factory.mktemp("source") / "walkers", clip(16))


def in_yaml(place: Path, edges: Edges) -> Path:
    nodes = {name: f"my_nodes.py:{name}" for name in nodes_of(edges)}
    # Where no edge says otherwise, what anybody judged is accepted.
    return write_scenario(place, graph={"nodes": nodes, "edges": edges}, uncertainty={"accept_below": 1.0})


def in_python(place: Path, edges: Edges) -> Path:
    lines = [f"    builder.add_node({name!r}, {name})" for name in nodes_of(edges)]
    for edge in edges:
        if "when" in edge:
            lines.append(f"    builder.edge({edge['from']!r}, {edge['to']!r}, when={edge['when']!r})")
        else:
            lines.append(f"    builder.add_edge({edge['from']!r}, {edge['to']!r})")
    text = "\n".join(
        [
            "from alarm_agents.graphs import build_monitor as default",
            NODES,
            "def build_monitor(scenario):",
            "    builder = default(scenario)",
            *lines,
            "    return builder",
        ]
    )
    path = place / "python" / "mine.py"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    write_scenario(path.parent, name="mine")
    return path


def graph(*edges: dict[str, str], **nodes: Callable[..., Any]) -> MonitorGraph:
    builder = build_monitor(Scenario(name="yard"))
    for name, node in nodes.items():
        builder.add_node(name, node)
    for edge in edges:
        builder.edge(edge["from"], edge["to"], edge.get("when"))
    return builder


def nothing(state: MonitorState) -> None:
    """A node that adds nothing."""


async def visits(scenario: Path, source: Path, workspace: Path) -> list[list[str]]:
    """The nodes that each window went through, in order."""
    cases, _, _ = await watch(scenario, source, workspace)
    store = SpanStore(workspace / "traces.db")
    found = [[span.name for span in store.trace(case.trace_id) if span.kind == "node"] for case in cases]
    store.close()
    return found


@pytest.mark.parametrize("name", VARIATIONS)
def test_yaml_and_python_compile_to_the_same_graph(name: str, place: Path) -> None:
    edges = VARIATIONS[name]
    one, other = (load_monitor(path)[1] for path in (in_yaml(place, edges), in_python(place, edges)))
    assert mermaid(one) == mermaid(other)
    assert all(node in mermaid(one) for node in nodes_of(edges))


@pytest.mark.parametrize("name", VARIATIONS)
async def test_every_variation_takes_each_window_to_its_end(name: str, place: Path, source: Path) -> None:
    cases, _, _ = await watch(in_yaml(place, VARIATIONS[name]), source, place / "ws")
    assert len(cases) == 2
    for case in cases:
        assert len(case.perceptions) == 1
        assert case.score is not None
        assert case.anomalies == ()


DEFAULT_WAY = ["gate", "perceive", "recall", "reason", "uncertainty", "self_check", "conclude"]
BETWEEN = [*DEFAULT_WAY[:4], "plates", *DEFAULT_WAY[4:]]


@pytest.mark.parametrize(
    ("edges", "way"),
    [
        pytest.param([], DEFAULT_WAY, id="default"),
        pytest.param([{"from": "reason", "to": "plates"}], BETWEEN, id="an edge outweighs the default"),
        pytest.param([{"from": "reason", "to": "plates", "when": "p_anomaly >= 0.0"}], BETWEEN, id="true"),
        pytest.param([{"from": "reason", "to": "plates", "when": "p_anomaly < 0.0"}], DEFAULT_WAY, id="false"),
        pytest.param([{"from": "reason", "to": "plates", "when": "notes.nobody.said > 1"}], DEFAULT_WAY,
                     id="undecidable takes the default"),
        pytest.param([{"from": "reason", "to": "plates", "when": "label"}], DEFAULT_WAY, id="neither true nor false"),
        pytest.param([{"from": "reason", "to": "plates", "when": "'ratio' in motion && motion.ratio > 0.0"}],
                     DEFAULT_WAY, id="a measure that was not taken"),
        pytest.param([{"from": "reason", "to": "crowd", "when": "severity > 9"}, {"from": "reason", "to": "plates"}],
                     BETWEEN, id="the first that is true"),
        pytest.param([{"from": "reason", "to": "plates", "when": "round == 0"},
                      {"from": "reason", "to": "crowd", "when": "round == 0"}], BETWEEN, id="in the order written"),
        pytest.param([{"from": "reason", "to": "plates"}, {"from": "reason", "to": "crowd", "when": "round == 0"}],
                     BETWEEN, id="nothing behind an edge that is always taken"),
    ],
)  # fmt: skip
async def test_edges_have_the_precedence_that_they_are_written_in(
    edges: Edges, way: list[str], place: Path, source: Path
) -> None:
    ends = [{"from": name, "to": "uncertainty"} for name in nodes_of(edges)]
    found = await visits(in_yaml(place, [*edges, *ends]), source, place / "ws")
    assert found == [way, way]


@pytest.mark.parametrize(
    ("edges", "says"),
    [
        pytest.param([("reason", "plate")], "there is no node 'plate'", id="unknown target"),
        pytest.param([("resaon", "plates"), ("plates", "reason")], "there is no node 'resaon'", id="unknown start"),
        pytest.param([("reason", "hand_off")], "hand_off: a case must be in the review queue", id="into hand_off"),
        pytest.param([("reason", "plates")], "'plates' has no edge that always leaves it", id="no way out"),
        pytest.param([("reason", "plates"), ("plates", "uncertainty", "round == 0")], "no edge that always leaves it",
                     id="no certain way out"),
        pytest.param([("reason", "__end__")], "conclude", id="past conclude"),
        pytest.param([("reason", "plates"), ("plates", "__end__")], "conclude", id="its own node past conclude"),
        pytest.param([("reason", "__end__", "round == 0")], "conclude", id="past conclude at times"),
        pytest.param([("reason", "recall")], "conclude", id="for ever"),
        pytest.param([("reason", "plates"), ("plates", "reason")], "conclude", id="for ever in its own node"),
        pytest.param([("reason", "__start__")], "__start__", id="back to the start"),
        pytest.param([("reason", "plates", "zone == 'road'"), ("plates", "uncertainty")], "zone", id="unknown name"),
        pytest.param([("reason", "plates", "round =="), ("plates", "uncertainty")], "not a valid expression",
                     id="no expression"),
    ],
)  # fmt: skip
def test_edges_that_lead_nowhere_are_refused_in_one_sentence(
    edges: list[tuple[str, ...]], says: str, place: Path
) -> None:
    written = [dict(zip(("from", "to", "when"), edge, strict=False)) for edge in edges]
    with pytest.raises(ConfigurationError) as refused:
        load_monitor(in_yaml(place, written))[1].compile()
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    (place / "cli").mkdir()
    done = Alarm(place / "cli")("graph", "validate", in_yaml(place, written), code=2)
    assert done.out == ""
    assert "Traceback" not in done.err
    assert says in " ".join(done.err.split())


NAMES = st.sampled_from([*DEFAULT_NODES, "plates", "crowd", START, END, "nobody"])
WHENS = st.sampled_from([None, "round == 0", "severity > 2"])


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.lists(st.tuples(NAMES, NAMES, WHENS), max_size=4))
def test_any_edges_compile_or_are_refused_in_one_sentence(edges: list[tuple[str, str, str | None]]) -> None:
    builder = graph(plates=nothing, crowd=nothing)
    for source_, target, when in [*edges, ("plates", "uncertainty", None), ("crowd", "uncertainty", None)]:
        builder.edge(source_, target, when)
    refused = ""
    try:
        nodes = set(builder.compile().get_graph().nodes)
    except AlarmError as error:
        refused, nodes = str(error), set(DEFAULT_NODES)
    assert "\n" not in refused
    assert set(DEFAULT_NODES) <= nodes


@pytest.mark.parametrize("name", ["two words", "", "3rd", "__start__", "__end__", "a-b"])
def test_a_node_needs_a_usable_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a node"):
        graph().add_node(name, nothing)


async def run(builder: MonitorGraph, source: Path, workspace: Path) -> list[Case]:
    found: list[Case] = []
    async with Monitor(Workspace(workspace), builder.scenario, builder) as monitor:
        async for watched in monitor.watch(str(source)):
            if isinstance(watched.record, Case):
                found.append(watched.record)
    return found


async def test_langgraphs_own_calls_work_on_the_builder(source: Path, tmp_path: Path) -> None:
    def reason(state: MonitorState, runtime: Runtime[Context]) -> dict[str, Any]:
        return {"notes": {"reason": {"scenario": runtime.context.scenario.name}}}

    async def extra(state: MonitorState) -> dict[str, Any]:
        return {"notes": {"extra": {"case": state["case"]}}}

    def route(state: MonitorState) -> str:
        return "extra" if state["window"].start == 0 else "uncertainty"

    blocks = {"name": "yard", "source": {"frames": 8}, "graph": {"max_reflections": 0}}
    builder = build_monitor(Scenario.model_validate(blocks))
    assert builder.add_node("reason", reason).add_node(extra) is builder
    builder.add_conditional_edges("reason", route, ["extra", "uncertainty"])
    builder.add_edge("extra", "uncertainty")
    first, second = await run(builder, source, tmp_path / "ws")
    assert first.notes == {"reason": {"scenario": "yard"}, "extra": {"case": first.id}}
    assert second.notes == {"reason": {"scenario": "yard"}}
    assert {case.status for case in (first, second)} == {CaseStatus.PENDING}  # nobody judged, so a person is asked


async def test_a_condition_in_python_may_be_a_function_and_may_fail(source: Path, tmp_path: Path) -> None:
    def fails(state: MonitorState) -> bool:
        raise KeyError("nobody knows")

    def note(name: str) -> Callable[[MonitorState], dict[str, Any]]:
        return lambda state: {"notes": {name: 1}}

    builder = graph(plates=note("plates"), crowd=note("crowd"))
    builder.edge("reason", "plates", when=fails)
    builder.edge("reason", "crowd", when=lambda state: state["window"].start > 0)
    builder.add_edge(["plates", "crowd"], "uncertainty")
    builder.scenario = Scenario.model_validate({"name": "yard", "source": {"frames": 8}})
    assert [case.notes for case in await run(builder, source, tmp_path / "ws")] == [{}, {"crowd": 1}]


def test_conditional_edges_with_a_mapping_and_an_edge_before_them(tmp_path: Path) -> None:
    builder = graph(plates=nothing)
    builder.add_conditional_edges("reason", lambda _: "on", {"on": "uncertainty", "off": "plates"})
    builder.edge("reason", "plates", when="round == 3")
    builder.add_edge("plates", "uncertainty")
    drawn = builder.compile().get_graph()
    assert {edge.target for edge in drawn.edges if edge.source == "reason"} == {"uncertainty", "plates"}


def test_a_scenario_and_its_graph_are_drawn(place: Path) -> None:
    _, builder = load_monitor(in_yaml(place, VARIATIONS["now and then"]))
    text = mermaid(builder)
    assert "plates" in text
    assert all(name in text for name in DEFAULT_NODES)
    png(builder, place / "graph.png")
    assert (place / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_a_python_file_that_returns_no_builder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def build_monitor(scenario):\n    return 3\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="must return the builder"):
        load_monitor(tmp_path / "mine.py")
