"""The per-source stage: measures, tracks and smooths in order. All memory from window to window lives here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from alarm_agents.settings import SourceSettings
from alarm_agents.sources.media import Media
from alarm_agents.sources.timeline import hour_of
from alarm_agents.sources.windows import cut
from alarm_agents.tools.expert import Expert, FollowsRules
from alarm_agents.tools.expert import Measured as Seen
from alarm_agents.tools.smoothing import CAUSAL, STEADY, Smoothing
from alarm_agents.types import Fact, Measurement, Rule, Window

Measured = tuple[Window, tuple[Measurement, ...]]
T = TypeVar("T")


@dataclass
class _Series:
    """What one expert has measured of the frames that windows still need: by measure and frame, and facts."""

    values: dict[str, dict[int, float]] = field(default_factory=dict)
    facts: list[tuple[float, Fact]] = field(default_factory=list)
    """With the time they are of; facts about a whole stretch are of its first new frame."""

    def forget(self, before: int, time: float) -> None:
        """Drop what no later window can cover."""
        self.values = {n: {i: v for i, v in series.items() if i >= before} for n, series in self.values.items()}
        self.facts = [(at, fact) for at, fact in self.facts if at >= time]

    def of(self, window: Window, expert: Expert[Any]) -> Measurement:
        """The part that belongs to the window."""
        measured = {n: s for n, s in self.values.items() if all(i in s for i in window.frames)}
        # Five digits are more than any expert can vouch for, and keep records small.
        frames = {n: tuple(float(f"{series[i]:.5g}") for i in window.frames) for n, series in measured.items()}
        facts = tuple(fact for at, fact in self.facts if window.start <= at < window.end)
        return Measurement(expert=expert.name, score=expert.score, frames=frames, facts=facts)


class Stage:
    """One pass over one source."""

    def __init__(
        self,
        media: Media,
        settings: SourceSettings,
        experts: Mapping[str, Expert[Any]],
        smoothing: Smoothing = CAUSAL,
        rules: Callable[[], Sequence[Rule]] = tuple,
    ) -> None:
        """`rules` gives the active rules: it is asked before each window, so that a change counts from the next."""
        self._media, self._settings, self._experts, self._smoothing = media, settings, experts, smoothing
        self._rules = rules
        self._beside = ThreadPoolExecutor(1, "expert")

    def __iter__(self) -> Iterator[Measured]:
        """Each window with its smoothed measurements, in order; raises `SourceError` where the source ends early."""
        return self._causal() if self._smoothing.causal else self._offline()

    def _causal(self) -> Iterator[Measured]:
        means: dict[tuple[str, str], float] = {}
        kind = self._media.kind

        def smooth(expert: str, name: str, values: tuple[float, ...], first: bool) -> list[float]:
            if f"{expert}.{name}" in STEADY:
                return list(values)
            smoothed = self._smoothing.forward(values, kind, None if first else means.get((expert, name)))
            if smoothed:
                means[expert, name] = smoothed[-1]
            return smoothed

        for window, series in self._measure(smooth):
            yield window, tuple(series[name].of(window, expert) for name, expert in self._experts.items())
            for kept in series.values():
                kept.forget(window.frames[0], window.start)

    def _offline(self) -> Iterator[Measured]:
        """The whole source is measured first: what comes after a frame counts as much as what came before it."""
        windows: list[Window] = []
        series: Mapping[str, _Series] = {}
        for window, measured in self._measure(lambda _, __, values, ___: list(values)):
            windows.append(window)
            series = measured
        for expert, kept in series.items():
            for name, values in kept.values.items():
                if f"{expert}.{name}" in STEADY:
                    continue
                smoothed = self._smoothing.whole(list(values.values()), self._media.kind, windows[0].fps)
                kept.values[name] = dict(zip(values, smoothed, strict=True))
        for window in windows:
            yield window, tuple(series[name].of(window, expert) for name, expert in self._experts.items())

    def _measure(self, smooth: Any) -> Iterator[tuple[Window, dict[str, _Series]]]:
        series = {name: _Series() for name in self._experts}
        source, settings = self._media.source, self._settings
        followers = [expert for expert in self._experts.values() if isinstance(expert, FollowsRules)]
        windows = cut(source.frames(), source=source.slug, size=settings.frames, step=settings.step)
        for untimed, frames, overlap in _read_ahead(windows):
            hour = hour_of(untimed.start, live=source.live, starts=settings.starts)
            window = untimed.model_copy(update={"hour": hour, "category": self._media.category})
            self._media.keep(window, frames[-len(window.frames) :])
            for follower in followers:
                follower.follow(self._rules())
            new = [frame.index for frame in frames[overlap:]]
            for name, found in self._looked(frames, overlap).items():
                for measure, values in found.frames.items():
                    smoothed = smooth(name, measure, values, not overlap)
                    series[name].values.setdefault(measure, {}).update(zip(new, smoothed, strict=True))
                start = frames[overlap].time
                series[name].facts += [(start if fact.time is None else fact.time, fact) for fact in found.facts]
            yield window, series

    def _looked(self, frames: Sequence[Any], overlap: int) -> dict[str, Seen]:
        """What each expert measures of the frames: the first beside the others, for it takes as long as they all do."""
        if not overlap:
            for expert in self._experts.values():
                expert.begin()
        first, *others = self._experts
        beside = self._beside.submit(self._experts[first].measure, frames, overlap)
        found = {name: self._experts[name].measure(frames, overlap) for name in others}
        return {first: beside.result(), **found}


def _read_ahead(items: Iterator[T]) -> Iterator[T]:
    """The items; each is read, in a thread of its own, while the one before is worked on."""
    thread = ThreadPoolExecutor(1, "reader")
    try:
        coming = thread.submit(next, items, None)
        while (found := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield found
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
