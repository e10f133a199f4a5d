"""Invariants over a window's own trace: each one broken, and each one kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from alarm_agents.observability import tracing
from alarm_agents.observability.detection import check
from alarm_agents.types import TraceAnomaly


def kinds(anomalies: tuple[TraceAnomaly, ...]) -> list[tuple[str, bool]]:
    return [(anomaly.kind, anomaly.severe) for anomaly in anomalies]


def test_a_good_window_has_no_anomalies(make_span) -> None:
    spans = [
        make_span("perceive", "node", "n1"),
        make_span("perceiver", "agent", "a1", "n1", member="eye-a", model="eye-a", parse="parsed"),
        make_span("qwen", "model", "m1", "a1"),
        make_span("reason", "node", "n2"),
        make_span("reasoner", "agent", "a2", "n2", model="embedded", parse="embedded", unknown_rules=0),
        make_span("reflect", "node", "n3"),
        make_span("zoom", "tool", "t1", "n3"),
        make_span("hand_off", "node", "n4", interrupt=True),
    ]
    assert check(spans, max_reflections=2) == ()
    assert check([], max_reflections=2) == ()


@pytest.mark.parametrize(
    ("parse", "broken"),
    [("unparsed", True), ("refused", True), ("failed", True), ("parsed", False), ("repaired", False)],
)
def test_no_answer(make_span, parse: str, broken: bool) -> None:
    spans = [
        make_span("perceiver eye-a", "agent", "a", member="eye-a", parse=parse, **{"gen_ai.agent.name": "perceiver"})
    ]
    found = check(spans, max_reflections=2)
    assert kinds(found) == ([("no_answer", False)] if broken else [])
    if broken:
        assert (found[0].agent, found[0].span) == ("perceiver", "a")
        assert found[0].text == f"perceiver eye-a gave no usable answer ({parse})"


@pytest.mark.parametrize(("value", "text"), [(1, "a rule"), (3, "3 rules"), (["x", "y"], "2 rules")])
def test_unknown_rule(make_span, value: object, text: str) -> None:
    found = check([make_span("reasoner", "agent", "a", member="mind", unknown_rules=value)], max_reflections=2)
    assert kinds(found) == [("unknown_rule", True)]
    assert found[0].text == f"reasoner mind cited {text} it was not given"


@pytest.mark.parametrize("value", [0, [], None, "many"])
def test_known_rules(make_span, value: object) -> None:
    assert check([make_span("reasoner", "agent", "a", unknown_rules=value)], max_reflections=2) == ()


def test_loop(make_span) -> None:
    spans = [make_span("reflect", "node", f"n{number}") for number in range(4)]
    found = check(spans, max_reflections=2)
    assert kinds(found) == [("loop", True)]  # said once, at the first run too many
    assert found[0].span == "n2"
    assert check(spans, max_reflections=4) == ()
    assert check(spans) == ()


def test_loop_counts_by_member_and_only_runs_that_counted(make_span) -> None:
    members = [make_span("reason", "node", f"n{number}", member=f"m{number}") for number in range(5)]
    retried = [make_span("reflect", "node", f"r{number}", error="TimeoutError") for number in range(5)]
    waited = [make_span("reflect", "node", f"w{number}", interrupt=True) for number in range(5)]
    assert "loop" not in dict(kinds(check([*members, *retried, *waited], max_reflections=1)))
    thrice = [make_span("reason", "node", f"x{number}", member="mind") for number in range(3)]
    assert kinds(check(thrice, max_reflections=1)) == [("loop", True)]
    assert check(thrice, max_reflections=2) == ()


def test_the_limit_of_a_stored_trace_is_on_its_window(make_span) -> None:
    spans = [make_span("walkway", "window", "root", "", max_reflections=0), make_span("reflect", "node", "n")]
    assert kinds(check(spans)) == [("loop", True)]
    assert check(spans, max_reflections=1) == ()


def test_no_model_call(make_span) -> None:
    agent = make_span("reasoner", "agent", "a", member="mind", model="mind", parse="parsed")
    stranger = make_span("qwen", "model", "m", "other")
    assert kinds(check([agent, stranger], max_reflections=2)) == [("no_model_call", True)]
    assert check([agent, make_span("qwen", "model", "m", "a")], max_reflections=2) == ()


@pytest.mark.parametrize(
    "attributes",
    [
        {"model": "embedded"},
        {},
        {"model": "eye-a", "parse": "recorded"},
        {"model": "mind", "error": "ValueError: before the call"},
    ],
)
def test_agents_that_need_no_model_call(make_span, attributes: dict[str, str]) -> None:
    assert check([make_span("reasoner", "agent", "a", **attributes)], max_reflections=2) == ()


def test_a_failed_model_is_no_answer_but_not_a_missing_call(make_span) -> None:
    spans = [make_span("reasoner", "agent", "a", model="mind", parse="failed")]
    assert kinds(check(spans, max_reflections=2)) == [("no_answer", False)]


def test_tool_error_names_the_agent(make_span) -> None:
    spans = [
        make_span("zoom", "tool", "t", "a", error="ToolError: no such region"),
        make_span("context", "tool", "u", "a"),
        make_span("reflector", "agent", "a"),
    ]
    found = check(spans, max_reflections=2)
    assert kinds(found) == [("tool_error", False)]
    assert (found[0].agent, found[0].text) == ("reflector", "tool zoom failed: ToolError: no such region")


def test_node_error(make_span) -> None:
    spans = [make_span("plates", "node", "n1", error="ValueError: x"), make_span("plates", "node", "n2")]
    found = check(spans, max_reflections=2)
    assert kinds(found) == [("node_error", False)]
    assert found[0].text == "node plates failed: ValueError: x"


def test_self_check_sees_its_own_unfinished_trace(database: Path) -> None:
    with tracing.start(database), tracing.span("walkway", "window"):
        with tracing.span("reason", "node"), tracing.span("reasoner", "agent", model="mind", parse="parsed"):
            tracing.set(unknown_rules=1)
        with tracing.span("self_check", "node"):
            found = check(tracing.finished(tracing.current_trace_id()), max_reflections=2)
    assert kinds(found) == [("unknown_rule", True), ("no_model_call", True)]
