"""Memory over a database and an index in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from alarm_agents.memory.embedders import Embedder, default_embedder
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.workspace.database import open_database
from support.records import SCENARIO


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "alarm.db"


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    opened = open_database(database)
    yield opened
    opened.dispose()


@pytest.fixture
def rules(engine: Engine) -> RuleMemory:
    return RuleMemory(engine, SCENARIO)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return default_embedder()
