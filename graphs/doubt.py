"""Signals of uncertainty that need rules and neighbours beside answers: how close these are, what critics reject."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from alarm_agents.agents.drafts import objections
from alarm_agents.agents.reasoner import Question, by_rules
from alarm_agents.graphs.context import Context
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.texts import seen, sight
from alarm_agents.settings import EMBEDDED
from alarm_agents.tools.deduction import Deduction
from alarm_agents.types import Parse, Perception, Rule, Verdict
from alarm_agents.uncertainty import signals


def ambiguity(question: Question) -> float | None:
    """`signals.rule_ambiguity` of what perceivers said in words; None without words or without rules in words."""
    text = ". ".join(words for perception in question.perceptions for words in _words(perception))
    rules = tuple(rule for rule in question.rules if rule.predicate is None)
    if not text or not rules:
        return None
    (judged,) = _deduction(rules).judge([text])
    return signals.rule_ambiguity(judged.contest)


def dispersion(perceptions: Sequence[Perception]) -> float | None:
    """`signals.dispersion` of what each perceiver saw, in words; None for less than two that saw something."""
    texts = [text for perception in perceptions if perception.parse.usable and (text := seen([perception]))]
    return signals.dispersion(np.stack([_vector(text) for text in texts])) if len(texts) > 1 else None


def by_models(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts that models gave."""
    return [verdict for verdict in verdicts if verdict.parse is not Parse.EMBEDDED]


def critic(question: Question, verdicts: Sequence[Verdict]) -> float | None:
    """`signals.critic` of what models answered first; None where none did."""
    first = [_first(verdict) for verdict in verdicts]
    if not signals.usable(first):
        return None
    checked = by_rules(EMBEDDED, question)
    against = [objections(draft, checked=checked, similar=question.similar, before=question.before) for draft in first]
    return signals.critic(first, against)


def borne_out(verdicts: Sequence[Verdict], perceptions: Sequence[Perception], context: Context) -> list[Verdict]:
    """The verdicts, each p that a model stated as what it is worth; the label follows p.

    `perceptions` is what they were judged by; a model that perceived for itself is taken to have judged by that.
    """
    stated = [verdict.model for verdict in verdicts if verdict.p_stated is not None]
    return [
        verdict
        if verdict.p_stated is None
        else context.worth(verdict, sight(perceptions, verdict.model), stated.count(verdict.model))
        for verdict in verdicts
    ]


def _words(perception: Perception) -> list[str]:
    """What a perceiver says in its own words; facts of experts speak of rules already."""
    if not perception.parse.usable or perception.parse is Parse.EMBEDDED:
        return []
    return list(filter(None, [perception.caption, *(fact.text for fact in perception.facts if not fact.measure)]))


def _first(verdict: Verdict) -> Verdict:
    """What the member answered before anything was put to it."""
    draft = verdict.draft
    if draft is None:
        return verdict
    return verdict.model_copy(update={"label": draft.label, "p_anomaly": draft.p_anomaly})


class _Kept:
    """The default embedder, each text embedded once: which rules are recalled changes, what they say does not."""

    def __init__(self) -> None:
        self._embedder = default_embedder()
        self.name = self._embedder.name

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder.embed`."""
        return np.stack([_vector(text) for text in texts]) if texts else self._embedder.embed([])


@lru_cache(maxsize=8_192)
def _vector(text: str) -> NDArray[np.float32]:
    return np.asarray(default_embedder().embed([text])[0], np.float32)


@lru_cache(maxsize=64)
def _deduction(rules: tuple[Rule, ...]) -> Deduction:
    return Deduction(_Kept(), rules, ())
