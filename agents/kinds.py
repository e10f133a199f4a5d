"""Rules from what occurs together: fast things are normal where the references show such things, and only those.

A limit on speed alone would rise above everything as soon as one cyclist is among the references. Here the frames
that are far faster than the rest are set apart, and become a rule of normality of their own: how fast, how tall and
how wide such things are. Whatever is as fast but of another shape stays beyond the limit that the rest sets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarm_agents.agents.quantiles import series
from alarm_agents.types import Measurement, Provenance, Rule, RuleKind

MEASURES = ("motion.ratio", "motion.tall", "motion.wide")
MOVING = 1.0
"""Times the usual speed; frames in which nothing is faster tell nothing of kinds."""
APART = math.log(1.6)
"""Least distance of the two kinds' mean log speeds."""
DISTINCT = 3.0
"""The same in pooled standard deviations: less is one kind that varies."""
SUPPORT = 10
"""Frames that must show the faster kind, in two references at least."""
PURE = 3
"""References that show the slower kind alone, from which on these say how fast it gets."""
ALIKE = 0.6
"""Largest distance, in logs of speed, height and width, of two frames described together."""
FEW = 3
"""Frames fewer than which are no description."""
MARGIN = 1.1
"""Times beyond what was seen that a description reaches."""
TINY = 0.05


@dataclass(frozen=True)
class Kinds:
    """The rules of the kinds found, and the references without the frames that these account for."""

    rules: tuple[Rule, ...]
    rest: list[tuple[Measurement, ...]]


def split_kinds(references: Sequence[Sequence[Measurement]], provenance: Provenance, source: str) -> Kinds:
    """The faster kind of thing as a rule of normality, where the references show two kinds."""
    rest = [tuple(measurements) for measurements in references]
    frames, owner, place = _frames(references)
    cut = _split(frames[:, 0]) if len(frames) else None
    fast = frames[:, 0] > cut if cut is not None else np.zeros(len(frames), bool)
    if fast.sum() < SUPPORT or len(set(owner[fast].tolist())) < 2:
        return Kinds((), rest)
    shared = np.isin(owner, owner[fast])
    if len(set(owner[~shared].tolist())) >= PURE:
        # How fast the slower kind gets is seen where it is alone; what lies between is the other one coming and going.
        fast = shared & (frames[:, 0] > frames[~shared, 0].max())
    boxes = _boxes(frames[fast])
    if not boxes:
        return Kinds((), rest)
    for reference in set(owner[fast].tolist()):
        apart = set(place[fast & (owner == reference)].tolist())
        rest[reference] = tuple(_without(m, apart) if m.expert == "motion" else m for m in rest[reference])
    seen_in = len(set(owner[fast].tolist()))
    note = f"{int(fast.sum())} frames of {seen_in} references"
    return Kinds((_rule(boxes, provenance.model_copy(update={"note": note}), source),), rest)


def _frames(
    references: Sequence[Sequence[Measurement]],
) -> tuple[NDArray[np.float64], NDArray[np.int_], NDArray[np.int_]]:
    """The logs of the three measures (n, 3) of each frame with something fast, its reference and its place in it."""
    rows, owner, place = [], [], []
    for number, found in enumerate(zip(*(series(name, references) for name in MEASURES), strict=True)):
        if any(values is None for values in found):
            continue
        stacked = np.stack([values for values in found if values is not None], axis=1)
        moving = np.flatnonzero(stacked[:, 0] >= MOVING)
        rows.append(np.log(np.maximum(stacked[moving], TINY)))
        owner += [number] * len(moving)
        place += moving.tolist()
    return np.concatenate([np.zeros((0, 3)), *rows]), np.array(owner, int), np.array(place, int)


def _split(speeds: NDArray[np.float64]) -> float | None:
    """The log speed between two kinds (Otsu, 1979: least variance within); None where there is but one."""
    ordered = np.sort(speeds)
    best, cut = math.inf, None
    for at in range(FEW, len(ordered) - FEW, max(1, len(ordered) // 500)):
        low, high = ordered[:at], ordered[at:]
        within = float(low.var() * len(low) + high.var() * len(high)) / len(ordered)
        if within < best:
            best = within
            distance = float(high.mean() - low.mean())
            two = distance >= APART and distance >= DISTINCT * math.sqrt(max(within, 1e-9))
            cut = float(low[-1] + high[0]) / 2 if two else None
    return cut


def _boxes(frames: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Ranges (2, 3) of speed, height and width, in usual ones, that describe the frames a few at a time."""
    from sklearn.cluster import AgglomerativeClustering  # a third of a second, which only induction needs

    model = AgglomerativeClustering(n_clusters=None, linkage="complete", distance_threshold=ALIKE)
    labels = model.fit_predict(frames)
    groups = [frames[labels == label] for label in np.unique(labels)]
    return [
        np.exp(np.stack([group.min(axis=0) - math.log(MARGIN), group.max(axis=0) + math.log(MARGIN)]))
        for group in groups
        if len(group) >= FEW
    ]


def _without(measurement: Measurement, apart: set[int]) -> Measurement:
    kept = {
        name: tuple(value for i, value in enumerate(values) if name != "ratio" or i not in apart)
        for name, values in measurement.frames.items()
    }
    return measurement.model_copy(update={"frames": kept})


def _rule(boxes: Sequence[NDArray[np.float64]], provenance: Provenance, source: str) -> Rule:
    parts = [
        " && ".join(
            f"{name} >= {low:.3f} && {name} <= {high:.3f}" for name, low, high in zip(MEASURES, *box, strict=True)
        )
        for box in boxes
    ]
    low, high = np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)
    text = (
        f"some things move at {low[0]:.1f} to {high[0]:.1f} times the usual speed, {low[1]:.1f} to {high[1]:.1f} times "
        f"as tall and {low[2]:.1f} to {high[2]:.1f} times as wide as things usually are tall"
    )
    return Rule(
        id="motion-kind" + (f"-{source}" if source else ""),
        kind=RuleKind.NORMAL,
        text=text,
        predicate=" || ".join(f"({part})" for part in parts),
        severity=0,
        source=source,
        provenance=provenance,
    )
