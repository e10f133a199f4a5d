"""Spans on their way to a collector."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from alarm_agents.errors import ConfigurationError
from alarm_agents.observability import tracing
from alarm_agents.observability.store import SpanStore


def test_spans_go_to_an_otlp_endpoint_over_real_http(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    try:
        with tracing.start(database), tracing.span("walkway", "window", broken="\ud800"):
            trace_id = tracing.current_trace_id()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [path for path, _ in received] == ["/v1/traces"]
    assert bytes.fromhex(trace_id) in received[0][1]
    assert SpanStore(database).trace(trace_id)


def test_an_unusable_setting_is_a_configuration_error(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "0")
    with pytest.raises(ConfigurationError, match="OTEL_"):
        tracing.start(database)
    assert tracing.current_trace_id() == ""
