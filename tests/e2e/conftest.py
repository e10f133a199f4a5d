"""One generated clip for all tests of the command, and the command in a folder of its own for each."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.alarm import Alarm
from support.clips import clip, write_folder, write_video

FAST = tuple(range(96, 112))
"""The frames in which something fast crosses the generated clip: one window of sixteen."""
FRAMES = 160


@dataclass(frozen=True)
class Clips:
    """The same pictures as a folder and as a video, and normal footage of the same place."""

    normal: Path
    folder: Path
    video: Path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """To be read only."""
    place = tmp_path_factory.mktemp("clips")
    pictures = clip(FRAMES, fast=FAST, seed=2)
    return Clips(
        normal=write_folder(place / "normal", clip(96, seed=2)),
        folder=write_folder(place / "walkers", pictures),
        video=write_video(place / "walkers.mp4", pictures),
    )


@pytest.fixture
def alarm(tmp_path: Path) -> Alarm:
    """The command in an empty folder."""
    return Alarm(tmp_path)


@pytest.fixture(scope="session")
def lesson(tmp_path_factory: pytest.TempPathFactory, clips: Clips) -> Path:
    """A workspace that has been taught what is normal; to be copied."""
    alarm = Alarm(tmp_path_factory.mktemp("lesson"))
    alarm("induce", clips.normal)
    return alarm.workspace


@pytest.fixture
def taught(alarm: Alarm, lesson: Path) -> Alarm:
    """The command in a folder with such a workspace of its own."""
    shutil.copytree(lesson, alarm.workspace)
    return alarm


@pytest.fixture(scope="session")
def data() -> Path:
    """The real data beside the repository; the test is skipped where there is none."""
    found = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not found.is_dir():
        pytest.skip(f"there is no real data at {found}")
    return found
