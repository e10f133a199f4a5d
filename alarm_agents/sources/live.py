"""Live sources: cameras and streams that go on whether somebody looks or not. The newest pictures count."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from threading import Condition, Event, Lock, Thread
from typing import ClassVar, Literal

import numpy as np
from av.video.frame import VideoFrame

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.address import Address
from alarm_agents.sources.connection import SILENCE, pictures
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.video import image_of

PATIENCE = 3.0
"""Seconds without a picture after which the camera is said to be lost."""
SELDOM = 300.0
"""Seconds from one such notice to the next at most; they begin with `PATIENCE` and double."""
SETTLING = 0.5
"""Seconds after a connection or a hiccup in which pictures are passed over: what was held back comes at once, with
times that would make everything in it fast."""
HICCUP = (1.0, 5.0)
"""Seconds, and times the usual time between two pictures, after which the next one counts as coming after a hiccup."""
EARLY = 0.3
"""How much of the time between two pictures one may come early and still be kept: networks jitter."""
HELD_BYTES = 192 << 20
"""Of decoded pictures held to be read again: 8 s of 1920x1080 at 10 fps."""
SAID = 10.0
"""Seconds from one note on dropped pictures to the next at least."""
Pictures = Callable[[Address, Event], Iterator[tuple[VideoFrame, bool]]]
_log = logging.getLogger(__name__)


def steady_clock() -> Callable[[], float]:
    """Unix seconds that never go back, whatever is done to the machine's clock."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()


@dataclass(frozen=True)
class _Held:
    """A decoded picture, when it came, and the number of the connection that brought it."""

    frame: VideoFrame
    time: float
    stretch: int


class LiveSource:
    """A camera or stream. Numbers count the pictures given out; times are Unix seconds at which they came.

    A thread decodes all that comes and keeps the newest at the scenario's rate: a slow reader misses pictures and
    never lags by more than a window. While there is no picture, `frames` gives black ones in its place that say so.
    """

    kind: ClassVar[Literal["frames"]] = "frames"
    live: ClassVar[bool] = True

    def __init__(
        self,
        address: Address,
        settings: SourceSettings,
        *,
        clock: Callable[[], float] | None = None,
        patience: float = PATIENCE,
        settling: float = SETTLING,
        connection: Pictures = pictures,
    ) -> None:
        """Nothing is opened before `frames` is asked for. `clock` gives Unix seconds."""
        self.name, self.slug, self.fps = address.name, address.slug, settings.fps
        self.fingerprint = hashlib.sha256(f"{address.name} {time.time_ns()}".encode() + os.urandom(16)).hexdigest()
        self._address, self._settings, self._pictures = address, settings, connection
        self._clock, self._patience = clock or steady_clock(), max(patience, 3 / settings.fps)
        self._settling = settling
        self._coming: deque[_Held] = deque()
        self._changed, self._stopped, self._reading = Condition(Lock()), Event(), Lock()
        self._reader = Thread(target=self._run, name=f"live {self.slug}", daemon=True)
        self._error: BaseException | None = None
        self._held: dict[int, _Held] = {}
        self._shape = (settings.max_side * 9 // 16, settings.max_side, 3)
        self._count, self._notices, self._dropped, self._said = 0, 0, 0, 0.0

    def stop(self) -> None:
        """Let `frames` end after the picture at hand; may be called from any thread, and a signal handler."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def frames(self) -> Generator[Picture, None, None]:
        """Pictures as they come, masked and scaled, until `stop`; to be asked for once.

        After `PATIENCE` seconds without one, and then ever less often, a black picture of a stretch of its own says
        so by `lost`. Raises `SourceError` where the address is not of a live stream, or after `give_up_s`.
        """
        atexit.register(self._leave)
        self._reader.start()
        try:
            yield from self._followed()
        finally:
            self.stop()

    def read(self, first: int, last: int, *, max_side: int | None = None, every: bool = False) -> list[Picture]:
        """The pictures numbered `first` to `last` that are still held (`HELD_BYTES`), see `Source.read`."""
        del every  # a picture that was not given out has no number
        with self._changed:
            found = [(index, self._held[index]) for index in range(first, last + 1) if index in self._held]
        return [self._picture(index, held, max_side) for index, held in found]

    def _followed(self) -> Iterator[Picture]:
        since = told = self._clock()  # when the last picture came, and up to when its absence has been told
        notice = self._patience
        while True:
            found = self._next(told + notice - self._clock())
            if self._stopped.is_set():
                return
            now = found.time if found is not None else self._clock()
            if found is None or (told > since and now - told >= 1 / self.fps):
                yield self._notice(told, now, now - since)
                told, notice = now, min(2 * notice, SELDOM)
            if found is not None:
                yield self._given(found)
                since = told = found.time
                notice = self._patience
            elif self._settings.give_up_s is not None and now - since >= self._settings.give_up_s:
                message = f"no picture for {now - since:.0f} s"
                raise SourceError(message, where=self.name, remedy="check the camera, or raise source.give_up_s")

    def _run(self) -> None:
        """The reader thread."""
        stretch, usual, last, due = 0, float("inf"), 0.0, 0.0
        try:
            for frame, fresh in self._pictures(self._address, self._stopped):
                now, between = max(self._clock(), last + 0.001), 1 / self.fps
                gap, last = now - last, now
                if fresh or gap > max(HICCUP[0], HICCUP[1] * usual):
                    stretch, due = stretch + 1, now + self._settling + EARLY * between
                if not fresh:
                    usual = min(usual, gap) + 0.1 * (gap - min(usual, gap))
                if now < due - EARLY * between:
                    continue
                due = max(due + between, now + between / 2)
                with self._changed:
                    self._coming.append(_Held(frame, now, stretch))
                    if len(self._coming) > max(self._settings.frames, 2):
                        self._coming.popleft()
                        self._dropped += 1
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 - it is raised where the pictures are asked for
            with self._changed:
                self._error = error
                self._changed.notify_all()
        finally:
            atexit.unregister(self._leave)

    def _leave(self) -> None:
        """Let the reader end before the interpreter does.

        While FFmpeg waits for data PyAV asks Python for the time, which crashes the process when Python has gone.
        """
        self.stop()
        self._reader.join(timeout=0.2)  # with the next picture, where the camera works
        if self._reader.is_alive():
            _log.warning("%s: its connection hangs and is given up within %.0f s", self.name, SILENCE)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the next Ctrl-C leaves at once
            self._reader.join(timeout=2 * SILENCE)

    def _next(self, seconds: float) -> _Held | None:
        """The next picture; None where none comes for so long, or when stopped."""

        def something() -> bool:
            return bool(self._coming or self._error or self._stopped.is_set())

        with self._changed:
            self._changed.wait_for(something, timeout=max(seconds, 0.0))
            if self._coming:
                return self._coming.popleft()
            if self._error is not None:
                raise self._error
        return None

    def _given(self, held: _Held) -> Picture:
        """The picture with its number, remembered for `read`."""
        index = self._number()
        with self._changed:
            self._held[index] = held
            size = held.frame.width * held.frame.height * 3 // 2  # planes of YUV 4:2:0, as nearly all cameras send
            while len(self._held) > max(HELD_BYTES // max(size, 1), self._settings.frames):
                del self._held[next(iter(self._held))]
            dropped = self._dropped
        if dropped and held.time - self._said >= SAID:
            self._said = held.time
            _log.warning("%s: %d pictures dropped so far, since judging is slower than the camera", self.name, dropped)
        picture = self._picture(index, held, self._settings.max_side)
        self._shape = picture.image.shape
        return picture

    def _picture(self, index: int, held: _Held, max_side: int | None) -> Picture:
        with self._reading:  # a frame's converter serves one at a time
            image = image_of(held.frame, self._settings.masks, max_side)
        return Picture(image, index, held.time, self.fps, held.stretch)

    def _notice(self, start: float, end: float, lost: float) -> Picture:
        """A black picture that stands for the time from `start` to `end`, in which none came."""
        self._notices += 1
        black = np.zeros(self._shape, np.uint8)
        return Picture(black, self._number(), start, 1 / (end - start), -self._notices, lost)

    def _number(self) -> int:
        self._count += 1
        return self._count - 1
