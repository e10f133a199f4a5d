"""Where tools come from."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

from alarm_agents.errors import ConfigurationError, MissingExtraError, ScenarioError, ToolError
from alarm_agents.plugins import load_object
from alarm_agents.tools.registry import Toolbox, available, load_tools

TOOLS = '''
"""A user's tools."""
from langchain_core.tools import tool as langchain_tool
from alarm_agents.tools import tool

@tool
def read_plate(text: str, times: int = 1) -> str:
    """Read a number plate."""
    return text.upper() * times

def plain(number: float) -> dict:
    """Double a number."""
    return {"double": number * 2}

async def later(number: int) -> int:
    """Triple a number, later."""
    return number * 3

@langchain_tool
def theirs(word: str) -> str:
    """Spell a word backwards."""
    return word[::-1]

def silent(number: int) -> int:
    return number

def untyped(number):
    """Take anything."""

LIMIT = 3
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_tools.py").write_text(TOOLS)
    return tmp_path


async def test_a_users_file_gives_decorated_plain_async_and_langchain_tools(folder: Path) -> None:
    names = ["read_plate", "plain", "later", "theirs"]
    toolbox = await load_tools([f"my_tools.py:{name}" for name in names], folder)
    assert toolbox.names == tuple(names)
    assert (await toolbox.run("read_plate", {"text": "ab", "times": "2"})).text == "ABAB"
    assert json.loads((await toolbox.run("plain", {"number": 2})).text) == {"double": 4.0}
    assert (await toolbox.run("later", {"number": 2})).text == "6"
    assert (await toolbox.run("theirs", {"word": "abc"})).text == "cba"
    description = toolbox.describe()[0]
    assert (description.origin, description.description) == ("my_tools.py:read_plate", "Read a number plate.")
    assert description.arguments["properties"]["times"]["type"] == "integer"
    assert description.arguments["required"] == ["text"]
    assert not (folder / "__pycache__").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my_tools.py:read_plat", "did you mean 'read_plate'?"),
        ("my_tools.py:silent", "my_tools.py:24: the tool silent has no docstring"),
        ("my_tools.py:untyped", "my_tools.py:27: the argument number has no type"),
        ("my_tools.py:LIMIT", "my_tools.py:LIMIT: a int is no tool"),
        ("their_tools.py:zoom", "their_tools.py: the file for a tool cannot be read"),
        ("no_such_package:zoom", "no_such_package: the module for a tool is not installed"),
        ("my_tools.py:", "write it as file.py:name"),
        ("zom", "there is no tool 'zom'; did you mean 'zoom'?"),
        ("quite_another_thing", "there are zoom, context, similar_cases, motion"),
    ],
)
async def test_what_cannot_be_loaded_is_one_sentence(folder: Path, name: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await load_tools([name], folder)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\ndef broken(:\n", "broken.py:2: the code for a tool cannot be imported (SyntaxError: "),
        ("def f():\n    return 1 / 0\n\nf()\n", "broken.py:2: the code for a tool cannot be imported (ZeroDiv"),
        ("import json\n\njson.loads('{')\n", "broken.py:3: the code for a tool cannot be imported (JSONDecodeError: "),
        ("\nimport no_such_thing\n", "broken.py:2: the code for a tool cannot be imported (ModuleNotFoundError: "),
        ("raise SystemExit(3)\n", "broken.py:1: the code for a tool cannot be imported (SystemExit: 3)"),
        ("from alarm_agents.tools import tool\n\n@tool\ndef t(x: int): ...\n", "broken.py:3: the tool t has no doc"),
        ("def t(config: str):\n    'Do.'\n", "the argument config has a name that LangChain keeps"),
        ("def t(*words: str):\n    'Do.'\n", "'*words: str' is an argument without a name of its own"),
        ("def t(x: 'Missing'):\n    'Do.'\n", "name 'Missing' is not defined"),
        ("class C: ...\ndef t(x: C):\n    'Do.'\n", "broken.py:2: the arguments of the tool t cannot be described"),
    ],
)
async def test_a_file_that_fails_names_its_line(tmp_path: Path, source: str, says: str) -> None:
    (tmp_path / "broken.py").write_text(source)
    modules = set(sys.modules)
    with pytest.raises(ConfigurationError) as caught:
        await load_tools(["broken.py:t"], tmp_path)
    assert says in str(caught.value)
    assert "alarm_plugin_broken" not in " ".join(set(sys.modules) - modules) or "def t" in source


def test_a_file_is_run_once_and_again_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("class A: number = 1\n")
    first = load_object("mine.py:A", tmp_path, "node")
    assert load_object("../" + tmp_path.name + "/mine.py:A", tmp_path, "node") is first
    file.write_text("class A: number = 2\n")
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1))
    assert load_object("mine.py:A", tmp_path, "node").number == 2  # type: ignore[attr-defined]


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "mine.py").write_text(f"NAME = {place!r}\n")
    assert [load_object(f"{place}/mine.py:NAME", tmp_path, "node") for place in ("a", "b")] == ["a", "b"]


def test_a_module_is_named_by_its_package() -> None:
    assert load_object("json:JSONDecoder", Path(), "backend") is json.JSONDecoder


def offer(site: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str) -> None:
    """Install a package that offers its function as a tool, as pip would leave it."""
    info = site / f"{package}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[alarm_agents.tools]\n{name} = {package}:count\n")
    (site / f"{package}.py").write_text('def count(word: str) -> int:\n    "Count letters."\n    return len(word)\n')
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, package, raising=False)
    importlib.invalidate_caches()


async def test_an_installed_package_offers_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path / "site", monkeypatch, "alarm_counting", "letters")
    assert "letters" in available()
    toolbox = await load_tools(["zoom", "letters", "letters"], tmp_path)
    assert toolbox.names == ("zoom", "letters")
    assert (await toolbox.run("letters", {"word": "four"})).text == "4"
    assert [tool.origin for tool in toolbox.describe()] == ["built in", "package alarm_counting 1.2"]


async def test_names_that_clash_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path / "a", monkeypatch, "alarm_one", "zoom")
    offer(tmp_path / "b", monkeypatch, "alarm_two", "gauge")
    offer(tmp_path / "c", monkeypatch, "alarm_three", "gauge")
    for name in ("zoom", "gauge"):
        with pytest.raises(ConfigurationError, match=f"two tools are named '{name}': .*alarm_"):
            await load_tools([name], tmp_path)
    (tmp_path / "mine.py").write_text('def context(x: int) -> int:\n    "Mine."\n    return x\n')
    with pytest.raises(ConfigurationError, match=r"named 'context': built in and mine\.py:context"):
        await load_tools(["context", "mine.py:context"], tmp_path)


SERVER = '''
from mcp.server.fastmcp import FastMCP

server = FastMCP("test", log_level="ERROR")

@server.tool()
def add(a: int, b: int = 1) -> str:
    """Add."""
    return str(a + b)

@server.tool()
def zoom(word: str) -> str:
    """Something else."""
    raise RuntimeError("the lens is dirty")

server.run()
'''


async def test_the_tools_of_an_mcp_server(tmp_path: Path) -> None:
    pytest.importorskip("mcp.server.fastmcp")
    pytest.importorskip("langchain_mcp_adapters")
    (tmp_path / "my_server.py").write_text(SERVER)
    toolbox = await load_tools(["mcp:python my_server.py", "zoom"], tmp_path)
    assert toolbox.names == ("zoom", "add", "my_server_zoom")
    assert toolbox.describe()[1].arguments["required"] == ["a"]
    assert (await toolbox.run("add", {"a": 2})).text == "3"
    wrong = (({"a": "x"}, "argument a: 'x' is not"), ({"b": 1}, "'a' is a required"), ({"a": 1, "c": 1}, "'c'"))
    for arguments, says in wrong:
        with pytest.raises(ToolError, match=says):
            await toolbox.run("add", arguments)
    with pytest.raises(ToolError, match=r"tool my_server_zoom: failed.*the lens is dirty"):
        await toolbox.run("my_server_zoom", {"word": "x"})


@pytest.mark.parametrize(
    "spec", ["mcp:python no_such_server.py", "mcp:no-such-program --now", "mcp:http://127.0.0.1:9/mcp"]
)
async def test_an_mcp_server_that_is_not_there(tmp_path: Path, spec: str) -> None:
    pytest.importorskip("langchain_mcp_adapters")
    with pytest.raises(ToolError) as caught:
        await load_tools([spec], tmp_path)
    assert str(caught.value).startswith(f"tools: {spec}: the tool server does not list its tools (")
    assert "Group" not in str(caught.value)


async def test_mcp_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_mcp_adapters.client", None)
    with pytest.raises(MissingExtraError, match=r"alarm-agents\[mcp\]"):
        await load_tools(["mcp:http://127.0.0.1:9/mcp"], tmp_path)


@pytest.mark.parametrize("spec", ["mcp:", "mcp:  ", "mcp:python 'my_server.py"])
async def test_mcp_without_a_server_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(ConfigurationError, match=r"names no server|not a command line"):
        await load_tools([spec], tmp_path)


async def test_an_agent_may_go_on_without(folder: Path) -> None:
    toolbox = await load_tools(["my_tools.py:plain"], folder)
    result = await toolbox.try_run("zoom", {})
    assert (result.ok, result.text) == (False, "tools: there is no tool 'zoom'; there are plain")
    assert not (await toolbox.try_run("plain", {})).ok
    assert (await toolbox.try_run("plain", {"number": 1})).ok
    with pytest.raises(ToolError, match="did you mean 'plain'"):
        await toolbox.run("plan", {})


async def test_unknown_names_are_scenario_errors(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        await load_tools(["zoom", "contxt"], tmp_path)
    assert caught.value.exit_code == 2
    assert Toolbox().names == ()
