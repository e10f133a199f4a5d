"""Which cases settings are fitted on, and which are then measured: the suite's `calibration` block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from alarm_agents.settings import Block


class Calibration(Block):
    """Weights, memory and thresholds are fitted on `fraction` of the cases and measured on the rest, `repeats` times.

    `fraction: 0` uses no labels: all cases are measured, once. With `leave_out: N` each group of at least N cases is
    measured in turn, and all others are the calibration part. `group` is what cases are told apart by.
    """

    fraction: float = Field(0.5, ge=0, lt=1)
    seed: int = Field(0, ge=0)
    repeats: int = Field(20, ge=1, le=1_000)
    group: Literal["category"] = "category"
    leave_out: int | None = Field(None, ge=1)

    @property
    def unlabelled(self) -> bool:
        """Whether no label is used."""
        return self.leave_out is None and self.fraction == 0

    @model_validator(mode="after")
    def _one_way(self) -> Calibration:
        if self.leave_out is not None and {"fraction", "repeats", "seed"} & self.model_fields_set:
            raise ValueError("leave_out measures each group once: fraction, repeats and seed say nothing then")
        return self


@dataclass(frozen=True)
class Split:
    """The rows of the calibration part and of the rest; `name` is the group that is left out, if one is."""

    calibration: NDArray[np.int_]
    rest: NDArray[np.int_]
    name: str = ""


def splits(settings: Calibration, groups: Sequence[str]) -> list[Split]:
    """The splits to measure on, from the group of each case. Raises `ValueError` where a part would be empty."""
    names, rows = np.asarray(groups, str), np.arange(len(groups))
    if settings.leave_out is not None:
        large = [name for name in sorted(set(groups)) if (names == name).sum() >= settings.leave_out]
        found = [Split(rows[names != name], rows[names == name], name) for name in large]
    elif settings.unlabelled:
        found = [Split(rows[:0], rows)]
    else:
        count = round(settings.fraction * len(rows))
        draw = np.random.default_rng(settings.seed)
        orders = [draw.permutation(len(rows)) for _ in range(settings.repeats)]
        found = [Split(np.sort(order[:count]), np.sort(order[count:])) for order in orders]
    if not found or any(not len(split.rest) or (not len(split.calibration) and settings.fraction) for split in found):
        raise ValueError("there are too few cases (or none in a group so large) to split into two parts")
    return found
