"""Rule memory: immutable versions, a revision that moves with each change, and several at work on one database."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Engine

from alarm_agents.errors import ConfigurationError, NotFoundError
from alarm_agents.memory.rules import RuleMemory, rule_id, written_by_person
from alarm_agents.types import Rule, RuleKind, RuleStatus
from alarm_agents.workspace.database import open_database
from support.records import SCENARIO, fast
from support.records import rule as a_rule

TEXTS = st.sampled_from(["nobody runs", "nobody rides", "people walk"])
SEVERITIES = st.integers(0, 4)


class Versions(RuleBasedStateMachine):
    """Anything that people and inducers do to rules, against a model of it in plain lists."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.engines = [open_database(Path(self.folder.name) / "alarm.db") for _ in range(2)]
        self.writer, self.reader = (RuleMemory(engine, SCENARIO) for engine in self.engines)
        self.model: dict[str, list[Rule]] = {}
        self.revision = 0

    def said(self, stored: Rule, before: int) -> None:
        """Note what `stored` must have come to: a new version, unless the last one says the same."""
        versions = self.model.setdefault(stored.id, [])
        if stored.version > len(versions):
            assert stored.version == len(versions) + 1
            judges = RuleStatus.ACTIVE in (stored.status, *(version.status for version in versions[-1:]))
            versions.append(stored)
            assert (self.writer.revision() > before) == judges
        else:
            assert stored == versions[-1]
            assert self.writer.revision() == before
        self.revision = self.writer.revision()

    @rule(text=TEXTS, severity=SEVERITIES)
    def add(self, text: str, severity: int) -> None:
        before, wanted = self.revision, a_rule(text, severity=severity)
        known = self.model.get(wanted.id)
        same = bool(known) and known[-1].model_copy(update={"version": 1, "created": 0.0}) == wanted
        stored = self.writer.add([wanted])[0]
        self.said(stored, before)
        assert (stored.text, stored.severity) == (text, severity)
        assert (self.writer.revision() > before) != same  # what is added is active

    @rule(text=TEXTS, status=st.sampled_from(RuleStatus))
    def change(self, text: str, status: RuleStatus) -> None:
        name, before = a_rule(text).id, self.revision
        if name not in self.model:
            with pytest.raises(NotFoundError):
                self.writer.set_status(name, status)
            return
        stored = self.writer.set_status(name, status)
        self.said(stored, before)
        assert stored.status is status

    @rule(text=TEXTS, version=st.integers(1, 4))
    def rollback(self, text: str, version: int) -> None:
        name, before = a_rule(text).id, self.revision
        if version > len(self.model.get(name, [])):
            with pytest.raises(NotFoundError):
                self.writer.rollback(name, version)
            return
        old = self.model[name][version - 1]
        stored = self.writer.rollback(name, version)
        self.said(stored, before)
        for part in ("text", "severity", "kind", "predicate", "status", "source"):
            assert getattr(stored, part) == getattr(old, part)

    @invariant()
    def others_see_every_version_unchanged(self) -> None:
        assert self.reader.revision() == self.revision
        for name, versions in self.model.items():
            assert self.reader.history(name) == versions
            assert [version.version for version in versions] == list(range(1, len(versions) + 1))
        newest = [versions[-1] for _, versions in sorted(self.model.items())]
        assert self.reader.latest() == newest
        assert self.reader.active() == [version for version in newest if version.status is RuleStatus.ACTIVE]

    def teardown(self) -> None:
        for engine in getattr(self, "engines", []):
            engine.dispose()
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestVersions = Versions.TestCase
TestVersions.settings = settings(
    max_examples=20, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def test_rules_added_together_are_one_change(rules: RuleMemory) -> None:
    rules.add([a_rule("a"), a_rule("b"), a_rule("c")])
    assert rules.revision() == 1
    rules.add([a_rule("a"), a_rule("d")])
    assert rules.revision() == 2
    rules.add([a_rule("a"), a_rule("b")])
    assert rules.revision() == 2


def test_a_statement_twice_in_one_go_is_one_version(rules: RuleMemory) -> None:
    first, second = rules.add([a_rule("nobody runs"), a_rule("nobody runs")])
    assert first == second
    assert len(rules.history("nobody-runs")) == 1


def test_rules_of_one_source_are_not_seen_by_others(rules: RuleMemory) -> None:
    rules.add([a_rule("everywhere")])
    everywhere = rules.revision("door")
    rules.add([a_rule("only here", source="yard")])
    assert [known.id for known in rules.active("yard")] == ["everywhere", "only-here"]
    assert [known.id for known in rules.active("door")] == ["everywhere"]
    assert len(rules.active()) == 2
    assert rules.revision("door") == everywhere < rules.revision("yard") == rules.revision()


def test_scenarios_and_namespaces_do_not_share_rules(engine: Engine) -> None:
    here, there, tests = (
        RuleMemory(engine, SCENARIO),
        RuleMemory(engine, "other"),
        RuleMemory(engine, SCENARIO, "suite"),
    )
    here.add([a_rule("nobody runs")])
    assert there.latest() == tests.latest() == []
    assert (there.revision(), tests.revision()) == (0, 0)
    tests.add([a_rule("nobody runs", severity=4)])
    assert here.history("nobody-runs")[-1].version == 1


def test_a_disabled_rule_is_known_but_does_not_judge(rules: RuleMemory) -> None:
    rules.add([fast()])
    rules.set_status("faster-than-2.0", RuleStatus.DISABLED, note="too strict")
    assert rules.active() == []
    assert rules.latest()[0].provenance.note == "too strict"


def test_the_difference_between_versions_is_what_changed_and_nothing_else(rules: RuleMemory) -> None:
    rules.add([a_rule("nobody runs", severity=1)])
    rules.add([a_rule("nobody runs", severity=3)])
    changed = [line for line in rules.diff("nobody-runs", 1, 2).splitlines() if line.startswith(("-  ", "+  "))]
    assert '-  "severity": 1,' in changed
    assert '+  "severity": 3,' in changed
    assert not any("text" in line for line in changed)
    assert rules.diff("nobody-runs", 2, 2) == ""
    with pytest.raises(NotFoundError, match="no version 7"):
        rules.diff("nobody-runs", 1, 7)


def test_a_mistyped_rule_is_told_the_nearest_one(rules: RuleMemory) -> None:
    rules.add([a_rule("nobody runs")])
    with pytest.raises(NotFoundError, match="did you mean 'nobody-runs'"):
        rules.history("nobody-run")


def test_ids_are_readable_and_apart() -> None:
    assert rule_id("Nobody rides a bicycle!").startswith("nobody-rides-a-bicycle-")
    assert rule_id("a b c d e f g") != rule_id("a b c d e f h")
    assert rule_id("試験")


def test_a_person_must_say_something() -> None:
    with pytest.raises(ConfigurationError, match="needs words"):
        written_by_person("  ", RuleKind.NORMAL, predicate=None, severity=1, author="me")


def write(path: str, author: int, count: int) -> None:
    """Versions of a rule that both writers write, and of `count` rules that both write first."""
    memory = RuleMemory(open_database(Path(path)), SCENARIO)
    for number in range(count):
        memory.add([a_rule("shared", predicate=f"motion.ratio > {author}{number:03}.0")])
        memory.add([a_rule(f"first {number}", predicate=f"motion.ratio > {author}.0")])


def test_two_processes_that_write_at_once_lose_no_version(database: Path, rules: RuleMemory) -> None:
    count = 25
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=write, args=(str(database), author, count)) for author in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    shared = rules.history("shared")
    assert [version.version for version in shared] == list(range(1, 2 * count + 1))
    assert len({version.predicate for version in shared}) == 2 * count
    assert all(len(rules.history(f"first-{number}")) == 2 for number in range(count))
    assert rules.revision() == 4 * count


def disable(path: str) -> None:
    RuleMemory(open_database(Path(path)), SCENARIO).set_status("nobody-runs", RuleStatus.DISABLED)


def test_a_change_by_another_process_is_visible_at_the_next_read(database: Path, rules: RuleMemory) -> None:
    rules.add([a_rule("nobody runs"), a_rule("nobody rides")])
    before = rules.revision("yard")
    assert len(rules.active("yard")) == 2
    other = multiprocessing.get_context("spawn").Process(target=disable, args=(str(database),))
    other.start()
    other.join(60)
    assert other.exitcode == 0
    assert rules.revision("yard") > before
    assert [known.id for known in rules.active("yard")] == ["nobody-rides"]
