"""One call of one tool: off the event loop, within a time limit, its output bounded, its failures typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, TypeVar

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, Tool

from alarm_agents.errors import ToolError
from alarm_agents.sources.picture import Picture
from alarm_agents.tools.function import Artifact
from alarm_agents.types import Fact

MAX_TEXT = 8192
"""Characters of a tool's text at most, the mark of a cut included."""
MAX_REASON = 200
"""Characters of the message of a tool that failed."""

T = TypeVar("T")


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave. `text` is untrusted: it may hold what somebody wrote into the picture."""

    text: str
    facts: tuple[Fact, ...] = ()
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    ok: bool = True
    """False where the tool failed and `text` says why (see `Toolbox.try_run`)."""
    length: int = 0
    """Characters of the text before it was cut."""


async def call(tool: BaseTool, arguments: Mapping[str, Any], seconds: float) -> ToolResult:
    """Call the tool with arguments that were checked. Raises `ToolError` when it fails or takes too long."""
    where = f"tool {tool.name}"
    request = {"type": "tool_call", "id": tool.name, "name": tool.name, "args": dict(arguments)}
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            waits = _in_thread(lambda: tool.invoke(request)) if _blocks(tool) else tool.ainvoke(request)
            return _result(await waits, where)
    except ToolError:
        raise
    except (Exception, SystemExit) as error:  # somebody else's tool: it may raise anything
        if clock.expired():
            raise ToolError(f"no answer within {seconds:g} s", where=where) from error
        raise ToolError(f"failed with {reason(error)}", where=where) from innermost(error)


def innermost(error: BaseException) -> BaseException:
    """The error itself, or the first one inside a group of errors (tool servers raise groups)."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def reason(error: BaseException) -> str:
    """The class of an error and the start of its message, on one line."""
    error = innermost(error)
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:MAX_REASON]}" if message else type(error).__name__


def bounded(text: str) -> str:
    """At most `MAX_TEXT` characters, a cut marked as such, and nothing in it that UTF-8 cannot hold."""
    if len(text) > MAX_TEXT:
        mark = f"\n[cut: {len(text):,} characters in all]"
        text = text[: MAX_TEXT - len(mark)] + mark
    return text.encode("utf-8", "replace").decode()


def _blocks(tool: BaseTool) -> bool:
    """Whether the tool has no coroutine of its own and would hold up the event loop, or an executor, while it runs."""
    if isinstance(tool, (StructuredTool, Tool)):
        return tool.coroutine is None
    return type(tool)._arun is BaseTool._arun


async def _in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a daemon thread of its own, with the caller's context variables.

    An executor's thread (`asyncio.to_thread`) would keep the program from ending as long as a tool hangs.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # from here on a caller who gives up does not disturb the thread
    context = copy_context()

    def run() -> None:
        try:
            outcome.set_result(context.run(work))
        except StopIteration as error:  # a future cannot hold it, and its caller would wait for ever
            outcome.set_exception(RuntimeError(f"StopIteration: {error}"))
        except BaseException as error:  # noqa: BLE001 (handed to the caller, who types it)
            outcome.set_exception(error)

    Thread(target=run, daemon=True, name="alarm-tool").start()
    return await asyncio.wrap_future(outcome)


def _result(message: object, where: str) -> ToolResult:
    if not isinstance(message, ToolMessage):
        raise ToolError(f"it gave a {type(message).__name__}, which is no answer to an agent", where=where)
    content = message.content
    text = content if isinstance(content, str) else "\n".join(_block(block) for block in content)
    if message.status == "error":
        raise ToolError(f"failed: {' '.join(text.split())[:MAX_REASON]}", where=where)
    artifact = message.artifact if isinstance(message.artifact, Artifact) else Artifact()
    return ToolResult(bounded(text), artifact.facts, artifact.pictures, length=len(text))


def _block(block: str | dict[str, Any]) -> str:
    """A content block as text; pictures and files that a tool server sends are only mentioned."""
    if isinstance(block, str):
        return block
    return str(block.get("text", "")) if block.get("type") == "text" else f"[{block.get('type', 'block')} left out]"
