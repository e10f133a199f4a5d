"""Short ways to write the records that tests are about; what a test does not name is the plainest there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alarm_agents.types import (
    Case,
    CaseStatus,
    Decision,
    Fact,
    Incident,
    Label,
    Measurement,
    Parse,
    Perception,
    Provenance,
    Resolution,
    Rule,
    RuleKind,
    Threshold,
    Uncertainty,
    Verdict,
    Window,
)

NO_ANSWER = (Parse.UNPARSED, Parse.REFUSED, Parse.FAILED)
SCENARIO, SOURCE, RUN = "yard", "clip", "0badcafe"


def window(start: float = 0.0, frames: int = 4, source: str = SOURCE) -> Window:
    """`frames` frames at 10 a second."""
    first = round(start * 10)
    numbers = tuple(range(first, first + frames))
    return Window(
        id=f"{source}:{round(start * 1000):09d}",
        source=source,
        start=start,
        end=start + frames / 10,
        first=first,
        last=numbers[-1],
        fps=10.0,
        times=tuple(number / 10 for number in numbers),
        frames=numbers,
    )


def motion(*ratio: float, name: str = "ratio", facts: Sequence[Fact] = ()) -> Measurement:
    """What the motion expert measured, one value a frame."""
    return Measurement(expert="motion", score=name, frames={name: ratio}, facts=tuple(facts))


def fact(text: str, **values: Any) -> Fact:
    """A fact that says `text`."""
    return Fact(**{"subject": text, "attribute": "seen", "value": True, "text": text, **values})


def perception(member: str = "eye", *facts: str, parse: Parse = Parse.PARSED, **values: Any) -> Perception:
    """What a perceiver saw: facts in words."""
    return Perception(member=member, model=member, facts=tuple(fact(text) for text in facts), parse=parse, **values)


def verdict(p: float | None, member: str = "mind", *, parse: Parse = Parse.PARSED, **values: Any) -> Verdict:
    """A judgement with that probability."""
    label = Label.UNKNOWN if p is None else Label.ANOMALOUS if p >= 0.5 else Label.NORMAL
    return Verdict(**{"member": member, "model": member, "label": label, "p_anomaly": p, "parse": parse, **values})


def silent(member: str, parse: Parse = Parse.REFUSED, **values: Any) -> Verdict:
    """No judgement."""
    return verdict(None, member, parse=parse, **values)


def rule(
    text: str = "nobody runs", kind: RuleKind = RuleKind.ANOMALOUS, *, origin: Any = "references", **values: Any
) -> Rule:
    """A rule whose id is its text, hyphenated."""
    given = {"id": text.replace(" ", "-"), "text": text, "kind": kind, **values}
    return Rule(**{"provenance": Provenance(origin=origin, author="a test"), **given})


def fast(limit: float = 2.0, typical: float = 1.0, **values: Any) -> Rule:
    """The rule of anomaly that motion.ratio exceeds a limit."""
    threshold = Threshold(measure="motion.ratio", limit=limit, typical=typical)
    return rule(f"faster than {limit}", predicate=f"motion.ratio > {limit!r}", threshold=threshold, **values)


def resolved(key: str, text: str, answer: Any = "normal", *, scenario: str = SCENARIO) -> Case:
    """A case that a person has answered, in which `text` was seen."""
    return Case(
        id=key,
        scenario=scenario,
        source=SOURCE,
        window=window(),
        status=CaseStatus.DONE,
        label=Label(answer) if answer != "unsure" else Label.UNKNOWN,
        score=0.5,
        decision=Decision.DEFER,
        uncertainty=Uncertainty(score=1.0, decision=Decision.DEFER),
        deferred=True,
        perceptions=(perception("eye", caption=text),),
        resolution=Resolution(answer=answer),
    )


def case(
    start: float = 0.0, p: float | None = 0.9, *seen: Fact, frames: int = 4, run: str = RUN, **values: Any
) -> Case:
    """A concluded case of the window that starts then, with that probability and those facts."""
    label = Label.UNKNOWN if p is None else Label.ANOMALOUS if p >= 0.5 else Label.NORMAL
    given = {
        "id": f"{SOURCE}-{run}-{round(start * 1000):09d}",
        "scenario": SCENARIO,
        "source": SOURCE,
        "window": window(start, frames),
        "status": CaseStatus.DONE,
        "label": label,
        "score": p,
        "severity": 2,
        "title": "something odd",
        "decision": Decision.ACCEPT,
        "uncertainty": Uncertainty(score=0.1, decision=Decision.ACCEPT),
        "perceptions": (perception("eye").model_copy(update={"facts": tuple(seen)}),),
        **values,
    }
    return Case(**given)


def incident(*cases: Case, **values: Any) -> Incident:
    """The incident that these cases make."""
    given = {
        "id": f"incident-{cases[0].id}",
        "scenario": SCENARIO,
        "source": SOURCE,
        "start": cases[0].window.start,
        "end": cases[-1].window.end,
        "severity": 2,
        "title": "something odd",
        "score": 0.9,
        "cases": tuple(one.id for one in cases),
        **values,
    }
    return Incident(**given)
