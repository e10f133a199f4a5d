"""LangGraph's checkpoints: working memory for what is in flight or waits for a person."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import INTERRUPT
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from pydantic import BaseModel

from alarm_agents import assessment, enums, types
from alarm_agents.graphs.builder import Compiled
from alarm_agents.workspace.database import PRAGMAS

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


class WaitingSaver(AsyncSqliteSaver):
    """Keeps the checkpoints of runs that wait for a person; a run that ends never touches the database.

    Only inside `fresh` is anything held back; elsewhere (a waiting case goes on) it is LangGraph's own saver.
    """

    def __init__(self, connection: aiosqlite.Connection, serde: SerializerProtocol) -> None:
        super().__init__(connection, serde=serde)
        self._held: dict[str, _Held] = {}

    @asynccontextmanager
    async def fresh(self, case_id: str) -> AsyncIterator[None]:
        """A run from the start, in the block: what it leaves is written at the end, and only if it was interrupted.

        The thread must have nothing stored (`adelete_thread`): what stands there is not looked up.
        """
        held = self._held[case_id] = _Held()
        try:
            yield
        finally:
            del self._held[case_id]
        if any(channel == INTERRUPT for _, writes, *_ in held.writes for channel, _ in writes):
            for checkpoint in held.checkpoints:
                await super().aput(*checkpoint)
            for written in held.writes:
                await super().aput_writes(*written)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As LangGraph's; a fresh run has none."""
        return None if self._of(config) else await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As LangGraph's; a fresh run's is held."""
        held = self._of(config)
        if held is None:
            return await super().aput(config, checkpoint, metadata, new_versions)
        held.checkpoints.append((config, checkpoint, metadata, new_versions))
        place = config["configurable"]
        names = {name: place[name] for name in ("thread_id", "checkpoint_ns")}
        return {"configurable": {**names, "checkpoint_id": checkpoint["id"]}}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As LangGraph's; a fresh run's are held."""
        held = self._of(config)
        if held is None:
            await super().aput_writes(config, writes, task_id, task_path)
        else:
            held.writes.append((config, writes, task_id, task_path))

    def _of(self, config: RunnableConfig) -> _Held | None:
        return self._held.get(config["configurable"]["thread_id"])


@dataclass
class _Held:
    """What a fresh run has put so far: the arguments of `aput` and `aput_writes`."""

    checkpoints: list[tuple[RunnableConfig, Checkpoint, CheckpointMetadata, ChannelVersions]] = field(
        default_factory=list
    )
    writes: list[tuple[RunnableConfig, Sequence[tuple[str, Any]], str, str]] = field(default_factory=list)


@asynccontextmanager
async def open_checkpoints(path: Path) -> AsyncIterator[WaitingSaver]:
    """The saver over the SQLite file; only the system's own records may be read back from it."""
    async with aiosqlite.connect(path) as connection:
        for pragma in PRAGMAS:
            await connection.execute(f"PRAGMA {pragma}")
        saver = WaitingSaver(connection, Compressed(JsonPlusSerializer(allowed_msgpack_modules=_records())))
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
    records = {
        name: found.__module__
        for name, found in vars(types).items()
        if inspect.isclass(found)
        and issubclass(found, (BaseModel, Enum))
        and found.__module__ in (types.__name__, assessment.__name__, enums.__name__)
    }
    # What waits since an older version may name a record by the module that it was in then.
    return [(module, name) for name, home in records.items() for module in {home, types.__name__}]
