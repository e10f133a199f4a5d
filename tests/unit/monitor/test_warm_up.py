"""Sources without references: what alarms for long is the new usual, and nothing else is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.errors import SourceError
from alarm_agents.monitor.stage import Measured
from alarm_agents.monitor.warm_up import CALM, LASTS, Lifts, warmed_up
from alarm_agents.monitor.warm_up import SECONDS as WARM_UP
from alarm_agents.types import RuleKind, Threshold
from support.records import motion, rule, window

LIMIT = 0.1
RULE = rule(
    "too fast",
    origin="warm-up",
    predicate=f"motion.speed > {LIMIT}",
    threshold=Threshold(measure="motion.speed", limit=LIMIT, typical=0.05, spread=0.1),
)
SECONDS = 1.6
CALM_SPEED, TRAFFIC, RACE = 0.05, 0.3, 1.2


def alarms(*speeds: float, origin: str = "warm-up") -> list[bool]:
    """Which of the windows, one after another, are beyond the lifted limit."""
    known = RULE.model_copy(update={"provenance": RULE.provenance.model_copy(update={"origin": origin})})
    lifts, found = Lifts(lambda: [known, known.model_copy(update={"kind": RuleKind.NORMAL})]), []
    for number, speed in enumerate(speeds):
        lift = lifts.of(window(number * SECONDS, frames=16), [motion(*[speed] * 16, name="speed")])
        found.append(speed > lift * LIMIT)
    return found


def told(*stretches: tuple[float, float], origin: str = "warm-up") -> list[float]:
    """For each stretch of a speed and seconds the share of its windows that alarm."""
    counts = [max(1, round(seconds / SECONDS)) for _, seconds in stretches]
    speeds = [speed for (speed, _), count in zip(stretches, counts, strict=True) for speed in [speed] * count]
    found = iter(alarms(*speeds, origin=origin))
    return [sum(next(found) for _ in range(count)) / count for count in counts]


def test_traffic_that_goes_on_is_told_once_and_a_race_through_it_is_told() -> None:
    shares = told((CALM_SPEED, 5), (TRAFFIC, LASTS), (TRAFFIC, 60), (RACE, 2), (TRAFFIC, 20))
    assert shares == [0, 1, 0, 1, 0]


def test_traffic_with_gaps_is_the_usual_too() -> None:
    cars = [TRAFFIC, CALM_SPEED, CALM_SPEED] * 30
    assert not any(alarms(*cars)[40:])


def test_what_ends_soon_teaches_nothing_however_often_it_comes() -> None:
    assert set(told(*[(TRAFFIC, 4), (CALM_SPEED, 20)] * 20)[::2]) == {1.0}


def test_a_short_race_among_what_lasts_is_told_again_the_next_time() -> None:
    shares = told((CALM_SPEED, 5), (1.2 * LIMIT, 6), (RACE, 6), (CALM_SPEED, 8), (RACE, 6))
    assert shares == [0, 1, 1, 0, 1]


def test_after_a_calm_minute_the_first_limits_hold_again() -> None:
    assert told((TRAFFIC, 20), (CALM_SPEED, CALM / 2), (TRAFFIC, 5))[-1] == 0
    assert told((TRAFFIC, 20), (CALM_SPEED, CALM + 5), (TRAFFIC, 5))[-1] == 1


def test_limits_of_references_are_never_lifted() -> None:
    assert told((TRAFFIC, 100), origin="references") == [1.0]


@given(st.lists(st.floats(0.0, 2.0), max_size=60), st.floats(1.5, 100.0))
def test_what_is_clearly_stronger_than_all_before_it_always_alarms(speeds: list[float], times: float) -> None:
    strongest = max([LIMIT, *speeds])
    assert alarms(*speeds, times * strongest)[-1]


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_watch_that_is_run_again_lifts_the_same_windows(cut: int) -> None:
    speeds = [CALM_SPEED] * 3 + [TRAFFIC] * 20 + [RACE] + [CALM_SPEED] * 5
    assert alarms(*speeds)[:cut] == alarms(*speeds[:cut])


class Asked:
    """A stage that says how many windows it was asked for, and ends with an error if told to."""

    def __init__(self, count: int, error: bool = False) -> None:
        self.begun = [threading.Event() for _ in range(count + 1)]
        self._count, self._error = count, error

    def __iter__(self) -> Iterator[Measured]:
        for number in range(self._count):
            self.begun[number].set()
            yield window(number * SECONDS, frames=16), (motion(*[CALM_SPEED] * 16, name="speed"),)
        self.begun[self._count].set()
        if self._error:
            raise SourceError("the camera is gone")


async def test_the_next_window_is_measured_while_one_is_judged() -> None:
    stage = Asked(2)
    measured = warmed_up(iter(stage), True, _learns_nothing)
    await anext(measured)
    assert await asyncio.to_thread(stage.begun[1].wait, 5.0), "nobody has asked for it yet"
    assert [found[0].start async for found in measured] == [SECONDS]


async def test_no_window_after_the_warm_up_is_measured_before_its_limits_are_learned() -> None:
    stage, asked_before = Asked(6), []

    async def learn(held: Sequence[Measured]) -> None:
        await asyncio.sleep(0)
        asked_before.append((len(held), sum(begun.is_set() for begun in stage.begun)))

    found = [each async for each in warmed_up(iter(stage), False, learn)]
    held = int(-(-WARM_UP // SECONDS))
    assert asked_before == [(held, held)]
    assert len(found) == 6


async def test_what_was_measured_before_a_source_fails_is_told_before_the_failure() -> None:
    measured = warmed_up(iter(Asked(3, error=True)), True, _learns_nothing)
    assert [(await anext(measured))[0].start for _ in range(3)] == [0.0, SECONDS, 2 * SECONDS]
    with pytest.raises(SourceError, match="gone"):
        await anext(measured)


async def _learns_nothing(held: Sequence[Measured]) -> None:
    raise AssertionError(f"{len(held)} windows were held back")
