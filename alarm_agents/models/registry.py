"""The models of a scenario, built by their backend. Building reads no weights and opens no connection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from alarm_agents.errors import AlarmError, ConfigurationError
from alarm_agents.models import foreign, llamacpp, openai, transformers_chat
from alarm_agents.models.client import Model
from alarm_agents.models.scripted import ScriptedChatModel
from alarm_agents.settings import ModelSettings


def build_models(settings: Mapping[str, ModelSettings], base: Path) -> dict[str, Model]:
    """One `Model` for each entry; relative paths start at `base`. Errors name `models.<name>`."""
    return {name: _build(name, entry, base) for name, entry in settings.items()}


def _build(name: str, settings: ModelSettings, base: Path) -> Model:
    try:
        return Model(name, settings, _chat(settings, base))
    except AlarmError as error:
        error.where = ": ".join(filter(None, (f"models.{name}", error.where)))
        raise


def _chat(settings: ModelSettings, base: Path) -> BaseChatModel:
    match settings.backend:
        case "openai":
            return openai.build(settings)
        case "langchain":
            return foreign.build(settings)
        case "scripted":
            if settings.extra:
                raise ConfigurationError("backend scripted takes no extra", remedy="put everything into the script")
            return ScriptedChatModel.from_file(base / (settings.script or ""))
        case "transformers":
            return transformers_chat.build(settings, base)
        case "llamacpp":
            return llamacpp.build(settings, base)
