"""A source without references: its first seconds are held back until they have set the limits, and judged then.

What alarms for long after that is how the source is now, and lifts the limits: a few seconds know little of a place.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from alarm_agents.errors import AlarmError
from alarm_agents.graphs.casework import COOL_DOWN
from alarm_agents.monitor.stage import Measured
from alarm_agents.tools.camera import blindness
from alarm_agents.types import Measurement, Rule, RuleKind, Window
from alarm_agents.uncertainty.calibration import WARM_UP_REACH, WARM_UP_SPREAD, Calibration

SECONDS = 4.0
"""How long a source is watched before the threshold is set."""
LASTS = 3 * SECONDS
"""Seconds beyond the limits within one incident after which what was told once is the new usual."""
ALIKE = 4.0
"""Times as strong, up to which what is beyond the limits counts as the same that lasts."""
CALM = 60.0
"""Seconds within the limits of the warm-up after which these hold again."""


async def warmed_up(
    stage: Iterator[Measured], warm: bool, learn: Callable[[Sequence[Measured]], Awaitable[None]]
) -> AsyncGenerator[Measured, None]:
    """What the stage measures, in order; unless it is `warm` already, `learn` is given the first seconds before.

    Raises what the stage raises, after all that was measured before.
    """
    error: AlarmError | None = None
    held: list[Measured] = []
    # A thread of its own: what pictures leave behind is then taken up again by the next ones. Of a pool's threads each
    # keeps memory of its own, and in all of them it grows for hours.
    thread, loop = ThreadPoolExecutor(1, "stage"), asyncio.get_running_loop()
    coming: asyncio.Future[Measured | None] | None = None
    try:
        while True:
            coming = coming or loop.run_in_executor(thread, next, stage, None)
            try:
                found = await coming
            except AlarmError as raised:  # what was measured before is judged first
                found, error = None, raised
            # The next window is measured while this one is judged; but not with limits that are yet to be learned.
            coming = loop.run_in_executor(thread, next, stage, None) if warm and found is not None else None
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
        if coming is not None:
            coming.cancel()
        thread.shutdown(wait=False)
    if error is not None:
        raise error


class Lifts:
    """By how much the limits of one source's warm-up are lifted, window by window, in order.

    They hang on what was measured alone, so that a watch that is cut off and run again lifts them at the same windows.
    """

    def __init__(self, rules: Callable[[], Sequence[Rule]]) -> None:
        """`rules` gives the active rules of the source; without any of a warm-up nothing is lifted."""
        self._rules, self._lift = rules, 1.0
        self._beyond: list[tuple[float, float]] = []
        """Strength and seconds of what has been beyond the limits in the incident that goes on."""
        self._last, self._calm_since = 0.0, 0.0

    def of(self, window: Window, measurements: Sequence[Measurement]) -> float:
        """What the limits are multiplied by for the next window, at least 1."""
        if blindness(measurements):
            return self._lift
        strength = self._strength(measurements)
        if strength > 1.0:
            self._calm_since = window.end
        elif window.end - self._calm_since >= CALM:
            self._lift = 1.0
        lift = self._lift
        if strength > lift:
            if window.start > self._last + COOL_DOWN:
                self._beyond = []
            self._beyond.append((strength, window.end - max(window.start, self._last)))
            self._last = window.end
            lasting = self._lasting()
            if lasting is not None:
                self._lift = max(lift, _usual(lasting))
                self._beyond = []
        return lift

    def _lasting(self) -> NDArray[np.float64] | None:
        """The strengths of the strongest that has lasted; what is far weaker or stronger has not lasted with it."""
        strengths, seconds = np.array(self._beyond).T
        for strongest in np.sort(strengths)[::-1]:
            alike = (strengths <= strongest) & (strengths * ALIKE >= strongest)
            if seconds[alike].sum() >= LASTS:
                return np.asarray(strengths[alike])
        return None

    def _strength(self, measurements: Sequence[Measurement]) -> float:
        """The window's largest measure, in times its limit; 0 where none has one."""
        values = {f"{m.expert}.{name}": value for m in measurements for name, value in m.values.items()}
        limits = {
            rule.threshold.measure: rule.threshold.limit
            for rule in self._rules()
            if rule.threshold is not None and rule.provenance.origin == "warm-up" and rule.kind is RuleKind.ANOMALOUS
        }
        return max(
            (values[name] / limit for name, limit in limits.items() if name in values and limit > 0), default=0.0
        )


def _usual(shown: NDArray[np.float64]) -> float:
    """How strong what has lasted gets, as a warm-up of it would say; little beyond the strongest it has shown."""
    return min(Calibration.warm_up(shown).reach(), float(shown.max()) * math.exp(WARM_UP_REACH * WARM_UP_SPREAD))
