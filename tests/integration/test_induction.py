"""The induction graph on captions, with a language model for the inducer alone: batches, votes, rejection, fallback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alarm_agents.graphs.load import load_monitor
from alarm_agents.models import build_models
from alarm_agents.monitor.teach import Taught, teach
from alarm_agents.types import Rule, RuleStatus
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
