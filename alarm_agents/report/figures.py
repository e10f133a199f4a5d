"""A suite's reliability diagram and accuracy-rejection curve as one SVG drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alarm_agents.report.plot import INK, LINE, SILENT, UNSURE, as_svg, plain_axes


def draw_curves(curves: Mapping[str, Sequence[Mapping[str, Any]]], name: str = "curves") -> Markup:
    """The drawing of what `alarm_agents.evaluation.reliability.curves` found; empty where there is nothing in it."""
    if not curves["reliability"]:
        return Markup("")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 9}):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _reliability(left, curves["reliability"])
        _rejection(right, curves["rejection"])
        for axes in (left, right):
            plain_axes(axes)
            axes.xaxis.label.set_color(INK)
            axes.title.set_color(INK)
        return as_svg(figure, name)


def _reliability(axes: Axes, bins: Sequence[Mapping[str, Any]]) -> None:
    most = max(each["count"] for each in bins)
    axes.bar(
        [each["p"] for each in bins], [0.2 * each["count"] / most for each in bins], width=0.05, color=SILENT, alpha=0.4
    )
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--")
    axes.plot([each["p"] for each in bins], [each["share"] for each in bins], color=LINE, marker="o", linewidth=1.4)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="p that was told", ylabel="share anomalous", title="Reliability")


def _rejection(axes: Axes, points: Sequence[Mapping[str, Any]]) -> None:
    known = [each for each in points if each["accuracy"] is not None]
    axes.plot([each["deferred"] for each in known], [each["accuracy"] for each in known], color=UNSURE, linewidth=1.4)
    axes.set(xlim=(0, 0.9), xlabel="share deferred, the least sure first", ylabel="accuracy of the rest")
    axes.set_title("Accuracy and rejection")
