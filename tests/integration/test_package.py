"""What is shipped: one top-level name, everything it needs, no tests; and a base install that asks for no extra."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from support.wheel import ROOT, build_wheel

FOLDERS = ("alarm_agents", "agents", "graphs", "memory", "observability", "tools")
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = (
    *("torch", "transformers", "llguidance", "accelerate", "vllm", "xllamacpp", "sentence_transformers"),
    *("langchain_mcp_adapters", "langchain_ollama", "mcp"),
)
"""Libraries that only extras bring (`vllm` never: it runs as a server of its own)."""
LATE = ("chromadb", "sklearn", "scipy", "rouge_score", "matplotlib")
"""Libraries of the base install that take long to import and that most commands never use."""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as wheel:
        return set(wheel.namelist())


def expected(pattern: str) -> set[str]:
    """The tree's files of a pattern under the names that the wheel gives them."""
    found = set()
    for folder in FOLDERS:
        inside = "alarm_agents" if folder == "alarm_agents" else f"alarm_agents/{folder}"
        for path in (ROOT / folder).rglob(pattern):
            found.add(f"{inside}/{path.relative_to(ROOT / folder).as_posix()}")
    return found


def test_the_only_top_level_name_is_the_package(shipped: set[str]) -> None:
    tops = {name.partition("/")[0] for name in shipped}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"alarm_agents"}
    assert len(tops) == 2


@pytest.mark.parametrize("pattern", ["*.py", "*.md", "*.yaml", "py.typed"])
def test_everything_is_in_the_wheel(shipped: set[str], pattern: str) -> None:
    wanted = expected(pattern)
    assert wanted
    assert wanted - shipped == set()


def test_nothing_else_is_in_the_wheel(shipped: set[str]) -> None:
    package = {name for name in shipped if name.startswith("alarm_agents/")}
    assert package <= expected("*.*")
    assert not [name for name in package if "test" in Path(name).name]
    assert {"LICENSE"} <= {Path(name).name for name in shipped}


def test_every_module_stands_in_the_import_contract() -> None:
    layers = CONFIGURATION["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {part.strip(" ()\n") for layer in layers for part in layer.split(":")}
    for module in expected("*.py"):
        dotted = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        roots = {".".join(dotted.split(".")[:depth]) for depth in (2, 3)}
        # The two packages' own `__init__` import nothing; `observability` is split over two layers.
        assert roots & named or dotted in {"alarm_agents", "alarm_agents.observability"}, f"{dotted} has no layer"


def test_every_import_is_declared() -> None:
    project = CONFIGURATION["project"]
    extras = [one for name, extra in project["optional-dependencies"].items() if name != "dev" for one in extra]
    declared = {normal(re.split(r"[^\w.-]", one)[0]) for one in [*project["dependencies"], *extras]}
    sources = packages_distributions()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for name in imported(path) - set(sys.stdlib_module_names) - {"alarm_agents"} - set(EXTRAS):
                assert {normal(one) for one in sources.get(name, [name])} & declared, f"{path}: {name} is not declared"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path: Path) -> set[str]:
    """The top-level names of a file's imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def fresh(code: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["alarm_agents", "alarm_agents.cli"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    heavy = {*EXTRAS, *LATE} - ({"scipy"} if module == "alarm_agents.cli" else set())  # its `special` is quick
    assert fresh(f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))") == ""


SCENARIO = """
name: mine
models: {eye: {backend: %s, model: some/model}}
agents: {perceivers: [eye], reasoners: [eye], inducer: eye, reflector: eye}
"""
RUN = """
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in %r:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in %r else found(name, *rest)
sys.argv = ["alarm", *%r]
from alarm_agents.cli import main
main()
"""


@pytest.mark.parametrize(("backend", "extra"), [("transformers", "transformers"), ("llamacpp", "llamacpp")])
def test_a_missing_extra_is_named_in_one_sentence(tmp_path: Path, backend: str, extra: str) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "model").touch()
    (tmp_path / "mine.yaml").write_text(SCENARIO % backend)
    (tmp_path / "video.mp4").touch()
    arguments = ["--workspace", str(tmp_path / ".alarm"), "watch", "video.mp4", "--scenario", "mine.yaml"]
    code = RUN % (EXTRAS, EXTRAS, arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2, done.stderr
    said = done.stderr.strip().splitlines()
    assert said[-1].startswith("alarm: ")
    assert f"alarm-agents[{extra}]" in said[-1]
    assert "Traceback" not in done.stderr
