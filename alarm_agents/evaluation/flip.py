"""What a change of the definition changes: alarms on what is normal now, and how well all else is still told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.evaluation.metrics import frame_auroc

Scores = NDArray[np.float64]


def compare(
    labels: Sequence[Mapping[int, int]],
    scores: Sequence[tuple[Scores, Scores]],
    said: Sequence[frozenset[int]],
    learned: Sequence[frozenset[int]],
) -> dict[str, Any]:
    """Before and after, a source an entry; scores are by labelled frame, in their order.

    `false_alarms` is the share of frames that say it and alarm, `fell` by what share that fell, `rest_auroc` is over
    the frames that do not say it, `rest_moved` by how much that moved. The frames that were learned from are left out.
    """
    speaks = np.concatenate([[frame in say for frame in sorted(of)] for of, say in zip(labels, said, strict=True)])
    kept = ~np.concatenate([[f in known for f in sorted(of)] for of, known in zip(labels, learned, strict=True)])
    truth = np.concatenate([[of[frame] for frame in sorted(of)] for of in labels])
    before, after = (np.concatenate([pair[i] for pair in scores]) for i in (0, 1))
    alarms = [float(np.mean(np.nan_to_num(each[speaks & kept]) >= 0.5)) for each in (before, after)]
    rest = [frame_auroc(truth[~speaks & kept], each[~speaks & kept]) for each in (before, after)]
    return {
        "frames": int((speaks & kept).sum()),
        "false_alarms": {"before": alarms[0], "after": alarms[1]},
        "fell": 1.0 - alarms[1] / alarms[0] if alarms[0] > 0 else None,
        "rest_auroc": {"before": rest[0], "after": rest[1]},
        "rest_moved": None if rest[0] is None or rest[1] is None else abs(rest[1] - rest[0]),
    }
