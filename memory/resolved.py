"""Case memory: what resolved cases of a scenario say of the one at hand.

`alarm.db` is the truth; Chroma keeps each case's vector with the person's label, so that a start embeds nothing again.
It is searched here, exactly: p_M goes by cosines about the mean of all cases, which an index of plain cosines cannot
give. An answer counts from the next window on, whichever process wrote it; it costs one case to read and embed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from alarm_agents.memory.index import Metadata, Stored, VectorIndex
from alarm_agents.memory.remembered import FEWEST, FloatArray, Remembered, Vectors, fitted
from alarm_agents.memory.texts import written
from alarm_agents.observability import tracing
from alarm_agents.types import Label, Precedent
from alarm_agents.workspace.cases import CaseStore

GROWTH = 1.1
"""Settings are fitted again whenever there are so many times as many cases, so that hardly any window waits for it."""
BLOCK = 3_600.0
"""Seconds of a source that are one group: what was so near in time is alike, and tells nothing of other cases."""
RECIPE = 1
"""Of the texts and metadata that are stored; another one is another collection."""


@dataclass(frozen=True, eq=False)
class Held:
    """What is remembered at a time; rows in the order of the answers."""

    ids: tuple[str, ...] = ()
    vectors: Vectors | None = None
    labels: FloatArray = field(default_factory=lambda: np.zeros(0))
    p: FloatArray = field(default_factory=lambda: np.zeros(0))
    """Of the members alone; NaN where none gave one."""
    groups: tuple[str, ...] = ()
    memory: Remembered | None = None
    """None under `FEWEST` cases."""
    fitted_on: int = 0


class ResolvedCases:
    """The cases of one scenario that people have answered normal or anomalous."""

    def __init__(self, cases: CaseStore, index: VectorIndex, namespace: str, scenario: str) -> None:
        self._cases, self._index, self._mine = cases, index, (namespace, scenario)
        self.collection = f"resolved-{RECIPE}-{namespace}-{scenario}"
        self._held: Held | None = None
        self._lock = Lock()
        """Tools ask from threads of their own."""

    def refresh(self) -> Held:
        """What is remembered now: read and embedded as far as it is new, settings fitted where it has grown enough."""
        with self._lock:
            held = self._held or Held()
            if self._cases.count_answered(*self._mine) != len(held.ids):
                with tracing.span("remember", kind="memory"):
                    held = self._grown(held)
                    tracing.set(**{"alarm.cases": len(held.ids), "alarm.fitted_on": held.fitted_on})
            self._held = held
            return held

    def nearest(self, text: str, k: int) -> list[tuple[str, float]]:
        """The `k` resolved cases most like the text, best first, with their cosine similarity in [-1, 1]."""
        held = self.refresh()
        if held.vectors is None or k < 1:
            return []
        with tracing.span("query", kind="memory", **{"alarm.collection": self.collection, "alarm.k": k}):
            similar = (self._index.vectors([text]) @ held.vectors.T)[0]
            best = np.argpartition(-similar, k - 1)[:k] if k < len(similar) else np.arange(len(similar))
            best = best[np.argsort(-similar[best], kind="stable")]
        return [(held.ids[place], float(similar[place])) for place in best]

    def precedent(self, text: str, p: float) -> Precedent | None:
        """What resolved cases say of a case with this text, whose members say `p`; None where there are too few.

        As of the last `refresh` or `nearest`, which every window begins with.
        """
        held = self._held or self.refresh()
        if held.memory is None or not text.strip():
            return None
        with tracing.span("precedent", kind="memory", **{"alarm.cases": len(held.ids)}):
            found = held.memory.recall(self._index.vectors([text]))
            heard = bool(found.open[0])
            said = float(found.p(np.array([p]))[0])
            tracing.set(**{"alarm.silent": not heard, "alarm.p": said})
        places = found.places[0]
        return Precedent(
            p=min(1.0, max(0.0, said)),
            members=p,
            trust=float(found.trust[0]) if heard else 1.0,
            neighbours=len(places) if heard else 0,
            anomalous=int(held.labels[places].sum()) if heard else 0,
            cases=len(held.ids),
        )

    def _grown(self, held: Held) -> Held:
        """What was held, with the cases that have been answered since."""
        answered, known = self._cases.answered(*self._mine), set(held.ids)
        if not known <= set(answered):  # somebody has deleted cases: begin anew
            held, known = Held(), set()
        new = set(answered) - known
        parts = [] if known else [_among(self._index.stored(self.collection), new)]
        missing = new.difference(*(part.ids for part in parts))
        if missing:
            parts.append(self._read(sorted(missing)))
        return _fitted(_joined(held, parts))

    def _read(self, ids: Sequence[str]) -> Stored:
        """The cases of those ids from the database, embedded, and stored for the next start."""
        texts: dict[str, str] = {}
        metadata: dict[str, Metadata] = {}
        for case in self._cases.some(ids):
            p = case.precedent.members if case.precedent is not None else case.score
            told = {} if p is None else {"p": float(p)}
            assert case.resolution is not None
            texts[case.id] = written(case.perceptions, case.verdicts)
            metadata[case.id] = {
                "anomalous": float(case.resolution.answer == Label.ANOMALOUS.value),
                "group": f"{case.source}/{int(case.window.start // BLOCK)}",
                "at": float(case.resolution.at),
                **told,
            }
        return self._index.put(self.collection, texts, metadata)


def _among(stored: Stored, wanted: Collection[str]) -> Stored:
    """The records that are wanted."""
    rows = [row for row, key in enumerate(stored.ids) if key in wanted]
    return Stored(
        [stored.ids[row] for row in rows], stored.vectors[np.array(rows, int)], [stored.metadata[row] for row in rows]
    )


def _joined(held: Held, parts: Sequence[Stored]) -> Held:
    """With these records after those that are held, in the order of their answers."""
    found = [
        (float(meta["at"]), key, vector, meta)
        for part in parts
        for key, vector, meta in zip(part.ids, part.vectors, part.metadata, strict=True)
    ]
    found.sort(key=lambda row: row[:2])
    if not found:
        return held
    vectors = np.array([vector for _, _, vector, _ in found], np.float32)
    new = [meta for *_, meta in found]
    return replace(
        held,
        ids=(*held.ids, *(key for _, key, _, _ in found)),
        vectors=vectors if held.vectors is None else np.concatenate([held.vectors, vectors]),
        labels=np.concatenate([held.labels, [float(meta["anomalous"]) for meta in new]]),
        p=np.concatenate([held.p, [float(meta.get("p", math.nan)) for meta in new]]),
        groups=(*held.groups, *(str(meta["group"]) for meta in new)),
    )


def _fitted(held: Held) -> Held:
    """With a memory of all that is held, by settings of as many of the first cases as there were when it had grown."""
    count = len(held.ids)
    if held.vectors is None or count < FEWEST:
        return replace(held, memory=None)
    size = FEWEST
    while math.ceil(size * GROWTH) <= count:
        size = math.ceil(size * GROWTH)
    if held.memory is not None and held.fitted_on == size:
        settings = held.memory.settings
    else:
        first = slice(0, size)
        settings = fitted(held.vectors[first], held.labels[first], held.p[first], held.groups[first])
    return replace(held, memory=Remembered(held.vectors, held.labels, settings), fitted_on=size)
