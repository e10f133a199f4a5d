"""What would have made it normal: the smallest change of what was seen that flips the verdict.

The reasoner itself is asked about each change (counterfactual explanation after Wachter, Mittelstadt and Russell,
2017); nothing is derived from its words. A measure may have been lower; a fact, a sentence of a caption or what
recorded captions say may have been missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from alarm_agents.tools.experts import named_measures
from alarm_agents.types import Label, Measurement, Perception, Record, Rule

HALVINGS = 20
"""Steps in which the largest value is sought that is still normal."""
DIGITS = 3
LISTED = 8
"""Changes that a sentence names; the record has them all."""
SENTENCE = re.compile(r"(?<=[.!?;])\s+")
"""Where one sentence of a caption ends and the next begins."""


@dataclass(frozen=True)
class Seen:
    """What a window is judged by."""

    measurements: tuple[Measurement, ...]
    perceptions: tuple[Perception, ...]
    unsaid: frozenset[str] = frozenset()
    """Clauses that recorded captions would not have said (`Clause.said`): the judge has to measure them again."""


Judge = Callable[[Seen], Awaitable[Label]]


class Change(Record):
    """One thing that would have had to be otherwise."""

    kind: Literal["measure", "fact", "caption", "clause"]
    what: str
    """The measure, as `motion.ratio`; or the words that would not have been said: of a fact, a sentence, a clause."""
    was: float | None = None
    """Of a measure: its largest value in the window."""
    at_most: float | None = None
    """Of a measure: the largest value (three digits) with which the verdict is normal."""

    @property
    def text(self) -> str:
        """The change in words."""
        if self.at_most is None:
            return f"without '{self.what}'"
        return f"{self.what} at most {self.at_most:g} instead of {self.was:.3g}"


class Counterfactual(Record):
    """What was found by asking the reasoner again, and how often it was asked."""

    changes: tuple[Change, ...] = ()
    """All of them together make it normal; empty where nothing was found."""
    smallest: bool = False
    """Whether leaving out any one of them was tried, and does not do."""
    asked: int = Field(0, ge=0)
    bound: int = Field(0, ge=0)
    text: str
    """The finding in a sentence, also where there is none."""


class _Spent(Exception):
    """The reasoner has been asked as often as it may be."""


def measured_parts(seen: Seen, rules: Sequence[Rule]) -> list[Change]:
    """What the rules' predicates read and could have been otherwise: measures, and facts and sentences where read."""
    predicates = [rule.predicate for rule in rules if rule.predicate]
    said, named = " ".join(predicates), {name for text in predicates for name in named_measures(text)}
    every = bool(re.search(r"\bmeasures\b", said))
    found = [
        Change(kind="measure", what=f"{m.expert}.{name}", was=value)
        for m in seen.measurements
        for name, value in sorted(m.values.items())
        if value > 0 and (every or f"{m.expert}.{name}" in named)
    ]
    reads = {"fact": bool(re.search(r"\b(?:facts|zones)\b", said)), "caption": bool(re.search(r"\bcaption\b", said))}
    return [*found, *(part for part in worded_parts(seen) if reads[part.kind])]


def worded_parts(seen: Seen) -> list[Change]:
    """The facts and the sentences of the captions, each once: what models read."""
    facts = [Change(kind="fact", what=fact.text) for p in seen.perceptions for fact in p.facts if p.parse.usable]
    sentences = [
        Change(kind="caption", what=sentence)
        for p in seen.perceptions
        for sentence in SENTENCE.split(p.caption)
        if sentence.strip() and p.parse.usable
    ]
    return list(dict.fromkeys([*facts, *sentences]))


def changed(seen: Seen, changes: Iterable[Change]) -> Seen:
    """What would have been seen with these changes; one without `at_most` takes the thing away altogether."""
    kept = list(changes)
    limits = {change.what: change.at_most or 0.0 for change in kept if change.kind == "measure"}
    gone = {(str(change.kind), change.what) for change in kept}
    return Seen(
        tuple(_capped(measurement, limits) for measurement in seen.measurements),
        tuple(_unsaid(perception, gone) for perception in seen.perceptions),
        seen.unsaid | {what for kind, what in gone if kind == "clause"},
    )


async def smallest_change(judge: Judge, seen: Seen, parts: Sequence[Change], bound: int) -> Counterfactual:
    """The fewest changes, and of as few the least ones, with which `judge` says normal, asking at most `bound` times.

    Each part is tried alone; where none does, parts are put back one after the other until each is needed. Of
    measures the largest value that is still normal is sought by halving. Says so plainly where nothing is found.
    """
    search = _Search(judge, seen, bound)
    whole = [_away(part) for part in parts]
    best: tuple[Change, ...] = ()
    smallest = False
    try:
        if await search.normal(()):
            return search.told("judged again from its record it is normal: a later look decided, which is not kept")
        if not whole or not await search.normal(whole):
            return search.told("no change of what the record holds makes it normal" if whole else "nothing can change")
        best = tuple(whole)
        alone: list[tuple[Change, ...]] = [(change,) for change in whole if await search.normal([change])]
        candidates = alone or [await search.needed(whole)]
        best, smallest = candidates[0], True
        eased = [await search.eased(candidate) for candidate in candidates]
        best = min(eased, key=_size)
    except _Spent:
        pass
    return search.told(_sentence(best, smallest, bound), best, smallest=smallest)


class _Search:
    """Asking the reasoner, a bounded number of times."""

    def __init__(self, judge: Judge, seen: Seen, bound: int) -> None:
        self._judge, self._seen, self._bound, self._asked = judge, seen, bound, 0

    def told(self, text: str, changes: tuple[Change, ...] = (), *, smallest: bool = False) -> Counterfactual:
        return Counterfactual(changes=changes, smallest=smallest, asked=self._asked, bound=self._bound, text=text)

    async def normal(self, changes: Sequence[Change]) -> bool:
        if self._asked >= self._bound:
            raise _Spent
        self._asked += 1
        return await self._judge(changed(self._seen, changes)) is Label.NORMAL

    async def needed(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """The changes without those that can be left out, tried from the last on."""
        kept = list(changes)
        for change in reversed(changes):
            rest = [each for each in kept if each is not change]
            if await self.normal(rest):
                kept = rest
        return tuple(kept)

    async def eased(self, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        """The changes with each measure as high as it may be."""
        found = list(changes)
        for place, change in enumerate(changes):
            if change.was is None:
                continue
            low, high = 0.0, change.was
            for _ in range(HALVINGS):
                middle = (low + high) / 2
                found[place] = change.model_copy(update={"at_most": middle})
                low, high = (middle, high) if await self.normal(found) else (low, middle)
            found[place] = change.model_copy(update={"at_most": _floored(low)})
            if not await self.normal(found):
                found[place] = change.model_copy(update={"at_most": low})
        return tuple(found)


def _away(part: Change) -> Change:
    return part if part.was is None else part.model_copy(update={"at_most": 0.0})


def _size(changes: Sequence[Change]) -> tuple[int, float]:
    """How many they are, and how much of what was they take away."""
    return len(changes), sum(1.0 - (each.at_most or 0.0) / each.was if each.was else 1.0 for each in changes)


def _floored(value: float) -> float:
    """The value with `DIGITS` significant digits, rounded down."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - DIGITS + 1)
    return float(f"{math.floor(value / unit) * unit:.{DIGITS}g}")


def _sentence(changes: Sequence[Change], smallest: bool, bound: int) -> str:
    if not changes:
        return f"no change that makes it normal was found with {bound} questions to the reasoner"
    more = [f"{len(changes) - LISTED} more changes"] if len(changes) > LISTED else []
    text = "it would have been normal: " + " and ".join([*(change.text for change in changes[:LISTED]), *more])
    return text if smallest else f"{text}; whether less would do was not found with {bound} questions"


def _capped(measurement: Measurement, limits: Mapping[str, float]) -> Measurement:
    frames = {
        name: tuple(min(value, limits.get(f"{measurement.expert}.{name}", math.inf)) for value in series)
        for name, series in measurement.frames.items()
    }
    return measurement.model_copy(update={"frames": frames})


def _unsaid(perception: Perception, gone: Collection[tuple[str, str]]) -> Perception:
    facts = tuple(fact for fact in perception.facts if ("fact", fact.text) not in gone)
    sentences = [each for each in SENTENCE.split(perception.caption) if ("caption", each) not in gone]
    return perception.model_copy(update={"facts": facts, "caption": " ".join(sentences)})
