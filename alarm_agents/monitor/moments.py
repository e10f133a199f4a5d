"""The frame of a case that shows best what happened, and where things are between the frames that facts are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alarm_agents.types import Box, Case, Fact, Label

EDGE = 0.03
"""Share of the picture's width within which a box is taken to be cut by the picture's edge."""
JOINED = 2.0
"""Seconds between two sightings of one track over which its box is taken to have moved evenly."""
HELD = 0.25
"""Seconds for which a box is taken to stay where it was seen."""


@dataclass(frozen=True)
class Moment:
    """A case at the frame that counts most in it, and the facts that are shown there."""

    case: Case
    time: float
    frame: int
    p: float
    facts: tuple[Fact, ...]

    @property
    def odd(self) -> bool:
        """Whether the case is anomalous."""
        return self.case.label is Label.ANOMALOUS


@dataclass(frozen=True)
class Sighting:
    """A fact about a region, and from when to when it is there (one moment, or a whole window), in seconds."""

    fact: Fact
    region: Box
    start: float
    end: float


def located(case: Case) -> list[Fact]:
    """The facts with a region that the case rests on, the oddest first; where there are none, all, by their extent."""
    notable = [fact for fact in case.notable if fact.region is not None]
    found = [fact for seen in case.perceptions for fact in seen.facts if fact.region is not None]
    return notable or sorted(found, key=lambda fact: -extent(fact))


def extent(fact: Fact) -> float:
    """The fact's value as a number, 0 where it is none."""
    return float(fact.value) if isinstance(fact.value, int | float) else 0.0


def p_of(case: Case) -> float:
    """The case's p, 0 where no member gave a usable answer."""
    return case.score if case.score is not None else 0.0


def telling(case: Case) -> tuple[bool, float]:
    """How well a case shows what happened, for ranking: best with a box that the picture's edge does not cut."""
    facts = located(case)
    x0, _, x1, _ = (facts[0].region if facts else None) or (0.0, 0.0, 1.0, 1.0)
    return bool(facts) and x0 > EDGE and x1 < 1 - EDGE, p_of(case)


def moment_of(case: Case) -> Moment:
    """The case at the time of its most extreme fact when it is anomalous, else at its largest p."""
    times = case.window.times
    scores = case.frame_scores or (p_of(case),) * len(times)
    facts = located(case)
    told = facts[0].time if facts and case.label is Label.ANOMALOUS else None
    wanted = times[int(np.argmax(scores))] if told is None else told
    at = int(np.argmin(np.abs(np.asarray(times) - wanted)))
    # A box is where its thing was when the fact was told; on another frame it would be beside it.
    near = tuple(fact for fact in facts if fact.time is None or abs(fact.time - times[at]) < 1.5 / case.window.fps)
    return Moment(case, times[at], case.window.frames[at], scores[at], near[:2])


def sightings(cases: Iterable[Case]) -> list[Sighting]:
    """What the cases' facts with a region say was where and when, by time."""
    found = []
    for case in cases:
        for fact in located(case):
            start, end = (case.window.start, case.window.end) if fact.time is None else (fact.time, fact.time)
            assert fact.region is not None
            found.append(Sighting(fact, fact.region, start, end))
    return sorted(found, key=lambda sighting: sighting.start)


def seen_at(time: float, among: Sequence[Sighting]) -> list[Sighting]:
    """Each thing where it is at that time: between two sightings of its track it moves evenly from one to the other."""
    things: dict[tuple[str, str | None], list[Sighting]] = {}
    for sighting in among:
        things.setdefault((sighting.fact.subject, sighting.fact.track), []).append(sighting)
    found = []
    for (_, track), each in things.items():
        before = [sighting for sighting in each if sighting.start <= time]
        after = [sighting for sighting in each if sighting.start > time]
        if track is not None and before and after and after[0].start - before[-1].end <= JOINED:
            found.append(_between(before[-1], after[0], time))
            continue
        near = min(each, key=lambda sighting: _away(sighting, time))
        if _away(near, time) <= HELD:
            found.append(near)
    return found


def _away(sighting: Sighting, time: float) -> float:
    return max(sighting.start - time, time - sighting.end, 0.0)


def _between(before: Sighting, after: Sighting, time: float) -> Sighting:
    share = (time - before.end) / (after.start - before.end) if time > before.end else 0.0
    x0, y0, x1, y1 = (a + (b - a) * share for a, b in zip(before.region, after.region, strict=True))
    nearer = before if share < 0.5 else after
    return replace(nearer, region=(x0, y0, x1, y1))
