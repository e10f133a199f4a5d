"""Tracing: OpenTelemetry spans with the GenAI semantic conventions, one tree per window.

    with tracing.start(workspace / "traces.db"):
        with tracing.span("walkway", "window", case=case_id):
            with tracing.span("reason", "node"), tracing.span("reasoner", "agent", member="mind"):
                tracing.set(parse="parsed", input_tokens=310)

With nothing started, everything here does nothing. Attribute names without a dot are our own and go under `alarm.`;
a few short names (`CONVENTIONAL`) stand for attributes of the GenAI conventions; names with a dot are taken as they
are. Spans nest by context variables, through asyncio tasks and `asyncio.to_thread` (not `ThreadPoolExecutor.submit`).
Prompts, answers and pictures are never put into spans here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
    use_span,
)

from alarm_agents.errors import ConfigurationError
from alarm_agents.observability.exporter import SqliteSpanExporter
from alarm_agents.observability.store import (
    KEEP_QUIET,
    KEEP_SPANS,
    MAX_ATTRIBUTES,
    MAX_TEXT,
    OPERATIONS,
    Kind,
    SpanRecord,
    Value,
    bounded,
    record,
    text,
)

__all__ = [
    "CONVENTIONAL",
    "Kind",
    "SpanRecord",
    "Tracing",
    "current_span_id",
    "current_trace_id",
    "finished",
    "forget",
    "resume",
    "set",
    "span",
    "start",
]

CONVENTIONAL = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "finish_reasons": "gen_ai.response.finish_reasons",
    "provider": "gen_ai.provider.name",
    "response_model": "gen_ai.response.model",
    "seed": "gen_ai.request.seed",
    "temperature": "gen_ai.request.temperature",
}
"""Short names for attributes of the GenAI semantic conventions."""

_NAMED = {"agent": "gen_ai.agent.name", "model": "gen_ai.request.model", "tool": "gen_ai.tool.name"}
_MAX_MESSAGE = 200
_LIVE_TRACES, _LIVE_SPANS = 256, 256
_OTLP_GRACE = 5.0
"""Seconds that `close` gives a collector which does not answer."""

_log = logging.getLogger(__name__)
_started: list[Tracing] = []


class Tracing:
    """Tracing that was started; `close` it, or use it as a context manager. The latest one started is in use."""

    def __init__(self, exporter: SqliteSpanExporter, otlp: SpanExporter | None, provider: TracerProvider) -> None:
        self._exporter, self._otlp, self._provider = exporter, otlp, provider
        self._live, self._overflowed = _LiveSpans(), 0
        collector = BatchSpanProcessor(otlp) if otlp is not None else None  # first: it refuses bad OTEL_BSP_* values
        provider.add_span_processor(self._live)
        # The values are our own: OTEL_BSP_* is meant for the collector, and a second lets other processes look on.
        provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=8192, schedule_delay_millis=1000, max_export_batch_size=512)
        )
        if collector is not None:
            provider.add_span_processor(collector)
        self._tracer = provider.get_tracer("alarm_agents")

    @property
    def dropped(self) -> int:
        """How many spans the local store has lost: not writable, and, known once closed, too many at a time."""
        return self._exporter.dropped + self._overflowed

    def flush(self) -> None:
        """Write out all finished spans now."""
        self._provider.force_flush()

    def close(self) -> None:
        """Write out what is finished and stop; safe to call twice. Waits some seconds for a dead collector."""
        if self in _started:
            _started.remove(self)
        timer = threading.Timer(_OTLP_GRACE, self._otlp.shutdown) if self._otlp else None
        if timer:
            timer.daemon = True
            timer.start()
        self._provider.shutdown()
        if timer:
            timer.cancel()
        self._overflowed = self._live.ended - self._exporter.seen

    def __enter__(self) -> Tracing:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()


def start(path: Path, *, keep_spans: int = KEEP_SPANS, keep_quiet: int = KEEP_QUIET) -> Tracing:
    """Begin to trace into the SQLite file `path`, and to an OTLP endpoint where the usual OTEL_* variables name one.

    The provider is our own: the process's global one is neither used nor changed. With OTEL_SDK_DISABLED=true
    nothing is traced. Raises `ConfigurationError` when an OTEL_* variable has an unusable value; an unusable `path`
    is no error, see `SqliteSpanExporter`.
    """
    try:
        # The environment (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) goes before our name.
        resource = Resource.create({"service.name": "alarm-agents"}).merge(OTELResourceDetector().detect())
        limits = SpanLimits(max_span_attributes=MAX_ATTRIBUTES + 16, max_span_attribute_length=MAX_TEXT)
        provider = TracerProvider(resource=resource, id_generator=_WindowIds(), span_limits=limits)
        exporter = SqliteSpanExporter(path, keep=keep_spans, keep_quiet=keep_quiet)
        tracing = Tracing(exporter, _otlp_exporter(), provider)
    except ValueError as error:
        raise ConfigurationError(
            f"tracing cannot be set up ({error})", where="environment", remedy="mend or unset the OTEL_* variable"
        ) from error
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
        _started.append(tracing)
    return tracing


def _otlp_exporter() -> SpanExporter | None:
    environ = os.environ
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint or environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    if protocol not in ("", "http/protobuf"):
        _log.warning("spans are sent by http/protobuf, not by %s as OTEL_EXPORTER_OTLP_PROTOCOL asks", protocol)
    # Imported late: most runs have no collector, and it costs every start.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


class _WindowIds(IdGenerator):
    """Random ids; a root span's is the first half of its trace's, so that a trace id is enough to `resume`.

    Not OpenTelemetry's own generator: that draws from `random`, so that runs seeded alike would share trace ids and
    tracing would disturb what the seed is for. Ours is seeded by the operating system (asking that for each id took
    longer than all else about a span).
    """

    def __init__(self) -> None:
        self._local, self._random = threading.local(), random.Random()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._random.seed)

    def generate_trace_id(self) -> int:
        # The SDK asks for a trace id for roots only, and next, in the same thread, for that span's id.
        self._local.root = self.generate_span_id()
        return int(self._local.root) << 64 | self._random.getrandbits(64)

    def generate_span_id(self) -> int:
        root: int = self._local.__dict__.pop("root", 0)
        while not root:
            root = self._random.getrandbits(64)
        return root

    def is_trace_id_random(self) -> bool:
        return True


class _LiveSpans(SpanProcessor):
    """The finished spans of traces still at work, for `finished`; both counts bounded, the oldest trace goes first.

    A trace is opened by its first span without a parent in this process, so that what ends after `forget` (the
    window itself, for one) is not kept again. Within a trace the first spans are kept rather than the last: children
    end before their parents, so a parent that is kept has its children.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traces: OrderedDict[int, list[SpanRecord]] = OrderedDict()
        self.ended = 0

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:  # noqa: ARG002
        if span.parent is None or span.parent.is_remote:
            with self._lock:
                self._traces.setdefault(span.get_span_context().trace_id, [])
                while len(self._traces) > _LIVE_TRACES:
                    self._traces.popitem(last=False)

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        finished = record(span)
        with self._lock:
            self.ended += 1
            kept = self._traces.get(context.trace_id) if context else None
            if kept is not None and len(kept) < _LIVE_SPANS:
                kept.append(finished)

    def finished(self, trace_id: int) -> list[SpanRecord]:
        with self._lock:
            return list(self._traces.get(trace_id, ()))

    def forget(self, trace_id: int) -> None:
        with self._lock:
            self._traces.pop(trace_id, None)


@contextmanager
def span(name: str, kind: Kind, **attributes: object) -> Iterator[Span]:
    """Open a span around the block, a child of the current one; a window begins a trace, unless in `resume`.

    An exception marks it as an error (`error.type`, a message of at most 200 characters) and goes on its way;
    LangGraph's interrupts are none, they set `alarm.interrupt`. For the kinds agent, model and tool `name` is also
    the conventional attribute (`gen_ai.agent.name`, `gen_ai.request.model`, `gen_ai.tool.name`).
    """
    tracer = _tracer()
    if tracer is None:
        yield INVALID_SPAN
        return
    operation, around = OPERATIONS.get(kind), get_current_span().get_span_context()
    named = {_NAMED[kind]: name} if kind in _NAMED else {}
    # One tree a window: a span of the application around us is linked to, not joined.
    root = kind == "window" and not around.is_remote
    opened = tracer.start_span(
        text(f"{operation} {name}" if operation else name),
        context=Context() if root else None,
        links=[Link(around)] if root and around.is_valid else None,
        kind=SpanKind.CLIENT if kind == "model" else SpanKind.INTERNAL,
        attributes=_named({"kind": kind, "gen_ai.operation.name": operation, **named, **attributes}),
    )
    # By hand: `start_as_current_span` takes twice as long, and would record exceptions with their stack traces, which
    # are kilobytes, and content.
    token = attach(set_span_in_context(opened))
    try:
        yield opened
    except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
        _mark(opened, error)
        raise
    finally:
        detach(token)
        opened.end()


def set(**attributes: object) -> None:
    """Set attributes on the current span; None values are left out."""
    if _started:
        get_current_span().set_attributes(_named(attributes))


def current_trace_id() -> str:
    """Return the current trace's id, 32 hexadecimal digits; empty where nothing is traced."""
    context = _current()
    return format_trace_id(context.trace_id) if context else ""


def current_span_id() -> str:
    """Return the current span's id, 16 hexadecimal digits; empty where nothing is traced."""
    context = _current()
    return format_span_id(context.span_id) if context else ""


@contextmanager
def resume(trace_id: str, span_id: str = "") -> Iterator[None]:
    """Spans in the block go on in the trace `trace_id`, under its span `span_id` (its window span if not given).

    This is how a case that one process handed to a person is carried on by another. Without a usable id (the case
    was not traced) the block's spans begin a trace of their own.
    """
    context = _parent(trace_id, span_id or trace_id[:16])
    if not _started or not context.is_valid:
        yield
        return
    with use_span(NonRecordingSpan(context), record_exception=False, set_status_on_exception=False):
        yield


def finished(trace_id: str) -> list[SpanRecord]:
    """Return the finished spans of a trace that this process still works on, in the order they ended.

    Holds the first 256 spans of each of the latest 256 traces, until `forget`. After `resume` these are the spans
    since then.
    """
    return _started[-1]._live.finished(_number(trace_id)) if _started else []


def forget(trace_id: str) -> None:
    """Let go of what `finished` keeps of a trace: to be called when its window is done, or waits for a person."""
    if _started:
        _started[-1]._live.forget(_number(trace_id))


def _tracer() -> Tracer | None:
    return _started[-1]._tracer if _started else None


def _current() -> SpanContext | None:
    context = get_current_span().get_span_context()
    return context if _started and context.is_valid and context.trace_flags.sampled else None


def _number(identifier: str) -> int:
    try:
        return int(identifier, 16)
    except ValueError:
        return 0


def _parent(trace_id: str, span_id: str) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(_number(trace_id), _number(span_id), is_remote=True, trace_flags=flags)


def _named(attributes: Mapping[str, object]) -> dict[str, Value]:
    return bounded({_full(name): value for name, value in attributes.items()})


def _full(name: str) -> str:
    return name if "." in name else CONVENTIONAL.get(name, f"alarm.{name}")


def _mark(opened: Span, error: BaseException) -> None:
    # Looked up rather than imported: langgraph takes a second to import, and if nobody has, this is none of its errors.
    errors = sys.modules.get("langgraph.errors")
    if errors is not None and isinstance(error, errors.GraphBubbleUp):
        opened.set_attribute("alarm.interrupt", True)
        return
    kind = type(error).__qualname__
    opened.set_attribute("error.type", text(kind, _MAX_MESSAGE))
    message = " ".join(str(error).split())
    opened.set_status(StatusCode.ERROR, text(f"{kind}: {message}" if message else kind, _MAX_MESSAGE))
