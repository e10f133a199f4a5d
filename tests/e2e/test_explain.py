"""`alarm explain`: from an incident to facts, rules, references and what would have been normal."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from alarm_agents.cli.explain import render
from alarm_agents.monitor.explaining import Explanation
from alarm_agents.types import SEVERITIES
from support.alarm import Alarm
from support.clips import clip, write_folder
from support.scenarios import SEEN, always, judged, write_scenario


@pytest.fixture
def watched(alarm: Alarm, tmp_path: Path) -> tuple[Alarm, dict[str, object]]:
    """A taught scenario, and the incident that something fast made."""
    (alarm.folder / "close.yaml").write_text("name: close\nsource: {frames: 8}\n")
    alarm("induce", write_folder(tmp_path / "normal", clip(64, seed=4)), "-s", "close.yaml")
    odd = write_folder(tmp_path / "odd", clip(64, fast=range(20, 44), seed=5))
    return alarm, alarm("watch", odd, "-s", "close.yaml", "--json").of("incident")[-1]


def test_every_hop_of_an_incident_can_be_followed(watched: tuple[Alarm, dict[str, object]], tmp_path: Path) -> None:
    alarm, incident = watched
    found = Explanation.model_validate(alarm("explain", incident["id"], "--json").document)
    assert found.case.incident == incident["id"]
    assert found.facts[0].measure == "motion.ratio"
    assert found.criterion == SEVERITIES[found.severity]
    assert found.severity_from
    (reason,) = found.reasons
    assert reason.rule is not None
    assert reason.rule.ref == reason.ref
    assert [Path(hop.path) for hop in reason.references] == [tmp_path / "normal"] * len(reason.references)
    assert [hop.start for hop in reason.references] == [pytest.approx(0.8 * i) for i in range(8)]
    for command in (reason.command, *(each for what, each in found.commands.items() if what != "your answer")):
        alarm(*command.removeprefix("alarm ").split())
    listed = alarm("rules", "references", reason.ref.id, "-s", "close", "--json").document
    assert [hop["reference"] for hop in listed] == [hop.reference for hop in reason.references]
    (change,) = found.would_be_normal.changes
    assert change.what == "motion.ratio"
    assert change.at_most is not None
    assert change.was is not None
    assert change.at_most < change.was
    assert change.at_most <= reason.rule.threshold.limit  # type: ignore[union-attr]


def test_people_read_the_same_and_a_report_has_it(watched: tuple[Alarm, dict[str, object]]) -> None:
    alarm, incident = watched
    text = alarm("explain", incident["id"]).out
    for title in ("what", "why", "how severe", "what would have made it normal", "look further"):
        assert f"\n{title}\n" in text
    alarm("report", "--out", "page.html")
    page = (alarm.folder / "page.html").read_text()
    assert "Asked again, it would have been normal: motion.ratio at most" in page


def test_what_is_not_there_is_said(alarm: Alarm) -> None:
    done = alarm("explain", "nothing", code=None)
    assert done.code != 0
    assert "there is no such case" in done.err


def test_untrusted_text_is_shown_as_text(watched: tuple[Alarm, dict[str, object]]) -> None:
    alarm, incident = watched
    found = Explanation.model_validate(alarm("explain", incident["id"], "--json").document)
    case = found.case.model_copy(update={"title": "[bold]x[/] \x1b[2J"})
    console = Console(record=True, width=200)
    console.print(render(found.model_copy(update={"case": case})))
    text = console.export_text()
    assert "[bold]x[/]" in text
    assert "\x1b[2J" not in text


def test_what_a_model_found_wrong_is_found_by_asking_it_again(alarm: Alarm, tmp_path: Path) -> None:
    seen = {
        "caption": "a man walks",
        "facts": [{"subject": "bag", "attribute": "place", "value": "left behind"}, *SEEN["facts"]],
    }
    upset = [{"reply": judged(0.95), "when": "left behind", "times": None}, *always(judged(0.03))]
    agents = {"perceivers": ["eye"], "reasoners": ["mind"], "reflector": "embedded"}
    write_scenario(alarm.folder, {"eye": always(seen), "mind": upset}, agents=agents)
    source = write_folder(tmp_path / "watched", clip(8, seed=4))
    case = alarm("watch", source, "-s", "yard.yaml", "--json", "--all").of("case")[-1]
    found = Explanation.model_validate(alarm("explain", case["id"], "--json").document)
    (change,) = found.would_be_normal.changes
    assert change.kind == "fact"
    assert "left behind" in change.what, "neither the walking man nor the caption"
    assert found.would_be_normal.smallest
    assert 1 < found.would_be_normal.asked <= found.would_be_normal.bound
