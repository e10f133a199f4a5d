"""From a graph run's state to the case that is kept, and from cases to incidents."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

from alarm_agents.agents.base import Agent
from alarm_agents.graphs.context import Context
from alarm_agents.graphs.state import MonitorState, facts, final_p, latest
from alarm_agents.memory.recall import answered_label
from alarm_agents.memory.texts import seen
from alarm_agents.settings import EMBEDDED
from alarm_agents.types import Case, CaseStatus, Incident, Label, Parse, Perception, Precedent, Resolution, Verdict
from alarm_agents.uncertainty import signals

COOL_DOWN = 10.0
"""Seconds after an incident's last anomalous case within which a further one belongs to it."""
PAUSE = 0.5
"""Seconds of calm, beyond the gap from one frame to the next, after which a worse case is another incident."""
FAR_ODDER = 10.0
"""Times the odds of the most anomalous case before at which a case is worse, though as severe: strong evidence (as
Jeffreys has it, Theory of Probability, 1961), while severity grows only with each doubling of what is measured."""
LIFTED = 2.0
"""Times the lift of an incident's limits at which what is beyond them still is worse: they reach what it showed."""
NOT_MODELS = (EMBEDDED, "recorded", "gate")
TITLE = 120


def assemble(state: MonitorState, context: Context, status: CaseStatus) -> Case:
    """The case as it stands; a person's answer decides the label, the score stays what the agents made of it."""
    verdicts, window, precedent = latest(state), state["window"], state.get("precedent")
    p = final_p(state)
    resolution = state.get("resolution")
    label = answered_label(resolution)
    label = label_of(p) if label is Label.UNKNOWN else label
    perceptions = tuple(state.get("perceptions", {}).values())
    everyone = tuple(state.get("verdicts", {}).values())
    rules = dict.fromkeys(ref for verdict in verdicts for ref in verdict.rules)
    return Case(
        id=state["case"],
        namespace=context.namespace,
        scenario=context.scenario.name,
        source=window.source,
        window=window,
        status=status,
        label=label,
        score=p,
        frame_scores=_frame_scores(verdicts, precedent, len(window.frames)),
        **_odds(verdicts),
        lift=state.get("lift", 1.0),
        drift=state["acceptance"].drift if "acceptance" in state else 0,
        severity=_severity(label, verdicts),
        title=_title(label, state),
        explanation=_explanation(verdicts, state),
        decision=state["uncertainty"].decision,
        uncertainty=state["uncertainty"],
        deferred=state.get("deferred", False),
        measurements=state["measurements"],
        perceptions=perceptions,
        verdicts=everyone,
        rules=tuple(rules),
        similar=state.get("similar", ()),
        precedent=precedent,
        models=_models(state),
        prompts=_prompts(state, context),
        anomalies=state.get("anomalies", ()),
        notes=state.get("notes", {}),
        resolution=resolution,
        revision=state.get("revision", 0),
        trace_id=state["trace"][0],
    )


def by_agents(case: Case) -> Label:
    """The label that the agents gave the case, whatever a person has answered since."""
    return label_of(case.score)


def answered(case: Case, resolution: Resolution) -> Case:
    """A case that the graph has concluded, with a person's answer; "unsure" leaves it as the agents made it."""
    told, state = answered_label(resolution), _known(case)
    update: dict[str, Any] = {"resolution": resolution}
    if told not in (Label.UNKNOWN, case.label):
        update |= {"label": told, "severity": _severity(told, latest(state)), "title": _title(told, state)}
    return case.model_copy(update=update)


def alarm_title(case: Case) -> str:
    """The title that the case has, or would have, as an anomaly."""
    return case.title if case.label is Label.ANOMALOUS else _title(Label.ANOMALOUS, _known(case))


def extend(incident: Incident | None, case: Case, *, alert_unknown: bool = False) -> tuple[Incident | None, bool]:
    """The incident after the next case of its source, in order, and whether the case belongs to it.

    An anomalous case joins the incident while it starts within `COOL_DOWN` of the incident's end, else it opens a
    new one; so does one that comes after a pause and is worse than all before it (severer, far odder, or beyond limits
    that have been lifted to what is usual now), for what is worse is not the same again; and so does a case in which
    the camera was blind, in incidents of their own kind. None comes back when there is no incident and the case opens
    none. With `alert_unknown` a case that no member could judge counts as one to tell people about.
    """
    kind: Literal["anomaly", "camera"] = "camera" if case.blind else "anomaly"
    asked_first = case.uncertainty.withheld and case.status is CaseStatus.PENDING
    alarms = case.label is Label.ANOMALOUS and not asked_first
    concerns = case.blind or alarms or (alert_unknown and case.label is Label.UNKNOWN)
    over = incident is not None and case.window.start > incident.end + COOL_DOWN
    if not concerns:
        return (incident.model_copy(update={"status": "closed"}) if incident and over else incident), False
    paused = incident is not None and case.window.start > incident.end + PAUSE
    worse = incident is not None and paused and _worse(case, incident)
    if incident is None or over or worse or incident.status != "open" or incident.kind != kind:
        opened = Incident(
            id=f"incident-{case.id}",
            namespace=case.namespace,
            scenario=case.scenario,
            source=case.source,
            start=case.window.start,
            end=case.window.end,
            severity=case.severity,
            title=case.title,
            score=case.score,
            lift=case.lift,
            cases=(case.id,),
            kind=kind,
        )
        return opened, True
    # The longer a camera is blind the more its title says, and it has no score.
    stronger = case.blind or (case.score or 0.0) > (incident.score or 0.0)
    joined = incident.model_copy(
        update={
            "end": max(incident.end, case.window.end),
            "severity": max(incident.severity, case.severity),
            "title": case.title if stronger else incident.title,
            "score": case.score if stronger else incident.score,
            "lift": max(incident.lift, case.lift),
            "cases": tuple(dict.fromkeys((*incident.cases, case.id))),
        }
    )
    return joined, True


def without(incident: Incident, case: Case, rest: Sequence[Case]) -> Incident:
    """The incident after a person found `case` to be normal; dismissed when no case of `rest` is left."""
    if not rest:
        return incident.model_copy(update={"status": "dismissed", "cases": ()})
    strongest = max(rest, key=lambda kept: kept.score or 0.0)
    return incident.model_copy(
        update={
            "cases": tuple(kept for kept in incident.cases if kept != case.id),
            "start": min(kept.window.start for kept in rest),
            "end": max(kept.window.end for kept in rest),
            "severity": max(kept.severity for kept in rest),
            "score": strongest.score,
            "lift": max(kept.lift for kept in rest),
            "title": strongest.title,
        }
    )


def _worse(case: Case, incident: Incident) -> bool:
    """Whether the case is worse than all of the incident so far."""
    p, before = case.score or 0.0, incident.score or 0.0
    far_odder = p * (1 - before) > FAR_ODDER * before * (1 - p)
    return case.severity > incident.severity or far_odder or case.lift >= LIFTED * incident.lift


def label_of(p: float | None) -> Label:
    """What a final p comes to; without one, unknown."""
    if p is None:
        return Label.UNKNOWN
    return Label.ANOMALOUS if p >= 0.5 else Label.NORMAL


def _known(case: Case) -> MonitorState:
    """What a stored case still has of the state that it was assembled from."""
    return {
        "perceptions": {perception.member: perception for perception in case.perceptions},
        "verdicts": {f"{verdict.round}:{verdict.member}": verdict for verdict in case.verdicts},
        "precedent": case.precedent,
    }


def _frame_scores(verdicts: Sequence[Verdict], precedent: Precedent | None, count: int) -> tuple[float, ...]:
    """The mean p of each frame over the members, by their weights, with what resolved cases say of the window.

    A member that does not tell frames apart gives its p to all.
    """
    told = signals.usable(verdicts)
    weights = [verdict.weight for verdict in told]
    rows = [v.frames if len(v.frames) == count else (v.p_anomaly or 0.0,) * count for v in told]
    means = (fmean(column, weights) for column in zip(*rows, strict=True))
    return tuple(means) if precedent is None else tuple(map(precedent.of, means))


def _odds(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The smallest p-value of the verdicts, and whether references bear it out."""
    found = [(verdict.p_value, verdict.budget_verified) for verdict in verdicts if verdict.p_value is not None]
    smallest, verified = min(found, default=(None, False))
    return {"p_value": smallest, "budget_verified": verified}


def _models(state: MonitorState) -> tuple[str, ...]:
    """The models whose answers went into the case; one that did not answer took no part."""
    members: list[Perception | Verdict] = [*state.get("perceptions", {}).values(), *state.get("verdicts", {}).values()]
    answered = {member.model for member in members if member.parse.usable} | set(state.get("models", {}))
    return tuple(sorted(answered - set(NOT_MODELS)))


def _prompts(state: MonitorState, context: Context) -> dict[str, str]:
    """The prompts of the agents that asked a model about this window."""
    asked = {*state.get("perceptions", {}), *(verdict.model for verdict in state.get("verdicts", {}).values())}
    agents: list[Agent] = [*context.perceivers.values(), *context.reasoners.values()]
    agents += [context.reflector] if state.get("round", 0) else []
    found = {agent.role: agent.prompt.label for agent in agents if agent.model is not None and agent.member in asked}
    verdicts = state.get("verdicts", {}).values()
    taken = {
        "region": context.scenario.agents.reasoners_focus and "reasoner" in found,
        "focus": any(verdict.looked for verdict in verdicts),
        "recheck": any(verdict.draft for verdict in verdicts),
    }
    return found | {turn: agents[0].turn(turn).label for turn, was_taken in taken.items() if was_taken}


def _severity(label: Label, verdicts: Sequence[Verdict]) -> int:
    """The largest that a member gave; of an anomaly at least 1, since somebody holds it to be one."""
    given = max((verdict.severity for verdict in verdicts), default=0)
    return {Label.NORMAL: 0, Label.UNKNOWN: given, Label.ANOMALOUS: max(1, given)}[label]


def _title(label: Label, state: MonitorState) -> str:
    if label is Label.UNKNOWN:
        blind = next((v.rationale for v in latest(state) if v.parse is Parse.BLIND), "no usable verdict")
        return blind[:1].upper() + blind[1:TITLE]
    if label is Label.NORMAL:
        return "Normal"
    precedent = state.get("precedent")
    if precedent is not None and precedent.members < 0.5 <= precedent.p:  # the members saw nothing to name it by
        return f"Like resolved cases that were anomalous: {seen(state['perceptions'].values())}"[:TITLE]
    strongest = max(signals.usable(latest(state)), key=lambda verdict: verdict.p_anomaly or 0.0, default=None)
    if strongest is not None and strongest.model not in NOT_MODELS and strongest.rationale:
        return strongest.rationale[:1].upper() + strongest.rationale[1:TITLE]
    known = facts(state)
    # What is furthest beyond its limit; a fact about one thing says more than one about the whole picture.
    oddest = [measure for verdict in latest(state) for measure in verdict.beyond]
    notable = [fact for fact in known if isinstance(fact.value, float) and (fact.region or fact.measure in oddest)]
    ranks = {measure: -place for place, measure in enumerate(dict.fromkeys(oddest))}
    unranked = -len(ranks)
    best = max(
        notable,
        key=lambda fact: (ranks.get(fact.measure, unranked), fact.region is not None, float(fact.value)),
        default=known[0] if known else None,
    )
    text = best.text if best else next((v.rationale for v in latest(state) if v.rationale), "Anomaly")
    return text[:1].upper() + text[1:TITLE]


def _explanation(verdicts: Sequence[Verdict], state: MonitorState) -> str:
    """Why, in words: the members' rationales, resolved cases, the decision, and that no model took part if none did."""
    reasons = [f"{verdict.member}: {_because(verdict)}" for verdict in verdicts if verdict.rationale]
    precedent = state.get("precedent")
    if precedent is not None and precedent.neighbours:
        reasons.append(precedent.text)
    if not _models(state):
        reasons.append("No model took part: experts and rules alone judged this")
    return ". ".join([*reasons, state["uncertainty"].reason])


def _because(verdict: Verdict) -> str:
    """The rationale, after what the member answered first, where that is not what it came to."""
    draft = verdict.draft
    if draft is None or draft.p_anomaly is None:
        return verdict.rationale
    against = "; ".join(draft.objections)
    return f"first {draft.label.value} (p {draft.p_anomaly:.2f}), but {against}; asked again: {verdict.rationale}"
