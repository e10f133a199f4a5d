"""Which pictures of a window models are shown: where most happens, and none twice."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from hypothesis import given as for_all
from hypothesis import strategies as st
from numpy.typing import NDArray

from alarm_agents.agents.pictures import given, show, telling
from alarm_agents.models import composite
from alarm_agents.settings import ImageSettings
from alarm_agents.sources.held import HeldSource
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from support.records import motion, window


def media(*levels: int) -> Media:
    """A source of grey pictures, of one level each."""
    pictures = [
        Picture(np.full((24, 32, 3), level, np.uint8), index=i, time=i / 10, fps=10.0) for i, level in enumerate(levels)
    ]
    return Media(HeldSource(pictures, "clip", "frames"), 640)


def shown_levels(blocks: Sequence) -> list[NDArray[np.uint8]]:
    """The colour in the middle of each picture that was sent."""
    found = []
    for block in blocks:
        data = base64.b64decode(block["image_url"]["url"].partition(",")[2])
        found.append(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[12, 16])
    return found


@for_all(values=st.lists(st.floats(0, 1e6), max_size=64), most=st.integers(1, 16))
def test_as_many_pictures_as_asked_for_each_once_from_first_to_last(values: list[float], most: int) -> None:
    places = telling(values, most)
    assert len(places) == min(len(values), most)
    assert places == sorted(set(places))
    assert all(0 <= place < len(values) for place in places)
    if most > 1 and values:
        assert (places[0], places[-1]) == (0, len(values) - 1)


def test_where_nothing_moves_pictures_are_spread_evenly() -> None:
    assert telling([0.0] * 16, 4) == [0, 5, 10, 15]


def test_where_something_moves_it_is_in_more_of_the_pictures() -> None:
    places = telling([0.1] * 8 + [5.0] * 3 + [0.1] * 9, 5)
    assert sum(7 <= place <= 11 for place in places) >= 3


def test_a_single_picture_is_the_one_in_which_most_moves() -> None:
    assert telling([1.0, 1.0, 7.0, 2.0], 1) == [2]


def test_the_expert_leads_to_the_pictures_that_are_sent() -> None:
    shown = show(window(frames=4), [motion(0.0, 0.0, 9.0, 0.0)], media(0, 60, 120, 180), ImageSettings(max=3))
    assert [int(level[0]) // 10 for level in shown_levels(shown.blocks)] == [0, 12, 18]
    assert "0.00 s, 0.20 s, 0.30 s" in shown.said


def test_a_picture_that_repeats_the_one_before_is_not_sent_again() -> None:
    shown = show(window(frames=4), [], media(50, 51, 50, 200), ImageSettings(max=4))
    assert len(shown.blocks) == 2
    assert "0.00 s, 0.30 s" in shown.said
    frozen = show(window(frames=4), [], media(50, 50, 50, 50), ImageSettings(max=4))
    assert len(frozen.blocks) == 1
    assert "did not change" in frozen.said


def test_what_tools_are_asked_for_twice_is_sent_once_and_a_region_that_rests_at_each_of_its_times() -> None:
    first, again, other = media(50, 50, 200).pictures(window(frames=3))
    images = ImageSettings(max=4)
    rests, asked_twice, moving = (given(found, images) for found in ([first, again], [first, first], [first, other]))
    assert [len(shown.blocks) for shown in (rests, asked_twice, moving)] == [2, 1, 2]


def test_members_with_like_settings_share_the_pictures_and_others_get_their_own() -> None:
    source, seen = media(10, 90, 200), window(frames=3)
    small, large = ImageSettings(max=2, max_side=16), ImageSettings(max=2, max_side=32)
    first = show(seen, (), source, small)
    assert show(seen, (), source, small.model_copy()) is first
    assert show(seen, (), source, large).blocks != first.blocks
    assert show(seen, (), source, small, (0.0, 0.0, 0.25, 0.5)).blocks != first.blocks
    assert show(window(start=1.0, frames=3), (), source, small) is not first


def test_a_composite_is_one_picture_of_three_moments() -> None:
    images = ImageSettings(max=4, style="composite")
    shown = show(window(frames=4), [], media(30, 90, 90, 210), images)
    ((blue, green, red),) = shown_levels(shown.blocks)
    assert (abs(int(red) - 30) < 8, abs(int(green) - 90) < 8, abs(int(blue) - 210) < 8) == (True, True, True)
    assert "0.00 s in its red channel, 0.10 s in green, 0.30 s in blue" in shown.said
    frozen = show(window(frames=4), [], media(30, 30, 30, 30), images)
    assert "did not change" in frozen.said
    image = np.full((4, 6), 7, np.uint8)
    assert composite([image, image, image]).shape == (4, 6, 3)


def test_a_model_that_reads_only_words_is_sent_no_pictures_and_told_so() -> None:
    shown = show(window(frames=4), [], media(0, 60, 120, 180), ImageSettings(max=0))
    assert (shown.blocks, shown.said) == ((), "No pictures are shown.")
