"""Guiding questions: asked by number, answered by facts, kept by what people said of the cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.agents.perceiver import Perceiver, answer_to
from alarm_agents.agents.questions import ENOUGH, asked_text, weigh
from alarm_agents.memory.texts import seen
from alarm_agents.models.client import Model
from alarm_agents.models.scripted import ScriptedChatModel
from alarm_agents.scenario import Scenario
from alarm_agents.settings import ModelSettings
from alarm_agents.sources.media import Media
from alarm_agents.sources.open import open_source
from alarm_agents.types import Case, Parse, RuleKind, RuleStatus
from support.clips import clip, write_folder
from support.records import fact, perception, resolved, rule, window

BAG = rule("Does anybody carry a bag?", RuleKind.QUESTION)
ASKED = {"bag": "Does anybody carry a bag?", "run": "Does anybody run?"}


def said(*answers: bool | str | None, label: str, parse: Parse = Parse.PARSED) -> Case:
    """A reviewed case with what each perceiver answered; None is no answer."""
    seen = [
        perception(f"eye-{place}", parse=parse).model_copy(
            update={"facts": () if each is None else (fact("it", subject="question", attribute=BAG.id, value=each),)}
        )
        for place, each in enumerate(answers)
    ]
    return resolved(f"{label}-{len(answers)}", "", label).model_copy(update={"perceptions": tuple(seen)})


def reviewed(anomalous: tuple[int, int], normal: tuple[int, int]) -> list[Case]:
    """So many cases of each label in which the answer was yes, and no."""
    return [
        said(value, label=label)
        for label, counts in (("anomalous", anomalous), ("normal", normal))
        for value, count in zip((True, False), counts, strict=True)
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("cases", "outcome", "auroc"),
    [
        (reviewed((12, 0), (0, 12)), "kept", 1.0),
        (reviewed((0, 12), (12, 0)), "kept", 1.0),  # a question that is answered the other way round tells as much
        (reviewed((9, 3), (2, 10)), "kept", 0.79),
        (reviewed((12, 0), (12, 0)), "retired", 0.5),
        (reviewed((7, 5), (5, 7)), "retired", 0.58),
        (reviewed((9, 0), (0, 40)), "undecided", 1.0),
        (reviewed((40, 0), (0, 0)), "undecided", None),
        ([], "undecided", None),
    ],
)
def test_a_question_is_kept_for_what_its_answers_tell_apart(cases: list[Case], outcome: str, auroc: float) -> None:
    found = weigh(BAG, cases)
    assert found.outcome == outcome
    assert found.auroc == (None if auroc is None else pytest.approx(auroc, abs=0.01))
    status = RuleStatus.REJECTED if outcome == "retired" else RuleStatus.ACTIVE
    assert found.question.status is status
    assert (found.question.provenance.auroc is None) == (outcome == "undecided")
    assert (found.question == BAG) == (outcome == "undecided")


def test_no_answer_tells_nothing_and_one_who_could_not_answer_was_not_asked() -> None:
    silent = [said(None, label="anomalous")] * ENOUGH + [said(False, label="normal")] * ENOUGH
    assert weigh(BAG, silent).yes_anomalous == 0.5
    split = weigh(BAG, [said(True, False, None, label="anomalous")])
    assert split.yes_anomalous == 0.5
    down = weigh(BAG, [said(None, label="anomalous", parse=Parse.FAILED)])
    assert (down.anomalous, down.normal) == (0, 0)
    assert weigh(BAG, [said(True, label="unsure")]).anomalous == 0


@settings(deadline=None, max_examples=40)
@given(answers=st.lists(st.tuples(st.sampled_from([True, False, None]), st.booleans()), max_size=60))
def test_few_cases_decide_nothing_and_shares_are_shares(answers: list[tuple[bool | None, bool]]) -> None:
    found = weigh(BAG, [said(each, label="anomalous" if odd else "normal") for each, odd in answers])
    assert found.auroc is None or 0.5 <= found.auroc <= 1.0
    assert found.p is None or 0.0 <= found.p <= 1.0
    assert found.outcome == "undecided" or min(found.anomalous, found.normal) >= ENOUGH


async def perceived(tmp_path: Path, *facts: dict[str, Any]) -> tuple[Any, str]:
    chat = ScriptedChatModel.of({"reply": {"caption": "a man", "facts": list(facts)}})
    media = Media(open_source(str(write_folder(tmp_path / "frames", clip(4))), SCENARIO.source), 64)
    eye = Perceiver(Model("eye", ModelSettings(backend="scripted", script="s"), chat))
    return await eye.perceive(window(), (), media, SCENARIO, questions=ASKED), chat.calls[0].text


SCENARIO = Scenario.model_validate({"name": "yard"})


@pytest.mark.parametrize(
    ("attribute", "value", "answer"),
    [
        ("q1", True, True),
        ("Q1 ", "No", False),
        ("does anybody carry a bag?", "yes", True),
        ("q1", "perhaps", None),
        ("q9", True, None),
        ("bags", True, None),
    ],
)
async def test_an_answer_is_known_by_the_questions_number_or_words(
    tmp_path: Path, attribute: str, value: Any, answer: bool | None
) -> None:
    found, prompt = await perceived(tmp_path, {"subject": "question", "attribute": attribute, "value": value})
    assert "q1: Does anybody carry a bag?\nq2: Does anybody run?" in prompt
    assert answer_to("bag", found) is answer
    assert answer_to("run", found) is None
    if answer is not None:
        (told,) = found.facts
        assert told.text == f"Does anybody carry a bag? {'yes' if answer else 'no'}"
        assert ("carry" in seen([found])) is answer  # what is not there brings no case to mind


async def test_who_answers_both_ways_has_not_answered(tmp_path: Path) -> None:
    facts = [{"subject": "question", "attribute": "q1", "value": value} for value in (True, False)]
    found, _ = await perceived(tmp_path, *facts)
    assert answer_to("bag", found) is None


def test_an_inducer_is_told_what_became_of_earlier_questions() -> None:
    kept, retired = (weigh(BAG, reviewed(*shares)).question for shares in (((12, 0), (0, 12)), ((6, 6), (6, 6))))
    assert "(AUROC 1.00)" in asked_text([kept])
    assert "(told nothing)" in asked_text([retired])
    assert "(not known yet)" in asked_text([BAG])
    assert asked_text([]) == "(none yet)"
