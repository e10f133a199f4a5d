"""From a measure to a probability: how far it is from usual to the limit that normal references hardly exceed."""

from __future__ import annotations

import math
from collections.abc import Callable

from alarm_agents.types import Threshold

AT_TYPICAL = 0.05
"""p of what references measure usually. With p = 0.5 at the limit this fixes the curve."""
TINY = 1e-9


def curve(threshold: Threshold) -> Callable[[float], float]:
    """What gives the p of an anomaly for a measured value: a logistic curve in the value's logarithm, in [0, 1].

    p is `AT_TYPICAL` at the references' typical value and 0.5 at their limit, and strictly increasing between
    0 and infinity, so that p ranks windows as the measure does. It is a graded threshold, not a frequency:
    calibrating it needs labels.
    """
    middle, typical = math.log(max(threshold.limit, TINY)), math.log(max(threshold.typical, TINY))
    # References that never vary leave no scale; a tenth of the limit is then the step from usual to odd.
    slope = math.log(1 / AT_TYPICAL - 1) / max(middle - typical, math.log(1.1))

    def p(value: float) -> float:
        if value <= 0:
            return 0.0
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, slope * (math.log(value) - middle)))))

    return p
