"""Watching the agents themselves: invariants over the spans of one window (LumiMAS layer 2, its beginning).

Each invariant is a small function over the finished spans, that yields what breaks it. They are checked while the
window is still at work (node `self_check`), when neither its root span nor the running node is finished: nothing
here relies on either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from alarm_agents.observability.store import SpanRecord
from alarm_agents.types import Parse, TraceAnomaly

Invariant = Callable[[Sequence[SpanRecord], int | None], Iterator[TraceAnomaly]]

_NO_ANSWER = {str(parse) for parse in Parse if not parse.usable}
# A perception read from a recording names the model that made it, which is not asked again; one that FAILED need not
# have reached its model (circuit breaker) and claims no answer.
_NEEDS_NO_CALL = {Parse.EMBEDDED.value, Parse.RECORDED.value, Parse.FAILED.value}


def check(spans: Sequence[SpanRecord], *, max_reflections: int | None = None) -> tuple[TraceAnomaly, ...]:
    """Return what is wrong with a window's `spans`, by all `INVARIANTS`; empty when nothing is.

    Without `max_reflections` the limit is `alarm.max_reflections` of the window span, where that is among `spans`
    (a stored trace); with neither, loops are not looked for.
    """
    if max_reflections is None:
        windows = (span.attributes for span in spans if span.kind == "window")
        limits = [given for given in (window.get("alarm.max_reflections") for window in windows) if given is not None]
        max_reflections = _count(limits[0]) if limits else None
    return tuple(anomaly for invariant in INVARIANTS for anomaly in invariant(spans, max_reflections))


def no_answer(spans: Sequence[SpanRecord], _: int | None) -> Iterator[TraceAnomaly]:
    """Yield agents that gave no usable answer."""
    for span in _of(spans, "agent"):
        parse = span.attributes.get("alarm.parse")
        if parse in _NO_ANSWER:
            yield _anomaly("no_answer", span, f"{_who(span)} gave no usable answer ({parse})")


def unknown_rule(spans: Sequence[SpanRecord], _: int | None) -> Iterator[TraceAnomaly]:
    """Yield agents that cited rules which they had not been given."""
    for span in _of(spans, "agent"):
        count = _count(span.attributes.get("alarm.unknown_rules"))
        if count:
            rules = "a rule" if count == 1 else f"{count} rules"
            yield _anomaly("unknown_rule", span, f"{_who(span)} cited {rules} it was not given", severe=True)


def loop(spans: Sequence[SpanRecord], max_reflections: int | None) -> Iterator[TraceAnomaly]:
    """Yield nodes that went round more often than they may: reflected too often, or reasoned so.

    Counted by member, since a node may run once for each in parallel; runs that failed (and were tried again) or
    were interrupted are not counted.
    """
    if max_reflections is None:
        return
    limits = {"reflect": max_reflections, "reason": max_reflections + 1}
    runs: Counter[tuple[str, str]] = Counter()
    for span in _of(spans, "node"):
        limit = limits.get(span.name)
        if limit is None or span.error or span.attributes.get("alarm.interrupt"):
            continue
        key = (span.name, str(span.attributes.get("alarm.member", "")))
        runs[key] += 1
        if runs[key] == limit + 1:
            yield _anomaly("loop", span, f"{_who(span)} ran more often than {limit} times", severe=True)


def no_model_call(spans: Sequence[SpanRecord], _: int | None) -> Iterator[TraceAnomaly]:
    """Yield agents made of a model that answered without calling one."""
    callers = {span.parent_id for span in _of(spans, "model")}
    for span in _of(spans, "agent"):
        model = str(span.attributes.get("alarm.model") or "embedded")
        exempt = model == "embedded" or span.attributes.get("alarm.parse") in _NEEDS_NO_CALL
        if not exempt and not span.error and span.span_id not in callers:
            text = f"{_who(span)} should ask model {model}, but answered without calling it"
            yield _anomaly("no_model_call", span, text, severe=True)


def tool_error(spans: Sequence[SpanRecord], _: int | None) -> Iterator[TraceAnomaly]:
    """Yield tools that failed, laid at the door of the agent that called them."""
    by_id = {span.span_id: span for span in spans}
    for span in _of(spans, "tool"):
        if span.error:
            caller = by_id.get(span.parent_id)
            agent = _agent(caller) if caller is not None else ""
            text = f"tool {span.name} failed: {span.error}"
            yield TraceAnomaly(kind="tool_error", agent=agent, text=text, span=span.span_id)


def node_error(spans: Sequence[SpanRecord], _: int | None) -> Iterator[TraceAnomaly]:
    """Yield nodes that failed although the run went on (tried again, or the graph went another way)."""
    for span in _of(spans, "node"):
        if span.error:
            yield _anomaly("node_error", span, f"node {_who(span)} failed: {span.error}")


def injection(spans: Sequence[SpanRecord], _: int | None) -> Iterator[TraceAnomaly]:
    """Yield agents that were given, or gave, text which reads like an instruction to the system."""
    for span in _of(spans, "agent"):
        if _count(span.attributes.get("alarm.instructions")):
            text = f"what {_who(span)} read tells the system what to do"
            yield _anomaly("injection", span, text, severe=True)


INVARIANTS: tuple[Invariant, ...] = (no_answer, unknown_rule, loop, no_model_call, tool_error, node_error, injection)
"""What `check` looks for, in this order."""


def _of(spans: Sequence[SpanRecord], kind: str) -> Iterator[SpanRecord]:
    return (span for span in spans if span.kind == kind)


def _agent(span: SpanRecord) -> str:
    return str(span.attributes.get("gen_ai.agent.name", span.name)) if span.kind == "agent" else ""


def _who(span: SpanRecord) -> str:
    name, member = _agent(span) or span.name, span.attributes.get("alarm.member")
    return f"{name} {member}" if member else name


def _count(value: Any) -> int:
    """How many `value` says: a number, or the length of a list; 0 for anything else."""
    if isinstance(value, list):
        return len(value)
    return int(value) if isinstance(value, int | float) else 0


def _anomaly(kind: str, span: SpanRecord, text: str, *, severe: bool = False) -> TraceAnomaly:
    return TraceAnomaly(kind=kind, agent=_agent(span), text=text, span=span.span_id, severe=severe)
