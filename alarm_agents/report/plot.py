"""p and uncertainty over time as an SVG drawing for a page, by matplotlib: light or dark as the page is."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from alarm_agents.monitor.clock import Clock
from alarm_agents.observability.tree import clean

Floats = NDArray[np.float64]
Span = tuple[str, float, float]
"""A name, and from when to when, in seconds."""

POINTS = 1200
"""Points of a curve at most; of each stretch the largest value stays, so that no peak is lost."""
THRESHOLD = 0.5
"""p at the limit that the references set."""
INK = "#010203"
"""Stands for the page's own colour of text, which the drawing takes on."""
LINE, UNSURE, ALARM, LABELLED, SILENT = "#3b82c4", "#8a63c9", "#d1293d", "#e0a526", "#8b929c"
NAME = 28
_ID = re.compile(r"""(\bid="|href="#|url\(#)""")


@dataclass
class Curve:
    """What is drawn: p of each frame, uncertainty of each window, and spans in which nobody gave a usable verdict."""

    times: list[float] = field(default_factory=list)
    p: list[float] = field(default_factory=list)
    window_times: list[float] = field(default_factory=list)
    uncertainty: list[float] = field(default_factory=list)
    silent: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Limits:
    """Above which p something is anomalous, and above which uncertainty it is looked at again."""

    p: float
    uncertainty: float


def draw(
    curve: Curve, incidents: Sequence[Span], labelled: Sequence[Span], *, limits: Limits, clock: Clock, name: str
) -> Markup:
    """The drawing; `name` (letters, digits) keeps its ids apart from those of other drawings on the page."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 9}):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _probability(top, curve, incidents, labelled, limits)
        _uncertainty(below, curve, limits, clock)
        for axes in (top, below):
            plain_axes(axes)
        figure.legend(loc="outside upper right", ncols=6, frameon=False, fontsize=8, labelcolor=INK)
        return as_svg(figure, name)


def as_svg(figure: Figure, name: str) -> Markup:
    """The figure as an element of a page, in the page's own colour of text; `name` keeps its ids apart from others'."""
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    return Markup(_ID.sub(rf"\g<1>{name}-", svg))  # noqa: S704 (matplotlib has escaped what stands in it)


def thinned(times: Sequence[float], values: Sequence[float], points: int = POINTS) -> tuple[Floats, Floats]:
    """At most so many points, each the largest value of its stretch at its own time."""
    t, v = np.asarray(times, float), np.asarray(values, float)
    if len(v) <= points:
        return t, v
    edges = np.linspace(0, len(v), points + 1).astype(int)
    best = np.array([start + int(np.argmax(v[start:end])) for start, end in pairwise(edges)])
    return t[best], v[best]


def merged(spans: Iterable[tuple[float, float]], apart: float) -> list[tuple[float, float]]:
    """The spans by time, those less than `apart` from each other as one: what the eye could not tell apart anyway."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= apart:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _probability(axes: Axes, curve: Curve, incidents: Sequence[Span], labelled: Sequence[Span], limits: Limits) -> None:
    for place, (kind, start, end) in enumerate(labelled):
        axes.axvspan(start, end, color=LABELLED, alpha=0.3, linewidth=0, label="labelled" if place == 0 else None)
        text = axes.text((start + end) / 2, 1.07, clean(kind, NAME), ha="center", va="bottom", fontsize=8, color=INK)
        text.set_parse_math(False)
    apart = (curve.window_times[-1] - curve.window_times[0]) / POINTS if curve.window_times else 0.0
    for place, (start, end) in enumerate(merged(((start, end) for _, start, end in incidents), apart)):
        axes.axvspan(start, end, color=ALARM, alpha=0.14, linewidth=0)
        line, label = [start, end], "incident" if place == 0 else None
        axes.plot(line, [-0.07, -0.07], color=ALARM, linewidth=5, solid_capstyle="butt", label=label)
    for place, (start, end) in enumerate(merged(curve.silent, apart)):
        label = "no usable verdict" if place == 0 else None
        axes.axvspan(start, end, color=SILENT, alpha=0.35, linewidth=0, label=label)
    axes.plot(*thinned(curve.times, curve.p), color=LINE, linewidth=1.4, label="p of an anomaly")
    axes.axhline(limits.p, color=INK, linewidth=0.8, linestyle="--", label="threshold")
    axes.set(ylim=(-0.14, 1.06), ylabel="p", yticks=[0, 0.5, 1])


def _uncertainty(axes: Axes, curve: Curve, limits: Limits, clock: Clock) -> None:
    times, values = thinned(curve.window_times, curve.uncertainty)
    axes.fill_between(times, values, step="mid", color=UNSURE, alpha=0.35, linewidth=0)
    axes.step(times, values, where="mid", color=UNSURE, linewidth=1.0, label="uncertainty")
    axes.axhline(limits.uncertainty, color=INK, linewidth=0.8, linestyle=":", label="looked at again above")
    axes.set(ylim=(0, 1.05), ylabel="unsure", yticks=[0, 1])
    axes.xaxis.set_major_locator(MaxNLocator(9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _: clock.text(time)))


def plain_axes(axes: Axes) -> None:
    """Only what is needed of the axes' frame, in the page's own colour."""
    axes.margins(x=0)
    axes.tick_params(colors=INK)
    axes.yaxis.label.set_color(INK)
    for side, spine in axes.spines.items():
        spine.set(color=INK, alpha=0.4, visible=side in ("left", "bottom"))
