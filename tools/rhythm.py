"""When things come to each cell of a coarse picture, and how long they stay: the clocks of the presence expert."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alarm_agents.tools.scene import Mask

Clock = NDArray[np.float32]

SAME = 10.0  # grey levels within which a cell still shows the same
SETTLED = 1.0  # seconds; less is passing by
PASSING = 5.0  # seconds that others may hide what stays
GONE = 0.2  # share of what has stayed in which the ground shows, from which on it has gone, whatever hides the rest
STANDS = 0.9  # share of what is there that stands still, from which nothing can be expected to come
VISITS = 3  # times that something must have come back to a cell
LATE = 1.1  # times the usual gap
REGULAR = 1.5  # longest gap over the usual one, up to which things come regularly
SOMEWHERE = 0.02  # share of the picture in which they must
MOSTLY = 0.4  # share, too, of the cells to which things come back: some gaps of chance visits are alike by chance


@dataclass(frozen=True)
class Cells:
    """The cells (h, w) at one moment; clocks in seconds."""

    mask: Mask
    """Where something stands out from the ground."""
    level: Clock
    """Grey levels now, less the light's."""
    held: Clock
    stay: Clock
    """What each cell shows for good, and for how long: what passes in front of it does not count."""
    other: Clock
    since: Clock
    """What it shows at the moment, and for how long."""
    alone: Clock
    """For how long of that it was something small by itself: who comes by does not count, who stands beside it does."""
    here: Clock
    """How long something has been there, the same or not."""
    gone: Clock
    """How long nothing has, or had before something came."""

    @property
    def shown(self) -> Mask:
        """Where what a cell shows for good is to be seen at the moment."""
        return np.asarray(self.mask & (np.abs(self.level - self.held) < SAME))

    @classmethod
    def first(cls, mask: Mask, level: Clock) -> Cells:
        """At a stream's beginning, where all clocks start."""
        zero = np.zeros(level.shape, np.float32)
        return cls(mask, level, level, zero, level, zero, zero, zero, zero)

    def after(self, mask: Mask, level: Clock, small: Callable[[Mask], Mask], passed: float) -> Cells:
        """The cells `passed` seconds later; `small` says which cells of a mask belong to small things.

        While all that is there stands still nothing can come, and the clock of what is missing stands too.
        """
        step, none = np.float32(passed), np.float32(0)
        here = np.where(mask, self.here + step, none)
        since = np.where(mask & (np.abs(level - self.other) < SAME), self.since + step, none)
        other = np.where(since > 0, self.other, level)
        same = mask & (np.abs(level - self.held) < SAME)
        settled = self.stay > SETTLED
        hidden = mask & settled & (since < np.minimum(self.stay, PASSING))
        kept = same | (hidden & ~_largely(settled, settled & ~mask))
        alone = same & small(here > SETTLED)
        stands = mask.any() and (np.abs(level - self.level)[mask] < SAME / 2).mean() > STANDS
        return Cells(
            mask,
            level,
            np.where(kept, self.held, other),
            np.where(kept, self.stay + step, since),
            other,
            since,
            np.where(kept, self.alone + step * alone, none),
            here,
            np.where(mask, none, self.gone if stands else self.gone + step),
        )


def _largely(mask: Mask, marked: Mask) -> Mask:
    """The parts of a mask (h, w) that hang together and of which more than the share `GONE` is marked."""
    count, parts = cv2.connectedComponents(mask.view(np.uint8))
    cells, marks = (np.bincount(parts[each], minlength=count) for each in (mask, marked))
    return np.asarray((marks > GONE * cells)[parts])


@dataclass(frozen=True)
class Rhythm:
    """The usual seconds of gaps and of visits (h, w), 0 where things come irregularly; and a whole thing's cells."""

    gaps: Clock
    visits: Clock
    area: float

    @classmethod
    def learn(cls, watches: Sequence[Sequence[Cells]], area: float) -> Rhythm | None:
        """From the cells of some stretches, moment by moment; None where hardly anything comes regularly."""
        gaps: list[Clock] = []
        visits: list[Clock] = []
        for watch in watches:
            visited = np.zeros(watch[0].mask.shape, bool)  # the first gap and visit began before the stretch did
            for was, now in pairwise(watch):
                came, left = now.mask & ~was.mask & visited, was.mask & ~now.mask & visited
                gaps.append(np.where(came, was.gone, np.float32(np.nan)))
                visits.append(np.where(left, was.here, np.float32(np.nan)))
                visited |= was.mask & ~now.mask
        usual, longest, count = _summed(gaps)
        stays, _, _ = _summed(visits)
        often = (count >= VISITS) & (usual > 0) & (stays > 0)
        regular = often & (longest <= REGULAR * usual)
        if regular.mean() < max(SOMEWHERE, MOSTLY * often.mean()) or area <= 0:
            return None
        return cls(np.where(regular, usual, np.float32(0)), np.where(regular, stays, np.float32(0)), area)

    def late(self, gone: Clock) -> Mask:
        """The cells (h, w) that should be visited just now, and for longer than usual have not been."""
        gaps, visits = (_fitted(clock, gone.shape) for clock in (self.gaps, self.visits))
        late = (gaps > 0) & (gone > LATE * gaps)
        if late.any():
            gap, visit = gaps[late], visits[late]
            late[late] = np.mod(gone[late] - gap, gap + visit) < visit
        return late

    def state(self) -> dict[str, NDArray[Any]]:
        """As arrays that `restore` takes back."""
        return {"gaps": self.gaps, "visits": self.visits, "area": np.array(self.area)}

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[Any]]) -> Rhythm | None:
        """The rhythm of a state that `state` gave; None where it holds none."""
        if "gaps" not in state:
            return None
        gaps, visits = (np.asarray(state[name], np.float32) for name in ("gaps", "visits"))
        return cls(gaps, visits, float(state["area"]))


def _summed(ended: Sequence[Clock]) -> tuple[Clock, Clock, NDArray[np.int_]]:
    """The middle one, the longest one and the number of what has ended in each cell; 0 where nothing has."""
    values = np.array(ended)
    count = np.isfinite(values).sum(axis=0)
    filled = np.where(count > 0, values, np.float32(0))
    middle = np.nanmedian(filled, axis=0).astype(np.float32)
    return middle, np.nanmax(filled, axis=0), count


def _fitted(clock: Clock, shape: tuple[int, ...]) -> Clock:
    if clock.shape == shape:
        return clock
    return np.asarray(cv2.resize(clock, shape[::-1], None, 0, 0, cv2.INTER_NEAREST), np.float32)
