"""Recorded captions: a CSV file that says in words what each frame shows; its labels are for suites alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.base import fingerprint_file, readable, slug_of


@dataclass(frozen=True)
class Caption:
    """What one frame shows, in words. It has no label: agents see captions, and labels are the answer."""

    text: str
    index: int
    """The frame's number, as in the file."""
    time: float
    """Seconds from the start of the stream: `index / fps`."""
    fps: float
    """Frames a second, from the scenario."""
    stretch: int = 0
    """Always the same: recordings are not interrupted."""


class CaptionSource:
    """A CSV file with the columns `frame` and `caption`; other columns, such as `label`, are not looked at."""

    kind: ClassVar[Literal["captions"]] = "captions"
    live: ClassVar[bool] = False

    def __init__(self, path: Path, settings: SourceSettings, *, name: str) -> None:
        """Read the file. Raises `SourceError` naming file and line where it is not such a file."""
        self.name, self.slug, self.fps, self._path = name, slug_of(path), settings.fps, path
        texts = sorted(_column(path, "caption", name).items())
        self._captions = [Caption(text, index, index / self.fps, self.fps) for index, text in texts]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the file's size and content, see `fingerprint_file`."""
        return fingerprint_file(self._path)

    def frames(self) -> Iterator[Caption]:
        """The captions by frame number, whatever their order in the file."""
        yield from self._captions

    def read(self, first: int, last: int, *, max_side: int | None = None, every: bool = False) -> list[Caption]:
        """Captions `first` to `last` again, see `Source.read`; the two options make no difference to words."""
        del max_side, every
        return [caption for caption in self._captions if first <= caption.index <= last]


def _column(path: Path, column: str, where: str) -> dict[int, str]:
    """One column by frame number, in the file's order."""
    found: dict[int, str] = {}
    try:
        # newline="" is the csv module's wish; utf-8-sig takes the mark that spreadsheets put first
        with readable(where), path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            header = [name.strip().lower() for name in rows.fieldnames or ()]
            rows.fieldnames = header
            _check_header(header, column, where)
            for row in rows:
                frame = _frame(row, len(header), f"{where}:{rows.line_num}")
                if frame in found:
                    message = f"frame {frame} is there twice"
                    raise SourceError(message, where=f"{where}:{rows.line_num}", remedy="leave one row a frame")
                found[frame] = row[column]
    except csv.Error as error:
        place = f"{where}:{rows.line_num + 1}"  # it counts the lines of the rows that were read
        message = f"not readable as CSV ({error})"
        raise SourceError(message, where=place, remedy="check the quotes in this line") from error
    except UnicodeDecodeError as error:
        raise SourceError("this is not UTF-8 text", where=where, remedy="export it as CSV in UTF-8") from error
    if not found:
        raise SourceError("there are no rows below the header", where=where, remedy="give one row a frame")
    return found


def _check_header(header: list[str], column: str, where: str) -> None:
    if not header:
        raise SourceError("the file is empty", where=where, remedy=f"its first line is: frame,{column}")
    missing = [name for name in ("frame", column) if name not in header]
    if missing:
        message = f"there is no column '{missing[0]}' among '{', '.join(header)[:80]}'"
        raise SourceError(message, where=f"{where}:1", remedy=f"name the columns in the first line: frame,{column}")
    if len(set(header)) < len(header):
        raise SourceError("a column is named twice", where=f"{where}:1", remedy="name each column once")


def _frame(row: dict[str, str], width: int, where: str) -> int:
    """The row's frame number; raises `SourceError` where the row is not as wide as the header, or not numbered."""
    # DictReader puts surplus fields under None and fills in None for missing ones, whatever its type says
    fields = list[object](row.values())
    if len(fields) > width or None in fields:
        remedy = "put captions with commas in quotes, and give every column"
        raise SourceError(f"this row does not have the header's {width} fields", where=where, remedy=remedy)
    number = row["frame"].strip()
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        raise SourceError(f"'{number[:20]}' is not a frame number", where=where, remedy="count frames 0, 1, 2, ...")
    return int(number)
