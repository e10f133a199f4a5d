"""The captions expert: how odd what a caption says is, by the rules in words and by what references say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.memory.embedders import Embedder
from alarm_agents.sources.captions import Caption
from alarm_agents.tools.clauses import Clause, clauses
from alarm_agents.tools.deduction import SAID, Deduction, Held, Judged
from alarm_agents.tools.expert import Measured
from alarm_agents.types import Fact, Rule

MOST = 400
"""Reference captions that are learned from; of more, as many are taken evenly."""
LEAST_TYPICAL = 0.05


class Captions:
    """Measures captions clause by clause.

    `oddity` is times what references usually come to (their median, each held against the others), so that a limit on
    it stays where it is when rules come and go; without references it is absolute. `novelty` knows no rule of anomaly:
    1 - cosine similarity of what persons do to the nearest clause of the references, on average, in [0, 1].
    """

    name = "captions"
    score = "oddity"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._rules: tuple[Rule, ...] = ()
        self._references: list[list[Clause]] = []
        self._deduction: Deduction | None = None

    def fit(self, references: Sequence[Sequence[Caption]]) -> None:
        """Remember what the captions of the references say."""
        texts = [caption.text for reference in references for caption in reference]
        places = np.unique(np.linspace(0, max(0, len(texts) - 1), min(len(texts), MOST)).astype(int)).tolist()
        self._references = [said for place in places if (said := clauses(texts[place]))]
        self._deduction = None

    def follow(self, rules: Sequence[Rule]) -> None:
        """Judge by these rules from now on; those with predicates are not for words."""
        worded = tuple(rule for rule in rules if rule.predicate is None)
        if worded != self._rules:
            self._rules, self._deduction = worded, None

    def begin(self) -> None:
        """Nothing is remembered from window to window."""

    def measure(self, frames: Sequence[Caption], overlap: int) -> Measured:
        """The oddity and novelty of each new caption, and the oddest clause as a fact."""
        new = frames[overlap:]
        if not new:
            return Measured({"oddity": (), "novelty": ()}, ())
        if self._deduction is None:
            self._deduction = Deduction(self._embedder, self._rules, self._references)
        scale = max(LEAST_TYPICAL, self._deduction.typical) if self._references else 1.0
        judged = self._deduction.judge([caption.text for caption in new])
        place = max(range(len(new)), key=lambda i: judged[i].oddity)
        values = {
            "oddity": tuple(each.oddity / scale for each in judged),
            "novelty": tuple(each.novelty for each in judged),
        }
        return Measured(values, _facts(judged[place], values["oddity"][place], new[place].time))

    def state(self) -> dict[str, NDArray[Any]]:
        """What the references say, a clause a row: of which reference, of what kind, and the text."""
        rows = [(i, clause) for i, said in enumerate(self._references) for clause in said]
        if not rows:
            return {}
        return {
            "reference": np.array([i for i, _ in rows]),
            "kind": np.array([clause.kind for _, clause in rows]),
            "text": np.array([clause.text for _, clause in rows]),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up the clauses that `state` gave; a state of an earlier version, which had none, is as good as none."""
        self._references, self._deduction = [], None
        if "text" not in state:
            return
        for i, kind, text in zip(state["reference"], state["kind"], state["text"], strict=True):
            if int(i) == len(self._references):
                self._references.append([])
            self._references[-1].append(Clause("person" if kind == "person" else "thing", str(text)))


def _facts(judged: Judged, oddity: float, time: float) -> tuple[Fact, ...]:
    held = judged.worst
    if held is None:
        return ()
    fact = Fact(
        subject=held.clause.kind,
        attribute="says",
        value=round(oddity, 3),
        text=_why(held),
        time=time,
        perceiver=Captions.name,
        measure="captions.oddity",
        rules=_rules(held),
    )
    return (fact,)


def _why(held: Held) -> str:
    """Which rule the clause is nearest to, and which normal statement, in words."""
    said = f"'{'person ' if held.clause.kind == 'person' else ''}{held.clause.text}'"
    normal = f"the rule '{held.by.text}'" if held.by else f"the references' '{held.usual}'"
    near = f"; nearest of what is normal is {normal}" if held.usual else ""
    if held.odd is not None and held.activity >= SAID:
        return f"{said} says what the rule '{held.odd.rule.text}' says{near}"
    if held.odd is not None and held.margin > 0:
        rest = f" than to {normal}" if held.usual else ""
        return f"{said} is closer to the rule '{held.odd.rule.text}'{rest} (by {held.margin:.2f})"
    return f"{said} is {held.novelty:.2f} from what is usually said (0 the same){near}"


def _rules(held: Held) -> tuple[Any, ...]:
    """The rules that speak for the clause being odd."""
    speaks = held.odd is not None and (held.activity >= SAID or held.margin > 0)
    return (held.odd.rule.ref,) if speaks and held.odd is not None else ()
