"""Backend `openai`: any server that speaks the OpenAI chat protocol (vLLM, Ollama, llama.cpp server, SGLang)."""

from __future__ import annotations

import json
import os
import re
from typing import Any, cast

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from pydantic import HttpUrl, PrivateAttr, SecretStr, TypeAdapter, ValidationError

from alarm_agents.errors import ConfigurationError, ModelError
from alarm_agents.models.connections import PerLoop
from alarm_agents.models.seeds import Seeds
from alarm_agents.settings import ModelSettings

_MALFORMED = "the server's answer is not a chat completion"
_TOP_LOGPROBS = 5
_TOO_LONG = re.compile(r"context_length_exceeded|exceed_context_size|maximum context length|context (?:window|size)")
"""How servers say that a prompt is longer than the context: OpenAI's code, llama.cpp's, vLLM's words, others'."""
_COMPLAINT = 2_000
"""Characters of what a server complains of that are looked at."""


class CompatibleChat(ChatOpenAI):
    """`ChatOpenAI` for servers that are not OpenAI's: their malformed answers are typed, cut-off ones are kept.

    Requests are sent by httpx and not by the SDK: that walks through question and answer by their type hints, builds
    address and headers anew and reads the answer in a thread, together 3 ms of a call.
    """

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
        return payload

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  # part of the interface
        **kwargs: Any,
    ) -> ChatResult:
        """The server's answer. Raises `ModelError`, `ContextOverflowError` and `httpx.HTTPError`."""
        address = f"{str(self.openai_api_base).rstrip('/')}/chat/completions"
        body = self._body(self._get_request_payload(messages, stop=stop, **kwargs))
        response = await cast(httpx.AsyncClient, self.http_async_client).post(address, content=body)
        if response.status_code in (400, 413, 500) and _TOO_LONG.search(response.text[:_COMPLAINT]):
            raise ContextOverflowError("the prompt is longer than the model's context")
        response.raise_for_status()
        try:
            answer = response.json()
        except (ValueError, RecursionError) as error:
            raise ModelError(_MALFORMED) from error
        return self._create_chat_result(answer)

    def _body(self, payload: dict[str, Any]) -> bytes:
        """The request's JSON, with the seed of this sample."""
        request = {**payload, **payload["extra_body"]}
        del request["extra_body"]
        if self.seed is not None:
            del request["seed"]
        # A lone surrogate, which models can write as an escape, is nothing that can be sent.
        body = json.dumps(request, ensure_ascii=False).encode("utf-8", "replace")
        seed = self._seeds.of(body)
        # Pictures make it long: the seed, which depends on all of it, is put to its end and not written with all anew.
        return body if seed is None else b'%b, "seed": %d}' % (body[:-1], seed)

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
    key = _api_key(settings)
    return CompatibleChat(
        model=settings.model,
        base_url=settings.base_url,
        api_key=SecretStr(key),
        timeout=settings.timeout_s,
        max_retries=0,  # the client retries, so that attempts are counted and time-outs are per attempt
        temperature=settings.temperature,
        seed=settings.seed,
        logprobs=True if settings.logprobs else None,
        top_logprobs=_TOP_LOGPROBS if settings.logprobs else None,
        # max_tokens is the name that all servers know; the wrapper would send only the newer max_completion_tokens.
        extra_body={"max_tokens": settings.max_tokens, **settings.extra},
        use_responses_api=False,
        http_async_client=httpx.AsyncClient(
            transport=PerLoop(settings.max_concurrency),
            timeout=settings.timeout_s,
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
        ),
    )


def _api_key(settings: ModelSettings) -> str:
    if settings.api_key_env is None:
        return "local"  # servers without keys still want the header
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key:
        raise ConfigurationError(
            f"api_key_env names the environment variable {settings.api_key_env}, which is not set",
            remedy=f"export {settings.api_key_env}=..., or leave api_key_env out for a server without keys",
        )
    return key
