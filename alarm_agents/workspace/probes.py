"""What models were measured to do, in `alarm.db`: one entry a model and scenario, as long as neither changes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.dialects.sqlite import insert

from alarm_agents.scenario import Scenario
from alarm_agents.workspace import database as db


class ProbeStore:
    """Reads and writes what was measured."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, scenario: Scenario, name: str, record: Mapping[str, Any]) -> None:
        """Keep what was measured of the model, in place of what was known of it."""
        values = {"key": _key(scenario, name), "at": time.time(), "record": dict(record)}
        with self._engine.begin() as connection:
            statement = insert(db.probes).values(values)
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=values))

    def find(self, scenario: Scenario, name: str) -> dict[str, Any] | None:
        """What was measured of the model under these settings; None where nothing was."""
        with self._engine.connect() as connection:
            query = select(db.probes.c.record).where(db.probes.c.key == _key(scenario, name))
            found: dict[str, Any] | None = connection.scalar(query)
        return found


def _key(scenario: Scenario, name: str) -> str:
    """By all that prompts and calls depend on; how often windows come is not part of it."""
    told = {
        "scenario": scenario.name,
        "name": name,
        "model": scenario.models[name].model_dump(mode="json"),
        "source": [scenario.source.frames, scenario.source.max_side, scenario.source.kind],
        "perceivers": scenario.agents.perceivers,
        "reasoners_see": scenario.agents.reasoners_see,
        "reasoners_alone": scenario.agents.reasoners_alone,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
