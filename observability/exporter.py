"""From OpenTelemetry to the local span store. Whatever is wrong with the database, spans are dropped and counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from alarm_agents.observability.store import KEEP_QUIET, KEEP_SPANS, SpanStore, record

_log = logging.getLogger(__name__)


class SqliteSpanExporter(SpanExporter):
    """Writes batches of spans to the `SpanStore` at `path`, which it opens at the first batch. It never raises.

    `seen` counts the spans it was handed. A batch that cannot be written is counted in `dropped`; the first time, one
    warning is logged. After a failure it drops for `pause` seconds without trying (so that closing does not wait once
    for every batch), then opens the file anew, which also mends a deleted one.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep: int = KEEP_SPANS,
        keep_quiet: int = KEEP_QUIET,
        wait: float = 2.0,
        pause: float = 5.0,
    ) -> None:
        self.seen = self.dropped = 0
        self._path, self._keep, self._keep_quiet, self._wait, self._pause = path, keep, keep_quiet, wait, pause
        self._store: SpanStore | None = None
        self._retry_at, self._warned = 0.0, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write `spans`; FAILURE when they were dropped."""
        self.seen += len(spans)
        if time.monotonic() < self._retry_at:
            self.dropped += len(spans)
            return SpanExportResult.FAILURE
        try:
            self._open().write([record(span) for span in spans])
        except Exception as error:  # noqa: BLE001  tracing must not harm what it traces, whatever the reason
            self._fail(len(spans), error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def _open(self) -> SpanStore:
        if self._store is not None and self._store.moved:
            self._close()
        if self._store is None:
            self._store = SpanStore(self._path, keep=self._keep, keep_quiet=self._keep_quiet, wait=self._wait)
        return self._store

    def _fail(self, count: int, error: Exception) -> None:
        self.dropped += count
        self._retry_at = time.monotonic() + self._pause
        self._close()
        if not self._warned:
            self._warned = True
            _log.warning("spans are being dropped, the monitor goes on: %s", error)

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def shutdown(self) -> None:
        """Close the database."""
        self._close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002  the name is OpenTelemetry's
        """Nothing is held back here: always True."""
        return True
