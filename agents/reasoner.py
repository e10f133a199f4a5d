"""The reasoner: judges what was seen against the rules (AnomalyRuler's deduction, ALARM's analytical thinking)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel, Field

from alarm_agents.agents.base import Agent, messages, rules_text, seen_text, similar_text
from alarm_agents.agents.drafts import objections, with_draft
from alarm_agents.agents.focus import focus_text, look_closer
from alarm_agents.agents.pictures import Shown, show
from alarm_agents.agents.predicates import judge
from alarm_agents.models import Answer, Model, delimit
from alarm_agents.models.instructions import reads_like_instruction
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario
from alarm_agents.settings import EMBEDDED
from alarm_agents.sources.media import Media
from alarm_agents.types import (
    Box,
    Fact,
    Label,
    Measurement,
    Parse,
    Perception,
    Rule,
    RuleRef,
    SimilarCase,
    Verdict,
    Window,
)


class Judged(BaseModel):
    """A reasoner's answer. Grammars keep this order, and a label's log-probabilities tell only where it comes first."""

    label: Literal["normal", "anomalous", "cannot tell"]
    p_anomaly: float = Field(ge=0, le=1)
    severity: int = Field(0, ge=0, le=4)
    rules: list[str] = Field(default=[], max_length=40)
    rationale: str = Field("", max_length=2_000)


@dataclass(frozen=True)
class Question:
    """All that a window is judged by."""

    window: Window
    normal: str
    measurements: Sequence[Measurement]
    perceptions: Sequence[Perception]
    rules: Sequence[Rule]
    similar: Sequence[SimilarCase]
    lift: float = 1.0
    """What induced limits are multiplied by, see `alarm_agents.uncertainty.budget`."""
    media: Media | None = None
    """Where the window's pictures are, if reasoners may see them."""
    before: Sequence[Label] = ()
    """What the windows right before were held to be, as far as they are judged already."""

    def alone(self, member: str) -> Question:
        """The question without what others than this member perceived; all of it, if that gave no usable answer."""
        own = [perception for perception in self.perceptions if perception.member == member and perception.parse.usable]
        return replace(self, perceptions=own) if own else self


def by_rules(member: str, question: Question, *, round_: int = 0) -> Verdict:
    """What the rules that have predicates come to, see `judge`."""
    return judge(
        member,
        question.rules,
        question.measurements,
        question.perceptions,
        window=question.window,
        round_=round_,
        lift=question.lift,
    )


class Reasoner(Agent):
    """Judges with a model, or by the rules' predicates alone."""

    role = "reasoner"
    judges_alone = False
    """Whether it reads only what its own model perceived, see `AgentSettings.reasoners_alone`."""

    @classmethod
    def of(cls, scenario: Scenario, member: str, models: Mapping[str, Model]) -> Self:
        """The scenario's reasoner with that member's model."""
        found = super().of(scenario, member, models)
        found.judges_alone = scenario.agents.reasoners_alone
        return found

    async def reason(
        self, question: Question, samples: int = 1, *, focus: bool = False, recheck: bool = False
    ) -> list[Verdict]:
        """The verdicts of `samples` independent answers (one without a model: it would only repeat itself).

        With `focus` the regions that the model names are looked at more closely first; with `recheck` each answer is
        a draft, see `alarm_agents.agents.drafts`.
        """
        if self.model is None:
            with self.working() as span:
                verdict = by_rules(self.member, question)
                span.set_attribute("alarm.parse", verdict.parse.value)
                return [verdict]
        if self.judges_alone:
            question = question.alone(self.member)
        shown = Shown()
        if question.media is not None:
            shown = self._show(question, question.media)
        looked = await self._look_closer(question, shown) if focus and shown.blocks else ()
        names = [self.member if samples == 1 else f"{self.member}#{k + 1}" for k in range(samples)]
        asked = (self._sample(name, question, shown, looked, recheck=recheck) for name in names)
        return list(await asyncio.gather(*asked))

    def _show(self, question: Question, media: Media, region: Box | None = None) -> Shown:
        assert self.model is not None
        return show(question.window, question.measurements, media, self.model.settings.images, region)

    async def _look_closer(self, question: Question, whole: Shown) -> tuple[Fact, ...]:
        """What the model finds in the regions that it names."""
        assert question.media is not None
        values = {key: value for key, value in question_values(question).items() if key in ("normal", "rules", "seen")}
        with self.working(**{"alarm.stage": "focus"}):
            found = await look_closer(self, whole, partial(self._show, question, question.media), values)
            tracing.set(looked=len(found), instructions=sum(reads_like_instruction(f.text) for f in found) or None)
            return found

    async def _sample(
        self, name: str, question: Question, shown: Shown, looked: tuple[Fact, ...], *, recheck: bool
    ) -> Verdict:
        assert self.model is not None
        pictures = "\n".join(filter(None, [shown.said, focus_text(looked)]))
        with self.working(**{"alarm.sample": name}) as span:
            talk = messages(self.prompt, shown.blocks, {"pictures": pictures, **question_values(question)})
            answer = await self.model.ask(talk, Judged)
            tracing.set(parse=answer.parse.value)
            verdict = to_verdict(name, self.member, answer, question.rules)
            if recheck and answer.value is not None:
                verdict = await self._rechecked(verdict, question, [*talk, AIMessage(answer.value.model_dump_json())])
            span.set_attribute("alarm.unknown_rules", len(verdict.unknown_rules))
            return verdict.model_copy(update={"looked": looked})

    async def _rechecked(self, draft: Verdict, question: Question, talk: list[BaseMessage]) -> Verdict:
        """The verdict after what speaks against the draft, if anything does, was put to the model."""
        assert self.model is not None
        against = objections(
            draft,
            checked=by_rules(EMBEDDED, question),
            similar=question.similar,
            before=question.before,
        )
        if not against:
            return draft
        prompt, listed = self.turn("recheck"), "\n".join(f"- {text}" for text in against)
        values = {"objections": delimit(listed, "objections")}
        told = HumanMessage("\n".join(part.substitute(values) for part in (prompt.instructions, prompt.question)))
        answer = await self.model.ask([*talk, told], Judged)
        tracing.set(objections=len(against), **{"alarm.recheck": answer.parse.value})
        return with_draft(to_verdict(draft.member, draft.model, answer, question.rules), draft, against)


def question_values(question: Question) -> dict[str, str]:
    """The values that the prompts of reasoner and reflector share."""
    return {
        "normal": question.normal or "(not described)",
        "rules": rules_text(question.rules),
        "similar": similar_text(question.similar),
        "window": _when(question.window),
        "seen": seen_text(question.perceptions),
    }


def _when(window: Window) -> str:
    """From when to when, and the time of day where it is known."""
    clock = "" if window.hour is None else f" (time of day {int(window.hour)}:{int(window.hour * 60) % 60:02})"
    return f"{window.start:.1f} s to {window.end:.1f} s{clock}"


def to_verdict(name: str, model: str, answer: Answer[Any], rules: Sequence[Rule], *, round_: int = 0) -> Verdict:
    """The verdict that an answer gives; without one, or when it contradicts itself, a typed non-answer."""
    judged = answer.value
    if judged is None:
        return Verdict(
            member=name, model=model, label=Label.UNKNOWN, rationale=answer.note, parse=answer.parse, round=round_
        )
    known: Mapping[str, RuleRef] = {rule.id: rule.ref for rule in rules}
    cited = list(dict.fromkeys(judged.rules))
    p, p_from = _probability(judged, answer.odds)
    # Where another p counts, a small model's 0.5 says nothing; only the other side of it contradicts the label.
    stated = judged.p_anomaly if judged.p_anomaly != 0.5 else p
    against = [said for said in (p, stated) if (judged.label == "anomalous") != (said >= 0.5)]
    contradiction = judged.label != "cannot tell" and bool(against)
    told = judged.label != "cannot tell" and not contradiction
    note = f"label and probability contradict each other ({judged.label}, {against[0] if against else p:.2f}); "
    return Verdict(
        member=name,
        model=model,
        label=Label(judged.label) if told else Label.UNKNOWN,
        p_anomaly=p if told else None,
        p_from=p_from if told else None,
        p_stated=p if told and p_from == "stated" else None,
        severity=judged.severity if judged.label == "anomalous" else 0,
        rationale=(note if contradiction else "") + judged.rationale,
        rules=tuple(known[key] for key in cited if key in known),
        unknown_rules=tuple(key[:80] for key in cited if key not in known),
        parse=Parse.UNPARSED if contradiction else answer.parse,
        round=round_,
    )


def _probability(
    judged: Judged, odds: Mapping[str, float] | None
) -> tuple[float, Literal["log-probabilities", "stated"]]:
    """The p of an anomaly and where it is from; of "cannot tell" half counts, so that it draws p to the middle.

    What a reflector would rather have looked at first is left out of the odds.
    """
    told = sum(odds[word] for word in ("normal", "anomalous", "cannot tell")) if odds is not None else 0.0
    if odds is None or told <= 0.0:
        return judged.p_anomaly, "stated"
    return min(1.0, (odds["anomalous"] + odds["cannot tell"] / 2) / told), "log-probabilities"
