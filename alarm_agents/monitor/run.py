"""The running monitor: one ordered stage a source, then one graph run a window, many at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from langgraph.types import Command

from alarm_agents.agents.inducer import Reference
from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Reasoner
from alarm_agents.agents.reflector import Reflector
from alarm_agents.errors import ConflictError, SourceError
from alarm_agents.graphs.builder import MonitorGraph
from alarm_agents.graphs.context import Context
from alarm_agents.graphs.load import builder_of
from alarm_agents.graphs.nodes import ModelsDownError
from alarm_agents.graphs.state import MonitorState
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.index import VectorIndex
from alarm_agents.memory.preset import adopt, covers
from alarm_agents.memory.recall import Memory
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.models import build_models
from alarm_agents.monitor.checkpoints import open_checkpoints, thread, waits
from alarm_agents.monitor.evidence import Evidence
from alarm_agents.monitor.holding import FULL, Backlog, Holding
from alarm_agents.monitor.incidents import Incidents, Watched
from alarm_agents.monitor.promises import Labelled, Promises
from alarm_agents.monitor.side_by_side import side_by_side
from alarm_agents.monitor.stage import Measured, Stage
from alarm_agents.monitor.teach import active_rules, induce, induction_context, open_media, teaches
from alarm_agents.monitor.warm_up import Lifts, warmed_up
from alarm_agents.monitor.worth import Worth
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario
from alarm_agents.sources.live import LiveSource
from alarm_agents.sources.media import Media
from alarm_agents.tools.expert import Expert
from alarm_agents.tools.experts import MEASURES, taught_experts
from alarm_agents.tools.registry import load_tools
from alarm_agents.tools.smoothing import CAUSAL, Smoothing
from alarm_agents.types import Acceptance, Case, CaseStatus, Label, Resolution, Window
from alarm_agents.uncertainty.budget import Budget
from alarm_agents.uncertainty.gate import gate_threshold
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.runs import NO_REFERENCES, References, Run

AT_ONCE = 8
"""Graph runs at once, at least."""


class Monitor:
    """Runs one scenario in one workspace; use it as an async context manager."""

    def __init__(
        self,
        workspace: Workspace,
        scenario: Scenario,
        builder: MonitorGraph | None = None,
        *,
        namespace: str = "main",
        ask_people: bool = True,
        smoothing: Smoothing = CAUSAL,
        references: str | None = None,
    ) -> None:
        self.workspace, self.scenario, self.namespace = workspace, scenario, namespace
        self._builder = builder or builder_of(scenario)
        self._ask_people, self._smoothing, self._references = ask_people, smoothing, references
        self._stack = AsyncExitStack()
        self.models = build_models(scenario.models, scenario.folder)
        rules = RuleMemory(workspace.engine, scenario.name, namespace)
        index = VectorIndex(workspace.memory, default_embedder())
        self.memory = Memory(rules, workspace.cases, index)
        self._holding = Holding(workspace, scenario, namespace)
        self.finished_before = False
        """Whether the source that was watched last had been watched to its end before."""
        # Two windows for each request that a model answers at once: one asks while the other is read and judged.
        self._at_once = max([AT_ONCE, *(2 * model.settings.max_concurrency for model in self.models.values())])
        self._live: LiveSource | None = None
        self.run = ""
        """Id of the run over the source that was watched last."""

    async def __aenter__(self) -> Monitor:
        await asyncio.to_thread(adopt, self.scenario, self.memory.rules)
        self._tools = await load_tools(self.scenario.tools, self.scenario.folder)
        self._saver = await self._stack.enter_async_context(open_checkpoints(self.workspace.checkpoints))
        self._graph = self._builder.compile(checkpointer=self._saver)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def stop(self) -> None:
        """End the watch of a live source: what is in flight is judged, and its incident closed."""
        if self._live is not None:
            self._live.stop()

    async def watch(
        self,
        path: str,
        *,
        base: Path = Path(),
        category: str = "",
        progress: Callable[[Window], None] = lambda _: None,
    ) -> AsyncGenerator[Watched, None]:
        """Cases and closed incidents of the source, in order. Those told of before are marked as such.

        `category` is kept on the windows that are judged now, and changes nothing in how they are judged.
        One counts as told when the next is asked for, so that none is lost when this process is killed. Raises
        `SourceError` when the source cannot be read (to its end), `ModelError` when windows wait for a model then.
        """
        media = await asyncio.to_thread(open_media, path, self.scenario, base, category)
        source = media.source
        self._live = source if isinstance(source, LiveSource) else None
        references = self.workspace.runs.references(self.scenario.name, self.namespace, self._references)
        kept_as = source.name if source.live else str((base / path).absolute())  # an address holds secrets
        run = await self._begun(media, kept_as, references)
        self.run, self.finished_before = run.id, run.finished
        if run.finished:
            for earlier in self._known(run):
                yield earlier
            return
        promises = await asyncio.to_thread(Promises, self._labelled(references), source.slug)
        await asyncio.to_thread(self.memory.resolved.refresh)  # what it takes, the first window need not wait for
        context = self._context(run, media, references, promises)
        budget = Budget(self.scenario.share_allowed, delay=self._at_once - 1)
        evidence = Evidence(self.workspace.folder, media) if self._ask_people else None
        incidents = Incidents(self.scenario, self.workspace, run.id, evidence)
        late = Incidents(self.scenario, self.workspace, run.id, evidence)
        backlog = Backlog(self._holding, late, context, partial(self._case, context), at_once=self._at_once)
        await self._holding.leave_behind(run.id, kept_as, live=source.live)
        error: SourceError | None = None
        try:
            async with aclosing(self._judged(context, media, references, budget, progress)) as judged:
                async for case, known in judged:
                    if case.status is CaseStatus.HELD:  # it is told of when it has been judged
                        budget.take(False, confirmed=False)
                        backlog.add(case)
                        continue
                    async for watched in self._told(run, incidents, budget, promises, case, known=known):
                        yield watched
                    if case.models and not known:  # a model answers, so a few that waited for one come with it
                        async for watched in backlog.drain():
                            yield watched
        except SourceError as raised:  # the stream ends here, and with it the incident
            error = raised
        finally:
            self.stop()
        async for ended in incidents.ended(incidents.current):
            yield ended
        async for watched in backlog.finish():
            yield watched
        if error is not None:
            raise error
        backlog.check()
        self.workspace.runs.finish(run.id, self.memory.rules.revision(media.identity))

    async def _begun(self, media: Media, path: str, references: References) -> Run:
        source = media.source
        return self.workspace.runs.start(
            self.scenario,
            namespace=self.namespace,
            source=source.slug,
            path=path,
            fingerprint=await asyncio.to_thread(lambda: source.fingerprint),
            references=references.key,
            revision=self.memory.rules.revision(media.identity),
        )

    async def _told(
        self, run: Run, incidents: Incidents, budget: Budget, promises: Promises, case: Case, *, known: bool
    ) -> AsyncGenerator[Watched, None]:
        """The next case, in order, the incident that ends before it, and the drift that it shows."""
        over = await incidents.add(case)
        drifted = promises.take(case)
        budget.take(incidents.opened_by(case), confirmed=case.label is Label.ANOMALOUS and case.answered)
        yield Watched(case, known and case.window.start <= run.told)
        if case.window.start > run.told:
            self.workspace.runs.tell(run.id, case.window.start)
        if drifted is not None:
            yield Watched(drifted, known)
        async for ended in incidents.ended(over):
            yield ended

    async def resolve(self, case_id: str, resolution: Resolution) -> Case:
        """Write a person's answer to a deferred case and let its graph go on to the end.

        Raises `ConflictError` when the case has its answer, or its hand-off was cut off before it was saved.
        """
        pending = self.workspace.cases.get(case_id).status is CaseStatus.PENDING
        if pending and not await waits(self._graph, case_id):
            message = "the case was cut off while it was handed over"
            raise ConflictError(message, where=case_id, remedy="watch its source again")
        self.workspace.cases.resolve(case_id, resolution)
        return await self.finish_resolved(case_id)

    async def finish_resolved(self, case_id: str) -> Case:
        """Take a case that has its answer through the rest of the graph (again, after a crash in between)."""
        media = await self._go_on(case_id) if await waits(self._graph, case_id) else None
        evidence = Evidence(self.workspace.folder, media) if media is not None else None
        incidents = Incidents(self.scenario, self.workspace, self.workspace.cases.run_of(case_id), evidence)
        settled = await incidents.resettled(self.workspace.cases.get(case_id))
        await self._saver.adelete_thread(case_id)
        return settled

    async def _go_on(self, case_id: str) -> Media:
        """Resume the graph that waits for the case's answer; what it looked at."""
        case = self.workspace.cases.get(case_id)
        run_id = self.workspace.cases.run_of(case_id)
        _, path, key = self.workspace.runs.scenario_of(run_id)
        media = await asyncio.to_thread(open_media, path, self.scenario)
        references = self.workspace.runs.references(self.scenario.name, self.namespace, key)
        context = self._context(Run(run_id, case.revision, finished=False), media, references)
        assert case.resolution is not None
        with tracing.resume(case.trace_id), tracing.span("resolve", kind="window", **_names(context, case_id)):
            await self._graph.ainvoke(
                Command(resume=case.resolution.model_dump(mode="json")),
                thread(case_id),
                context=context,
                durability="exit",
            )
        return media

    def _labelled(self, references: References) -> Labelled:
        return Labelled(self.workspace, self.scenario, self.namespace, references.key)

    def _context(self, run: Run, media: Media, references: References, promises: Promises | None = None) -> Context:
        agents, models = self.scenario.agents, self.models
        perceivers = ["embedded"] if media.kind == "captions" else agents.perceivers
        labelled = promises.labelled if promises is not None else self._labelled(references)
        experts = taught_experts(media.kind, references.states)
        return Context(
            scenario=self.scenario,
            namespace=self.namespace,
            run=run.id,
            perceivers={member: Perceiver.of(self.scenario, member, models) for member in perceivers},
            reasoners={member: Reasoner.of(self.scenario, member, models) for member in agents.reasoners},
            reflector=Reflector.of(self.scenario, agents.reflector, models),
            models=models,
            tools=self._tools,
            memory=self.memory,
            cases=self.workspace.cases,
            media=media,
            experts=experts,
            source=media.source.slug,
            ask_people=self._ask_people,
            weights=labelled.weights.combination,
            acceptance=promises.acceptance if promises is not None else Acceptance,
            worth=Worth(labelled).verdict,
            gate_above=self._gate(experts),
        )

    def _gate(self, experts: Mapping[str, Expert[Any]]) -> float | None:
        """The score under which the gate is closed, as far as labels of the same measure so far bear it out."""
        settings = self.scenario.graph.gate
        if settings is None or settings.expert not in experts:
            return None
        answered = self.workspace.cases.find(namespace=self.namespace, scenario=self.scenario.name, answered=True)
        scores = [
            m.values[m.score]
            for case in answered
            if case.label is Label.ANOMALOUS
            for m in case.measurements
            if m.expert == settings.expert and m.score == experts[m.expert].score
        ]
        return gate_threshold(scores, settings.max_missed, self.scenario.promise.delta)

    async def _judged(
        self,
        context: Context,
        media: Media,
        references: References,
        budget: Budget,
        progress: Callable[[Window], None],
    ) -> AsyncGenerator[tuple[Case, bool], None]:
        """The cases of the source, in order, and whether each was known; as many graphs at once as keep models busy."""
        rules = active_rules(self.memory.rules, media.identity)
        heeded = active_rules(self.memory.rules, media.identity, taken_back=True)
        stage = iter(Stage(media, self.scenario.source, context.experts, self._smoothing, heeded))
        ruled = [expert for expert in context.experts if expert in MEASURES]
        taught = references is not NO_REFERENCES and (media.kind != "frames" or any(map(teaches, rules())))
        warm = taught or all(covers(self.scenario, expert) for expert in ruled)
        learn = partial(self._learn_from_stream, context, media)
        lifts, numbers = Lifts(rules), itertools.count()

        def work(found: Measured) -> Coroutine[Any, Any, tuple[Case, bool]]:
            progress(found[0])
            lift = budget.lift_for(next(numbers)) * lifts.of(*found)
            return self._case(context, *found, lift)

        async with aclosing(side_by_side(warmed_up(stage, warm, learn), work, self._at_once)) as judged:
            async for case in judged:
                yield case

    async def _learn_from_stream(self, context: Context, media: Media, held: Sequence[Measured]) -> None:
        """Set the threshold from the source's own first windows, unless that was done before."""
        known = self.memory.rules.latest(media.identity)
        if any(rule.provenance.origin == "warm-up" for rule in known):
            return
        references = [Reference(window, measurements) for window, measurements in held]
        settings = induction_context(
            self.workspace,
            self.scenario,
            self.models,
            {context.source: media},
            namespace=self.namespace,
            warm_up=media.identity,
        )
        await induce(settings, references)

    async def _case(self, context: Context, window: Window, measurements: Any, lift: float) -> tuple[Case, bool]:
        """The case of one window: from the database where it is settled there, else by a graph run."""
        case_id = f"{context.source}-{context.run}-{round(window.start * 1000):09d}"
        known = self.workspace.cases.known(case_id)
        held = known is not None and known.status is CaseStatus.HELD
        if known is not None and not held:
            if known.status is not CaseStatus.PENDING or await waits(self._graph, case_id):
                if known.status is CaseStatus.DONE:  # it may have been cut off before its thread was deleted
                    await self._saver.adelete_thread(case_id)
                return known, True
            await self._saver.adelete_thread(case_id)
        with tracing.span(f"window {window.start:.1f} s", kind="window", **_names(context, case_id)):
            trace = (tracing.current_trace_id(), tracing.current_span_id())
            state: MonitorState = {
                "case": case_id,
                "window": window,
                "measurements": measurements,
                "members": tuple(context.perceivers),
                "lift": lift,
                "acceptance": context.acceptance(),
                "trace": trace,
            }
            case = await self._run(state, context, held=held)
            tracing.set(label=case.label.value, decision=case.decision.value, quiet=case.quiet or None)
        tracing.forget(trace[0])
        return case, False

    async def _run(self, state: MonitorState, context: Context, *, held: bool) -> Case:
        """The case after a graph run from the start; one that waits where no model answers and it may."""
        state["may_hold"] = self.scenario.when_models_fail == "hold"
        while True:
            try:
                async with self._saver.fresh(state["case"]):
                    # Of what comes back nothing is needed: the case is in the database.
                    await self._graph.ainvoke(
                        state, thread(state["case"]), context=context, durability="exit", output_keys="case"
                    )
            except ModelsDownError as error:
                if held or not self._holding.full():
                    return self._holding.put(state, context, error)
                state["may_hold"], state["notes"] = False, {"hold": FULL}
            else:
                return self.workspace.cases.get(state["case"])

    def _known(self, run: Run) -> Iterator[Watched]:
        for case in self.workspace.cases.find(namespace=self.namespace, run=run.id):
            yield Watched(case, known=True)
        for incident in self.workspace.cases.incidents(namespace=self.namespace, run=run.id):
            yield Watched(incident, known=True)


def _names(context: Context, case_id: str) -> dict[str, str]:
    return {"alarm.case": case_id, "alarm.scenario": context.scenario.name, "alarm.source": context.source}
