"""`alarm.db`: the tables that are the truth (DESIGN sections 6 and 9), by SQLAlchemy.

Records are kept as JSON (cases packed, see `packing`) beside the few columns that are searched, so that a record's
fields can grow without a migration; `VERSION` moves when a column does, and `migrations` brings older files up.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateIndex, CreateTable

from alarm_agents.errors import WorkspaceError
from alarm_agents.workspace.migrations import migrate

VERSION = 2
PRAGMAS = (
    "page_size=8192",
    "journal_mode=WAL",
    "busy_timeout=10000",
    "synchronous=NORMAL",
    "wal_autocheckpoint=128",
    "journal_size_limit=2097152",
)
"""Rows of nearly a kilobyte waste little of pages that hold eight (of a new file). Several processes read and write:
write-ahead log of a megabyte (cut back after a long reader), wait for locks, sync at its checkpoints only."""
metadata = MetaData()

schema = Table("schema", metadata, Column("version", Integer, primary_key=True))

cases = Table(
    "cases",
    metadata,
    Column("id", String, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("scenario", String, nullable=False),
    Column("source", String, nullable=False),
    Column("run", String, nullable=False),
    Column("start", Float, nullable=False),
    Column("status", String, nullable=False),
    Column("label", String, nullable=False),
    Column("answered", Boolean, nullable=False, default=False),
    Column("incident", String),
    Column("record", LargeBinary, nullable=False),
    Index("cases_by_run", "run", "start"),
    Index("cases_by_status", "namespace", "status"),
    Index("cases_answered", "namespace", "scenario", "answered"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("run", String, nullable=False, index=True),
    Column("start", Float, nullable=False),
    Column("status", String, nullable=False),
    Column("record", JSON, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("key", String, primary_key=True),
    Column("at", Float, nullable=False),
)

rules = Table(
    "rules",
    metadata,
    Column("namespace", String, primary_key=True),
    Column("scenario", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("source", String, nullable=False, default=""),
    Column("status", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("record", JSON, nullable=False),
    Index("rules_by_revision", "namespace", "scenario", "revision"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("scenario", String, nullable=False),
    Column("base", String, nullable=False, index=True),
    Column("source", String, nullable=False),
    Column("path", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("settled", Integer),
    Column("told", Float, nullable=False, default=-1.0),
    Column("finished", Boolean, nullable=False, default=False),
    Column("at", Float, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("folder", String, nullable=False),
    Column("built_by", String),
    Column("references_key", String, nullable=False),
)

references = Table(
    "references",
    metadata,
    Column("key", String, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("scenario", String, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("details", JSON, nullable=False),
    Column("states", LargeBinary, nullable=False),
)

reviewed = Table(
    "reviewed",
    metadata,
    Column("id", String, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("scenario", String, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("record", JSON, nullable=False),
)

fits = Table(
    "fits",
    metadata,
    Column("key", String, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("record", JSON, nullable=False),
)

probes = Table(
    "probes",
    metadata,
    Column("key", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("record", JSON, nullable=False),
)

suite_results = Table(
    "suite_results",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("suite", String, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("result", JSON, nullable=False),
)


def open_database(path: Path) -> Engine:
    """The engine of the database at `path`, created when absent.

    Raises `WorkspaceError` when the file cannot be used or was written by a newer version.
    """
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _configure)
    try:
        with engine.begin() as connection:
            for table in metadata.sorted_tables:  # not create_all, which falls over another process that creates them
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))
            found = connection.scalar(select(schema.c.version))
            if found is None:
                connection.execute(insert(schema).values(version=VERSION).on_conflict_do_nothing())
            elif found < VERSION:
                migrate(connection, VERSION)
    except (SQLAlchemyError, ValueError) as error:  # ValueError: a record that cannot be migrated
        raise WorkspaceError(
            "the database cannot be opened",
            where=str(path),
            remedy="check that the folder is writable and the file whole",
        ) from error
    if found is not None and found > VERSION:
        raise WorkspaceError(
            f"the workspace was written by a newer alarm-agents (schema {found}, this one knows {VERSION})",
            where=str(path),
            remedy="upgrade alarm-agents or choose another --workspace",
        )
    return engine


def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
