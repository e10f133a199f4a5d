"""The monitor graph's builder: the default topology, and what a scenario or a Python file changes in it.

In a scenario an edge takes precedence over its node's default edge; with `when`, the default is taken where it
is false. YAML and Python go through the same builder, so both compile to the same graph.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any

from langgraph.errors import GraphBubbleUp
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from alarm_agents import expressions
from alarm_agents.errors import ConfigurationError, ExpressionError
from alarm_agents.graphs import nodes
from alarm_agents.graphs.context import Context
from alarm_agents.graphs.state import MonitorState, condition_values
from alarm_agents.observability import tracing
from alarm_agents.plugins import load_object
from alarm_agents.scenario import CONDITION_NAMES, Scenario
from alarm_agents.types import Decision, TraceAnomaly

Compiled = CompiledStateGraph[MonitorState, Context, MonitorState, MonitorState]
Condition = str | Callable[[MonitorState], bool]
Next = str | list[Send]
Router = Callable[..., Next]
PathMap = dict[Hashable, str] | list[str] | None

DEFAULT_NODES: dict[str, Callable[..., Awaitable[Any]]] = {
    function.__name__: function
    for function in (
        nodes.gate,
        nodes.perceive,
        nodes.recall,
        nodes.reason,
        nodes.uncertainty,
        nodes.reflect,
        nodes.enqueue,
        nodes.hand_off,
        nodes.self_check,
        nodes.conclude,
    )
}


def after_gate(state: MonitorState, members: Sequence[str]) -> Next:
    """Past the gate each perceiver is sent the window; a closed gate ends the work."""
    if state.get("closed"):
        return "self_check"
    task = {"window": state["window"], "measurements": state["measurements"]}
    return [Send("perceive", {**task, "member": member}) for member in members]


def after_uncertainty(state: MonitorState) -> Next:
    """Where the decision leads."""
    return {Decision.ACCEPT: "self_check", Decision.REFLECT: "reflect", Decision.DEFER: "enqueue"}[
        state["uncertainty"].decision
    ]


def after_self_check(state: MonitorState) -> Next:
    """A trace that shows a misbehaving agent hands the case to a person, once."""
    severe = any(anomaly.severe for anomaly in state.get("anomalies", ()))
    return "enqueue" if severe and not state.get("deferred") else "conclude"


class MonitorGraph(StateGraph[MonitorState, Context, MonitorState, MonitorState]):
    """A LangGraph `StateGraph` that starts with the default nodes and edges.

    `add_node` under a name that exists replaces that node. `add_edge` and `add_conditional_edges` replace the
    default edge of the node that they start from; `edge(..., when=...)` only where the condition is true.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(MonitorState, context_schema=Context)
        self.scenario = scenario
        self._functions: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}
        self._edges: dict[str, list[tuple[str, Condition | None]]] = {}
        self._routers: dict[str, tuple[Router, PathMap]] = {}
        self._defaults: dict[str, tuple[Router | str, Sequence[str]]] = {
            "gate": (functools.partial(after_gate, members=_members(scenario)), ["perceive", "self_check"]),
            "perceive": ("recall", ["recall"]),
            "recall": ("reason", ["reason"]),
            "reason": ("uncertainty", ["uncertainty"]),
            "uncertainty": (after_uncertainty, ["self_check", "reflect", "enqueue"]),
            "reflect": ("uncertainty", ["uncertainty"]),
            "enqueue": ("hand_off", ["hand_off"]),
            "hand_off": ("self_check", ["self_check"]),
            "self_check": (after_self_check, ["enqueue", "conclude"]),
            "conclude": (END, [END]),
        }
        for name, function in DEFAULT_NODES.items():
            self.add_node(name, function)

    def add_node(self, *args: Any, **options: Any) -> MonitorGraph:
        """Add a node, or replace the one of that name: `add_node(name, function)` or `add_node(function)`.

        The function takes the state, or the state and LangGraph's `Runtime[Context]`; async or not.
        """
        name, function = args if len(args) == 2 else (getattr(args[0], "__name__", ""), args[0])
        if not isinstance(name, str) or not name.isidentifier() or not callable(function):
            raise ConfigurationError(f"'{name}' cannot be a node: it needs a name like a variable's and a function")
        self._functions[name] = (function, options)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all nodes."""
        return tuple(self._functions)

    def edge(self, source: str, target: str, when: Condition | None = None) -> MonitorGraph:
        """Add an edge, in the order of precedence; with `when` (CEL or a function of the state) a conditional one."""
        if isinstance(when, str):
            expressions.check(when, CONDITION_NAMES, where=f"edge {source} -> {target}")
        self._edges.setdefault(source, []).append((target, when))
        return self

    def add_edge(self, start_key: str | list[str], end_key: str) -> MonitorGraph:
        """An edge that is always taken; from `START` it replaces the way in."""
        for source in [start_key] if isinstance(start_key, str) else start_key:
            self.edge(source, end_key)
        return self

    def add_conditional_edges(self, source: str, path: Any, path_map: Any = None, **_: Any) -> MonitorGraph:
        """LangGraph's own conditional edges; they replace the default edge of `source`."""
        self._routers[source] = (path, path_map)
        return self

    def compile(self, *args: Any, **options: Any) -> Compiled:
        """The compiled graph, as of `StateGraph.compile`; raises `ConfigurationError` when an edge leads nowhere."""
        self._check()
        plain: StateGraph[MonitorState, Context, MonitorState, MonitorState] = StateGraph(
            MonitorState, context_schema=Context
        )
        for name, (function, settings) in self._functions.items():
            plain.add_node(name, _traced(name, function), **settings)
        if START not in self._edges:
            plain.add_edge(START, "gate")
        for source in dict.fromkeys([*self._edges, *self._functions]):
            self._wire(plain, source)
        return plain.compile(*args, **options)

    def _wire(self, plain: StateGraph[Any, Any, Any, Any], source: str) -> None:
        default, targets = self._defaults.get(source, (None, []))
        if source in self._routers:
            default, targets = self._routers[source][0], []
        edges = self._edges.get(source, [])
        final = next((i for i, (_, when) in enumerate(edges) if when is None), None)
        if final is not None:  # nothing behind an edge without a condition is ever reached
            edges, default, targets = edges[:final], edges[final][0], [edges[final][0]]
        if not edges and isinstance(default, str):
            plain.add_edge(source, default)
            return
        if source in self._routers and not edges and final is None:
            plain.add_conditional_edges(source, *self._routers[source])
            return
        reachable = dict.fromkeys([*(target for target, _ in edges), *targets])
        path_map: PathMap = {name: name for name in reachable} if targets else None
        plain.add_conditional_edges(source, _router(source, edges, default), path_map)

    def _check(self) -> None:
        known = {*self._functions, START, END}
        for source, edges in self._edges.items():
            for target, _ in edges:
                for name in (source, target):
                    if name not in known:
                        hint = f"the nodes are {', '.join(self._functions)}"
                        raise ConfigurationError(f"edge {source} -> {target}: there is no node '{name}'", remedy=hint)
                if target == "hand_off" and source != "enqueue":
                    raise ConfigurationError(
                        f"edge {source} -> hand_off: a case must be in the review queue before it is handed off",
                        remedy="lead the edge to 'enqueue', which goes on to hand_off",
                    )
        for name in self._functions:
            if name not in self._defaults and name not in self._routers and not self._always_leaves(name):
                raise ConfigurationError(
                    f"node '{name}' has no edge that always leaves it",
                    remedy=f"add {{from: {name}, to: uncertainty}} under graph.edges",
                )

    def _always_leaves(self, name: str) -> bool:
        return any(when is None for _, when in self._edges.get(name, []))


def default_monitor(scenario: Scenario) -> MonitorGraph:
    """The builder with what the scenario's YAML adds: nodes by `file.py:function`, edges with `when`."""
    builder = MonitorGraph(scenario)
    for name, target in scenario.graph.nodes.items():
        builder.add_node(name, load_object(target, scenario.folder, f"graph.nodes.{name}"))
    for edge in scenario.graph.edges:
        builder.edge(edge.from_, edge.to, edge.when)
    return builder


def _members(scenario: Scenario) -> list[str]:
    return list(scenario.agents.perceivers)


def _router(source: str, edges: Sequence[tuple[str, Condition | None]], default: Router | str | None) -> Router:
    """A LangGraph path function: the first edge whose condition is true, else the default."""

    def route(state: MonitorState) -> Next:
        for target, when in edges:
            if when is None or _true(when, state, f"{source} -> {target}"):
                return target
        if callable(default):
            return default(state)
        return default or END

    return route


def _true(when: Condition, state: MonitorState, edge: str) -> bool:
    """Whether the condition holds; one that cannot be decided does not, and the trace says so."""
    if callable(when):
        return bool(when(state))
    try:
        return expressions.holds(when, condition_values(state))
    except ExpressionError as error:
        tracing.set(**{"alarm.undecided_edge": edge, "alarm.undecided_why": str(error)})
        return False


def _traced(name: str, function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """The node in a span of its own. A scenario's own node that fails marks the case instead of losing the window."""
    ours = function is DEFAULT_NODES.get(name)
    wants_runtime = len(inspect.signature(function).parameters) > 1

    async def run(state: Any, runtime: Runtime[Context]) -> Any:
        try:
            with tracing.span(name, kind="node"):
                result = function(state, runtime) if wants_runtime else function(state)
                return await result if inspect.isawaitable(result) else result
        except GraphBubbleUp:
            raise
        except Exception as error:  # a user's code may raise anything, and no window may be lost to it
            if ours:
                raise
            text = f"node '{name}' failed: {type(error).__name__}: {str(error)[:200]}"
            return {"anomalies": (TraceAnomaly(kind="node_error", agent=name, text=text, severe=True),)}

    return run
