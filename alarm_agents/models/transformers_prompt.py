"""What goes to a model of backend `transformers` and what comes back; nothing here needs torch."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata

from alarm_agents.errors import ModelError

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_NAMES = {"user": "User", "assistant": "Assistant"}


class SchemaError(ModelError):
    """The answer cannot be constrained to the schema; status 422 as servers say it, so that it is asked without."""

    status_code = 422


@dataclass(frozen=True)
class Request:
    """One question: turns as chat templates take them, the pictures' files in their order, and how to answer."""

    turns: Sequence[dict[str, Any]]
    pictures: Sequence[bytes]
    schema: str | None
    """A JSON schema that the answer must follow."""
    temperature: float
    seed: int | None
    """None for another sample at each run."""
    max_tokens: int
    logprobs: bool


@dataclass(frozen=True)
class Chosen:
    """One token of an answer."""

    piece: bytes
    logprob: float = 0.0
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True)
class Reply:
    """One answer; `finished` is false where the limit of tokens cut it off."""

    chosen: Sequence[Chosen]
    finished: bool
    input_tokens: int
    output_tokens: int


def turns(messages: Sequence[BaseMessage]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The messages as turns with parts of type text and image, and the pictures' files. Raises `ModelError`."""
    pictures: list[bytes] = []
    said = []
    for message in messages:
        parts: list[dict[str, Any]] = []
        for block in [message.content] if isinstance(message.content, str) else message.content:
            if isinstance(block, str):
                parts.append({"type": "text", "text": block})
            elif block.get("type") == "text":
                parts.append({"type": "text", "text": str(block["text"])})
            else:
                pictures.append(_picture(block))
                parts.append({"type": "image"})
        said.append({"role": _ROLES.get(message.type, "user"), "content": parts})
    return said, pictures


def _picture(block: Mapping[str, Any]) -> bytes:
    address = block.get("image_url")
    url = str(address.get("url", "")) if isinstance(address, dict) else ""
    head, found, data = url.partition(";base64,")
    if block.get("type") == "image_url" and found and head.startswith("data:image/"):
        with contextlib.suppress(binascii.Error):
            return base64.b64decode(data, validate=True)
    raise ModelError("a part of the prompt is neither text nor a picture in a data URL")


def render(request: Request, processor: Any, *, sees: bool, special: Sequence[str]) -> str:
    """The prompt as one text, by the model's own chat template or, where it has none, by `plain`.

    Text that spells one of the model's control tokens (`special`) is broken up: what a prompt quotes can open no turn
    and stand for no picture. Raises `ModelError`.
    """
    if request.pictures and not sees:
        raise ModelError("the model reads words only and was sent pictures; set images.max: 0 for it")
    said = [{**turn, "content": [_harmless(part, special) for part in turn["content"]]} for turn in request.turns]
    if not sees:  # their templates know no parts
        said = [{**turn, "content": "\n".join(part["text"] for part in turn["content"])} for turn in said]
    if getattr(processor, "chat_template", None) is None:
        return plain(said, str(getattr(processor, "image_token", "")))
    try:
        return str(processor.apply_chat_template(said, tokenize=False, add_generation_prompt=True))
    except TemplateError as error:
        raise ModelError("the model's chat template refuses the conversation") from error


def plain(said: Sequence[Mapping[str, Any]], image: str) -> str:
    """Turns for a model without a chat template: instructions, `User: ...`, `Assistant: ...`, blank lines between.

    A picture is the model's own `image` mark.
    """
    blocks = []
    for turn in said:
        content = turn["content"]
        parts = [content] if isinstance(content, str) else [part.get("text", image) for part in content]
        name = _NAMES.get(turn["role"])
        blocks.append((f"{name}: " if name else "") + "\n".join(parts))
    return "\n\n".join([*blocks, "Assistant:"])


def _harmless(part: dict[str, Any], special: Sequence[str]) -> dict[str, Any]:
    if part["type"] != "text":
        return part
    text = part["text"]
    for token in special:
        text = text.replace(token, f"{token[:1]} {token[1:]}")
    return {"type": "text", "text": text}


def to_message(reply: Reply, *, logprobs: bool, model: str) -> AIMessage:
    """The reply as LangChain and the OpenAI protocol have it."""
    metadata: dict[str, Any] = {"model_name": model, "finish_reason": "stop" if reply.finished else "length"}
    if logprobs:
        metadata["logprobs"] = {"content": [_entry(one) for one in reply.chosen]}
    return AIMessage(
        content=b"".join(one.piece for one in reply.chosen).decode("utf-8", "replace"),
        response_metadata=metadata,
        usage_metadata=UsageMetadata(
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            total_tokens=reply.input_tokens + reply.output_tokens,
        ),
    )


def _entry(one: Chosen) -> dict[str, Any]:
    return {**_token(one.piece, one.logprob), "top_logprobs": [_token(piece, logprob) for piece, logprob in one.top]}


def _token(piece: bytes, logprob: float) -> dict[str, Any]:
    return {"token": piece.decode("utf-8", "replace"), "bytes": list(piece), "logprob": logprob}


def schema_of(response_format: Mapping[str, Any] | None) -> str | None:
    """The JSON schema inside a request's `response_format`, as text; None without one."""
    if response_format is None:
        return None
    return json.dumps(response_format["json_schema"]["schema"])
