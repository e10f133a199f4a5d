"""Robust reasoning: what speaks against a draft, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alarm_agents.agents.drafts import objections
from alarm_agents.agents.predicates import judge
from alarm_agents.agents.reasoner import Question, Reasoner
from alarm_agents.models.client import Model
from alarm_agents.models.scripted import ScriptedChatModel
from alarm_agents.settings import ModelSettings, SourceSettings
from alarm_agents.sources.media import Media
from alarm_agents.sources.open import open_source
from alarm_agents.types import Label, Parse, SimilarCase, Verdict
from support.clips import clip, write_folder
from support.records import NO_ANSWER, fast, motion, perception, rule, verdict, window
from support.scenarios import judged

NORMAL, ODD = Label.NORMAL, Label.ANOMALOUS


def near(*labels: Label, similarity: float = 0.9) -> list[SimilarCase]:
    return [SimilarCase(case=str(i), label=label, similarity=similarity) for i, label in enumerate(labels)]


def against(draft: Verdict, ratio: float = 1.0, similar: Any = (), before: Any = (), rules: Any = None) -> list[str]:
    given = [fast()] if rules is None else rules
    checked = judge("embedded", given, [motion(ratio)], ())
    found = objections(draft, checked=checked, similar=similar, before=before)
    return [" ".join(text.split()[:3]) for text in found]


@pytest.mark.parametrize(
    ("draft", "circumstances", "says"),
    [
        (verdict(0.1), {}, []),
        (verdict(0.1), {"ratio": 3.0}, ["the rules that"]),
        (verdict(0.9), {"ratio": 3.0}, []),
        (verdict(0.9), {}, ["the rules that"]),
        (verdict(0.9), {"rules": []}, []),  # nothing that can be checked says nothing
        (verdict(0.1), {"similar": near(ODD, ODD, NORMAL)}, ["of 3 similar"]),
        (verdict(0.1), {"similar": near(ODD)}, []),
        (verdict(0.1), {"similar": near(ODD, ODD, NORMAL, NORMAL)}, []),
        (verdict(0.1), {"similar": near(ODD, ODD, similarity=0.3)}, []),
        (verdict(0.1), {"before": [ODD, ODD]}, ["the 2 stretches"]),
        (verdict(0.1), {"before": [ODD]}, []),
        (verdict(0.1), {"before": [ODD, NORMAL]}, []),
        (verdict(0.1), {"before": [ODD, Label.UNKNOWN]}, []),
        (verdict(0.1, unknown_rules=("made-up",)), {}, ["these rules were"]),
        (verdict(None), {"ratio": 3.0, "similar": near(ODD, ODD), "before": [ODD, ODD]}, []),
    ],
)
def test_what_speaks_against_a_draft(draft: Verdict, circumstances: dict[str, Any], says: list[str]) -> None:
    assert against(draft, **circumstances) == says


def mind(*replies: Any) -> tuple[Reasoner, ScriptedChatModel]:
    chat = ScriptedChatModel.of(*({"reply": reply} for reply in replies))
    return Reasoner(Model("mind", ModelSettings(backend="scripted", script="s", retries=0), chat)), chat


FAST = Question(window(), "", [motion(3.0)], [perception("eye", "a man")], [fast()], ())


@pytest.mark.parametrize(
    ("second", "label", "p"),
    [
        (judged(0.8, "faster-than-2.0", why="too fast"), ODD, 0.8),
        (judged(0.2, why="a car on the road behind"), NORMAL, 0.2),
        ({"label": "cannot tell", "p_anomaly": 0.5, "rationale": "blurred"}, Label.UNKNOWN, None),
    ],
)
async def test_a_draft_that_something_speaks_against_is_asked_about_once_more_and_kept(
    second: dict[str, Any], label: Label, p: float | None
) -> None:
    reasoner, chat = mind(judged(0.1, why="he walks"), second)
    (found,) = await reasoner.reason(FAST, recheck=True)
    assert (found.label, found.p_anomaly) == (label, p)
    assert found.draft is not None
    assert (found.draft.label, found.draft.p_anomaly, found.draft.rationale) == (NORMAL, 0.1, "he walks")
    (objection,) = found.draft.objections
    assert objection.startswith("the rules that can be checked on measurements say anomalous: faster than 2.0")
    assert objection in chat.calls[1].text
    assert chat.calls[1].text.startswith(chat.calls[0].text)  # so that servers reuse what they have read
    chat.assert_finished()


@pytest.mark.parametrize(("questioned", "reply"), [(FAST, judged(0.9)), (FAST, judged(0.1))])
async def test_nothing_is_asked_twice_where_nothing_speaks_against_it_or_nobody_wants_it(
    questioned: Question, reply: dict[str, Any]
) -> None:
    reasoner, chat = mind(reply)
    (found,) = await reasoner.reason(questioned, recheck=reply["p_anomaly"] > 0.5)
    assert (found.draft, len(chat.calls)) == (None, 1)


@pytest.mark.parametrize("second", ["I'm sorry, I can't help with that.", judged(0.9) | {"label": "normal"}])
async def test_a_draft_stands_where_the_second_answer_is_none(second: Any) -> None:
    reasoner, _ = mind(judged(0.1, why="he walks"), second)
    (found,) = await reasoner.reason(FAST, recheck=True)
    assert (found.label, found.p_anomaly, found.parse) == (NORMAL, 0.1, Parse.PARSED)
    assert found.draft is not None
    assert "gave no usable answer" in found.rationale
    assert "he walks" in found.rationale


async def test_a_first_answer_that_is_none_is_no_draft() -> None:
    reasoner, chat = mind("I'm sorry, I can't help with that.")
    (found,) = await reasoner.reason(FAST, recheck=True)
    assert (found.parse in NO_ANSWER, found.draft, len(chat.calls)) == (True, None, 1)


PLACES = {"places": [{"region": [0.2, 0.2, 0.6, 0.6], "why": "something dark"}, {"region": [0.9, 0.9, 0.1, 0.1]}]}


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(open_source(str(write_folder(tmp_path / "frames", clip(4))), SourceSettings()), 640)


async def test_regions_are_named_looked_at_and_told_to_the_one_who_decides(media: Media) -> None:
    reasoner, chat = mind(PLACES, {"found": "a bicycle leans there"}, judged(0.9))
    asked = Question(
        window(), "OPERATOR", [motion(1.0)], [perception("eye", "a man")], [rule("a bike")], (), 1.0, media
    )
    (found,) = await reasoner.reason(asked, focus=True)
    region, focus, decide = (call.text for call in chat.calls)
    assert "Name the regions" in region
    assert "something dark" in focus
    assert "0.20, 0.20, 0.60, 0.60" in focus
    assert "region 0.20, 0.20, 0.60, 0.60: a bicycle leans there" in decide
    assert all("a-bike" in text and "OPERATOR" in text for text in (region, focus, decide))
    assert [call.images for call in chat.calls] == [4, 4, 4]
    (looked,) = found.looked  # the region that is inside out was not
    assert (looked.text, looked.region, looked.perceiver) == ("a bicycle leans there", (0.2, 0.2, 0.6, 0.6), "mind")
    assert found.p_anomaly == 0.9
    chat.assert_finished()


@pytest.mark.parametrize("first", [{"places": []}, "I'm sorry, I can't help with that."])
async def test_without_a_region_it_decides_by_the_whole_picture(media: Media, first: Any) -> None:
    reasoner, chat = mind(first, judged(0.1))
    asked = Question(window(), "", [motion(1.0)], [perception("eye", "a man")], (), (), 1.0, media)
    (found,) = await reasoner.reason(asked, focus=True)
    assert (found.p_anomaly, found.looked) == (0.1, ())
    assert "Looked at" not in chat.calls[1].text


async def test_samples_share_one_look_and_who_sees_nothing_does_not_look(media: Media) -> None:
    reasoner, chat = mind({"places": []}, judged(0.1), judged(0.1))
    asked = Question(window(), "", [motion(1.0)], [perception("eye", "a man")], (), (), 1.0, media)
    assert len(await reasoner.reason(asked, 2, focus=True)) == 2
    chat.assert_finished()
    reasoner, chat = mind(judged(0.1))
    await reasoner.reason(FAST, focus=True)
    chat.assert_finished()
