"""Signals that need rules and neighbours: how close rules are, and what speaks against first answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from alarm_agents.agents.reasoner import Question
from alarm_agents.graphs import doubt
from alarm_agents.graphs.doubt import ambiguity, by_models, critic
from alarm_agents.memory.embedders import WordLlamaEmbedder
from alarm_agents.types import Draft, Label, Parse, Perception, Rule, RuleKind, SimilarCase
from support.records import fact, fast, motion, perception, rule, silent, verdict, window

RIDES = rule("People ride bicycles or scooters.")
WALKS = rule("People walk or stand.", RuleKind.NORMAL)
AGAINST = [SimilarCase(case=key, label=Label.ANOMALOUS, similarity=0.9) for key in "ab"]


def asked(*seen: Perception, rules: tuple[Rule, ...] = (RIDES, WALKS), **values: object) -> Question:
    return Question(
        **{  # type: ignore[arg-type]
            **{"window": window(), "normal": "people walk", "measurements": [motion(1.0)]},
            **{"perceptions": seen, "rules": rules, "similar": (), **values},
        }
    )


def test_what_a_rule_speaks_of_is_less_ambiguous_than_what_lies_between_rules() -> None:
    rides, walks, between = (
        ambiguity(asked(perception(caption=f"A person {does}.")))
        for does in ("rides a bicycle", "walks", "is near a machine")
    )
    assert rides is not None
    assert walks is not None
    assert between is not None
    assert max(rides, walks) < between <= 1.0


@pytest.mark.parametrize(
    ("seen", "rules"),
    [
        (perception(caption="A person rides a bicycle."), (RIDES,)),
        (perception(caption="A person rides a bicycle."), (WALKS,)),
        (perception(caption="A person rides a bicycle."), (fast(),)),
        (perception(caption="A person rides a bicycle.", parse=Parse.EMBEDDED), (RIDES, WALKS)),
        (perception(caption="A person rides a bicycle.", parse=Parse.REFUSED), (RIDES, WALKS)),
        (perception(caption=""), (RIDES, WALKS)),
    ],
)
def test_without_words_or_without_rules_of_both_kinds_nothing_is_told(
    seen: Perception, rules: tuple[Rule, ...]
) -> None:
    assert ambiguity(asked(seen, rules=rules)) is None


def test_what_experts_say_of_rules_is_no_perceivers_word() -> None:
    said = fact("'person walking' is far from the rule 'People ride bicycles'").model_copy(update={"measure": "x.y"})
    plain, told = perception(caption="A person walks."), perception(caption="A person walks.")
    assert ambiguity(asked(plain)) == ambiguity(asked(told.model_copy(update={"facts": (said,)})))


def test_the_critic_counts_first_answers_that_rules_or_neighbours_speak_against() -> None:
    calm, alarmed, mute = verdict(0.1), verdict(0.9), silent("mute")
    assert critic(asked(), [calm, alarmed]) == 0.0
    assert critic(asked(similar=AGAINST), [calm, alarmed]) == 0.5
    assert critic(asked(similar=AGAINST), [calm, mute]) == 1.0
    assert critic(asked(rules=(fast(0.5, 0.2),)), [calm]) == 1.0
    assert critic(asked(), [mute]) is None


def test_an_answer_that_was_set_right_was_contested_all_the_same() -> None:
    draft = Draft(label=Label.NORMAL, p_anomaly=0.1, objections=("the rules say anomalous",))
    assert critic(asked(similar=AGAINST), [verdict(0.9, draft=draft)]) == 1.0


def test_experts_are_no_models() -> None:
    assert by_models([verdict(0.9, parse=Parse.EMBEDDED)]) == []


class Counting(WordLlamaEmbedder):
    """The default embedder, which keeps the texts that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.given += texts
        return super().embed(texts)


def test_what_rules_say_is_embedded_once_however_they_are_recalled(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder, seen = Counting(), perception(caption="A person rides a bicycle.")
    monkeypatch.setattr(doubt, "default_embedder", lambda: embedder)
    rules = [rule(f"People {word} crates.") for word in ("ride", "push", "throw", "paint", "carry", "lift")]
    found = [ambiguity(asked(seen, rules=(*rules[:n], WALKS))) for n in range(1, 7)]
    count = len(embedder.given)
    assert count == len(set(embedder.given))
    assert [ambiguity(asked(seen, rules=(WALKS, *rules[:n]))) for n in range(1, 7)] == found
    assert len(embedder.given) == count
