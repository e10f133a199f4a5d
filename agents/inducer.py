"""The inducer: from normal references to rules (AnomalyRuler's induction, with votes over batches)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from alarm_agents.agents.base import Agent, seen_text
from alarm_agents.agents.clusters import clusters
from alarm_agents.agents.kinds import split_kinds
from alarm_agents.agents.quantiles import P_REFERENCE, quantile_rules
from alarm_agents.agents.questions import asked_text
from alarm_agents.agents.usual import clause_of, recorded, usual_clauses
from alarm_agents.memory.embedders import Embedder
from alarm_agents.memory.rules import rule_id
from alarm_agents.models.instructions import reads_like_instruction
from alarm_agents.tools.clauses import as_usual
from alarm_agents.types import Measurement, Parse, Perception, Provenance, Rule, RuleKind, RuleStatus, Window

BLOCK = 5.0
"""Seconds of a source that count as one piece of evidence: frames close to one another are alike."""
FOUL = "it reads like an instruction to the system, not like a rule"


class ProposedRule(BaseModel):
    """One rule, as a model writes it."""

    kind: Literal["normal", "anomalous"]
    text: str = Field(min_length=3, max_length=300)
    severity: int = Field(2, ge=0, le=4)


class Proposed(BaseModel):
    """An inducer's answer for one batch of references."""

    rules: list[ProposedRule] = Field(max_length=40)
    questions: list[Annotated[str, Field(min_length=3, max_length=300)]] = Field(default=[], max_length=10)


@dataclass(frozen=True)
class Reference:
    """A stretch of normal data: measured by experts that were not taught with it, and perceived."""

    window: Window
    measurements: tuple[Measurement, ...]
    perceptions: tuple[Perception, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What came of one batch: rules, or how asking for them failed."""

    rules: tuple[Rule, ...]
    parse: Parse
    note: str = ""


class Inducer(Agent):
    """Proposes rules with a model, or from the quantiles of what experts measured."""

    role = "inducer"

    async def propose(
        self,
        references: Sequence[Reference],
        normal: str,
        *,
        origin: Literal["references", "warm-up"],
        source: str = "",
        share: float = P_REFERENCE,
        asked: Sequence[Rule] = (),
    ) -> Proposal:
        """The rules and guiding questions that a batch of references suggests.

        Without a model the batch should be all of them. `share` of normal windows may fire the rules that are made
        of measures; `asked` are the questions there have been.
        """
        provenance = Provenance(
            origin=origin,
            author=self.member,
            references=tuple(reference.window.id for reference in references[:50]),
            reference_count=len(references),
            prompt=self.prompt.label if self.model else "",
        )
        with self.working() as span:
            if self.model is None:
                span.set_attribute("alarm.parse", Parse.EMBEDDED.value)
                return Proposal(tuple(_measured_rules(references, provenance, source, share)), Parse.EMBEDDED)
            if not any(p.parse.usable for reference in references for p in reference.perceptions):
                # A model that reads what nobody has seen would write rules of its own.
                span.set_attribute("alarm.parse", Parse.FAILED.value)
                return Proposal((), Parse.FAILED, "no perceiver gave a usable answer about these references")
            seen = "\n".join(seen_text(reference.perceptions) for reference in references)
            answer = await self.ask(Proposed, normal=normal or "(not described)", asked=asked_text(asked), seen=seen)
            if answer.value is None:
                return Proposal((), answer.parse, answer.note)
            rules = [_rule(RuleKind(each.kind), each.text, provenance, each.severity) for each in answer.value.rules]
            rules += [_rule(RuleKind.QUESTION, question, provenance) for question in answer.value.questions]
            return Proposal(tuple(rule.model_copy(update={"source": source}) for rule in rules), answer.parse)

    def usual(self, references: Sequence[Reference], embedder: Embedder, *, source: str = "") -> Proposal:
        """What a batch of references with recorded captions usually says, as rules of normality in words.

        No model is asked. A rule names the references that say it; captions that read like instructions say nothing.
        """
        with self.working() as span:
            span.set_attribute("alarm.parse", Parse.EMBEDDED.value)
            captions = {reference.window.id: recorded(reference.perceptions) for reference in references}
            heeded = {key: "" if reads_like_instruction(text) else text for key, text in captions.items()}
            rules = []
            for clause, speakers in usual_clauses(heeded, embedder):
                provenance = Provenance(
                    origin="references", author=self.member, references=speakers, reference_count=len(speakers)
                )
                rule = _rule(RuleKind.NORMAL, as_usual(clause), provenance)
                rules.append(rule.model_copy(update={"source": source}))
            return Proposal(tuple(rules), Parse.EMBEDDED)


def aggregate(proposals: Sequence[Proposal], embedder: Embedder) -> list[Rule]:
    """One rule for each statement that enough batches made, with its votes.

    Statements of a kind are clustered by meaning; a cluster speaks by its most central statement and needs the
    votes of more than a third of the batches that answered. Rules with predicates are not voted on.
    """
    answered = [proposal for proposal in proposals if proposal.parse.usable]
    kept = [rule for proposal in answered for rule in proposal.rules if rule.predicate]
    for kind in RuleKind:
        said = [
            (batch, rule)
            for batch, proposal in enumerate(answered)
            for rule in proposal.rules
            if rule.kind is kind and not rule.predicate
        ]
        # The frame of what is usual would make all of it alike.
        texts = [clause_of(rule).text if rule.usual else rule.text for _, rule in said]
        for members, centre in clusters(texts, embedder):
            votes = len({said[i][0] for i in members})
            if 3 * votes > len(answered):
                kept.append(_voted(said[centre][1], [said[i][1] for i in members], votes, len(answered)))
    return kept


def _measured_rules(references: Sequence[Reference], provenance: Provenance, source: str, share: float) -> list[Rule]:
    measured = [reference.measurements for reference in references]
    if provenance.origin == "warm-up":  # what goes together there may go together because it is odd
        return quantile_rules(measured, provenance, source)
    kinds = split_kinds(measured, provenance, source)
    return [*quantile_rules(kinds.rest, provenance, source, blocks=_blocks(references), share=share), *kinds.rules]


def _blocks(references: Sequence[Reference]) -> list[int]:
    """Which references belong together: those within `BLOCK` seconds of one source's time, one after another."""
    found: list[int] = []
    first: Window | None = None
    for reference in references:
        window = reference.window
        if first is None or window.source != first.source or not 0 <= window.end - first.start <= BLOCK:
            first = window
            found.append(found[-1] + 1 if found else 0)
        else:
            found.append(found[-1])
    return found


def _voted(rule: Rule, members: Sequence[Rule], votes: int, batches: int) -> Rule:
    references = tuple(dict.fromkeys(ref for member in members for ref in member.provenance.references))
    count = sum({member.provenance.references: member.provenance.reference_count for member in members}.values())
    update = {"votes": votes, "batches": batches, "references": references[:50], "reference_count": count}
    return rule.model_copy(update={"provenance": rule.provenance.model_copy(update=update)})


def _rule(kind: RuleKind, text: str, provenance: Provenance, severity: int = 0) -> Rule:
    foul = reads_like_instruction(text)
    return Rule(
        id=rule_id(text),
        kind=kind,
        text=text,
        severity=severity,
        status=RuleStatus.REJECTED if foul else RuleStatus.ACTIVE,
        provenance=provenance.model_copy(update={"note": FOUL}) if foul else provenance,
    )
