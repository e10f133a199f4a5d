"""Backend `openai`: any server that speaks the OpenAI chat protocol (vLLM, Ollama, llama.cpp server, SGLang)."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
import openai
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
        messages = self._convert_input(input_).to_messages()
        # Pictures are in OpenAI's form already; the wrapper looks each up among all forms that it knows, for 1 ms.
        bare = [one if isinstance(one.content, str) else one.model_copy(update={"content": ""}) for one in messages]
        payload: dict[str, Any] = super()._get_request_payload(bare, stop=stop, **kwargs)
        for said, message in zip(payload["messages"], messages, strict=True):
            if not isinstance(message.content, str):
                said["content"] = message.content
        # A top-level response_format makes the client parse, and raise away the text of, what we parse ourselves.
        as_it_is = {"response_format": payload.pop("response_format")} if "response_format" in payload else {}
        if self.seed is not None:
            question = json.dumps([payload, as_it_is], sort_keys=True, default=str)
            payload["seed"] = self._seeds.of(question.encode())
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


class _Completions:
    """The SDK's chat completions without its walk through request and answer by their type hints: 3 ms of CPU a call.

    It stands for `AsyncCompletions` where `ChatOpenAI` calls it, and for its raw responses.
    """

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    @property
    def with_raw_response(self) -> _Completions:
        return self

    async def create(self, *, extra_body: dict[str, Any], **payload: Any) -> _Raw:
        """Send the request as it is. Raises the SDK's errors."""
        body = {**payload, **extra_body}
        return _Raw(await self._client.post("/chat/completions", cast_to=httpx.Response, body=body))


class _Raw:
    """A server's answer."""

    def __init__(self, response: httpx.Response) -> None:
        self.http_response, self.headers = response, response.headers

    def parse(self) -> Any:
        """Its JSON; raises `json.JSONDecodeError`."""
        return self.http_response.json()


def build(settings: ModelSettings) -> CompatibleChat:
    """The chat model for these settings; no connection is made. Raises `ConfigurationError`."""
    try:
        TypeAdapter(HttpUrl).validate_python(settings.base_url)
    except ValidationError as error:
        raise ConfigurationError(
            f"base_url is not an http address: {settings.base_url}", remedy="write it like http://localhost:8000/v1"
        ) from error
    chat = CompatibleChat(
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
    chat.async_client = _Completions(chat.root_async_client)
    return chat


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
