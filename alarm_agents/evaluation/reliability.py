"""How far p and uncertainty can be relied on: curves for the report, and where in the data it is better or worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from alarm_agents.evaluation.metrics import (
    BoolArray,
    FloatArray,
    FrameTable,
    IntArray,
    frame_auroc,
    mean_or_none,
)
from alarm_agents.types import Case, Label
from alarm_agents.uncertainty.risk import accuracy_at_deferral

BINS = 10
REJECTED = tuple(round(0.05 * step, 2) for step in range(19))
"""The shares deferred of which the accuracy of the rest is told: 0 to 0.9."""
Watched = tuple[str, Mapping[int, int], Sequence[Case]]
"""The name of a source, its labels by frame, and its cases."""


def curves(table: FrameTable) -> dict[str, Any]:
    """The reliability diagram and the accuracy-rejection curve over the frames that have a score, ready for JSON."""
    scored = table.where(table.scored)
    wrong = scored.predicted != scored.labels
    return {"reliability": reliability(scored.labels, scored.scores), "rejection": rejection(wrong, scored.uncertainty)}


def reliability(labels: IntArray, scores: FloatArray, bins: int = BINS) -> list[dict[str, float]]:
    """For each bin of p that anything is in: mean `p`, the `share` anomalous, how many (DeGroot and Fienberg, 1983).

    The bins are of equal width over [0, 1]. Where p is a frequency, p and share are the same.
    """
    index = np.minimum((scores * bins).astype(np.intp), bins - 1)
    return [
        {
            "p": float(scores[index == place].mean()),
            "share": float(labels[index == place].mean()),
            "count": int((index == place).sum()),
        }
        for place in np.unique(index)
    ]


def rejection(wrong: BoolArray, uncertainty: FloatArray) -> list[dict[str, float | None]]:
    """The accuracy of what is kept where the most uncertain share is `deferred` (Nadeem et al., 2009)."""
    return [{"deferred": share, "accuracy": accuracy_at_deferral(wrong, uncertainty, share)} for share in REJECTED]


def broken_down(watched: Iterable[Watched]) -> dict[str, Any]:
    """How the windows of each source, zone and category did, by name; a zone has those with a fact in it.

    Without zones or categories, their entries are empty.
    """
    parts: dict[str, dict[str, list[tuple[Case, int]]]] = {"source": {}, "zone": {}, "category": {}}
    for name, labels, cases in watched:
        for case in cases:
            known = [labels[frame] for frame in case.window.frames if frame in labels]
            if not known:
                continue
            row = (case, int(2 * sum(known) >= len(known)))
            for part, names in (("source", {name}), ("zone", case.zones), ("category", {case.window.category} - {""})):
                for one in names:
                    parts[part].setdefault(one, []).append(row)
    return {part: {name: _did(rows) for name, rows in sorted(found.items())} for part, found in parts.items()}


def _did(rows: Sequence[tuple[Case, int]]) -> dict[str, Any]:
    """Of windows with what most of their frames are labelled: the metrics that an operator compares places by."""
    scored = [(case, truth) for case, truth in rows if case.score is not None]
    truths = np.array([truth for _, truth in scored], int)
    right = [(case.label is Label.ANOMALOUS) == bool(truth) for case, truth in scored]
    accepted = [(case, ok) for (case, _), ok in zip(scored, right, strict=True) if not case.deferred]
    missed = [case.label is Label.NORMAL and not case.deferred for case, truth in rows if truth]
    return {
        "windows": len(rows),
        "anomalous": sum(truth for _, truth in rows),
        "auroc": frame_auroc(truths, np.array([case.score for case, _ in scored], float)),
        "accuracy": mean_or_none(right),
        "deferred": mean_or_none([case.deferred for case, _ in rows]),
        "accepted_error": mean_or_none([not ok for _, ok in accepted]),
        "missed": mean_or_none(missed),
    }
