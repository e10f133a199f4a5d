"""Tiny models: what they are taught with is what the agents ask, and a minute of training teaches them something."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alarm_agents.agents.inducer import Proposed
from alarm_agents.agents.perceiver import Perceiver, Seen
from alarm_agents.agents.reasoner import Judged
from alarm_agents.agents.reflector import Reconsidered
from alarm_agents.demo import walkway
from alarm_agents.demo.film import frames
from alarm_agents.demo.scene import FPS
from alarm_agents.demo.tiny.gather import FIRST_SEED
from alarm_agents.demo.tiny.lessons import Lessons, School
from alarm_agents.demo.tiny.truth import KINDS, truth_at
from alarm_agents.models import Model
from alarm_agents.models.registry import build_models
from alarm_agents.models.schemas import response_format
from alarm_agents.scenario import load_scenario
from alarm_agents.sources.held import HeldSource
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from support.records import window

ANSWERS: dict[str, Any] = {
    "perceiver": Seen,
    "reasoner": Judged,
    "reflector": Reconsidered,
    "inducer": Proposed,
}


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    scenario = load_scenario("walkway_mllm")
    school = School(scenario, "tiny-a", np.random.default_rng(0))
    asyncio.run(school.attend(FIRST_SEED - 1))
    return school.found


def test_the_truth_of_a_stretch_is_what_the_renderer_shows() -> None:
    life = walkway.busy(3)
    for span in life.scene.implanted:
        found = truth_at(life, [span.start + 0.2 * step for step in range(5)])
        assert found.anomalous
        assert any(thing.kind == span.kind for thing in found.odd)
        assert all(0 <= edge <= 1 for thing in found.things for edge in thing.region)


def test_every_lesson_is_a_question_of_an_agent_with_an_answer_that_fits(lessons: Lessons) -> None:
    assert {lesson.role for lesson in lessons.lessons} == set(ANSWERS)
    for lesson in lessons.lessons:
        ANSWERS[lesson.role].model_validate_json(lesson.answer)
        shown = sum(part["type"] == "image" for turn in lesson.said for part in turn["content"])
        assert shown == (lesson.picture is not None)
        assert (lesson.picture is None) == (lesson.role in ("inducer", "reflector"))
    assert len(lessons.boxes) == len(lessons.pictures)
    assert {kind for boxes in lessons.boxes for kind, _ in boxes} <= set(range(len(KINDS)))


def test_verdicts_in_the_lessons_are_of_both_kinds_and_cite_only_rules_that_are_given(lessons: Lessons) -> None:
    judged = [(each, json.loads(each.answer)) for each in lessons.lessons if each.role == "reasoner"]
    assert {answer["label"] for _, answer in judged} == {"normal", "anomalous"}
    for lesson, answer in judged:
        assert all(rule in lesson.said[0]["content"][0]["text"] for rule in answer.get("rules", ()))


def test_second_looks_are_taught_with_what_perceivers_said_of_the_stretches_before(lessons: Lessons) -> None:
    asked = [lesson.said[1]["content"][0]["text"] for lesson in lessons.lessons if lesson.role == "reflector"]
    before = [text.partition("</untrusted>")[0] for text in asked]
    assert sum("1.8 s to 0.9 s before:\ntiny-" in text for text in before) > len(before) / 2
    for text in before:
        told = text.count(" s before:")
        assert all(text.count(f"{name}: ") == told for name in ("tiny-a", "tiny-b", "tiny-c"))
        assert told or "there is nothing before" in text  # where a clip begins


@pytest.mark.models
def test_grammars_let_every_answer_be_spelled_as_it_was_learned(lessons: Lessons) -> None:
    pytest.importorskip("transformers", reason="needs the extra transformers")
    llguidance = pytest.importorskip("llguidance", reason="needs the extra transformers")
    from llguidance.hf import from_tokenizer

    from alarm_agents.demo.tiny.shapes import tokenizer

    some = lessons.lessons[::7]
    said = [part["text"] for one in some for turn in one.said for part in turn["content"] if "text" in part]
    words = tokenizer([*said, *(one.answer for one in some)])
    guide = from_tokenizer(words, n_vocab=len(words))
    for lesson in some:
        schema = response_format(ANSWERS[lesson.role])["json_schema"]["schema"]  # as vLLM takes it, without overrides
        matcher = llguidance.LLMatcher(guide, llguidance.LLMatcher.grammar_from_json_schema(schema))
        for token in words(lesson.answer, add_special_tokens=False)["input_ids"]:
            allowed = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
            assert allowed[token], (lesson.answer, words.decode([token]))
            assert matcher.consume_token(token)


@pytest.mark.models
def test_places_overlap_wholly_where_they_are_right_and_not_at_all_where_none_is_told(lessons: Lessons) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra transformers")
    pytest.importorskip("transformers", reason="needs the extra transformers")
    from alarm_agents.demo.tiny.places import overlap_of_places
    from alarm_agents.demo.tiny.shapes import SHAPES, processor, tokenizer

    odd = next(each for each in lessons.lessons if each.role == "perceiver" and '"walker"' not in each.answer)
    one = Lessons([odd], lessons.pictures, lessons.boxes)
    asks = processor(SHAPES[0], tokenizer([odd.answer]))

    class Says:
        """Stands in for a model: it says what it is made with."""

        def __init__(self, answer: str) -> None:
            self.tokens = torch.tensor([asks.tokenizer(answer, add_special_tokens=False)["input_ids"]])

        def generate(self, input_ids: Any, **_: Any) -> Any:
            return torch.cat([input_ids, self.tokens], 1)

    fact = {"subject": "bag", "attribute": "left behind", "value": 9.0, "region": [0, 0, 0.01, 0.01]}
    elsewhere = json.dumps({"caption": "A bag is left behind.", "facts": [fact]})
    assert overlap_of_places(Says(odd.answer), asks, one) == pytest.approx(1)
    assert overlap_of_places(Says(elsewhere), asks, one) == pytest.approx(0, abs=0.1)
    assert overlap_of_places(Says("no JSON"), asks, one) == 0
    walker = next(each for each in lessons.lessons if each.role == "perceiver" and '"walker"' in each.answer)
    assert overlap_of_places(Says("{}"), asks, Lessons([walker], lessons.pictures, lessons.boxes)) is None


@pytest.mark.models
def test_a_minute_of_training_gives_a_model_that_answers_its_agents(lessons: Lessons, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra transformers")
    pytest.importorskip("llguidance", reason="needs the extra transformers")
    from alarm_agents.demo.tiny.shapes import SHAPES
    from alarm_agents.demo.tiny.train import train

    folder = tmp_path / "tiny"
    short = train(SHAPES[0], lessons, lessons, tmp_path / "short", steps=2, minutes=5)
    longer = train(SHAPES[0], lessons, lessons, folder, steps=30, minutes=5)
    assert longer.loss < 0.9 * short.loss
    assert longer.places is not None

    scenario = load_scenario("walkway_mllm")
    settings = scenario.models["tiny-a"].model_copy(update={"model": str(folder), "max_tokens": 200})
    model: Model = build_models({"tiny-a": settings}, tmp_path)["tiny-a"]
    life = walkway.busy(4)
    pictures = [Picture(image, i, i / FPS, FPS) for i, image in zip(range(4), frames(life.scene), strict=False)]
    media = Media(HeldSource(pictures, "clip", "frames"), 640)
    perceiver = Perceiver.of(scenario, "tiny-a", {"tiny-a": model})
    answer = asyncio.run(perceiver.perceive(window(), (), media, scenario))
    assert answer.member == "tiny-a"
    # So short a training need not end its answers; what it does end conforms.
    assert answer.parse.usable or answer.parse.value == "unparsed"
