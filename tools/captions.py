"""The captions expert: how odd what a caption says is, by the rules in words and by what references say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.memory.embedders import Embedder
from alarm_agents.sources.captions import Caption
from alarm_agents.tools.clauses import Clause, clauses
from alarm_agents.tools.deduction import FRESH, SAID, Deduction, Held, Judged
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
        """Judge by these rules from now on; those with predicates are not for words.

        What references usually say and a person has taken back (`Rule.taken_back`) is as if they had never said it.
        """
        worded = tuple(rule for rule in rules if rule.predicate is None)
        if worded != self._rules:
            self._rules, self._deduction = worded, None

    def begin(self) -> None:
        """Nothing is remembered from window to window."""

    def measure(self, frames: Sequence[Caption], overlap: int) -> Measured:
        """The oddity and novelty of each new caption, and the oddest clause as a fact."""
        new = frames[overlap:]
        return self.measure_said([clauses(caption.text) for caption in new], [caption.time for caption in new])

    def measure_said(self, said: Sequence[Sequence[Clause]], times: Sequence[float]) -> Measured:
        """What `measure` says of captions with these clauses, at these times."""
        if not said:
            return Measured({"oddity": (), "novelty": ()}, ())
        deduction = self._ready()
        scale = max(LEAST_TYPICAL, deduction.typical) if self._references else 1.0
        judged = deduction.judge_said(said)
        place = max(range(len(said)), key=lambda i: judged[i].oddity)
        values = {
            "oddity": tuple(each.oddity / scale for each in judged),
            "novelty": tuple(each.novelty for each in judged),
        }
        return Measured(values, _facts(judged[place], values["oddity"][place], times[place]))

    def oddest_first(self, said: Sequence[Clause]) -> list[Clause]:
        """The clauses, each once, those first that speak for an anomaly most."""
        return self._ready().oddest_first(said)

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

    def _ready(self) -> Deduction:
        if self._deduction is None:
            self._deduction = Deduction(self._embedder, self._rules, self._references)
        return self._deduction


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
    said = f"'{held.clause.said}'"
    normal = f"the rule '{held.by.text}'" if held.by else f"the references' '{held.usual}'"
    near = f"; nearest of what is normal is {normal}" if held.usual else ""
    if held.odd is not None and held.activity >= SAID:
        return f"{said} says what the rule '{held.odd.rule.text}' says{near}"
    if held.odd is not None and held.margin > 0:
        rest = f" than to {normal}" if held.usual else ""
        return f"{said} is closer to the rule '{held.odd.rule.text}'{rest} (by {held.margin:.2f})"
    return f"{said} is {held.novelty:.2f} from what is usually said (0 the same){near}"


def _rules(held: Held) -> tuple[Any, ...]:
    """Of the rules that `_why` names those that speak for the clause being odd: also of normality, where it is new."""
    speaks = held.odd is not None and (held.activity >= SAID or held.margin > 0)
    odd = (held.odd.rule.ref,) if speaks and held.odd is not None else ()
    return (*odd, held.by.ref) if held.by and (odd or held.novelty >= FRESH) else odd
