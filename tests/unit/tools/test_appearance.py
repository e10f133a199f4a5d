"""What the appearance expert takes for odd, and what it does not, on generated parts that pass on a belt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.tools.appearance import Appearance

FPS = 10.0
Floats = NDArray[np.float64]


def belt(frames: int, seed: int, change: Callable[[Floats, int], None] = lambda *_: None) -> list[Picture]:
    """Bright parts with a hole and a mark pass to the right, one every 100 pixels; `change` alters each of them."""
    rng, shown = np.random.default_rng(seed), []
    for index in range(frames):
        wide = np.full((120, 340, 3), 90.0)  # with room on either side, which is cut off
        for left in range(4 * index % 100, 300, 100):
            wide[40:76, left + 10 : left + 42] = 200
            wide[52:64, left + 20 : left + 32] = 60
            wide[40:46, left + 14 : left + 22] = 150
            change(wide, left + 10)
        image = wide[:, 50:290] + rng.normal(0, 2, (120, 240, 3))
        shown.append(Picture(np.clip(image, 0, 255).astype(np.uint8), index, index / FPS, FPS))
    return shown


def dirty(image: Floats, left: int) -> None:
    """Something dark lies on the belt and touches the part, whose frame it widens."""
    image[40:54, left - 3 : left] = 40


def damaged(image: Floats, left: int) -> None:
    """The hole was not drilled."""
    image[52:64, left + 10 : left + 22] = 200


def test_what_touches_a_thing_and_widens_its_frame_does_not_make_it_look_odd_and_damage_does() -> None:
    expert = Appearance()
    expert.fit([belt(60, seed) for seed in (1, 2, 3)])

    def oddest(frames: list[Picture]) -> float:
        expert.begin()
        return max(expert.measure(frames, 0).frames["look"])

    assert oddest(belt(60, 9, dirty)) < oddest(belt(60, 9, damaged)) / 2
