"""Every verb of the command, and names that somebody chose to break it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.alarm import Alarm, fresh
from support.clips import clip, write_folder

from .conftest import Clips

VERBS = [
    [],
    *(["demo"], ["init"], ["induce"], ["watch"], ["test"], ["doctor"]),
    *(["review", verb] for verb in ("list", "show", "resolve")),
    *(["rules", verb] for verb in ("list", "show", "add", "disable", "enable", "diff", "rollback", "export")),
    *(["graph", verb] for verb in ("new", "validate", "show", "list")),
    *(["traces", verb] for verb in ("list", "show")),
    *(["models", "list"], ["tools", "list"], ["tools", "run"]),
]
WITH_EXAMPLE = {"demo", "init", "induce", "watch", "test", "resolve", "add", "new", "show", "run"}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb) or "alarm")
def test_every_verb_explains_itself(alarm: Alarm, verb: list[str]) -> None:
    done = alarm(*verb, "--help")
    assert "Usage: alarm" in done.out
    if verb and verb[-1] in WITH_EXAMPLE and verb[:1] not in (["review"], ["traces"]) and verb != ["rules", "show"]:
        assert f"alarm {' '.join(verb)}" in done.out.split("Usage:")[1].split("\n", 1)[1], "it shows an example"
    assert done.err == ""


def test_a_new_interpreter_runs_it_as_a_module(tmp_path: Path) -> None:
    process = fresh(tmp_path, "--version")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("alarm-agents ")
    assert list(tmp_path.iterdir()) == []


def test_rules_are_changed_in_versions(taught: Alarm) -> None:
    before = taught("rules", "list", "--json").document
    high = next(rule for rule in before["rules"] if rule["kind"] == "anomalous")
    assert (high["version"], high["status"]) == (1, "active")
    assert high["provenance"]["reference_count"] > 0
    added = taught("rules", "add", "nobody flies", "--predicate", "motion.speed > 50.0", "--severity", 4, "--json")
    assert (added.document["severity"], added.document["provenance"]["origin"]) == (4, "person")
    assert taught("rules", "disable", high["id"], "--json").document["status"] == "disabled"
    assert high["id"] not in [rule["id"] for rule in taught("rules", "list", "--json").document["rules"]]
    assert high["id"] in [rule["id"] for rule in taught("rules", "list", "--everything", "--json").document["rules"]]
    diff = taught("rules", "diff", high["id"], 1, 2).out
    assert '-  "status": "active"' in diff
    assert '+  "status": "disabled"' in diff
    rolled = taught("rules", "rollback", high["id"], 1, "--json").document
    assert (rolled["version"], rolled["status"], rolled["predicate"]) == (3, "active", high["predicate"])
    assert taught("rules", "enable", high["id"], "--json").document["version"] == 3, "it was active already"
    versions = taught("rules", "show", high["id"], "--json").document
    assert [(rule["version"], rule["status"]) for rule in versions] == [(1, "active"), (2, "disabled"), (3, "active")]
    exported = taught("rules", "export").document
    assert exported["revision"] == before["revision"] + 3
    assert [rule for rule in exported["rules"] if rule["id"] == high["id"]] == versions
    assert "nobody flies" in taught("rules", "list").out
    near = taught("rules", "disable", high["id"][:-1], code=2).err
    assert f"did you mean '{high['id']}'" in near


def test_rules_that_cannot_be(taught: Alarm) -> None:
    before = taught("rules", "export").document
    for arguments, said in (
        (["add", "  "], "a rule needs words"),
        (["add", "x", "--predicate", "motion.speed >"], "--predicate"),
        (["add", "x", "--predicate", "__import__('os')"], "--predicate"),
        (["add", "x", "--predicate", "weather > 1"], "weather"),
        (["add", "x", "--severity", "9"], "--severity"),
        (["show", "none"], "has no rule 'none'"),
        (["diff", "none", "1", "2"], "has no rule 'none'"),
        (["rollback", "motion-ratio-high", "7"], "has no version 7"),
        (["list", "-s", "nowhere"], "no scenario 'nowhere'"),
    ):
        refused = taught("rules", *arguments, code=2)
        assert said in refused.err
        assert "Traceback" not in refused.err
    assert taught("rules", "export").document == before


def test_graphs_are_started_checked_and_drawn(alarm: Alarm) -> None:
    for name in ("mine.yaml", "mine.py"):
        alarm("graph", "new", name)
        assert "is there already" in alarm("graph", "new", name, code=2).err
        assert alarm("graph", "validate", name, "--json").document["valid"] is True
        drawn = alarm("graph", "show", name).out
        assert "graph TD" in drawn
        assert all(node in drawn for node in ("perceive", "reason", "uncertainty", "hand_off", "conclude"))
        assert ("note_speed" in drawn) == name.endswith(".py")
        alarm("graph", "show", name, "--png", "drawn.png")
        assert (alarm.folder / "drawn.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    for name in ("walkway", "conveyor", "generic", "smart_home"):
        assert name in alarm("graph", "list", "--json").document
        assert "valid" in alarm("graph", "validate", name).out
    assert "in a folder" in alarm("graph", "new", "none/mine.yaml", code=2).err or not (alarm.folder / "none").exists()
    (alarm.folder / "loose.yaml").write_text("name: loose\ngraph: {edges: [{from: reason, to: nowhere}]}\n")
    assert "there is no node 'nowhere'" in alarm("graph", "validate", "loose.yaml", code=2).err
    assert not alarm.workspace.exists(), "looking at graphs leaves nothing behind"


def test_traces_show_what_the_agents_did(taught: Alarm, clips: Clips) -> None:
    assert "no traces yet" in Alarm(_folder(taught.folder / "empty"))("traces", "list").err
    cases = taught("watch", clips.folder, "--json").of("case")
    listed = taught("traces", "list", "--limit", 100, "--json").document
    assert {case["id"] for case in cases} <= {trace["case"] for trace in listed}
    assert len(taught("traces", "list", "--limit", 3, "--json").document) == 3
    spans = taught("traces", "show", cases[0]["id"], "--json").document
    assert {span["trace_id"] for span in spans} == {cases[0]["trace_id"]}
    assert [span["kind"] for span in spans if not span["parent_id"]] == ["window"]
    assert {"perceive", "recall", "reason", "conclude"} <= {span["name"] for span in spans if span["kind"] == "node"}
    assert any(span["kind"] == "agent" for span in spans)
    shown = taught("traces", "show", cases[0]["id"]).out
    assert " ms" in shown
    assert cases[0]["id"] in shown
    assert "no trace" in taught("traces", "show", "none", code=2).err


def test_what_there_is_can_be_listed_without_running_anything(alarm: Alarm) -> None:
    models = alarm("models", "list", "--json").document
    assert (models["models"], set(models["embedded"])) == ([], {"perceiver", "inducer", "reasoner", "reflector"})
    assert "without a model" in alarm("models", "list").out
    tools = {tool["name"]: tool for tool in alarm("tools", "list", "--json").document}
    assert {"zoom", "context", "motion", "similar_cases"} <= tools.keys()
    assert tools["zoom"]["arguments"]["properties"].keys() >= {"region"}
    (alarm.folder / "one.yaml").write_text("name: one\ntools: [zoom]\n")
    assert [tool["name"] for tool in alarm("tools", "list", "-s", "one.yaml", "--json").document] == ["zoom"]
    assert "zoom" in alarm("tools", "list").out
    assert not alarm.workspace.exists()


def test_tools_are_run_by_hand_on_a_case(taught: Alarm, clips: Clips) -> None:
    case = taught("watch", clips.folder, "--json").of("case")[6]["id"]
    half = '{"region": [0.0, 0.0, 0.5, 0.5]}'
    assert taught("tools", "run", "zoom", "--case", case, "-a", half, "--json").document["pictures"] > 0
    measured = taught("tools", "run", "motion", "--case", case, "--json").document
    assert any(isinstance(fact["value"], float) for fact in measured["facts"])
    for arguments, said, code in (
        (["zoom", "--case", case, "-a", '{"region": [0, 0, 9, 1]}'], "region", 3),
        (["zoom", "--case", case, "-a", "[1]"], "JSON object", 2),
        (["zoom", "--case", case, "-a", "{"], "not JSON", 2),
        (["zoom", "--case", "none", "-a", half], "no such case", 2),
        (["zoomm"], "no tool 'zoomm'", 2),
    ):
        refused = taught("tools", "run", *arguments, code=code)
        assert said in refused.err
        assert "Traceback" not in refused.err


def test_doctor_says_what_is_missing(alarm: Alarm, clips: Clips) -> None:
    assert "No model takes part" in alarm("doctor").out
    assert "No references" in alarm("doctor").out
    report = alarm("doctor", "--json").document
    assert (report["no_model"], report["rules"], report["references"]) == (True, 0, {})
    assert report["workspace"] == str(alarm.workspace)
    alarm("induce", clips.normal)
    taught = alarm("doctor", "--json").document
    assert taught["rules"] > 0
    assert taught["references"]["sources"] == [str(clips.normal)]


def test_ids_are_whole_on_one_line_so_that_they_can_be_copied(alarm: Alarm, clips: Clips) -> None:
    case = alarm("watch", clips.folder, "--json").of("case")[0]["id"]
    rules = [rule["id"] for rule in alarm("rules", "list", "--json").document["rules"]]
    assert rules
    for listed, ids in (("traces", [case]), ("rules", rules)):
        lines = alarm(listed, "list", COLUMNS="40").out.splitlines()
        assert all(any(line.split()[0] == wanted for line in lines if line) for wanted in ids)


def test_init_leads_to_the_first_watch(alarm: Alarm, clips: Clips) -> None:
    first = alarm("init", "--scenario", "mine.yaml")
    assert (alarm.folder / "mine.yaml").is_file()
    assert (alarm.workspace / "alarm.db").is_file()
    assert (alarm.workspace / ".gitignore").read_text() == "*\n"
    written = (alarm.folder / "mine.yaml").read_text()
    assert "left alone" in alarm("init", "--scenario", "mine.yaml").err
    assert (alarm.folder / "mine.yaml").read_text() == written
    assert first.out.count("mine.yaml") >= 3, "both commands that it suggests name the scenario"
    alarm("induce", clips.normal, "--scenario", "mine.yaml")
    assert alarm("watch", clips.folder, "--scenario", "mine.yaml", "--json").of("incident")


def test_the_workspace_is_where_the_option_or_the_environment_says(alarm: Alarm, tmp_path: Path) -> None:
    alarm("-w", "by-option", "rules", "list", ALARM_WORKSPACE=str(tmp_path / "by-variable"))
    alarm("rules", "list", ALARM_WORKSPACE=str(tmp_path / "by-variable"))
    assert (tmp_path / "by-option" / "alarm.db").is_file()
    assert (tmp_path / "by-variable" / "alarm.db").is_file()
    assert not alarm.workspace.exists()


NAMES = ["[red]x[/red]", "a \"b\" 'c' $(d)", "new\nline", "--json", "\x1b[31mred\x07", "日本語 ü", "a*b?[c]"]


def test_names_chosen_to_break_output_do_not(alarm: Alarm) -> None:
    shown = ""
    for name in NAMES:
        write_folder(alarm.folder / name, clip(32, fast=range(16, 32), seed=2))
        first, second = alarm("watch", "--json", "--", name).of("case")
        assert first["source"] == second["source"]
        people = alarm("watch", "--all", "--", name)
        assert people.out.count(" p 0.") + people.out.count(" p 1.") == 2, "the cases of this source and no others"
        gone = alarm("watch", "--", f"{name}-gone", code=3).err
        assert gone.count("\n") == 2, "a note and one line that says what is wrong"
        assert name.replace("\n", " ").replace("\x1b", "").replace("\x07", "") in gone
        shown += people.out + people.err + gone
    odd = " ".join(NAMES)
    assert alarm("rules", "add", "--json", "--", odd).document["text"] == odd.strip()
    shown += alarm("traces", "list").out + alarm("rules", "list").out + alarm("review", "show", first["id"]).out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]x[/red]" in shown


def test_two_sources_with_the_same_pictures_are_two_sources(alarm: Alarm) -> None:
    pictures = clip(32, seed=2)
    for name in ("first", "second"):
        write_folder(alarm.folder / name, pictures)
        cases = alarm("watch", name, "--json").of("case")
        assert [case["source"] for case in cases] == [name, name]
    for name in ("first", "second"):
        again = alarm("watch", name, "--all", "--json")
        assert "to its end already" in again.err
        assert [case["source"] for case in again.of("case")] == [name, name]


def test_a_name_that_is_not_text_is_refused_in_one_sentence(alarm: Alarm) -> None:
    write_folder(alarm.folder / "plain", clip(2)).rename(os.fsdecode(os.fsencode(alarm.folder) + b"/caf\xe9"))
    refused = alarm("watch", os.fsdecode(b"caf\xe9"), code=3)
    assert "not valid UTF-8" in refused.err
    assert "Traceback" not in refused.err


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
