"""What all records are made of (part of `alarm_agents.types`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Record(BaseModel):
    """Base of all records: frozen, and strict about what it is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")
