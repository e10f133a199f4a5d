"""What is usual, in words, without a model: what many references say becomes a rule of normality.

No text is made up: in a fixed frame, a rule is a clause that was said, the most central of those that mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scipy.special import bdtr

from alarm_agents.agents.base import TEXT_LIMIT
from alarm_agents.agents.clusters import SAME, clusters
from alarm_agents.memory.embedders import Embedder
from alarm_agents.tools.clauses import Clause, Kind, as_usual, atoms, clauses
from alarm_agents.types import Parse, Perception, Rule, RuleStatus

SHARE = 1 / 3
"""What more of the references of a batch than this say is usual; of the batches, votes ask for as many."""
LEVEL = 0.05
"""How unlikely so few held-out references that say it may be, were `SHARE` the share that does."""
LONGEST = 300
"""Characters of a rule: what models may write in one."""


def recorded(perceptions: Sequence[Perception]) -> str:
    """The captions that were recorded of a reference, by whom ever; empty where there are none."""
    return " ".join(_whole(seen.caption) for seen in perceptions if seen.parse is Parse.RECORDED)


def usual_clauses(captions: Mapping[str, str], embedder: Embedder) -> list[tuple[Clause, tuple[str, ...]]]:
    """What more than `SHARE` of the captions say, and which ones do, by their keys; what most of them say comes first.

    Clauses are grouped by meaning, those of persons and of things apart, and a group speaks by its most central one.
    """
    found: list[tuple[Clause, tuple[str, ...]]] = []
    said = [(key, clause) for key, caption in captions.items() for clause in clauses(caption)]
    kinds: tuple[Kind, ...] = ("person", "thing")
    for kind in kinds:
        of_kind = [(key, clause) for key, clause in said if clause.kind == kind]
        for members, centre in clusters([clause.text for _, clause in of_kind], embedder):
            clause, speakers = of_kind[centre][1], tuple(dict.fromkeys(of_kind[i][0] for i in members))
            if len(speakers) > SHARE * len(captions) and _reads_back(clause):
                found.append((clause, speakers))
    return sorted(found, key=lambda each: -len(each[1]))


def clause_of(rule: Rule) -> Clause:
    """The clause that a usual rule is made of."""
    return atoms(rule.text)[0]


def heard_on(rules: Sequence[Rule], captions: Sequence[str], embedder: Embedder) -> dict[str, tuple[int, int]]:
    """How many of the captions say what each usual rule says, by its id: (of, said)."""
    said = [clauses(caption) for caption in captions]
    every = list(dict.fromkeys(clause for each in said for clause in each))
    wanted = [clause_of(rule) for rule in rules]
    alike = embedder.embed([clause.text for clause in wanted]) @ embedder.embed([clause.text for clause in every]).T
    found = {}
    for rule, want, row in zip(rules, wanted, alike, strict=True):
        same = {
            clause for clause, value in zip(every, row, strict=True) if clause.kind == want.kind and value >= 1 - SAME
        }
        found[rule.id] = (len(captions), sum(not same.isdisjoint(each) for each in said))
    return found


def held(rule: Rule, held_out: int, said: int) -> Rule:
    """The usual rule, rejected where none of the held-out references says it, or significantly fewer than `SHARE`."""
    if held_out and (not said or bdtr(said, held_out, SHARE) <= LEVEL):
        note = f"only {said} of {held_out} held-out normal references say it"
        provenance = rule.provenance.model_copy(update={"note": note})
        return rule.model_copy(update={"status": RuleStatus.REJECTED, "provenance": provenance})
    return rule


def _whole(caption: str) -> str:
    """The caption without a sentence that was cut off where perceptions end: nobody has said that."""
    return caption if len(caption) < TEXT_LIMIT else caption[: max(map(caption.rfind, ".!?")) + 1]


def _reads_back(clause: Clause) -> bool:
    """Whether the rule that is made of the clause is understood as this clause, and is no longer than rules are."""
    text = as_usual(clause)
    return len(text) <= LONGEST and atoms(text) == [clause]
