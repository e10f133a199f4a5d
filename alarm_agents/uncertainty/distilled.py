"""What a member would say of what was seen: a text classifier distilled from the members' own verdicts, label-free.

Members that answer with a label alone give no p. A classifier (TF-IDF over words and pairs of words, logistic
regression; scikit-learn) that is fitted on what all members saw, and what each then held it to be, gives one: verdicts
that others would give of the same sight get a p far from 0.5, whims do not. It is regularised so strongly that it
cannot learn single cases by heart. It reads what was seen, never the rationale: that is written to fit the verdict,
and only repeats it. Cost: no model call.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

FloatArray = NDArray[np.float64]
STRENGTH = 0.1
"""Inverse of the regularisation (scikit-learn's C): a tenth of its default."""
FOLDS = 5
TELLING = 0.6
"""AUROC of held-out verdicts under which what was seen does not tell them."""
EDGE = 1e-6


class Distilled:
    """The classifier, once it is fitted."""

    FEWEST: ClassVar = 50
    """Verdicts of each kind under which nothing is distilled."""

    def __init__(self, seen: Sequence[str], anomalous: Sequence[bool]) -> None:
        """From what was seen, one text a verdict, and whether that verdict was "anomalous"; see `enough`."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # a second, which only this needs

        self._words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        self._seen, self._anomalous = list(seen), np.asarray(anomalous, bool)
        self._rows = self._words.fit_transform(self._seen)
        self._learned = _classifier().fit(self._rows, self._anomalous)

    @classmethod
    def enough(cls, anomalous: Sequence[bool]) -> bool:
        """Whether there are verdicts of both kinds enough to learn from."""
        return min(sum(anomalous), len(anomalous) - sum(anomalous)) >= cls.FEWEST

    def p(self, seen: Sequence[str]) -> FloatArray:
        """The p of a verdict "anomalous" on each text, in [0, 1]: a ranking near the share of such verdicts."""
        return _odd(self._learned, self._words.transform(list(seen))) if len(seen) else np.zeros(0)

    def frequency(self, seen: Sequence[str]) -> FloatArray | None:
        """How often members call each text anomalous, in [0, 1]; None where what is seen does not tell that.

        `p` spread as verdicts on texts that were held out have it (Platt, 1999): a p that a limit can be set on.
        """
        return None if self._curve is None else _odd(self._curve, _odds(self.p(seen)))

    @cached_property
    def _curve(self) -> LogisticRegression | None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

        anomalous = self._anomalous
        _, texts = np.unique(self._seen, return_inverse=True)  # what was seen alike is held out together
        if min(len(np.unique(texts[anomalous == kind])) for kind in (True, False)) < FOLDS:
            return None
        held_out = {"groups": texts, "cv": StratifiedGroupKFold(FOLDS), "method": "predict_proba"}
        p = cross_val_predict(_classifier(), self._rows, anomalous, **held_out)[:, 1]
        if roc_auc_score(anomalous, p) < TELLING:
            return None
        return LogisticRegression(C=np.inf, max_iter=1_000).fit(_odds(p), anomalous)


def _classifier() -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=STRENGTH, max_iter=1_000)


def _odd(learned: LogisticRegression, rows: Any) -> FloatArray:
    return np.asarray(learned.predict_proba(rows)[:, 1], float)


def _odds(p: FloatArray) -> FloatArray:
    """The log-odds, one column."""
    held = np.clip(p, EDGE, 1 - EDGE)
    return np.asarray(np.log(held / (1 - held))[:, None], float)
