"""What `extra` may hold for a backend that runs in this process."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from alarm_agents.errors import ConfigurationError
from alarm_agents.settings import ModelSettings
from alarm_agents.yamlfile import explain

T = TypeVar("T", bound=BaseModel)


def read_options(settings: ModelSettings, schema: type[T]) -> T:
    """The model's `extra` as the backend's options; raises `ConfigurationError` for what the backend does not take."""
    try:
        return schema.model_validate(settings.extra)
    except ValidationError as error:
        known = ", ".join(schema.model_fields)
        raise ConfigurationError(
            f"extra.{explain(error, schema)}", remedy=f"backend {settings.backend} takes {known}"
        ) from error
