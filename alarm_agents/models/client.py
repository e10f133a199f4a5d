"""`Model`: one call for all backends, which answers with a value of a schema or with a typed reason why not."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from alarm_agents.models import faults, ollama
from alarm_agents.models.breaker import Breaker, ModelDownError
from alarm_agents.models.labels import label_odds, words_of
from alarm_agents.models.repair import repair_turn
from alarm_agents.models.schemas import response_format
from alarm_agents.models.structured import Parsed, Refused, parse_reply
from alarm_agents.observability import tracing
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Parse

T = TypeVar("T", bound=BaseModel)
Tools = Sequence[Mapping[str, Any]]
"""Tools in OpenAI's form."""

_LONGEST_BACKOFF_S = 8.0
_LONGEST_ASKED_S = 30.0
"""Of a wait that the server asks for by Retry-After: whatever it says, a window is not kept waiting longer."""
_CONSTRAINING = frozenset({"openai", "transformers", "llamacpp", ollama.CLASS})
"""Backends that take a `response_format`, and classes of backend langchain that do."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a model answered, or why there is no `value`. The raw text is kept as hash and length alone."""

    value: T | None
    parse: Parse
    note: str
    """Why there is no value, or what the repair turn mended; short, and without the model's own words."""
    model: str
    raw_sha256: str = ""
    raw_length: int = 0
    cut_off: bool = False
    """Whether it ended because the tokens were spent, and not because the model was done."""
    logprobs: list[Any] | None = None
    """The content tokens' log-probabilities as the server gave them, of the turn that `value` is from."""
    odds: dict[str, float] | None = None
    """The probability of each word that the schema's `label` may be; None where the log-probabilities don't tell."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    """Tokens of all turns together; None where the server does not say."""


@dataclass(frozen=True)
class Heard:
    """The names of models that were asked: of those that gave a usable answer, and of those that were down."""

    usable: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    """Without an answer for reasons that may pass: asked later, the model may give one."""


_heard: ContextVar[Heard | None] = ContextVar("alarm_heard", default=None)


@contextmanager
def heard() -> Iterator[Heard]:
    """What is heard of the models that are asked inside the block, as it comes."""
    listening = Heard()
    token = _heard.set(listening)
    try:
        yield listening
    finally:
        _heard.reset(token)


class Model:
    """A local model by name: a chat model with its limits, ready to be asked.

    Nothing that a model or its server does is an exception to the caller. Cancellation and programming errors are.
    """

    def __init__(self, name: str, settings: ModelSettings, chat: BaseChatModel, *, backoff_s: float = 0.5) -> None:
        self.name, self.settings, self.chat = name, settings, chat
        self.backoff_s = backoff_s
        self.breaker = Breaker()
        self._faults = faults.FOREIGN_FAULTS if settings.backend == "langchain" else faults.MODEL_FAULTS
        self._unconstrained: set[type[BaseModel]] = set()
        # Semaphores belong to one event loop; a model may outlive it.
        self._slots: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )

    @property
    def label(self) -> str:
        """The model behind the name, as it is shown and traced."""
        return self.settings.model or self.name

    async def ask(self, messages: Sequence[BaseMessage], schema: type[T], tools: Tools = ()) -> Answer[T]:
        """The model's answer as a `schema`, with one repair turn if its first text does not follow it.

        Where that was cut off, the repair turn is held to an answer that `max_tokens` suffice for.
        A model with `tool_calls` is offered the tools; a call that it makes so is read as the answer
        `{"calls": [{"tool": ..., "arguments": ...}]}`.
        """
        answer = await self._answer(messages, schema, tools if self.settings.tool_calls else ())
        listening = _heard.get()
        if listening is not None and answer.parse.usable:
            listening.usable.add(self.name)
        return answer

    async def _answer(self, messages: Sequence[BaseMessage], schema: type[T], tools: Tools) -> Answer[T]:
        first, text = await self._turn(messages, schema, Parse.PARSED, tools)
        if first.parse is not Parse.UNPARSED:
            return first
        room = self.settings.max_tokens if first.cut_off else None  # a token is hardly ever less than a character
        again = [*messages, *repair_turn(text, first.note, schema)]
        second, _ = await self._turn(again, schema, Parse.REPAIRED, (), room)
        if second.parse is Parse.FAILED:
            # It did answer, if not usably: what is typed is that, with the reason why nothing better came.
            return replace(first, note=f"{first.note}; the repair turn failed: {second.note}")
        return replace(
            second,
            note=second.note or first.note,
            input_tokens=_total(first.input_tokens, second.input_tokens),
            output_tokens=_total(first.output_tokens, second.output_tokens),
        )

    async def _turn(
        self, messages: Sequence[BaseMessage], schema: type[T], good: Parse, tools: Tools, room: int | None = None
    ) -> tuple[Answer[T], str]:
        """One question in one span: the answer, and its text for a repair turn."""
        with tracing.span(self.label, "model", model_name=self.name, provider=self.settings.backend):
            try:
                reply = await (self._retried(messages, tools=tools) if tools else self._reply(messages, schema, room))
            except self._faults as error:
                tracing.set(parse=Parse.FAILED.value, **{"error.type": type(error).__name__})
                listening = _heard.get()
                if listening is not None and (faults.is_transient(error) or isinstance(error, ModelDownError)):
                    listening.down.add(self.name)
                return Answer(None, Parse.FAILED, faults.reason(error), self.label), ""
            answer = self._read(reply, schema, good)
            tracing.set(parse=answer.parse.value, input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)
            if answer.value is None:  # all that is kept of what could not be used
                tracing.set(raw_sha256=answer.raw_sha256, raw_length=answer.raw_length)
            return answer, str(reply.text)

    async def _reply(self, messages: Sequence[BaseMessage], schema: type[BaseModel], room: int | None) -> AIMessage:
        """The reply to a request that constrains the answer to the schema, if the server takes such requests."""
        if _CONSTRAINING.isdisjoint({self.settings.backend, self.settings.model}) or schema in self._unconstrained:
            return await self._retried(messages)
        try:
            return await self._retried(messages, response_format=response_format(schema, room))
        except self._faults as error:
            if not faults.is_rejected(error):
                raise
        reply = await self._retried(messages)
        # Only now is it known that the schema, and not something else in the request, was what the server refused.
        self._unconstrained.add(schema)
        return reply

    async def _retried(self, messages: Sequence[BaseMessage], **options: Any) -> AIMessage:
        attempts = AsyncRetrying(
            retry=retry_if_exception(faults.is_transient),
            stop=stop_after_attempt(self.settings.retries + 1),
            wait=self._pause,
            before_sleep=lambda state: tracing.set(retries=state.attempt_number),
            reraise=True,
        )
        return await attempts(self._once, messages, options)

    def _pause(self, state: RetryCallState) -> float:
        """Seconds to the next try: a random back-off, after what the server asks for, if it does."""
        error = state.outcome.exception() if state.outcome is not None else None
        asked = faults.retry_after(error) if error is not None else None
        backoff = wait_random_exponential(multiplier=self.backoff_s, max=_LONGEST_BACKOFF_S)(state)
        return backoff + min(asked or 0.0, _LONGEST_ASKED_S)

    async def _once(self, messages: Sequence[BaseMessage], options: dict[str, Any]) -> AIMessage:
        slots = self._slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.settings.max_concurrency))
        # The wait for a slot does not count as the model's time, nor does a slot wait out a back-off.
        async with slots:
            with self.breaker.call():
                async with asyncio.timeout(self.settings.timeout_s):
                    return await self.chat.ainvoke(list(messages), **options)

    def _read(self, reply: AIMessage, schema: type[T], good: Parse) -> Answer[T]:
        text = _called(reply) if reply.tool_calls else str(reply.text)
        outcome = parse_reply(text, schema, refusal=_refusal(reply))
        usage = reply.usage_metadata
        parsed = isinstance(outcome, Parsed)
        logprobs = _logprobs(reply) if parsed else None
        return Answer(
            value=outcome.value if isinstance(outcome, Parsed) else None,
            parse=good if parsed else Parse.REFUSED if isinstance(outcome, Refused) else Parse.UNPARSED,
            note="" if isinstance(outcome, Parsed) else outcome.reason,
            model=self.label,
            raw_sha256=outcome.sha256,
            raw_length=outcome.length,
            cut_off="length" in (reply.response_metadata.get(key) for key in ("finish_reason", "done_reason")),
            logprobs=logprobs,
            odds=label_odds(logprobs, str(reply.text), words_of(schema)),
            input_tokens=usage["input_tokens"] if usage else None,
            output_tokens=usage["output_tokens"] if usage else None,
        )


def _called(reply: AIMessage) -> str:
    """The native tool calls as the JSON answer that asks for them."""
    calls = [{"tool": call["name"], "arguments": call["args"]} for call in reply.tool_calls]
    return json.dumps({"calls": calls})


def _refusal(reply: AIMessage) -> str | None:
    """What the server says of a refusal: the protocol's own field, or its content filter."""
    if reply.response_metadata.get("finish_reason") == "content_filter":
        return "content filter"
    said = reply.additional_kwargs.get("refusal")
    return str(said) if said else None


def _logprobs(reply: AIMessage) -> list[Any] | None:
    """Servers give them as an object with `content`; some LangChain classes as the bare list, or as records in it."""
    given = reply.response_metadata.get("logprobs")
    tokens = given.get("content") if isinstance(given, dict) else given
    if not isinstance(tokens, list):
        return None
    return [token.model_dump() if isinstance(token, BaseModel) else token for token in tokens]


def _total(first: int | None, second: int | None) -> int | None:
    return None if first is None and second is None else (first or 0) + (second or 0)
