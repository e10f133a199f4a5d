"""Video files, by PyAV (FFmpeg): container time stamps, reduced rates, and reading a stretch again by seeking."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import av
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from alarm_agents.errors import SourceError
from alarm_agents.settings import Polygon, SourceSettings
from alarm_agents.sources.base import fingerprint_file, slug_of
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.regions import Image, apply_masks, scale_down
from alarm_agents.sources.timeline import Place, Timeline

FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,obu,ivf,mjpeg,mpjpeg,gif,mxf,nut,dv,wtv,"
    "m4v,dhav,yuv4mpegpipe,rm"
)
"""FFmpeg's formats that hold their pictures themselves. Others, such as playlists, can name any file on this
machine or in the network, and a file's name does not tell them apart: FFmpeg goes by content."""
UNSTAMPED = frozenset({"avi", "h264", "hevc", "m4v", "mjpeg", "mpegvideo", "obu"})
"""Formats without presentation time stamps: what FFmpeg derives for them comes out of order or not at all. Of AVI this
holds where pictures are not stored in the order in which they are shown; else its slots, which may be empty, are times.
"""
SPACING = 48
"""Pictures for which one place to seek to is remembered, so that a long stream costs little memory."""
LEADS = (0, 10)
"""Seconds before such a place that are tried in turn: some formats (MPEG-TS) land behind what was asked for."""
SLACK = 1.0
"""Seconds (or 2%, if more) that a video may fall short of what its header promises before it "ends early"."""


class _Own(threading.local):
    """Each thread's own: a reformatter cannot be shared, and one made anew for each frame takes as long as decoding."""

    def __init__(self) -> None:
        self.reformatter = VideoReformatter()


_own = _Own()


@dataclass
class _Damage:
    """What could not be decoded, counted in pictures or packets."""

    count: int = 0
    after: float = 0.0
    """Seconds at which the last good picture before the first damage lies."""
    reached: int = 0
    """Where the latest picture ends by its time stamp and duration, in the stream's unit."""

    def add(self, last: Place | None) -> None:
        self.after = self.after if self.count else float(last.time) if last else 0.0
        self.count += 1


class VideoSource:
    """A video file. Numbers count decoded pictures; a damaged picture has a number but is never yielded."""

    kind: ClassVar[Literal["frames"]] = "frames"
    live: ClassVar[bool] = False

    def __init__(self, path: Path, settings: SourceSettings, *, name: str) -> None:
        """Open the file to look at its header. Raises `SourceError` when it is not a video that can be decoded."""
        self.name, self.slug, self._path, self._settings = name, slug_of(path), path, settings
        with self._opened() as (container, stream):
            rate = Fraction(stream.average_rate or stream.guessed_rate or settings.fps)
            self.fps = min(float(rate), settings.fps)
            self._timeline = Timeline(
                rate=rate,
                unit=Fraction(stream.time_base or 1 / rate),
                stamped=_stamped(container, stream),
                fps=Fraction(settings.fps) if rate > settings.fps else None,
            )
            self._size = (stream.width or None, stream.height or None)
            self._start = float((stream.start_time or 0) * self._timeline.unit)
            self._promised = _promised(container, stream, rate)
        self._anchors: dict[int, Place] = {}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the file's size and content, see `fingerprint_file`."""
        return fingerprint_file(self._path)

    def frames(self) -> Iterator[Picture]:
        """The video in order, at the scenario's rate and size; raises `SourceError` after what can be read."""
        damage, last = _Damage(), None
        for place, frame in self._walk(None, damage):
            last = place
            if place.kept:
                yield self._picture(place, frame, self._settings.max_side)
        self._judge(last, damage)

    def read(self, first: int, last: int, *, max_side: int | None = None, every: bool = False) -> list[Picture]:
        """Pictures `first` to `last` again, see `Source.read`.

        It seeks to the nearest key frame that has been passed before in this process, in `frames` or here; without
        one it decodes from the start, which is the only way to count pictures that is exact for every format.
        """
        anchors = [place for place in tuple(self._anchors.values()) if place.index <= first]
        anchor = max(anchors, key=lambda place: place.index, default=None)
        found = []
        with closing(self._walk(anchor, _Damage())) as walk:
            for place, frame in walk:
                if place.index > last:
                    break
                if place.index >= first and (every or place.kept):
                    found.append(self._picture(place, frame, max_side))
        return found

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        remedy = "give a video file that FFmpeg can decode (MP4, MKV, AVI, ...)"
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
        try:
            container = av.open(str(self._path.absolute()), "r", options=options, metadata_errors="replace")
        except av.FFmpegError as error:
            message = "this is not a video, or it is cut off or damaged from the start"
            raise SourceError(message, where=self.name, remedy=remedy) from error
        with container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream) or stream.codec_context is None:
                raise SourceError("there are no pictures in this file", where=self.name, remedy=remedy)
            stream.thread_type = ThreadType.AUTO
            yield container, stream

    def _walk(self, anchor: Place | None, damage: _Damage) -> Generator[tuple[Place, VideoFrame], None, None]:
        """All good pictures from the anchor on, or from the start where there is none or seeking fails."""
        for lead in LEADS if anchor else ():
            with self._opened() as (container, stream):
                frames = self._decoded(container, stream)
                if anchor and (frame := _sought(container, stream, frames, anchor, round(lead / self._timeline.unit))):
                    yield anchor, frame
                    yield from self._placed(frames, anchor, damage)
                    return
        with self._opened() as (container, stream):
            yield from self._placed(self._decoded(container, stream), None, damage)

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | None]:
        """Decoded pictures in order of presentation; None for each thing that cannot be decoded."""
        for packet in _packets(container, stream):
            try:
                yield from stream.decode(packet)
            except av.EOFError:
                return  # the decoder had been emptied before
            except av.FFmpegError:
                yield None
            if packet is None:
                yield None

    def _placed(
        self, frames: Iterator[VideoFrame | None], last: Place | None, damage: _Damage
    ) -> Iterator[tuple[Place, VideoFrame]]:
        """The good ones among the pictures that follow `last`, with their places."""
        for frame in frames:
            if frame is None:
                damage.add(last)
                continue
            if frame.is_corrupt and last is None:
                continue  # a recording that starts between key frames starts with its first whole picture
            last = self._timeline.follow(last, frame.pts)
            damage.reached = max(damage.reached, (frame.pts or 0) + (frame.duration or 0))
            if frame.is_corrupt:
                damage.add(last)
                continue
            self._remember(last, frame)
            yield last, frame

    def _remember(self, place: Place, frame: VideoFrame) -> None:
        """Keep a place to seek to, the first in every `SPACING` pictures."""
        if frame.key_frame and frame.pts is not None:
            self._anchors.setdefault(place.index // SPACING, place)

    def _picture(self, place: Place, frame: VideoFrame, max_side: int | None) -> Picture:
        image = image_of(frame, self._settings.masks, max_side, self._size)
        return Picture(image, place.index, float(place.time), self.fps)

    def _judge(self, last: Place | None, damage: _Damage) -> None:
        """Raise `SourceError` where the video was not all there."""
        if last is None:
            raise SourceError("no picture in this video can be decoded", where=self.name, remedy="record it again")
        remedy = "what could be read was watched; copy the file again if the original is whole"
        reached = float(damage.reached * self._timeline.unit) - self._start
        if self._promised - reached > max(SLACK, 0.02 * self._promised):
            message = f"ends early at {float(last.time):.1f} s of {self._promised:.1f} s"
            raise SourceError(message, where=self.name, remedy=remedy)
        if damage.count:
            message = f"{damage.count} pictures or parts are damaged, the first after {damage.after:.1f} s"
            raise SourceError(message, where=self.name, remedy=remedy)


def image_of(
    frame: VideoFrame,
    masks: Sequence[Polygon],
    max_side: int | None,
    size: tuple[int | None, int | None] = (None, None),
) -> Image:
    """A decoded frame as (h, w, 3) BGR, upright, masked and scaled down to `max_side`.

    `size` is the stream's width and height: a frame may differ where the camera was switched over.
    """
    converted = _own.reformatter.reformat(frame, width=size[0], height=size[1], format="bgr24")
    image = np.asarray(converted.to_ndarray(), dtype=np.uint8)
    if turns := round(frame.rotation / 90) % 4:
        image = np.ascontiguousarray(np.rot90(image, turns))  # both count counter-clockwise
    return scale_down(apply_masks(image, masks), max_side)


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream] | None]:
    """The stream's packets; where reading fails, None, which tells the decoder to give out what it has."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError:
        yield None


def _sought(
    container: InputContainer, stream: VideoStream, frames: Iterator[VideoFrame | None], anchor: Place, lead: int
) -> VideoFrame | None:
    """The anchor's own picture, the next in `frames` after seeking to it; None where it is missed."""
    try:
        container.seek((anchor.pts or 0) - lead, stream=stream)
    except av.FFmpegError:
        return None
    for frame in frames:
        if frame is not None and frame.pts is not None and frame.pts >= (anchor.pts or 0):
            return frame if frame.pts == anchor.pts and frame.key_frame and not frame.is_corrupt else None
    return None


def _stamped(container: InputContainer, stream: VideoStream) -> bool:
    name = container.format.name
    return name not in UNSTAMPED or (name == "avi" and not stream.codec_context.has_b_frames)


def _promised(container: InputContainer, stream: VideoStream, rate: Fraction) -> float:
    """Seconds that the stream should last by its header; 0 where the header is silent."""
    lengths = [float(stream.frames / rate)]
    if stream.duration is not None and stream.time_base is not None:
        lengths.append(float(stream.duration * stream.time_base))
    elif container.duration is not None and len(container.streams) == 1:
        lengths.append(container.duration / av.time_base)
    return max(lengths)
