"""Objects followed from frame to frame: how odd each has been lately, and how long it counts when it is not seen."""

from __future__ import annotations

import math

import pytest

from alarm_agents.tools.tracks import HIDDEN, Peak, Tracks

BETWEEN = 0.1
"""Seconds from one frame to the next."""


def peak(time: float, odd: float, x: float) -> Peak:
    """A window in the middle of the picture's height, as wide as a tenth of the picture, around `x`."""
    return Peak(odd, 0.3, (max(0.0, x - 0.05), 0.4, min(1.0, x + 0.05), 0.6), time)


def oddest(tracks: Tracks, time: float) -> float:
    """How odd the oddest object is taken to be."""
    found = tracks.oddest(time)
    return 0.0 if found is None else found.at(time)


def test_what_swings_its_limbs_is_nearly_as_fast_as_in_its_fastest_frames() -> None:
    tracks, found = Tracks(), []
    for place, odd in enumerate([1.2, 3.0, 2.8, 1.1, 3.0, 1.3, 2.9, 1.0]):
        tracks.follow([peak(place * BETWEEN, odd, 0.3 + 0.03 * place)], place * BETWEEN)
        found.append(oddest(tracks, place * BETWEEN))
    assert found == [1.2, 3.0, 2.8, 2.8, 3.0, 3.0, 2.9, 2.9]


def test_what_comes_in_too_fast_is_not_held_for_that() -> None:
    tracks, found = Tracks(), []
    for place, odd in enumerate([17.0, 8.0, 8.1, 7.9, 8.0]):
        tracks.follow([peak(place * BETWEEN, odd, 0.3 + 0.03 * place)], place * BETWEEN)
        found.append(oddest(tracks, place * BETWEEN))
    assert found == [17.0, 8.0, 8.1, 8.1, 8.1]


def test_a_single_frame_far_too_fast_counts_in_that_frame_alone() -> None:
    tracks, found = Tracks(), []
    for place in range(25):
        tracks.follow([peak(place * BETWEEN, 9.0 if place == 12 else 1.0, 0.5)], place * BETWEEN)
        found.append(oddest(tracks, place * BETWEEN))
    assert found == [9.0 if place == 12 else 1.0 for place in range(25)]


@pytest.mark.parametrize(("x", "lasts"), [(0.5, HIDDEN), (0.03, 0.0), (0.97, 0.0)])
def test_what_is_hidden_lasts_and_what_was_at_the_edge_has_left(x: float, lasts: float) -> None:
    tracks = Tracks()
    tracks.follow([peak(0.0, 3.0, x)], 0.0)
    for place in range(1, 6):
        tracks.follow([peak(place * BETWEEN, 1.0, 0.3)], place * BETWEEN)
        assert (oddest(tracks, place * BETWEEN) == 3.0) is (place * BETWEEN <= lasts)


def test_two_at_once_keep_their_numbers_and_a_new_one_gets_its_own() -> None:
    tracks = Tracks()
    first = tracks.follow([peak(0.0, 2.0, 0.2), peak(0.0, 1.0, 0.8)], 0.0)
    second = tracks.follow([peak(0.1, 2.0, 0.78), peak(0.1, 1.0, 0.22), peak(0.1, 0.5, 0.5)], 0.1)
    assert [each.track for each in first] == [1, 2]
    assert [(each.track, each.sightings) for each in second] == [(2, 2), (1, 2), (3, 1)]
    assert [each.lately for each in second] == [1.0, 1.0, 0.5]


def test_time_that_jumps_makes_all_new() -> None:
    tracks = Tracks()
    tracks.follow([peak(0.0, 3.0, 0.5)], 0.0)
    (after,) = tracks.follow([peak(5.0, 1.0, 0.5)], 5.0)
    assert (after.track, after.sightings, oddest(tracks, 5.0)) == (2, 1, 1.0)


@pytest.mark.parametrize("time", [math.nan, 0.0])
def test_where_times_say_nothing_each_frame_counts_by_itself(time: float) -> None:
    tracks = Tracks()
    for odd in (3.0, 1.0, 2.0):
        tracks.follow([peak(time, odd, 0.5)], time)
        assert oddest(tracks, time) == odd
