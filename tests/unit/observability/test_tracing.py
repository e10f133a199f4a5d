"""Spans: how they nest, what they record of errors and attributes, and how a trace goes on elsewhere."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.errors import GraphInterrupt
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from typing_extensions import TypedDict

from alarm_agents.errors import ModelError
from alarm_agents.observability import tracing
from alarm_agents.observability.store import SpanRecord, SpanStore, record


def stored(database: Path, trace_id: str) -> dict[str, SpanRecord]:
    """The spans of a trace by name, read back from the file."""
    return {span.name: span for span in SpanStore(database).trace(trace_id)}


def one(database: Path, **attributes: object) -> SpanRecord:
    """A window span with `attributes`, as it ends up in the store."""
    with tracing.start(database), tracing.span("window", "window", **attributes):
        trace_id = tracing.current_trace_id()
    return SpanStore(database).trace(trace_id)[0]


def test_without_tracing_everything_is_a_no_op() -> None:
    with tracing.span("window", "window", case="c") as span, tracing.resume("ab" * 16, "cd" * 8):
        tracing.set(decision="accept")
        assert not span.is_recording()
        assert tracing.current_trace_id() == tracing.current_span_id() == ""
    assert tracing.finished("ab" * 16) == []
    tracing.forget("ab" * 16)


def test_spans_nest_across_tasks_and_threads(database: Path) -> None:
    def call(name: str) -> None:
        with tracing.span(name, "model", input_tokens=7):
            pass

    async def member(name: str) -> None:
        with tracing.span(name, "agent", member=name):
            await asyncio.to_thread(call, f"model-{name}")

    async def window() -> str:
        with tracing.span("window", "window"):
            with tracing.span("perceive", "node"):
                await asyncio.gather(*(member(f"eye-{letter}") for letter in "abc"))
            return tracing.current_trace_id()

    with tracing.start(database):
        trace_id = asyncio.run(window())
    spans = stored(database, trace_id)
    assert len(spans) == 8
    assert spans["window"].parent_id == ""
    assert spans["perceive"].parent_id == spans["window"].span_id
    for letter in "abc":
        agent, model = spans[f"eye-{letter}"], spans[f"model-eye-{letter}"]
        assert agent.parent_id == spans["perceive"].span_id
        assert model.parent_id == agent.span_id
        assert model.attributes["gen_ai.usage.input_tokens"] == 7
        assert model.start >= agent.start
        assert model.seconds <= agent.seconds


def test_each_window_is_a_trace_of_its_own(traced: tracing.Tracing) -> None:
    ids = []
    for _ in range(2):
        with tracing.span("window", "window"):
            ids.append(tracing.current_trace_id())
            with tracing.span("window", "window"):  # even inside another, or an application's own span
                ids.append(tracing.current_trace_id())
    assert len(set(ids)) == 4
    assert all(len(trace_id) == 32 for trace_id in ids)


def test_an_application_around_us_is_linked_to_not_joined(traced: tracing.Tracing) -> None:
    host = TracerProvider().get_tracer("host")
    with host.start_as_current_span("request") as around, tracing.span("window", "window") as span:
        theirs = around.get_span_context()
        assert tracing.current_trace_id() != otel.format_trace_id(theirs.trace_id)
        assert isinstance(span, ReadableSpan)
        assert [link.context.trace_id for link in span.links] == [theirs.trace_id]


def test_the_global_provider_is_left_alone(traced: tracing.Tracing) -> None:
    assert not isinstance(otel.get_tracer_provider(), TracerProvider)


def test_ids_do_not_depend_on_the_seed_and_leave_it_alone(traced: tracing.Tracing) -> None:
    ids, drawn = [], []
    for _ in range(2):
        random.seed(0)
        with tracing.span("window", "window"), tracing.span("gate", "node"):
            ids.append((tracing.current_trace_id(), tracing.current_span_id()))
        drawn.append(random.random())
    assert ids[0] != ids[1]
    assert drawn[0] == drawn[1]


def test_conventional_names_and_attributes(database: Path) -> None:
    with tracing.start(database) as started, tracing.span("walkway", "window", case="c1", decision=None) as window:
        assert isinstance(window, ReadableSpan)
        assert window.name == "invoke_workflow walkway"
        trace_id = tracing.current_trace_id()
        with tracing.span("reasoner", "agent", member="mind") as agent:
            assert isinstance(agent, ReadableSpan)
            assert agent.name == "invoke_agent reasoner"
        with tracing.span("qwen3", "model") as model:
            tracing.set(output_tokens=3, **{"gen_ai.request.max_tokens": 9})
            assert isinstance(model, ReadableSpan)
            assert model.kind is otel.SpanKind.CLIENT
        with tracing.span("zoom", "tool"):
            pass
        started.flush()
    spans = stored(database, trace_id)
    assert spans["walkway"].attributes == {"gen_ai.operation.name": "invoke_workflow", "alarm.case": "c1"}
    assert spans["reasoner"].attributes["gen_ai.agent.name"] == "reasoner"
    assert spans["reasoner"].attributes["alarm.member"] == "mind"
    assert spans["qwen3"].attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "qwen3",
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.request.max_tokens": 9,
    }
    assert spans["zoom"].attributes == {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "zoom"}
    assert {span.kind for span in spans.values()} == {"window", "agent", "model", "tool"}


def test_an_error_is_typed_short_and_goes_on(database: Path) -> None:
    with tracing.start(database), tracing.span("window", "window"):
        trace_id = tracing.current_trace_id()
        with pytest.raises(ModelError), tracing.span("qwen3", "model"):
            raise ModelError("no answer\n" + "x" * 1000, where="eye-a")
    spans = stored(database, trace_id)
    assert spans["qwen3"].attributes["error.type"] == "ModelError"
    assert spans["qwen3"].error.startswith("ModelError: eye-a: no answer xxx")
    assert len(spans["qwen3"].error) == 200
    assert spans["window"].error == ""


async def test_a_cancelled_call_is_an_error(traced: tracing.Tracing) -> None:
    async def call() -> None:
        with tracing.span("qwen3", "model"):
            await asyncio.Event().wait()

    with tracing.span("window", "window"):
        trace_id = tracing.current_trace_id()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(), timeout=0.001)
    assert next(span.error for span in tracing.finished(trace_id) if span.kind == "model") == "CancelledError"


def test_leaving_a_generator_early_is_no_error(traced: tracing.Tracing) -> None:
    def windows():
        with tracing.span("window", "window"):
            yield tracing.current_trace_id()

    running = windows()
    trace_id = next(running)
    running.close()
    assert [span.error for span in tracing.finished(trace_id)] == [""]


def test_an_interrupt_is_no_error(traced: tracing.Tracing) -> None:
    trace_id = "ab" * 16
    with (
        tracing.resume(trace_id),
        pytest.raises(GraphInterrupt),
        tracing.span("w", "window"),
        tracing.span("h", "node"),
    ):
        raise GraphInterrupt(())
    assert len(tracing.finished(trace_id)) == 2
    for span in tracing.finished(trace_id):
        assert span.error == ""
        assert span.attributes["alarm.interrupt"] is True
        assert "error.type" not in span.attributes


def test_a_real_graph_nests_under_the_window_and_its_interrupt_is_marked(traced: tracing.Tracing) -> None:
    class State(TypedDict):
        seen: str

    def perceive(state: State) -> dict[str, str]:
        with tracing.span("perceive", "node"):
            return {"seen": "a bicycle"}

    def hand_off(state: State) -> dict[str, str]:
        with tracing.span("hand_off", "node"):
            return {"seen": interrupt("is this normal?")}

    from langgraph.checkpoint.memory import InMemorySaver

    builder = StateGraph(State).add_node("perceive", perceive).add_node("hand_off", hand_off)
    builder.add_edge(START, "perceive").add_edge("perceive", "hand_off").add_edge("hand_off", END)
    graph = builder.compile(checkpointer=InMemorySaver())
    with tracing.span("window", "window"):
        trace_id, window = tracing.current_trace_id(), tracing.current_span_id()
        result = graph.invoke({"seen": ""}, {"configurable": {"thread_id": "1"}})
    assert "__interrupt__" in result
    spans = {span.name: span for span in tracing.finished(trace_id)}
    assert spans["perceive"].parent_id == spans["hand_off"].parent_id == window
    assert spans["hand_off"].attributes["alarm.interrupt"] is True
    assert spans["hand_off"].error == spans["window"].error == ""


class Colour(StrEnum):
    RED = "red"


def test_attributes_are_bounded_and_plain(database: Path) -> None:
    span = one(
        database,
        long="x" * 10_000,
        pixels=b"\x00" * 4096,
        buffer=bytearray(3),
        picture=np.zeros((4, 4)),
        score=np.float32(0.5),
        fired=np.bool_(True),
        count=np.int64(3),
        huge=2**80,
        colour=Colour.RED,
        path=Path("a/b"),
        nan=float("nan"),
        rules=[f"rule-{number}" * 40 for number in range(100)],
        facts={"secret": "content"},
        broken="\ud800 half a character",
        none=None,
    )
    got = {key.removeprefix("alarm."): value for key, value in span.attributes.items()}
    assert len(got["long"]) == 512
    assert got["pixels"] == "<4096 bytes>"
    assert got["buffer"] == "<3 bytes>"
    assert got["picture"] == "<ndarray>"
    assert (got["score"], got["fired"], got["count"], got["colour"], got["path"]) == (0.5, True, 3, "red", "a/b")
    assert got["huge"] == "<81 bits>"
    assert got["nan"] == "nan"
    assert len(got["rules"]) == 16
    assert max(map(len, got["rules"])) == 128
    assert got["facts"] == "<dict>"
    assert got["broken"] == "? half a character"
    assert "none" not in got
    json.dumps(got, allow_nan=False)


def test_the_number_of_attributes_is_bounded(database: Path) -> None:
    span = one(database, **{f"a{number}": number for number in range(500)})
    assert len(span.attributes) <= 48
    assert span.kind == "window"


@given(st.dictionaries(st.text(max_size=8), st.one_of(st.text(), st.binary(), st.integers(), st.floats())))
def test_any_attributes_can_be_stored(values: dict[str, object]) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer("t").start_span("s", attributes=values)  # type: ignore[arg-type]
    span.end()
    kept = record(span)  # type: ignore[arg-type]
    assert json.loads(json.dumps(kept.attributes, allow_nan=False)) == kept.attributes
    kept.model_dump_json()


def test_resume_goes_on_in_the_same_trace_in_another_process(database: Path) -> None:
    with tracing.start(database), tracing.span("window", "window", case="c1"):
        trace_id, span_id = tracing.current_trace_id(), tracing.current_span_id()
    code = f"""
from pathlib import Path
from alarm_agents.observability import tracing
with tracing.start(Path({str(database)!r})), tracing.resume({trace_id!r}):
    with tracing.span("conclude", "node", label="normal"):
        assert tracing.current_trace_id() == {trace_id!r}
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    spans = stored(database, trace_id)
    assert spans["window"].span_id == span_id == trace_id[:16]
    assert spans["conclude"].parent_id == span_id


def test_resume_under_a_given_span_and_a_second_window_part(traced: tracing.Tracing) -> None:
    with tracing.resume("ab" * 16, "cd" * 8), tracing.span("resumed", "window"):
        assert tracing.current_trace_id() == "ab" * 16
        with tracing.span("conclude", "node"):
            pass
    spans = {span.name: span for span in tracing.finished("ab" * 16)}
    assert spans["resumed"].parent_id == "cd" * 8
    assert spans["conclude"].parent_id == spans["resumed"].span_id


@pytest.mark.parametrize("trace_id", ["", "not an id", "0" * 32, "-1"])
def test_resume_without_a_usable_id_begins_a_trace(traced: tracing.Tracing, trace_id: str) -> None:
    with tracing.resume(trace_id), tracing.span("conclude", "node"):
        assert len(tracing.current_trace_id()) == 32


def test_finished_shows_an_unfinished_trace_until_forgotten(traced: tracing.Tracing) -> None:
    with tracing.span("window", "window"):
        trace_id = tracing.current_trace_id()
        with tracing.span("gate", "node", decision="pass"):
            pass
        with tracing.span("self_check", "node"):
            assert [span.name for span in tracing.finished(trace_id)] == ["gate"]
            assert tracing.finished(trace_id)[0].attributes["alarm.decision"] == "pass"
        tracing.forget(trace_id)
        with tracing.span("conclude", "node"):
            pass
    assert tracing.finished(trace_id) == []  # what ended after `forget` is not kept again


def test_finished_is_bounded(traced: tracing.Tracing) -> None:
    ids = []
    for _ in range(300):
        with tracing.span("window", "window"):
            ids.append(tracing.current_trace_id())
    assert sum(bool(tracing.finished(trace_id)) for trace_id in ids) == 256
    assert not tracing.finished(ids[0])
    assert tracing.finished(ids[-1])
    with tracing.span("window", "window"):
        trace_id = tracing.current_trace_id()
        for number in range(300):
            with tracing.span(f"n{number}", "node"):
                pass
    names = [span.name for span in tracing.finished(trace_id)]
    assert len(names) == 256
    assert names[0] == "n0"


def test_sdk_disabled_traces_nothing(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with tracing.start(database), tracing.span("window", "window") as span:
        assert not span.is_recording()
        assert tracing.current_trace_id() == ""
    assert not database.exists()


def test_the_service_name_is_ours_unless_the_environment_says(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tracing.start(database), tracing.span("window", "window") as span:
        assert isinstance(span, ReadableSpan)
        assert span.resource.attributes["service.name"] == "alarm-agents"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "gate-7")
    with tracing.start(database), tracing.span("window", "window") as span:
        assert isinstance(span, ReadableSpan)
        assert span.resource.attributes["service.name"] == "gate-7"


def test_closing_the_latest_brings_back_the_one_before(tmp_path: Path) -> None:
    with tracing.start(tmp_path / "a.db"):
        second = tracing.start(tmp_path / "b.db")
        second.close()
        second.close()
        with tracing.span("window", "window"):
            trace_id = tracing.current_trace_id()
    assert SpanStore(tmp_path / "a.db").trace(trace_id)
