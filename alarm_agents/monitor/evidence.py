"""What an incident looked like: annotated key frames and a short clip, under `evidence/` in the workspace.

Records hold references only. Pictures come from `Media`, so privacy masks are in them. Files appear whole or not at
all, under names that follow from the case, so that watching again after a crash does not double them. Whatever goes
wrong here is told once and stops nothing: the incident stands without its pictures.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import av
import cv2

from alarm_agents.errors import SourceError
from alarm_agents.monitor.clock import Clock
from alarm_agents.monitor.drawing import annotate
from alarm_agents.monitor.moments import Moment, Sighting, moment_of, p_of, seen_at, sightings, telling
from alarm_agents.sources.encode import encode
from alarm_agents.sources.media import Media
from alarm_agents.sources.regions import Image, scale_down
from alarm_agents.types import Case, Incident
from alarm_agents.workspace.files import write_whole

FOLDER = "evidence"
FRAMES = 4
"""Key frames of an incident at most; the first shows how it began and stays, the others are the most telling."""
CLIP = "clip.mp4"
CLIP_SECONDS, CLIP_BEFORE, CLIP_SIDE = 10.0, 1.0, 480
"""Length of a clip at most, seconds of it before and after the incident, longest side in pixels."""
CLIP_QUALITY, CLIP_PRESET = 28, "ultrafast"
"""x264's CRF, and its effort: a third of the usual, for twice the bytes (30 kB a second), while others wait."""
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 85)
_log = logging.getLogger(__name__)


class Evidence:
    """Writes the evidence of one source's incidents into the workspace folder."""

    def __init__(self, folder: Path, media: Media) -> None:
        self._folder, self._media, self._failed = folder, media, False

    async def joined(self, incident: Incident, case: Case, held: Sequence[Case]) -> tuple[str, ...]:
        """The incident's references after `case` has joined it, with a key frame of the case if it is worth one.

        `held` are the cases that have a key frame already.
        """
        kept = incident.evidence
        if not case.window.frames:
            return kept
        if len(kept) >= FRAMES:
            ranked = {_name(one.id): telling(one) for one in held}
            weakest = min(kept[1:], key=lambda path: ranked.get(Path(path).name, (False, 0.0)))
            if telling(case) <= ranked.get(Path(weakest).name, (False, 0.0)):
                return kept
            kept = tuple(path for path in kept if path != weakest)
        written = await self._tried(lambda: self._key_frame(incident, case), incident)
        return incident.evidence if written is None else tuple(dict.fromkeys((*kept, written)))

    async def closed(self, incident: Incident, cases: Iterable[Case]) -> tuple[str, ...]:
        """The incident's references with its clip; `cases` are those of its cases near the most telling one."""
        near = [case for case in cases if case.window.frames]
        written = await self._tried(lambda: self._clip(incident, near), incident) if near else None
        return incident.evidence if written is None else tuple(dict.fromkeys((*incident.evidence, written)))

    def tidy(self, incident: Incident) -> None:
        """Remove key frames that the incident as it is stored no longer refers to."""
        kept = {Path(path).name for path in incident.evidence}
        with suppress(OSError):  # the next time may do it
            for file in (self._folder / FOLDER / incident.id).glob("*.jpg"):
                if file.name not in kept:
                    file.unlink(missing_ok=True)

    async def _tried(self, work: Callable[[], str | None], incident: Incident) -> str | None:
        """What the work gives, done off the event loop; None where there is no picture to be had."""
        try:
            return await asyncio.to_thread(work)
        except (SourceError, OSError, av.FFmpegError, cv2.error) as error:
            if not self._failed:  # the next incidents would say the same
                _log.warning("no evidence could be kept of %s (%s); incidents stand without it", incident.id, error)
            self._failed = True
            return None

    def _key_frame(self, incident: Incident, case: Case) -> str | None:
        moment = moment_of(case)
        frames = self._media.pictures(case.window)
        picture = next((frame for frame in frames if frame.index == moment.frame), None)
        if picture is None:
            return self._gone(case)
        seen = [sighting for sighting in sightings([case]) if sighting.fact in moment.facts]
        content = cv2.imencode(".jpg", annotate(picture.image, seen, _words(moment)), JPEG)[1].tobytes()
        return self._write(incident, _name(case.id), content)

    def _clip(self, incident: Incident, cases: Sequence[Case]) -> str | None:
        peak = moment_of(max(cases, key=telling))
        start, end = clip_span(incident, peak.time)
        frames = self._media.between(start, end, peak.case.window)
        if not frames:
            return self._gone(peak.case)
        seen = sightings(cases)
        pictures = (
            _annotated(scale_down(frame.image, CLIP_SIDE), seen, frame.time, cases)
            for frame in frames
            if frame.image.shape == frames[0].image.shape
        )
        content = io.BytesIO()
        encode(content, pictures, peak.case.window.fps, quality=CLIP_QUALITY, preset=CLIP_PRESET)
        return self._write(incident, CLIP, content.getvalue())

    def _gone(self, case: Case) -> str | None:
        """None for captions, which have no pictures; raises `SourceError` for pictures that are gone."""
        if self._media.kind == "captions":
            return None
        raise SourceError("its pictures are not to be had any more", where=case.id)

    def _write(self, incident: Incident, name: str, content: bytes) -> str:
        write_whole(self._folder / FOLDER / incident.id / name, content)
        return f"{FOLDER}/{incident.id}/{name}"


def key_frame_of(incident: Incident, case_id: str) -> str | None:
    """The reference of the case's key frame in the incident, if it has one."""
    return next((path for path in incident.evidence if Path(path).name == _name(case_id)), None)


def framed(incident: Incident) -> list[str]:
    """The ids of the incident's cases that have a key frame, in order."""
    shown = {Path(path).name for path in incident.evidence}
    return [case_id for case_id in incident.cases if _name(case_id) in shown]


def clip_span(incident: Incident, peak: float) -> tuple[float, float]:
    """From when to when the clip goes, in seconds: the incident with a little around it, or what is around the peak."""
    start, end = max(0.0, incident.start - CLIP_BEFORE), incident.end + CLIP_BEFORE
    if end - start > CLIP_SECONDS:
        start = min(max(start, peak - CLIP_SECONDS / 2), end - CLIP_SECONDS)
        end = start + CLIP_SECONDS
    return start, end


def _name(case_id: str) -> str:
    """A key frame is called by when its case's window starts, in milliseconds, as the case's id has it."""
    return f"{case_id.rpartition('-')[2]}.jpg"


def _words(moment: Moment) -> str:
    said = moment.facts[0].text if moment.facts else moment.case.title
    return f"{Clock(moment.time).text(moment.time)}   p {moment.p:.2f}   {said}"


def _annotated(image: Image, seen: Sequence[Sighting], time: float, cases: Sequence[Case]) -> Image:
    p = next((p_of(case) for case in cases if case.window.start <= time < case.window.end), None)
    return annotate(image, seen_at(time, seen), Clock(time).second(time) + ("" if p is None else f"   p {p:.2f}"))
