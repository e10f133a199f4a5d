"""Statements that SQLite's driver runs: they find what SQLAlchemy writes, and what fails leaves nothing behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, bindparam, func, insert, select

from alarm_agents.workspace import database as db
from alarm_agents.workspace.prepared import Prepared

NOTED = Prepared(insert(db.deliveries))
AT = Prepared(select(db.deliveries.c.at).where(db.deliveries.c.key == bindparam("wanted")))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = db.open_database(tmp_path / "alarm.db")
    yield found
    found.dispose()


def test_what_is_written_is_found(engine: Engine) -> None:
    assert AT.first(engine, {"wanted": "a"}) is None
    for key, at in (("a", 0.0), ("b", 2.0), ("c", 1.0)):
        NOTED.write(engine, {"key": key, "at": at})
    assert AT.first(engine, {"wanted": "b"}) == (2.0,)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(db.deliveries)) == 3


def test_what_fails_is_taken_back_and_locks_nobody_out(engine: Engine) -> None:
    NOTED.write(engine, {"key": "a", "at": 1.0})
    with pytest.raises(sqlite3.IntegrityError):
        NOTED.write(engine, {"key": "a", "at": 2.0})
    NOTED.write(engine, {"key": "b", "at": 3.0})
    assert AT.first(engine, {"wanted": "a"}) == (1.0,)
    assert AT.first(engine, {"wanted": "b"}) == (3.0,)
