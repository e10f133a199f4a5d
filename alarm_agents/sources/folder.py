"""Folders of pictures, one picture a frame, in natural order (2.jpg before 10.jpg)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import cv2
import numpy as np
from natsort import natsorted

from alarm_agents.errors import SourceError
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.base import fingerprint_files, readable, slug_of
from alarm_agents.sources.picture import Picture
from alarm_agents.sources.regions import Image, apply_masks, resize_to, scale_down

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def is_picture(path: Path) -> bool:
    """Whether a path looks like a picture by its name; hidden files don't (`._001.jpg` is macOS's, not a picture)."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def pictures_in(paths: Iterable[Path]) -> list[Path]:
    """The picture files among the paths, in natural order."""
    return natsorted(path for path in paths if is_picture(path) and path.is_file())


class FolderSource:
    """Pictures from a folder or a glob pattern; the scenario's `fps` is their rate, since they have none.

    Numbers count the pictures in natural order. Pictures of another size are resized to the first one's.
    """

    kind: ClassVar[Literal["frames"]] = "frames"
    live: ClassVar[bool] = False

    def __init__(self, path: Path, files: list[Path], settings: SourceSettings, *, name: str) -> None:
        """`path` is the folder or pattern that `files` (at least one, in order) came from."""
        self.name, self.slug, self.fps = name, slug_of(path), settings.fps
        self._files, self._settings = files, settings

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the pictures' names, sizes and content, see `fingerprint_files`."""
        return fingerprint_files(self._files)

    def frames(self) -> Iterator[Picture]:
        """The pictures in order; raises `SourceError` naming the file that cannot be decoded."""
        for index in range(len(self._files)):
            yield self._picture(index, self._settings.max_side)

    def read(self, first: int, last: int, *, max_side: int | None = None, every: bool = False) -> list[Picture]:
        """Pictures `first` to `last` again, see `Source.read`; every picture is a frame, so `every` adds none."""
        del every
        return [self._picture(index, max_side) for index in range(max(first, 0), min(last + 1, len(self._files)))]

    @cached_property
    def _size(self) -> tuple[int, int]:
        """Width and height of the first picture, in pixels."""
        height, width = _decode(self._files[0]).shape[:2]
        return width, height

    def _picture(self, index: int, max_side: int | None) -> Picture:
        image = apply_masks(_decode(self._files[index]), self._settings.masks)
        return Picture(scale_down(resize_to(image, *self._size), max_side), index, index / self.fps, self.fps)


def _decode(path: Path) -> Image:
    """A picture file as (h, w, 3) BGR, turned upright; raises `SourceError` naming the file."""
    remedy = "remove it from the folder, or save it again"
    with readable(str(path)):
        content = path.read_bytes()
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error as error:
        raise SourceError("this picture cannot be decoded", where=str(path), remedy=remedy) from error
    if image is None:
        message = "this picture is cut off, damaged or not a picture" if content else "this picture file is empty"
        raise SourceError(message, where=str(path), remedy=remedy)
    return np.asarray(image, dtype=np.uint8)
