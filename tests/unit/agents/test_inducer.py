"""Votes over batches, and rules from a model's answer."""

from __future__ import annotations

import pytest

from alarm_agents.agents.inducer import Inducer, Proposal, Reference, aggregate
from alarm_agents.memory.embedders import Embedder, default_embedder
from alarm_agents.models.client import Model
from alarm_agents.models.scripted import ScriptedChatModel
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Parse, Rule, RuleKind
from support.records import fast, motion, perception, rule, window

NORMAL = RuleKind.NORMAL
WALK, WALKING = "people walk along the path", "people are walking along the path"
BIKE, SOUP = "somebody rides a bicycle", "the kitchen soup boils over"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return default_embedder()


def batch(*rules: Rule, parse: Parse = Parse.PARSED, references: str = "") -> Proposal:
    given_ = [
        found.model_copy(update={"provenance": found.provenance.model_copy(update={"references": (references,)})})
        for found in rules
    ]
    return Proposal(tuple(given_ if references else rules), parse)


def test_statements_that_mean_the_same_are_one_rule_with_their_votes(embedder: Embedder) -> None:
    said = [batch(rule(WALK, NORMAL)), batch(rule(WALKING, NORMAL)), batch(rule(WALK, NORMAL), rule(SOUP, NORMAL))]
    (kept,) = aggregate(said, embedder)
    assert kept.text in (WALK, WALKING)
    assert (kept.provenance.votes, kept.provenance.batches) == (3, 3)


def test_a_batch_votes_once_however_often_it_repeats_itself(embedder: Embedder) -> None:
    said = [batch(*[rule(WALK, NORMAL)] * 5), batch(rule(BIKE)), batch(rule(SOUP))]
    assert aggregate(said, embedder) == []  # one of three is not more than a third
    assert [kept.provenance.votes for kept in aggregate(said[:2], embedder)] == [1, 1]


def test_the_same_words_of_the_other_kind_are_another_statement(embedder: Embedder) -> None:
    kept = aggregate([batch(rule(WALK, NORMAL), rule(WALK))] * 2, embedder)
    assert [found.kind for found in kept] == [NORMAL, RuleKind.ANOMALOUS]


@pytest.mark.parametrize("parse", [Parse.REFUSED, Parse.UNPARSED, Parse.FAILED])
def test_batches_without_an_answer_have_no_vote_and_are_not_counted(embedder: Embedder, parse: Parse) -> None:
    silent = [batch(parse=parse)] * 8
    (kept,) = aggregate([batch(rule(BIKE)), batch(rule(BIKE)), *silent], embedder)
    assert (kept.provenance.votes, kept.provenance.batches) == (2, 2)
    assert aggregate(silent, embedder) == aggregate([], embedder) == []


def test_rules_with_predicates_are_not_voted_on(embedder: Embedder) -> None:
    assert aggregate([batch(fast()), batch(), batch(), batch()], embedder) == [fast()]


def test_a_rule_is_supported_by_the_references_of_all_batches_that_made_it(embedder: Embedder) -> None:
    (kept,) = aggregate([batch(rule(BIKE), references="a"), batch(rule(BIKE), references="b")], embedder)
    assert kept.provenance.references == ("a", "b")


def inducer(reply: object) -> tuple[Inducer, ScriptedChatModel]:
    chat = ScriptedChatModel.of({"reply": reply, "times": None})
    return Inducer(Model("mind", ModelSettings(backend="scripted", script="s"), chat)), chat


async def test_a_models_rules_carry_who_proposed_them_from_what() -> None:
    agent, chat = inducer({"rules": [{"kind": "anomalous", "text": BIKE, "severity": 3}]})
    found = await agent.propose(
        [Reference(window(1.0), (), (perception("eye", "a man walks"),))], "People walk.", origin="references"
    )
    (proposed,) = found.rules
    assert (proposed.kind, proposed.text, proposed.severity) == (RuleKind.ANOMALOUS, BIKE, 3)
    assert proposed.predicate is None
    assert proposed.provenance.author == "mind"
    assert proposed.provenance.references == (window(1.0).id,)
    assert proposed.provenance.prompt == agent.prompt.label
    assert "a man walks" in chat.calls[0].text


@pytest.mark.parametrize("reply", ["I'm sorry, I can't help with that.", "no idea", {"rules": [{"kind": "odd"}]}])
async def test_an_inducer_without_an_answer_proposes_nothing(reply: object) -> None:
    agent, _ = inducer(reply)
    found = await agent.propose([Reference(window(), (), (perception("eye", "a man"),))], "", origin="references")
    assert found.rules == ()
    assert not found.parse.usable


async def test_an_inducer_is_not_asked_about_what_nobody_has_seen() -> None:
    agent, chat = inducer({"rules": [{"kind": "normal", "text": BIKE}]})
    blind = Reference(window(), (), (perception("eye", parse=Parse.REFUSED),))
    found = await agent.propose([blind], "", origin="references")
    assert (found.rules, found.parse, chat.calls) == ((), Parse.FAILED, ())


async def test_questions_are_proposed_beside_rules_and_voted_on_like_them(embedder: Embedder) -> None:
    agent, chat = inducer({"rules": [], "questions": ["Does anybody ride?"]})
    seen = [Reference(window(), (), (perception("eye", "a man"),))]
    told = rule("Is it raining?", RuleKind.QUESTION)
    proposals = [await agent.propose(seen, "", origin="references", asked=[told]) for _ in range(2)]
    (kept,) = aggregate(proposals, embedder)
    assert (kept.kind, kept.text, kept.severity, kept.predicate) == (RuleKind.QUESTION, "Does anybody ride?", 0, None)
    assert (kept.provenance.votes, kept.provenance.author) == (2, "mind")
    assert "Is it raining? (not known yet)" in chat.calls[0].text


async def test_without_a_model_the_numbers_speak() -> None:
    found = await Inducer().propose([Reference(window(), (motion(1.0),))], "", origin="warm-up", source="yard")
    assert [(known.source, known.provenance.origin) for known in found.rules] == [("yard", "warm-up")] * 2
    assert found.rules[0].provenance.prompt == ""
