"""A stub of Ollama's own protocol (`/api/chat`, as its documentation describes it) over real HTTP: not Ollama.

What it answers is a function, as for `OpenAIServer`; requests are recorded as that records them. Answers are streamed,
a line of JSON a piece.
"""

from __future__ import annotations

import json
from typing import Any

from support.openai_server import Answering, Handler, OpenAIServer, Reply, error_body


class OllamaServer(OpenAIServer):
    """The stub, running inside the `with`."""

    def __init__(self, reply: Answering, models: tuple[str, ...] = ("tiny",)) -> None:
        super().__init__(reply, models, _Handler)

    @property
    def base_url(self) -> str:
        return super().base_url.removesuffix("/v1")


class _Handler(Handler):
    def do_GET(self) -> None:
        self._send(404, json.dumps(error_body("no such path")))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/show":
            known = body["model"] in self.server.owner.models
            told = {"model_info": {"general.architecture": "llama", "llama.context_length": 4096}}
            self._send(200 if known else 404, json.dumps(told if known else {"error": "model not found"}))
            return
        if self.path != "/api/chat":
            self._send(404, json.dumps({"error": "no such path"}))
            return
        headers = {key.lower(): value for key, value in self.headers.items()}
        reply = self.server.owner.answer(_as_openai(body), headers, self.connection)
        if reply.drop:
            self.close_connection = True
        elif reply.status != 200:
            self._send(reply.status, json.dumps({"error": reply.text or "as the test says"}), reply)
        else:
            self._send(200, "".join(f"{json.dumps(line)}\n" for line in _lines(body, reply)), reply)


def _as_openai(body: dict[str, Any]) -> dict[str, Any]:
    """The request in OpenAI's words, in which requests are recorded; Ollama's are kept as `ollama`."""
    messages = [
        {
            "role": message["role"],
            "content": [
                {"type": "text", "text": message["content"]},
                *({"type": "image_url", "image_url": {"url": data}} for data in message.get("images") or ()),
            ],
        }
        for message in body["messages"]
    ]
    wanted = {"response_format": {"json_schema": {"schema": body["format"]}}} if body.get("format") else {}
    return {"model": body["model"], "messages": messages, **wanted, "ollama": body}


def _lines(body: dict[str, Any], reply: Reply) -> list[dict[str, Any]]:
    """The answer in two pieces, its tokens' log-probabilities with the first, and the line that ends it."""
    half = len(reply.text) // 2
    told = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z", "done": False}
    pieces: list[dict[str, Any]] = [
        {**told, "message": {"role": "assistant", "content": text}} for text in (reply.text[:half], reply.text[half:])
    ]
    if reply.logprobs is not None and body.get("logprobs"):
        pieces[0]["logprobs"] = reply.logprobs
    counts = {"prompt_eval_count": 7, "eval_count": len(reply.text.split()), "total_duration": 1}
    empty = {"message": {"role": "assistant", "content": ""}}
    return [*pieces, {**told, **empty, "done": True, "done_reason": reply.finish_reason, **counts}]
