"""A source without references: its first seconds are held back until they have set the limits, and judged then.

What it shows since then lifts the limits (`alarm_agents.uncertainty.records`): a few seconds know little of a place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from alarm_agents.errors import AlarmError
from alarm_agents.monitor.stage import Measured
from alarm_agents.tools.camera import blindness
from alarm_agents.types import Measurement, Rule, RuleKind, Window
from alarm_agents.uncertainty.records import Records

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
    while True:
        try:
            found = await asyncio.to_thread(next, stage, None)
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
    if error is not None:
        raise error


class Lifts:
    """By how much what a source has shown lifts the limits of its warm-up, window by window, in order."""

    def __init__(self, rules: Callable[[], Sequence[Rule]]) -> None:
        """`rules` gives the active rules; without any of a warm-up nothing is lifted."""
        self._rules, self._records = rules, Records()
        self._began: float | None = None

    def of(self, window: Window, measurements: Sequence[Measurement]) -> float:
        """What the limits are multiplied by for the next window, at least 1; 1 for those that set them."""
        if blindness(measurements):
            return 1.0
        self._began = window.start if self._began is None else self._began
        values = {f"{m.expert}.{name}": value for m in measurements for name, value in m.values.items()}
        if window.start - self._began < SECONDS:
            self._records.learn(values)
            return 1.0
        return self._records.lift(window.start, window.end, values, self._limits())

    def _limits(self) -> dict[str, float]:
        return {
            rule.threshold.measure: rule.threshold.limit
            for rule in self._rules()
            if rule.threshold is not None and rule.provenance.origin == "warm-up" and rule.kind is RuleKind.ANOMALOUS
        }
