"""Ollama by its own protocol, through `langchain-ollama`: what its chat model takes of a model block.

`extra` names the model as Ollama knows it, and may hold any other argument of `ChatOllama`. Ollama's address in the
style of OpenAI (`http://localhost:11434/v1`) needs none of this: that is backend `openai`.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from alarm_agents.errors import ConfigurationError, MissingExtraError
from alarm_agents.models.connections import PerLoop
from alarm_agents.settings import ModelSettings

CLASS = "langchain_ollama:ChatOllama"
"""As a model block names it, with backend `langchain`."""
ADDRESS = "http://localhost:11434"
"""Where it listens unless told otherwise."""
_TOP_LOGPROBS = 5


def arguments(settings: ModelSettings) -> dict[str, Any]:
    """The arguments of `ChatOllama` for these settings, `extra` last. Raises `ConfigurationError`."""
    if importlib.util.find_spec("langchain_ollama") is None:
        raise MissingExtraError("ollama", CLASS)
    if not settings.extra.get("model"):
        raise ConfigurationError(f"{CLASS} does not know which model", remedy='write extra: {model: "qwen3:8b"}')
    return {
        **({"base_url": settings.base_url} if settings.base_url else {}),
        "temperature": settings.temperature,
        "seed": settings.seed,
        "num_predict": settings.max_tokens,
        **({"logprobs": True, "top_logprobs": _TOP_LOGPROBS} if settings.logprobs else {}),
        # Its own client keeps connections of event loops that have ended.
        "async_client_kwargs": {"transport": PerLoop(settings.max_concurrency)},
        **settings.extra,
    }
