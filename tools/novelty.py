"""The captions expert: how unlike a recorded caption is to what references (or the stream so far) say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.memory.embedders import Embedder
from alarm_agents.sources.captions import Caption
from alarm_agents.tools.expert import Measured
from alarm_agents.types import Fact

NEAREST = 3
"""References that a caption is compared with: the mean over the nearest few is less jumpy than the nearest."""


class Novelty:
    """1 - cosine similarity of a caption's embedding to the nearest reference captions, in [0, 2].

    Without references it is compared with the mean of all captions of the stream so far. Whole captions are
    compared, which tells unlike scenes apart but not one clause among many.
    """

    name = "captions"
    score = "novelty"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._references: NDArray[np.float32] | None = None
        self.begin()

    def fit(self, references: Sequence[Sequence[Caption]]) -> None:
        """Remember the captions of the references."""
        texts = list(dict.fromkeys(caption.text for reference in references for caption in reference))
        self._references = self._embedder.embed(texts) if texts else None

    def begin(self) -> None:
        """Forget the captions of the stream so far."""
        self._total: NDArray[np.float64] | None = None
        self._count = 0

    def measure(self, frames: Sequence[Caption], overlap: int) -> Measured:
        """The novelty of each new caption, and the newest thing said as a fact."""
        new = frames[overlap:]
        vectors = self._embedder.embed([caption.text for caption in new])
        values = self._against_references(vectors) if self._references is not None else self._against_stream(vectors)
        if not new:
            return Measured({self.score: ()}, ())
        place = int(np.argmax(values))
        against = "the reference captions" if self._references is not None else "the captions so far"
        fact = Fact(
            subject="caption",
            attribute="novelty",
            value=round(values[place], 3),
            text=f"the caption at {new[place].time:.1f} s differs from {against} by {values[place]:.2f} (0 the same)",
            time=new[place].time,
            perceiver=self.name,
        )
        return Measured({self.score: tuple(values)}, (fact,))

    def state(self) -> dict[str, NDArray[Any]]:
        """The embeddings of the reference captions."""
        return {} if self._references is None else {"references": self._references}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up the embeddings that `state` gave."""
        found = state.get("references")
        self._references = None if found is None else np.asarray(found, np.float32)

    def _against_references(self, vectors: NDArray[np.float32]) -> list[float]:
        assert self._references is not None
        similar = vectors @ self._references.T
        count = min(NEAREST, similar.shape[1])
        nearest = np.sort(similar, axis=1)[:, -count:].mean(axis=1)
        return [float(max(0.0, 1.0 - value)) for value in nearest]

    def _against_stream(self, vectors: NDArray[np.float32]) -> list[float]:
        values = []
        for vector in vectors:
            self._total = vector.astype(float) if self._total is None else self._total + vector
            self._count += 1
            length = float(np.linalg.norm(self._total))
            values.append(max(0.0, 1.0 - float(vector @ self._total) / length) if length > 0 else 0.0)
        return values
