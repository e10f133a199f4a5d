"""Cases, the review queue and incidents, in `alarm.db`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Integer,
    Select,
    bindparam,
    delete,
    false,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from alarm_agents.errors import ConflictError, NotFoundError
from alarm_agents.types import Case, CaseStatus, Incident, Label, Resolution
from alarm_agents.workspace import database as db
from alarm_agents.workspace.packing import COLUMNS, pack, unpack
from alarm_agents.workspace.prepared import Prepared

_PACKED: Select[Any] = select(*(db.cases.c[name] for name in COLUMNS), db.cases.c.run, db.cases.c.record)
_BY_ID = _PACKED.where(db.cases.c.id == bindparam("id"))
_KNOWN = Prepared(_BY_ID)
_PLACE = literal_column("cases.rowid", Integer)
"""Where a case stands among all: in the order in which they were first written."""
_PLACED = _PACKED.add_columns(_PLACE.label("place"))
_PUT = insert(db.cases)
_REPLACE = _PUT.on_conflict_do_update(index_elements=["id"], set_=dict(_PUT.excluded))
_JOINED = func.coalesce(_PUT.excluded.incident, db.cases.c.incident)
_SAVE = Prepared(_PUT.on_conflict_do_update(index_elements=["id"], set_={**dict(_PUT.excluded), "incident": _JOINED}))
_IS_ANSWERED = (
    (db.cases.c.namespace == bindparam("namespace"))
    & (db.cases.c.scenario == bindparam("scenario"))
    & db.cases.c.answered
)
_COUNT_ANSWERED = Prepared(select(func.count()).where(_IS_ANSWERED))
_ANSWERED = select(db.cases.c.id).where(_IS_ANSWERED)

_JOIN = update(db.cases).where(db.cases.c.id == bindparam("joined")).values(incident=bindparam("incident"))
_INSERT_INCIDENT = insert(db.incidents)
_PUT_INCIDENT = _INSERT_INCIDENT.on_conflict_do_update(index_elements=["id"], set_=dict(_INSERT_INCIDENT.excluded))
_INCIDENT = Prepared(select(db.incidents.c.record).where(db.incidents.c.id == bindparam("id")))

AT_A_TIME = 200
"""Cases read at a time where there may be many."""


class CaseStore:
    """Reads and writes cases and incidents; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, case: Case, run: str) -> None:
        """Write the case, replacing what stands under its id; the incident that it has joined stays."""
        _SAVE.write(self._engine, _values(case, run))

    def known(self, case_id: str) -> Case | None:
        """The case of that id, if there is one."""
        row = _KNOWN.first(self._engine, {"id": case_id})
        return None if row is None else unpack(row[-1], dict(zip(COLUMNS, row, strict=False)))

    def get(self, case_id: str) -> Case:
        """The case of that id; raises `NotFoundError`."""
        found = self.known(case_id)
        if found is None:
            raise NotFoundError("there is no such case", where=case_id, remedy="see `alarm watch SOURCE --all`")
        return found

    def run_of(self, case_id: str) -> str:
        """The run that the case belongs to; raises `NotFoundError`."""
        with self._engine.connect() as connection:
            run: str | None = connection.scalar(select(db.cases.c.run).where(db.cases.c.id == case_id))
        if run is None:
            raise NotFoundError("there is no such case", where=case_id, remedy="see `alarm watch SOURCE --all`")
        return run

    def find(
        self,
        *,
        namespace: str = "main",
        run: str | None = None,
        status: CaseStatus | None = None,
        scenario: str | None = None,
        answered: bool | None = None,
    ) -> list[Case]:
        """The cases that match, by source and time."""
        query = _PACKED.where(db.cases.c.namespace == namespace)
        wanted = {"run": run, "status": status and status.value, "scenario": scenario, "answered": answered}
        for column, value in wanted.items():
            if value is not None:
                query = query.where(db.cases.c[column] == value)
        with self._engine.connect() as connection:
            return [_case(row) for row in connection.execute(query.order_by(db.cases.c.source, db.cases.c.start))]

    def each(self, scenario: str, *, namespace: str = "main") -> Iterator[tuple[Case, str]]:
        """The stored cases of a scenario, each with its run, run by run and in order; a few at a time in memory."""
        c = db.cases.c
        query = _PACKED.where(c.namespace == namespace, c.scenario == scenario)
        with self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=AT_A_TIME).execute(query.order_by(c.run, c.start, c.id))
            for row in rows:
                yield _case(row), row.run

    def count(self, scenario: str, *, namespace: str = "main", status: CaseStatus | None = None) -> int:
        """How many cases of the scenario are stored, of that status if one is given."""
        c = db.cases.c
        query = select(func.count()).where(c.namespace == namespace, c.scenario == scenario)
        if status is not None:
            query = query.where(c.status == status.value)
        with self._engine.connect() as connection:
            return connection.scalar(query) or 0

    def of_run(self, run: str) -> Iterator[Case]:
        """The cases of a run, in order; a few at a time in memory."""
        query = _PACKED.where(db.cases.c.run == run).order_by(db.cases.c.start)
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=AT_A_TIME).execute(query):
                yield _case(row)

    def reviewed(self, scenario: str, *, namespace: str = "main") -> Iterator[tuple[int, Case, str]]:
        """The cases of a scenario that were put to a person or answered, but for those answered "unsure".

        Each with its place among all cases, in the order in which they were judged, and its run.
        """
        c = db.cases.c
        waits = c.status.in_([CaseStatus.PENDING.value, CaseStatus.RESOLVED.value])
        query = _PLACED.where(c.namespace == namespace, c.scenario == scenario, c.answered | waits)
        with self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=AT_A_TIME).execute(query.order_by(_PLACE))
            for row in rows:
                yield row.place, _case(row), row.run

    def latest(self, runs: Sequence[str], most: int) -> list[Case]:
        """The cases of these runs that were judged last, in that order."""
        query = _PACKED.where(db.cases.c.run.in_(runs)).order_by(_PLACE.desc()).limit(most)
        with self._engine.connect() as connection:
            return [_case(row) for row in connection.execute(query)][::-1]

    def judged(self, runs: Sequence[str], *, after: int = 0, before: int | None = None) -> int:
        """How many cases of these runs there are: those that stand after one place, and before another one if given."""
        judged = db.cases.c.status != CaseStatus.HELD.value
        query = select(func.count()).where(db.cases.c.run.in_(runs), judged, after < _PLACE)
        if before is not None:
            query = query.where(before > _PLACE)
        with self._engine.connect() as connection:
            return connection.scalar(query) or 0

    def labels_before(self, run: str, start: float, since: float, count: int) -> list[Label]:
        """What the run's last `count` windows that start in [since, start) were held to be, the latest first."""
        c = db.cases.c
        query = select(c.label).where(
            c.run == run, c.start < start, c.start >= since, c.status != CaseStatus.HELD.value
        )
        with self._engine.connect() as connection:
            return [Label(label) for label in connection.scalars(query.order_by(c.start.desc()).limit(count))]

    def count_answered(self, namespace: str, scenario: str) -> int:
        """How many cases of the scenario a person has answered normal or anomalous: the case memory's size."""
        count: int = _COUNT_ANSWERED.first(self._engine, {"namespace": namespace, "scenario": scenario})[0]
        return count

    def answered(self, namespace: str, scenario: str) -> list[str]:
        """The ids of the cases that `count_answered` counts."""
        with self._engine.connect() as connection:
            return list(connection.scalars(_ANSWERED, {"namespace": namespace, "scenario": scenario}))

    def some(self, ids: Sequence[str]) -> Iterator[Case]:
        """The cases of those ids that there are, in no order; a few at a time in memory."""
        for start in range(0, len(ids), AT_A_TIME):
            query = _PACKED.where(db.cases.c.id.in_(ids[start : start + AT_A_TIME]))
            with self._engine.connect() as connection:
                yield from map(_case, connection.execute(query).all())

    def resolve(self, case_id: str, resolution: Resolution) -> Case:
        """Write a person's answer if and only if the case has none (compare-and-set).

        Raises `ConflictError` when it has been answered, or waits for a model that will judge it first;
        `NotFoundError` when there is no such case.
        """
        with self._engine.begin() as connection:
            # An update of nothing takes the write lock before reading, so that of two answers exactly one wins.
            connection.execute(update(db.cases).where(false()).values(id=db.cases.c.id))
            row = connection.execute(_BY_ID, {"id": case_id}).first()
            if row is None:
                raise NotFoundError("there is no such case", where=case_id, remedy="see `alarm review list`")
            case = _case(row)
            if case.resolution is not None:
                said = f"the case was answered '{case.resolution.answer}' already"
                raise ConflictError(said, where=case_id, remedy="see `alarm review list`")
            if case.status is CaseStatus.HELD:
                said = "the case waits for a model, and nobody has judged it yet"
                raise ConflictError(said, where=case_id, remedy="start the model and watch the source again")
            case = case.model_copy(update={"status": CaseStatus.RESOLVED, "resolution": resolution})
            connection.execute(_REPLACE, _values(case, row.run))
        return case

    def incidents(self, *, namespace: str = "main", run: str | None = None) -> list[Incident]:
        """The incidents that match, by source and time, without the dismissed ones."""
        c = db.incidents.c
        query = select(c.record).where(c.namespace == namespace, c.status != "dismissed").order_by(c.run, c.start)
        if run is not None:
            query = query.where(c.run == run)
        return [Incident.model_validate(row) for row in self._records(query)]

    def incident(self, incident_id: str) -> Incident | None:
        """The incident of that id, if there is one."""
        row = _INCIDENT.first(self._engine, {"id": incident_id})
        return None if row is None else Incident.model_validate_json(row[0])

    def save_incident(self, incident: Incident, run: str, case: Case | None = None) -> None:
        """Write the incident and, in the same transaction, the case that has joined or left it."""
        with self._engine.begin() as connection:
            _put_incident(connection, incident, run)
            if case is not None:
                connection.execute(_REPLACE, _values(case, run))

    def join(self, incident: Incident, run: str, case_id: str) -> None:
        """Write the incident, and on the case that it belongs to it, whatever else has become of the case."""
        with self._engine.begin() as connection:
            _put_incident(connection, incident, run)
            connection.execute(_JOIN, {"joined": case_id, "incident": incident.id})

    def deliver_once(self, key: str) -> bool:
        """Whether nobody has noted the delivery of `key` yet; notes it."""
        with self._engine.begin() as connection:
            statement = insert(db.deliveries).values(key=key, at=time.time()).on_conflict_do_nothing()
            return connection.execute(statement).rowcount == 1

    def delivered(self, key: str) -> bool:
        """Whether the delivery of `key` is noted."""
        with self._engine.connect() as connection:
            return connection.scalar(select(db.deliveries.c.key).where(db.deliveries.c.key == key)) is not None

    def forget(self, namespace: str) -> None:
        """Delete the cases and incidents of a namespace (suites start from nothing)."""
        with self._engine.begin() as connection:
            for table in (db.cases, db.incidents, db.runs, db.rules, db.references, db.reviewed):
                connection.execute(delete(table).where(table.c.namespace == namespace))

    def _records(self, query: Select[Any]) -> Sequence[Any]:
        with self._engine.connect() as connection:
            return connection.scalars(query).all()


def _put_incident(connection: Connection, incident: Incident, run: str) -> None:
    values = {
        "id": incident.id,
        "namespace": incident.namespace,
        "run": run,
        "start": incident.start,
        "status": incident.status,
        "record": incident.model_dump(mode="json"),
    }
    connection.execute(_PUT_INCIDENT, values)


def _case(row: Any) -> Case:
    return unpack(row.record, row._asdict())


def _values(case: Case, run: str) -> dict[str, Any]:
    return {
        "id": case.id,
        "namespace": case.namespace,
        "scenario": case.scenario,
        "source": case.source,
        "run": run,
        "start": case.window.start,
        "status": case.status.value,
        "label": case.label.value,
        "answered": case.resolution is not None and case.resolution.answer != "unsure",
        "incident": case.incident,
        "record": pack(case),
    }
