"""One picture of what the demo did: key frames with what was seen in them, and p over time."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from alarm_agents.demo.scene import Span
from alarm_agents.monitor.moments import Moment, extent, located, moment_of, p_of, telling
from alarm_agents.sources.base import Source
from alarm_agents.sources.picture import Picture
from alarm_agents.types import Case, Fact, Incident, Label

FRAMES = 4  # key frames at most, one of them of normal life
COLOURS = 256
THRESHOLD = 0.5  # p at the limit that the references set
INK, LINE, ALARM, IMPLANTED, CALM = "#24292f", "#1f5fa8", "#c8102e", "#f2b632", "#2e7d4f"


@dataclass(frozen=True)
class Showing:
    """All that is drawn of one world."""

    source: Source[Picture]
    cases: Sequence[Case]
    incidents: Sequence[Incident]
    implanted: Sequence[Span]


def draw_overview(file: Path, showings: Sequence[Showing]) -> None:
    """Write the picture (PNG), for each world: key frames of the largest incidents and a normal moment, above p."""
    figure = Figure(figsize=(12, 5.4 * len(showings)), dpi=100, layout="constrained")
    for part, showing in zip(figure.subfigures(len(showings), 1, squeeze=False)[:, 0], showings, strict=True):
        moments = key_moments(showing.cases, showing.incidents)
        grid = part.add_gridspec(2, max(1, len(moments)))
        for number, moment in enumerate(moments):
            _frame(part.add_subplot(grid[0, number]), showing.source, moment, "abcd"[number])
        _timeline(part.add_subplot(grid[1, :]), showing, moments)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    image = Image.open(drawn).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)  # a third of the size


def key_moments(cases: Sequence[Case], incidents: Sequence[Incident]) -> list[Moment]:
    """The peak of each of the largest incidents and the calmest case in which something moves, by time."""
    known = {case.id: case for case in cases}
    largest = sorted(incidents, key=lambda each: -(each.score or 0.0))[: FRAMES - 1]
    peaks = [max((known[key] for key in each.cases if key in known), key=telling, default=None) for each in largest]
    calm = [case for case in cases if case.label is Label.NORMAL and located(case)]
    chosen = [*(case for case in peaks if case is not None), *sorted(calm, key=p_of)[:1]]
    return sorted((moment_of(case) for case in chosen), key=lambda moment: moment.time)


def _frame(axes: Axes, source: Source[Picture], moment: Moment, letter: str) -> None:
    pictures = source.read(moment.frame, moment.frame)
    axes.set_xticks([])
    axes.set_yticks([])
    colour = ALARM if moment.odd else CALM
    for side in axes.spines.values():
        side.set(color=colour, linewidth=2)
    if pictures:
        image = cv2.cvtColor(pictures[0].image, cv2.COLOR_BGR2RGB)
        axes.imshow(image, interpolation="bilinear")
        for fact in moment.facts:
            _box(axes, fact, image.shape[1], image.shape[0], colour)
    axes.set_title(
        f"{letter}   {moment.time:.1f} s   {moment.case.label.value}, p = {moment.p:.2f}",
        fontsize=10,
        color=colour,
        fontweight="bold",
        loc="left",
    )
    axes.set_xlabel(textwrap.fill(moment.facts[0].text, 44) if moment.facts else "", fontsize=8, color=INK)


def _box(axes: Axes, fact: Fact, width: int, height: int, colour: str) -> None:
    assert fact.region is not None
    x0, y0, x1, y1 = fact.region
    corner = x0 * width, y0 * height
    axes.add_patch(
        Rectangle(corner, (x1 - x0) * width, (y1 - y0) * height, fill=False, edgecolor=colour, linewidth=1.8)
    )
    if fact.attribute == "speed ratio":
        style = {"boxstyle": "square,pad=0.15", "facecolor": colour, "edgecolor": "none"}
        axes.text(*corner, f"{extent(fact):.1f}x", fontsize=8, color="white", va="bottom", bbox=style)


def _timeline(axes: Axes, showing: Showing, moments: Sequence[Moment]) -> None:
    times = [time for case in showing.cases for time in case.window.times]
    scores = [p for case in showing.cases for p in case.frame_scores or (p_of(case),) * len(case.window.times)]
    for place, span in enumerate(showing.implanted):
        label = "implanted" if place == 0 else None
        axes.axvspan(span.start, span.end, color=IMPLANTED, alpha=0.35, linewidth=0, label=label)
        axes.text((span.start + span.end) / 2, 1.01, span.kind, ha="center", va="bottom", fontsize=9, color=INK)
    axes.plot(times, scores, color=LINE, linewidth=1.6, label="p of each frame")
    axes.axhline(THRESHOLD, color=INK, linewidth=0.9, linestyle="--", label="limit that the references set")
    for place, incident in enumerate(showing.incidents):
        label = "incident" if place == 0 else None
        axes.plot(
            [incident.start, incident.end], [-0.06, -0.06], color=ALARM, linewidth=6, solid_capstyle="butt", label=label
        )
    for letter, moment in zip("abcd", moments, strict=False):
        colour = ALARM if moment.odd else CALM
        axes.plot(moment.time, moment.p, "o", color=colour, markersize=5)
        beside = (6, -11) if moment.odd else (4, 5)
        axes.annotate(letter, (moment.time, moment.p), beside, textcoords="offset points", color=colour, weight="bold")
    axes.set(xlim=(0, max(times, default=1.0)), ylim=(-0.12, 1.12), xlabel="seconds", ylabel="p of an anomaly")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4, frameon=False, fontsize=9)
