"""From a model's answer to a verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.agents.reasoner import Judged, Question, Reasoner, to_verdict
from alarm_agents.agents.reflector import Reconsidered, _as_judged
from alarm_agents.models import Answer
from alarm_agents.models.client import Model
from alarm_agents.models.scripted import ScriptedChatModel
from alarm_agents.scenario import Scenario
from alarm_agents.settings import ImageSettings, ModelSettings, SourceSettings
from alarm_agents.sources.media import Media
from alarm_agents.sources.open import open_source
from alarm_agents.types import Label, Parse, RuleRef
from support.clips import clip, write_folder
from support.records import NO_ANSWER, perception, rule, window

BIKE, WALK = rule("a bike", version=3), rule("people walk")


def answer(value: Judged | None, parse: Parse = Parse.PARSED) -> Answer[Judged]:
    return Answer(value, parse, "as the test says", "mind")


def judged(label: str, p: float, *rules: str, severity: int = 2) -> Judged:
    return Judged(label=label, p_anomaly=p, severity=severity, rules=list(rules), rationale="because")  # type: ignore[arg-type]


@pytest.mark.parametrize(("label", "p"), [("normal", 0.0), ("normal", 0.49), ("anomalous", 0.5), ("anomalous", 1.0)])
def test_a_consistent_answer_is_taken_as_it_is(label: str, p: float) -> None:
    verdict = to_verdict("mind#1", "mind", answer(judged(label, p, "a-bike")), [BIKE, WALK], round_=2)
    assert (verdict.label, verdict.p_anomaly, verdict.parse) == (Label(label), p, Parse.PARSED)
    assert (verdict.member, verdict.model, verdict.round) == ("mind#1", "mind", 2)
    assert verdict.rules == (RuleRef(id="a-bike", version=3),)
    assert verdict.severity == (2 if label == "anomalous" else 0)


@pytest.mark.parametrize(("label", "p"), [("normal", 0.5), ("normal", 1.0), ("anomalous", 0.49), ("anomalous", 0.0)])
def test_label_and_probability_that_contradict_each_other_are_no_answer(label: str, p: float) -> None:
    verdict = to_verdict("mind", "mind", answer(judged(label, p)), [])
    assert (verdict.label, verdict.p_anomaly, verdict.parse) == (Label.UNKNOWN, None, Parse.UNPARSED)
    assert "contradict" in verdict.rationale


@pytest.mark.parametrize(
    ("label", "odds", "p"),
    [
        ("normal", {"normal": 0.7, "anomalous": 0.2, "cannot tell": 0.1}, 0.25),
        ("anomalous", {"normal": 0.1, "anomalous": 0.5, "cannot tell": 0.4}, 0.7),
    ],
)
def test_the_log_probabilities_of_the_label_are_the_p_where_there_are_any(
    label: str, odds: dict[str, float], p: float
) -> None:
    stated = 0.9 if label == "anomalous" else 0.1
    verdict = to_verdict("mind", "mind", replace(answer(judged(label, stated)), odds=odds), [])
    assert (verdict.label, verdict.p_from) == (Label(label), "log-probabilities")
    assert verdict.p_anomaly == pytest.approx(p)
    assert to_verdict("mind", "mind", answer(judged(label, stated)), []).p_from == "stated"
    undecided = to_verdict("mind", "mind", replace(answer(judged(label, 0.5)), odds=odds), [])
    assert (undecided.label, undecided.p_from) == (Label(label), "log-probabilities")
    contrary = to_verdict("mind", "mind", replace(answer(judged(label, 1 - stated)), odds=odds), [])
    assert (contrary.label, contrary.parse) == (Label.UNKNOWN, Parse.UNPARSED)


@pytest.mark.parametrize("stated", [0.1, 0.9])
def test_a_label_against_its_own_odds_is_no_answer(stated: float) -> None:
    odds = {"normal": 0.1, "anomalous": 0.8, "cannot tell": 0.1}
    verdict = to_verdict("mind", "mind", replace(answer(judged("normal", stated)), odds=odds), [])
    assert (verdict.label, verdict.p_anomaly, verdict.p_from) == (Label.UNKNOWN, None, None)
    assert verdict.parse is Parse.UNPARSED


@given(p=st.floats(0, 1))
def test_cannot_tell_is_never_a_number(p: float) -> None:
    verdict = to_verdict("mind", "mind", answer(judged("cannot tell", p)), [])
    assert (verdict.label, verdict.p_anomaly, verdict.severity) == (Label.UNKNOWN, None, 0)
    again = to_verdict("eye", "eye", answer(_as_judged(Reconsidered(label="cannot tell", p_anomaly=p))), [])
    assert (again.label, again.p_anomaly) == (Label.UNKNOWN, None)


@pytest.mark.parametrize("parse", NO_ANSWER)
def test_no_answer_is_typed_and_says_why(parse: Parse) -> None:
    verdict = to_verdict("mind", "mind", answer(None, parse), [BIKE])
    assert (verdict.label, verdict.p_anomaly, verdict.parse) == (Label.UNKNOWN, None, parse)
    assert verdict.rationale == "as the test says"


@settings(deadline=None)
@given(cites=st.lists(st.sampled_from(["a-bike", "people-walk", "a-bike ", "rule 1", "", "x" * 500]), max_size=8))
def test_rules_that_were_not_given_are_caught_and_given_ones_cited_once(cites: list[str]) -> None:
    verdict = to_verdict("mind", "mind", answer(judged("normal", 0.1, *cites)), [BIKE, WALK])
    known = {"a-bike", "people-walk"}
    assert [ref.id for ref in verdict.rules] == list(dict.fromkeys(cite for cite in cites if cite in known))
    assert set(verdict.unknown_rules) == {cite[:80] for cite in cites if cite not in known}


async def test_samples_are_members_of_their_own_and_one_may_fail() -> None:
    chat = ScriptedChatModel.of(
        {"reply": {"label": "normal", "p_anomaly": 0.1}},
        {"error": 400},
        {"reply": {"label": "anomalous", "p_anomaly": 0.8}},
    )
    reasoner = Reasoner(Model("mind", ModelSettings(backend="scripted", script="s"), chat))
    verdicts = await reasoner.reason(Question(window(), "", (), (), (), ()), 3)
    assert [verdict.member for verdict in verdicts] == ["mind#1", "mind#2", "mind#3"]
    assert [verdict.p_anomaly for verdict in verdicts] == [0.1, None, 0.8]
    assert verdicts[1].parse is Parse.FAILED
    chat.assert_finished()


@pytest.mark.parametrize(
    ("member", "answered", "read"),
    [("eye-a", True, ["rides"]), ("eye-a", False, ["walks"]), ("mind", True, ["rides", "walks"])],
)
async def test_reasoners_alone_read_what_their_own_model_perceived_or_else_everything(
    member: str, answered: bool, read: list[str]
) -> None:
    models = {name: {"backend": "scripted", "script": "s"} for name in ("eye-a", "eye-b", "mind")}
    agents = {"perceivers": ["eye-a", "eye-b"], "reasoners": ["eye-a", "mind"], "reasoners_alone": True}
    told = {"version": 1, "name": "s", "source": {"kind": "video"}, "models": models, "agents": agents}
    scenario = Scenario.model_validate(told)
    chat = ScriptedChatModel.of({"reply": {"label": "normal", "p_anomaly": 0.1}})
    reasoner = Reasoner.of(scenario, member, {member: Model(member, scenario.models[member], chat)})
    own = perception("eye-a", "somebody rides", parse=Parse.PARSED if answered else Parse.REFUSED)
    await reasoner.reason(Question(window(), "", (), [own, perception("eye-b", "somebody walks")], (), ()))
    assert [word for word in ("rides", "walks") if word in chat.calls[0].text] == read


@pytest.mark.parametrize(("most", "see", "sent"), [(3, True, 3), (3, False, 0), (0, True, 0)])
async def test_reasoners_see_pictures_where_the_scenario_says_so_and_the_model_can(
    tmp_path: Path, most: int, see: bool, sent: int
) -> None:
    media = Media(open_source(str(write_folder(tmp_path / "frames", clip(4))), SourceSettings()), 640)
    chat = ScriptedChatModel.of({"reply": {"label": "normal", "p_anomaly": 0.1}, "times": 2})
    images = ImageSettings(max=most)
    reasoner = Reasoner(Model("mind", ModelSettings(backend="scripted", script="s", images=images), chat))
    await reasoner.reason(Question(window(), "", (), (), (), (), media=media if see else None), 2)
    assert [call.images for call in chat.calls] == [sent, sent]
