"""What the tests of tracing share: tracing into a fresh folder, and a way to make span records by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alarm_agents.observability import tracing
from alarm_agents.observability.store import SpanRecord

MakeSpan = Callable[..., SpanRecord]


@pytest.fixture(autouse=True)
def no_otel_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own OTEL_* settings must not decide what the tests see."""
    import os

    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "workspace" / "traces.db"


@pytest.fixture
def traced(database: Path) -> Iterator[tracing.Tracing]:
    with tracing.start(database) as started:
        yield started


@pytest.fixture
def make_span() -> MakeSpan:
    """Make a span record; attributes without a dot go under `alarm.`, as in tracing."""

    def make(name: str, kind: str, span_id: str, parent_id: str = "root", **values: object) -> SpanRecord:
        fields = {key: values.pop(key) for key in ("start", "seconds", "error", "trace_id") if key in values}
        attributes = {key if "." in key else f"alarm.{key}": value for key, value in values.items()}
        base = {"trace_id": "ab" * 16, "start": 0.0, "seconds": 0.01}
        return SpanRecord(
            name=name, kind=kind, span_id=span_id, parent_id=parent_id, attributes=attributes, **base | fields
        )

    return make
