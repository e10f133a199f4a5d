"""The stage of one source: what is smoothed, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from alarm_agents.monitor.stage import Stage
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.held import HeldSource
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.tools.expert import Measured
from alarm_agents.tools.presence import Presence
from alarm_agents.tools.rhythm import SETTLED
from alarm_agents.tools.smoothing import CAUSAL, OFFLINE, Smoothing
from support.clips import clip

FPS = 10.0


class Counting:
    """An expert whose measures leap from 0 to 1 with the fourth frame."""

    name, score = "motion", "ratio"

    def begin(self) -> None:
        """Nothing is remembered."""

    def measure(self, frames: list[Picture], overlap: int) -> Measured:
        values = tuple(float(frame.index >= 4) for frame in frames[overlap:])
        return Measured(dict.fromkeys(("ratio", "tall", "wide"), values), ())


@pytest.mark.parametrize("smoothing", [CAUSAL, OFFLINE])
def test_a_size_is_of_one_thing_and_is_not_smoothed(smoothing: Smoothing) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    held = HeldSource([Picture(image, i, i / 10, 10.0) for i in range(8)], "place", "frames")
    experts = {"motion": Counting()}
    stage = Stage(Media(held, 640), SourceSettings(kind="video", frames=8), experts, smoothing)  # type: ignore[arg-type]  # it measures and no more
    ((_, (found,)),) = stage
    assert found.frames["tall"] == found.frames["wide"] == (0.0,) * 4 + (1.0,) * 4
    assert 0 < found.frames["ratio"][4] < 1


def test_a_clock_is_taken_as_it_is_and_ends_when_what_it_counts_does() -> None:
    images = clip(240, seed=3)
    presence = Presence()
    presence.fit([[Picture(image, i, i / FPS, FPS) for i, image in enumerate(images)]])
    watched = [np.array(image) for image in clip(100, seed=3)]
    for image in watched[30:70]:
        image[100:108, 70:80] = 5  # something that stands in the walkers' ground, and is taken away
    held = HeldSource([Picture(image, i, i / FPS, FPS) for i, image in enumerate(watched)], "place", "frames")
    stage = Stage(Media(held, 640), SourceSettings(kind="video", frames=20), {"presence": presence})
    stays = [value for _, (measured,) in stage for value in measured.frames["stays"]]
    assert stays[69] > 3.5
    assert stays[71] == SETTLED
