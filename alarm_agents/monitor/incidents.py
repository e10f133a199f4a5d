"""Incidents as the cases of a run come in: opened, extended, told to people, closed, and changed by answers."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from alarm_agents.graphs.casework import extend, without
from alarm_agents.monitor.evidence import CLIP_SECONDS, Evidence, framed
from alarm_agents.monitor.moments import telling
from alarm_agents.scenario import Scenario
from alarm_agents.sinks import deliver
from alarm_agents.types import Case, CaseStatus, Drifted, Incident, Label
from alarm_agents.workspace import Workspace


@dataclass(frozen=True)
class Watched:
    """Something that watching produced: a case, a closed incident or a drift, and whether it was known before."""

    record: Case | Incident | Drifted
    known: bool = False


class Incidents:
    """The incidents of one run; `current` is the one that the next case may join. Without `evidence` none is kept."""

    def __init__(self, scenario: Scenario, workspace: Workspace, run: str, evidence: Evidence | None) -> None:
        self._scenario, self._run, self._evidence = scenario, run, evidence
        self._cases, self._folder = workspace.cases, workspace.folder
        self.current: Incident | None = None
        self._framed: dict[str, Case] = {}

    async def add(self, case: Case) -> Incident | None:
        """Take in the next case, in order; returns the incident that is over by it, if one is.

        The incident and the case that joins it are saved together, and a new incident is told to people.
        """
        before, after = self.current, await self._extended(case)
        over = before is not None and (after is None or after.id != before.id or after.status == "closed")
        self.current = after if after is not None and after.status == "open" else None
        return before if over else None

    def opened_by(self, case: Case) -> bool:
        """Whether the current incident begins with this case, and is of what the camera sees and not of the camera."""
        current = self.current
        return current is not None and current.kind == "anomaly" and current.cases[:1] == (case.id,)

    async def ended(self, incident: Incident | None) -> AsyncIterator[Watched]:
        """The incident as it is stored, unless answers have dismissed it; closed once whoever watches has it."""
        shown = await self._filmed(incident) if incident is not None else ()
        found = self._cases.incident(incident.id) if incident is not None else None
        if found is not None and found.status != "dismissed":
            closed = found.model_copy(update={"status": "closed", "evidence": shown or found.evidence})
            yield Watched(closed, known=found.status == "closed")
            self._cases.save_incident(closed, self._run)

    async def resettled(self, case: Case) -> Case:
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
            shown = await self._pictured(opened, case)
            case = case.model_copy(update={"incident": opened.id})
            closed = opened.model_copy(update={"status": "closed", "evidence": shown})
            self._cases.save_incident(closed, self._run, case)
        else:
            self._cases.save(case, self._run)
        return case

    async def _extended(self, case: Case) -> Incident | None:
        opened, belongs = self._extend(case)
        if case.label is Label.NORMAL and not case.deferred and case.incident is None:
            return opened
        shown = await self._pictured(opened, case) if opened is not None and belongs else ()
        case = self._cases.get(case.id)  # a person may have answered it meanwhile
        if case.incident is not None:
            return self._as_stored(case.incident) or self._open()
        extended, belongs = self._extend(case)
        if extended is not None and belongs:
            before = extended.evidence
            extended = extended.model_copy(update={"evidence": shown or before})
            self._cases.join(extended, self._run, case.id)
            if self._evidence is not None and extended.evidence != before:
                self._evidence.tidy(extended)
            await deliver(self._scenario.notify, extended, self._cases, self._folder)
        return extended

    def _extend(self, case: Case) -> tuple[Incident | None, bool]:
        return extend(self._open(), case, alert_unknown=self._scenario.alerts_unknown)

    def _open(self) -> Incident | None:
        return self._as_stored(self.current.id) if self.current is not None else None

    def _as_stored(self, incident_id: str) -> Incident | None:
        """The incident as answers have left it, open since its last case has not been passed; None if dismissed."""
        found = self._cases.incident(incident_id)
        return None if found is None or found.status == "dismissed" else found.model_copy(update={"status": "open"})

    async def _pictured(self, incident: Incident, case: Case) -> tuple[str, ...]:
        """References of the incident's evidence once the case is in it; those it has where the case is known."""
        if self._evidence is None or case.incident is not None:
            return incident.evidence
        return await self._evidence.joined(incident, case, self._with_key_frames(incident))

    async def _filmed(self, incident: Incident) -> tuple[str, ...]:
        """References of an incident's evidence when it is over: with its clip."""
        found = self._cases.incident(incident.id)
        if self._evidence is None or found is None or found.status != "open":
            return () if found is None else found.evidence
        self._evidence.tidy(found)  # again, for it may have been cut off before
        return await self._evidence.closed(found, self._around(found))

    def _with_key_frames(self, incident: Incident) -> list[Case]:
        """The cases that have a key frame, as they were when they were first asked for: it is for ranking."""
        keys = framed(incident)
        self._framed = {key: self._framed.get(key) or self._cases.get(key) for key in keys}
        return list(self._framed.values())

    def _around(self, incident: Incident) -> list[Case]:
        """The cases that the incident's clip may show: those near the most telling one."""
        pictured = self._with_key_frames(incident)
        if not pictured:
            return []
        peak = max(pictured, key=telling)
        place, reach = incident.cases.index(peak.id), CLIP_SECONDS * peak.window.fps / self._scenario.source.step
        near = incident.cases[max(0, place - math.ceil(reach)) : place + math.ceil(reach) + 1]
        return [self._cases.get(key) for key in near]
