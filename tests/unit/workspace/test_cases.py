"""Cases in their table: what stands in columns and what in the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from alarm_agents.types import Case, CaseStatus, Incident, Label
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.cases import CaseStore
from support.records import RUN, case, resolved


@pytest.fixture
def cases(tmp_path: Path) -> CaseStore:
    return Workspace(tmp_path).cases


def incident(case: Case) -> Incident:
    return Incident(
        id="incident-1", scenario=case.scenario, source=case.source, start=0, end=1, severity=2, title="odd",
        score=0.9, cases=(case.id,),
    )  # fmt: skip


def test_a_case_that_is_saved_again_stays_in_its_incident_until_it_is_taken_out(cases: CaseStore) -> None:
    stored = resolved("a", "a man runs", "anomalous")
    cases.save(stored, RUN)
    cases.join(incident(stored), RUN, "a")
    joined = stored.model_copy(update={"incident": "incident-1"})
    assert cases.get("a") == joined
    cases.save(stored.model_copy(update={"status": CaseStatus.RESOLVED}), RUN)
    assert cases.get("a") == joined.model_copy(update={"status": CaseStatus.RESOLVED})
    cases.save_incident(incident(stored), RUN, stored)
    assert cases.get("a") == stored
    assert cases.find(scenario=stored.scenario) == [stored]
    assert cases.known("b") is None


def test_the_windows_right_before_are_found_with_what_they_were_held_to_be(cases: CaseStore) -> None:
    for start, p in ((0.0, 0.9), (0.4, 0.1), (0.8, 0.9), (1.2, 0.1)):
        cases.save(case(start, p), RUN)
    cases.save(case(0.9, 0.1, run="another"), "another")
    cases.save(case(1.0, 0.1, status=CaseStatus.HELD), RUN)
    assert cases.labels_before(RUN, 1.2, 0.0, 2) == [Label.ANOMALOUS, Label.NORMAL]
    assert cases.labels_before(RUN, 1.2, 0.7, 2) == [Label.ANOMALOUS]
    assert cases.labels_before(RUN, 0.0, 0.0, 2) == []
