"""The retrieval index: Chroma over rules and resolved cases, rebuilt from `alarm.db` whenever it is behind.

The database is the truth. A running Chroma client does not see what other processes add, so this process
brings its own client up to date itself, by the database's revision, and trusts nobody else's writes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.memory.embedders import Embedder
from alarm_agents.observability import tracing

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

URL_VARIABLE = "ALARM_CHROMA_URL"
BATCH = 5_000
"""Chroma takes at most 5,461 records in one call."""


Metadata = Mapping[str, str | float]


@dataclass(frozen=True, eq=False)
class Stored:
    """What a collection holds, a row a record."""

    ids: Sequence[str]
    vectors: NDArray[np.float32]
    metadata: Sequence[Metadata]


class VectorIndex:
    """Collections of texts by id, found by similarity; one collection a scenario and kind (filters are slow)."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._folder, self._embedder = folder, embedder
        self._client: ClientAPI | None = None
        self._synced: dict[str, int] = {}
        self._own: dict[str, dict[str, Any]] = {}
        """By collection, the marks of what this client is known to find."""

    def sync(self, collection: str, revision: int, texts: Mapping[str, str]) -> None:
        """Make the collection hold exactly `texts` (id to text), unless this process did so at `revision`."""
        if self._synced.get(collection) == revision:
            return
        with tracing.span("index", kind="memory", **{"alarm.collection": collection, "alarm.revision": revision}):
            store = self._collection(collection)
            marks: dict[str, Any] = {key: hashlib.sha256(text.encode()).hexdigest()[:16] for key, text in texts.items()}
            held = store.get(include=["metadatas"])
            known = {
                key: meta.get("mark") for key, meta in zip(held["ids"], held["metadatas"] or [], strict=True) if meta
            }
            # What another process wrote is listed here, but not found by a client that was open before it.
            own = self._own.setdefault(collection, known)
            gone = [key for key in held["ids"] if key not in texts]
            new = [key for key in texts if not marks[key] == known.get(key) == own.get(key)]
            for batch in _batches(gone):
                store.delete(ids=batch)
            for batch in _batches(new):
                vectors = self._embedder.embed([texts[key] for key in batch])
                store.upsert(ids=batch, embeddings=_rows(vectors), metadatas=[{"mark": marks[key]} for key in batch])
        self._synced[collection], self._own[collection] = revision, marks

    def query(self, collection: str, text: str, k: int) -> list[tuple[str, float]]:
        """The `k` nearest ids with their cosine similarity in [-1, 1], best first."""
        with tracing.span("query", kind="memory", **{"alarm.collection": collection, "alarm.k": k}):
            found = self._collection(collection).query(
                query_embeddings=_rows(self._embedder.embed([text])), n_results=k, include=["distances"]
            )
            ids, distances = found["ids"][0], (found["distances"] or [[]])[0]
            tracing.set(**{"alarm.found": len(ids)})
        return [(key, 1.0 - float(distance)) for key, distance in zip(ids, distances, strict=True)]

    def stored(self, collection: str) -> Stored:
        """All that the collection holds, by whichever process it was written."""
        with tracing.span("load", kind="memory", **{"alarm.collection": collection}):
            found = self._collection(collection).get(include=["embeddings", "metadatas"])
        vectors, metadata = found["embeddings"], found["metadatas"]
        rows = np.asarray(vectors, np.float32) if found["ids"] else self.vectors([])
        known = [
            {key: value for key, value in each.items() if isinstance(value, str | float)} for each in metadata or []
        ]
        return Stored(found["ids"], rows, known)

    def put(self, collection: str, texts: Mapping[str, str], metadata: Mapping[str, Metadata]) -> Stored:
        """Write records (both by id), in place of those that have their ids."""
        store, ids = self._collection(collection), list(texts)
        vectors = [self.vectors([texts[key] for key in batch]) for batch in _batches(ids)]
        with tracing.span("index", kind="memory", **{"alarm.collection": collection, "alarm.new": len(ids)}):
            for batch, rows in zip(_batches(ids), vectors, strict=True):
                store.upsert(ids=batch, embeddings=_rows(rows), metadatas=[dict(metadata[key]) for key in batch])
        return Stored(ids, np.concatenate([self.vectors([]), *vectors]), [metadata[key] for key in ids])

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The texts' vectors, as collections hold them."""
        return self._embedder.embed(texts)

    def _collection(self, name: str) -> Collection:
        # Vectors of two embedders cannot be compared, so the embedder is part of the name.
        safe = re.sub(r"[^a-zA-Z0-9]+", "-", f"{name}-{self._embedder.name}").strip("-")
        unique = hashlib.sha256(f"{name}\x1f{self._embedder.name}".encode()).hexdigest()[:8]
        # Embeddings are always given: Chroma's own default would download a model.
        return self._open().get_or_create_collection(
            f"{safe[:100]}-{unique}", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )

    def _open(self) -> ClientAPI:
        if self._client is None:
            import chromadb  # takes a second to import, and many runs never query
            from chromadb.config import Settings

            settings = Settings(anonymized_telemetry=False)
            url = os.environ.get(URL_VARIABLE)
            if url:
                host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
                self._client = chromadb.HttpClient(host=host, port=int(port or 8000), settings=settings)
            else:
                self._client = chromadb.PersistentClient(path=str(self._folder), settings=settings)
        return self._client


def _batches(keys: Sequence[str]) -> list[list[str]]:
    return [list(keys[i : i + BATCH]) for i in range(0, len(keys), BATCH)]


def _rows(vectors: np.ndarray[Any, np.dtype[np.float32]]) -> list[Any]:
    """One array a record: what Chroma's types ask for."""
    return list(vectors)
