"""The workspace folder and the files in it."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from alarm_agents.errors import WorkspaceError
from alarm_agents.workspace.cases import CaseStore
from alarm_agents.workspace.database import open_database
from alarm_agents.workspace.fits import FitStore
from alarm_agents.workspace.probes import ProbeStore
from alarm_agents.workspace.reviewed import ReviewedStore
from alarm_agents.workspace.runs import RunStore

VARIABLE = "ALARM_WORKSPACE"


class Workspace:
    """`.alarm/` in the working folder, or the folder that `--workspace` or `ALARM_WORKSPACE` names."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """Open the folder, creating it; raises `WorkspaceError` when it cannot be used."""
        self.folder = Path(folder or os.environ.get(VARIABLE) or ".alarm").resolve()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            ignore = self.folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise WorkspaceError(
                f"the workspace cannot be created ({error.strerror})",
                where=str(self.folder),
                remedy="choose another folder with --workspace",
            ) from error
        self.engine = open_database(self.folder / "alarm.db")

    @cached_property
    def cases(self) -> CaseStore:
        """Cases, incidents and deliveries."""
        return CaseStore(self.engine)

    @cached_property
    def runs(self) -> RunStore:
        """Runs over sources, references and suite results."""
        return RunStore(self.engine)

    @cached_property
    def reviewed(self) -> ReviewedStore:
        """Windows that a person has found to be normal."""
        return ReviewedStore(self.engine)

    @cached_property
    def fits(self) -> FitStore:
        """Weights that were learned from people's answers."""
        return FitStore(self.engine)

    @cached_property
    def probes(self) -> ProbeStore:
        """What models were measured to do."""
        return ProbeStore(self.engine)

    @property
    def checkpoints(self) -> Path:
        """Where LangGraph keeps what is in flight or waits for a person."""
        return self.folder / "checkpoints.db"

    @property
    def traces(self) -> Path:
        """The span store."""
        return self.folder / "traces.db"

    @property
    def memory(self) -> Path:
        """The retrieval index, which can be rebuilt from the database."""
        return self.folder / "memory"

    @property
    def media(self) -> Path:
        """Clips that were generated here, such as the demo's."""
        return self.folder / "media"

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()
