"""Grouping what several batches, or several references, say: texts that mean the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alarm_agents.memory.embedders import Embedder

SAME = 0.25
"""Cosine distance under which two statements count as one."""


def clusters(texts: Sequence[str], embedder: Embedder) -> list[tuple[list[int], int]]:
    """Groups of texts that mean the same: the members of each, and the most central one."""
    if len(texts) < 2:
        return [([0], 0)] if texts else []
    from sklearn.cluster import AgglomerativeClustering  # a third of a second, which only induction needs

    vectors = embedder.embed(texts).astype(float)
    distances = np.clip(1.0 - vectors @ vectors.T, 0.0, 2.0)
    model = AgglomerativeClustering(n_clusters=None, metric="precomputed", linkage="average", distance_threshold=SAME)
    labels = model.fit_predict(distances)
    groups = [[int(i) for i in np.flatnonzero(labels == label)] for label in np.unique(labels)]
    return [(group, min(group, key=lambda i: float(distances[i, group].sum()))) for group in groups]
