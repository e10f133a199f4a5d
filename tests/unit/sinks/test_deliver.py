"""Incidents reach people once, and a dead sink stops nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from alarm_agents.settings import CommandSettings, WebhookSettings
from alarm_agents.sinks import deliver
from alarm_agents.types import Incident
from alarm_agents.workspace import Workspace

INCIDENT = Incident(
    id="incident-1",
    scenario="walkway",
    source="door",
    start=1.0,
    end=2.0,
    severity=3,
    title="$(touch pwned) `x` {id} 2.4 times the usual speed",
    score=0.9,
    cases=("case-1",),
)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = Workspace(tmp_path / "workspace")
    yield opened
    opened.close()


class Hook:
    """A webhook that answers with the given status codes in turn."""

    def __init__(self, *statuses: int) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        answers, received = list(statuses), self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.append((self.headers["Idempotency-Key"], body))
                self.send_response(answers.pop(0))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alarm"

    def __enter__(self) -> Hook:
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


async def test_a_webhook_is_told_once_and_again_only_after_it_failed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = [WebhookSettings(kind="webhook", url_env="HOOK")]
    with Hook(500, 204) as hook:
        monkeypatch.setenv("HOOK", hook.url)
        for _ in range(4):
            await deliver(sink, INCIDENT, workspace.cases, workspace.folder)
    assert len(hook.received) == 2
    assert hook.received[0] == hook.received[1]
    assert hook.received[0][1]["title"] == INCIDENT.title


async def test_a_command_gets_each_value_as_one_argument_and_no_shell(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    code = f"import json, sys; open({str(out)!r}, 'a').write(json.dumps(sys.argv[1:]))"
    sink = [CommandSettings(kind="command", run=(sys.executable, "-c", code, "{title}", "severity {severity}"))]
    for _ in range(2):
        await deliver(sink, INCIDENT, workspace.cases, workspace.folder)
    title, severity = json.loads(out.read_text())
    assert (title, severity) == (INCIDENT.title, "severity 3")


@pytest.mark.parametrize(
    "sink",
    [
        WebhookSettings(kind="webhook", url_env="NOT_SET_ANYWHERE"),
        CommandSettings(kind="command", run=("/does/not/exist",)),
        CommandSettings(kind="command", run=(sys.executable, "-c", "raise SystemExit(3)")),
    ],
)
async def test_a_sink_that_fails_is_logged_and_stops_nothing(
    workspace: Workspace, sink: WebhookSettings | CommandSettings, caplog: pytest.LogCaptureFixture
) -> None:
    await deliver([sink], INCIDENT, workspace.cases, workspace.folder)
    assert "incident-1" in caplog.text
    assert not workspace.cases.delivered(f"0:{sink.kind}:incident-1")
