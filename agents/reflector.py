"""The reflector: looks again when the uncertainty monitor asks (Anomaly-OV's second look, ALARM's reflection)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alarm_agents.agents.base import Agent, messages
from alarm_agents.agents.pictures import given
from alarm_agents.agents.reasoner import Judged, Question, by_rules, question_values, to_verdict
from alarm_agents.agents.second_look import TOLD, measure_again, notable_region
from alarm_agents.agents.toolwork import Allowance, ToolCall, offered, tools_text
from alarm_agents.models import Answer, delimit
from alarm_agents.models.instructions import reads_like_instruction
from alarm_agents.observability import tracing
from alarm_agents.settings import ReflectionSettings
from alarm_agents.tools.call import ToolResult
from alarm_agents.tools.registry import Toolbox
from alarm_agents.tools.work import Work
from alarm_agents.types import Fact, Label, Parse, Verdict
from alarm_agents.uncertainty.signals import mean_p

_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}


def _either(schema: dict[str, Any]) -> None:
    """Say in the JSON schema what the check of the answer says: it looks with calls, or ends with a label.

    A model that is held to the schema then cannot spoil its answer by leaving out what belongs to its label.
    """
    fields = schema.pop("properties")
    looks = {"label": {"const": "look"}, "calls": {**fields.pop("calls"), "minItems": 1}}
    judged = {**fields, "label": {"enum": ["normal", "anomalous"]}, "p_anomaly": _PROBABILITY}
    unsure = {"label": {"const": "cannot tell"}, "rationale": fields["rationale"]}
    schema["anyOf"] = [
        {"type": "object", "properties": looks, "required": ["label", "calls"]},
        {"type": "object", "properties": judged, "required": ["label", "p_anomaly"]},
        {"type": "object", "properties": unsure, "required": ["label"]},
    ]
    del schema["type"]


def _end(schema: dict[str, Any]) -> None:
    """The same without looking further."""
    _either(schema)
    del schema["anyOf"][0]


class Reconsidered(BaseModel):
    """A reflector's answer: the tools that it wants first, or the verdict as it stands now.

    Grammars keep this order, as for `Judged`. Native tool calls come without a label, so only grammars insist on it.
    """

    model_config = ConfigDict(json_schema_extra=_either)

    label: Literal["look", "normal", "anomalous", "cannot tell"] = "look"
    calls: list[ToolCall] = Field(default=[], max_length=8)
    p_anomaly: float | None = Field(None, ge=0, le=1)
    severity: int = Field(0, ge=0, le=4)
    rules: list[str] = Field(default=[], max_length=40)
    rationale: str = Field("", max_length=2_000)

    @model_validator(mode="after")
    def _says_what_to_do(self) -> Self:
        if self.label == "look" and not self.calls:
            raise ValueError("a label is needed, or calls to look with")
        if self.label in ("normal", "anomalous") and self.p_anomaly is None:
            raise ValueError("p_anomaly is needed with this label")
        return self


class LastWord(Reconsidered):
    """The answer to the last turn: a grammar leaves nothing but to end; without one a model may look on still."""

    model_config = ConfigDict(json_schema_extra=_end)


@lru_cache(maxsize=32)
def looking_with(tools: tuple[str, ...]) -> type[Reconsidered]:
    """The answer of one who may look with these tools: a grammar leaves no other name to be called.

    Without a grammar a model may still name what there is not: that is told, and the look goes on.
    """
    if not tools:
        return LastWord

    def narrowed(schema: dict[str, Any]) -> None:
        _either(schema)
        fields = {**ToolCall.model_json_schema()["properties"], "tool": {"enum": list(tools)}}
        call = {"type": "object", "properties": fields, "required": ["tool"]}
        schema["anyOf"][0]["properties"]["calls"]["items"] = call

    class Looking(Reconsidered):
        model_config = ConfigDict(json_schema_extra=narrowed, title=Reconsidered.__name__)

    Looking.__name__ = Reconsidered.__name__  # what servers are told: it is the same answer
    return Looking


@dataclass(frozen=True)
class Reflection:
    """What a second look found: the verdict after it, and the facts that it brought, if any."""

    verdict: Verdict
    facts: tuple[Fact, ...] = ()


class Reflector(Agent):
    """Looks again: a model with tools, until it is sure or its allowance is used up; the experts without a model."""

    role = "reflector"

    async def reflect(
        self,
        question: Question,
        verdicts: Sequence[Verdict],
        work: Work,
        toolbox: Toolbox,
        round_: int,
        *,
        limits: ReflectionSettings | None = None,
    ) -> Reflection:
        """The verdict of the second look; `verdicts` are those that were not certain enough."""
        with self.working(**{"alarm.round": round_}) as span:
            if self.model is None:
                measurements, facts = await measure_again(question, work)
                verdict = self._two_looks(question, measurements, facts, round_)
            else:
                allowance = Allowance(limits or ReflectionSettings())
                verdict, facts = await self._within(question, verdicts, toolbox, round_, allowance)
                span.set_attribute("alarm.turns", allowance.turns)
                span.set_attribute("alarm.calls", allowance.calls)
                tracing.set(instructions=allowance.instructions or None)
            span.set_attribute("alarm.parse", verdict.parse.value)
            span.set_attribute("alarm.unknown_rules", len(verdict.unknown_rules))
            return Reflection(verdict, facts)

    def _two_looks(self, question: Question, measurements: Any, facts: tuple[Fact, ...], round_: int) -> Verdict:
        verdict = by_rules(self.member, replace(question, measurements=measurements), round_=round_)
        said = "looked again at full resolution" if facts else "there is nothing more to look at"
        return verdict.model_copy(update={"rationale": f"{said}: {verdict.rationale}"})

    async def _within(
        self, question: Question, verdicts: Sequence[Verdict], toolbox: Toolbox, round_: int, allowance: Allowance
    ) -> tuple[Verdict, tuple[Fact, ...]]:
        """The second look within its allowance; where that is used up first, the verdict is typed so."""
        found: list[Fact] = []
        answer: Answer[Reconsidered] | None = None
        try:
            async with asyncio.timeout(allowance.limits.seconds) as clock:
                talk = await self._opening(question, verdicts, toolbox, allowance, found)
                answer = await self._converse(talk, toolbox, allowance, found)
        except TimeoutError:
            if not clock.expired():
                raise
            allowance.ended = f"{allowance.limits.seconds:g} seconds"
        if answer is None:
            why = f"cannot tell: the second look used up its {allowance.ended} without coming to an end"
            return self._cannot_tell(why, round_), tuple(found)
        given: Answer[Any] = answer
        judged = replace(given, value=given.value and _as_judged(given.value))
        verdict = to_verdict(self.member, self.member, judged, question.rules, round_=round_)
        if verdict.parse.usable:
            verdict = verdict.model_copy(update={"rationale": f"{_outcome(verdict, verdicts)}: {verdict.rationale}"})
        return verdict, tuple(found)

    async def _opening(
        self,
        question: Question,
        verdicts: Sequence[Verdict],
        toolbox: Toolbox,
        allowance: Allowance,
        found: list[Fact],
    ) -> list[BaseMessage]:
        """The first message: the case, what came before it, and its most notable region, measured and shown again."""
        assert self.model is not None
        region, images = notable_region(question.perceptions), self.model.settings.images
        closer = ToolResult("")
        if images.max and "zoom" in toolbox.names:  # a model that reads only words is sent none
            closer = await toolbox.try_run("zoom", {"region": region, "frames": images.max})
        measured = ToolResult("not measured again")
        if "motion" in toolbox.names:
            measured = await toolbox.try_run("motion", {"region": region})
        found += measured.facts[:TOLD]
        earlier = ToolResult("(not asked)")
        if allowance.limits.earlier and "perceive_earlier" in toolbox.names:
            earlier = await toolbox.try_run("perceive_earlier", {"stretches": allowance.limits.earlier})
            allowance.instructions += reads_like_instruction(earlier.text)
        said = "\n".join(map(_in_words, verdicts))
        shown = given(closer.pictures, images)
        told = f"{delimit(closer.text, 'tool')}\n{shown.said}" if shown.blocks else shown.said
        values = {
            "tools": tools_text(toolbox),
            "allowance": allowance.said(),
            "verdicts": delimit(said, "verdicts"),
            "measured": delimit(measured.text, "measured"),
            "earlier": delimit(earlier.text, "seen"),
            "region": ", ".join(f"{edge:.2f}" for edge in region),
            **question_values(question),
            "pictures": told,
        }
        return messages(self.prompt, shown.blocks, values)

    async def _converse(
        self, talk: list[BaseMessage], toolbox: Toolbox, allowance: Allowance, found: list[Fact]
    ) -> Answer[Reconsidered] | None:
        """The answer that ends the conversation; None where the allowance ended it, which says so."""
        assert self.model is not None
        while True:
            schema = LastWord if allowance.last else looking_with(tuple(toolbox.names))
            answer = await self.model.ask(talk, schema, () if allowance.last else offered(toolbox))
            allowance.took(answer)
            if answer.value is None or answer.value.label != "look":
                return answer
            if allowance.ended:
                return None
            calls = answer.value.calls[: allowance.calls_left]
            results = [await toolbox.try_run(call.tool, call.arguments) for call in calls]
            allowance.instructions += sum(reads_like_instruction(result.text) for result in results)
            allowance.calls += len(calls)
            found += [fact for result in results for fact in result.facts[:TOLD]]
            talk.append(AIMessage(answer.value.model_dump_json(include={"label", "calls"})))
            talk.append(self._told(results, allowance))

    def _told(self, results: Sequence[ToolResult], allowance: Allowance) -> HumanMessage:
        """What the tools gave, as the next turn: their words delimited, their pictures as pictures."""
        assert self.model is not None
        shown = given([p for result in results for p in result.pictures], self.model.settings.images)
        parts = [f"Call {i}:\n{delimit(result.text, 'tool')}" for i, result in enumerate(results, 1)]
        text = "\n".join([*parts, *([shown.said] if shown.blocks else []), allowance.said()])
        return HumanMessage([{"type": "text", "text": text}, *map(dict, shown.blocks)] if shown.blocks else text)

    def _cannot_tell(self, why: str, round_: int) -> Verdict:
        return Verdict(
            member=self.member,
            model=self.member,
            label=Label.UNKNOWN,
            rationale=why,
            parse=Parse.EXHAUSTED,
            round=round_,
        )


def _in_words(verdict: Verdict) -> str:
    p = "" if verdict.p_anomaly is None else f", p {verdict.p_anomaly:.2f}"
    return f"- {verdict.member}: {verdict.label.value}{p}: {verdict.rationale}"


def _as_judged(again: Reconsidered) -> Judged:
    # Of one who cannot tell no probability is taken over, whatever stands here.
    p = 0.5 if again.p_anomaly is None else again.p_anomaly
    return Judged.model_validate({**again.model_dump(exclude={"calls"}), "p_anomaly": p})


def _outcome(verdict: Verdict, before: Sequence[Verdict]) -> str:
    """Whether the second look confirms the verdicts before it or revises them, by the side that they are on."""
    p = mean_p(before)
    if verdict.label is Label.UNKNOWN:
        return "cannot tell"
    return "revise" if p is None or (p >= 0.5) != (verdict.label is Label.ANOMALOUS) else "confirm"
