"""A trace as a tree for a person: what ran, how long, what was decided, what went wrong.

Names, attributes and errors in spans may be text that somebody put in front of a camera or into a log. They are
placed in Rich `Text` objects, which read no markup, and lose their control and format characters, which would
otherwise steer the terminal or turn the line's direction.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from alarm_agents.observability.store import SpanRecord

_MAX_SHOWN = 80
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_STYLES = {"window": "bold", "node": "cyan", "agent": "green", "model": "magenta", "tool": "yellow", "memory": "blue"}
_DECISION = ("alarm.decision", "alarm.label")
# Shown in another place, or said by the span's kind and name already.
_HIDDEN = {*_DECISION, "alarm.interrupt"}


def render(spans: Sequence[SpanRecord]) -> Tree:
    """Return the tree of one trace's `spans`, children in order of their start, times in milliseconds.

    Spans whose parent is not among them (dropped, not finished, or lost when the process was killed) are shown under
    the root, marked. Without a single root, a line naming the trace stands for it.
    """
    spans = sorted(spans, key=lambda span: span.start)
    known = {span.span_id for span in spans}
    children: dict[str, list[SpanRecord]] = {}
    for span in spans:
        children.setdefault(span.parent_id, []).append(span)
    roots = children.get("", [])
    if len(roots) == 1:
        tree = Tree(_line(roots[0]))
        shown = {roots[0].span_id} | _grow(tree, children, roots[0].span_id)
    else:
        tree = Tree(Text(f"trace {clean(spans[0].trace_id)}" if spans else "no spans", style="bold"))
        shown = _grow(tree, children, "")
    orphans = [span for span in spans if span.parent_id and span.parent_id not in known]
    # The second pass finds what is left when damaged data has spans that are each other's parents.
    for span in [*orphans, *spans]:
        if span.span_id not in shown:
            branch = tree.add(_line(span, lost=True))
            shown |= {span.span_id} | _grow(branch, children, span.span_id, shown)
    return tree


def clean(value: object, most: int | None = _MAX_SHOWN) -> str:
    """`value` on one line, at most `most` characters, without characters that control a terminal or are invisible."""
    characters = (" " if character in "\n\r\t" else character for character in str(value))
    line = "".join(character for character in characters if unicodedata.category(character) not in _UNPRINTABLE)
    return line if most is None or len(line) <= most else line[: most - 1] + "…"


def _grow(
    tree: Tree, children: dict[str, list[SpanRecord]], parent: str, seen: frozenset[str] | set[str] = frozenset()
) -> set[str]:
    """Add what is below `parent` to `tree`, except what was `seen`; returns the ids added."""
    added: set[str] = set()
    todo = [(tree, parent)]
    while todo:
        branch, above = todo.pop()
        for span in children.get(above, ()):
            if span.span_id not in added and span.span_id not in seen and span.span_id != parent:
                added.add(span.span_id)
                todo.append((branch.add(_line(span)), span.span_id))
    return added


def _line(span: SpanRecord, *, lost: bool = False) -> Text:
    name = span.name if span.name == span.kind else f"{span.kind} {span.name}"
    line = Text(clean(name), style=_STYLES.get(span.kind, ""))
    line.append(f"  {span.seconds * 1000:.1f} ms", style="dim")
    for key in _DECISION:
        if key in span.attributes:
            line.append(f"  {clean(span.attributes[key])}", style="bold")
    if span.attributes.get("alarm.interrupt"):
        line.append("  [waits for a person]", style="bold yellow")
    if span.error:
        line.append(f"  {clean(span.error)}", style="bold red")
    if lost:
        line.append("  [its parent is missing]", style="yellow")
    details = " ".join(_details(span.attributes))
    if details:
        line.append(f"  {details}", style="dim")
    return line


def _details(attributes: dict[str, Any]) -> Iterator[str]:
    tokens = [attributes.get(f"gen_ai.usage.{way}_tokens") for way in ("input", "output")]
    if any(count is not None for count in tokens):
        yield "tokens=" + ">".join("?" if count is None else clean(count) for count in tokens)
    for key, value in attributes.items():
        if key.startswith("alarm.") and key not in _HIDDEN:
            shown = ",".join(str(item) for item in value) if isinstance(value, list) else value
            yield f"{clean(key.removeprefix('alarm.'))}={clean(f'{shown:.4g}' if isinstance(shown, float) else shown)}"
