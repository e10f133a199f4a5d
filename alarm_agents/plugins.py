"""Objects that users bring: `my_tools.py:read_plate` (a file) or `package.module:Name` (an installed module)."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import sys
import traceback
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType

from alarm_agents.errors import AlarmError, ConfigurationError

_files: dict[Path, tuple[int, ModuleType]] = {}
_lock = RLock()  # reentrant: a file that is being loaded may itself load another


def load_object(spec: str, base: Path, what: str) -> object:
    """The object that `spec` names: `file.py:name`, relative to `base`, or `package.module:name`.

    A file is run once, and again when it has changed. `what` says in messages what it is for ("a tool",
    "graph.nodes.plates").
    Raises `ConfigurationError` that names the file and line where the user's code fails.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise ConfigurationError(
            f"'{spec}' names no code for {what}", remedy="write it as file.py:name or package.module:name"
        )
    module = _from_file(base / place, what) if place.endswith(".py") else _imported(place, None, what)
    try:
        found: object = getattr(module, name)
    except AttributeError as error:
        near = difflib.get_close_matches(name, [key for key in vars(module) if not key.startswith("_")], n=1)
        remedy = f"did you mean '{near[0]}'?" if near else "check the name after the colon"
        raise ConfigurationError(f"there is no '{name}' in it for {what}", where=place, remedy=remedy) from error
    return found


def _from_file(path: Path, what: str) -> ModuleType:
    """The file as a module, run again only where it has changed since."""
    try:
        path = path.resolve()
        changed = path.stat().st_mtime_ns
    except OSError as error:
        reason = (error.strerror or "the system gives no reason").lower()
        raise ConfigurationError(
            f"the file for {what} cannot be read ({reason})", where=str(path), remedy="check the path"
        ) from error
    # The name holds a hash of the path: two scenarios may each have a my_tools.py.
    name = f"alarm_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    with _lock:
        known = _files.get(path)
        if known is None or known[0] != changed:
            known = _files[path] = changed, _imported(name, path, what)
        return known[1]


class _Fresh(SourceFileLoader):
    """Always compiles: stored bytecode tells versions apart by whole seconds, and would litter the user's folder."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.get_filename(fullname))


def _imported(name: str, path: Path | None, what: str) -> ModuleType:
    """The module `name`, from a file where `path` is given; whatever the user's code does, a sentence comes of it."""
    try:
        return importlib.import_module(name) if path is None else _executed(name, path)
    except AlarmError:
        raise
    except (Exception, SystemExit) as error:  # somebody else's module: it may raise anything
        if path is None and isinstance(error, ModuleNotFoundError) and name.startswith(error.name or "?"):
            raise ConfigurationError(
                f"the module for {what} is not installed", where=name, remedy="install it, or check its name"
            ) from error
        reason = " ".join(f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}".split())
        raise ConfigurationError(
            f"the code for {what} cannot be imported ({reason})", where=_place(error, name, path)
        ) from error


def _executed(name: str, path: Path) -> ModuleType:
    loader = _Fresh(name, str(path))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module, before = module_from_spec(spec), sys.modules.get(name)
    sys.modules[name] = module  # before it runs: dataclasses and pydantic look up their module by name
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def _place(error: BaseException, name: str, path: Path | None) -> str:
    """File and line of the user's own code that failed: the deepest in its file, or in any file for a package."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if path is None or frame.filename == str(path)
    ]
    frames = [frame for frame in frames if not frame.filename.startswith("<frozen") and frame.filename != __file__]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(path or name)
