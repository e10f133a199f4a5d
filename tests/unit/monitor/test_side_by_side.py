"""Work side by side: results in order, never too many at once, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.errors import SourceError
from alarm_agents.monitor.side_by_side import side_by_side


async def numbers(count: int, end: Exception | None = None) -> AsyncGenerator[int, None]:
    for number in range(count):
        yield number
    if end is not None:
        raise end


@given(turns=st.lists(st.integers(0, 5), max_size=20), at_once=st.integers(3, 8), slow=st.integers(0, 5))
def test_results_come_in_order_and_few_are_not_taken_up(turns: list[int], at_once: int, slow: int) -> None:
    begun = taken = 0

    async def work(number: int) -> int:
        for _ in range(turns[number]):
            await asyncio.sleep(0)
        return number

    def begin(number: int):
        nonlocal begun
        begun += 1
        assert begun == number + 1  # in order
        assert begun - taken <= at_once
        return work(number)

    async def run() -> list[int]:
        nonlocal taken
        found = []
        async for number in side_by_side(numbers(len(turns)), begin, at_once):
            for _ in range(slow):
                await asyncio.sleep(0)
            found.append(number)
            taken += 1
        return found

    assert asyncio.run(run()) == list(range(len(turns)))


async def test_work_begins_while_a_result_is_taken_up() -> None:
    begun: list[int] = []
    ahead = asyncio.Event()

    async def work(number: int) -> int:
        begun.append(number)
        if number == 4:
            ahead.set()
        return number

    async with aclosing(side_by_side(numbers(9), work, 8)) as results:
        assert await anext(results) == 0
        await asyncio.wait_for(ahead.wait(), 5)  # nobody has asked for the next one
    assert begun[:5] == [0, 1, 2, 3, 4]


async def test_what_ends_the_items_comes_after_the_results_before_it() -> None:
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    results = side_by_side(numbers(3, SourceError("torn")), work, 8)
    assert [await anext(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match="torn"):
        await anext(results)


async def test_what_fails_in_one_piece_of_work_is_raised_in_its_place() -> None:
    async def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results = side_by_side(numbers(5), work, 4)
    assert [await anext(results) for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        await anext(results)


async def test_what_else_fails_after_that_is_not_left_for_asyncio_to_complain_of() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def work(number: int) -> int:
        for _ in range(0 if number else 9):  # the first fails last
            await asyncio.sleep(0)
        raise ValueError(str(number))

    with suppress(ValueError):  # not `pytest.raises`, which would keep the tasks alive
        async for _ in side_by_side(numbers(5), work, 8):
            pass
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_whoever_stops_leaves_no_work_and_no_open_items() -> None:
    closed, cancelled = [], []

    async def endless() -> AsyncGenerator[int, None]:
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            closed.append(True)

    async def work(number: int) -> int:
        try:
            if number:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    async with aclosing(side_by_side(endless(), work, 4)) as results:
        assert await anext(results) == 0
        for _ in range(20):
            await asyncio.sleep(0)
    assert closed == [True]
    assert sorted(cancelled) == [1, 2, 3]
    assert asyncio.all_tasks() == {asyncio.current_task()}
