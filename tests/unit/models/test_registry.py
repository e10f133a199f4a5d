"""Building the models of a scenario, and what is said when one cannot be built; and picture blocks."""

from __future__ import annotations

import base64
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from alarm_agents.errors import AlarmError, ConfigurationError, MissingExtraError
from alarm_agents.models import ScriptedChatModel, build_models, delimit, picture_block
from alarm_agents.settings import ModelSettings


def build(**settings: Any) -> Any:
    return build_models({"eye": ModelSettings(**settings)}, Path())["eye"]


def test_all_models_are_built_by_name(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text("- {reply: x}")
    models = build_models(
        {
            "eye": ModelSettings(backend="openai", model="tiny", base_url="http://localhost:1/v1"),
            "mind": ModelSettings(backend="scripted", script="script.yaml"),
            "any": ModelSettings(
                backend="langchain", model="alarm_agents.models:ScriptedChatModel", extra={"steps": [{"reply": "x"}]}
            ),
        },
        tmp_path,
    )
    assert [(name, model.name, model.label) for name, model in models.items()] == [
        ("eye", "eye", "tiny"),
        ("mind", "mind", "mind"),
        ("any", "any", "alarm_agents.models:ScriptedChatModel"),
    ]
    assert isinstance(models["any"].chat, ScriptedChatModel)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "openai", "model": "m", "base_url": "localhost:8000"}, "models.eye: base_url is not an http"),
        (
            {"backend": "openai", "model": "m", "base_url": "http://x/v1", "api_key_env": "NOT_THERE"},
            "models.eye: api_key_env names the environment variable NOT_THERE",
        ),
        ({"backend": "langchain", "model": "no_such_package:Chat"}, "models.eye: .* cannot be imported"),
        ({"backend": "langchain", "model": "json:NoSuch"}, "models.eye: .* cannot be imported"),
        ({"backend": "langchain", "model": "json:JSONDecoder"}, "models.eye: .* is not a LangChain chat model"),
        ({"backend": "langchain", "model": "json"}, "write model as package:Class"),
        (
            {"backend": "langchain", "model": "alarm_agents.models:ScriptedChatModel", "extra": {"steps": 1}},
            "models.eye: .* refuses the arguments",
        ),
        ({"backend": "scripted", "script": "not-there.yaml"}, "models.eye: not-there.yaml: the file cannot be read"),
        ({"backend": "scripted", "script": "x", "extra": {"a": 1}}, "models.eye: backend scripted takes no extra"),
    ],
)
def test_what_cannot_be_built_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AlarmError, match=message):
        build(**settings)


@pytest.mark.parametrize("backend", ["transformers", "llamacpp"])
def test_in_process_backends_name_the_extra_that_is_missing(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        build(backend=backend, model="m")
    assert f"alarm-agents[{backend}]" in str(caught.value)
    assert str(caught.value).startswith("models.eye: ")


def test_transformers_without_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"models\.eye: .*alarm-agents\[transformers\]"):
        build(backend="transformers", model="m")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extra": {"trust_remote_code": True}}, "extra.trust_remote_code: unknown key.*takes device, dtype"),
        ({"extra": {"dtype": "int3"}}, "extra.dtype: Input should be 'auto', 'float32'"),
        ({"tool_calls": True}, "backend transformers makes no tool calls; leave tool_calls out"),
        ({"model": "./not-there"}, "there is no folder not-there; relative paths start at the scenario's folder"),
    ],
)
def test_what_transformers_cannot_use_is_named(
    settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(ConfigurationError, match=f"models.eye: {message}"):
        build(**{"backend": "transformers", "model": "m", **settings})


def test_llamacpp_makes_no_tool_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    (tmp_path / "eye.gguf").touch()
    block = {"backend": "llamacpp", "model": str(tmp_path / "eye.gguf")}
    with pytest.raises(
        ConfigurationError, match=r"models\.eye: backend llamacpp makes no tool calls; leave tool_calls"
    ):
        build(**block, tool_calls=True)
    build(**block)


def test_a_local_folder_wins_over_a_hub_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    (tmp_path / "org" / "eye").mkdir(parents=True)
    names = {"here": "org/eye", "hub": "org/other"}
    models = build_models({key: ModelSettings(backend="transformers", model=m) for key, m in names.items()}, tmp_path)
    sources = {key: model.chat.source for key, model in models.items()}  # type: ignore[attr-defined]
    assert sources == {"here": str(tmp_path / "org" / "eye"), "hub": "org/other"}


@pytest.mark.parametrize(("shape", "size"), [((100, 200, 3), (25, 50)), ((20, 10), (20, 10)), ((1, 5000, 3), (1, 50))])
def test_a_picture_block_is_a_jpeg_no_larger_than_asked(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    block = picture_block(np.full(shape, 200, np.uint8), 50)
    head, data = block["image_url"]["url"].split(",", 1)
    assert (block["type"], head) == ("image_url", "data:image/jpeg;base64")
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[:2] == size
    assert abs(float(image.mean()) - 200) < 3


def test_a_kind_is_ours() -> None:
    with pytest.raises(ValueError, match="kind"):
        delimit("x", 'caption"><b')
