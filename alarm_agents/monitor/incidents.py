"""Incidents as the cases of a run come in: opened, extended, told to people, closed, and changed by answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alarm_agents.graphs.casework import extend, without
from alarm_agents.scenario import Scenario
from alarm_agents.sinks import deliver
from alarm_agents.types import Case, CaseStatus, Incident, Label
from alarm_agents.workspace.cases import CaseStore


@dataclass(frozen=True)
class Watched:
    """Something that watching produced: a case or a closed incident, and whether it was known before."""

    record: Case | Incident
    known: bool = False


class Incidents:
    """The incidents of one run; `current` is the one that the next case may join."""

    def __init__(self, scenario: Scenario, cases: CaseStore, run: str) -> None:
        self._scenario, self._cases, self._run = scenario, cases, run
        self.current: Incident | None = None

    async def add(self, case: Case) -> Incident | None:
        """Take in the next case, in order; returns the incident that is over by it, if one is.

        The incident and the case that joins it are saved together, and a new incident is told to people.
        """
        before, after = self.current, await self._extended(case)
        over = before is not None and (after is None or after.id != before.id or after.status == "closed")
        self.current = after if after is not None and after.status == "open" else None
        return before if over else None

    def opened_by(self, case: Case) -> bool:
        """Whether the current incident begins with this case."""
        return self.current is not None and self.current.cases[:1] == (case.id,)

    def ended(self, incident: Incident | None) -> Iterator[Watched]:
        """The incident as it is stored, unless answers have dismissed it; closed once whoever watches has it."""
        found = self._cases.incident(incident.id) if incident is not None else None
        if found is not None and found.status != "dismissed":
            closed = found.model_copy(update={"status": "closed"})
            yield Watched(closed, known=found.status == "closed")
            self._cases.save_incident(closed, self._run)

    def resettled(self, case: Case) -> Case:
        """The case as done, with the incident that a person's answer changes: it leaves it, or opens one of its own."""
        case = case.model_copy(update={"status": CaseStatus.DONE})
        if case.incident is not None and case.label is Label.NORMAL:
            incident = self._cases.incident(case.incident)
            case = case.model_copy(update={"incident": None})
            if incident is not None:
                rest = [self._cases.get(key) for key in incident.cases if key != case.id]
                self._cases.save_incident(without(incident, case, rest), self._run, case)
        elif case.incident is None and case.label is Label.ANOMALOUS:
            opened, _ = extend(None, case)
            assert opened is not None
            case = case.model_copy(update={"incident": opened.id})
            self._cases.save_incident(opened.model_copy(update={"status": "closed"}), self._run, case)
        else:
            self._cases.save(case, self._run)
        return case

    async def _extended(self, case: Case) -> Incident | None:
        if case.deferred or case.label is not Label.NORMAL:  # a person may have answered it meanwhile
            case = self._cases.get(case.id)
        incident = self._as_stored(self.current.id) if self.current is not None else None
        if case.incident is not None:
            return self._as_stored(case.incident) or incident
        alert = self._scenario.when_models_fail == "alert"
        extended, belongs = extend(incident, case, alert_unknown=alert)
        if extended is not None and belongs:
            self._cases.join(extended, self._run, case.id)
            await deliver(self._scenario.notify, extended, self._cases)
        return extended

    def _as_stored(self, incident_id: str) -> Incident | None:
        """The incident as answers have left it, open since its last case has not been passed; None if dismissed."""
        found = self._cases.incident(incident_id)
        return None if found is None or found.status == "dismissed" else found.model_copy(update={"status": "open"})
