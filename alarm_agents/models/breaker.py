"""The circuit breaker of one model: one that is down is left alone for a while, and then tried by one call.

The libraries for it (`circuitbreaker`, `purgatory`, `pybreaker`) let all waiting calls through when the time is up, or
count a cancelled call as a success; with many windows waiting for a server that starts, both matter.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alarm_agents.errors import ModelError
from alarm_agents.models import faults


class ModelDownError(ModelError):
    """The model is not asked, because its last calls failed."""


class Breaker:
    """Opens after `failures` transient failures in a row; `period_s` later one call goes through and decides.

    Any answer closes it, also one that refuses the request: then the server is there.
    """

    def __init__(
        self, failures: int = 5, period_s: float = 15.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.failures, self.period_s = failures, period_s
        self._clock = clock
        self._failed = 0
        self._until = -math.inf
        self._trying = False
        self._why = ""

    @property
    def open(self) -> bool:
        """Whether the model counts as down; a call may still be the one that finds it back."""
        return self._failed >= self.failures

    @property
    def left_s(self) -> float:
        """Seconds until the model may be asked again; 0 where it may be now."""
        return max(0.0, self._until - self._clock()) if self.open else 0.0

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call, in the block; raises `ModelDownError` instead where the model is not to be asked now."""
        trying = self.open
        if trying:
            self._refuse()
            self._trying = True
        try:
            yield
        except Exception as error:
            if faults.is_transient(error):
                self._fail(faults.reason(error))
            else:
                self._failed = 0
            raise
        else:
            self._failed = 0
        finally:  # a call that is cancelled says nothing of the model
            self._trying = self._trying and not trying

    def _refuse(self) -> None:
        if self.left_s > 0:
            raise ModelDownError(f"the model is down ({self._why}), tried again in {math.ceil(self.left_s)} s")
        if self._trying:
            raise ModelDownError(f"the model is down ({self._why}), and being tried again now")

    def _fail(self, why: str) -> None:
        self._failed += 1
        self._why = why
        if self.open:
            self._until = self._clock() + self.period_s
