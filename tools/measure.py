"""The experts as tools: each measures the window at hand again, as finely as it can."""

from __future__ import annotations

from langchain_core.tools import StructuredTool

from alarm_agents.errors import ToolError
from alarm_agents.tools.expert import LooksAgain, Measured
from alarm_agents.tools.function import MAX_FACTS, Artifact, tool
from alarm_agents.tools.look import Region
from alarm_agents.tools.work import current
from alarm_agents.types import Box

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def measure_again(name: str) -> StructuredTool:
    """The tool that lets the expert `name` look again; it leaves what the expert remembers of the stream alone."""

    def measure(region: Region | None = None) -> tuple[str, Artifact]:
        work, where = current(), f"tool {name}"
        expert = work.experts.get(name)
        if expert is None:
            known = ", ".join(work.experts) or "none"
            raise ToolError(f"no expert '{name}' watches this source", where=where, remedy=f"those that do: {known}")
        if work.media.kind != "frames" or not isinstance(expert, LooksAgain):
            raise ToolError(f"the expert '{name}' has no second, closer look at this source", where=where)
        again = expert.look_again(work.media.native(work.window), region or WHOLE)
        return _told(again), Artifact(facts=again.facts[:MAX_FACTS])

    measure.__name__ = name
    measure.__doc__ = (
        f"Measure the window again with the {name} expert: at full resolution, every frame, in the region or all over."
    )
    return tool(measure)


def _told(again: Measured) -> str:
    facts = [fact.text for fact in again.facts]
    peaks = [f"highest {measure}: {max(values, default=0.0):.3g}" for measure, values in again.frames.items()]
    return "\n".join([*facts, *peaks]) or "nothing was measured"
