"""The command on real footage, where it is there: ../shared/data, see its README."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.alarm import Alarm

pytestmark = pytest.mark.data
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "source", ["video/car-detection.mp4", "video/bottle-detection.mp4", "ped2/test/01", "ped2/test/04"]
)
def test_footage_is_watched_without_teaching(alarm: Alarm, data: Path, source: str) -> None:
    done = alarm("watch", data / source, "--json")
    cases, incidents = done.of("case"), done.of("incident")
    minutes = cases[-1]["end"] / 60
    assert len(incidents) <= max(1.0, 6 * minutes), "people are told at most six times a minute"
    facts = [fact for case in cases for fact in case["facts"]]
    assert sum(bool(re.search(r"\d", fact)) for fact in facts) >= 0.9 * len(cases)
    assert all(case["end"] > case["start"] for case in cases)
    if source.startswith("ped2"):
        assert incidents, "something rides here"


def test_ten_references_of_ped2_are_enough(alarm: Alarm, data: Path) -> None:
    result = alarm("test", ROOT / "suites" / "ped2.yaml", "--json").document
    assert result["metrics"]["frame_auroc"] >= 0.95
    assert result["passed"] is True
    assert (len(result["cases"]), result["models"]) == (6, [])


def test_what_a_privacy_mask_hides_changes_nothing(alarm: Alarm, data: Path) -> None:
    """Of two clips that differ under the mask only, everything that was seen and judged is the same."""
    real = sorted((data / "ped2" / "test" / "01").glob("*.jpg"))[:48]
    for name in ("as-it-was", "painted"):
        folder = alarm.folder / name
        folder.mkdir()
        for index, path in enumerate(real):
            picture = cv2.imread(str(path))
            assert picture is not None
            if name == "painted":
                height, width = picture.shape[:2]
                rng = np.random.default_rng(index)
                hidden = picture[: height // 2 - 2, : width // 2 - 2]
                hidden[:] = rng.integers(0, 255, hidden.shape)
            cv2.imwrite(str(folder / f"{index:04}.png"), picture)
    (alarm.folder / "masked.yaml").write_text('name: masked\nsource: {masks: ["0,0,0.5,0,0.5,0.5,0,0.5"]}\n')
    seen = {}
    for name in ("as-it-was", "painted"):
        lines = alarm("watch", name, "-s", "masked.yaml", "--json").of("case")
        seen[name] = [(case["score"], case["facts"], case["label"]) for case in lines]
        regions = [
            fact["region"]
            for case in alarm.records("cases")
            for perception in case["perceptions"]
            for fact in perception["facts"]
            if fact["region"]
        ]
        assert regions
        assert all(x1 > 0.45 or y1 > 0.45 for _, _, x1, y1 in regions), "nothing is seen inside the mask"
    assert seen["as-it-was"] == seen["painted"]
    unmasked = [alarm("watch", name, "--json").of("case") for name in ("as-it-was", "painted")]
    assert unmasked[0][0]["score"] != unmasked[1][0]["score"], "without the mask the paint is seen"


@pytest.mark.parametrize(("name", "least"), [("avenue", 0.80), ("ped2", 0.985)])
def test_captions_are_judged_from_ten_references(alarm: Alarm, data: Path, name: str, least: float) -> None:
    result = alarm("test", ROOT / "suites" / f"captions_{name}.yaml", "--json").document
    assert result["metrics"]["frame_auroc"] >= least
    assert result["rows"]["without vocabulary"]["frame_auroc"] > 0.7
    assert (result["models"], result["unscored"]) == ([], 0)
