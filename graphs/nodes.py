"""The nodes of the monitor graph: each calls one agent or writes one record; agents know nothing of the graph."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from alarm_agents.agents.perceiver import said
from alarm_agents.agents.predicates import judge
from alarm_agents.agents.reasoner import Question, Reasoner, by_rules
from alarm_agents.agents.toolwork import earlier_tool, perceivers_tool
from alarm_agents.errors import ModelError
from alarm_agents.graphs.casework import NOT_MODELS, assemble
from alarm_agents.graphs.context import Context
from alarm_agents.graphs.doubt import ambiguity, borne_out, by_models, critic, dispersion
from alarm_agents.graphs.state import MonitorState, PerceiveTask, latest, rounds
from alarm_agents.memory.texts import seen, written
from alarm_agents.models import heard
from alarm_agents.models.instructions import speaks_of_judging
from alarm_agents.observability import tracing
from alarm_agents.observability.detection import check
from alarm_agents.settings import EMBEDDED
from alarm_agents.sources.regions import zones_of
from alarm_agents.tools.camera import NAME, blindness
from alarm_agents.tools.registry import Entry
from alarm_agents.types import (
    CaseStatus,
    Decision,
    Fact,
    Label,
    Parse,
    Perception,
    Resolution,
    TraceAnomaly,
    Uncertainty,
    Verdict,
    Window,
)
from alarm_agents.uncertainty import signals
from alarm_agents.uncertainty.monitor import assess
from alarm_agents.uncertainty.promises import held_to, lot

Update = dict[str, Any]
BLIND_SEVERITY = 3
"""Of a camera that sees nothing: whatever happens now goes unseen."""


NEIGHBOURS = 2
"""Windows right before that a reasoner's draft is held against."""


class ModelsDownError(ModelError):
    """No model answers, and the window may wait until one does."""


async def gate(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """Conclude a window in which the camera is blind, which is never normal; and a clearly normal window by the
    expert's score alone, where labels have shown what that misses.
    """
    if blind := blindness(state["measurements"]):
        return _blind(blind)
    context, settings = runtime.context, runtime.context.scenario.graph.gate
    narrowed = "acceptance" in state and state["acceptance"].narrowed
    if settings is None or context.gate_above is None or narrowed:
        return {"closed": False}
    scores = [m.values[m.score] for m in state["measurements"] if m.expert == settings.expert]
    if not scores or max(scores) >= context.gate_above:
        return {"closed": False}
    rules, revision = context.memory.rules_for(context.media.identity, "")
    verdict = judge("gate", rules, state["measurements"], (), window=state["window"], lift=state.get("lift", 1.0))
    if verdict.label is not Label.NORMAL:
        return {"closed": False}
    uncertainty = assess((), [[verdict]], None, accept_below=1.01, may_reflect=False)
    closed = uncertainty.model_copy(update={"reason": f"the gate is closed under {context.gate_above:.2f}"})
    return {
        "closed": True,
        "verdicts": _keyed([verdict]),
        "rules": tuple(rule.ref for rule in rules),
        "revision": revision,
        "uncertainty": _audited(closed, state["case"], context.scenario.promise.audit_rate),
    }


async def perceive(state: PerceiveTask, runtime: Runtime[Context]) -> Update:
    """One perceiver sees the window (the gate sends one of these for each); all do where an edge leads here."""
    context, window, measurements = runtime.context, state["window"], state["measurements"]
    members = [state["member"]] if "member" in state else list(context.perceivers)
    eyes = [context.perceivers[member] for member in members]
    asked = context.memory.questions(context.media.identity) if any(eye.model for eye in eyes) else {}
    with heard() as listening:
        found = await asyncio.gather(
            *(eye.perceive(window, measurements, context.media, context.scenario, questions=asked) for eye in eyes)
        )
    return {
        "perceptions": {p.member: p.model_copy(update={"facts": _placed(p.facts, context)}) for p in found},
        "down": dict.fromkeys(sorted(listening.down), "perceive"),
    }


async def recall(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """The rules and the resolved cases that what was seen brings to mind."""
    memory, perceptions = runtime.context.memory, state["perceptions"].values()
    text = seen(perceptions)
    with tracing.span("recall", kind="memory"):
        rules, revision = memory.rules_for(runtime.context.media.identity, text)
        similar = memory.similar(text)
        tracing.set(**{"alarm.rules": len(rules), "alarm.revision": revision, "alarm.similar": len(similar)})
    found: Update = {"rules": tuple(rule.ref for rule in rules), "revision": revision, "similar": tuple(similar)}
    if any(perception.parse in (Parse.EMBEDDED, Parse.RECORDED) for perception in perceptions):
        # The experts' facts are that perceiver's facts: kept once, checkpoints and cases are a third smaller.
        found["measurements"] = tuple(m.model_copy(update={"facts": ()}) for m in state["measurements"])
    return found


async def reason(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """Every reasoner judges, each as often as the scenario says; the rules step in when all models fail.

    Raises `ModelsDownError` where nobody answers, a model may do so later, and the window may wait for it.
    """
    context, question = runtime.context, _question(state, runtime.context)
    agents = context.scenario.agents
    if agents.reasoners_recheck:
        question = replace(question, before=_before(state["window"], context))
    asking = {"focus": agents.reasoners_focus, "recheck": agents.reasoners_recheck}
    unseen = not any(perception.parse.usable for perception in question.perceptions)
    # A model that reads what nobody has seen would find nothing wrong with it, unless it sees for itself.
    asked = [reasoner for reasoner in context.reasoners.values() if not unseen or _sees(reasoner, question)]
    with heard() as listening:
        answers = await asyncio.gather(*(reasoner.reason(question, agents.samples, **asking) for reasoner in asked))
    verdicts = [verdict for answer in answers for verdict in answer]
    verdicts += [_unseen(reasoner) for reasoner in context.reasoners.values() if reasoner not in asked]
    down = {*listening.down, *(state.get("down", {}) if unseen else ())}
    if down and state.get("may_hold") and not signals.usable(verdicts):
        raise ModelsDownError(f"no model answers ({', '.join(sorted(down))})")
    if not signals.usable(verdicts) and context.scenario.when_models_fail == "detector-only":
        verdicts += _detector_only(verdicts, question)
    return {"verdicts": _keyed(borne_out(verdicts, question.perceptions, context))}


async def uncertainty(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """What resolved cases say of the verdict, how sure it is, and what to do about it; a share is audited."""
    context, question, looks = runtime.context, _question(state, runtime.context), rounds(state)
    if first := by_models(looks[0] if looks else ()):
        question = replace(question, before=_before(state["window"], context))
    p, text = signals.mean_p(latest(state)), written(question.perceptions, latest(state))
    precedent = context.memory.resolved.precedent(text, p) if p is not None else None
    fit = state["acceptance"].fit if "acceptance" in state else 0
    found = assess(
        question.perceptions,
        looks,
        precedent,
        beside={
            "ambiguity": ambiguity(question),
            "critic": critic(question, first),
            "dispersion": dispersion(question.perceptions),
        },
        accept_below=context.scenario.uncertainty.accept_below,
        may_reflect=state.get("round", 0) < context.scenario.graph.max_reflections,
        weights=(fit, context.weights(fit)),
    )
    found = held_to(found, precedent.p if precedent is not None else p, state.get("acceptance"))
    if found.decision is Decision.ACCEPT:
        found = _audited(found, state["case"], context.scenario.promise.audit_rate)
    tracing.set(**{"alarm.decision": found.decision.value, "alarm.uncertainty": round(found.score, 4)})
    return {"uncertainty": found, "precedent": precedent}


async def reflect(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """The reflector looks again; its verdict stands in place of those before it, or joins them by its weight."""
    context, number = runtime.context, state.get("round", 0) + 1
    question, work, limits = _question(state, context), context.work(state["window"]), context.scenario.graph.reflection
    eyes = [perceiver for perceiver in context.perceivers.values() if perceiver.model is not None]
    about = context.media, context.scenario
    asking = [perceivers_tool(eyes, question, *about), earlier_tool(eyes, question.window, *about)] if eyes else []
    toolbox = context.tools.including(*(Entry(each, "built in", limits.seconds) for each in asking))
    found = await context.reflector.reflect(question, latest(state), work, toolbox, number, limits=limits)
    verdicts = borne_out([found.verdict], question.perceptions, context)
    # Experts see less than models do: their second look is one voice, and never overrules what models say.
    if (weight := limits.weight if context.reflector.model else 1.0) is not None:
        # A model may be a reasoner, too, and both of its voices count.
        others = [verdict for verdict in signals.usable(latest(state)) if verdict.model != EMBEDDED]
        both = any(verdict.member == found.verdict.member for verdict in others)
        name = {"member": "reflector"} if both else {}
        second = verdicts[0].model_copy(update={"weight": weight, **name})
        verdicts = [*(verdict.model_copy(update={"round": number}) for verdict in others), second]
    return {"verdicts": _keyed(verdicts), "looks": {str(number): _placed(found.facts, context)}, "round": number}


async def enqueue(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """Write the pending case, so that it is in the review queue before the graph waits."""
    found: Update = {"deferred": True}
    if state["uncertainty"].decision is not Decision.DEFER:
        seen_wrong = "; ".join(anomaly.text for anomaly in state.get("anomalies", ())) or "the graph leads here"
        told = {"decision": Decision.DEFER, "reason": f"{seen_wrong}, so a person is asked"}
        found["uncertainty"] = state["uncertainty"].model_copy(update=told)
    if runtime.context.ask_people:
        case = assemble(cast(MonitorState, {**state, **found}), runtime.context, CaseStatus.PENDING)
        runtime.context.cases.save(case, runtime.context.run)
    return found


async def hand_off(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """Wait for a person (a LangGraph interrupt); in a suite go on with the verdict as it was."""
    if not runtime.context.ask_people:
        return {}
    answer = interrupt({"case": state["case"], "reason": state["uncertainty"].reason})
    return {"resolution": Resolution.model_validate(answer)}


async def self_check(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """What this run's own trace shows to be wrong with the agents; fed in process, as the trace is unfinished."""
    found = check(
        tracing.finished(tracing.current_trace_id()), max_reflections=runtime.context.scenario.graph.max_reflections
    )
    found += _overruled(state, runtime.context)
    tracing.set(**{"alarm.anomalies": [anomaly.kind for anomaly in found]})
    return {"anomalies": found}


async def conclude(state: MonitorState, runtime: Runtime[Context]) -> Update:
    """Write the case as done; an answered one is done when its incident has been settled, too."""
    status = CaseStatus.RESOLVED if state.get("resolution") else CaseStatus.DONE
    case = assemble(state, runtime.context, status)
    runtime.context.cases.save(case, runtime.context.run)
    tracing.set(**{"alarm.label": case.label.value, "alarm.score": case.score})
    return {}


def _blind(facts: tuple[Fact, ...]) -> Update:
    """Nobody judges what a blind camera shows, and nobody is asked about it: people are told, by an incident."""
    why = "; ".join(fact.text for fact in facts)
    seen_by = {"member": NAME, "model": EMBEDDED}
    verdict = Verdict(**seen_by, label=Label.UNKNOWN, severity=BLIND_SEVERITY, rationale=why, parse=Parse.BLIND)
    reason = "what a blind camera shows is not judged"
    return {
        "closed": True,
        "perceptions": {NAME: Perception(**seen_by, facts=facts, caption=why, parse=Parse.EMBEDDED)},
        "verdicts": _keyed([verdict]),
        "uncertainty": Uncertainty(score=1.0, decision=Decision.ACCEPT, reason=reason),
    }


def _sees(reasoner: Reasoner, question: Question) -> bool:
    """Whether the reasoner judges by more than what perceivers say: by experts' measurements, or by pictures."""
    shown = question.media is not None and question.media.kind == "frames"
    return reasoner.model is None or (shown and reasoner.model.settings.images.max > 0)


def _unseen(reasoner: Reasoner) -> Verdict:
    """What stands for the verdict of a model that was not asked, as no perceiver saw anything."""
    why = "no perceiver gave a usable answer, so there was nothing to judge by"
    member = reasoner.member
    return Verdict(member=member, model=member, label=Label.UNKNOWN, rationale=why, parse=Parse.FAILED)


def _overruled(state: MonitorState, context: Context) -> tuple[TraceAnomaly, ...]:
    """Models that call normal what the rules of the experts call an anomaly: said on the case, as they may know better.

    A person is asked where words may have led them to it, for the experts measure and cannot read. On screen any text
    counts; else words of what a monitor does are needed.
    """
    verdicts, perceptions = latest(state), list(state.get("perceptions", {}).values())
    p, models = signals.mean_p(verdicts), {verdict.model for verdict in signals.usable(verdicts)}.difference(NOT_MODELS)
    if p is None or p >= 0.5 or not models or not state.get("rules"):
        return ()
    measured = by_rules(EMBEDDED, replace(_question(state, context), perceptions=()))
    if measured.label is not Label.ANOMALOUS:
        return ()
    worded = any(perception.screen_text or any(map(speaks_of_judging, said(perception))) for perception in perceptions)
    kind, words = ("injection", ", and there are words") if worded else ("contradiction", "")
    text = f"models call normal what the experts' rules call an anomaly{words}: {measured.rationale}"
    return (TraceAnomaly(kind=kind, agent="reasoner", text=text[:300], severe=worded),)


def _question(state: MonitorState, context: Context) -> Question:
    return Question(
        window=state["window"],
        normal=context.scenario.normal,
        measurements=state["measurements"],
        perceptions=list(state["perceptions"].values()),
        rules=context.memory.bodies(state["rules"]),
        similar=state.get("similar", ()),
        lift=state.get("lift", 1.0),
        media=context.media if context.scenario.agents.reasoners_see else None,
    )


def _before(window: Window, context: Context) -> list[Label]:
    """What the windows right before were held to be, as far as they are judged: windows are worked on side by side."""
    length = max(window.end - window.start, 1.0 / window.fps)
    return context.cases.labels_before(context.run, window.start, window.start - NEIGHBOURS * length - 1e-6, NEIGHBOURS)


def _keyed(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    return {f"{verdict.round}:{verdict.member}": verdict for verdict in verdicts}


def _placed(found: Iterable[Fact], context: Context) -> tuple[Fact, ...]:
    """The facts with the names of the zones that they lie in."""
    zones = context.scenario.source.zones
    return tuple(
        fact.model_copy(update={"zones": zones_of(fact.region, zones)}) if fact.region and zones else fact
        for fact in found
    )


def _detector_only(failed: list[Verdict], question: Question) -> list[Verdict]:
    """The rules' verdict, marked, where no model answered; the failures stay in the ensemble and keep it unsure."""
    names = ", ".join(verdict.member for verdict in failed)
    if all(verdict.model == "embedded" for verdict in failed):
        return []
    verdict = by_rules(EMBEDDED, question)
    return [
        verdict.model_copy(update={"rationale": f"no model answered ({names}); by rules alone: {verdict.rationale}"})
    ]


def _audited(accepted: Uncertainty, case: str, rate: float) -> Uncertainty:
    """Put to a person where the case falls into the audited share: by its id, so that one run again is drawn again."""
    if lot(case, "audit") >= rate:
        return accepted
    return accepted.model_copy(update={"decision": Decision.DEFER, "reason": "drawn for audit", "drawn": rate})
