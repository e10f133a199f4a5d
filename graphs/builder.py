"""The monitor graph's builder: the default topology, and what a scenario or a Python file changes in it.

In a scenario an edge takes precedence over its node's default edge; with `when`, the default is taken where it
is false. YAML and Python go through the same builder, so both compile to the same graph.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import itertools
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any

from langgraph.errors import GraphBubbleUp
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from alarm_agents import expressions
from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs import nodes
from alarm_agents.graphs.context import Context
from alarm_agents.graphs.state import MonitorState, condition_values, fitting
from alarm_agents.models import heard
from alarm_agents.observability import tracing
from alarm_agents.plugins import load_object
from alarm_agents.scenario import Scenario
from alarm_agents.settings import CONDITION_NAMES
from alarm_agents.tools.experts import MEASURES, check_measures
from alarm_agents.tools.work import working_on
from alarm_agents.types import Decision, TraceAnomaly

Compiled = CompiledStateGraph[MonitorState, Context, MonitorState, MonitorState]
Condition = str | Callable[[MonitorState], bool]
Next = str | list[Send]
Router = Callable[..., Any]
"""From the state to `Next`. Ours are coroutines: other functions are sent to a thread, which takes longer than they."""
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


async def after_gate(state: MonitorState) -> Next:
    """Past the gate each perceiver is sent the window; a closed gate ends the work, or has it audited."""
    if state.get("closed"):
        return "enqueue" if state["uncertainty"].decision is Decision.DEFER else "self_check"
    task = {"window": state["window"], "measurements": state["measurements"]}
    return [Send("perceive", {**task, "member": member}) for member in state["members"]]


async def after_uncertainty(state: MonitorState) -> Next:
    """Where the decision leads."""
    return {Decision.ACCEPT: "self_check", Decision.REFLECT: "reflect", Decision.DEFER: "enqueue"}[
        state["uncertainty"].decision
    ]


async def after_self_check(state: MonitorState) -> Next:
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
        self._ways: dict[str, tuple[Router | str, PathMap]] = {
            START: ("gate", None),
            "gate": (after_gate, ["perceive", "enqueue", "self_check"]),
            "perceive": ("recall", None),
            "recall": ("reason", None),
            "reason": ("uncertainty", None),
            "uncertainty": (after_uncertainty, ["self_check", "reflect", "enqueue"]),
            "reflect": ("uncertainty", None),
            "enqueue": ("hand_off", None),
            "hand_off": ("self_check", None),
            "self_check": (after_self_check, ["enqueue", "conclude"]),
            "conclude": (END, None),
        }
        """The way on from each node where no edge says otherwise: a node, or a LangGraph path and where it may lead."""
        for name, function in DEFAULT_NODES.items():
            self.add_node(name, function)

    def add_node(self, *args: Any, **options: Any) -> MonitorGraph:
        """Add a node, or replace the one of that name: `add_node(name, function)` or `add_node(function)`.

        The function takes the state, or the state and LangGraph's `Runtime[Context]`; async or not.
        """
        name, function = args if len(args) == 2 else (getattr(args[0], "__name__", ""), args[0])
        usable = isinstance(name, str) and name.isidentifier() and name not in (START, END)
        if not usable or not callable(function):
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
            check_measures(when, where=f"edge {source} -> {target}")
        self._edges.setdefault(source, []).append((target, when))
        return self

    def add_edge(self, start_key: str | list[str], end_key: str) -> MonitorGraph:
        """An edge that is always taken; from `START` it replaces the way in."""
        for source in [start_key] if isinstance(start_key, str) else start_key:
            self.edge(source, end_key)
        return self

    def add_conditional_edges(self, source: str, path: Any, path_map: Any = None, **_: Any) -> MonitorGraph:
        """LangGraph's own conditional edges; they replace the default edge of `source`."""
        self._ways[source] = (path, path_map)
        return self

    def compile(self, *args: Any, **options: Any) -> Compiled:
        """The compiled graph, as of `StateGraph.compile`; raises `ConfigurationError` when an edge leads nowhere."""
        self._check()
        plain: StateGraph[MonitorState, Context, MonitorState, MonitorState] = StateGraph(
            MonitorState, context_schema=Context
        )
        for name, (function, settings) in self._functions.items():
            plain.add_node(name, _traced(name, function), **settings)
        for source in (START, *self._functions):
            self._wire(plain, source)
        return plain.compile(*args, **options)

    def _way(self, source: str) -> tuple[list[tuple[str, Condition | None]], Router | str, PathMap]:
        """The conditional edges from a node that can be taken, and the way on where none is."""
        edges = self._edges.get(source, [])
        always = next((target for target, when in edges if when is None), None)
        # Nothing behind an edge without a condition is ever reached.
        conditional = list(itertools.takewhile(lambda edge: edge[1] is not None, edges))
        return (conditional, always, None) if always is not None else (conditional, *self._ways[source])

    def _wire(self, plain: StateGraph[Any, Any, Any, Any], source: str) -> None:
        conditional, way, path_map = self._way(source)
        if conditional:
            targets = _as_map([way] if isinstance(way, str) else path_map)
            found: dict[Hashable, str] = {target: target for target, _ in conditional}
            reachable = {**found, **targets} if targets else None
            plain.add_conditional_edges(source, _router(source, conditional, way), reachable)
        elif isinstance(way, str):
            plain.add_edge(source, way)
        else:
            plain.add_conditional_edges(source, way, path_map)

    def _targets(self, source: str) -> set[str]:
        """Where a node may lead; a path that does not say may lead to any node."""
        conditional, way, path_map = self._way(source)
        targets = _as_map([way] if isinstance(way, str) else path_map).values()
        return {*(target for target, _ in conditional), *(targets or self._functions)}

    def _check(self) -> None:
        gate = self.scenario.graph.gate
        if gate is not None and gate.expert not in MEASURES:
            remedy = f"experts are {', '.join(MEASURES)}"
            raise ConfigurationError(f"graph.gate.expert: there is no expert '{gate.expert}'", remedy=remedy)
        known = {*self._functions, START, END}
        for source, edges in self._edges.items():
            for target, _ in edges:
                for name in (source, target):
                    if name not in known:
                        near = difflib.get_close_matches(name, known, n=1)
                        hint = f"did you mean '{near[0]}'?" if near else f"the nodes are {', '.join(self._functions)}"
                        raise ConfigurationError(f"edge {source} -> {target}: there is no node '{name}'", remedy=hint)
                if source == END or target == START:
                    raise ConfigurationError(f"edge {source} -> {target}: nothing leads to the start or past the end")
                if target == "hand_off" and source != "enqueue":
                    raise ConfigurationError(
                        f"edge {source} -> hand_off: a case must be in the review queue before it is handed off",
                        remedy="lead the edge to 'enqueue', which goes on to hand_off",
                    )
        for name in self._functions:
            if name not in self._ways and all(when is not None for _, when in self._edges.get(name, [])):
                raise ConfigurationError(
                    f"node '{name}' has no edge that always leaves it",
                    remedy=f"add {{from: {name}, to: uncertainty}} under graph.edges",
                )
        self._check_ends()

    def _check_ends(self) -> None:
        """Raise `ConfigurationError` where a case could end without being written, or never end."""
        leads = {name: self._targets(name) for name in (START, *self._functions)}
        unwritten = _reached(START, {**leads, "conclude": set()})
        for name in unwritten - {"conclude"}:
            if END in leads.get(name, ()):
                raise ConfigurationError(
                    f"edge {name} -> {END}: a case would end without being written",
                    remedy="lead the edge to 'conclude', which writes it",
                )
        for name in (*self._edges, *self._functions):
            if name in unwritten and END not in _reached(name, leads):
                raise ConfigurationError(
                    f"once at '{name}', a case never comes to 'conclude'", remedy="put a `when` to one of the edges"
                )


def default_monitor(scenario: Scenario) -> MonitorGraph:
    """The builder with what the scenario's YAML adds: nodes by `file.py:function`, edges with `when`."""
    builder = MonitorGraph(scenario)
    for name, target in scenario.graph.nodes.items():
        builder.add_node(name, load_object(target, scenario.folder, f"graph.nodes.{name}"))
    for edge in scenario.graph.edges:
        builder.edge(edge.from_, edge.to, edge.when)
    return builder


def _reached(start: str, leads: Mapping[str, set[str]]) -> set[str]:
    """The nodes that can be reached from one, itself included."""
    reached, new = {start}, {start}
    while new:
        new = set().union(*(leads.get(name, set()) for name in new)) - reached
        reached |= new
    return reached


def _as_map(targets: PathMap) -> dict[Hashable, str]:
    """LangGraph's two ways to say where a path may lead, as one."""
    return dict(targets) if isinstance(targets, Mapping) else {target: target for target in targets or ()}


def _router(source: str, edges: Sequence[tuple[str, Condition | None]], way: Router | str) -> Router:
    """A LangGraph path: the first edge whose condition is true, else the way on."""

    async def route(state: MonitorState) -> Next:
        for target, when in edges:
            if when is not None and await _true(when, state, f"{source} -> {target}"):
                return target
        if isinstance(way, str):
            return way
        found: Next = await (way(state) if inspect.iscoroutinefunction(way) else asyncio.to_thread(way, state))
        return found

    return route


async def _true(when: Condition, state: MonitorState, edge: str) -> bool:
    """Whether the condition holds; one that cannot be decided does not, and the trace says so."""
    try:
        if callable(when):
            return bool(await asyncio.to_thread(when, state))
        return expressions.holds(when, condition_values(state))
    except Exception as error:  # noqa: BLE001  a user's function may raise anything, and no window may be lost
        tracing.set(**{"alarm.undecided_edge": edge, "alarm.undecided_why": str(error)})
        return False


def _traced(name: str, function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """The node in a span of its own. A scenario's own node that fails marks the case instead of losing the window."""
    ours = function is DEFAULT_NODES.get(name)
    wants_runtime = len(inspect.signature(function).parameters) > 1
    waits = inspect.iscoroutinefunction(function)

    async def run(state: Any, runtime: Runtime[Context]) -> Any:
        given = (state, runtime) if wants_runtime else (state,)
        try:
            with tracing.span(name, kind="node"), working_on(runtime.context.work(state["window"])), heard() as models:
                found = await (function(*given) if waits else asyncio.to_thread(function, *given))
                if ours or isinstance(found, Command):
                    return found
                return {**fitting(name, found), "models": dict.fromkeys(sorted(models.usable), name)}
        except GraphBubbleUp:
            raise
        except Exception as error:  # a user's code may raise anything, and no window may be lost to it
            if ours:
                raise
            text = f"node '{name}' failed: {type(error).__name__}: {str(error)[:200]}"
            return {"anomalies": (TraceAnomaly(kind="node_error", agent=name, text=text, severe=True),)}

    return run
