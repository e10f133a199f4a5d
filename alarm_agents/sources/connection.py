"""Keeping a connection to a live source: it is opened by PyAV, watched by time-outs, and made again when it is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
)
from tenacity.wait import wait_base, wait_random_exponential

from alarm_agents.errors import SourceError
from alarm_agents.sources.address import Address

SILENCE = 10.0
"""Seconds without data after which a connection is given up as hung."""
BACK_OFF = wait_random_exponential(multiplier=0.5, max=30)
"""Before the n-th attempt in a row a random time up to 0.5 * 2**n seconds, so that cameras are not tried in step."""
REST = 0.5
"""Seconds before a connection that gave pictures is made again."""
UNREADABLE = 50
"""Packets in a row that cannot be decoded, after which the connection is made again."""
DRIFT = 30.0
"""Seconds ahead of their time that pictures can be; more is a clock that was set."""
_log = logging.getLogger(__name__)


class _Lost(Exception):
    """The connection is gone; the message says why, without the address."""


def pictures(
    address: Address, stopped: Event, *, silence: float = SILENCE, back_off: wait_base = BACK_OFF, rest: float = REST
) -> Iterator[tuple[VideoFrame, bool]]:
    """Decoded pictures as they come, over all losses, until `stopped`; and whether each is a connection's first.

    Every loss and return is logged. Raises `SourceError` where there is a recording and not a live stream.
    """

    def say(state: RetryCallState) -> None:
        reason = state.outcome.exception() if state.outcome else None
        _log.warning("%s: no picture (%s); trying again in %.1f s", address.name, reason, state.upcoming_sleep)

    retrying = Retrying(
        wait=back_off,
        retry=retry_if_exception_type(_Lost),
        stop=stop_when_event_set(stopped),
        sleep=sleep_using_event(stopped),
        before_sleep=say,
    )
    lost = False
    while not stopped.is_set():
        try:
            container, first, rest_of_it = retrying(_connect, address, silence, stopped)
        except RetryError:  # stopped
            return
        if lost:
            _log.warning("%s: the pictures are back", address.name)
        with container:
            yield first, True
            try:
                for frame in rest_of_it:
                    yield frame, False
            except _Lost as error:
                _log.warning("%s: the connection is lost (%s)", address.name, error)
        lost = True
        stopped.wait(rest)


def _connect(
    address: Address, silence: float, stopped: Event
) -> tuple[InputContainer, VideoFrame, Iterator[VideoFrame]]:
    """A connection that has given its first picture, and those that follow; raises `_Lost`."""
    container = _opened(address, silence)
    try:
        frames = _decoded(container, _stream(container, address), silence, stopped)
        return container, next(frames), frames
    except StopIteration:
        container.close()
        raise _Lost("stopped") from None
    except (_Lost, SourceError):
        container.close()
        raise


def _stream(container: InputContainer, address: Address) -> VideoStream:
    """The stream of pictures; raises `_Lost` without one, and `SourceError` for a recording."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        raise _Lost("there are no pictures in this stream")
    if container.duration is not None and address.url.lower().startswith("http"):
        message = "this is a recording, not a live stream"
        raise SourceError(message, where=address.name, remedy="download it and watch the file")
    stream.thread_type = ThreadType.SLICE  # threads by frame would hold pictures back
    return stream


def _opened(address: Address, silence: float) -> InputContainer:
    try:
        return av.open(
            address.url,
            "r",
            format=address.format,
            options=dict(address.options),
            timeout=(silence, silence),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _Lost(_reason(error, silence)) from None  # its message and traceback hold the whole address


def _decoded(container: InputContainer, stream: VideoStream, silence: float, stopped: Event) -> Iterator[VideoFrame]:
    """Good pictures until the stream ends, which for a live one is a loss: raises `_Lost`."""
    due = _paced(stream, stopped) if container.format.name == "hls" else None
    unreadable = 0
    packets = container.demux(stream)
    while not stopped.is_set():
        try:
            packet = next(packets)
            if packet.size == 0:
                raise _Lost("the stream ended")
        except StopIteration:
            raise _Lost("the stream ended") from None
        except av.FFmpegError as error:
            raise _Lost(_reason(error, silence)) from None
        try:
            frames = [frame for frame in packet.decode() if not frame.is_corrupt]
            unreadable = 0
        except av.FFmpegError:
            frames, unreadable = [], unreadable + 1
        if unreadable > UNREADABLE:
            raise _Lost("what comes cannot be decoded")
        for frame in frames:
            if due is not None:
                due(frame)
            yield frame


def _paced(stream: VideoStream, stopped: Event) -> Callable[[VideoFrame], None]:
    """Waits until a picture is due: HLS brings seconds of pictures at once."""
    origin: float | None = None

    def due(frame: VideoFrame) -> None:
        nonlocal origin
        if frame.pts is None or stream.time_base is None:
            return
        stamp = float(frame.pts * stream.time_base)
        now = monotonic()
        if origin is None or not 0 <= origin + stamp - now <= DRIFT:
            origin = now - stamp
        stopped.wait(origin + stamp - now)

    return due


def _reason(error: Exception, silence: float) -> str:
    """Why, without the address, which FFmpeg's messages repeat."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return f"no data for {silence:.0f} s"
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()
