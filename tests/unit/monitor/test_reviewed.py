"""Windows that a person has found to be normal, read again as references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alarm_agents.monitor.reviewed import MOST_REVIEWED, read_reviewed, remember
from alarm_agents.monitor.teach import open_media
from alarm_agents.scenario import Scenario, parse_scenario
from alarm_agents.sources.windows import cut
from alarm_agents.tools.scene import small
from alarm_agents.types import Case, Resolution
from alarm_agents.workspace import Workspace
from support.clips import clip, write_folder, write_video
from support.records import resolved

NORMAL = Resolution(answer="normal", by="ann", at=1.0)


@pytest.fixture(scope="module")
def pictures() -> list:
    return clip(40, seed=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / ".alarm")


def yard(**source: object) -> Scenario:
    return parse_scenario({"version": 1, "name": "yard", "source": {"frames": 8, **source}}, where="", folder=Path())


def review(workspace: Workspace, path: Path, scenario: Scenario) -> list[Case]:
    """Every window of the source, answered normal."""
    media = open_media(str(path), scenario)
    run = workspace.runs.start(
        scenario, namespace="main", source="s", path=str(path), fingerprint=str(path), references="", revision=0
    )
    cases = []
    size = scenario.source.frames
    for place, (window, _, _) in enumerate(cut(media.source.frames(), source=media.source.slug, size=size, step=size)):
        case = resolved(f"{path.stem}-{place}", "").model_copy(update={"window": window})
        remember(workspace, case, run.id, NORMAL)
        cases.append(case)
    return cases


@pytest.mark.parametrize("source", ["folder", "video"])
def test_the_frames_are_those_that_were_watched(
    workspace: Workspace, tmp_path: Path, pictures: list, source: str
) -> None:
    path = (
        write_folder(tmp_path / "clip", pictures) if source == "folder" else write_video(tmp_path / "c.mp4", pictures)
    )
    scenario = yard(fps=5) if source == "video" else yard()
    cases = review(workspace, path, scenario)
    found = read_reviewed(workspace, scenario, "frames")
    wanted = {frame.index: small(frame) for frame in open_media(str(path), scenario).source.frames()}
    assert found.cases == [case.id for case in cases]
    assert len(cases) > 1
    for clip_, case in zip(found.clips, cases, strict=True):
        numbers = [frame.index for frame in clip_.frames]
        assert tuple(numbers[-len(case.window.frames) :]) == case.window.frames
        assert len(numbers) == len(case.window.frames) + (case is not cases[0]), "with the frame before the window"
        assert all(np.array_equal(frame.image, wanted[frame.index]) for frame in clip_.frames)


def test_what_cannot_be_read_again_is_left_out_with_a_note(
    workspace: Workspace, tmp_path: Path, pictures: list
) -> None:
    kept, gone, changed = (write_folder(tmp_path / name, pictures[:8]) for name in ("kept", "gone", "changed"))
    for path in (kept, gone, changed):
        review(workspace, path, yard())
    for picture in gone.iterdir():
        picture.unlink()
    next(changed.iterdir()).write_bytes(next(kept.iterdir()).read_bytes()[:-2] + b"??")
    found = read_reviewed(workspace, yard(), "frames")
    assert found.cases == ["kept-0"]
    assert sorted(note.split(" was ")[0] for note in found.notes) == ["reviewed case changed-0", "reviewed case gone-0"]
    assert any("has changed since" in note for note in found.notes)
    assert read_reviewed(workspace, yard(), "captions").cases == []


def test_the_latest_are_learned_from_when_there_are_many(workspace: Workspace, tmp_path: Path, pictures: list) -> None:
    scenario, path = yard(), write_folder(tmp_path / "clip", pictures[:8])
    (case,) = review(workspace, path, scenario)
    run = workspace.runs.start(
        scenario, namespace="main", source="s", path=str(path), fingerprint=str(path), references="", revision=0
    )
    for number in range(MOST_REVIEWED + 3):
        later = NORMAL.model_copy(update={"at": 2.0 + number})
        remember(workspace, case.model_copy(update={"id": f"later-{number:03}"}), run.id, later)
    found = read_reviewed(workspace, scenario, "frames")
    assert len(found.cases) == MOST_REVIEWED
    assert found.cases[-1] == f"later-{MOST_REVIEWED + 2:03}"
