"""The rules that judged a stored case, and those that would judge it now."""

from __future__ import annotations

from functools import cache

from alarm_agents.errors import AlarmError
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.monitor.teach import open_media
from alarm_agents.types import Case, Rule
from alarm_agents.workspace import Workspace


class Rulebook:
    """The rules of one scenario by revision, for the sources that its stored cases came from."""

    def __init__(self, workspace: Workspace, memory: RuleMemory) -> None:
        self._workspace = workspace
        self._active = cache(lambda revision: tuple(memory.active(revision=revision)))
        self._read_identity = cache(self._identity)

    def of(self, case: Case, run: str, revision: int | None = None) -> list[Rule] | None:
        """The rules that are active for the case's source at a revision (None: now).

        None comes back where rules are for single sources and it cannot be told any more which one the case is of.
        """
        active: tuple[Rule, ...] = self._active(revision)
        # A rule for one source names it by slug and, but for live ones, the first digits of its fingerprint.
        near = {rule.source for rule in active if case.source in (rule.source, rule.source.rpartition("-")[0])}
        identity = self._read_identity(run) if len(near) > 1 else next(iter(near), "")
        if near and identity not in near:
            return None
        return [rule for rule in active if rule.source in ("", identity)]

    def _identity(self, run: str) -> str | None:
        """The name of the run's source in rules that are for it alone, if it can be read (and is the same) still."""
        scenario, path, _ = self._workspace.runs.scenario_of(run)
        try:
            return open_media(path, scenario).identity
        except AlarmError:  # moved, or gone
            return None
