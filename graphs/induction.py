"""The induction graph: perceive references, propose rules per batch, aggregate, test on held-out normal, store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send
from scipy.special import bdtrc
from typing_extensions import TypedDict

from alarm_agents.agents.inducer import Inducer, Proposal, Reference, aggregate
from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.quantiles import P_REFERENCE, held_out_count
from alarm_agents.agents.reasoner import Question, Reasoner
from alarm_agents.agents.usual import heard_on, held, recorded
from alarm_agents.graphs.context import Live
from alarm_agents.graphs.state import merged
from alarm_agents.memory.embedders import Embedder
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario
from alarm_agents.settings import EMBEDDED
from alarm_agents.sources.media import Media
from alarm_agents.tools.deduction import SAID, Deduction
from alarm_agents.types import Label, Parse, Rule, RuleKind, RuleStatus

BATCH = 10
"""References in one batch (AnomalyRuler's size)."""
MAX_BATCHES = 8
HELD_OUT = 5
"""One reference in so many is held out from a model's batches, to test its rules on."""
BUDGET = 0.05
"""Share of normal references on which a rule of anomaly may fire."""


class InductionState(TypedDict, total=False):
    """What travels along the induction graph."""

    references: tuple[Reference, ...]
    perceived: Annotated[dict[str, Reference], merged]
    proposals: Annotated[dict[str, Proposal], merged]
    rules: list[Rule]


class Batch(TypedDict):
    """What one run of `propose` is sent."""

    number: int
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class InductionContext(Live):
    """What the nodes work with."""

    scenario: Scenario
    inducer: Inducer
    perceiver: Perceiver
    reasoner: Reasoner
    fallback: Inducer
    """The embedded inducer: its rules are always proposed too, and alone where the model gives none."""
    embedder: Embedder
    memory: RuleMemory
    media: Mapping[str, Media]
    origin: Literal["references", "warm-up"]
    source: str = ""


async def perceive(state: InductionState, runtime: Runtime[InductionContext]) -> dict[str, Any]:
    """See each reference with the first perceiver; words are needed by a model, and read where they were recorded."""
    context = runtime.context
    limit = asyncio.Semaphore(8)

    async def see(reference: Reference) -> Reference:
        media = context.media[reference.window.source]
        async with limit:
            seen = await context.perceiver.perceive(reference.window, reference.measurements, media, context.scenario)
        return Reference(reference.window, reference.measurements, (seen,))

    references = state["references"]
    if context.inducer.model is not None or _in_words(context):
        references = tuple(await asyncio.gather(*(see(reference) for reference in references)))
    return {"perceived": {f"{i:06d}": reference for i, reference in enumerate(references)}}


def batches(state: InductionState, runtime: Runtime[InductionContext]) -> list[Send]:
    """A batch of all for the quantiles (number -1), and batches of ten of the kept part for words."""
    references = tuple(state["perceived"].values())
    sends = [Send("propose", {"number": -1, "references": references})]
    if runtime.context.inducer.model is not None or _in_words(runtime.context):
        kept, _ = split(references)
        starts = range(0, len(kept), BATCH)
        # Of more batches as many are taken evenly: the first ones would tell of the first minutes only.
        chosen = sorted({round(i) for i in np.linspace(0, len(starts) - 1, min(len(starts), MAX_BATCHES))})
        for number, place in enumerate(chosen):
            batch = kept[starts[place] : starts[place] + BATCH]
            sends.append(Send("propose", {"number": number, "references": batch}))
    return sends


async def propose(batch: Batch, runtime: Runtime[InductionContext]) -> dict[str, Any]:
    """The rules that one batch suggests."""
    context = runtime.context
    if batch["number"] >= 0 and context.inducer.model is None:
        said = partial(context.inducer.usual, batch["references"], context.embedder, source=context.source)
        return {"proposals": {str(batch["number"]): await asyncio.to_thread(said)}}
    inducer = context.fallback if batch["number"] < 0 else context.inducer
    proposal = await inducer.propose(
        batch["references"],
        context.scenario.normal,
        origin=context.origin,
        source=context.source,
        share=context.scenario.share_allowed or P_REFERENCE,
        asked=[rule for rule in context.memory.latest(context.source or None) if rule.kind is RuleKind.QUESTION],
    )
    return {"proposals": {str(batch["number"]): proposal}}


async def aggregate_votes(state: InductionState, runtime: Runtime[InductionContext]) -> dict[str, Any]:
    """One rule for each statement that enough batches made."""
    proposals = [proposal for number, proposal in sorted(state["proposals"].items()) if number != "-1"]
    failing = sum(not proposal.parse.usable for proposal in proposals)
    measured = state["proposals"]["-1"].rules
    if failing:
        name = f"{EMBEDDED}, for {failing} of {len(proposals)} batches of {runtime.context.inducer.member}"
        marked = [rule.provenance.model_copy(update={"author": name}) for rule in measured]
        measured = tuple(r.model_copy(update={"provenance": p}) for r, p in zip(measured, marked, strict=True))
    rules = [*measured, *aggregate(proposals, runtime.context.embedder)]
    tracing.set(**{"alarm.proposed": len(rules), "alarm.batches": len(proposals), "alarm.failed_batches": failing})
    return {"rules": rules}


async def test(state: InductionState, runtime: Runtime[InductionContext]) -> dict[str, Any]:
    """Try each rule on held-out normal references: one of anomaly that fires there too often is rejected.

    So is what is said to be usual and is not said there.
    A stream's own first windows are no such references: nobody has said that they are normal.
    """
    if runtime.context.origin == "warm-up":
        return {}
    references = tuple(state["perceived"].values())
    fired = await _fired_on_held_out(state["rules"], references, runtime.context)
    measured = [reference.measurements for reference in references]
    share = runtime.context.scenario.share_allowed or P_REFERENCE
    tested = []
    for rule in state["rules"]:
        if rule.status is RuleStatus.REJECTED:
            tested.append(rule)
            continue
        if rule.threshold is not None:
            held_out, count = held_out_count(rule, measured, share)
        else:
            held_out, count = fired.get(rule.id, (0, 0))
        tested.append(judged(rule, held_out, count))
    rejected = sum(rule.status is RuleStatus.REJECTED for rule in tested)
    tracing.set(**{"alarm.tested": len(tested), "alarm.rejected": rejected})
    return {"rules": tested}


async def store(state: InductionState, runtime: Runtime[InductionContext]) -> dict[str, Any]:
    """Store the rules as new versions; what an earlier induction found and this one does not applies no longer."""
    context, found = runtime.context, {rule.id for rule in state["rules"]}
    # References are better than any warm-up; a warm-up is for one source and takes the place of none but its own.
    replaced = ("references", "warm-up") if context.origin == "references" else ("warm-up",)
    taught = {_expert(rule) for rule in state["rules"] if context.origin == "references" and rule.threshold}
    known = context.memory.latest(context.source or None)
    superseded = [
        _superseded(rule)
        for rule in known
        if rule.status is RuleStatus.ACTIVE
        # A question whose answers told reviewed cases apart is kept, proposed again or not.
        and rule.provenance.auroc is None
        and (
            (rule.provenance.origin in replaced and rule.id not in found and rule.source.startswith(context.source))
            # The scenario's own limit on an expert held until references taught it.
            or (rule.provenance.origin == "scenario" and rule.threshold is not None and _expert(rule) in taught)
        )
    ]
    # So is what was found of questions before, also that one told nothing, when it is proposed once more; and what
    # references usually say stays taken back, however often they say it.
    settled = {rule.id: rule for rule in known if rule.provenance.auroc is not None or rule.taken_back}
    stored = context.memory.add([*(settled.get(rule.id, rule) for rule in state["rules"]), *superseded])
    return {"rules": stored[: len(state["rules"])]}


def _superseded(rule: Rule) -> Rule:
    """The rule, disabled; what was usual is rejected, since there only a person disables (see `Rule.taken_back`)."""
    if not rule.usual:
        return rule.model_copy(update={"status": RuleStatus.DISABLED})
    provenance = rule.provenance.model_copy(update={"note": "not usual by the references of a later induction"})
    return rule.model_copy(update={"status": RuleStatus.REJECTED, "provenance": provenance})


def _in_words(context: InductionContext) -> bool:
    """Whether what is usual is to be found without a model in captions that were recorded of references."""
    recorded_ones = any(media.kind == "captions" for media in context.media.values())
    return context.inducer.model is None and context.origin == "references" and recorded_ones


def _expert(rule: Rule) -> str:
    return rule.threshold.measure.partition(".")[0] if rule.threshold is not None else ""


def judged(rule: Rule, held_out: int, fired: int) -> Rule:
    """The rule with its test on record, rejected when it fires significantly more often than `BUDGET` allows."""
    note = rule.provenance.note
    status = rule.status
    if rule.usual:
        rule = held(rule, held_out, fired)
        status, note = rule.status, rule.provenance.note
    if rule.kind is RuleKind.ANOMALOUS and held_out:
        # One-sided binomial test: how likely are so many or more, were BUDGET the share on normal references?
        too_often = bdtrc(fired - 1, held_out, BUDGET) <= BUDGET * (1 + 1e-9) if fired else False
        if too_often:
            status, note = RuleStatus.REJECTED, f"fired on {fired} of {held_out} held-out normal references"
    provenance = rule.provenance.model_copy(update={"held_out": held_out, "fired": fired, "note": note})
    return rule.model_copy(update={"status": status, "provenance": provenance})


def split(references: Sequence[Reference]) -> tuple[tuple[Reference, ...], tuple[Reference, ...]]:
    """The references to propose from, and those held out (none of fewer than `HELD_OUT`)."""
    if len(references) < HELD_OUT:
        return tuple(references), ()
    return (
        tuple(reference for i, reference in enumerate(references) if i % HELD_OUT),
        tuple(reference for i, reference in enumerate(references) if not i % HELD_OUT),
    )


async def _fired_on_held_out(
    rules: Sequence[Rule], references: Sequence[Reference], context: InductionContext
) -> dict[str, tuple[int, int]]:
    """On how many held-out references each rule in words fires: (of, fired). Too few to hold any out are all used.

    A rule fires where the reasoner cites it for an anomaly; without a model where a clause of a caption says it. What
    is usual is heard wherever it is said.
    """
    in_words = [rule for rule in rules if rule.predicate is None and rule.kind is not RuleKind.QUESTION]
    usual, others = ([rule for rule in in_words if rule.usual is wanted] for wanted in (True, False))
    held_out = split(references)[1] or references
    captions = [recorded(reference.perceptions) for reference in held_out]
    heard = await asyncio.to_thread(heard_on, usual, captions, context.embedder) if usual else {}
    if not others:
        return heard
    if context.reasoner.model is None:
        return heard | await asyncio.to_thread(_said_on, others, held_out, context.embedder)
    return heard | await _cited_on(others, held_out, context)


async def _cited_on(
    rules: Sequence[Rule], references: Sequence[Reference], context: InductionContext
) -> dict[str, tuple[int, int]]:
    """How many verdicts on the references cite each rule for an anomaly: (of, cited)."""
    cited = {rule.id: 0 for rule in rules}
    questions = [
        Question(ref.window, context.scenario.normal, ref.measurements, ref.perceptions, rules, ())
        for ref in references
    ]
    answers = await asyncio.gather(*(context.reasoner.reason(question) for question in questions))
    verdicts = [verdict for answer in answers for verdict in answer if verdict.parse.usable]
    for verdict in verdicts:
        for ref in verdict.rules if verdict.label is Label.ANOMALOUS else ():
            cited[ref.id] += 1
    return {key: (len(verdicts), count) for key, count in cited.items()}


def _said_on(rules: Sequence[Rule], references: Sequence[Reference], embedder: Embedder) -> dict[str, tuple[int, int]]:
    """How many captions of the references say what each rule of anomaly says, clause by clause: (of, said)."""
    captions = [p.caption for ref in references for p in ref.perceptions if p.parse.usable and p.caption]
    found = {}
    for rule in rules if captions else ():
        heard = Deduction(embedder, [rule], ()).judge(captions)
        said = sum(each.worst is not None and each.worst.activity >= SAID for each in heard)
        found[rule.id] = (len(captions), said)
    return found


def build_induction() -> StateGraph[InductionState, InductionContext, InductionState, InductionState]:
    """The builder of the induction graph."""
    builder: StateGraph[InductionState, InductionContext, InductionState, InductionState] = StateGraph(
        InductionState, context_schema=InductionContext
    )
    steps: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
        "perceive": perceive,
        "propose": propose,
        "aggregate": aggregate_votes,
        "test": test,
        "store": store,
    }
    for name, step in steps.items():
        builder.add_node(name, traced(name, step))
    builder.add_edge(START, "perceive")
    builder.add_conditional_edges("perceive", batches, ["propose"])
    for before, after in (("propose", "aggregate"), ("aggregate", "test"), ("test", "store"), ("store", END)):
        builder.add_edge(before, after)
    return builder


def traced(name: str, step: Callable[..., Awaitable[dict[str, Any]]]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """The step in a span of its own."""

    async def run(state: Any, runtime: Runtime[InductionContext]) -> dict[str, Any]:
        with tracing.span(name, kind="node"):
            return await step(state, runtime)

    return run


def failures(proposals: Mapping[str, Proposal]) -> list[str]:
    """What went wrong in which batch, for a person."""
    return [
        f"batch {number}: {proposal.parse.value} {proposal.note}".strip()
        + "; the embedded inducer's rules stand for it"
        for number, proposal in proposals.items()
        if proposal.parse not in (Parse.EMBEDDED, Parse.PARSED, Parse.REPAIRED)
    ]
