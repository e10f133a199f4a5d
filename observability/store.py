"""The local span store: finished spans in `traces.db` (SQLite), so that a trace can be read without a collector.

A monitor writes here through `SqliteSpanExporter`, in the background thread of OpenTelemetry's batch processor.
Traces explain the monitor's work but are not needed for it: whatever is wrong with the database, the exporter drops
spans and counts them, and the monitor goes on.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast, get_args
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id
from pydantic import Field
from sqlalchemy.schema import CreateIndex, CreateTable

from alarm_agents.errors import WorkspaceError
from alarm_agents.types import Record

Kind = Literal["window", "node", "agent", "model", "tool", "memory"]
Value = str | bool | int | float | list[str | bool | int | float]

OPERATIONS: dict[str, str] = {
    "window": "invoke_workflow",
    "agent": "invoke_agent",
    "model": "chat",
    "tool": "execute_tool",
    "memory": "retrieval",
}
"""`gen_ai.operation.name` for each kind of span that the GenAI conventions know; span names begin with it."""

SCHEMA = 2
_MOST_ROWS = 512  # in a statement, a power of two; SQLite takes 32,766 values
KEEP_SPANS = 500_000
"""Spans kept on disk, some 40,000 windows in 150 MB; the oldest go first, or the file would grow for ever."""
KEEP_QUIET = 3_600
"""Windows in which nothing happened (`alarm.quiet` on the window's span) whose traces are kept, some 10 MB: they are
nearly all windows, and look alike. The traces of others stay as long as `KEEP_SPANS` lets them."""

MAX_TEXT, MAX_ITEMS, MAX_ITEM_TEXT, MAX_ATTRIBUTES = 512, 16, 128, 48

_log = logging.getLogger(__name__)


class SpanRecord(Record):
    """One finished span. Times are Unix seconds and seconds; `error` is empty where nothing went wrong."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    """Empty for the root of a trace."""
    name: str
    """The bare name (`reasoner`, `zoom`), without the operation that OpenTelemetry's span name begins with."""
    kind: Kind
    start: float
    seconds: float
    error: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)


class TraceSummary(Record):
    """One window's trace in a line.

    `seconds` is time at work, without the wait for a person; `errors` counts spans. `decision` and `label` are the
    last that a window span of the trace was given, so that a resumed case shows how it ended.
    """

    trace_id: str
    case: str
    scenario: str
    source: str
    start: float
    seconds: float
    spans: int
    errors: int
    decision: str
    label: str


def text(value: str, limit: int = MAX_TEXT) -> str:
    """`value` cut to `limit` characters, and free of lone surrogates, which neither SQLite nor OTLP can encode."""
    plain = str.__str__(value)  # also of a string enumeration's member
    cut = plain if len(plain) <= limit else plain[: limit - 1] + "…"
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode()


def bounded(attributes: Mapping[str, object]) -> dict[str, Value]:
    """`attributes` as small plain values: strings cut, sequences shortened, bytes and objects only named.

    None is left out. Objects other than numbers, strings, paths and sequences of them are named by their type and
    never printed, so that neither pixels nor content get into a span by accident.
    """
    plain = ((text(key, MAX_ITEM_TEXT), _plain(value)) for key, value in attributes.items())
    present = [(key, value) for key, value in plain if value is not None]
    return dict(present[:MAX_ATTRIBUTES])


def _plain(value: object) -> Value | None:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [item for item in (_scalar(each, MAX_ITEM_TEXT) for each in list(value)[:MAX_ITEMS]) if item is not None]
    return _scalar(value, MAX_TEXT)


def _scalar(value: Any, limit: int) -> str | bool | int | float | None:
    if getattr(value, "ndim", None) == 0:  # NumPy's and Torch's scalars
        value = value.item()
    if isinstance(value, str):
        return text(value, limit)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has neither NaN nor infinity
    if isinstance(value, int) and value.bit_length() > 63:
        return f"<{value.bit_length()} bits>"  # more than OTLP takes
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, os.PathLike):
        return text(os.fsdecode(value), limit)
    size = f"{len(value)} bytes" if isinstance(value, bytes | bytearray | memoryview) else type(value).__name__
    return text(f"<{size}>", limit)


_records: WeakKeyDictionary[ReadableSpan, SpanRecord] = WeakKeyDictionary()


def record(span: ReadableSpan) -> SpanRecord:
    """Return the record of a finished OpenTelemetry span; a span still running counts as taking no time.

    It is made once, though a finished span comes twice: to what checks its window, and to what stores it.
    """
    found = _records.get(span)
    if found is None:
        found = _record(span)
        if span.end_time is not None:
            _records[span] = found
    return found


def _record(span: ReadableSpan) -> SpanRecord:
    context, start = span.get_span_context(), span.start_time or 0
    attributes = bounded(span.attributes or {})
    kind = str(attributes.pop("alarm.kind", "node"))
    failed = span.status.status_code is StatusCode.ERROR
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id if context else 0),
        span_id=format_span_id(context.span_id if context else 0),
        parent_id=format_span_id(span.parent.span_id) if span.parent else "",
        name=text(span.name.removeprefix(f"{OPERATIONS.get(kind, '')} ")),
        kind=cast(Kind, kind) if kind in get_args(Kind) else "node",
        start=start / 1e9,
        seconds=max(0, (span.end_time or start) - start) / 1e9,
        error=text(span.status.description or "error") if failed else str(attributes.get("error.type", "")),
        attributes=attributes,
    )


_meta = sa.MetaData()
_spans = sa.Table(
    "spans",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("trace_id", sa.Text, nullable=False),
    sa.Column("span_id", sa.Text, nullable=False),
    sa.Column("parent_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("start", sa.Float, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text),
    sa.Column("attributes", sa.Text, nullable=False),
)
_quiet = sa.Table(
    "quiet",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("trace_id", sa.Text, nullable=False),
)
"""The quiet windows' traces, in the order they ended."""
_indexes = (
    sa.Index("spans_trace", _spans.c.trace_id),
    sa.Index("spans_case", _spans.c.case_id, sqlite_where=_spans.c.case_id.is_not(None)),
)


class SpanStore:
    """Spans in the SQLite file `path`, made with its folder if absent, at most `keep` of them (and a hundredth more).

    Of quiet windows only the latest `keep_quiet` traces are kept. What goes makes room in the file for what comes.
    `wait` is how many seconds a locked database is waited for. Every method, and opening, raises `WorkspaceError`
    when the file cannot be used: not writable, damaged, locked, full, or written by a newer version.
    """

    def __init__(self, path: Path, *, keep: int = KEEP_SPANS, keep_quiet: int = KEEP_QUIET, wait: float = 2.0) -> None:
        self.path, self._keep, self._keep_quiet = path, keep, keep_quiet
        self._full_at = 0
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": wait, "check_same_thread": False}
        )
        sa.event.listen(self._engine, "connect", _configure)
        try:
            with self._usable():
                path.parent.mkdir(parents=True, exist_ok=True)
                self._prepare()
                self._file = _identity(path)
        except WorkspaceError:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._engine.begin() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version > SCHEMA:
                raise WorkspaceError(
                    f"the traces were written by a newer version of alarm-agents (schema {version}, known: {SCHEMA})",
                    where=str(self.path),
                    remedy="upgrade alarm-agents, or use another workspace",
                )
            if version < SCHEMA:
                # IF NOT EXISTS: two processes may both find the file new, and one of schema 1 has the spans already.
                for table in (_spans, _quiet):
                    connection.execute(CreateTable(table, if_not_exists=True))
                for index in _indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        # sqlite3's own errors come from the connect listener, which SQLAlchemy does not wrap; ValueError is bad JSON.
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise WorkspaceError(
                f"the trace store cannot be used ({reason})",
                where=str(self.path),
                remedy="make it writable, or move it away: it holds only traces",
            ) from error

    @property
    def moved(self) -> bool:
        """Whether the file opened is no longer the one at `path`: SQLite would write into the deleted file."""
        return _identity(self.path) != self._file

    def close(self) -> None:
        """Close the database; safe to call twice."""
        self._engine.dispose()

    def write(self, spans: Iterable[SpanRecord]) -> None:
        """Add finished `spans` in one transaction, and let the oldest go beyond the numbers kept."""
        spans = list(spans)
        rows = [_row(span) for span in spans]
        quiet = [{"trace_id": span.trace_id} for span in spans if not span.parent_id and _is_quiet(span)]
        if not rows:
            return
        # One statement for many rows: SQLite gives up the GIL at each, and beside a busy thread gets it back only
        # after milliseconds.
        with self._usable(), self._engine.begin() as connection:
            for chunk in _chunks(rows):
                connection.exec_driver_sql(_insert(len(chunk)), tuple(value for row in chunk for value in row))
            if quiet:
                connection.execute(_quiet.insert(), quiet)
                self._forget_quiet(connection)
            self._forget_oldest(connection)

    def _forget_quiet(self, connection: sa.Connection) -> None:
        newest = sa.select(sa.func.max(_quiet.c.id)).scalar_subquery()
        old = _quiet.c.id <= newest - self._keep_quiet
        connection.execute(_spans.delete().where(_spans.c.trace_id.in_(sa.select(_quiet.c.trace_id).where(old))))
        connection.execute(_quiet.delete().where(old))

    def _forget_oldest(self, connection: sa.Connection) -> None:
        """Counting is slow in a full store, so it is done once in a hundredth of what is kept."""
        newest = connection.scalar(sa.select(sa.func.max(_spans.c.id))) or 0
        if newest >= self._full_at:
            self._full_at = newest + 1 + self._keep // 100
            last = sa.select(_spans.c.id).order_by(_spans.c.id.desc()).offset(self._keep).limit(1).scalar_subquery()
            connection.execute(_spans.delete().where(_spans.c.id <= last))

    def trace(self, trace_id: str) -> list[SpanRecord]:
        """Return the spans of a trace in order of their start; empty for an unknown trace."""
        query = _spans.select().where(_spans.c.trace_id == trace_id).order_by(_spans.c.start, _spans.c.id)
        with self._usable(), self._engine.connect() as connection:
            return [_span(row) for row in connection.execute(query)]

    def trace_of_case(self, case_id: str) -> list[SpanRecord]:
        """Return the spans of the case's latest trace; empty when there is none."""
        query = sa.select(_spans.c.trace_id).where(_spans.c.case_id == case_id).order_by(_spans.c.id.desc()).limit(1)
        with self._usable(), self._engine.connect() as connection:
            trace_id = connection.execute(query).scalar()
        return self.trace(trace_id) if trace_id else []

    def traces(self, limit: int, case: str | None = None) -> list[TraceSummary]:
        """Return the latest `limit` windows (of `case`, if given), newest first, without those still at work."""
        roots = _spans.select().where(_spans.c.kind == "window", _spans.c.parent_id == "")
        roots = roots if case is None else roots.where(_spans.c.case_id == case)
        roots = roots.order_by(_spans.c.id.desc()).limit(limit)
        within = _spans.c.trace_id.in_(sa.select(roots.subquery().c.trace_id))
        failed = sa.func.sum(sa.case((_spans.c.error != "", 1), else_=0))
        counts = sa.select(_spans.c.trace_id, sa.func.count(), failed).where(within).group_by(_spans.c.trace_id)
        windows = _spans.select().where(within, _spans.c.kind == "window").order_by(_spans.c.id)
        with self._usable(), self._engine.connect() as connection:
            order = [str(row.trace_id) for row in connection.execute(roots)]
            numbers = {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(counts)}
            parts: dict[str, list[SpanRecord]] = {trace_id: [] for trace_id in order}
            for row in connection.execute(windows):
                parts.setdefault(row.trace_id, []).append(_span(row))
        return [_summary(parts[trace_id], *numbers.get(trace_id, (0, 0))) for trace_id in order if parts[trace_id]]


def _configure(connection: sqlite3.Connection, _: object) -> None:
    # WAL: readers (`alarm traces`) and the writer do not wait for each other. NORMAL: a power cut may lose the last
    # spans but cannot damage the file.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 256")  # pages: the log is a megabyte, ...
    connection.execute("PRAGMA journal_size_limit = 2097152")  # ... and a long reader makes it long, but not for good


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _chunks(rows: Sequence[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    """All rows in order, by powers of two: each number of rows is a statement, which SQLite keeps with its values."""
    first = 0
    while first < len(rows):
        size = min(_MOST_ROWS, 1 << (len(rows) - first).bit_length() - 1)
        yield rows[first : first + size]
        first += size


@lru_cache(maxsize=64)
def _insert(rows: int) -> str:
    names = [column.name for column in _spans.columns if not column.primary_key]
    marks = f"({','.join('?' * len(names))})"
    return f"INSERT INTO {_spans.name} ({','.join(names)}) VALUES {','.join([marks] * rows)}"  # noqa: S608  our names


def _row(span: SpanRecord) -> tuple[object, ...]:
    """Return the values of a row in the order of the table's columns."""
    case = span.attributes.get("alarm.case")
    attributes = json.dumps(span.attributes, ensure_ascii=False, separators=(",", ":"))
    where = (span.trace_id, span.span_id, span.parent_id, span.name, span.kind)
    return (*where, span.start, span.seconds, span.error, None if case is None else str(case), attributes)


def _is_quiet(span: SpanRecord) -> bool:
    return span.attributes.get("alarm.quiet") is True


def _span(row: sa.Row[Any]) -> SpanRecord:
    values = {key: value for key, value in row._mapping.items() if key not in ("id", "case_id", "attributes")}
    return SpanRecord(**values, attributes=json.loads(row.attributes))


def _summary(windows: Sequence[SpanRecord], spans: int, errors: int) -> TraceSummary:
    root = next((span for span in windows if not span.parent_id), windows[0])
    said = {key: value for span in windows for key, value in span.attributes.items()}
    names = ("case", "scenario", "source", "decision", "label")
    return TraceSummary(
        trace_id=root.trace_id,
        start=root.start,
        seconds=sum(span.seconds for span in windows),
        spans=spans,
        errors=errors,
        **{name: str(said.get(f"alarm.{name}", "")) for name in names},
    )
