"""The report: complete, harmless whatever the texts hold, and small however long the run."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from alarm_agents.errors import ConfigurationError, NotFoundError
from alarm_agents.evaluation.report import DID
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.report import write_report
from alarm_agents.report.chapter import SHOWN
from alarm_agents.report.page import PICTURE_BYTES
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case, CaseStatus, Decision, Resolution, Uncertainty
from alarm_agents.workspace import Workspace
from support.records import SCENARIO, case, fact, fast, incident

EVIL = "<script>alert(1)</script><img src=http://x.example/ onerror=alert(2)>\x1b[31m\u202e{{ 7*7 }}"
JPEG = b"\xff\xd8" + b"0" * 1000


class Page(HTMLParser):
    """What a browser would make of it: tags with attributes, and text."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._style = False
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = Workspace(tmp_path / "workspace")
    yield opened
    opened.close()


def start(workspace: Workspace, path: str = "/x/clip.mp4", **scenario: Any) -> str:
    """A run over a source."""
    found = Scenario(name=SCENARIO, **scenario)
    values = {"namespace": "main", "source": "clip", "path": path, "fingerprint": path, "references": ""}
    return workspace.runs.start(found, revision=0, **values).id


def keep(workspace: Workspace, run: str, *cases: Case, pictures: int = 0, content: bytes = JPEG, **values: Any) -> str:
    """Store the cases as one incident with so many key frames."""
    made = incident(*cases)
    evidence = []
    for one in cases[:pictures]:
        evidence.append(f"evidence/{made.id}/{one.id[-9:]}.jpg")
        file = workspace.folder / evidence[-1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    made = made.model_copy(update={"evidence": tuple(evidence), **values})
    for one in cases:
        workspace.cases.save(one, run)
        workspace.cases.join(made, run, one.id)
    return made.id


def page(workspace: Workspace, *runs: str, **more: Any) -> Page:
    file = workspace.folder / "report.html"
    write_report(workspace, runs, file, **more)
    return Page(file)


def test_it_says_what_was_found_why_and_where_that_comes_from(workspace: Workspace) -> None:
    (rule,) = RuleMemory(workspace.engine, SCENARIO).add([fast()])
    run = start(workspace, normal="People walk.")
    seen = fact("object 3 moves 2.4 times the usual speed", value=2.4, region=(0.1, 0.1, 0.2, 0.2))
    odd = case(4.0, 0.93, seen, run=run, rules=(rule.ref,), explanation="it was too fast")
    workspace.cases.save(case(0.0, 0.1, run=run), run)
    keep(workspace, run, odd, pictures=1)
    unsure = Uncertainty(score=0.7, decision=Decision.DEFER, reason="uncertainty 0.70")
    pending = {"status": CaseStatus.PENDING, "decision": Decision.DEFER, "uncertainty": unsure}
    workspace.cases.save(case(8.0, 0.45, run=run, **pending), run)
    found = page(workspace, run)
    for said in ("3 windows", "1 incident", "No model took part", "People walk.", seen.text, "it was too fast"):
        assert said in " ".join(found.text.split()), said
    assert f"{rule.id} v1" in found.text
    assert "motion.ratio > 2.0" in found.text
    assert "by a test" in found.text
    assert f"alarm traces show {odd.id}" in found.text
    assert "Waiting for your answer" in found.text
    assert len(found.of("img")) == 1
    assert len(found.of("svg")) == 1


def test_hostile_text_stays_text_and_nothing_is_loaded_or_run(workspace: Workspace) -> None:
    run = start(workspace, path=f"/x/{EVIL}.mp4", normal=EVIL)
    answered = {"resolution": Resolution(answer="anomalous", note=EVIL), "models": (EVIL,)}
    odd = case(0.0, 0.9, fact(EVIL, subject=EVIL), run=run, title=EVIL, explanation=EVIL, **answered)
    keep(workspace, run, odd, pictures=1, title=EVIL)
    found = page(workspace, run, labelled={run: [(EVIL, 0.0, 0.2)]})
    assert not found.of("script")
    assert all(not key.startswith("on") for _, attributes in found.tags for key in attributes)
    assert all((one["src"] or "").startswith("data:image/jpeg;base64,") for one in found.of("img"))
    assert not [name for name, attributes in found.tags if "http" in (attributes.get("href") or "")]
    assert "alert(1)" in found.text
    assert "{{ 7*7 }}" in found.text
    assert not {"\x1b", "\u202e"} & set(found.text)
    (policy,) = [one["content"] or "" for one in found.of("meta") if "http-equiv" in one]
    assert policy.startswith("default-src 'none'")


def test_evidence_that_points_out_of_the_workspace_is_not_shown(workspace: Workspace, tmp_path: Path) -> None:
    run = start(workspace)
    odd = case(0.0, 0.9, run=run)
    (tmp_path / f"{odd.id[-9:]}.jpg").write_bytes(JPEG)
    keep(workspace, run, odd, evidence=(f"../{odd.id[-9:]}.jpg", "../clip.mp4"))
    found = page(workspace, run)
    assert not found.of("img")
    assert "1 key frames are not in this report" in found.text


def test_a_long_run_makes_a_small_report(workspace: Workspace) -> None:
    run = start(workspace)
    for place in range(SHOWN + 8):
        odd = [case(place * 20 + i * 0.4, 0.9, run=run) for i in range(2)]
        keep(workspace, run, *odd, pictures=2, content=JPEG * 400)
    found = page(workspace, run)
    assert f"The {SHOWN} most severe of {SHOWN + 8} incidents" in found.text
    assert len(found.of("article")) == SHOWN
    assert 0 < len(found.of("img")) < 2 * SHOWN
    assert f"{2 * SHOWN - len(found.of('img'))} key frames are not in this report" in found.text
    assert (workspace.folder / "report.html").stat().st_size < 1.4 * PICTURE_BYTES + 200_000


def test_labels_are_held_against_incidents(workspace: Workspace) -> None:
    run = start(workspace)
    keep(workspace, run, case(4.0, 0.9, run=run))
    keep(workspace, run, case(30.0, 0.9, run=run))
    spans = [("cyclist", 3.9, 4.2), ("runner", 12.0, 14.0)]
    text = " ".join(page(workspace, run, labelled={run: spans}).text.split())
    assert "labelled there: cyclist" in text
    assert "nothing is labelled there" in text
    assert "Labelled, and without an incident: runner" in text


CURVES = {
    "reliability": [{"p": 0.1, "share": 0.2, "count": 8}],
    "rejection": [{"deferred": 0.0, "accuracy": 0.8}, {"deferred": 0.5, "accuracy": None}],
}


def test_several_sources_and_a_suite_s_metrics_are_one_report(workspace: Workspace) -> None:
    runs = [start(workspace, path=f"/x/{name}.mp4") for name in "ab"]
    for run in runs:
        workspace.cases.save(case(0.0, None, run=run), run)
    expectation = {"metric": "frame_auroc", "min": 0.9, "max": None, "value": 0.5, "passed": False}
    result = {"suite": "mine", "passed": False, "frames": 8, "windows": 2, "seconds": 1.0, "unscored": 8}
    metrics = {"metrics": {"frame_auroc": 0.5, "accuracy_at_deferral": {"0.1": None}}}
    parts = {"source": {}, "zone": {"road <b>": {**dict.fromkeys(DID, 0.25), "windows": 2}}, "category": {}}
    more = {"expectations": [expectation], "curves": CURVES, "by": parts, "rows": {}}
    beside = {"rows": {"without vocabulary": {"frame_auroc": 0.625}, "causal": {"frame_auroc": None, "f1": 0.375}}}
    flip = {"says": "a <b> bicycle", "frames": 4, "fell": 0.875, "rest_moved": 0.0}
    flip |= {"false_alarms": {"before": 0.75, "after": 0.0625}, "rest_auroc": {"before": 0.9375, "after": None}}
    plain = page(workspace, *runs, result={**result, **metrics, **more})
    assert not [said for said in ("On the same", "among the references", "confidence") if said in plain.text]
    found = page(workspace, *runs, result={**result, **metrics, **more, **beside, "flip": flip})
    assert len(found.of("svg")) == 3
    assert "By zone" in found.text
    assert "road <b>" in found.text
    assert all(said in found.text for said in ("frame_auroc", "accuracy_at_deferral.0.1", "not met"))
    text = " ".join(found.text.split())
    assert "2 windows" in text
    assert "8 frames got no score" in text
    assert "On the same frames frame_aurocf1 this system0.500– without vocabulary0.625– causal–0.375" in text
    assert "With 'a <b> bicycle' among the references beforeafter false_alarms0.7500.062 rest_auroc0.938–" in text
    assert "false alarms fell by 0.875" in text


def test_recorded_cases_are_put_beside_what_is_compared_and_their_promise_is_told(workspace: Workspace) -> None:
    metrics = {"aurc": 0.125, "accuracy_at_deferral": {"0.3": 0.875}, "unscored": 2, "by_group": {}}
    result = {"suite": "mine", "passed": True, "recorded": 9, "splits": 2, "members": ["<m0>"], "dropped": []}
    promise = {"name": "max_missed", "bound": 0.1, "delta": 0.1, "promised": 0.0, "reason": "cannot be promised yet"}
    rows = {"majority": {"aurc": 0.25, "accuracy_at_deferral.0.3": None}}
    more = {"metrics": metrics, "rows": rows, "promise": promise, "expectations": [], "curves": CURVES}
    text = " ".join(page(workspace, start(workspace), result={**result, **more}).text.split())
    assert "On the same splits aurcaccuracy_at_deferral.0.3 this system0.1250.875 majority0.250–" in text
    assert "promise max_missed 0.1, confidence 90%: given in 0% of splits; else it cannot be promised yet" in text
    assert "unscored2" in text


def test_a_drift_is_told(workspace: Workspace) -> None:
    run = start(workspace)
    for begin, drift in ((0.0, 0), (60.0, 1), (120.0, 1)):
        workspace.cases.save(case(begin, 0.1, run=run, drift=drift), run)
    assert page(workspace, run).text.count("had drifted") == 1


def test_what_cannot_be_reported_is_said(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        page(workspace, "no-such-run")
    run = start(workspace)
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigurationError, match="taken"):
        write_report(workspace, [run], tmp_path / "taken" / "report.html")
    assert "No incident." in page(workspace, run).text, "a run without a window yet"
