"""The reasoner: judges what was seen against the rules (AnomalyRuler's deduction, ALARM's analytical thinking)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from alarm_agents.agents.base import Agent, rules_text, seen_text, similar_text
from alarm_agents.agents.pictures import Shown, show
from alarm_agents.agents.predicates import judge
from alarm_agents.models import Answer
from alarm_agents.sources.media import Media
from alarm_agents.types import Label, Measurement, Parse, Perception, Rule, RuleRef, SimilarCase, Verdict, Window


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


class Reasoner(Agent):
    """Judges with a model, or by the rules' predicates alone."""

    role = "reasoner"

    async def reason(self, question: Question, samples: int = 1) -> list[Verdict]:
        """The verdicts of `samples` independent answers (one without a model: it would only repeat itself)."""
        if self.model is None:
            with self.working() as span:
                verdict = judge(
                    self.member,
                    question.rules,
                    question.measurements,
                    question.perceptions,
                    window=question.window,
                    lift=question.lift,
                )
                span.set_attribute("alarm.parse", verdict.parse.value)
                return [verdict]
        shown = Shown()
        if question.media is not None:
            shown = show(question.window, question.measurements, question.media, self.model.settings.images)
        names = [self.member if samples == 1 else f"{self.member}#{k + 1}" for k in range(samples)]
        return list(await asyncio.gather(*(self._sample(name, question, shown) for name in names)))

    async def _sample(self, name: str, question: Question, shown: Shown) -> Verdict:
        with self.working(**{"alarm.sample": name}) as span:
            answer = await self.ask(Judged, shown.blocks, pictures=shown.said, **question_values(question))
            verdict = to_verdict(name, self.member, answer, question.rules)
            span.set_attribute("alarm.unknown_rules", len(verdict.unknown_rules))
            return verdict


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
    """The p of an anomaly and where it is from; of "cannot tell" half counts, so that it draws p to the middle."""
    if odds is None:
        return judged.p_anomaly, "stated"
    return min(1.0, odds["anomalous"] + odds["cannot tell"] / 2), "log-probabilities"
