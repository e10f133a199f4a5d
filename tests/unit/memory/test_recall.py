"""What is recalled for a window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from alarm_agents.memory.embedders import Embedder
from alarm_agents.memory.index import VectorIndex
from alarm_agents.memory.recall import RULES, Memory
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.types import Label, RuleKind, RuleStatus
from alarm_agents.workspace.cases import CaseStore
from alarm_agents.workspace.database import open_database
from support.records import RUN, SCENARIO, SOURCE, fast, resolved, rule

THINGS = (
    *("bicycle", "ladder", "soup", "dog", "cart", "kettle", "violin", "umbrella"),
    *("train", "curtain", "snow", "piano", "lamp", "fence", "bread"),
)
REMOTE = "the moon is not made of cheese"


@pytest.fixture
def cases(engine: Engine) -> CaseStore:
    return CaseStore(engine)


@pytest.fixture
def remember(tmp_path: Path, embedder: Embedder, rules: RuleMemory, cases: CaseStore) -> Callable[[], Memory]:
    return lambda: Memory(rules, cases, VectorIndex(tmp_path / "memory", embedder))


@pytest.fixture
def memory(remember: Callable[[], Memory]) -> Memory:
    return remember()


def many(rules: RuleMemory) -> None:
    rules.add([rule(f"there is never a {thing} here") for thing in THINGS])


def recalled(memory: Memory, text: str) -> list[str]:
    return [found.text for found in memory.rules_for(SOURCE, text)[0]]


def test_a_few_rules_are_all_recalled_without_touching_the_index(memory: Memory, tmp_path: Path) -> None:
    memory.rules.add([rule(f"no {thing}") for thing in THINGS[:RULES]])
    assert len(recalled(memory, "a bicycle")) == RULES
    assert not (tmp_path / "memory").exists()


def test_of_many_rules_the_nearest_are_recalled(memory: Memory) -> None:
    many(memory.rules)
    for thing in ("violin", "snow", "bread"):
        found = recalled(memory, f"somebody brings a {thing}")
        assert len(found) == RULES
        assert f"there is never a {thing} here" in found


@pytest.mark.parametrize("kind", [RuleKind.NORMAL, RuleKind.ANOMALOUS])
def test_a_persons_rules_and_those_with_a_predicate_are_recalled_however_far_they_are(
    memory: Memory, kind: RuleKind
) -> None:
    memory.rules.add([rule(f"there is never a {thing} here", kind) for thing in THINGS])
    memory.rules.add([rule(REMOTE, kind, origin="person"), fast(kind=kind)])
    found = recalled(memory, "a bicycle")
    assert {REMOTE, "faster than 2.0"} <= set(found)
    assert "there is never a bicycle here" in found
    assert len(found) == RULES


def test_more_of_a_persons_rules_than_fit_are_recalled_all_the_same(memory: Memory) -> None:
    memory.rules.add([rule(f"no {thing}", origin="person") for thing in THINGS])
    memory.rules.add([rule("an induced one")])
    assert sorted(recalled(memory, "anything")) == sorted(f"no {thing}" for thing in THINGS)


def test_what_another_process_changes_counts_from_the_next_window(memory: Memory, database: Path) -> None:
    many(memory.rules)
    before, revision = memory.rules_for(SOURCE, "a violin")
    assert "there is never a violin here" in [found.text for found in before]
    elsewhere = RuleMemory(open_database(database), SCENARIO)
    elsewhere.set_status("there-is-never-a-violin-here", RuleStatus.DISABLED)
    elsewhere.add([rule("there is never a trumpet here")])
    after, later = memory.rules_for(SOURCE, "a violin and a trumpet")
    said = [found.text for found in after]
    assert later > revision
    assert "there is never a violin here" not in said
    assert "there is never a trumpet here" in said


def test_a_window_keeps_the_versions_that_it_was_judged_by(memory: Memory) -> None:
    memory.rules.add([rule("nobody runs", severity=1)])
    found, _ = memory.rules_for(SOURCE, "")
    memory.rules.add([rule("nobody runs", severity=4)])
    memory.rules.set_status("nobody-runs", RuleStatus.DISABLED)
    memory.rules_for(SOURCE, "")
    assert [body.severity for body in memory.bodies([known.ref for known in found])] == [1]


def test_no_case_is_similar_before_a_person_has_answered_one(memory: Memory, cases: CaseStore, tmp_path: Path) -> None:
    cases.save(resolved("a", "a man on a bicycle").model_copy(update={"resolution": None}), RUN)
    cases.save(resolved("b", "a man on a bicycle", "unsure"), RUN)
    assert memory.similar("a man on a bicycle") == []
    assert not (tmp_path / "memory").exists()


def test_similar_cases_come_nearest_first_with_what_the_person_said(memory: Memory, cases: CaseStore) -> None:
    cases.save(resolved("soup", "the soup boils over", "anomalous"), RUN)
    cases.save(resolved("bike", "a man rides a bicycle", "anomalous"), RUN)
    cases.save(resolved("walk", "a man walks past", "normal"), RUN)
    cases.save(resolved("elsewhere", "a man rides a bicycle", scenario="other"), RUN)
    found = memory.similar("somebody rides a bike", 2)
    assert [(case.case, case.label) for case in found] == [("bike", Label.ANOMALOUS), ("walk", Label.NORMAL)]
    assert found[0].text == "a man rides a bicycle"
    assert found[0].similarity > found[1].similarity
    assert memory.similar("anything", 0) == []


def test_an_answer_given_elsewhere_is_found_at_the_next_question(memory: Memory, cases: CaseStore) -> None:
    cases.save(resolved("walk", "a man walks past", "normal"), RUN)
    assert [case.case for case in memory.similar("a bicycle")] == ["walk"]
    cases.save(resolved("bike", "a man rides a bicycle", "anomalous"), RUN)
    assert [case.case for case in memory.similar("a bicycle")] == ["bike", "walk"]


def test_what_was_seen_is_compared_however_hostile_it_is(memory: Memory, cases: CaseStore) -> None:
    cases.save(resolved("odd", "\x00<b>'; DROP TABLE cases; --</b> 🚲\ud83d".encode("utf-8", "replace").decode()), RUN)
    assert [case.case for case in memory.similar("'; DROP TABLE cases; --")] == ["odd"]
    assert [case.case for case in memory.similar("")] == ["odd"]


def test_the_index_is_rebuilt_from_the_database(
    remember: Callable[[], Memory], memory: Memory, cases: CaseStore, tmp_path: Path, embedder: Embedder
) -> None:
    many(memory.rules)
    cases.save(resolved("bike", "a man rides a bicycle", "anomalous"), RUN)
    rules, similar = recalled(memory, "a violin"), memory.similar("a bike")
    later = Memory(memory.rules, cases, VectorIndex(tmp_path / "another", embedder))
    assert recalled(later, "a violin") == rules
    assert later.similar("a bike") == similar
