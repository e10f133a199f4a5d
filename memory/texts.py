"""Cases in words: what retrieval compares, and what memory keeps of them."""

from __future__ import annotations

from collections.abc import Iterable

from alarm_agents.types import Case, Perception, Verdict
from alarm_agents.uncertainty import signals


def description(case: Case) -> str:
    """What was seen in a case, in words: what retrieval compares."""
    return seen(case.perceptions)


def seen(perceptions: Iterable[Perception]) -> str:
    """Captions and facts as one text, without repeats; what was said not to be there is no part of it."""
    kept = tuple(perceptions)
    facts = (fact.text for perception in kept for fact in perception.facts if fact.value is not False)
    return ". ".join(dict.fromkeys(text for text in (*(p.caption for p in kept), *facts) if text))


def sight(perceptions: Iterable[Perception], member: str) -> str:
    """What a member judged by, in words: what it perceived itself, else what all perceivers saw."""
    kept = tuple(perceptions)
    return seen(each for each in kept if each.member == member) or seen(kept)


def written(perceptions: Iterable[Perception], verdicts: Iterable[Verdict]) -> str:
    """All that case memory goes by, member by member: what each saw, and why it judged so, where its verdict stands."""
    found: dict[str, list[str]] = {}
    for perception in perceptions:
        found.setdefault(perception.member, []).append(seen([perception]))
    for verdict in signals.usable(signals.standing(verdicts)):
        found.setdefault(verdict.member, []).append(verdict.rationale)
    return "\n".join(part for parts in found.values() for part in parts if part)
