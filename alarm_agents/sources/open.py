"""From a path to a source: what is there decides the kind, unless the scenario names it."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Literal, TypeAlias

from natsort import natsorted

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.address import is_live, parse
from alarm_agents.sources.base import Source, readable
from alarm_agents.sources.captions import Caption, CaptionSource
from alarm_agents.sources.folder import FolderSource, is_picture, pictures_in
from alarm_agents.sources.live import LiveSource
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.video import VideoSource

AnySource: TypeAlias = Source[Picture] | Source[Caption]
Kind = Literal["video", "folder", "captions"]


def open_source(path: str, settings: SourceSettings, base: Path = Path()) -> AnySource:
    """The source at a path (relative to `base`): a video file, a folder of pictures or a pattern that matches
    pictures, a CSV file of captions; or what `is_live` takes for a camera or an address, which is not opened yet.

    Raises `SourceError` when nothing is there, or something that is not a source of the wanted kind.
    """
    if any("\ud800" <= character <= "\udfff" for character in path):  # bytes that are not text: no record can hold it
        raise SourceError("this name is not valid UTF-8", where=path, remedy="rename it, or use a UTF-8 locale")
    place = base / os.path.expanduser(path)  # unlike Path.expanduser it lets a name such as ~nobody stand
    with readable(path):
        there = bool(path) and "\0" not in path and place.exists()
        if is_live(path) and not (there and path.isdigit()):
            return _live(path, settings)
        if not there:
            return _pictures_by_pattern(path, settings, base)
        if place.is_dir():
            return _folder(place, settings, path)
        _check_file(place, path)
    kind = _kind(place) if settings.kind == "auto" else settings.kind
    if kind == "captions":
        return CaptionSource(place, settings, name=path)
    if kind == "video":
        return VideoSource(place, settings, name=path)
    if not is_picture(place):
        raise SourceError(
            "this is a file, not a folder of pictures", where=path, remedy="change source.kind, or the path"
        )
    return FolderSource(place, [place], settings, name=path)


def expand(pattern: str, base: Path = Path()) -> list[str]:
    """The paths that a pattern such as `train/*` stands for, in natural order, each a source of its own.

    A pattern that matches nothing but pictures is one source, as is a path without `*`, `?` or `[`: these are given
    back as they are. Paths are relative to `base` where the pattern is. Raises `SourceError` when nothing matches.
    """
    if not _has_magic(pattern) or (base / pattern).exists():
        return [pattern]
    matches = _matches(pattern, base)
    if not matches:
        raise SourceError("nothing matches this pattern", where=pattern, remedy=f"paths start at {base.absolute()}")
    return [pattern] if all(is_picture(base / match) for match in matches) else matches


def _kind(place: Path) -> Kind:
    if is_picture(place):
        return "folder"
    return "captions" if place.suffix.lower() == ".csv" else "video"


def _folder(place: Path, settings: SourceSettings, name: str) -> FolderSource:
    if settings.kind in ("video", "captions"):
        message = f"this is a folder, and source.kind is {settings.kind}"
        raise SourceError(message, where=name, remedy="name a file, or set source.kind to folder")
    inside = list(place.iterdir())
    files = pictures_in(inside)
    if files:
        return FolderSource(place, files, settings, name=name)
    folders = natsorted(entry.name for entry in inside if entry.is_dir() and not entry.name.startswith("."))
    if folders:
        remedy = f"name one of them, such as {Path(name) / folders[0]}, or a pattern in a suite: '{Path(name) / '*'}'"
        raise SourceError(f"there are no pictures here, only {len(folders)} folders", where=name, remedy=remedy)
    raise SourceError(
        "there are no pictures in this folder", where=name, remedy="pictures end in .jpg, .png, .bmp, ..."
    )


def _live(path: str, settings: SourceSettings) -> LiveSource:
    address = parse(path)
    if settings.kind in ("folder", "captions"):
        message = f"this is a live source, and source.kind is {settings.kind}"
        raise SourceError(message, where=address.name, remedy="set source.kind to video or auto")
    return LiveSource(address, settings)


def _pictures_by_pattern(path: str, settings: SourceSettings, base: Path) -> FolderSource:
    """The pictures that a pattern matches; raises `SourceError` for everything else that is not there."""
    matches = _matches(path, base) if _has_magic(path) else []
    files = pictures_in(base / match for match in matches)
    if files and settings.kind in ("auto", "folder"):
        return FolderSource(base / path, files, settings, name=path)
    if matches:
        message = f"this pattern matches {len(matches)} things that are not pictures"
        raise SourceError(message, where=path, remedy=f"name one of them, such as {matches[0]}")
    raise SourceError("nothing is there", where=path, remedy=f"check the path; it starts at {base.absolute()}")


def _check_file(place: Path, name: str) -> None:
    if not place.is_file():
        raise SourceError("this is a device or a pipe, not a file", where=name, remedy="record it to a file first")
    if place.stat().st_size == 0:
        raise SourceError("the file is empty", where=name, remedy="check that it was copied or recorded in full")


def _has_magic(path: str) -> bool:
    return any(character in path for character in "*?[")


def _matches(pattern: str, base: Path) -> list[str]:
    """What a pattern matches, in natural order; hidden files are left out."""
    if "\0" in pattern:
        return []
    return natsorted(glob.glob(os.path.expanduser(pattern), root_dir=base, recursive=True))
