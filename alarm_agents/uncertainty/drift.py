"""Whether cases are still like those before them: conformal martingales (Vovk et al., COPA 2021).

Each case's oddness is ranked among those before it; while cases are exchangeable these ranks are uniform and
independent, and a gambler who bets against that (the "simple jumper") multiplies the stake by 1 / `FALSE_ALARM` with
probability at most `FALSE_ALARM`, ever, however long it goes on (Ville). Several gamblers bet on several features of
a case; their mean is a martingale, too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FALSE_ALARM = 0.01
"""The probability that a source is ever said to have drifted which has not."""
JUMP = 0.01
"""The share of a gambler's stake that goes round after each case, so that a bet lost long ago can be won again."""
SLOPES = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * 2
"""The bets: by how much the density of ranks slopes from the most to the least odd; 0 does not bet."""
REMEMBERED = 2_000
"""Cases that a rank is taken among at most: the latest are left out beyond it."""


class Jumper:
    """One gambler: a martingale over uniform ranks, from 1."""

    def __init__(self) -> None:
        self._stakes = np.full(len(SLOPES), 1.0 / len(SLOPES))

    @property
    def value(self) -> float:
        """What the stake has come to."""
        return float(self._stakes.sum())

    def take(self, rank: float) -> None:
        """Take in the next rank, in [0, 1]: a small one is of a case odder than those before it."""
        mixed = (1 - JUMP) * self._stakes + JUMP * self._stakes.sum() / len(SLOPES)
        self._stakes = mixed * (1 + SLOPES * (rank - 0.5))


class Drift:
    """The gamblers of one source. A case is a row of numbers, each the higher the odder in its way."""

    def __init__(self, features: int, earlier: Sequence[Sequence[float]] = ()) -> None:
        """`earlier` are cases that later ones are held against and that nobody bets on."""
        self._jumpers = [Jumper() for _ in range(features)]
        self._known: list[list[float]] = [sorted(row[k] for row in earlier) for k in range(features)]

    @property
    def odds(self) -> float:
        """The evidence of a drift: 1 at the start, one on average while there is none."""
        return float(np.mean([jumper.value for jumper in self._jumpers])) if self._jumpers else 1.0

    @property
    def found(self) -> bool:
        """Whether the evidence is enough to say that cases are no longer like those before them."""
        return self.odds >= 1 / FALSE_ALARM

    @property
    def strongest(self) -> int:
        """The feature that most of the evidence is in, from 0."""
        return int(np.argmax([jumper.value for jumper in self._jumpers]))

    def take(self, case: Sequence[float], tie: float) -> None:
        """Take in the next case; `tie`, uniform in [0, 1) and independent of all else, ranks it among its equals."""
        for value, known, jumper in zip(case, self._known, self._jumpers, strict=True):
            above = len(known) - bisect_right(known, value)
            equal = len(known) - above - bisect_left(known, value) + 1
            jumper.take((above + tie * equal) / (len(known) + 1))
            if len(known) < REMEMBERED:
                insort(known, value)


def unlikeness(vectors: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float64]:
    """How unlike the nearest of the known ones each is: 1 - cosine, in [0, 2]; rows are unit vectors, (n, d)."""
    return np.asarray(1.0 - (vectors @ known.T).max(axis=1), np.float64)
