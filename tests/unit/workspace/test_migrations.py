"""Workspaces of older versions are brought up to date, newer ones refused."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from alarm_agents.errors import WorkspaceError
from alarm_agents.types import Case
from alarm_agents.workspace import Workspace
from support.records import RUN, resolved


@pytest.fixture
def old(tmp_path: Path) -> tuple[Path, list[Case]]:
    """A workspace as version 1 left it: case records as JSON text, in a column of that name."""
    folder = tmp_path / "ws"
    workspace = Workspace(folder)
    cases = [resolved(f"case-{number:04d}", f"a man walks \U0001f6b2 {number}") for number in range(1203)]
    for case in cases:
        workspace.cases.save(case, RUN)
    workspace.close()
    with sqlite3.connect(folder / "alarm.db") as connection:
        later = {"window": {"category"}}  # version 1 knew nothing of it
        records = [(json.dumps(case.model_dump(mode="json", exclude=later)), case.id) for case in cases]
        connection.executemany("UPDATE cases SET record = ? WHERE id = ?", records)
        connection.execute("UPDATE schema SET version = 1")
    return folder, cases


def test_a_workspace_of_version_1_is_migrated_and_nothing_is_lost(old: tuple[Path, list[Case]]) -> None:
    folder, cases = old
    workspace = Workspace(folder)
    assert sorted(workspace.cases.find(), key=lambda case: case.id) == cases
    workspace.close()
    with sqlite3.connect(folder / "alarm.db") as connection:
        assert connection.execute("SELECT version FROM schema").fetchall() == [(2,)]
    assert len(Workspace(folder).cases.find()) == len(cases), "once"


def test_a_migration_that_fails_leaves_everything_as_it_was(old: tuple[Path, list[Case]]) -> None:
    folder, _ = old
    with sqlite3.connect(folder / "alarm.db") as connection:
        connection.execute("UPDATE cases SET record = '{\"id\": 1}' WHERE id = 'case-1100'")
    with pytest.raises(WorkspaceError, match="cannot be opened"):
        Workspace(folder)
    with sqlite3.connect(folder / "alarm.db") as connection:
        assert connection.execute("SELECT version FROM schema").fetchall() == [(1,)]
        assert connection.execute("SELECT count(*) FROM cases WHERE typeof(record) = 'text'").fetchone() == (1203,)


def test_a_newer_workspace_is_refused(tmp_path: Path) -> None:
    Workspace(tmp_path).close()
    with sqlite3.connect(tmp_path / "alarm.db") as connection:
        connection.execute("UPDATE schema SET version = 99")
    with pytest.raises(WorkspaceError, match="newer alarm-agents"):
        Workspace(tmp_path)
