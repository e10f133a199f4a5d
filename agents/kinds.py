"""Rules from what occurs together: fast things are normal where the references show such things, and only those.

A limit on speed alone would rise above everything as soon as one cyclist is among the references. Here the frames
that are far faster than the rest are set apart, and become a rule of normality of their own: how fast such things get,
and how they look. Whatever is as fast but looks like the slower things stays beyond the limit that these set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarm_agents.agents.proposals import LIKE
from alarm_agents.agents.quantiles import series
from alarm_agents.tools.leader import APART
from alarm_agents.types import Measurement, Provenance, Rule, RuleKind

MEASURES = ("motion.ratio", "motion.tall", "motion.wide")
MOVING = 1.0
"""Times the usual speed; frames in which nothing is faster tell nothing of kinds."""
DISTINCT = 3.0
"""Least distance of two kinds' mean log speeds in pooled standard deviations; less is one kind that varies."""
SUPPORT = 10
"""Frames that must show how each kind looks, the faster one in two references at least."""
FEW = 3
"""Frames fewer than which are no kind."""
PURE = 3
"""References that show the slower kind alone, from which on these alone say how fast it gets."""
TINY = 0.05

Frames = NDArray[np.float64]
"""The logs of the three measures (n, 3) of frames."""


@dataclass(frozen=True)
class Kinds:
    """The rules of the kinds found, and the references without what these account for."""

    rules: tuple[Rule, ...]
    rest: list[tuple[Measurement, ...]]


def split_kinds(references: Sequence[Sequence[Measurement]], provenance: Provenance, source: str) -> Kinds:
    """The faster kind of thing as a rule of normality, where the references show two kinds."""
    rest = [tuple(measurements) for measurements in references]
    frames, owner, place = _frames(references)
    cut = _split(frames[:, 0]) if len(frames) else None
    fast = frames[:, 0] > cut if cut is not None else np.zeros(len(frames), bool)
    seen_in = set(owner[fast].tolist())
    # What lies between the kinds is the faster one coming and going: where enough references show the slower one
    # alone, the others say nothing of it.
    shared = np.isin(owner, owner[fast])
    slow = ~shared if len(set(owner[~shared].tolist())) >= PURE else ~fast
    described = _described(frames[fast], frames[slow]) if len(seen_in) >= 2 else None
    if described is None:
        return Kinds((), rest)
    for reference in seen_in:
        apart = set(place[~slow & (owner == reference)].tolist())
        rest[reference] = tuple(_without(m, apart) if m.expert == "motion" else m for m in rest[reference])
    note = f"{int(fast.sum())} frames of {len(seen_in)} references"
    return Kinds((_rule(*described, provenance.model_copy(update={"note": note}), source),), rest)


def _frames(references: Sequence[Sequence[Measurement]]) -> tuple[Frames, NDArray[np.int_], NDArray[np.int_]]:
    """The frames with something that moves, the reference of each and its place in it."""
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
            two = distance >= math.log(APART) and distance >= DISTINCT * math.sqrt(max(within, 1e-9))
            cut = float(low[-1] + high[0]) / 2 if two else None
    return cut


def _described(fast: Frames, slow: Frames) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """From where to where speed, height and width (3,) of the faster kind go, in usual ones.

    Of height and width the one that tells the kinds apart best ends half-way to the slower kind. None where too few
    frames show how either looks.
    """
    looks, others = (frames[frames[:, 2] > math.log(TINY)] for frames in (fast, slow))
    if min(len(looks), len(others)) < SUPPORT:
        return None
    low, high = looks.min(axis=0) - math.log(LIKE), looks.max(axis=0) + math.log(LIKE)
    ours, theirs = np.median(looks, axis=0), np.median(others, axis=0)
    apart = np.abs(ours - theirs) / np.sqrt(looks.var(axis=0) + others.var(axis=0) + 1e-9)
    best = 1 + int(apart[1:].argmax())
    between = (ours[best] + theirs[best]) / 2
    if ours[best] > theirs[best]:
        low[best] = max(low[best], between)
    else:
        high[best] = min(high[best], between)
    return np.exp(low), np.exp(high)


def _without(measurement: Measurement, apart: set[int]) -> Measurement:
    kept = {
        name: tuple(value for i, value in enumerate(values) if name != "ratio" or i not in apart)
        for name, values in measurement.frames.items()
    }
    return measurement.model_copy(update={"frames": kept})


def _rule(low: NDArray[np.float64], high: NDArray[np.float64], provenance: Provenance, source: str) -> Rule:
    ratio, tall, wide = MEASURES
    look = [f"{name} >= {low[i]:.3f} && {name} <= {high[i]:.3f}" for i, name in ((1, tall), (2, wide))]
    text = (
        f"some things move at {low[0]:.1f} to {high[0]:.1f} times the usual speed, {low[1]:.1f} to {high[1]:.1f} times "
        f"as tall and {low[2]:.1f} to {high[2]:.1f} times as wide as things usually are tall"
    )
    return Rule(
        id="motion-kind" + (f"-{source}" if source else ""),
        kind=RuleKind.NORMAL,
        text=text,
        # What is slower is of either kind, and what has not been seen whole has no look yet.
        predicate=f"{ratio} <= {high[0]:.3f} && ({wide} == 0.0 || ({' && '.join(look)}))",
        severity=0,
        source=source,
        provenance=provenance,
    )
