"""The retrieval index: whatever became of its folder, it answers as the database says."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from alarm_agents.memory.embedders import Embedder, default_embedder
from alarm_agents.memory.index import VectorIndex

TEXTS = {
    "bike": "a man rides a bicycle",
    "cart": "somebody pushes a cart",
    "soup": "the soup boils over",
    "dog": "a dog runs",
}
ASKED = ["somebody cycles", "the kitchen", "an animal", "a vehicle with wheels"]


def index(folder: Path, embedder: Embedder) -> VectorIndex:
    return VectorIndex(folder / "memory", embedder)


def answers(found: VectorIndex, k: int = 3) -> list[list[str]]:
    return [[key for key, _ in found.query("rules", text, k)] for text in ASKED]


def test_the_nearest_come_first_with_their_cosine_similarity(tmp_path: Path, embedder: Embedder) -> None:
    found = index(tmp_path, embedder)
    found.sync("rules", 1, TEXTS)
    (first, same), (_, other) = found.query("rules", TEXTS["soup"], 2)
    assert first == "soup"
    assert same == pytest.approx(1.0, abs=1e-3)
    by_hand = max(
        float(embedder.embed([TEXTS["soup"]])[0] @ embedder.embed([TEXTS[k]])[0]) for k in TEXTS if k != "soup"
    )
    assert other == pytest.approx(by_hand, abs=1e-3)


def test_rebuilt_after_its_folder_was_deleted_it_answers_the_same(tmp_path: Path, embedder: Embedder) -> None:
    before = index(tmp_path, embedder)
    before.sync("rules", 5, TEXTS)
    expected = answers(before)
    later = index(tmp_path / "elsewhere", embedder)  # Chroma keeps clients of a path open within a process
    shutil.rmtree(tmp_path / "memory")
    later.sync("rules", 5, TEXTS)
    assert answers(later) == expected


def test_stale_entries_vanish_and_changed_ones_change(tmp_path: Path, embedder: Embedder) -> None:
    found = index(tmp_path, embedder)
    found.sync("rules", 1, TEXTS)
    changed = {"bike": "the soup boils over", "cart": TEXTS["cart"]}
    found.sync("rules", 2, changed)
    assert {key for key, _ in found.query("rules", "the soup", 10)} == {"bike", "cart"}
    assert found.query("rules", "the soup boils over", 1)[0][1] == pytest.approx(1.0, abs=1e-3)
    found.sync("rules", 3, {})
    assert found.query("rules", "the soup", 10) == []


def test_collections_do_not_mix_even_where_their_names_differ_in_punctuation_alone(
    tmp_path: Path, embedder: Embedder
) -> None:
    found = index(tmp_path, embedder)
    found.sync("cases-main-a-b", 1, {"x": "a dog"})
    found.sync("cases-main-a_b", 1, {"y": "a dog"})
    assert [key for key, _ in found.query("cases-main-a-b", "a dog", 5)] == ["x"]


def test_only_a_new_revision_costs_work(tmp_path: Path) -> None:
    class Counting:
        name = "counting"
        asked = 0

        def embed(self, texts: list[str]):  # type: ignore[no-untyped-def]
            self.asked += len(texts)
            return default_embedder().embed(texts)

    embedder = Counting()
    found = VectorIndex(tmp_path, embedder)
    found.sync("rules", 1, TEXTS)
    found.sync("rules", 1, TEXTS)
    assert embedder.asked == 4
    found.sync("rules", 2, {**TEXTS, "dog": "a cat sleeps"})
    assert embedder.asked == 5


def write(folder: str, texts: dict[str, str], revision: int) -> None:
    VectorIndex(Path(folder), default_embedder()).sync("rules", revision, texts)


NEW = {"new": "a horse gallops"}


@pytest.mark.parametrize(
    ("theirs", "wanted"),
    [
        pytest.param({**TEXTS, **NEW}, {**TEXTS, **NEW}, id="they wrote it first"),
        pytest.param({"bike": TEXTS["bike"]}, {**TEXTS, **NEW}, id="they are behind"),
        pytest.param({"bike": TEXTS["bike"]}, {"bike": TEXTS["bike"], **NEW}, id="they deleted it first"),
        pytest.param({"alien": "a horse", **TEXTS, "bike": "the soup boils over"}, TEXTS, id="they wrote other things"),
    ],
)
def test_another_process_at_the_same_folder_does_not_matter(
    tmp_path: Path, embedder: Embedder, theirs: dict[str, str], wanted: dict[str, str]
) -> None:
    ours = index(tmp_path, embedder)
    ours.sync("rules", 1, TEXTS)
    assert answers(ours)
    other = multiprocessing.get_context("spawn").Process(target=write, args=(str(tmp_path / "memory"), theirs, 2))
    other.start()
    other.join(60)
    assert other.exitcode == 0
    ours.sync("rules", 3, wanted)
    fresh = VectorIndex(tmp_path / "fresh", embedder)
    fresh.sync("rules", 1, wanted)
    for text in [*ASKED, "a horse"]:
        for k in (1, 3, len(wanted)):
            found = [key for key, _ in ours.query("rules", text, k)]
            assert found == [key for key, _ in fresh.query("rules", text, k)]
