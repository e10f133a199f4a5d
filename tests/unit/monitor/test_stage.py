"""The stage of one source: what is smoothed, and what is not."""

from __future__ import annotations

import numpy as np

from alarm_agents.monitor.stage import Stage
from alarm_agents.scenario import SourceSettings
from alarm_agents.sources.held import HeldSource
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.tools.presence import Presence
from alarm_agents.tools.rhythm import SETTLED
from support.clips import clip

FPS = 10.0


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
