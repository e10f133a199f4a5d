"""Fits of uncertainty's weights, in `alarm.db`: numbered, so that a case can say which it was judged by."""

from __future__ import annotations

import time

from sqlalchemy import Engine, bindparam, func, select
from sqlalchemy.dialects.sqlite import insert

from alarm_agents.types import Record
from alarm_agents.workspace import database as db
from alarm_agents.workspace.prepared import Prepared

_LATEST = Prepared(select(func.max(db.fits.c.revision)).where(db.fits.c.key == bindparam("key")))


class Fit(Record):
    """Weights learned from people's answers, and what a single case is ranked by."""

    revision: int
    """From 1; 0 where labels did not suffice."""
    labels: int
    """Answered cases that there were."""
    lacking: int = 0
    """How many more were needed, at least."""
    due: int
    """How many cases of the scenario will have been answered when it is tried again."""
    place: int = 0
    """Where the last case stands that it rests on: promises are tested on those after it."""
    weights: dict[str, float]
    known: dict[str, tuple[float, ...]]
    """The values of each signal over the latest cases, ascending."""
    scale: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    """See `alarm_agents.uncertainty.combination.Combination`."""


class FitStore:
    """Reads and writes fits; a key stands for one scenario as it is, with its references."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def revision(self, key: str) -> int:
        """The number of the last fit; 0 before the first."""
        return _LATEST.first(self._engine, {"key": key})[0] or 0

    def get(self, key: str, revision: int) -> Fit | None:
        """The fit of that number, if there is one; number 0 says how many labels were lacking."""
        c = db.fits.c
        with self._engine.connect() as connection:
            found = connection.scalar(select(c.record).where(c.key == key, c.revision == revision))
        return None if found is None else Fit.model_validate(found)

    def put(self, key: str, fit: Fit) -> None:
        """Write the fit, in place of one with its number."""
        values = {"key": key, "revision": fit.revision, "at": time.time(), "record": fit.model_dump(mode="json")}
        with self._engine.begin() as connection:
            connection.execute(
                insert(db.fits).values(values).on_conflict_do_update(index_elements=["key", "revision"], set_=values)
            )
