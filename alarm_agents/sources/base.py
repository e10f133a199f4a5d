"""What every source is, and what all of them share: names that are safe, and fingerprints that travel."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Literal, Protocol, TypeVar

from alarm_agents.errors import SourceError

SLUG_LENGTH = 40
"""Characters in a slug at most."""
_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{1,4}$")
_MIB = 1 << 20
_WHOLE = 64 * _MIB
"""Bytes up to which content is fingerprinted whole; beyond it, only its ends are."""


class Stamped(Protocol):
    """A frame of any kind: numbered, timed, and part of a series of known rate."""

    @property
    def index(self) -> int:
        """The frame's number in its source."""
        ...

    @property
    def time(self) -> float:
        """Seconds from the start of the stream; Unix seconds for live sources."""
        ...

    @property
    def fps(self) -> float:
        """Frames a second of the series that the frame belongs to."""
        ...

    @property
    def stretch(self) -> int:
        """Changes where the stream was interrupted: nothing may be compared across."""
        ...


Frame = TypeVar("Frame", bound=Stamped)
Kind = Literal["frames", "captions"]


class Source(Protocol[Frame]):
    """One stream that can be read from start to end, and again in parts. Frames are `Picture` or `Caption`.

    All methods may be called from several threads at once; each call reads for itself. They raise `SourceError`.
    """

    @property
    def name(self) -> str:
        """What a person calls it: the path as given. Untrusted; escape it before it is shown in HTML."""
        ...

    @property
    def slug(self) -> str:
        """A short name for ids, from the path: `[a-z0-9-]{1,40}`, see `slugify`."""
        ...

    @property
    def kind(self) -> Kind:
        """Whether frames are pictures or captions."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of what the source holds: the same for a copy elsewhere, another for other content.

        A live source has another each time that it is opened.
        """
        ...

    @property
    def fps(self) -> float:
        """Frames a second that `frames` yields."""
        ...

    @property
    def live(self) -> bool:
        """Whether the stream goes on while it is read, and cannot be read again."""
        ...

    def frames(self) -> Iterator[Frame]:
        """The whole stream in order; pictures masked and scaled to the scenario's `max_side`.

        Where the stream is damaged or ends early, what can be read is yielded first, then `SourceError` is raised.
        """
        ...

    def read(self, first: int, last: int, *, max_side: int | None = None, every: bool = False) -> list[Frame]:
        """The frames numbered `first` to `last` (both included) that exist, again: those that `frames` yields, or
        all of them where `every` is set. Pictures are masked, and at native resolution where `max_side` is None. A
        live source has only the latest.
        """
        ...


def slugify(path: str | PurePath) -> str:
    """A short name for a path, safe in ids, file names and HTML: `[a-z0-9-]{1,40}`.

    It is the last part's name, with up to two folders before it where that name has no letters
    (`ped2/test/01` is `ped2-test-01`, `video/car-detection.mp4` is `car-detection`). Where letters had to be
    dropped or cut, six digits of their hash keep unlike names apart.
    """
    parts = [unicodedata.normalize("NFKD", part.lower()) for part in PurePath(path).parts[-3:]]
    if parts:
        parts[-1] = _SUFFIX.sub("", parts[-1])
        parts = parts if not any(c.isalpha() for c in parts[-1]) else parts[-1:]
    text = "/".join(parts)
    slug = re.sub(r"[^a-z0-9]+", "-", text).strip("-")
    if len(slug) > SLUG_LENGTH or any(c.isalnum() and not c.isascii() for c in text):
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
        slug = f"{slug[-(SLUG_LENGTH - 7) :]}-{digest}".strip("-")
    return slug or "source"


def slug_of(path: Path) -> str:
    """The slug of a path on disk, the same from whatever folder it is named."""
    return slugify(os.path.abspath(path))


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Tell of files that the system won't hand over as `SourceError`s at `where`."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or "the system gives no reason").lower()
        raise SourceError(
            f"cannot be read ({reason})", where=where, remedy="check the path and its permissions"
        ) from error


def fingerprint_file(path: Path) -> str:
    """SHA-256 (hex) of a file's size and content; of a file over 64 MiB, its size and its first and last MiB.

    Raises `SourceError` where the file cannot be read.
    """
    with readable(str(path)), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(f"{size}\n".encode())
        left = size if size <= _WHOLE else _MIB
        while left > 0 and (block := file.read(min(left, _MIB))):
            digest.update(block)
            left -= len(block)
        if size > _WHOLE:
            file.seek(-_MIB, os.SEEK_END)
            digest.update(file.read(_MIB))
    return digest.hexdigest()


def fingerprint_files(paths: Sequence[Path]) -> str:
    """SHA-256 (hex) of files' names, sizes and content, in order; over 64 MiB in all, content of the first and last.

    Raises `SourceError` where a file cannot be read.
    """
    digest = hashlib.sha256()
    with readable(str(paths[0].parent if paths else "")):
        sizes = [path.stat().st_size for path in paths]
    whole = sum(sizes) <= _WHOLE
    for place, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        content = fingerprint_file(path) if whole or place in (0, len(paths) - 1) else ""
        digest.update(
            f"{len(os.fsencode(path.name))} ".encode() + os.fsencode(path.name) + f" {size} {content}\n".encode()
        )
    return digest.hexdigest()
