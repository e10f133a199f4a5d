"""Backend `langchain`: any chat model class of any package, by name (`model: "langchain_ollama:ChatOllama"`)."""

from __future__ import annotations

import importlib

from langchain_core.language_models import BaseChatModel

from alarm_agents.errors import ConfigurationError
from alarm_agents.models import ollama
from alarm_agents.settings import ModelSettings


def build(settings: ModelSettings) -> BaseChatModel:
    """The class named `package:Class`, built with `extra` as its arguments and nothing else (Ollama's knows the block).

    Names of arguments differ from class to class, so temperature and the like belong into `extra`. Raises
    `ConfigurationError`.
    """
    given = ollama.arguments(settings) if settings.model == ollama.CLASS else settings.extra
    module, _, name = settings.model.partition(":")
    try:
        found = getattr(importlib.import_module(module), name) if module and name else None
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"the chat model {settings.model} cannot be imported ({error})", remedy="install its package"
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseChatModel)):
        raise ConfigurationError(
            f"{settings.model} is not a LangChain chat model class", remedy="write model as package:Class"
        )
    try:
        return found(**given)
    except (ImportError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{settings.model} refuses the arguments in extra ({type(error).__name__})",
            remedy=f"see the arguments of {name}",
        ) from error
