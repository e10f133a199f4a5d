"""The row without vocabulary: how well captions are told apart by the references alone, without any rule of anomaly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alarm_agents.evaluation.metrics import frame_auroc
from alarm_agents.types import Case

ROW = "without vocabulary"


def without_vocabulary(outcomes: Sequence[tuple[Mapping[int, int], Sequence[Case]]]) -> dict[str, dict[str, Any]]:
    """The frame AUROC of the captions' novelty, smoothed as the rest is; nothing where no captions were watched."""
    labels: list[int] = []
    values: list[float] = []
    for truth, cases in outcomes:
        largest: dict[int, float] = {}
        for case in cases:
            for measurement in case.measurements:
                series = measurement.frames.get("novelty", ()) if measurement.expert == "captions" else ()
                for frame, value in zip(case.window.frames, series, strict=False):
                    largest[frame] = max(value, largest.get(frame, 0.0))
        labels += [truth[frame] for frame in largest if frame in truth]
        values += [largest[frame] for frame in largest if frame in truth]
    if not values:
        return {}
    return {ROW: {"frame_auroc": frame_auroc(np.array(labels), np.array(values))}}
