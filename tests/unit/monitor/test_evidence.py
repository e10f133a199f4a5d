"""What is kept of an incident: few files, whole, masked, with boxes; and nothing stops when they cannot be had."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.monitor.clock import Clock
from alarm_agents.monitor.evidence import CLIP_SECONDS, FRAMES, Evidence, clip_span
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.media import Media
from alarm_agents.sources.open import open_source
from alarm_agents.types import Case, Incident
from support.clips import HEIGHT, WIDTH, clip, write_folder, write_video
from support.records import case, fact, incident

BOX = (0.4, 0.4, 0.6, 0.6)
MASK = "0,0,0.25,0,0.25,1,0,1"
COUNT = 160


def odd(start: float, p: float) -> Case:
    """A case with a box in it."""
    return case(start, p, fact("object 3", value=2.4, unit="times usual", region=BOX, time=start + 0.1, track="3"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("clips") / "walkers", clip(COUNT, seed=1))


@pytest.fixture
def media(folder: Path) -> Media:
    settings = SourceSettings.model_validate({"masks": [MASK]})
    return Media(open_source(str(folder), settings), 640)


async def joined(evidence: Evidence, cases: list[Case]) -> Incident:
    """The incident of these cases, each with its evidence, as they come in."""
    found = incident(cases[0])
    for place, one in enumerate(cases):
        found = incident(*cases[: place + 1], evidence=found.evidence)
        held = [known for known in cases[:place] if any(known.id[-9:] in path for path in found.evidence)]
        found = found.model_copy(update={"evidence": await evidence.joined(found, one, held)})
        evidence.tidy(found)
    return found


def files(workspace: Path) -> list[str]:
    return sorted(str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file())


async def test_the_first_frame_and_the_most_telling_ones_are_kept(tmp_path: Path, media: Media) -> None:
    cases = [odd(place * 0.4, p) for place, p in enumerate((0.51, 0.6, 0.9, 0.7, 0.8, 0.55, 0.95))]
    found = await joined(Evidence(tmp_path, media), cases)
    times = [int(Path(path).stem) for path in found.evidence]
    assert len(times) == FRAMES
    assert times == [0, 800, 1600, 2400], "the first shows how it began, the others are the largest three"
    assert files(tmp_path) == sorted(found.evidence)


async def test_a_key_frame_shows_the_box_and_never_what_is_masked(tmp_path: Path, media: Media) -> None:
    found = await joined(Evidence(tmp_path, media), [odd(0.0, 0.9)])
    image = cv2.imread(str(tmp_path / found.evidence[0]))
    assert image is not None
    assert image.shape[1] == WIDTH
    assert image.shape[0] > HEIGHT, "words stand below the picture"
    b, g, r = (image[:HEIGHT, :, channel].astype(int) for channel in range(3))
    red = (r > 130) & (g < 90) & (b < 110)
    lowest = int(np.nonzero(red.any(axis=1))[0].max())
    assert abs(lowest - BOX[3] * HEIGHT) <= 2
    edge = np.nonzero(red[lowest - 1 : lowest + 1].any(axis=0))[0]
    assert max(abs(edge.min() - BOX[0] * WIDTH), abs(edge.max() - BOX[2] * WIDTH)) <= 4
    below = image[round(BOX[3] * HEIGHT) : HEIGHT - 5, : WIDTH // 4 - 5]
    assert below.max() < 40, "the mask is black"


def test_a_clip_tells_whole_seconds_as_clocks_in_pictures_do() -> None:
    assert [Clock(end).second(end - 0.1) for end in (13.0, 4000.0)] == ["12 s", "1:06:39"]


@pytest.mark.parametrize("kind", ["folder", "video"])
async def test_the_clip_shows_the_incident_and_a_little_around_it(tmp_path: Path, folder: Path, kind: str) -> None:
    source = folder if kind == "folder" else write_video(tmp_path / "walkers.mp4", clip(COUNT, seed=1))
    media = Media(open_source(str(source), SourceSettings()), 640)
    cases = [odd(4.0, 0.9), odd(4.4, 0.8)]
    evidence = Evidence(tmp_path / "kept", media)
    found = await joined(evidence, cases)
    *_, clip_ = await evidence.closed(found, cases)
    assert clip_.endswith("/clip.mp4")
    with av.open(str(tmp_path / "kept" / clip_)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) / 10 == pytest.approx(cases[1].window.end - 4.0 + 2.0, abs=0.15)


async def test_watched_again_the_files_are_the_same_ones(tmp_path: Path, media: Media) -> None:
    cases = [odd(0.0, 0.9), odd(0.4, 0.8)]
    kept = []
    for _ in range(2):
        found = await joined(Evidence(tmp_path, media), cases)
        again = await Evidence(tmp_path, media).closed(found, cases)
        kept.append((again, {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}))
    assert kept[0] == kept[1]


async def test_a_full_disk_is_told_once_and_stops_nothing(
    tmp_path: Path, media: Media, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "evidence").write_text("no folder")  # as good as a full disk: nothing can be written there
    evidence = Evidence(tmp_path, media)
    with caplog.at_level(logging.WARNING):
        found = await joined(evidence, [odd(0.0, 0.9), odd(0.4, 0.8)])
        assert await evidence.closed(found, [odd(0.0, 0.9)]) == ()
    assert found.evidence == ()
    assert caplog.text.count("incidents stand without it") == 1


async def test_pictures_that_are_gone_are_told_of(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = shutil.copytree(folder, tmp_path / "source")
    media = Media(open_source(str(moved), SourceSettings()), 640)
    shutil.rmtree(moved)
    found = await joined(Evidence(tmp_path / "kept", media), [odd(0.0, 0.9)])
    assert found.evidence == ()
    assert "incidents stand without it" in caplog.text


async def test_captions_have_no_pictures_and_that_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "seen.csv"
    file.write_text("frame,label,caption\n" + "".join(f"{i},0,people walk\n" for i in range(20)))
    evidence = Evidence(tmp_path, Media(open_source(str(file), SourceSettings(kind="captions")), 640))
    found = await joined(evidence, [odd(0.0, 0.9)])
    assert await evidence.closed(found, [odd(0.0, 0.9)]) == found.evidence == ()
    assert caplog.text == ""


async def test_a_window_without_frames_has_nothing_to_show(tmp_path: Path, media: Media) -> None:
    empty = odd(0.0, 0.9)
    empty = empty.model_copy(update={"window": empty.window.model_copy(update={"frames": (), "times": ()})})
    evidence = Evidence(tmp_path, media)
    found = await joined(evidence, [empty])
    assert await evidence.closed(found, [empty]) == ()


@given(st.floats(0, 1e5), st.floats(0.1, 1e4), st.floats(0, 1))
def test_a_clip_is_short_and_around_the_peak(start: float, lasts: float, share: float) -> None:
    peak = start + lasts * share
    first, last = clip_span(incident(case(0.0)).model_copy(update={"start": start, "end": start + lasts}), peak)
    assert 0 <= first <= peak <= last
    assert last - first <= CLIP_SECONDS + 1e-6
