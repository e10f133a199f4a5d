"""What a member would say of what was seen: a text classifier distilled from the members' own verdicts, label-free.

Members that answer with a label alone give no p. A classifier (TF-IDF over words and pairs of words, logistic
regression; scikit-learn) that is fitted on what all members saw, and what each then held it to be, gives one: verdicts
that others would give of the same sight get a p far from 0.5, whims do not. It is regularised so strongly that it
cannot learn single cases by heart. It reads what was seen, never the rationale: that is written to fit the verdict,
and only repeats it. Range of p: [0, 1], near 0.5 throughout (a ranking, not a frequency). Cost: no model call.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

STRENGTH = 0.1
"""Inverse of the regularisation (scikit-learn's C): a tenth of its default."""
FEWEST = 50
"""Verdicts of each kind under which nothing is distilled."""


class Distilled:
    """The classifier, once it is fitted."""

    def __init__(self, seen: Sequence[str], anomalous: Sequence[bool]) -> None:
        """From what was seen, one text a verdict, and whether that verdict was "anomalous"; see `enough`."""
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        self._pipe = make_pipeline(words, LogisticRegression(C=STRENGTH, max_iter=1_000))
        self._pipe.fit(list(seen), np.asarray(anomalous, bool))

    @staticmethod
    def enough(anomalous: Sequence[bool]) -> bool:
        """Whether there are verdicts of both kinds enough to learn from."""
        return min(sum(anomalous), len(anomalous) - sum(anomalous)) >= FEWEST

    def p(self, seen: Sequence[str]) -> NDArray[np.float64]:
        """The p of a verdict "anomalous" on each text, in [0, 1]."""
        found: NDArray[np.float64] = self._pipe.predict_proba(list(seen))[:, 1] if len(seen) else np.zeros(0)
        return found
