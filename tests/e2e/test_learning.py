"""From an alarm over a person's answer to a rule, and back: with the command, as people use it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alarm_agents.types import Resolution
from alarm_agents.workspace import Workspace
from support import clips as generated
from support.alarm import Alarm, Done
from support.clips import clip, write_folder
from support.scenarios import always, write_scenario

PASSES = range(100, 124)
"""Frames in which the fast thing crosses the picture once, from edge to edge."""


@dataclass(frozen=True)
class Yard:
    """Footage of one place: nothing odd, a cart that passes, another one, and something faster."""

    normal: Path
    cart: Path
    again: Path
    faster: Path


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    place = tmp_path_factory.mktemp("yard")
    with pytest.MonkeyPatch.context() as patch:
        normal = write_folder(place / "normal", clip(96, seed=2))
        cart = write_folder(place / "cart", clip(160, fast=PASSES, seed=2))
        again = write_folder(place / "again", clip(64, fast=range(30, 56), seed=2))
        patch.setattr(generated, "RUN", 1.6 * generated.RUN)
        faster = write_folder(place / "faster", clip(64, fast=range(20, 50), seed=2))
    return Yard(normal, cart, again, faster)


@pytest.fixture(scope="module")
def before(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that was taught what is normal and has seen the cart once; to be copied."""
    alarm = Alarm(tmp_path_factory.mktemp("before"))
    alarm("induce", yard.normal, "-s", "walkway")
    watch(alarm, yard.cart)
    return alarm.workspace


@pytest.fixture
def taught(alarm: Alarm, before: Path) -> Alarm:
    shutil.copytree(before, alarm.workspace)
    return alarm


@pytest.fixture
def incident(taught: Alarm) -> dict[str, Any]:
    """The cart's."""
    (found,) = taught.records("incidents")
    assert len(found["cases"]) > 1
    return found


def watch(alarm: Alarm, source: Path) -> Done:
    return alarm("watch", source, "-s", "walkway", "--json")


def answer(alarm: Alarm, key: str, said: str = "normal", *more: str) -> dict[str, Any]:
    return alarm("review", "resolve", key, "--as", said, "--json", *more).document


def test_what_a_person_finds_normal_stops_alarming_and_nothing_else_does(
    taught: Alarm, yard: Yard, incident: dict[str, Any]
) -> None:
    alarm = taught
    faster = watch(alarm, yard.faster).of("incident")
    assert len(faster) == 1

    said = answer(alarm, incident["id"], "normal", "--note", "the cart may pass")
    rule = said["rule"]
    assert [case["label"] for case in said["cases"]] == ["normal"] * len(incident["cases"])
    assert (rule["status"], rule["kind"], rule["provenance"]["references"]) == ("proposed", "normal", incident["cases"])
    assert rule["text"].startswith("the cart may pass: ")
    dismissed = next(each for each in alarm.records("incidents") if each["id"] == incident["id"])
    assert (dismissed["status"], dismissed["cases"]) == ("dismissed", [])
    assert watch(alarm, yard.cart).out == "", "a rule that is only proposed judges nothing: there is nothing new"
    assert "was answered already" in alarm("review", "resolve", incident["id"], "--as", "normal", code=2).err

    replayed = alarm("rules", "replay", rule["id"], "--json").document
    assert {change["case"] for change in replayed["changes"]} >= set(incident["cases"])
    assert {(change["before"], change["after"]) for change in replayed["changes"]} == {("anomalous", "normal")}
    assert [spared["id"] for spared in replayed["incidents_not_raised"]] == [incident["id"]]
    assert replayed["answered"] == {"agreed": len(incident["cases"]), "disagreed": []}

    approved = alarm("rules", "approve", rule["id"], "--yes", "--json").document["rule"]
    assert (approved["status"], approved["version"]) == ("active", 2)
    passing = watch(alarm, yard.again)
    assert passing.of("incident") == []
    assert any(rule["id"] in {ref["id"] for ref in case["rules"]} for case in passing.of("case"))
    still = watch(alarm, yard.faster).of("incident")
    assert [each["severity"] for each in still] == [faster[0]["severity"]]

    alarm("rules", "disable", rule["id"])
    assert len(watch(alarm, yard.again).of("incident")) == 1


def test_answers_to_single_cases_of_an_incident_come_to_one_proposal(taught: Alarm, incident: dict[str, Any]) -> None:
    rules = [answer(taught, case)["rule"] for case in incident["cases"]]
    assert {rule["id"] for rule in rules} == {rules[0]["id"]}
    assert rules[-1]["provenance"]["references"] == incident["cases"]
    rejected = taught("rules", "reject", rules[0]["id"], "--note", "too wide", "--json").document
    assert rejected["status"] == "rejected"
    assert "too wide" in rejected["provenance"]["note"]
    assert taught("rules", "approve", rules[0]["id"], "--yes", code=2).out == ""


def test_a_proposed_rule_is_shown_before_a_person_is_asked(taught: Alarm, incident: dict[str, Any]) -> None:
    said = taught("review", "resolve", incident["id"], "--as", "normal")
    assert "alarm rules approve reviewed-" in " ".join(said.out.split())
    rule = said.out.split("alarm rules approve ")[1].split()[0]
    assert rule in taught("rules", "list").err
    assert "1 incident would not have been raised" in taught("rules", "replay", rule).out
    asked = taught("rules", "approve", rule, code=2)  # nobody is there to answer
    assert "add --yes" in " ".join(asked.err.split())
    assert "only proposed" in " ".join(taught("rules", "enable", rule, code=2).err.split())
    assert rule not in {known["id"] for known in taught("rules", "list", "--json").document["rules"]}


def test_a_missed_case_becomes_an_incident_and_is_told_why_no_rule_is_made_of_it(taught: Alarm) -> None:
    case = next(case for case in taught.records("cases") if case["label"] == "normal")
    said = answer(taught, case["id"], "anomalous")
    assert (said["label"], said["status"], said["rule"]) == ("anomalous", "done", None)
    assert said["title"] != case["title"]
    assert said["severity"] > 0
    assert "other cases" in said["no_rule_because"]
    assert [case["id"]] in [incident["cases"] for incident in taught.records("incidents")]


def test_an_answer_that_was_cut_off_is_taken_on_by_the_next_look_at_the_queue(
    taught: Alarm, incident: dict[str, Any]
) -> None:
    workspace = Workspace(taught.workspace)
    for case in incident["cases"]:
        workspace.cases.resolve(case, Resolution(answer="normal", by="ann", at=1.0))
    workspace.close()
    taught("review", "list")
    cases = [case for case in taught.records("cases") if case["id"] in incident["cases"]]
    assert {(case["label"], case["status"], case["incident"]) for case in cases} == {("normal", "done", None)}
    assert [record["status"] for record in taught.records("incidents")] == ["dismissed"]
    known = taught("rules", "list", "--everything", "--json").document["rules"]
    (proposed,) = [rule for rule in known if rule["status"] == "proposed"]
    assert proposed["provenance"]["references"] == incident["cases"]
    assert len(taught("review", "references", "--json").document) == len(incident["cases"])


def test_answered_windows_are_references_the_next_time(taught: Alarm, yard: Yard, incident: dict[str, Any]) -> None:
    assert taught("review", "references", "--json").document == []
    answer(taught, incident["id"])
    kept = taught("review", "references", "--json").document
    assert [reviewed["case"] for reviewed in kept] == incident["cases"]
    assert {reviewed["path"] for reviewed in kept} == {str(yard.cart)}
    before = taught("rules", "show", "motion-ratio-high", "--json").document[-1]
    again = taught("induce", "--reviewed", "-s", "walkway", "--json").document
    assert again["references"]["reviewed"] == incident["cases"]
    assert again["references"]["clips"] == 1 + len(incident["cases"])
    after = taught("rules", "show", "motion-ratio-high", "--json").document[-1]
    assert after["version"] > before["version"]
    assert after["provenance"]["reference_count"] > before["provenance"]["reference_count"]


def test_without_a_scenario_that_was_taught_there_is_nothing_to_teach_again(alarm: Alarm, yard: Yard) -> None:
    assert "has not been taught" in alarm("induce", "--reviewed", "-s", "walkway", code=2).err
    assert "name no sources" in alarm("induce", yard.normal, "--reviewed", "-s", "walkway", code=2).err


def test_a_model_may_propose_a_predicate_for_a_rule_and_a_person_approves_it(
    alarm: Alarm, yard: Yard, tmp_path: Path
) -> None:
    predicate = "motion.ratio > 2.0"
    reply = {"predicate": predicate, "meaning": "something is twice as fast as usual"}
    path = write_scenario(alarm.folder, {"mind": always(reply)}, agents={"inducer": "mind"})
    assert "mind reads it" not in alarm("rules", "add", "nobody dashes", "-s", path).err  # not watched yet
    alarm("watch", yard.again, "-s", path)
    found = alarm("rules", "add", "nobody goes at double pace", "-s", path, "--json")
    assert f"mind reads it as: something is twice as fast as usual: {predicate}" in found.err
    words, (waits,) = found.document, found.document["proposed"]
    assert (words["predicate"], words["status"]) == (None, "active")
    assert (waits["predicate"], waits["status"], waits["provenance"]["author"]) == (predicate, "proposed", "mind")
    approved = alarm("rules", "approve", waits["id"], "--yes", "--json").document["rule"]
    assert (approved["status"], approved["predicate"]) == ("active", predicate)
    assert "proposed" not in alarm("rules", "add", "no bicycles after 22:00", "-s", path).out
