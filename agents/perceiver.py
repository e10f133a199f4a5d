"""The perceiver: turns a window into facts and a caption.

After AnomalyRuler's visual perception and ALARM's data comprehension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydantic import BaseModel, Field

from alarm_agents.agents.base import TEXT_LIMIT, Agent
from alarm_agents.agents.pictures import show
from alarm_agents.models import delimit
from alarm_agents.models.instructions import reads_like_instruction
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario
from alarm_agents.settings import Polygon
from alarm_agents.sources.media import Media
from alarm_agents.types import Box, Fact, Measurement, Parse, Perception, Window

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
QUESTION = "question"
"""The subject of facts that answer a question."""
_SAID = {"yes": True, "true": True, "no": False, "false": False}


class SeenFact(BaseModel):
    """One observed thing, as a model writes it."""

    subject: str = Field(max_length=200)
    attribute: str = Field(max_length=200)
    value: float | bool | str
    unit: str = ""
    confidence: float | None = Field(None, ge=0, le=1)
    region: tuple[float, float, float, float] | None = None


class Seen(BaseModel):
    """A perceiver's answer."""

    caption: str = Field(max_length=2_000)
    facts: list[SeenFact] = Field(default=[], max_length=40)
    screen_text: list[str] = Field(default=[], max_length=40)


class Perceiver(Agent):
    """Perceives a window with a model, or takes the experts' facts as they are."""

    role = "perceiver"

    async def perceive(
        self,
        window: Window,
        measurements: Sequence[Measurement],
        media: Media,
        scenario: Scenario,
        *,
        questions: Mapping[str, str] = MappingProxyType({}),
        region: Box | None = None,
    ) -> Perception:
        """What is to be seen in the window, or in a region of it, and what the questions are answered with.

        `questions` are words by name; an answer is a fact with subject "question" and the name as its attribute.
        A source of recorded captions is perceived already.
        """
        with self.working() as span:
            if self.model is None or media.kind == "captions":
                perception = self._from_experts(measurements, media.captions(window))
                span.set_attribute("alarm.model", perception.model)
            else:
                perception = await self._seen(window, measurements, media, scenario, questions=questions, region=region)
            span.set_attribute("alarm.parse", perception.parse.value)
            tracing.set(instructions=sum(map(reads_like_instruction, said(perception))) or None)
            return perception

    async def _seen(
        self,
        window: Window,
        measurements: Sequence[Measurement],
        media: Media,
        scenario: Scenario,
        *,
        questions: Mapping[str, str],
        region: Box | None,
    ) -> Perception:
        """What the model sees."""
        assert self.model is not None
        shown = show(window, measurements, media, self.model.settings.images, region)
        answer = await self.ask(
            Seen,
            shown.blocks,
            normal=scenario.normal or "(not described)",
            zones=_zones(scenario.source.zones),
            questions=_questions(questions),
            pictures=shown.said if region is None else f"{shown.said} {_part(region)}",
            hints=_hints(measurements) if scenario.agents.hints else "(not told)",
        )
        seen = answer.value
        return Perception(
            member=self.member,
            model=self.member,
            facts=tuple(self._fact(fact, region or WHOLE, questions) for fact in seen.facts) if seen else (),
            caption=seen.caption if seen else "",
            scores=_scores(measurements),
            screen_text=tuple(seen.screen_text) if seen else (),
            parse=answer.parse,
            note="" if seen else answer.note,
        )

    def _from_experts(self, measurements: Sequence[Measurement], captions: tuple[str, ...]) -> Perception:
        facts = tuple(fact for measurement in measurements for fact in measurement.facts)
        return Perception(
            member="recorded" if captions else self.member,
            model="recorded" if captions else self.member,
            facts=facts,
            caption=" ".join(dict.fromkeys(captions))[:TEXT_LIMIT] or "; ".join(fact.text for fact in facts),
            scores=_scores(measurements),
            parse=Parse.RECORDED if captions else Parse.EMBEDDED,
        )

    def _fact(self, seen: SeenFact, shown: Box, questions: Mapping[str, str]) -> Fact:
        unit = f" {seen.unit}" if seen.unit else ""
        subject, attribute, value = seen.subject, seen.attribute, seen.value
        text = f"{subject}: {attribute} {value}{unit}"
        if name := _asked(seen, questions):
            value = _SAID.get(value.strip().casefold(), value) if isinstance(value, str) else value
            text = f"{questions[name]} {('no', 'yes')[value] if isinstance(value, bool) else value}"
            subject, attribute = QUESTION, name
        return Fact(
            subject=subject,
            attribute=attribute,
            value=value,
            unit=seen.unit,
            text=text,
            confidence=seen.confidence,
            region=box_in(seen.region, shown),
            perceiver=self.member,
        )


def answer_to(question: str, perception: Perception) -> bool | None:
    """What the perceiver answered to the question of that name; None where it gave no answer, or several."""
    given = {f.value for f in perception.facts if (f.subject, f.attribute) == (QUESTION, question)}
    one = given.pop() if len(given) == 1 else None
    return one if isinstance(one, bool) else None


def said(perception: Perception) -> tuple[str, ...]:
    """What stands in a perception that somebody else may have written: into the picture, a log, or a model's answer."""
    # What an expert measured is in our own words.
    facts = [
        part for fact in perception.facts if not fact.measure for part in (fact.subject, fact.attribute, fact.value)
    ]
    captions = [perception.caption] if perception.parse is not Parse.EMBEDDED else []
    return (*captions, *perception.screen_text, *(part for part in facts if isinstance(part, str)))


def box_in(region: tuple[float, float, float, float] | None, shown: Box) -> Box | None:
    """The region, if it is one, in the whole picture of which the part `shown` was seen.

    A box that is inside out or off the picture is dropped, not mended.
    """
    if region is None:
        return None
    x0, y0, x1, y1 = region
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        return None
    left, top, width, height = shown[0], shown[1], shown[2] - shown[0], shown[3] - shown[1]
    return (left + x0 * width, top + y0 * height, left + x1 * width, top + y1 * height)


def _part(region: Box) -> str:
    edges = ", ".join(f"{edge:.2f}" for edge in region)
    return f"Only the region {edges} (x0, y0, x1, y1) of the whole picture is shown; give regions within what is shown."


def _questions(questions: Mapping[str, str]) -> str:
    """The questions as a numbered list; models have written them, so they are delimited."""
    lines = [f"q{number}: {question}" for number, question in enumerate(questions.values(), 1)]
    return delimit("\n".join(lines), "questions") if lines else "(none)"


def _asked(seen: SeenFact, questions: Mapping[str, str]) -> str:
    """The name of the question that the fact answers, by its number or its words; empty where it answers none."""
    attribute = seen.attribute.strip().casefold()
    known = {f"q{number}": name for number, name in enumerate(questions, 1)}
    known |= {question.casefold(): name for name, question in questions.items()}
    return known.get(attribute, "") if seen.subject.strip().casefold() == QUESTION else ""


def _scores(measurements: Sequence[Measurement]) -> dict[str, float]:
    return {f"{m.expert}.{name}": value for m in measurements for name, value in m.values.items()}


def _zones(zones: Mapping[str, Polygon]) -> str:
    """The zones by name, each with the corners of its polygon."""
    corners = {name: " ".join(f"({x:g}, {y:g})" for x, y in polygon) for name, polygon in zones.items()}
    return "; ".join(f"{name}: {points}" for name, points in corners.items()) or "(none)"


def _hints(measurements: Sequence[Measurement]) -> str:
    lines = [f"- {fact.text}" for measurement in measurements for fact in measurement.facts]
    return delimit("\n".join(lines), "measured", limit=TEXT_LIMIT) if lines else "(none)"
