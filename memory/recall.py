"""What is recalled for a window: the rules that concern it and the resolved cases that resemble it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from alarm_agents.memory.index import VectorIndex
from alarm_agents.memory.resolved import ResolvedCases
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.memory.texts import description
from alarm_agents.models.instructions import WITHHELD, reads_like_instruction
from alarm_agents.types import Label, Resolution, Rule, RuleKind, RuleRef, SimilarCase
from alarm_agents.workspace.cases import CaseStore

RULES = 12
"""How many rules of a kind a model is given; a scenario with fewer is given all of them."""
CASES = 5


class Memory:
    """Rule memory and case memory of one scenario behind one retrieval index."""

    def __init__(self, rules: RuleMemory, cases: CaseStore, index: VectorIndex) -> None:
        self.rules, self._cases, self._index = rules, cases, index
        self.resolved = ResolvedCases(cases, index, rules.namespace, rules.scenario)
        self._known: tuple[int, str, dict[RuleRef, Rule], list[Rule]] = (-1, "", {}, [])
        """A revision, the source that it concerns, its rules by what verdicts cite, and its questions."""

    def rules_for(self, source: str, text: str) -> tuple[list[Rule], int]:
        """The rules to judge a window of `source` by, nearest to `text`, and the revision they are of.

        Rules with a predicate and rules that a person wrote are always among them: they are cheap to check
        and meant to count, however far their words are from what was seen.
        """
        revision, active, _ = self._now(source)
        found: list[Rule] = []
        for kind in RuleKind:
            of_kind = [rule for rule in active if rule.kind is kind]
            found += of_kind if len(of_kind) <= RULES else self._nearest(of_kind, kind, revision, source, text)
        return found, revision

    def questions(self, source: str) -> dict[str, str]:
        """The guiding questions to ask perceivers about windows of `source`: words by id."""
        return {question.id: question.text for question in self._now(source)[2]}

    def _now(self, source: str) -> tuple[int, Collection[Rule], list[Rule]]:
        """The revision, and the rules and questions of it, read when they changed."""
        revision = self.rules.revision(source)
        if self._known[:2] != (revision, source):
            active = {rule.ref: rule for rule in self.rules.active(source)}
            self._known = (revision, source, active, self.rules.questions(source))
        return revision, self._known[2].values(), self._known[3]

    def bodies(self, refs: Sequence[RuleRef]) -> list[Rule]:
        """The rules behind the references that `rules_for` led to, in those versions."""
        known = self._known[2]
        missing = {ref for ref in refs if ref not in known}
        old = {rule.ref: rule for name in {ref.id for ref in missing} for rule in self.rules.history(name)}
        return [known.get(ref) or old[ref] for ref in refs]

    def similar(self, text: str, k: int = CASES) -> list[SimilarCase]:
        """The `k` resolved cases that resemble `text` most, best first (none before a person has resolved any)."""
        near = dict(self.resolved.nearest(text, k))
        cases = {case.id: case for case in self._cases.some(list(near))}
        return [
            SimilarCase(
                case=key,
                label=answered_label(cases[key].resolution),
                similarity=max(-1.0, min(1.0, similarity)),
                text=_recalled(description(cases[key]))[:300],
            )
            for key, similarity in near.items()
            if key in cases
        ]

    def _nearest(self, rules: list[Rule], kind: RuleKind, revision: int, source: str, text: str) -> list[Rule]:
        always = [rule for rule in rules if rule.predicate or rule.provenance.origin == "person"]
        rest = {rule.id: rule for rule in rules if rule not in always}
        wanted = min(max(RULES - len(always), 0), len(rest))
        if wanted == 0:
            return always
        collection = f"rules-{self.rules.namespace}-{self.rules.scenario}-{kind.value}-{source}"
        self._index.sync(collection, revision, {rule.id: rule.text for rule in rest.values()})
        near = {key for key, _ in self._index.query(collection, text, wanted)}
        # Not by nearness: in one order for all windows, prompts begin alike as far as they can, and servers reuse that.
        return always + [rule for key, rule in rest.items() if key in near]


def _recalled(text: str) -> str:
    """A case's words, but not those that would tell whoever is reminded of it how to judge the case at hand."""
    return WITHHELD if reads_like_instruction(text) else text


def answered_label(resolution: Resolution | None) -> Label:
    """The label that a person's answer gives; "unsure" and no answer give none."""
    if resolution is None or resolution.answer == "unsure":
        return Label.UNKNOWN
    return Label(resolution.answer)
