"""How unlike the references something is, measured by how unlike they are one another.

Nearest neighbours part by part, as PatchCore compares patches (Roth et al., CVPR 2022), over descriptors that are
computed here and not learned from other pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.scene import Ground, References, Scene, thinned

Descriptors = NDArray[np.float32]
KEPT = 400  # descriptors kept of the references
ENOUGH = 12  # descriptors, in two groups at least, for their distances to mean anything


class Bank:
    """Reference descriptors (n, parts, d) and how far each part usually is from the nearest of another reference."""

    def __init__(self, samples: Descriptors, usual: NDArray[np.float64], scale: float) -> None:
        self._samples, self._usual, self._scale = samples, usual, scale
        self._others = _Others.of(samples)

    @classmethod
    def learn(cls, groups: Sequence[Descriptors], alike: float) -> Bank | None:
        """The bank of descriptors in groups (runs of frames, which hold the same things); None from too few.

        What is usual is measured across groups: within one, each thing is its own twin from one frame to the next. It
        is `alike` at least, the distance under which descriptors mean the same.
        """
        groups = [group for group in groups if len(group)]
        owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        if len(owner) < ENOUGH or len(groups) < 2:
            return None
        kept = np.array(thinned(range(len(owner)), KEPT))
        samples, owner = np.concatenate(groups).astype(np.float32)[kept], owner[kept]
        nearest = _Others.of(samples).nearest(samples, owner[:, None] == owner[None, :])
        usual = np.maximum(np.median(nearest, axis=0), alike)
        return cls(samples, usual, max(1.0, float(np.median((nearest / usual).max(axis=1)))))

    def unlike(self, descriptors: Descriptors) -> NDArray[np.float64]:
        """For each (m, parts, d) its oddest part's distance to the references, in times the usual; (m,), >= 0."""
        if not len(descriptors):
            return np.zeros(0)
        return np.asarray((self._others.nearest(descriptors) / self._usual).max(axis=1) / self._scale)

    def state(self) -> dict[str, NDArray[Any]]:
        """As arrays that `restore` takes back."""
        return {"samples": self._samples, "usual": self._usual, "scale": np.array(self._scale)}

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[Any]]) -> Bank | None:
        """The bank of a state that `state` gave; None where it holds none."""
        if "samples" not in state:
            return None
        return cls(np.asarray(state["samples"], np.float32), np.asarray(state["usual"]), float(state["scale"]))


class Compares:
    """What experts share that compare the things of a picture with those of the references."""

    alike: float
    """Distance under which descriptors mean the same."""

    def __init__(self, scene: Scene | None = None) -> None:
        self._scene = scene or Scene()
        self._ground: Ground | None = None
        self._bank: Bank | None = None
        self.begin()

    def begin(self) -> None:
        """Forget what was seen so far: a new stream starts."""
        raise NotImplementedError

    def fit(self, references: References) -> None:
        """Learn the ground of the references, and what stands out from it there."""
        self._ground = self._bank = None
        if any(references):
            self._ground = ground = self._scene.learn(references)
            self._bank = Bank.learn([self._described(ground, run) for run in references], self.alike)

    def state(self) -> dict[str, NDArray[Any]]:
        """What references taught; nothing where they taught too little."""
        return {} if self._ground is None or self._bank is None else {**self._ground.state(), **self._bank.state()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state that `state` gave."""
        self._ground = self._scene.restore(state) if state else None
        self._bank = Bank.restore(state)

    def _described(self, ground: Ground, run: Sequence[Picture]) -> Descriptors:
        """The things of a run of pictures; (n, parts, d)."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Others:
    """Descriptors to be near to, laid out for matrix products part by part: this is done every frame."""

    columns: NDArray[np.float32]
    """(parts, d, n)."""
    squares: NDArray[np.float32]
    """(parts, 1, n)."""

    @classmethod
    def of(cls, samples: Descriptors) -> _Others:
        columns = np.ascontiguousarray(samples.transpose(1, 2, 0))
        return cls(columns, np.square(columns).sum(axis=1, keepdims=True))

    def nearest(self, ones: Descriptors, barred: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Distance (m, parts) of each part to the same part of the nearest of these that is not barred to it."""
        rows = np.ascontiguousarray(ones.transpose(1, 0, 2))
        apart = np.matmul(rows, self.columns)  # |a - b|^2 less |a|^2, which all have in common
        apart *= -2
        apart += self.squares
        if barred is not None:
            apart[:, barred] = np.inf
        squares = apart.min(axis=2) + np.square(rows).sum(axis=2)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0).astype(np.float64)).T)
