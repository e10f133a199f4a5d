"""The rendered walkway: the same for a seed, labelled where it is odd, and odd by speed."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from alarm_agents.demo import place
from alarm_agents.demo.place import Image
from alarm_agents.demo.render import (
    FPS,
    SLOWEST,
    WALKING,
    Actor,
    Anomaly,
    cast,
    frames,
    labels,
    labels_file,
    render_walkway,
    spans,
)
from alarm_agents.demo.story import CYCLISTS, WATCHED_SECONDS, make_clips, plan
from alarm_agents.scenario import SourceSettings
from alarm_agents.sources.video import VideoSource

CYCLIST = Anomaly("cyclist", 0.5, 3.8, row=150)
RUNNER = Anomaly("runner", 0.5, 3.2, row=190, ahead=-1)


def pixels_a_frame(actor: Actor, seconds: float) -> float:
    seen = [actor.at(i / FPS).x for i in range(round(seconds * FPS)) if actor.seen(i / FPS)]
    return float(np.median(np.abs(np.diff(seen))))


def test_a_seed_gives_the_same_pictures_again_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name / "clip.mp4" for name in ("a", "b", "c"))
    for file, seed in ((first, 3), (again, 3), (other, 4)):
        render_walkway(file, seconds=1.0, seed=seed, anomalies=[CYCLIST])
    shown = [
        np.array([picture.image for picture in VideoSource(file, SourceSettings(fps=FPS), name="clip").frames()], float)
        for file in (first, again, other)
    ]
    # Not bytes: the encoder's arithmetic hangs on how memory is aligned.
    assert np.abs(shown[0] - shown[1]).mean() < 0.5
    assert np.abs(shown[0] - shown[2]).mean() > 2
    assert sorted(file.name for file in first.parent.iterdir()) == ["clip.csv", "clip.mp4"]


def test_the_clip_is_a_video_of_the_size_rate_and_length_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    render_walkway(file, seconds=1.5, seed=0)
    pictures = list(VideoSource(file, SourceSettings(fps=FPS), name="clip").frames())
    assert [round(picture.time, 3) for picture in pictures] == [i / FPS for i in range(15)]
    assert {picture.image.shape for picture in pictures} == {(place.HEIGHT, place.WIDTH, 3)}


def test_labels_are_written_beside_the_clip_and_follow_the_spans(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    written = render_walkway(file, seconds=2.0, seed=0, anomalies=[CYCLIST])
    with labels_file(file).open(encoding="utf-8") as opened:
        rows = [(int(row["frame"]), int(row["label"])) for row in csv.DictReader(opened)]
    assert rows == list(enumerate(written.tolist()))
    (span,) = spans([CYCLIST], 2.0)
    assert [frame for frame, label in rows if label] == list(range(round(span.start * FPS), round(span.end * FPS)))


def test_spans_are_when_the_anomaly_is_in_the_picture() -> None:
    actor = cast(20.0, 0, [CYCLIST])[-1]
    (span,) = spans([CYCLIST], 20.0)
    inside = [i for i in range(200) if 0 <= actor.at(i / FPS).x < place.WIDTH and i / FPS >= actor.enters]
    assert (span.start, span.end) == (inside[0] / FPS, (inside[-1] + 1) / FPS)
    assert abs(span.start - CYCLIST.start) <= 0.3
    assert spans([Anomaly("runner", 30.0, 3.0)], 20.0) == []
    assert labels([], 2.0).tolist() == [0] * 20


def test_walkers_are_the_same_with_anomalies_and_without() -> None:
    assert cast(10.0, 5, [CYCLIST, RUNNER])[:-2] == cast(10.0, 5)


@pytest.mark.parametrize("anomaly", [CYCLIST, RUNNER])
def test_outside_its_shape_an_anomaly_changes_nothing(anomaly: Anomaly) -> None:
    pairs = zip(frames(1.5, 1, [anomaly]), frames(1.5, 1), strict=True)
    with_it, without = [(a, b) for a, b in pairs][14]
    changed = np.argwhere((with_it != without).any(axis=2))
    spot = cast(1.5, 1, [anomaly])[-1].at(1.4)
    assert len(changed) > 100
    assert np.abs(changed[:, 1] - spot.x).max() < 2.0 * spot.scale
    assert (changed[:, 0] <= spot.row + 0.3 * spot.scale).all()


def test_people_walk_both_ways_at_several_depths_and_at_their_own_speeds() -> None:
    walkers = cast(60.0, 0)
    speeds = [walker.speed for walker in walkers]
    assert {walker.ahead for walker in walkers} == {1, -1}
    assert np.ptp([walker.at(walker.enters).row for walker in walkers]) > 80
    assert min(speeds) >= SLOWEST
    assert float(np.median(speeds)) == pytest.approx(WALKING, abs=0.1)
    assert len({round(speed, 3) for speed in speeds}) > 20


@pytest.mark.parametrize("seed", range(5))
def test_a_cyclist_is_at_least_twice_as_fast_as_people_walk_in_its_row(seed: int) -> None:
    for anomaly, span in zip(plan(seed), spans(plan(seed), WATCHED_SECONDS), strict=True):
        odd = next(actor for actor in cast(WATCHED_SECONDS, seed, [anomaly]) if actor.kind != "walker")
        walking = WALKING * odd.at(span.start).scale / FPS
        least = 2.0 if anomaly.kind == "runner" else CYCLISTS[0] / WALKING
        assert pixels_a_frame(odd, WATCHED_SECONDS) >= least * walking * 0.999


def test_what_moves_in_the_picture_moves_as_fast_as_the_story_says() -> None:
    """The measured shift of the cyclist's own pixels, frame to frame, against the geometry."""
    actor, shifts = cast(3.0, 8, [CYCLIST])[-1], []
    clip = list(frames(3.0, 8, [CYCLIST]))
    for index in range(18, 26):
        spot = actor.at(index / FPS)
        shifts.append(_shift(clip[index], clip[index + 1], round(spot.x), round(spot.row), round(1.9 * spot.scale)))
    expected = [b - a for a, b in pairwise(actor.at(index / FPS).x for index in range(18, 27))]
    assert float(np.median(shifts)) == pytest.approx(float(np.median(expected)), abs=1.0)


def _shift(before: Image, after: Image, x: int, row: int, tall: int) -> float:
    """Pixels to the right by which the part of `before` above (x, row) is found again in `after`."""
    part = before[row - tall : row, x - tall // 2 : x + tall // 2]
    left, wide = max(0, x - tall), 2 * tall + 30
    match = cv2.matchTemplate(after[row - tall : row, left : left + wide], part, cv2.TM_CCOEFF_NORMED)
    return float(np.argmax(match[0]) + left - (x - tall // 2))


def test_the_place_stands_still(tmp_path: Path) -> None:
    first, *_, last = frames(3.0, 2)
    wall = np.abs(first[:30].astype(float) - last[:30].astype(float)).mean()
    assert wall < 6  # light and noise only


def test_clips_are_rendered_once_and_mended_when_they_are_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alarm_agents.demo.story.NORMAL_SECONDS", 1.0)
    monkeypatch.setattr("alarm_agents.demo.story.WATCHED_SECONDS", 6.0)
    clips = make_clips(tmp_path, 0)
    assert [span.kind for span in clips.implanted] == ["cyclist"]
    there = {file: file.stat().st_mtime_ns for file in (clips.normal, clips.watched)}
    make_clips(tmp_path, 0)
    assert there == {file: file.stat().st_mtime_ns for file in there}
    labels_file(clips.watched).unlink()
    make_clips(tmp_path, 0)
    assert labels_file(clips.watched).exists()
    assert clips.watched.stat().st_mtime_ns > there[clips.watched]
