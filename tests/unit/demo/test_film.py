"""Filming a scene: what a clip and its labels are like, whichever world they show."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from alarm_agents.demo import conveyor, walkway
from alarm_agents.demo.film import frames, labels, labels_file, shoot
from alarm_agents.demo.scene import FPS, HEIGHT, NEVER, WIDTH, Image, Scene, Span, Stop, span
from alarm_agents.demo.worlds import WORLDS, World
from alarm_agents.scenario import library
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.video import VideoSource


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for world in (walkway, conveyor):
        monkeypatch.setattr(world, "NORMAL_SECONDS", 1.5)


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_a_seed_gives_the_same_clip_again_and_another_seed_another(world: World, tmp_path: Path) -> None:
    files = [tmp_path / name / "clip.mp4" for name in ("a", "b", "c")]
    shown = []
    for file, seed in zip(files, (3, 3, 4), strict=True):
        shoot(world.normal(seed), file)
        pictures = list(VideoSource(file, SourceSettings(fps=FPS), name="clip").frames())
        assert [round(picture.time, 3) for picture in pictures] == [i / FPS for i in range(15)]
        assert {picture.image.shape for picture in pictures} == {(HEIGHT, WIDTH, 3)}
        shown.append(np.array([picture.image for picture in pictures], float))
    # Not bytes: the encoder's arithmetic hangs on how memory is aligned.
    assert np.abs(shown[0] - shown[1]).mean() < 0.5
    assert np.abs(shown[0] - shown[2]).mean() > 2
    assert sorted(file.name for file in files[0].parent.iterdir()) == ["clip.csv", "clip.mp4"]


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_every_world_has_a_scenario_and_anomalies_that_are_incidents_of_their_own(world: World) -> None:
    assert world.name in library()
    for seed in range(5):
        scene = world.watched(seed)
        spans = scene.implanted
        assert len(spans) == 4
        assert min(b.start - a.end for a, b in pairwise(spans)) > 13  # nearer ones are merged
        assert spans[0].start > 4
        assert spans[-1].end < scene.seconds


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_what_is_implanted_has_a_box_inside_the_picture_in_each_of_its_frames(world: World) -> None:
    for each in world.watched(1).implanted:
        assert len(each.boxes) == round((each.end - each.start) * FPS)
        for x0, y0, x1, y1 in each.boxes:
            assert 0 <= x0 < x1 <= 1
            assert 0 <= y0 < y1 <= 1


def test_a_box_is_that_of_the_nearest_frame() -> None:
    one, other = (0.0, 0.0, 0.1, 0.1), (0.5, 0.5, 0.6, 0.6)
    ghost = Span("ghost", 1.0, 1.2, (one, other))
    assert [ghost.box_at(time) for time in (0.0, 1.02, 1.09, 7.0)] == [one, one, other, other]


def black(_: float) -> Image:
    return np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)


def test_labels_are_written_beside_the_clip_and_follow_the_spans(tmp_path: Path) -> None:
    seen = span("ghost", 2.0, lambda time: (0.0, 0.0, 0.5, 0.5) if 0.5 <= time < 1.2 else None)
    assert seen is not None
    assert (seen.start, seen.end) == (0.5, 1.2)
    file = tmp_path / "clip.mp4"
    shoot(Scene(2.0, 0, black, (seen,)), file)
    with labels_file(file).open(encoding="utf-8") as opened:
        rows = [(int(row["frame"]), int(row["label"])) for row in csv.DictReader(opened)]
    assert rows == list(enumerate(labels([seen], 20).tolist()))
    assert [frame for frame, label in rows if label] == list(range(5, 12))
    assert span("ghost", 2.0, lambda _: None) is None


def test_noise_differs_from_frame_to_frame_and_the_light_drifts() -> None:
    shown = [picture.astype(float) for picture in frames(Scene(47.0, 1, lambda time: black(time) + np.uint8(120)))][
        ::10
    ]
    assert 1.5 < shown[0].std() < 3
    assert np.abs(shown[0] - shown[1]).mean() > 1
    means = [float(picture.mean()) for picture in shown]
    assert 4 < np.ptp(means) < 12
    assert np.abs(np.diff(means)).max() < 1


def test_what_stops_stands_still_and_goes_on_as_fast_as_before() -> None:
    stop = Stop(2.0, 3.0, 0.5)
    steps = np.diff([stop.going(time) for time in np.arange(0, 10, 0.1)]) / 0.1
    assert steps[:19] == pytest.approx(1.0)
    assert steps[26:49] == pytest.approx(0.0)
    assert steps[56:] == pytest.approx(1.0)
    assert (steps >= -1e-9).all()
    assert [stop.pace(time) for time in (1.0, 2.25, 3.0, 5.25, 6.0)] == [1.0, 0.5, 0.0, 0.5, 1.0]
    assert (NEVER.going(7.3), NEVER.pace(7.3)) == (7.3, 1.0)
