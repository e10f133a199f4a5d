"""The first seconds of a source without references: held back until they have set the threshold, and judged then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from alarm_agents.errors import AlarmError
from alarm_agents.monitor.stage import Measured
from alarm_agents.tools.camera import blindness

SECONDS = 4.0
"""How long a source is watched before the threshold is set."""


async def warmed_up(
    stage: Iterator[Measured], warm: bool, learn: Callable[[Sequence[Measured]], Awaitable[None]]
) -> AsyncIterator[Measured]:
    """What the stage measures, in order; unless it is `warm` already, `learn` is given the first seconds before.

    Raises what the stage raises, after all that was measured before.
    """
    error: AlarmError | None = None
    held: list[Measured] = []
    # A thread of its own: what pictures leave behind is then taken up again by the next ones. Of a pool's threads each
    # keeps memory of its own, and in all of them it grows for hours.
    thread, loop = ThreadPoolExecutor(1, "stage"), asyncio.get_running_loop()
    try:
        while True:
            try:
                found = await loop.run_in_executor(thread, next, stage, None)
            except AlarmError as raised:  # what was measured before is judged first
                found, error = None, raised
            if not warm and found is not None:
                held.append(found)
                blind = bool(blindness(found[1]))  # that must be told now, and teaches nothing
                warm = not blind and found[0].end - held[0][0].start >= SECONDS
                if not warm and not blind:
                    continue
            if held:
                if warm or found is None:
                    await learn(held)
                for early in held:
                    yield early
                held, warm = [], warm or found is None
                continue
            if found is None:
                break
            yield found
    finally:
        thread.shutdown(wait=False)
    if error is not None:
        raise error
