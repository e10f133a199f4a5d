"""`alarm explain`: from an incident to facts, rules, references and what would have been normal."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from alarm_agents.cli.explain import render
from alarm_agents.monitor.explaining import Explanation
from alarm_agents.types import SEVERITIES
from support.alarm import Alarm
from support.clips import clip, write_folder
from support.scenarios import SEEN, always, judged, write_scenario


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Alarm, dict[str, object]]:
    """A taught scenario, and the incident that something fast made; to be looked at only."""
    alarm = Alarm(tmp_path_factory.mktemp("watched"))
    (alarm.folder / "close.yaml").write_text("name: close\nsource: {frames: 8}\n")
    alarm("induce", write_folder(alarm.folder / "normal", clip(64, seed=4)), "-s", "close.yaml")
    odd = write_folder(alarm.folder / "odd", clip(64, fast=range(20, 44), seed=5))
    return alarm, alarm("watch", odd, "-s", "close.yaml", "--json").of("incident")[-1]


def test_every_hop_of_an_incident_can_be_followed(watched: tuple[Alarm, dict[str, object]]) -> None:
    alarm, incident = watched
    found = Explanation.model_validate(alarm("explain", incident["id"], "--json").document)
    assert found.case.incident == incident["id"]
    assert found.facts[0].measure == "motion.ratio"
    assert found.criterion == SEVERITIES[found.severity]
    assert found.severity_from
    (reason,) = found.reasons
    assert reason.rule is not None
    assert reason.rule.ref == reason.ref
    assert [Path(hop.path) for hop in reason.references] == [alarm.folder / "normal"] * len(reason.references)
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


def test_what_a_person_answered_is_said_and_what_judged_normal_is_not_asked_again(alarm: Alarm) -> None:
    alarm("induce", write_folder(alarm.folder / "normal", clip(128, seed=4)))
    watched = alarm("watch", write_folder(alarm.folder / "calm", clip(64, seed=4)), "--json")
    assert not watched.of("incident")
    case = watched.of("case")[-1]
    alarm("review", "resolve", case["id"], "--as", "anomalous", "--note", "a man jumps")
    text = alarm("explain", case["id"]).out
    assert re.search(r"anomalous, by \w+: a man jumps", text)
    assert "it was judged normal as it is" in text
    alarm("report", "--out", "page.html")
    page = (alarm.folder / "page.html").read_text()
    assert "anomalous: a man jumps" in page
    assert "Asked again" not in page


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


PLACE = "Other than people, there are trees, a pathway, and a building."
WALK = f"There are 3 people. The first person is walking, the second is walking with a backpack. {PLACE}"
STAND = f"There are 2 people. One person is standing near a tree, another is walking. {PLACE}"
RIDE = f"There are 3 people. The first person is walking, the second person is riding a bicycle. {PLACE}"


def said(path: Path, *texts: str) -> Path:
    """Captions, a frame each."""
    path.write_text("frame,caption\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(texts)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Alarm, list[Explanation]]:
    """A walkway in captions, and its anomalous cases: somebody rides in frames 40 to 63, and it takes time to fade.

    To be looked at only; the file that was watched can be had as `day`.
    """
    alarm = Alarm(tmp_path_factory.mktemp("spoken"))
    alarm("induce", said(alarm.folder / "normal.csv", *(WALK, STAND) * 80), "-s", "walkway")
    texts = [*(WALK, STAND) * 20, *[RIDE] * 24, *(WALK, STAND) * 24]
    done = alarm("watch", said(alarm.folder / "day.csv", *texts), "-s", "walkway", "--json")
    odd = [case["id"] for case in done.of("case") if case["label"] == "anomalous"]
    return alarm, [Explanation.model_validate(alarm("explain", case, "--json").document) for case in odd]


@pytest.fixture
def day(spoken: tuple[Alarm, list[Explanation]]) -> Iterator[Path]:
    """The captions that were watched, put back as they were after the test."""
    path = spoken[0].folder / "day.csv"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def test_captions_would_have_been_normal_without_what_the_rule_found_in_them(
    spoken: tuple[Alarm, list[Explanation]],
) -> None:
    _, explained = spoken
    assert [each.case.window.frames[0] for each in explained][:2] == [32, 48]
    for found in explained:
        would = found.would_be_normal
        assert [(change.kind, change.what) for change in would.changes] == [("clause", "person riding bicycle")]
        assert would.smallest
        assert "without 'person riding bicycle'" in would.text
    first, second, *later = (found.would_be_normal.text for found in explained)
    assert first.endswith("(said in 8 of its 16 captions)")
    assert second.endswith("(said in 16 of its 16 captions and in 8 of the 48 before it, which still weigh in)")
    assert all("said in 0 of its 16 captions and in 24 of" in text for text in later), "it fades"


def test_the_nearest_of_what_is_normal_is_a_rule_whose_references_can_be_followed(
    alarm: Alarm,
) -> None:
    """Without any rule of anomaly: what is new is told by what is usual."""
    (alarm.folder / "bare.yaml").write_text("name: bare\nsource: {kind: captions}\n")
    alarm("induce", said(alarm.folder / "normal.csv", *(WALK, STAND) * 80), "-s", "bare.yaml")
    texts = [*(WALK, STAND) * 20, *[f"There is a person. The person is walking a large dog. {PLACE}"] * 30]
    done = alarm("watch", said(alarm.folder / "day.csv", *texts), "-s", "bare.yaml", "--json")
    case = next(case for case in done.of("case") if case["label"] == "anomalous")
    found = Explanation.model_validate(alarm("explain", case["id"], "--json").document)
    usual = next(reason for reason in found.reasons if reason.rule is not None and reason.rule.usual)
    assert usual.rule is not None
    assert f"nearest of what is normal is the rule '{usual.rule.text}'" in found.case.explanation
    assert {Path(hop.path) for hop in usual.references} == {alarm.folder / "normal.csv"}
    shown = alarm("explain", case["id"]).out
    assert "said by" in shown
    assert "held-out normal ones" in " ".join(shown.split())


def test_what_a_person_disables_counts_as_normal_no_longer(alarm: Alarm) -> None:
    alarm("induce", said(alarm.folder / "normal.csv", *(WALK, STAND, RIDE) * 60), "-s", "walkway")
    day = said(alarm.folder / "day.csv", *(WALK, STAND) * 20, *[RIDE] * 24)
    assert not alarm("watch", day, "-s", "walkway", "--json").of("incident")
    rules = alarm("rules", "list", "-s", "walkway", "--json").document["rules"]
    (rides,) = [rule["id"] for rule in rules if rule["text"] == "Usual here: a person riding bicycle"]
    alarm("rules", "disable", rides, "-s", "walkway")
    done = alarm("watch", day, "-s", "walkway", "--json")
    assert len(done.of("incident")) == 1
    case = next(case["id"] for case in done.of("case") if case["label"] == "anomalous")
    found = Explanation.model_validate(alarm("explain", case, "--json").document)
    assert [change.what for change in found.would_be_normal.changes] == ["person riding bicycle"]
    alarm("rules", "enable", rides, "-s", "walkway")
    assert not alarm("watch", day, "-s", "walkway", "--json").of("incident")


@pytest.mark.parametrize("fate", ["gone", "changed"])
def test_captions_that_are_not_what_they_were_are_not_guessed_at(
    spoken: tuple[Alarm, list[Explanation]], day: Path, fate: str
) -> None:
    alarm, (explained, *_) = spoken
    if fate == "gone":
        day.unlink()
    else:
        said(day, *(WALK, STAND) * 60)
    found = Explanation.model_validate(alarm("explain", explained.case.id, "--json").document).would_be_normal
    assert [change.what for change in found.changes] == ["captions.oddity"]
    assert "captions.oddity at most" in found.text
    assert "what would have had to be unsaid cannot be told" in found.text


@pytest.mark.data
def test_real_captions_would_have_been_normal_without_one_clause(alarm: Alarm, data: Path) -> None:
    folder = data / "captions" / "avenue"
    if not folder.is_dir():
        pytest.skip(f"there are no captions at {folder}")
    with (folder / "03.csv").open(encoding="utf-8", newline="") as file:
        normal = [row["caption"] for row in csv.DictReader(file) if row["label"] == "0"]
    alarm("induce", said(alarm.folder / "normal.csv", *normal[::5]), "-s", "walkway")
    done = alarm("watch", folder / "01.csv", "-s", "walkway", "--json")
    odd = [case["id"] for case in done.of("case") if case["label"] == "anomalous"]
    assert odd
    would = Explanation.model_validate(alarm("explain", odd[0], "--json").document).would_be_normal
    assert {change.kind for change in would.changes} == {"clause"}
    assert would.smallest
    assert 1 < would.asked <= would.bound
