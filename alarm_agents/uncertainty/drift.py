"""Whether cases are still like those before them: conformal martingales (Vovk et al., COPA 2021).

Each case's features are ranked among those before it; while cases are exchangeable these ranks are uniform and
independent, and a gambler who bets against that multiplies the stake by 1 / `FALSE_ALARM` with probability at most
`FALSE_ALARM`, ever, however long it goes on (Ville). The gamblers bet on what ranks have been lately (the plug-in
martingale of Fedorova et al., ICML 2012): a new place is not only odder, its cases resemble each other, so that their
ranks crowd somewhere. Each bets on one feature of a case; their mean is a martingale, too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FALSE_ALARM = 0.01
"""The probability that a source is ever said to have drifted which has not."""
JUMP = 0.01
"""The share of a stake that goes round between betting and holding, so that a bet lost long ago can be won again."""
BINS, BEFORE, KEPT = 8, 0.5, 0.95
"""Parts that ranks fall into, how many cases each is held to have had before any came, and what of the count of earlier
cases is left after the next one. Set on captions of ShanghaiTech."""
REMEMBERED = 2_000
"""Cases that a rank is taken among at most: the latest are left out beyond it."""
DIRECTIONS = 5
"""Main directions in which cases' words lie."""


class Gambler:
    """One gambler: a martingale over uniform ranks, from 1."""

    def __init__(self) -> None:
        self._counts = [BEFORE] * BINS
        self._held, self._bet = 0.5, 0.5

    @property
    def value(self) -> float:
        """What the stake has come to."""
        return self._held + self._bet

    def take(self, rank: float) -> None:
        """Take in the next rank, in [0, 1]: a small one is of a case whose feature is larger than most before it."""
        place, turned = min(BINS - 1, int(rank * BINS)), JUMP * self.value / 2
        self._held = (1 - JUMP) * self._held + turned
        self._bet = ((1 - JUMP) * self._bet + turned) * self._counts[place] * BINS / sum(self._counts)
        self._counts = [BEFORE + KEPT * (count - BEFORE) for count in self._counts]
        self._counts[place] += 1.0


class Drift:
    """The gamblers of one source. A case is a row of numbers, its features."""

    def __init__(self, features: int, earlier: Sequence[Sequence[float]] = ()) -> None:
        """`earlier` are cases that later ones are held against and that nobody bets on."""
        self._gamblers = [Gambler() for _ in range(features)]
        self._known: list[list[float]] = [sorted(row[k] for row in earlier) for k in range(features)]

    @property
    def odds(self) -> float:
        """The evidence of a drift: 1 at the start, one on average while there is none."""
        return float(np.mean([gambler.value for gambler in self._gamblers])) if self._gamblers else 1.0

    @property
    def found(self) -> bool:
        """Whether the evidence is enough to say that cases are no longer like those before them."""
        return self.odds >= 1 / FALSE_ALARM

    @property
    def strongest(self) -> int:
        """The feature that most of the evidence is in, from 0."""
        return int(np.argmax([gambler.value for gambler in self._gamblers]))

    def take(self, case: Sequence[float], tie: float) -> None:
        """Take in the next case; `tie`, uniform in [0, 1) and independent of all else, ranks it among its equals."""
        for value, known, gambler in zip(case, self._known, self._gamblers, strict=True):
            above = len(known) - bisect_right(known, value)
            equal = len(known) - above - bisect_left(known, value) + 1
            gambler.take((above + tie * equal) / (len(known) + 1))
            if len(known) < REMEMBERED:
                insort(known, value)


class Sights:
    """What is told of cases' words by those of the first cases: (n, dimensions), unit vectors."""

    features = 1 + DIRECTIONS

    def __init__(self, known: NDArray[np.float32]) -> None:
        self._known, self._mean = known, known.mean(axis=0)
        self._directions = np.linalg.svd(known - self._mean, full_matrices=True)[2][:DIRECTIONS]

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """The features of each case: how unlike the nearest of the first ones it is, and where it lies (PCA).

        Rows of 1 - cosine, in [0, 2], and the coordinates along the main directions of the first cases.
        """
        unlike = 1.0 - (vectors @ self._known.T).max(axis=1, keepdims=True)
        return np.asarray(np.hstack([unlike, (vectors - self._mean) @ self._directions.T]), np.float64)
