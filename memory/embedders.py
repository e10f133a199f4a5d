"""Embedders: text to unit vectors, on the CPU and without a download."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import wordllama
from numpy.typing import NDArray

from alarm_agents.errors import MissingExtraError

VARIABLE = "ALARM_EMBEDDER"


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their similarity."""

    name: str

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, one row a text: (len(texts), dimensions); a text without a known word gives zeros."""
        ...


class WordLlamaEmbedder:
    """Static 256-d word vectors that ship inside the `wordllama` package: the default, needs numpy only."""

    name = "wordllama-256"

    def __init__(self) -> None:
        # The package looks for its own vectors in the wrong folder, and then on the network.
        folder = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder.embed`."""
        if not texts:
            return np.zeros((0, 256), np.float32)
        # An empty text has no tokens; the library divides by their number.
        vectors = self._model.embed([text if text.strip() else "-" for text in texts], norm=True)
        return np.nan_to_num(np.asarray(vectors, np.float32))


class SentenceTransformersEmbedder:
    """A sentence-transformers model, by hub name or folder (extra `embeddings`)."""

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtraError("embeddings", f"{VARIABLE}={model}") from error
        self.name = f"st-{model}"
        self._model = SentenceTransformer(model, device="cpu")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder.embed`."""
        if not texts:  # the library then gives no width
            return self.embed(["-"])[:0]
        return np.asarray(self._model.encode(list(texts), normalize_embeddings=True), np.float32)


@lru_cache(maxsize=2)
def default_embedder() -> Embedder:
    """The model that `ALARM_EMBEDDER` names for sentence-transformers, else WordLlama."""
    model = os.environ.get(VARIABLE)
    return SentenceTransformersEmbedder(model) if model else WordLlamaEmbedder()
