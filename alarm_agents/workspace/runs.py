"""Runs over sources, and the references that scenarios were taught with, in `alarm.db`.

A run is what makes watching resumable: its id is part of every case id, so the same command finds the cases
it has concluded. A run is taken up again while it is unfinished, and when it is finished and no rule that
concerns its source has changed since.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, Row, bindparam, insert, or_, select, union_all, update
from sqlalchemy.dialects.sqlite import insert as upsert

from alarm_agents.errors import NotFoundError
from alarm_agents.scenario import Scenario
from alarm_agents.workspace import database as db
from alarm_agents.workspace.prepared import Prepared

_TELL = Prepared(update(db.runs).where(db.runs.c.id == bindparam("run")).values(told=bindparam("start")))

UNLIKE = {"promise", "notify"}
"""What of a scenario may differ between runs whose cases tell something of each other."""

States = Mapping[str, Mapping[str, NDArray[Any]]]
"""What each expert learned, by expert name."""


@dataclass(frozen=True)
class References:
    """What a scenario was taught with: where the references came from and what each expert learned."""

    key: str
    details: Mapping[str, Any]
    states: States


NO_REFERENCES = References(key="", details={}, states={})


@dataclass(frozen=True)
class Run:
    """One pass of one scenario over one source."""

    id: str
    revision: int
    """The rule revision when the run first started."""
    finished: bool
    told: float = -1.0
    """Start of the last window whose case has reached whoever watches."""


@dataclass(frozen=True)
class Pass:
    """A run as it is looked up later: what was watched, how, and how far it came."""

    id: str
    namespace: str
    source: str
    path: str
    scenario: Scenario
    """As it was when the run started."""
    references: str
    at: float
    """When it started, Unix seconds."""
    finished: bool


class RunStore:
    """Reads and writes runs, references and suite results."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(
        self,
        scenario: Scenario,
        *,
        namespace: str,
        source: str,
        path: str,
        fingerprint: str,
        references: str,
        revision: int,
    ) -> Run:
        """The run to go on with: an earlier one of the same inputs, or a new one."""
        base = _hash(namespace, source, fingerprint, scenario.digest, references)
        with self._engine.begin() as connection:
            query = select(db.runs).where(db.runs.c.base == base).order_by(db.runs.c.at.desc())
            earlier = connection.execute(query).first()
            if earlier is not None and (not earlier.finished or earlier.settled == revision):
                return Run(earlier.id, earlier.revision, earlier.finished, earlier.told)
            run = Run(_hash(base, str(revision))[:8], revision, finished=False)
            values = {
                "id": run.id,
                "namespace": namespace,
                "scenario": scenario.name,
                "base": base,
                "source": source,
                "path": path,
                "revision": revision,
                "finished": False,
                "at": time.time(),
                "settings": scenario.model_dump(mode="json", by_alias=True),
                "folder": str(scenario.folder),
                "built_by": str(scenario.built_by) if scenario.built_by else None,
                "references_key": references,
            }
            # Another process may have started the same run just now.
            connection.execute(upsert(db.runs).values(values).on_conflict_do_nothing())
        return run

    def tell(self, run: str, start: float) -> None:
        """Note that the case of the window that starts there, and all before it, have reached whoever watches."""
        _TELL.write(self._engine, {"run": run, "start": start})

    def finish(self, run: str, revision: int) -> None:
        """Note that the source has been watched to its end, under rules at `revision`."""
        with self._engine.begin() as connection:
            connection.execute(update(db.runs).where(db.runs.c.id == run).values(finished=True, settled=revision))

    def scenario_of(self, run: str) -> tuple[Scenario, str, str]:
        """The scenario as it was when the run started, the path of its source, and the key of its references."""
        with self._engine.connect() as connection:
            row = connection.execute(select(db.runs).where(db.runs.c.id == run)).first()
        if row is None:
            raise NotFoundError("there is no such run", where=run)
        return _scenario(row), row.path, row.references_key

    def latest(self, named: str | None = None, *, scenario: str | None = None) -> Pass:
        """The latest run: of all, or of those with that id, source or path; of one scenario where that is named too.

        Suites' runs are found by their id only. Raises `NotFoundError` when there is none.
        """
        c = db.runs.c
        query = select(db.runs).order_by(c.at.desc()).limit(1)
        if named is not None:
            mine = (c.namespace == "main") & or_(c.source == named, c.path.in_([named, str(Path(named).absolute())]))
            query = query.where(or_(c.id == named, mine))
        else:
            query = query.where(c.namespace == "main")
        if scenario is not None:
            query = query.where(c.scenario == scenario)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            where = named or ""
            what = "nothing has been watched" + (" under that name or id" if named else "")
            what += f" with scenario '{scenario}'" if scenario else ""
            raise NotFoundError(f"{what} in this workspace", where=where, remedy="watch it first with `alarm watch`")
        return Pass(
            id=row.id,
            namespace=row.namespace,
            source=row.source,
            path=row.path,
            scenario=_scenario(row),
            references=row.references_key,
            at=row.at,
            finished=row.finished,
        )

    def alike(self, scenario: Scenario, *, namespace: str, references: str) -> dict[str, float]:
        """The audit rate of each run of the scenario as it is now but for `UNLIKE`, with these references, by id."""
        c = db.runs.c
        query = select(db.runs).where(c.namespace == namespace, c.scenario == scenario.name)
        wanted = scenario.model_dump(mode="json", by_alias=True, exclude=UNLIKE)
        found = {}
        with self._engine.connect() as connection:
            for row in connection.execute(query.where(c.references_key == references)):
                if {key: value for key, value in row.settings.items() if key not in UNLIKE} == wanted:
                    found[row.id] = float(row.settings["promise"]["audit_rate"])
        return found

    def likeness(self, scenario: Scenario, *, namespace: str, references: str) -> str:
        """A hash that is the same for runs that are `alike`."""
        settings = scenario.model_dump(mode="json", by_alias=True, exclude=UNLIKE)
        return _hash(namespace, references, json.dumps(settings, sort_keys=True))[:16]

    def latest_scenario(self, namespace: str = "main") -> str | None:
        """The scenario that was taught or watched last; None in a new workspace."""
        used = [
            select(table.c.scenario, table.c.at).where(table.c.namespace == namespace)
            for table in (db.runs, db.references)
        ]
        both = union_all(*used).subquery()
        with self._engine.connect() as connection:
            return connection.scalar(select(both.c.scenario).order_by(both.c.at.desc()).limit(1))

    def teach(self, scenario: str, namespace: str, details: Mapping[str, Any], states: States) -> References:
        """Store what the experts learned; the same references give the same key again."""
        buffer = io.BytesIO()
        flat = {f"{expert}/{name}": array for expert, state in states.items() for name, array in state.items()}
        np.savez_compressed(buffer, allow_pickle=False, **flat)
        key = _hash(namespace, scenario, *(f"{name}={details[name]}" for name in sorted(details)))[:16]
        values = {
            "key": key,
            "namespace": namespace,
            "scenario": scenario,
            "at": time.time(),
            "details": dict(details),
            "states": buffer.getvalue(),
        }
        statement = upsert(db.references).values(values)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=values))
        return References(key, details, states)

    def references(self, scenario: str, namespace: str, key: str | None = None) -> References:
        """The references of that key, or the latest of the scenario; `NO_REFERENCES` when there are none."""
        c = db.references.c
        query = select(db.references).where(c.scenario == scenario, c.namespace == namespace)
        query = query.where(c.key == key) if key is not None else query.order_by(c.at.desc())
        with self._engine.connect() as connection:
            row = connection.execute(query.limit(1)).first()
        if row is None:
            return NO_REFERENCES
        states: dict[str, dict[str, NDArray[Any]]] = {}
        with np.load(io.BytesIO(row.states), allow_pickle=False) as arrays:
            for name in arrays.files:
                expert, _, field = name.partition("/")
                states.setdefault(expert, {})[field] = arrays[name]
        return References(row.key, row.details, states)

    def save_suite_result(self, suite: str, result: Mapping[str, Any]) -> None:
        """Keep the result of one run of a suite."""
        with self._engine.begin() as connection:
            connection.execute(insert(db.suite_results).values(suite=suite, at=time.time(), result=dict(result)))


def _scenario(row: Row[Any]) -> Scenario:
    """The scenario as it was when the run of that row started."""
    places = {"folder": Path(row.folder), "built_by": Path(row.built_by) if row.built_by else None}
    return Scenario.model_validate({**row.settings, **places})


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
