"""Robust reasoning: a reasoner's first answer is a draft; what speaks against it is put to the reasoner once more.

After AnomalyRuler's robust reasoning (Yang et al., ECCV 2024), which holds first answers against neighbouring frames
and asks again.
"""

from __future__ import annotations

from collections.abc import Sequence

from alarm_agents.types import Draft, Label, SimilarCase, Verdict

NEAR = 0.5
"""Cosine similarity under which a resolved case says nothing about the one at hand."""
LEAST = 2
"""Neighbours of one opinion that speak against a draft; a single one may be the mistake itself."""


def objections(
    draft: Verdict,
    *,
    checked: Verdict,
    similar: Sequence[SimilarCase],
    before: Sequence[Label],
) -> tuple[str, ...]:
    """What speaks against a draft that holds a window to be normal or anomalous, in words; empty where nothing does.

    `checked`, which is what the rules come to that can be checked on what was measured and perceived; similar resolved
    cases, where at least `LEAST` of them and most are of the other label; and the windows right before, where at least
    `LEAST` and all are.
    """
    if draft.label is Label.UNKNOWN:
        return ()
    found = []
    if draft.unknown_rules:
        found.append(f"these rules were not given: {', '.join(draft.unknown_rules)}")
    if checked.label not in (draft.label, Label.UNKNOWN):
        found.append(f"the rules that can be checked on measurements say {checked.label.value}: {checked.rationale}")
    near = [case for case in similar if case.similarity >= NEAR and case.label is not Label.UNKNOWN]
    others = [case for case in near if case.label is not draft.label]
    if len(others) >= LEAST and 2 * len(others) > len(near):
        said = others[0].label.value
        found.append(f"of {len(near)} similar stretches, people have found {len(others)} to be {said}")
    told = [label for label in before if label is not Label.UNKNOWN]
    if len(told) >= LEAST and draft.label not in told:
        found.append(f"the {len(told)} stretches right before were held to be {told[0].value}")
    return tuple(found)


def with_draft(verdict: Verdict, draft: Verdict, against: Sequence[str]) -> Verdict:
    """The verdict that came of a draft, which it keeps; without a usable answer to the objections the draft stands."""
    kept = Draft(label=draft.label, p_anomaly=draft.p_anomaly, rationale=draft.rationale, objections=tuple(against))
    if verdict.parse.usable:
        return verdict.model_copy(update={"draft": kept})
    why = f"asked once more it gave no usable answer ({verdict.parse.value}), so its draft stands: {draft.rationale}"
    return draft.model_copy(update={"draft": kept, "rationale": why})
