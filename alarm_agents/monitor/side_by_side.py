"""Work on what a stream brings, side by side, while what it came to is taken up in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def side_by_side(
    items: AsyncGenerator[T, None], work: Callable[[T], Coroutine[Any, Any, R]], at_once: int
) -> AsyncGenerator[R, None]:
    """What the work on each item came to, in the items' order, as soon as it is known.

    At most `at_once` items (3 or more) are in work or not yet taken up; `work` is called for them in order, and while
    whoever takes up the results is busy, too. What `items` raises comes after the results of all items before it.
    """
    # Beside those in the queue, one is being taken up and one waits to be put in.
    begun: asyncio.Queue[asyncio.Task[R] | Exception | None] = asyncio.Queue(at_once - 2)
    untaken: set[asyncio.Task[R]] = set()

    async def begin() -> None:
        end: Exception | None = None
        try:
            async with aclosing(items):
                async for item in items:
                    task = asyncio.create_task(work(item))
                    untaken.add(task)
                    await begun.put(task)
        except Exception as error:  # noqa: BLE001  it is raised below, after what came before it
            end = error
        await begun.put(end)

    beginning = asyncio.create_task(begin())
    try:
        while isinstance(task := await begun.get(), asyncio.Task):
            yield await task
            untaken.discard(task)
        if task is not None:
            raise task
    finally:
        left: list[asyncio.Task[Any]] = [beginning, *untaken]
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
