"""The rules that a scenario brings along, as rules that memory keeps."""

from __future__ import annotations

from collections.abc import Sequence

from alarm_agents.memory.rules import RuleMemory, rule_id
from alarm_agents.scenario import Scenario
from alarm_agents.settings import RuleSettings
from alarm_agents.types import Provenance, Rule, RuleKind, RuleStatus, Threshold
from alarm_agents.uncertainty.calibration import USUAL_SPREAD


def adopt(scenario: Scenario, memory: RuleMemory) -> None:
    """Store the scenario's rules where they are new, and disable those that it no longer has.

    One that a person has disabled or changed since stays as it is.
    """
    known = {rule.id: rule for rule in memory.latest()}
    brought = rules_of(scenario)
    gone = [rule for rule in known.values() if _stale(rule, brought)]
    memory.add(
        [
            *(rule for rule in brought if rule.id not in known),
            *(rule.model_copy(update={"status": RuleStatus.DISABLED}) for rule in gone),
        ]
    )


def rules_of(scenario: Scenario) -> list[Rule]:
    """The scenario's own rules, as they are stored first."""
    return [_rule(found, scenario.name) for found in scenario.rules]


def covers(scenario: Scenario, expert: str) -> bool:
    """Whether the scenario says itself where normal ends for that expert, so that no warm-up has to."""
    return any(rule.limit is not None and rule.limit.measure.startswith(f"{expert}.") for rule in scenario.rules)


def _rule(found: RuleSettings, scenario: str) -> Rule:
    limit, predicate, threshold = found.limit, found.predicate, None
    if limit is not None:
        end = "<=" if found.kind is RuleKind.NORMAL else ">"
        predicate = f"{limit.measure} {end} {limit.above!r}"
        # Weight 0: beside limits that references have set on other experts it speaks beyond its own only.
        threshold = Threshold(
            measure=limit.measure, limit=limit.above, typical=limit.typical, spread=USUAL_SPREAD, weight=0.0
        )
    return Rule(
        id=rule_id(f"{found.text} {predicate or ''}"),
        kind=found.kind,
        text=found.text,
        predicate=predicate,
        threshold=threshold,
        severity=found.severity,
        provenance=Provenance(origin="scenario", author=scenario),
    )


def _stale(rule: Rule, brought: Sequence[Rule]) -> bool:
    ids = {each.id for each in brought}
    return rule.provenance.origin == "scenario" and rule.id not in ids and rule.status is RuleStatus.ACTIVE
