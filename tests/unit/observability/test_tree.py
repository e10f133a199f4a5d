"""The tree a person sees: complete, in order, and harmless whatever the spans hold."""

from __future__ import annotations

import io
import random

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.tree import Tree

from alarm_agents.observability.store import SpanRecord
from alarm_agents.observability.tree import clean, render

HOSTILE = (
    "[bold red]x[/] [link=http://evil]y[/link] \x1b[2J\x1b]0;title\x07 \u202egnp.exe\u200b [/nothing] \r\nline\ud800"
)


def shown(tree: Tree, *, colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=300, force_terminal=colour, color_system="truecolor" if colour else None
    )
    console.print(tree)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_tree_of_a_window(make_span) -> None:
    spans = [
        make_span("Qwen3-8B", "model", "m", "a", start=0.021, seconds=0.5, **{"gen_ai.usage.input_tokens": 310}),
        make_span("walkway", "window", "r", "", seconds=1.5, decision="defer", label="anomalous", case="c1"),
        make_span("reason", "node", "n", "r", start=0.01, round=0),
        make_span("gate", "node", "g", "r", start=0.001),
        make_span("reasoner", "agent", "a", "n", start=0.02, p_anomaly=0.87123456, rules=["w-1@2", "w-3@1"]),
        make_span("zoom", "tool", "t", "n", start=0.6, error="ToolError: no such region"),
        make_span("hand_off", "node", "h", "r", start=0.7, interrupt=True),
    ]
    lines = shown(render(spans)).splitlines()
    assert [line.split("─ ")[-1].split("  ")[0] for line in lines] == [
        "window walkway",
        "node gate",
        "node reason",
        "agent reasoner",
        "model Qwen3-8B",
        "tool zoom",
        "node hand_off",
    ]
    assert "1500.0 ms  defer  anomalous  case=c1" in lines[0]
    assert "p_anomaly=0.8712 rules=w-1@2,w-3@1" in lines[3]
    assert "500.0 ms  tokens=310>?" in lines[4]
    assert "ToolError: no such region" in lines[5]
    assert "[waits for a person]" in lines[6]
    assert lines[4].index("model") > lines[3].index("agent") > lines[2].index("node")


def test_errors_are_red(make_span) -> None:
    text = shown(render([make_span("zoom", "tool", "t", "", error="ToolError: no")]), colour=True)
    assert "\x1b[1;31m  ToolError: no" in text


def test_hostile_text_is_shown_as_text(make_span) -> None:
    spans = [
        make_span(HOSTILE, "window", "r", "", error=HOSTILE, decision=HOSTILE, trace_id=HOSTILE),
        make_span(
            "n", "node", "n", "r", **{HOSTILE: HOSTILE, "items": [HOSTILE], "gen_ai.usage.input_tokens": HOSTILE}
        ),
    ]
    for tree in (render(spans), render(spans[1:])):
        text = shown(tree)
        assert "[bold red]x[/]" in text
        assert not any(character in text for character in "\x1b\x07\r\u202e\u200b\ud800")
        assert len(text.splitlines()) == 2


def test_orphans_are_under_the_root_and_marked(make_span) -> None:
    spans = [
        make_span("walkway", "window", "r", ""),
        make_span("zoom", "tool", "t", "gone", start=1),
        make_span("model", "model", "m", "t", start=2),
    ]
    lines = shown(render(spans)).splitlines()
    assert len(lines) == 3
    assert "[its parent is missing]" in lines[1]
    assert "missing" not in lines[2]


def test_a_window_that_was_killed_has_no_root(make_span) -> None:
    spans = [make_span("gate", "node", "g", "r"), make_span("reason", "node", "n", "r", start=1)]
    lines = shown(render(spans)).splitlines()
    assert lines[0] == f"trace {'ab' * 16}"
    assert ["gate" in lines[1], "reason" in lines[2]] == [True, True]


def test_nothing_to_show() -> None:
    assert shown(render([])).strip() == "no spans"


def test_clean_keeps_one_short_line() -> None:
    assert clean("a\nb\tc") == "a b c"
    assert len(clean("x" * 1000)) == 80


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15), st.randoms(use_true_random=False))
def test_every_span_is_shown_once_whatever_the_parents(links: list[tuple[int, int]], order: random.Random) -> None:
    """Also with cycles, spans that are their own parents and several roots."""
    parents = dict(links)
    spans = [
        SpanRecord(trace_id="t", span_id=f"{one}", parent_id=f"{parent}" if parent else "", name=f"<{one}>",
                   kind="node", start=0, seconds=0)
        for one, parent in parents.items()
    ]  # fmt: skip
    order.shuffle(spans)
    text = shown(render(spans))
    assert all(text.count(f"<{one}>") == 1 for one in parents)
