"""Prepared statements, for what every window needs: SQLAlchemy writes them, and SQLite's driver runs them.

What SQLAlchemy does around each run of a statement takes ten times as long as the database's own work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler


class Prepared:
    """A statement, written out once. Values go in and come out as the driver has them: numbers, text and bytes."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement

    @cached_property
    def _written(self) -> tuple[str, list[tuple[str, Any]]]:
        """Its text, and the name of each value in order, with the values that are always the same."""
        compiled = self._statement.compile(dialect=sqlite.dialect())
        assert isinstance(compiled, SQLCompiler)
        fixed = compiled.params
        return str(compiled), [(name, fixed[name]) for name in compiled.positiontup or ()]

    def first(self, engine: Engine, values: Mapping[str, Any]) -> Any:
        """The first row that it finds; None where there is none."""
        with self._run(engine, values) as cursor:
            return cursor.fetchone()

    def write(self, engine: Engine, values: Mapping[str, Any]) -> None:
        """Run it in a transaction of its own."""
        with self._run(engine, values) as cursor:
            cursor.connection.commit()  # what raises before goes back to the pool, which takes it back

    @contextmanager
    def _run(self, engine: Engine, values: Mapping[str, Any]) -> Iterator[DBAPICursor]:
        text, names = self._written
        with closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(text, [values.get(name, fixed) for name, fixed in names])
            yield cursor
            cursor.close()
