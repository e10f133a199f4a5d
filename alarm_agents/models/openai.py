"""Backend `openai`: any server that speaks the OpenAI chat protocol (vLLM, Ollama, llama.cpp server, SGLang)."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from pydantic import HttpUrl, PrivateAttr, SecretStr, TypeAdapter, ValidationError

from alarm_agents.errors import ConfigurationError, ModelError
from alarm_agents.models.connections import PerLoop
from alarm_agents.models.seeds import Seeds
from alarm_agents.scenario import ModelSettings

_MALFORMED = "the server's answer is not a chat completion"
_TOP_LOGPROBS = 5


class CompatibleChat(ChatOpenAI):
    """`ChatOpenAI` for servers that are not OpenAI's: their malformed answers are typed, cut-off ones are kept."""

    _seeds: Seeds = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Start the samples' seeds from the settings'."""
        super().model_post_init(context)
        self._seeds = Seeds(self.seed)

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        # A top-level response_format makes the client parse, and raise away the text of, what we parse ourselves.
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        as_it_is = {"response_format": payload.pop("response_format")} if "response_format" in payload else {}
        if self.seed is not None:
            question = json.dumps([payload, as_it_is], sort_keys=True, default=str)
            payload["seed"] = self._seeds.of(question.encode())
        # The SDK walks through messages by their type hints, which takes longer than sending them; extra_body it sends.
        as_it_is["messages"], payload["messages"] = payload["messages"], []
        payload["extra_body"] = {**(payload.get("extra_body") or {}), **as_it_is}
        return payload

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        except json.JSONDecodeError as error:
            raise ModelError(_MALFORMED) from error

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        try:
            result = super()._create_chat_result(response, generation_info)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelError(_MALFORMED) from error
        if not result.generations:
            raise ModelError(_MALFORMED)
        return result


def build(settings: ModelSettings) -> CompatibleChat:
    """The chat model for these settings; no connection is made. Raises `ConfigurationError`."""
    try:
        TypeAdapter(HttpUrl).validate_python(settings.base_url)
    except ValidationError as error:
        raise ConfigurationError(
            f"base_url is not an http address: {settings.base_url}", remedy="write it like http://localhost:8000/v1"
        ) from error
    return CompatibleChat(
        model=settings.model,
        base_url=settings.base_url,
        api_key=SecretStr(_api_key(settings)),
        timeout=settings.timeout_s,
        max_retries=0,  # the client retries, so that attempts are counted and time-outs are per attempt
        temperature=settings.temperature,
        seed=settings.seed,
        logprobs=True if settings.logprobs else None,
        top_logprobs=_TOP_LOGPROBS if settings.logprobs else None,
        # max_tokens is the name that all servers know; the wrapper would send only the newer max_completion_tokens.
        extra_body={"max_tokens": settings.max_tokens, **settings.extra},
        use_responses_api=False,
        http_async_client=httpx.AsyncClient(transport=PerLoop(settings.max_concurrency)),
    )


def _api_key(settings: ModelSettings) -> str:
    if settings.api_key_env is None:
        return "local"  # servers without keys still want the header
    key = os.environ.get(settings.api_key_env)
    if not key:
        raise ConfigurationError(
            f"api_key_env names the environment variable {settings.api_key_env}, which is not set",
            remedy=f"export {settings.api_key_env}=..., or leave api_key_env out for a server without keys",
        )
    return key
