"""A small OpenAI-compatible server over real HTTP, for tests: what it answers is a Python function.

def reply(model, messages, schema):
    return '{"label": "normal"}'

with OpenAIServer(reply) as server:
    ChatOpenAI(base_url=server.base_url, ...)
    assert server.requests[0].images == 4
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server does with one request. `wait` is waited for first; leaving the server sets it."""

    text: str = ""
    status: int = 200
    wait: threading.Event | None = None
    refusal: str | None = None
    logprobs: list[dict[str, Any]] | None = None
    finish_reason: str = "stop"
    raw: str | None = None
    """The body as it stands, in place of a chat completion; a lone surrogate is one byte that is no UTF-8."""
    drop: bool = False
    """Close the connection without an answer."""
    stall: bool = False
    """Send half of the body, then wait for `wait`, or until the client leaves."""
    delay_s: float = 0.0
    """Wait so long first."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    model: str
    messages: list[dict[str, Any]] = field(repr=False)
    images: int
    constrained: bool
    """Whether a response_format with a JSON schema came with it."""
    body: dict[str, Any] = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    """Names in lower case."""


Answering = Callable[[str, list[dict[str, Any]], dict[str, Any] | None], str | Reply]


class OpenAIServer:
    """The server, running inside the `with`. `peak` is how many requests were open at once at most.

    `abandoned` is set once a client has left a request that waits.
    """

    def __init__(
        self, reply: Answering, models: tuple[str, ...] = ("tiny",), handler: type[Handler] | None = None
    ) -> None:
        self.reply, self.models = reply, models
        self.requests: list[Request] = []
        self.open = self.peak = 0
        self.abandoned = threading.Event()
        self._lock = threading.Lock()
        self._waits: list[threading.Event] = []
        self._http = _Http(("127.0.0.1", 0), handler or Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        with self._lock:
            for event in self._waits:
                event.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, body: dict[str, Any], headers: dict[str, str], connection: socket.socket) -> Reply:
        """Record the request and do what `reply` says of it."""
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        request = Request(body["model"], body["messages"], _images(body["messages"]), schema is not None, body, headers)
        with self._lock:
            self.requests.append(request)
            self.open += 1
            self.peak = max(self.peak, self.open)
        try:
            said = self.reply(request.model, request.messages, schema)
            reply = said if isinstance(said, Reply) else Reply(said)
            if reply.delay_s or (reply.wait is not None and not reply.stall):
                self.hold(reply, connection)
            return reply
        finally:
            with self._lock:
                self.open -= 1

    def hold(self, reply: Reply, connection: socket.socket) -> None:
        """Wait as the reply says, for 30 seconds at most and not for a client that has left."""
        waited = reply.wait or threading.Event()
        with self._lock:
            self._waits.append(waited)
        until = time.monotonic() + (reply.delay_s or 30)
        while not waited.is_set() and time.monotonic() < until:
            readable, _, _ = select.select([connection], [], [], min(0.02, reply.delay_s or 0.02))
            if readable and not connection.recv(1, socket.MSG_PEEK):
                self.abandoned.set()
                return


class _Http(ThreadingHTTPServer):
    owner: OpenAIServer
    daemon_threads = True
    request_queue_size = 128


class Handler(BaseHTTPRequestHandler):
    """What the server does with a request: OpenAI's protocol."""

    server: _Http
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests read `requests`."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True  # the client gave up, which is what some tests are about

    def do_GET(self) -> None:
        known = [{"id": name, "object": "model", "owned_by": "tests"} for name in self.server.owner.models]
        found = self.path == "/v1/models"
        self._send(
            200 if found else 404, json.dumps({"object": "list", "data": known} if found else error_body("no such"))
        )

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        if len(sent := self.rfile.read(length)) < length:
            return  # whoever asked has gone before all of it was sent
        body = json.loads(sent)
        if self.path != "/v1/chat/completions":
            self._send(404, json.dumps(error_body("no such path")))
            return
        headers = {key.lower(): value for key, value in self.headers.items()}
        reply = self.server.owner.answer(body, headers, self.connection)
        if reply.drop:
            self.close_connection = True
        elif reply.raw is not None:
            self._send(reply.status, reply.raw, reply)
        elif reply.status != 200:
            self._send(reply.status, json.dumps(error_body(reply.text)), reply)
        else:
            self._send(200, json.dumps(_completion(body["model"], reply)), reply)

    def _send(self, status: int, text: str, reply: Reply | None = None) -> None:
        data = text.encode(errors="surrogateescape")
        self.send_response(status)
        for name, value in (reply.headers if reply is not None else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        half = len(data) // 2 if reply is not None and reply.stall else 0
        if reply is not None and reply.stall:
            self.wfile.write(data[:half])
            self.wfile.flush()
            self.server.owner.hold(reply, self.connection)
        self.wfile.write(data[half:])
        self.wfile.flush()


def _images(messages: list[dict[str, Any]]) -> int:
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    return sum(part["type"] == "image_url" for part in parts)


def error_body(message: str) -> dict[str, Any]:
    return {"error": {"message": message or "as the test says", "type": "test", "code": None}}


def _completion(model: str, reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": None if reply.refusal else reply.text, "refusal": reply.refusal}
    words = len(reply.text.split())
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": reply.finish_reason,
                "logprobs": None if reply.logprobs is None else {"content": reply.logprobs},
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": words, "total_tokens": 7 + words},
    }
