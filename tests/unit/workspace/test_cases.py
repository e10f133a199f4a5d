"""Cases in their table: what stands in columns and what in the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from alarm_agents.types import Case, CaseStatus, Incident
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.cases import CaseStore
from support.records import RUN, resolved


@pytest.fixture
def cases(tmp_path: Path) -> CaseStore:
    return Workspace(tmp_path).cases


def incident(case: Case) -> Incident:
    return Incident(
        id="incident-1", scenario=case.scenario, source=case.source, start=0, end=1, severity=2, title="odd",
        score=0.9, cases=(case.id,),
    )  # fmt: skip


def test_a_case_that_is_saved_again_stays_in_its_incident_until_it_is_taken_out(cases: CaseStore) -> None:
    case = resolved("a", "a man runs", "anomalous")
    cases.save(case, RUN)
    cases.join(incident(case), RUN, "a")
    joined = case.model_copy(update={"incident": "incident-1"})
    assert cases.get("a") == joined
    cases.save(case.model_copy(update={"status": CaseStatus.RESOLVED}), RUN)
    assert cases.get("a") == joined.model_copy(update={"status": CaseStatus.RESOLVED})
    cases.save_incident(incident(case), RUN, case)
    assert cases.get("a") == case
    assert cases.find(scenario=case.scenario) == [case]
    assert cases.known("b") is None
