"""LangGraph's checkpoints: working memory for what is in flight or waits for a person."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import aiosqlite
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from pydantic import BaseModel

from alarm_agents import types
from alarm_agents.graphs.builder import Compiled

SUFFIX = "+zlib"


class Compressed(SerializerProtocol):
    """Another serializer's bytes, compressed: what members say of one window repeats itself a lot."""

    def __init__(self, inner: SerializerProtocol) -> None:
        self._inner = inner

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Type and compressed bytes of an object."""
        kind, data = self._inner.dumps_typed(obj)
        return f"{kind}{SUFFIX}", zlib.compress(data)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The object that `dumps_typed` was given."""
        kind, packed = data
        return self._inner.loads_typed((kind.removesuffix(SUFFIX), zlib.decompress(packed)))


@asynccontextmanager
async def open_checkpoints(path: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """The saver over the SQLite file; only the system's own records may be read back from it."""
    async with aiosqlite.connect(path) as connection:
        for pragma in ("journal_mode=WAL", "busy_timeout=10000", "synchronous=NORMAL"):
            await connection.execute(f"PRAGMA {pragma}")
        saver = AsyncSqliteSaver(connection, serde=Compressed(JsonPlusSerializer(allowed_msgpack_modules=_records())))
        await saver.setup()
        yield saver


async def waits(graph: Compiled, case_id: str) -> bool:
    """Whether the case's thread is stopped at an interrupt that can be resumed."""
    snapshot = await graph.aget_state(thread(case_id))
    return bool(snapshot.interrupts)


def thread(case_id: str) -> Any:
    """LangGraph's configuration for a case: the case id is the thread id."""
    return {"configurable": {"thread_id": case_id}}


def _records() -> list[tuple[str, ...]]:
    return [
        (types.__name__, name)
        for name, found in vars(types).items()
        if inspect.isclass(found) and issubclass(found, (BaseModel, Enum)) and found.__module__ == types.__name__
    ]
