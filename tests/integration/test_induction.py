"""The induction graph on captions, with a language model for the inducer alone: batches, votes, rejection, fallback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.models import build_models
from alarm_agents.monitor.teach import Taught, teach
from alarm_agents.types import Rule, RuleKind, RuleStatus
from alarm_agents.workspace import Workspace
from support.scenarios import always, write_scenario

PLACE = "Other than people, there are trees and a building."
WALKS = f"There are 2 people. One person is walking, the other is walking with a bag. {PLACE}"
STANDS = f"There are 2 people. One person is standing near a tree, the other is walking. {PLACE}"
ANSWER = {
    "rules": [
        {"kind": "normal", "text": "People walk or stand."},
        {"kind": "anomalous", "text": "People ride bicycles.", "severity": 3},
        {"kind": "anomalous", "text": "People are standing.", "severity": 1},
    ]
}


async def taught(folder: Path, captions: list[str], steps: list[dict[str, Any]], **agents: Any) -> Taught:
    log = folder / "normal.csv"
    log.write_text("frame,caption\n" + "\n".join(f'{i},"{text}"' for i, text in enumerate(captions)), encoding="utf-8")
    source = {"kind": "captions", "fps": 10, "frames": 1}
    path = write_scenario(folder, {"mind": steps}, agents={"inducer": "mind", **agents}, source=source)
    scenario, _ = load_monitor(path)
    models = build_models(scenario.models, scenario.folder)
    return await teach(Workspace(folder / "ws"), scenario, models, [str(log)])


def worded(found: Taught) -> dict[str, Rule]:
    return {rule.text: rule for rule in found.rules if rule.predicate is None}


async def test_rules_come_from_batches_of_captions_and_one_that_normal_captions_say_is_rejected(tmp_path: Path) -> None:
    found = worded(await taught(tmp_path, [WALKS, STANDS] * 13, always(ANSWER)))
    ride, stand, normal = (
        found[text] for text in ("People ride bicycles.", "People are standing.", "People walk or stand.")
    )
    assert [rule.status for rule in (ride, stand, normal)] == [
        RuleStatus.ACTIVE,
        RuleStatus.REJECTED,
        RuleStatus.ACTIVE,
    ]
    for rule in (ride, stand, normal):
        origin = rule.provenance
        assert (origin.origin, origin.author, origin.votes, origin.batches) == ("references", "mind", 2, 2)
        assert (origin.reference_count, origin.held_out) == (20, 6)
        assert origin.prompt
        assert origin.references
    assert (ride.provenance.fired, stand.provenance.fired) == (0, 3)
    assert stand.provenance.note == "fired on 3 of 6 held-out normal references"


async def test_one_reference_is_enough_to_propose_from_and_to_reject_by(tmp_path: Path) -> None:
    found = worded(await taught(tmp_path, [STANDS], always(ANSWER)))
    assert found["People ride bicycles."].status is RuleStatus.ACTIVE
    assert found["People are standing."].status is RuleStatus.REJECTED
    assert found["People ride bicycles."].provenance.held_out == 1


async def test_a_batch_that_fails_is_stood_for_by_the_embedded_inducer_marked(tmp_path: Path) -> None:
    steps = [{"when": STANDS, "error": 400, "times": 1}, *always(ANSWER)]
    done = await taught(tmp_path, [WALKS, STANDS] * 13, steps)
    assert worded(done)["People ride bicycles."].provenance.batches == 1
    (failure,) = done.failures
    assert "the embedded inducer's rules stand for it" in failure
    measured = [rule for rule in done.rules if rule.threshold is not None]
    assert {rule.provenance.author for rule in measured} == {"embedded, for 1 of 2 batches of mind"}


@pytest.mark.parametrize("count", [100, 9])
async def test_batches_are_taken_from_all_of_the_references(tmp_path: Path, count: int) -> None:
    captions = [f"There is a person. The person is walking past number {number}." for number in range(count)]
    done = await taught(tmp_path, captions, always(ANSWER))
    origin = worded(done)["People ride bicycles."].provenance
    assert origin.batches == min(8, -(-(count - -(-count // 5)) // 10))
    assert origin.reference_count >= min(78, count * 4 // 5)


JOGS = f"There is a person. The person is jogging on a path. {PLACE}"


async def taught_without(folder: Path, captions: list[str]) -> Taught:
    """The references of `normal.csv`, taught without any model."""
    folder.mkdir(exist_ok=True)
    (folder / "normal.csv").write_text(
        "frame,caption\n" + "\n".join(f'{i},"{text}"' for i, text in enumerate(captions))
    )
    path = write_scenario(folder, source={"kind": "captions", "fps": 10, "frames": 1})
    scenario, _ = load_monitor(path)
    return await teach(Workspace(folder / "ws"), scenario, {}, [str(folder / "normal.csv")])


async def test_without_a_model_what_references_usually_say_becomes_rules_in_words(tmp_path: Path) -> None:
    found = worded(await taught_without(tmp_path, [WALKS, STANDS] * 13))
    assert set(found) >= {f"Usual here: {said}" for said in ("a person walking", "trees", "building")}
    for rule in found.values():
        origin = rule.provenance
        assert (rule.kind, rule.status, rule.severity) == (RuleKind.NORMAL, RuleStatus.ACTIVE, 0)
        assert (origin.origin, origin.author, origin.votes, origin.batches) == ("references", "embedded", 2, 2)
        assert origin.held_out == 6
        assert origin.fired >= 3
    stands = found["Usual here: a person standing near tree"].provenance
    assert stands.reference_count == len(stands.references) == 10, "of the twenty that were not held out"
    assert all(int(reference.rpartition(":")[2]) % 200 == 100 for reference in stands.references), (
        "each of them says it"
    )


async def test_what_held_out_references_do_not_say_is_rejected_on_record_and_one_is_enough(tmp_path: Path) -> None:
    # Every fifth reference is held out, from the first on.
    found = worded(await taught_without(tmp_path / "five", [STANDS if i % 5 == 0 else JOGS for i in range(10)]))
    jogs = next(rule for text, rule in found.items() if "jogging" in text)
    assert jogs.status is RuleStatus.REJECTED
    assert jogs.provenance.note == "only 0 of 2 held-out normal references say it"
    assert found["Usual here: trees"].status is RuleStatus.ACTIVE
    one = worded(await taught_without(tmp_path / "one", [JOGS]))
    assert {rule.status for rule in one.values()} == {RuleStatus.ACTIVE}
    assert next(rule for text, rule in one.items() if "jogging" in text).provenance.held_out == 1


async def test_what_a_person_takes_back_stays_taken_back_and_what_is_not_found_again_goes(tmp_path: Path) -> None:
    found = worded(await taught_without(tmp_path, [WALKS, STANDS] * 5))
    memory = RuleMemory(Workspace(tmp_path / "ws").engine, "yard")
    stands, trees = found["Usual here: a person standing near tree"], found["Usual here: trees"]
    memory.set_status(stands.id, RuleStatus.DISABLED)
    await taught_without(tmp_path, [WALKS, STANDS] * 6)
    assert [rule.id for rule in memory.taken_back()] == [stands.id]
    await taught_without(tmp_path, ["There is a person. The person is standing."] * 10)
    assert [rule.id for rule in memory.taken_back()] == [stands.id]
    last = memory.history(trees.id)[-1]
    assert (last.status, last.provenance.note) == (
        RuleStatus.REJECTED,
        "not usual by the references of a later induction",
    )
