"""Windows that wait for a model, where `when_models_fail` is `hold`: a bounded queue in `alarm.db`.

A waiting window is a case of status `held`: references and measurements, no pixels and no verdict. It is judged by a
graph run of its own when a model is back, in this process or in a later one that watches the same source.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from alarm_agents.errors import ModelError
from alarm_agents.graphs.context import Context
from alarm_agents.graphs.nodes import ModelsDownError
from alarm_agents.graphs.state import MonitorState
from alarm_agents.monitor.incidents import Incidents, Watched
from alarm_agents.scenario import Scenario
from alarm_agents.sources.media import Media
from alarm_agents.types import Case, CaseStatus, Decision, Label, Measurement, Uncertainty, Window
from alarm_agents.workspace import Workspace

MOST = 1_000
"""Windows of one scenario that may wait at once; what comes after is told to people as `alert` would."""
FULL = f"{MOST} windows wait for a model already, so this one was not held"
GONE = "no model answered while the pictures of this live source were still there"
ANEW = "no model answered, and the source was watched anew by another run, which judges the same stretch"


class Holding:
    """The queue of one scenario, as one process sees it."""

    def __init__(self, workspace: Workspace, scenario: Scenario, namespace: str) -> None:
        self._workspace, self._cases = workspace, workspace.cases
        self._scenario, self._namespace = scenario, namespace

    def full(self) -> bool:
        """Whether no further window may wait."""
        waiting = self._cases.count(self._scenario.name, namespace=self._namespace, status=CaseStatus.HELD)
        return waiting >= MOST

    async def leave_behind(self, run: str, path: str, *, live: bool) -> None:
        """Conclude the windows of the same source that wait in other runs, which nobody goes on with.

        A file's are judged anew by this run; a live source's are lost, which people are told.
        """
        waiting = self._cases.find(namespace=self._namespace, scenario=self._scenario.name, status=CaseStatus.HELD)
        for case in waiting:
            earlier = self._cases.run_of(case.id)
            if earlier != run and self._workspace.runs.scenario_of(earlier)[1] == path:
                unknown = self.give_up(case, earlier, GONE if live else ANEW)
                if live:
                    await Incidents(self._scenario, self._workspace, earlier, None).add(unknown)

    def put(self, state: MonitorState, context: Context, why: ModelsDownError) -> Case:
        """Let the window wait; it stands in the queue once, however often it is put there."""
        reason = f"{why.message}; it is judged when one is back"
        case = Case(
            id=state["case"],
            namespace=self._namespace,
            scenario=self._scenario.name,
            source=context.source,
            window=state["window"],
            status=CaseStatus.HELD,
            label=Label.UNKNOWN,
            score=None,
            title="Waits for a model",
            explanation=reason,
            decision=Decision.DEFER,
            uncertainty=Uncertainty(score=1.0, decision=Decision.DEFER, reason=reason),
            measurements=state["measurements"],
            lift=state["lift"],
            trace_id=state["trace"][0],
        )
        self._cases.save(case, context.run)
        return case

    def give_up(self, case: Case, run: str, why: str) -> Case:
        """Conclude a window that cannot be judged any more: unknown, with the reason."""
        told = case.uncertainty.model_copy(update={"reason": why})
        update = {"status": CaseStatus.DONE, "title": "No usable verdict", "explanation": why, "uncertainty": told}
        case = case.model_copy(update=update)
        self._cases.save(case, run)
        return case


class Backlog:
    """The waiting windows that one watch has passed: judged in order when a model is back, with incidents of their own.

    They come after what was seen since, so they are no part of the incidents of the windows at hand.
    """

    def __init__(
        self,
        holding: Holding,
        incidents: Incidents,
        context: Context,
        judge: Callable[[Window, tuple[Measurement, ...], float], Awaitable[tuple[Case, bool]]],
        *,
        at_once: int,
    ) -> None:
        self._holding, self._incidents, self._context = holding, incidents, context
        self._judge, self._at_once = judge, at_once
        self._waiting: deque[Case] = deque()

    def check(self) -> None:
        """Raise `ModelError` where windows still wait."""
        if self._waiting:
            message = f"{len(self._waiting)} windows wait for a model"
            remedy = "start the model, and run the same command again: it goes on from here"
            raise ModelError(message, where=self._context.media.source.name, remedy=remedy)

    def add(self, case: Case) -> None:
        """Take in the next window that waits."""
        self._waiting.append(case)

    async def drain(self) -> AsyncIterator[Watched]:
        """Judge a few of the windows, at once; those for which still no model answers go on waiting."""
        tried = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
        found = await asyncio.gather(*map(self._judged, tried))
        self._waiting.extendleft(reversed([case for case in found if case.status is CaseStatus.HELD]))
        for case in found:
            if case.status is not CaseStatus.HELD:
                async for watched in self._told(case):
                    yield watched

    async def finish(self) -> AsyncIterator[Watched]:
        """Judge all that can be, with one more try when the models may be asked again; a live source's rest is lost."""
        tried_again = False
        while self._waiting:
            before = len(self._waiting)
            async for watched in self.drain():
                yield watched
            if len(self._waiting) == before:
                if tried_again:
                    break
                tried_again = True
                await asyncio.sleep(max(model.breaker.left_s for model in self._context.models.values()))
        while self._waiting and self._context.media.source.live:
            lost = self._holding.give_up(self._waiting.popleft(), self._context.run, GONE)
            async for watched in self._told(lost):
                yield watched
        async for ended in self._incidents.ended(self._incidents.current):
            yield ended

    async def _judged(self, case: Case) -> Case:
        if gone(case, self._context.media):
            return self._holding.give_up(case, self._context.run, GONE)
        judged, _ = await self._judge(case.window, case.measurements, case.lift)
        return judged

    async def _told(self, case: Case) -> AsyncIterator[Watched]:
        over = await self._incidents.add(case)
        yield Watched(case)
        async for ended in self._incidents.ended(over):
            yield ended


def gone(case: Case, media: Media) -> bool:
    """Whether pictures of the window are lost: a live source keeps only the latest."""
    return media.source.live and len(media.frames(case.window)) < len(case.window.frames)
