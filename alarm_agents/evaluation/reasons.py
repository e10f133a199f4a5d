"""Reasons that members gave, held against those that people wrote of the same cases.

ROUGE-L (Lin, 2004; the library rouge-score, with stemming) and the cosine of the default embedder. A verdict is doubly
right (Mao et al., CVPR 2023) where its reason is right, too: where it is more like what people wrote of this case than
like what they wrote of all but `OTHERS` of the other cases. A phrase that fits any case, "nothing unusual happens", is
so no right reason of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from alarm_agents.evaluation.metrics import mean_or_none
from alarm_agents.memory.embedders import default_embedder

FloatArray = NDArray[np.float64]
OTHERS = 0.05
"""The share of other cases whose reasons a right one may resemble more."""


class Reasons:
    """What each member wrote as its reason, (cases, members), compared with what people wrote of the cases."""

    def __init__(self, wrote: Sequence[Sequence[str]], people: Sequence[str]) -> None:
        """Empty where nothing was written; at least one of `people` wrote something."""
        shape = (len(wrote), len(wrote[0]))
        self._rouge, self._alike = np.full(shape, np.nan), np.full(shape, np.nan)
        self._right = np.zeros(shape, bool)
        scorer = RougeScorer(["rougeL"], tokenizer=DefaultTokenizer(use_stemmer=True))  # unnamed, it logs that
        embed = default_embedder().embed
        there = [row for row, text in enumerate(people) if text]
        known = embed([people[row] for row in there])
        for place, row in enumerate(there):
            for member, text in enumerate(wrote[row]):
                if not text:
                    continue
                similar = known @ embed([text])[0]
                self._rouge[row, member] = scorer.score(people[row], text)["rougeL"].fmeasure
                self._alike[row, member] = similar[place]
                others = np.delete(similar, place)
                self._right[row, member] = len(others) > 0 and np.mean(others >= similar[place]) <= OTHERS

    def metrics(
        self, rows: NDArray[np.int_], right: NDArray[np.bool_], gave: NDArray[np.bool_], p: FloatArray
    ) -> dict[str, Any]:
        """The metrics of judged cases: means over those whose verdict has a reason that can be held against one.

        The reason is that of the member who gave the verdict and was surest. `rows` are the cases, `right` tells which
        verdicts are; `gave` tells which members gave the verdict, and `p` how sure each was of it, a row a case.
        """
        usable = gave & np.isfinite(self._rouge[rows])
        kept = np.flatnonzero(usable.any(axis=1))
        chosen = np.where(usable, np.nan_to_num(p), -1.0).argmax(axis=1)[kept]
        cells = (rows[kept], chosen)
        verdict, reason = right[kept], self._right[cells]
        parts = {
            "both": verdict & reason,
            "verdict_alone": verdict & ~reason,
            "reason_alone": ~verdict & reason,
            "neither": ~verdict & ~reason,
        }
        return {
            "reasons": len(kept),
            "reason_rouge_l": mean_or_none(self._rouge[cells]),
            "reason_similarity": mean_or_none(self._alike[cells]),
            "doubly_right": {name: mean_or_none(each) for name, each in parts.items()},
            "doubly_right_counts": {name: int(each.sum()) for name, each in parts.items()},
        }
