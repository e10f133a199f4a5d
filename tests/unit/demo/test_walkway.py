"""The rendered walkway: people walk, stand and carry; what is odd is odd by speed, or by being left behind."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from alarm_agents.demo import walkway
from alarm_agents.demo.film import frames
from alarm_agents.demo.people import SLOWEST, WALKING, Actor, LeftBag
from alarm_agents.demo.scene import FPS, HEIGHT, WIDTH, Image, Scene
from alarm_agents.demo.walkway import CYCLISTS, NORMAL_CYCLISTS, RUNNERS, Event, plan, walkers


def actors(seed: int) -> list[Actor]:
    return [figure for figure in walkers(60.0, seed) if isinstance(figure, Actor)]


def shown(scene: Scene, time: float) -> Image:
    return np.asarray(cv2.resize(scene.draw(time), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def passing(seed: int) -> list[tuple[Event, Actor]]:
    """The cyclists and runners of a seed."""
    found = [(event, event.figures[0]) for event in plan(seed) if event.span.kind != "bag"]
    return [(event, actor) for event, actor in found if isinstance(actor, Actor)]


@pytest.mark.parametrize("seed", range(3))
def test_cyclists_a_runner_and_a_bag_are_implanted(seed: int) -> None:
    assert sorted(span.kind for span in walkway.watched(seed).implanted) == ["bag", "cyclist", "cyclist", "runner"]
    assert walkway.normal(seed).implanted == ()


def test_walkers_are_the_same_with_anomalies_and_without() -> None:
    first = walkway.watched(6).implanted[0]
    assert first.kind != "bag"  # whose owner comes by before it is left
    assert (walkway.watched(6).draw(first.start - 3) == walkway.normal(6).draw(first.start - 3)).all()


def test_people_walk_both_ways_at_several_depths_and_at_their_own_speeds() -> None:
    speeds = [each.speed for each in actors(0)]
    assert {each.ahead for each in actors(0)} == {1, -1}
    assert np.ptp([each.at(each.enters).row for each in actors(0)]) > 80
    assert min(speeds) >= SLOWEST
    assert float(np.median(speeds)) == pytest.approx(WALKING, abs=0.1)
    assert len({round(speed, 3) for speed in speeds}) > 20


@pytest.mark.parametrize("seed", [0, 1])
def test_standing_and_bags_in_hands_are_part_of_normal_life(seed: int) -> None:
    """Else "stands still" and "there is a bag" would give away what is left behind."""
    standing = [each for each in actors(seed) if 0 < each.stop.start < 55 and each.box_at(each.stop.start)]
    assert len(standing) >= 3
    for each in standing:
        assert np.ptp([each.at(each.stop.start + after).x for after in (0.6, 1.5, 2.4)]) < 0.01
        assert 2.5 <= each.stop.seconds <= 6
    assert sum(each.bag is not None for each in actors(seed)) >= 3


@pytest.mark.parametrize("seed", range(4))
def test_cyclists_and_runners_are_much_faster_in_the_picture_than_people_walk(seed: int) -> None:
    for event, actor in passing(seed):
        xs = [actor.at(event.span.start + i / FPS).x for i in range(len(event.span.boxes))]
        moved = float(np.median(np.abs(np.diff(xs)))) / (WALKING * actor.at(event.span.start).scale / FPS)
        low, high = CYCLISTS if actor.kind == "cyclist" else RUNNERS
        assert 2.0 < low / WALKING * 0.999 <= moved <= high / WALKING * 1.001


def test_running_stays_odd_where_cyclists_are_normal() -> None:
    assert NORMAL_CYCLISTS[0] <= CYCLISTS[0] < CYCLISTS[1] <= NORMAL_CYCLISTS[1]
    assert RUNNERS[0] > 1.6 * WALKING, "a runner is no walker, and is told from a cyclist by its shape"


def test_what_moves_in_the_picture_moves_as_fast_as_the_geometry_says() -> None:
    """The measured shift of a cyclist's own pixels, frame to frame."""
    event, rider = next((event, actor) for event, actor in passing(1) if actor.kind == "cyclist")
    times = [event.span.start + 1.2 + index / FPS for index in range(9)]
    clip, spots = [shown(walkway.watched(1), time) for time in times], [rider.at(time) for time in times]
    shifts = [
        _shift(before, after, round(spot.x), round(spot.row), round(1.9 * spot.scale))
        for (before, after), spot in zip(pairwise(clip), spots, strict=False)
    ]
    expected = [b.x - a.x for a, b in pairwise(spots)]
    assert float(np.median(shifts)) == pytest.approx(float(np.median(expected)), abs=1.0)


def _shift(before: Image, after: Image, x: int, row: int, tall: int) -> float:
    """Pixels to the right by which the part of `before` above (x, row) is found again in `after`."""
    part = before[row - tall : row, x - tall // 2 : x + tall // 2]
    left, wide = max(0, x - tall - 15), 2 * tall + 30
    match = cv2.matchTemplate(after[row - tall : row, left : left + wide], part, cv2.TM_CCOEFF_NORMED)
    return float(np.argmax(match[0]) + left - (x - tall // 2))


@pytest.mark.parametrize("seed", range(4))
def test_a_bag_is_left_behind_once_its_owner_is_away_until_it_is_taken(seed: int) -> None:
    event = next(event for event in plan(seed) if event.span.kind == "bag")
    owner, taker, bag = event.figures
    assert isinstance(owner, Actor)
    assert isinstance(taker, Actor)
    assert isinstance(bag, LeftBag)
    assert owner.bag is not None
    assert taker.bag is not None
    assert (owner.bag.left, taker.bag.taken) == (bag.start, bag.end)
    assert event.span.end == pytest.approx(bag.end, abs=0.11)
    assert 1.5 < abs(owner.at(event.span.start).x - bag.spot.x) / bag.spot.scale < 3.2
    assert 10 < event.span.end - event.span.start < 20
    for each, moment in ((owner, bag.start), (taker, bag.end)):
        assert abs(each.at(moment).x - bag.spot.x) < 0.6 * bag.spot.scale
        assert each.at(moment).x == pytest.approx(each.at(moment + 0.3).x)


def test_the_bag_is_to_be_seen_where_its_box_is_and_gone_afterwards() -> None:
    """By its pixels against the same walkers without it, when nobody hides it."""
    (bag,) = [span for span in walkway.watched(1).implanted if span.kind == "bag"]
    x0, y0, x1, y1 = bag.boxes[0]
    part = slice(int(y0 * HEIGHT), int(y1 * HEIGHT)), slice(int(x0 * WIDTH), int(x1 * WIDTH))

    def odd(time: float) -> float:
        with_it, without = (shown(scene, time)[part].astype(float) for scene in (walkway.watched(1), walkway.normal(1)))
        return float(np.abs(with_it - without).mean())

    assert max(odd(time) for time in np.arange(bag.start, bag.end - 2, 1.0)) > 15
    assert odd(bag.end + 6) < 1


def test_where_cyclists_are_normal_several_ride_and_nothing_is_odd() -> None:
    with_them, without = walkway.normal_with_cyclists(0), walkway.normal(0)
    assert with_them.implanted == ()
    busy = [(with_them.draw(time) != without.draw(time)).any() for time in np.arange(0, 60, 1.0)]
    assert 0.25 < np.mean(busy) < 0.95


def test_the_place_stands_still() -> None:
    first, *_, last = frames(Scene(2.0, 2, walkway.normal(2).draw))
    assert np.abs(first[:30].astype(float) - last[:30].astype(float)).mean() < 6  # light and noise only
