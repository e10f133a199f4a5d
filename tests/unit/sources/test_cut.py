"""Windows: every frame is new once, context is there, ids differ."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.errors import SourceError
from alarm_agents.sources.captions import Caption
from alarm_agents.sources.windows import cut
from alarm_agents.types import Window


def stream(count: int, fps: float = 10.0) -> list[Caption]:
    return [Caption(str(i), 2 * i, i / fps, fps) for i in range(count)]  # numbers skip, as in a video of reduced rate


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[Caption], int, int]:
    size = draw(st.integers(1, 20))
    step = draw(st.integers(1, size) | st.just(size))
    return stream(draw(st.integers(0, 70)), draw(st.sampled_from([0.5, 10.0, 29.97, 240.0]))), size, step


@given(cuts())
def test_windows_cover_the_stream(drawn: tuple[list[Caption], int, int]) -> None:
    frames, size, step = drawn
    found = list(cut(iter(frames), source="s", size=size, step=step))
    assert [frame for _, held, overlap in found for frame in held[overlap:]] == frames
    for number, (window, held, overlap) in enumerate(found):
        own = frames[number * step : number * step + size]
        assert window.frames == tuple(frame.index for frame in own)
        assert window.times == tuple(frame.time for frame in own)
        assert held[-len(own) :] == own
        assert (window.first, window.last, window.start) == (own[0].index, own[-1].index, own[0].time)
        assert window.end == pytest.approx(own[-1].time + 1 / own[-1].fps, abs=1e-6)
        assert overlap == (0 if number == 0 else max(size - step, 1))
        assert len(held) <= size + (step == size)
        assert len(held) > overlap


@given(cuts())
def test_ids_are_unique_and_the_same_again(drawn: tuple[list[Caption], int, int]) -> None:
    frames, size, step = drawn
    ids = [window.id for window, _, _ in cut(frames, source="s", size=size, step=step)]
    assert len(set(ids)) == len(ids)
    assert ids == [window.id for window, _, _ in cut(frames, source="s", size=size, step=step)]
    assert ids == sorted(ids)


def test_id_names_source_and_start() -> None:
    windows = [window for window, _, _ in cut(stream(40), source="ped2-test-01", size=16, step=16)]
    assert [window.id for window in windows] == [f"ped2-test-01:{n:09d}" for n in (0, 1600, 3200)]


def test_takes_no_more_frames_than_a_window_needs() -> None:
    taken: list[int] = []

    def counted() -> Iterator[Caption]:
        for frame in stream(100):
            taken.append(frame.index)
            yield frame

    next(cut(counted(), source="s", size=16, step=8))
    assert len(taken) == 16


def test_frames_before_an_error_come_first() -> None:
    def broken() -> Iterator[Caption]:
        yield from stream(20)
        raise SourceError("ends early", where="x.mp4")

    found: list[tuple[Window, list[Caption], int]] = []
    with pytest.raises(SourceError, match="ends early"):
        found.extend(cut(broken(), source="s", size=16, step=16))  # keeps what came before the error
    assert [len(window.frames) for window, _, _ in found] == [16, 4]


@pytest.mark.parametrize("step", [0, 5])
def test_gaps_are_refused(step: int) -> None:
    with pytest.raises(ValueError, match="step must be between"):
        next(cut(stream(9), source="s", size=4, step=step))
