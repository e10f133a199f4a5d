"""Backend `transformers`: models in this process, with pictures, constrained JSON and log-probabilities.

Weights are loaded at the first question, once for all models of a process that name the same weights with the same
options, and on a thread of their own. Questions that wait at the same time are answered in one batch.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel, ConfigDict, PrivateAttr

from alarm_agents.errors import ConfigurationError, MissingExtraError
from alarm_agents.models.batches import Batches
from alarm_agents.models.options import read_options
from alarm_agents.models.seeds import Seeds
from alarm_agents.models.transformers_prompt import Reply, Request, schema_of, to_message, turns
from alarm_agents.settings import ModelSettings

_LIBRARIES = ("torch", "transformers", "accelerate", "llguidance")


class Options(BaseModel):
    """What `extra` may hold for this backend. Code that comes with weights is never run, so no option allows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = "auto"
    """`auto` (all GPUs if there is one, else the CPU), `cpu`, `cuda`, `cuda:1`."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: as the weights were saved."""
    quantization: dict[str, Any] | None = None
    """A quantization config as transformers has it, for example `{quant_method: bitsandbytes, load_in_4bit: true}`."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] | None = None
    pictures: dict[str, Any] = {}
    """Options of the model's picture processor, for example `{do_image_splitting: false}`."""
    revision: str | None = None
    """The hub's branch, tag or commit."""


class TransformersChat(BaseChatModel):
    """A chat model on weights in this process. Answers `response_format` as the OpenAI protocol has it."""

    settings: ModelSettings
    source: str
    """The weights' folder, or their name on the hub."""
    options: Options = Options()
    _seeds: Seeds = PrivateAttr()

    def model_post_init(self, _: Any) -> None:
        """Start the samples' seeds from the settings'."""
        self._seeds = Seeds(self.settings.seed)

    @property
    def context(self) -> int | None:
        """Tokens that the model was made for; None before it was first asked, and where its configuration is silent."""
        weights = _batches(self.source, self.options.model_dump_json()).model
        return None if weights is None else weights.context

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return self._result(self._submit(messages, stop, kwargs).result())

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        # Cancelling the wait (a time-out does) cancels the future, at which the answer stops being written.
        return self._result(await asyncio.wrap_future(self._submit(messages, stop, kwargs)))

    def _submit(self, messages: list[BaseMessage], stop: list[str] | None, wanted: Mapping[str, Any]) -> Future[Reply]:
        if stop or set(wanted) - {"response_format"}:
            raise TypeError(f"backend transformers does not know {', '.join(wanted) or 'stop'}")
        said, pictures = turns(messages)
        schema = schema_of(wanted.get("response_format"))
        request = Request(
            turns=said,
            pictures=pictures,
            schema=schema,
            temperature=self.settings.temperature,
            seed=self._seeds.of(repr((said, schema)).encode() + b"".join(pictures)),
            max_tokens=self.settings.max_tokens,
            logprobs=self.settings.logprobs,
        )
        return _batches(self.source, self.options.model_dump_json()).submit(request, self.settings.max_concurrency)

    def _result(self, reply: Reply) -> ChatResult:
        message = to_message(reply, logprobs=self.settings.logprobs, model=self.settings.model)
        return ChatResult(generations=[ChatGeneration(message=message)])


def build(settings: ModelSettings, base: Path) -> TransformersChat:
    """The chat model for these settings; no weights are read. Raises `ConfigurationError`.

    `settings.model` is a folder (relative to `base`) or else a name on the hub.
    """
    if any(importlib.util.find_spec(library) is None for library in _LIBRARIES):
        raise MissingExtraError("transformers", "backend transformers")
    if settings.tool_calls:
        raise ConfigurationError(
            "backend transformers makes no tool calls", remedy="leave tool_calls out: tools are then asked for as JSON"
        )
    options = read_options(settings, Options)
    folder = base / Path(settings.model).expanduser()
    if folder.is_dir():
        return TransformersChat(settings=settings, source=str(folder.resolve()), options=options)
    if settings.model.startswith((".", "/", "~")):
        raise ConfigurationError(f"there is no folder {folder}", remedy="relative paths start at the scenario's folder")
    return TransformersChat(settings=settings, source=settings.model, options=options)


@cache
def _batches(source: str, options: str) -> Batches[Any, Request, Reply]:
    """The weights' thread; they stay in memory to the process's end."""

    def load() -> Any:
        from alarm_agents.models import transformers_load  # imports torch, which takes seconds

        return transformers_load.load(source, Options.model_validate_json(options).model_dump())

    def answer(weights: Any, calls: Any) -> list[Reply]:
        from alarm_agents.models import transformers_answer

        return transformers_answer.answer(weights, calls)

    return Batches(load, answer)
