"""What a suite file may say, and the sentence that a wrong one gets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.suite import Suite, load_suite
from alarm_agents.tools.smoothing import CAUSAL


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("train/10", "train/2", "test/01", "test/02", "odd [1]"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("labels/01.csv", "labels/02.csv", "labels/clip.csv", "walk.csv", "clip.mp4", "mine.yaml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("frame,label\n0,0\n")
    return tmp_path


def suite(root: Path, **changes: object) -> Suite:
    case = {"source": "test/01", "labels": "labels/01.csv"}
    data = {"version": 1, "name": "dev", "scenario": "walkway", "cases": [case], **changes}
    (root / "suite.yaml").write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))
    return load_suite(root / "suite.yaml")


def test_defaults(root: Path) -> None:
    found = suite(root)
    assert (found.smoothing, found.seed, found.references, found.expect) == (CAUSAL, 0, None, {})
    assert found.folder == root
    assert found.reference_paths() == []
    assert "folder" not in found.model_dump()


def test_the_whole_contract(root: Path) -> None:
    found = suite(
        root,
        references={"sources": ["train/*", "train/2"], "frames": 10, "seed": 3},
        smoothing="offline",
        seed=7,
        expect={"frame_auroc": {"min": 0.95}, "accuracy_at_deferral.0.3": {"min": 0.5, "max": 1}},
    )
    assert found.reference_paths() == [root / "train/2", root / "train/10"]
    assert found.references is not None
    assert (found.references.frames, found.references.seed) == (10, 3)
    assert found.expect["frame_auroc"].min == 0.95


def test_cases_are_found_on_disk(root: Path) -> None:
    cases = [
        {"source": "test/*", "labels": "labels", "category": "indoors"},
        {"source": "clip.mp4", "labels": "labels"},
        {"source": {"kind": "captions", "path": "walk.csv"}},
        {"source": "odd [1]", "labels": "labels/01.csv"},
    ]
    found = suite(root, cases=cases).labelled_sources()
    assert [(one.name, one.kind, one.labels.relative_to(root).as_posix()) for one in found] == [
        ("test/01", "auto", "labels/01.csv"),
        ("test/02", "auto", "labels/02.csv"),
        ("clip.mp4", "auto", "labels/clip.csv"),
        ("walk.csv", "captions", "walk.csv"),
        ("odd [1]", "auto", "labels/01.csv"),
    ]
    assert [one.path for one in found] == [root / one.name for one in found]
    assert [one.category for one in found] == ["indoors", "indoors", "", "", ""]


def test_captions_may_be_named_by_path_alone_and_labelled_elsewhere(root: Path) -> None:
    (found,) = suite(root, cases=[{"source": "walk.csv"}]).labelled_sources()
    assert (found.kind, found.labels) == ("captions", root / "walk.csv")
    (found,) = suite(root, cases=[{"source": "walk.csv", "labels": "labels/01.csv"}]).labelled_sources()
    assert found.labels == root / "labels/01.csv"


def test_a_scenario_is_a_name_or_a_file(root: Path) -> None:
    assert suite(root).scenario_location == "walkway"
    assert suite(root, scenario="mine.yaml").scenario_location == root / "mine.yaml"


CASE = {"source": "test/01", "labels": "labels/01.csv"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"refrences": {}}, "refrences: unknown key; did you mean 'references'?"),
        ({"folder": "/"}, "folder: unknown key"),
        ({"name": None}, "name: this key is required"),
        ({"name": "../up"}, "name: "),
        ({"scenario": None}, "scenario: this key is required"),
        ({"scenario": "gone.yaml"}, "scenario: there is no file gone.yaml"),
        ({"version": 2}, "version: "),
        ({"smoothing": "gaussian"}, "smoothing: smoothing is causal, offline, or a block like"),
        ({"smoothing": {"kind": "gausian"}}, "smoothing.kind: Input should be"),
        ({"references": {"sources": ["train/*"], "guard": 3}}, "references: where and guard are for labelled captions"),
        ({"references": {"path": "train/*", "sources": ["train/*"]}}, "references: name the references by path or by"),
        ({"flip": {"says": "bicycle"}}, "it needs references of kind: captions"),
        ({"seed": -1}, "seed: "),
        ({"cases": []}, "cases: "),
        ({"cases": [{**CASE, "label": "x"}]}, "cases.0.label: unknown key; did you mean 'labels'?"),
        (
            {"cases": [{"source": {"kind": "captions", "pth": "x"}}]},
            "cases.0.source.pth: unknown key; did you mean 'path'?",
        ),
        (
            {"cases": [{"source": {"kind": "captions", "path": "walk.csv", "kindd": 1}}]},
            "cases.0.source.kindd: unknown key; did you mean 'kind'?",
        ),
        ({"cases": [{"source": {"kind": "captoins", "path": "walk.csv"}}]}, "cases.0.source.kind: Input should be"),
        ({"cases": [{"source": 3}]}, "cases.0.source: a source is a path, a glob, or a block"),
        ({"cases": [{"source": "test/01"}]}, "cases.0: frames and videos need labels"),
        ({"cases": [{**CASE, "labels": "labels/no.csv"}]}, "cases.0.labels: there is no file labels/no.csv"),
        ({"cases": [{**CASE, "source": "test/03"}]}, "cases.0.source: there is no file or folder test/03"),
        ({"cases": [CASE, {**CASE, "source": "test/9*"}]}, "cases.1.source: test/9* matches nothing"),
        ({"cases": [CASE, {**CASE, "source": "./test/01"}]}, "cases.1.source: ./test/01 is a case already"),
        ({"cases": [{**CASE, "source": "test/*"}]}, "cases.0.labels: one file can't label the several sources"),
        (
            {"cases": [{**CASE, "source": "odd*", "labels": "labels"}]},
            "cases.0.labels: there is no file labels/odd [1]",
        ),
        ({"references": {"sources": []}}, "references.sources: "),
        (
            {"references": {"sources": ["train/*"], "frame": 10}},
            "references.frame: unknown key; did you mean 'frames'?",
        ),
        ({"references": {"sources": ["train/*"], "frames": 0}}, "references.frames: "),
        ({"references": {"sources": ["train/*", "nothing/*"]}}, "references.sources.1: nothing/* matches nothing"),
        ({"references": {"sources": ["gone"]}}, "references.sources.0: there is no file or folder gone"),
        (
            {"expect": {"frame_auc": {"min": 0.9}}},
            "expect: there is no metric 'frame_auc'; did you mean 'frame_auroc'?",
        ),
        ({"expect": {"accuracy_at_deferral": {"min": 1}}}, "did you mean 'accuracy_at_deferral.0."),
        ({"expect": {"zzz": {"min": 1}}}, "there is no metric 'zzz'; metrics are frame_auroc, "),
        ({"expect": {"recall": {"minn": 1}}}, "expect.recall.minn: unknown key; did you mean 'min'?"),
        ({"expect": {"recall": {}}}, "expect.recall: an expectation needs min, max or both"),
        ({"expect": {"recall": {"min": 0.9, "max": 0.1}}}, "expect.recall: min is above max"),
        ({"expect": ["recall"]}, "expect: "),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(root: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        suite(root, **changes)
    assert str(caught.value).startswith(f"{root / 'suite.yaml'}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n", "just words"])
def test_a_file_that_is_no_mapping(root: Path, text: str) -> None:
    (root / "suite.yaml").write_text(text)
    with pytest.raises(ScenarioError, match="a suite is a mapping"):
        load_suite(root / "suite.yaml")


def test_a_suite_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml: the file cannot be read"):
        load_suite(tmp_path / "none.yaml")


def test_paths_start_at_the_suite_not_at_the_working_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite(root)
    monkeypatch.chdir(root / "train")
    assert load_suite("../suite.yaml").labelled_sources()[0].path == root / "test/01"
