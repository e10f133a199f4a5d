"""Zoom, context, experts and similar cases on a small stream in memory."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alarm_agents.errors import ToolError
from alarm_agents.sources.captions import Caption
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.tools.call import ToolResult
from alarm_agents.tools.expert import Measured
from alarm_agents.tools.registry import BUILT_IN, Entry, Toolbox
from alarm_agents.tools.work import Work, working_on
from alarm_agents.types import Fact, Label, SimilarCase, Window

RATE, LENGTH = 20.0, 200
"""Frames a second of the stream, of which every second one is watched, and how many there are: ten seconds."""


class Stream:
    """Pictures whose pixels say where they are: blue the column, green the row, red the frame's number."""

    name = slug = "stream"
    fingerprint = "0"
    fps = 10.0
    live = False

    def __init__(self, kind: str = "frames") -> None:
        self.kind = kind
        self.most = 0

    def frames(self) -> Iterator[Any]:
        yield from self.read(0, LENGTH - 1)

    def read(self, first: int, last: int, *, max_side: int | None = None, every: bool = False) -> list[Any]:
        assert first >= 0
        numbers = [i for i in range(first, min(last, LENGTH - 1) + 1) if every or i % 2 == 0]
        self.most = max(self.most, len(numbers))
        if self.kind == "captions":
            return [Caption(f"frame {i}", i, i / RATE, RATE) for i in numbers]
        return [Picture(self._image(i), i, i / RATE, RATE if every else self.fps) for i in numbers]

    @staticmethod
    def _image(number: int) -> np.ndarray:
        rows, columns = np.mgrid[0:100, 0:200]
        return np.stack([columns, rows, np.full_like(rows, number)], axis=-1).astype(np.uint8)


class Expert:
    """Looks again, and says where and at what."""

    name = "motion"

    def look_again(self, pictures: list[Picture], region: tuple[float, ...]) -> Measured:
        text = f"{len(pictures)} pictures in {region}"
        fact = Fact(subject="object 1", attribute="speed", value=2.0, text=text, perceiver="motion")
        return Measured({"speed": tuple(float(i) for i in range(len(pictures)))}, (fact,))


def work(kind: str = "frames", **changes: Any) -> Work:
    numbers = range(80, 112, 2)
    window = Window(
        id="w", source="stream", start=4.0, end=5.6, first=80, last=110, fps=10.0,
        times=tuple(i / RATE for i in numbers), frames=tuple(numbers),
    )  # fmt: skip
    case = SimilarCase(case="c1", label=Label.ANOMALOUS, similarity=0.91, text="a bicycle")
    values = {
        "window": window,
        "media": Media(Stream(kind), 640),
        "experts": {"motion": Expert(), "still": SimpleNamespace(name="still")},
        "similar": lambda text, k: [case.model_copy(update={"text": text})] * 3 if text != "nothing" else [],
    }
    return Work(**values | changes)


@pytest.fixture
def toolbox() -> Toolbox:
    return Toolbox(Entry(tool, "built in") for tool in BUILT_IN.values())


async def run(toolbox: Toolbox, name: str, at: Work | None = None, **arguments: Any) -> ToolResult:
    with working_on(at or work()):
        return await toolbox.run(name, arguments)


async def test_zoom_gives_the_region_of_native_frames_evenly_spread(toolbox: Toolbox) -> None:
    result = await run(toolbox, "zoom", region=[0.25, 0.5, 0.75, 1.0], frames=3)
    assert [p.index for p in result.pictures] == [80, 95, 110]
    image = result.pictures[1].image
    assert image.shape == (50, 100, 3)
    assert image[0, 0].tolist() == [50, 50, 95]
    assert result.text == "3 pictures of 100 x 50 pixels at 4.00, 4.75, 5.50 s"
    assert not result.facts


@pytest.mark.parametrize(
    ("name", "arguments", "last"),
    [("zoom", {"region": [0.25, 0.5, 0.75, 1.0]}, "5.50"), ("context", {"before": 2, "after": 2}, "7.40")],
)
async def test_what_stands_still_is_one_picture_and_the_words_say_so(
    toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any], last: str
) -> None:
    monkeypatch.setattr(Stream, "_image", staticmethod(lambda _: np.full((100, 200, 3), 7, np.uint8)))
    result = await run(toolbox, name, **arguments)
    assert len(result.pictures) == 1
    assert result.text.startswith("1 picture of ")
    assert result.text.endswith(f": it did not change up to {last} s")


async def test_a_region_may_be_written_as_text(toolbox: Toolbox) -> None:
    assert len((await run(toolbox, "zoom", region="0, 0, 0.5, 0.5")).pictures) == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "argument region: Field required"),
        ({"region": [0.5, 0, 0.5, 1]}, "argument region: a region is x0,y0,x1,y1 with x0 < x1"),
        ({"region": [0.6, 0, 0.5, 1]}, "with x0 < x1"),
        ({"region": [0, 0, 1.5, 1]}, "argument region.2: "),
        ({"region": [0, 0, float("nan"), 1]}, "argument region.2: "),
        ({"region": [0, 0, 1]}, "argument region.3: "),
        ({"region": "everywhere"}, "argument region"),
        ({"region": None}, "argument region"),
        ({"region": [0, 0, 1, 1], "frames": 0}, "argument frames: "),
        ({"region": [0, 0, 1, 1], "frames": 65}, "argument frames: "),
        ({"regoin": [0, 0, 1, 1]}, "no argument 'regoin'; did you mean 'region'?"),
    ],
)
async def test_zoom_says_which_argument_is_wrong(toolbox: Toolbox, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ToolError) as caught:
        await run(toolbox, "zoom", **arguments)
    assert says in str(caught.value)
    assert str(caught.value).startswith("tool zoom: ")


async def test_context_gives_what_lies_around_the_window_and_not_the_window(toolbox: Toolbox) -> None:
    result = await run(toolbox, "context", before=2, after=2)
    times = [p.time for p in result.pictures]
    assert len(times) == 8
    assert times == sorted(times)
    assert all(2.0 <= t < 4.0 or 5.5 < t <= 7.5 for t in times)
    assert sum(t < 4.0 for t in times) == 4


async def test_context_ends_where_the_stream_does(toolbox: Toolbox) -> None:
    result = await run(toolbox, "context", before=30, after=30)
    times = [p.time for p in result.pictures]
    assert times[0] == 0.0
    assert 5.5 < times[-1] <= (LENGTH - 1) / RATE
    late = work()
    late = work(window=late.window.model_copy(update={"last": LENGTH - 1}))
    result = await run(toolbox, "context", late, after=5)
    assert (result.pictures, result.text) == ((), "there are no pictures at these times")


async def test_context_never_holds_the_whole_stretch(toolbox: Toolbox) -> None:
    at = work()
    await run(toolbox, "context", at, before=30, after=30)
    assert at.media.source.most <= 64  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [{"before": 31}, {"after": -1}, {"after": float("inf")}, {}])
async def test_context_refuses_other_times(toolbox: Toolbox, arguments: dict[str, float]) -> None:
    with pytest.raises(ToolError):
        await run(toolbox, "context", **arguments)


async def test_recorded_captions_have_context_and_nothing_to_zoom_into(toolbox: Toolbox) -> None:
    result = await run(toolbox, "context", work("captions"), before=0.2)
    assert result.text == "3.80 s: frame 76\n3.90 s: frame 78"
    with pytest.raises(ToolError, match="no pictures to zoom into"):
        await run(toolbox, "zoom", work("captions"), region=[0, 0, 1, 1])
    with pytest.raises(ToolError, match="no second, closer look"):
        await run(toolbox, "motion", work("captions"))


async def test_an_expert_measures_again_with_facts(toolbox: Toolbox) -> None:
    result = await run(toolbox, "motion", region=[0.0, 0.0, 0.5, 0.5])
    assert result.text == "31 pictures in (0.0, 0.0, 0.5, 0.5)\nhighest speed: 30"
    assert [fact.value for fact in result.facts] == [2.0]
    assert "(0.0, 0.0, 1.0, 1.0)" in (await run(toolbox, "motion")).text


async def test_an_expert_that_is_not_there_or_cannot_look_again() -> None:
    with pytest.raises(ToolError, match="no expert 'motion' watches this source; those that do: none"):
        await run(Toolbox([Entry(BUILT_IN["motion"], "built in")]), "motion", work(experts={}))
    blunt = work(experts={"motion": SimpleNamespace(name="motion")})
    with pytest.raises(ToolError, match="no second, closer look"):
        await run(Toolbox([Entry(BUILT_IN["motion"], "built in")]), "motion", blunt)


async def test_similar_cases(toolbox: Toolbox) -> None:
    result = await run(toolbox, "similar_cases", text="a bicycle", k=2)
    assert result.text.splitlines() == ["c1: anomalous, similarity 0.91, a bicycle"] * 2
    assert (await run(toolbox, "similar_cases", text="nothing")).text == "no resolved case resembles this"
    with pytest.raises(ToolError, match="argument k"):
        await run(toolbox, "similar_cases", text="x", k=0)


async def test_outside_a_case_there_is_nothing_to_look_at(toolbox: Toolbox) -> None:
    with pytest.raises(ToolError, match="none is open"):
        await toolbox.run("zoom", {"region": [0, 0, 1, 1]})
