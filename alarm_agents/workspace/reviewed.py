"""Windows that a person has found to be normal, by reference, in `alarm.db`: references to teach with next time."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Engine, select
from sqlalchemy.dialects.sqlite import insert

from alarm_agents.types import Record, Resolution, Window
from alarm_agents.workspace import database as db


class Reviewed(Record):
    """One window that a person has found to be normal: where its frames are, never the frames themselves."""

    case: str
    path: str
    """The source's path (or address) as its run had it. Untrusted; escape it before it is shown in HTML."""
    fingerprint: str
    """The source's when the person answered; empty where it could not be read again even then."""
    window: Window
    resolution: Resolution


class ReviewedStore:
    """Reads and writes reviewed windows; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, reviewed: Reviewed, *, scenario: str, namespace: str = "main") -> None:
        """Remember the window as a reference of the scenario, once a case."""
        values: dict[str, Any] = {
            "id": reviewed.case,
            "namespace": namespace,
            "scenario": scenario,
            "at": reviewed.resolution.at,
            "record": reviewed.model_dump(mode="json"),
        }
        statement = insert(db.reviewed).values(values)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    def find(self, scenario: str, *, namespace: str = "main") -> list[Reviewed]:
        """The reviewed windows of a scenario, the one answered first first."""
        c = db.reviewed.c
        query = select(c.record).where(c.namespace == namespace, c.scenario == scenario).order_by(c.at, c.id)
        with self._engine.connect() as connection:
            return TypeAdapter(list[Reviewed]).validate_python(connection.scalars(query).all())
