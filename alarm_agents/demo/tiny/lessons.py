"""What a tiny model is taught with: the agents' own questions about rendered stretches, and the right answers.

The agents ask a teacher in place of a model. It knows what is rendered, answers, and keeps each question with its
answer and its picture: so the model learns exactly what the agents will ask.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool
from numpy.typing import NDArray
from pydantic import BaseModel, PrivateAttr

from alarm_agents.agents.inducer import Inducer, Proposed, ProposedRule, Reference
from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.quantiles import PHRASES
from alarm_agents.agents.reasoner import Judged, Question, Reasoner
from alarm_agents.agents.reflector import Reconsidered, Reflector
from alarm_agents.agents.toolwork import earlier_text
from alarm_agents.demo import walkway
from alarm_agents.demo.film import frames
from alarm_agents.demo.scene import FPS
from alarm_agents.demo.tiny.truth import KINDS, SEVERITY, STEP, Thing, Truth, answer_of, boxes_at, truth_at
from alarm_agents.memory.rules import rule_id
from alarm_agents.models import Model
from alarm_agents.models.transformers_prompt import turns
from alarm_agents.scenario import Scenario
from alarm_agents.settings import ModelSettings
from alarm_agents.sources.held import HeldSource
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.windows import window_of
from alarm_agents.tools.function import tool
from alarm_agents.tools.registry import Entry, Toolbox, load_tools
from alarm_agents.tools.work import Work, working_on
from alarm_agents.types import Box, Label, Parse, Perception, Provenance, Rule, RuleKind, Verdict, Window

APART = 24
"""Frames from one stretch to the next: few of each clip, and many clips, as models learn clips by heart."""
AGAIN = {True: 0.35, False: 0.43}
"""Share of the anomalous and of the normal stretches that are looked at again: as many of these are anomalous then, 38
of 100, as were where models that had been trained before watched the clips of seeds 20 to 27. All that follows is of
these models, too."""
RETOLD = 2
"""Lessons of each of these; what was seen of it, now and before, is mistaken anew in each."""
MISTAKEN = {True: 0.35, False: 0.25}
"""How often a reasoner is told by its perceiver of something else than is there, in anomalous and in normal stretches.
It was less, 0.23 and 0.07; but what one eye tells and then sees again are no two witnesses, and a reasoner that trusted
what it is told would not look."""
MISTAKEN_AGAIN = {True: (0.0, 0.42, 0.5, 0.08), False: (0.15, 0.64, 0.21, 0.0)}
"""How often none, one, two and all of the perceivers did in what was looked at again: mostly it is what they disagree
on, and what is hard to see escapes more than one."""
MISTAKEN_BEFORE = {True: (0.45, 0.07, 0.17, 0.31), False: (0.74, 0.15, 0.09, 0.02)}
"""The same of the stretches right before these."""
TAKEN_FOR = (0.3, 0.05, 0.65)
"""Of what was told of and was not there, how often each of the odd kinds was: bags that are carried, mostly."""
LEANING, AGREED, SIDE, APART_BY = 0.2, 0.4, 2.8, 1.3
"""Of reasoners who are not sure, as log-odds: how far they leaned to the truth on average, how far all of them together
strayed from that, how far each leaned to what its own eye told, and how far each strayed by itself."""
RULES = (
    ("normal", "People walk and stand.", 0, "walker"),
    ("anomalous", "Somebody runs.", 1, "runner"),
    ("anomalous", "Somebody rides a bicycle.", 2, "cyclist"),
    ("anomalous", "A bag is left behind.", 3, "bag"),
)
"""What the inducer learns to write, and the reasoners to cite: kind, text, severity, and what it is about."""


Placed = tuple[int, Box]
"""A place in `KINDS`, and where such a thing is."""


@dataclass(frozen=True)
class Stretch:
    """What a lesson is about: one stretch of a clip, and what came before it."""

    window: Window
    media: Media
    truth: Truth
    boxes: Sequence[Placed]
    before: Sequence[tuple[Window, Truth]]


@dataclass(frozen=True)
class Lesson:
    """One question and its right answer."""

    role: str
    said: Sequence[dict[str, Any]]
    """The conversation as chat templates take it."""
    answer: str
    picture: int | None = None
    """Which of the lessons' pictures it is about."""


@dataclass
class Lessons:
    """Lessons and the pictures (JPEG, as models are sent them) that they are about."""

    lessons: list[Lesson] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    boxes: list[list[Placed]] = field(default_factory=list)
    """By picture: what is where in it, at any of its moments."""


class Teacher(BaseChatModel):
    """Answers what it was told to answer, and keeps the question."""

    _answer: str = PrivateAttr("")
    _question: list[BaseMessage] = PrivateAttr(default_factory=list)

    def will_say(self, answer: BaseModel) -> str:
        """Set the next answer; returns it as it will be written."""
        self._answer = json.dumps(answer.model_dump(mode="json", exclude_defaults=True))
        return self._answer

    @property
    def question(self) -> list[BaseMessage]:
        """What was asked last."""
        return self._question

    @property
    def _llm_type(self) -> str:
        return "teacher"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        self._question = messages
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self._answer))])


class School:
    """The agents of a scenario with the teacher for a model, at work on rendered clips."""

    def __init__(self, scenario: Scenario, member: str, rng: np.random.Generator) -> None:
        """`member` is the model that is to be taught, by its name in the scenario."""
        self.scenario, self.rng, self.found = scenario, rng, Lessons()
        self._teacher = Teacher()
        settings = ModelSettings(backend="langchain", model="teacher", images=scenario.models[member].images)
        self._models = {name: Model(name, settings, self._teacher) for name in scenario.models}
        self._perceivers = {name: Perceiver.of(scenario, name, self._models) for name in scenario.agents.perceivers}
        self._perceiver = self._perceivers[member]
        self._reasoners = [Reasoner.of(scenario, name, self._models) for name in scenario.agents.reasoners]
        self._reflector = Reflector.of(scenario, member, self._models)
        self._inducer = Inducer.of(scenario, member, self._models)
        self._tools = Toolbox()

    async def attend(self, seed: int) -> None:
        """Add the lessons of one busy clip."""
        life = walkway.busy(seed)
        self._tools = await load_tools(self.scenario.tools, self.scenario.folder)
        size = self.scenario.source.frames
        starts = range(int(self.rng.integers(APART)), life.scene.frames - size + 1, APART)
        # The middle one of the three moments is where half of all motion has passed, so it varies.
        middles = self.rng.choice(np.arange(1, size - 1), len(starts), p=_peaked(size - 2))
        lasts = [start + size - 1 for start in starts]
        moments = [(a, a + int(b), c) for a, b, c in zip(starts, middles, lasts, strict=True)]
        images = frames(life.scene, [index for three in moments for index in three])
        for three in moments:
            shown = [Picture(next(images), index, index / FPS, float(FPS)) for index in three]
            stretch = Stretch(
                window_of(shown, "lesson"),
                Media(HeldSource(shown, "lesson", "frames"), 640),
                _truth(life, range(three[0], three[-1] + 1)),
                [box for picture in shown for box in boxes_at(life, picture.time)],
                self._before(life, three[0]),
            )
            await self._look(stretch)
        await self._induce()

    def _before(self, life: walkway.Life, first: int) -> list[tuple[Window, Truth]]:
        """What the stretches right before that frame show, as many as the scenario's reflector is told of."""
        size, count = self.scenario.source.frames, self.scenario.graph.reflection.earlier
        parts = [range(end - size, end) for end in range(first, size - 1, -size)][:count]
        return [(_blank(part), _truth(life, part)) for part in reversed(parts)]

    async def _look(self, stretch: Stretch) -> None:
        """The lessons of perceiver and reasoner, and at times that of the reflector."""
        window, truth = stretch.window, stretch.truth
        answer = self._teacher.will_say(answer_of(truth))
        await self._perceiver.perceive(window, (), stretch.media, self.scenario)
        self._keep("perceiver", answer, stretch.boxes)
        # Lessons are the same for all members, and each reads its own perceiver's words.
        reasoner = self._reasoners[self.rng.integers(len(self._reasoners))]
        told = self._mistake(truth) if self.rng.random() < MISTAKEN[truth.anomalous] else truth
        question = Question(
            window=window,
            normal=self.scenario.normal,
            measurements=(),
            perceptions=await self._perceived(window, {reasoner.member: told}),
            rules=self._rules(),
            similar=(),
            media=stretch.media if self.scenario.agents.reasoners_see else None,
        )
        answer = self._teacher.will_say(self._judged(truth, question.rules))
        await reasoner.reason(question)
        self._keep("reasoner", answer, stretch.boxes)
        if self.rng.random() < AGAIN[truth.anomalous]:
            for _ in range(RETOLD):
                await self._again(question, stretch)

    async def _again(self, question: Question, stretch: Stretch) -> None:
        """A lesson of the reflector: it is told what was seen now and before, and what reasoners make of it."""
        truth = stretch.truth
        seen = self._seen(truth, MISTAKEN_AGAIN)
        question = replace(question, perceptions=await self._perceived(stretch.window, seen))
        before = [
            (window, await self._perceived(window, self._seen(earlier, MISTAKEN_BEFORE)))
            for window, earlier in stretch.before
        ]
        leaning = self.rng.normal(LEANING * (2 * truth.share - 1), AGREED)
        verdicts = [
            self._doubtful(name, truth, leaning + (SIDE if seen.get(name, truth).anomalous else -SIDE))
            for name in self.scenario.agents.reasoners
        ]
        judged = self._judged(truth, question.rules)
        answer = self._teacher.will_say(Reconsidered.model_validate(judged.model_dump()))
        work = Work(question.window, stretch.media, {}, lambda _text, _k: ())
        tools = self._tools.including(Entry(_telling(earlier_text(question.window, before)), "lesson"))
        with working_on(work):
            await self._reflector.reflect(question, verdicts, work, tools, 1, limits=self.scenario.graph.reflection)
        self._keep("reflector", answer)

    def _doubtful(self, name: str, truth: Truth, leaning: float) -> Verdict:
        """What a reasoner may have said who was not sure; `leaning` is where it leans, as log-odds."""
        p = float(1 / (1 + np.exp(-self.rng.normal(leaning, APART_BY))))
        label = Label.ANOMALOUS if p >= 0.5 else Label.NORMAL
        said = (truth if truth.anomalous == (p >= 0.5) else self._mistake(truth)).told()
        return Verdict(member=name, model=name, label=label, p_anomaly=p, rationale=said, parse=Parse.PARSED)

    def _seen(self, truth: Truth, mistaken: Mapping[bool, Sequence[float]]) -> dict[str, Truth]:
        """What each perceiver takes a stretch for: what is there, or something else, as often as that says."""
        names = self.rng.permutation(self.scenario.agents.perceivers)
        odds = mistaken[truth.anomalous]
        wrong = set(names[: self.rng.choice(len(odds), p=odds)])
        return {name: self._mistake(truth) if name in wrong else truth for name in self.scenario.agents.perceivers}

    async def _perceived(self, window: Window, seen: Mapping[str, Truth]) -> list[Perception]:
        """What the perceivers say of what they see."""
        media = Media(HeldSource(_blanks(window.frames), "lesson", "frames"), 640)
        found = []
        for name, truth in seen.items():
            self._teacher.will_say(answer_of(truth))
            found.append(await self._perceivers[name].perceive(window, (), media, self.scenario))
        return found

    def _mistake(self, truth: Truth) -> Truth:
        walkers = tuple(thing for thing in truth.things if thing.kind == "walker")
        if truth.anomalous and self.rng.random() < 0.8:
            return Truth(walkers, 0.0)
        return Truth((self._invented(*walkers), *walkers), 1.0)

    def _invented(self, walker: Thing | None = None) -> Thing:
        """Something odd that is not there: what the walker, or what they carry, was taken for; else at random."""
        left, top = self.rng.uniform(0, 0.8), self.rng.uniform(0.2, 0.7)
        box = (left, top, left + self.rng.uniform(0.1, 0.2), top + 4 * STEP)
        boxes, ahead = (walker.boxes, walker.ahead) if walker else ((box,), int(self.rng.choice([-1, 1])))
        kind = str(self.rng.choice(KINDS[1:], p=TAKEN_FOR))
        if kind == "bag":
            boxes = tuple((x0, (y0 + y1) / 2, x1, y1) for x0, y0, x1, y1 in boxes)
        return Thing(kind, boxes, 1.0, float(self.rng.uniform(2.5, 4.2)), ahead)

    def _judged(self, truth: Truth, rules: Sequence[Rule]) -> Judged:
        """The right verdict; its label is anomalous as often as the stretch is, by its share.

        So the label's probability comes to be that share: right for every frame of a stretch in which something odd
        begins or ends, and unsure there. What is said beside it never contradicts it.
        """
        anomalous = bool(self.rng.random() < truth.share)
        p = round(min(0.9, max(0.1, truth.share)), 1)
        told = truth if anomalous == truth.anomalous else truth.other
        kinds = [thing.kind for thing in told.odd]
        about = [rule_id(text) for _, text, _, kind in RULES if kind in (kinds or ["walker"])]
        known = {rule.id for rule in rules}
        return Judged(
            label="anomalous" if anomalous else "normal",
            p_anomaly=max(0.5, p) if anomalous else min(0.5, p),
            severity=max((SEVERITY[kind] for kind in kinds), default=0),
            rules=[name for name in about if name in known],
            rationale=told.told(),
        )

    def _rules(self) -> list[Rule]:
        """The rules as they may stand: what the inducer found, and limits on measures, which say nothing here."""
        given = self.rng.choice([0.0, 0.6, 1.0], p=[0.15, 0.25, 0.6])  # what is not given must not be cited
        found = [rule_of(*rule[:3]) for rule in RULES if self.rng.random() < given]
        for measure in self.rng.permutation(list(PHRASES))[: self.rng.integers(0, 5)]:
            usual, limit = self.rng.uniform(0.01, 3, 2)
            said = PHRASES[measure].format(f"usually {usual:.2f} and at most {limit:.2f}")
            found.append(_measured(measure, "usual", said, RuleKind.NORMAL))
            said = PHRASES[measure].format(f"more than {limit:.2f}")
            found.append(_measured(measure, "high", said, RuleKind.ANOMALOUS))
        return sorted(found, key=lambda rule: rule.kind is RuleKind.ANOMALOUS)

    async def _induce(self) -> None:
        """A lesson of the inducer: normal stretches, with a perceiver's mistake here and there."""
        walker = Thing("walker", ((0.4, 0.4, 0.5, 0.6),), 1.0, 1.5, 1)
        normal, window = Truth((walker,), 0.0), _blank([0])
        references = []
        for _ in range(int(self.rng.integers(4, 11))):
            said = Truth((self._invented(walker), walker), 1.0) if self.rng.random() < 0.1 else normal
            self._teacher.will_say(answer_of(said))
            blank = Media(HeldSource(_blanks(window.frames), "lesson", "frames"), 640)
            seen = await self._perceiver.perceive(window, (), blank, self.scenario)
            references.append(Reference(window, (), (seen,)))
        rules = [ProposedRule.model_validate({"kind": k, "text": t, "severity": s}) for k, t, s, _ in RULES]
        answer = self._teacher.will_say(Proposed(rules=rules))
        await self._inducer.propose(references, self.scenario.normal, origin="references")
        self._keep("inducer", answer)

    def _keep(self, role: str, answer: str, boxes: Sequence[Placed] | None = None) -> None:
        said, pictures = turns(self._teacher.question)
        place = None
        if boxes is not None and pictures:
            if not self.found.pictures or self.found.pictures[-1] != pictures[0]:
                self.found.pictures.append(pictures[0])
                self.found.boxes.append(list(boxes))
            place = len(self.found.pictures) - 1
        self.found.lessons.append(Lesson(role, said, answer, place))


def rule_of(kind: str, text: str, severity: int) -> Rule:
    """A rule as an inducer's model writes it."""
    provenance = Provenance(origin="references", author="teacher")
    return Rule(id=rule_id(text), kind=RuleKind(kind), text=text, severity=severity, provenance=provenance)


def _measured(measure: str, end: str, text: str, kind: RuleKind) -> Rule:
    severity = 2 if kind is RuleKind.ANOMALOUS else 0
    provenance = Provenance(origin="references", author="embedded")
    name = f"{measure.replace('.', '-')}-{end}"
    return Rule(id=name, kind=kind, text=text, severity=severity, provenance=provenance)


def _blanks(frames: Sequence[int]) -> list[Picture]:
    """Pictures that nobody looks at."""
    return [Picture(np.zeros((2, 2, 3), np.uint8), frame, frame / FPS, float(FPS)) for frame in frames]


def _blank(frames: Sequence[int]) -> Window:
    return window_of(_blanks(frames), "lesson")


def _truth(life: walkway.Life, frames: Sequence[int]) -> Truth:
    return truth_at(life, [frame / FPS for frame in frames])


def _telling(text: str) -> StructuredTool:
    """The tool that asks the perceivers what came before, for the teacher to answer."""

    async def perceive_earlier(stretches: int = 1) -> str:
        """Tell what is to be seen right before the window."""
        del stretches
        return text

    return tool(perceive_earlier)


def _peaked(count: int) -> NDArray[np.float64]:
    """Odds of so many places, the middle ones first."""
    odds = np.exp(-np.abs(np.arange(count) - (count - 1) / 2))
    return np.asarray(odds / odds.sum())
