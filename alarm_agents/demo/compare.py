"""What was told against what was implanted: found or missed, for the right reason or not, and alarms for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alarm_agents.demo.scene import Span
from alarm_agents.types import Box, Case, Fact, Incident, Label

CAUSES = {
    "cyclist": {"speed ratio", "speed", "shape"},
    "runner": {"speed ratio", "speed"},
    "bag": {"stays", "look"},
    "missing": {"absent"},
    "rotated": {"look", "shape"},
    "damaged": {"look", "shape"},
    "jammed": {"stays", "absent", "still share"},
}
"""By what is implanted, the attributes of facts that say what is wrong with it."""


@dataclass(frozen=True)
class Found:
    """An implanted anomaly, and what was told of it."""

    span: Span
    incidents: tuple[Incident, ...]
    """Those that overlap it; none means that it was missed."""
    facts: int
    """How many facts that verdicts rest on were told while it was to be seen."""
    right: int
    """How many of these name its cause: they speak of what is wrong with it, and of where it is."""

    @property
    def named(self) -> bool:
        """Whether it was found, and most of what was told names the right cause."""
        return bool(self.incidents) and 2 * self.right > self.facts


def compare(
    implanted: Sequence[Span], incidents: Sequence[Incident], cases: Sequence[Case]
) -> tuple[list[Found], list[Incident]]:
    """Each implanted anomaly with what was told of it, and the incidents that overlap none.

    `implanted` must not overlap each other, as in the demo's clips: a fact is about one of them at most.
    """
    found = []
    for span in implanted:
        overlapping = tuple(each for each in incidents if _overlap(span, each.start, each.end))
        judged = [names_cause(span, fact, time) for fact, time in _told(cases) if span.start <= time < span.end]
        found.append(Found(span, overlapping, len(judged), sum(judged)))
    false = [each for each in incidents if not any(_overlap(span, each.start, each.end) for span in implanted)]
    return found, false


def false_cases(implanted: Sequence[Span], cases: Sequence[Case]) -> list[Case]:
    """The anomalous cases of windows in which nothing was implanted."""
    odd = [case for case in cases if case.label is Label.ANOMALOUS]
    return [case for case in odd if not any(_overlap(span, case.window.start, case.window.end) for span in implanted)]


def names_cause(span: Span, fact: Fact, time: float) -> bool:
    """Whether a fact told of that time says what is wrong with what is implanted, where it is (if it says where)."""
    here = fact.region is None or _meet(fact.region, span.box_at(time))
    return here and fact.attribute in CAUSES[span.kind]


def _told(cases: Sequence[Case]) -> Iterator[tuple[Fact, float]]:
    """What anomalous cases rest on, with the time that it is of: the fact's own, or the middle of the window."""
    for case in cases:
        if case.label is Label.ANOMALOUS:
            middle = (case.window.start + case.window.end) / 2
            for fact in case.notable:
                yield fact, fact.time if fact.time is not None else middle


def _overlap(span: Span, start: float, end: float) -> bool:
    return start < span.end and span.start < end


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
