"""Bringing an `alarm.db` of an older version up to date, in the one transaction in which it is opened."""

from __future__ import annotations

import json

from sqlalchemy import Connection, text

from alarm_agents.types import Case
from alarm_agents.workspace.packing import pack

BATCH = 500


def migrate(connection: Connection, version: int) -> None:
    """Take the database from the version that it has to `version`, step by step."""
    # Take the write lock before reading, so that of two processes that open an old file exactly one migrates it.
    connection.execute(text("UPDATE schema SET version = version"))
    for step in range(connection.execute(text("SELECT version FROM schema")).scalar_one(), version):
        STEPS[step](connection)
    connection.execute(text("UPDATE schema SET version = :version"), {"version": version})


def _pack_cases(connection: Connection) -> None:
    """1 to 2: case records were JSON text. SQLite's columns take any type, so the rows alone change."""
    some = text("SELECT rowid, record FROM cases WHERE rowid > :after ORDER BY rowid LIMIT :batch")
    change = text("UPDATE cases SET record = :record WHERE rowid = :rowid")
    after = -1
    while rows := connection.execute(some, {"after": after, "batch": BATCH}).all():
        packed = [{"rowid": row.rowid, "record": pack(Case.model_validate(json.loads(row.record)))} for row in rows]
        connection.execute(change, packed)
        after = rows[-1].rowid


STEPS = {1: _pack_cases}
"""By the version that a step starts from."""
