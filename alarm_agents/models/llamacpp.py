"""Backend `llamacpp`: GGUF weights in this process, with pictures, constrained JSON and log-probabilities.

Answers are read token by token, since only so can the library be told to stop: work whose question is cancelled or
timed out ends at the next token, or after the batch of the prompt that it is at.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from alarm_agents.errors import ConfigurationError, ModelError
from alarm_agents.models.faults import StatusError
from alarm_agents.models.llamacpp_load import Options, Weights, load, require
from alarm_agents.models.options import read_options
from alarm_agents.models.seeds import Seeds
from alarm_agents.settings import ModelSettings

TOP_LOGPROBS = 5
_WANTED = frozenset({"response_format"})


class LlamaCppChat(BaseChatModel):
    """A chat model on GGUF weights in this process. Answers `response_format` as the OpenAI protocol has it.

    The log-probabilities are raw, before the grammar, and their list may begin with tokens that the content lacks.
    """

    settings: ModelSettings
    weights: Weights
    _seeds: Seeds = PrivateAttr()

    def model_post_init(self, _: Any) -> None:
        """Start the samples' seeds from the settings'."""
        self._seeds = Seeds(self.settings.seed)

    @property
    def context(self) -> int:
        """Tokens that one question and its answer may take together."""
        return self.weights.options.n_ctx

    @property
    def _llm_type(self) -> str:
        return "llamacpp"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return _answer(self.weights, self._body(messages, stop, kwargs), threading.Event())

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        cancelled = threading.Event()
        body = self._body(messages, stop, kwargs)
        work = _threads(self.weights).submit(_answer, self.weights, body, cancelled)
        try:
            return await asyncio.wrap_future(work)
        finally:
            cancelled.set()

    def _body(self, messages: list[BaseMessage], stop: list[str] | None, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The request as llama.cpp's server takes it."""
        if set(wanted) - _WANTED:
            raise TypeError(f"backend llamacpp does not know {', '.join(set(wanted) - _WANTED)}")
        said = convert_to_openai_messages(messages)
        if self.weights.mmproj is None and _has_pictures(said):
            raise ModelError("a picture was sent to a model without mmproj; name its projector, or let it only reason")
        body = {
            "messages": said,
            "max_tokens": self.settings.max_tokens,
            "temperature": self.settings.temperature,
            "seed": self._seeds.of(json.dumps([said, wanted]).encode()),
            "stop": stop,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # so that there is something to say stop to while a long prompt is read
            **wanted,
        }
        if self.settings.logprobs:
            body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return {key: value for key, value in body.items() if value is not None}


def build(settings: ModelSettings, base: Path) -> LlamaCppChat:
    """The chat model for these settings; no weights are read. Raises `ConfigurationError`.

    `settings.model` and `mmproj` are GGUF files, relative to `base`.
    """
    require()
    if settings.tool_calls:
        raise ConfigurationError(
            "backend llamacpp makes no tool calls", remedy="leave tool_calls out: tools are then asked for as JSON"
        )
    weights = Weights(
        model=_file(base, settings.model),
        mmproj=_file(base, settings.mmproj) if settings.mmproj else None,
        slots=settings.max_concurrency,
        options=read_options(settings, Options),
    )
    return LlamaCppChat(settings=settings, weights=weights)


def _file(base: Path, name: str) -> Path:
    path = (base / Path(name).expanduser()).resolve()
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}", remedy="relative paths start at the scenario's folder")
    return path


def _has_pictures(messages: Any) -> bool:
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    return any(part.get("type") == "image_url" for part in parts)


@cache
def _threads(weights: Weights) -> ThreadPoolExecutor:
    """One thread for each slot: a question whose work is being stopped keeps its slot until it has stopped."""
    return ThreadPoolExecutor(weights.slots, thread_name_prefix="llamacpp")


@dataclass
class _Reply:
    """An answer as it comes in."""

    cancelled: threading.Event
    text: list[str] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    def take(self, chunk: dict[str, Any]) -> bool:
        """Add a chunk; whether the library shall stop."""
        self.error = self.error or chunk.get("error")
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices", ()):
            self.text.append(choice.get("delta", {}).get("content") or "")
            self.logprobs += (choice.get("logprobs") or {}).get("content") or []
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return self.cancelled.is_set()

    def message(self) -> AIMessage:
        """The whole of it; raises what the error is, if it is one."""
        if self.error is not None:
            if self.error.get("type") == "exceed_context_size_error":
                raise ContextOverflowError("the prompt is longer than n_ctx")
            raise StatusError(int(self.error.get("code", 500)))
        if self.finish_reason is None:
            raise ModelError("llama.cpp ended without an answer")
        asked, said = self.usage.get("prompt_tokens", 0), self.usage.get("completion_tokens", 0)
        metadata: dict[str, Any] = {"finish_reason": self.finish_reason}
        if self.logprobs:
            metadata["logprobs"] = {"content": self.logprobs}
        return AIMessage(
            content="".join(self.text),
            response_metadata=metadata,
            usage_metadata=UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said),
        )


def _answer(weights: Weights, body: dict[str, Any], cancelled: threading.Event) -> ChatResult:
    """Ask and wait, on a thread that may wait. Raises `ModelError`, and `ContextOverflowError` for a long prompt."""
    server = load(weights)
    reply = _Reply(cancelled)
    try:
        server.handle_chat_completions(body, reply.take)
    except RuntimeError as error:
        raise ModelError(
            "llama.cpp refuses the request: a picture it cannot read, or a schema it cannot hold"
        ) from error
    return ChatResult(generations=[ChatGeneration(message=reply.message())])
