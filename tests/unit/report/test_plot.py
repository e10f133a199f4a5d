"""Curves keep their peaks, spans that cannot be told apart are one, and drawings bring nothing but themselves."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.monitor.clock import Clock
from alarm_agents.report.plot import Curve, Limits, draw, merged, thinned

CURVE = Curve([0.0, 0.1, 0.2], [0.1, 0.9, 0.3], [0.1], [0.2], [(0.3, 0.4)])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=400), st.integers(2, 50))
def test_a_thinned_curve_keeps_every_stretch_s_largest_value(values: list[float], points: int) -> None:
    times, kept = thinned(range(len(values)), values, points)
    assert len(times) == len(kept) == min(len(values), points)
    assert kept.max() == max(values)
    assert all(values[int(time)] == value for time, value in zip(times, kept, strict=True))
    assert (np.diff(times) > 0).all()


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=30), st.floats(0, 3))
def test_merged_spans_cover_the_same_and_are_apart(found: list[tuple[float, float]], apart: float) -> None:
    spans = [(start, start + lasts) for start, lasts in found]
    whole = merged(spans, apart)
    assert all(any(a <= start and end <= b for a, b in whole) for start, end in spans)
    assert all(later[0] - earlier[1] > apart for earlier, later in pairwise(whole))


def drawing(name: str = "p1", labelled: str = "cyclist") -> str:
    limits = Limits(0.5, 0.6)
    return str(draw(CURVE, [("x", 0.0, 0.2)], [(labelled, 0.1, 0.3)], limits=limits, clock=Clock(0.4), name=name))


def test_a_drawing_is_the_same_each_time_and_its_ids_are_its_own() -> None:
    assert drawing() == drawing()
    ids = [{e.attrib["id"] for e in ElementTree.fromstring(drawing(name)).iter() if "id" in e.attrib} for name in "ab"]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$\\frac{", "a\x00\x1b[31m\u202eb", "]]>&amp;"])
def test_what_somebody_called_a_label_is_text(name: str) -> None:
    root = ElementTree.fromstring(drawing(labelled=name))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "defs", "style", "g", "path", "text", "use", "clipPath", "rect", "metadata", "tspan"} | {
        "RDF",
        "Work",
        "type",
        "format",
        "creator",
        "Agent",
        "title",
    }


def test_it_takes_the_page_s_colour_and_loads_nothing() -> None:
    svg = drawing()
    assert "currentColor" in svg
    references = [
        value for e in ElementTree.fromstring(svg).iter() for key, value in e.attrib.items() if key.endswith("href")
    ]
    assert all(reference.startswith("#p1-") for reference in references)


def test_an_empty_run_can_be_drawn() -> None:
    assert "<svg" in draw(Curve(), [], [], limits=Limits(0.5, 0.6), clock=Clock(0.0), name="p2")


@pytest.mark.parametrize(("end", "text"), [(50.0, "30.0 s"), (7200.0, "0:00:30"), (1.8e9, ":")])
def test_times_are_told_as_people_read_them(end: float, text: str) -> None:
    assert text in Clock(end).text(30.0)
    assert bool(Clock(end).day) == (end > 1e9)
