"""How low an expert's score must be for the gate to conclude a window without asking anybody."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import betaincinv


def gate_threshold(anomalous: Sequence[float], max_missed: float, delta: float) -> float | None:
    """The largest score under which at most `max_missed` of anomalous cases lie, with confidence 1 - delta.

    `anomalous` are the expert's scores of cases that people labelled anomalous. The bound on the missed share is
    Clopper and Pearson's. None when there are too few labels for any gate: it stays open then. The labels come from
    deferred cases, which are not a random sample; the bound holds for cases like those.
    """
    scores = sorted(anomalous)
    best: float | None = None
    for missed, score in enumerate(scores):
        upper = float(betaincinv(missed + 1, len(scores) - missed, 1.0 - delta))
        if upper > max_missed:
            break
        best = score
    return best


def labels_needed(max_missed: float, delta: float) -> int:
    """How many anomalous cases people must have labelled before any gate can be closed."""
    return math.ceil(math.log(delta) / math.log(1.0 - max_missed))
