"""The suite contract: labelled data and what is expected of a scenario on it, as a strict YAML file.

Paths start at the suite file's folder. Like in a scenario, whatever is wrong is said in one sentence that
names the file, the key and the nearest valid word, and it is said before anything runs.
"""

from __future__ import annotations

import difflib
import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from natsort import natsorted
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, field_validator, model_validator

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.calibration import Calibration
from alarm_agents.evaluation.expectations import NAMES, Bounds
from alarm_agents.evaluation.promised import Promised
from alarm_agents.evaluation.references import Chosen, choose
from alarm_agents.settings import Block
from alarm_agents.tools.smoothing import CAUSAL, OFFLINE, Smoothing
from alarm_agents.yamlfile import explain, read_yaml

PathText = Annotated[str, Field(min_length=1)]
Kind = Literal["auto", "captions", "recorded"]


def _source_in_short(value: object) -> object:
    """`"path"` to `{path: "path"}`."""
    if isinstance(value, str):
        return {"path": value}
    if not isinstance(value, dict | CaseSource):
        # Not a TypeError: pydantic would let that through as a crash.
        raise ValueError("a source is a path, a glob, or a block like {kind: captions, path: ...}")  # noqa: TRY004
    return value


def _smoothing_in_short(value: object) -> object:
    """`causal` and `offline` to the strategies that they stand for."""
    if isinstance(value, str):
        if value not in ("causal", "offline"):
            raise ValueError("smoothing is causal, offline, or a block like {kind: gaussian, frames: 60}")
        return CAUSAL if value == "causal" else OFFLINE
    return value


class CaseSource(Block):
    """Where the data of a case is. `path` may be a glob: then each match is a case of its own."""

    kind: Kind = "auto"
    path: PathText
    annotations: PathText | None = None
    """For recorded cases: a JSONL file with more on each, as its `category`, joined by `id`."""

    @model_validator(mode="after")
    def _annotated(self) -> CaseSource:
        if self.annotations is not None and not self.recorded:
            raise ValueError("annotations are for recorded cases: say kind: recorded")
        return self

    @property
    def recorded(self) -> bool:
        """Whether these are recorded cases, which carry their labels inside."""
        return self.kind == "recorded"

    @property
    def captions(self) -> bool:
        """Whether these are recorded captions, which carry their labels inside."""
        return self.kind == "captions" or Path(self.path).suffix.lower() == ".csv"


class SuiteCase(Block):
    """A labelled source. `labels` is a CSV file with the columns frame,label.

    Where `source` matches several sources, `labels` is a folder with one such file for each, called like it.
    """

    source: Annotated[CaseSource, BeforeValidator(_source_in_short)]
    labels: PathText | None = None
    category: str = Field("", max_length=80)
    """What kind of source it is, in a word: results are told by it, too. Recorded cases carry theirs inside."""

    @model_validator(mode="after")
    def _labelled(self) -> SuiteCase:
        if self.labels is None and not (self.source.captions or self.source.recorded):
            raise ValueError("frames and videos need labels: a CSV file with the columns frame,label")
        if self.category and self.source.recorded:
            raise ValueError("recorded cases carry their category inside, or in annotations")
        return self


class Where(Block):
    """Which labelled captions are references: those of that label, and those that say these words."""

    label: Literal[0, 1] | None = None
    says: str = ""


class References(Block):
    """Normal data to learn from: all of it, or `frames` of its frames drawn with `seed`.

    With `kind: captions` the sources (`path`) are labelled captions, of which `where` tells the references, at least
    `guard` frames from any that is labelled anomalous; these frames are then in no metric.
    """

    kind: Literal["auto", "captions"] = "auto"
    sources: tuple[PathText, ...] = Field(min_length=1)
    frames: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    where: Where = Where(label=0)
    guard: int = Field(25, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _path_in_short(cls, value: object) -> object:
        if isinstance(value, dict) and "path" in value:
            if "sources" in value:
                raise ValueError("name the references by path or by sources, not by both")
            path = value["path"]
            value = {key: each for key, each in value.items() if key != "path"}
            value["sources"] = [path] if isinstance(path, str) else path
        return value

    @model_validator(mode="after")
    def _of_captions(self) -> References:
        if self.kind != "captions" and {"where", "guard"} & self.model_fields_set:
            raise ValueError("where and guard are for labelled captions: say kind: captions")
        return self


class Flip(Block):
    """A change of the definition: frames whose captions say these words join the references, and are normal then."""

    says: str = Field(min_length=3)
    frames: int = Field(10, ge=1)


@dataclass(frozen=True)
class LabelledSource:
    """One case to run, found on disk. `name` is its path as the suite file has it (or as its glob matched)."""

    name: str
    path: Path
    kind: Kind
    labels: Path
    """The file to read labels from; the captions or recorded file itself where the labels are inside."""
    annotations: Path | None = None
    category: str = ""


class Suite(Block):
    """A whole suite. Without `references` the scenario warms up on each source."""

    version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    scenario: PathText
    references: References | None = None
    cases: tuple[SuiteCase, ...] = Field(min_length=1)
    smoothing: Annotated[Smoothing, BeforeValidator(_smoothing_in_short)] = CAUSAL
    flip: Flip | None = None
    calibration: Calibration | None = None
    promise: Promised | None = None
    seed: int = Field(0, ge=0)
    expect: dict[str, Bounds] = Field({})
    # Private, so that a file can't set it.
    _file: Path = PrivateAttr(Path("suite.yaml"))

    @model_validator(mode="after")
    def _flips_captions(self) -> Suite:
        if self.flip and not (self.references and self.references.kind == "captions"):
            raise ValueError("flip adds captions to the references: it needs references of kind: captions")
        return self

    @model_validator(mode="after")
    def _recorded_alone(self) -> Suite:
        if self.recorded and not all(case.source.recorded for case in self.cases):
            raise ValueError("recorded cases are measured by case, others by frame: give each a suite of its own")
        if self.recorded and (self.references or self.flip):
            raise ValueError("recorded cases have been judged already: references and flip say nothing to them")
        if self.calibration and not self.recorded:
            raise ValueError("calibration is for recorded cases: say kind: recorded")
        if self.promise and (self.calibration is None or self.calibration.unlabelled):
            raise ValueError("a promise is tested on labels: it needs a calibration with a fraction or leave_out")
        return self

    @property
    def recorded(self) -> bool:
        """Whether the suite is of recorded cases."""
        return any(case.source.recorded for case in self.cases)

    @field_validator("expect", mode="before")
    @classmethod
    def _known_metrics(cls, value: object) -> object:
        for name in value if isinstance(value, dict) else ():
            if name not in NAMES:
                near = difflib.get_close_matches(str(name), NAMES, n=1, cutoff=0.5)
                hint = f"did you mean '{near[0]}'?" if near else f"metrics are {', '.join(NAMES)}"
                raise ValueError(f"there is no metric '{name}'; {hint}")
        return value

    @property
    def folder(self) -> Path:
        """Where the suite's relative paths start."""
        return self._file.resolve().parent

    @property
    def scenario_location(self) -> Path | str:
        """The scenario's file, or its name in the library: what `load_scenario` takes."""
        path = self.folder / self.scenario
        return path if path.suffix in (".yaml", ".yml") or path.is_file() else self.scenario

    def reference_paths(self) -> list[Path]:
        """The reference sources, each once, in natural order; raises `ScenarioError` for one that isn't there."""
        patterns = self.references.sources if self.references else ()
        found = [name for i, text in enumerate(patterns) for name in self._matches(text, f"references.sources.{i}")]
        return list(dict.fromkeys(self.folder / name for name in found))

    def chosen_references(self, seed: int) -> Chosen | None:
        """The frames to learn from where references are labelled captions; None where they are drawn as they come."""
        if self.references is None or self.references.kind != "captions":
            return None
        given = self.references
        label, says, guard = given.where.label, given.where.says, given.guard
        return choose(self.reference_paths(), label=label, says=says, frames=given.frames, guard=guard, seed=seed)

    def labelled_sources(self) -> list[LabelledSource]:
        """The cases to run, globs followed; raises `ScenarioError` for a file that isn't there or a source twice."""
        sources: dict[Path, LabelledSource] = {}
        for i, case in enumerate(self.cases):
            names = self._matches(case.source.path, f"cases.{i}.source")
            for name in names:
                path = self.folder / name
                if path.resolve() in sources:
                    raise self._wrong(f"cases.{i}.source: {name} is a case already", "name every source once")
                labels = self._labels(case, path, f"cases.{i}.labels", several=len(names) > 1)
                kind: Kind = "captions" if case.source.captions else case.source.kind
                more = self._annotations(case, f"cases.{i}.source.annotations")
                sources[path.resolve()] = LabelledSource(name, path, kind, labels, more, case.category)
        return list(sources.values())

    def _annotations(self, case: SuiteCase, key: str) -> Path | None:
        name = case.source.annotations
        return self.folder / self._matches(name, key)[0] if name is not None else None

    def _labels(self, case: SuiteCase, source: Path, key: str, *, several: bool) -> Path:
        if case.labels is None:
            return source
        name = Path(case.labels)
        if (self.folder / name).is_dir():
            name /= f"{source.name if source.is_dir() else source.stem}.csv"
        elif several:
            raise self._wrong(
                f"{key}: one file can't label the several sources that {case.source.path} matches",
                "name a folder with one CSV file for each source, called like it",
            )
        if not (self.folder / name).is_file():
            raise self._wrong(f"{key}: there is no file {name}", f"paths start at {self.folder}")
        return self.folder / name

    def _matches(self, text: str, key: str) -> list[str]:
        """`text` itself where that exists (names may hold brackets), else what it matches as a glob."""
        if (self.folder / text).exists():
            return [text]
        if not glob.has_magic(text):
            raise self._wrong(f"{key}: there is no file or folder {text}", f"paths start at {self.folder}")
        found = natsorted(glob.glob(text, root_dir=self.folder, recursive=True))
        if not found:
            raise self._wrong(f"{key}: {text} matches nothing", f"paths start at {self.folder}")
        return found

    def _wrong(self, message: str, remedy: str) -> ScenarioError:
        return ScenarioError(message, where=str(self._file), remedy=remedy)


def parse_suite(data: object, *, file: Path) -> Suite:
    """A suite from what YAML gave; `file` is where it stands. Raises `ScenarioError` naming file and key."""
    if not isinstance(data, dict):
        raise ScenarioError("a suite is a mapping with at least name, scenario and cases", where=str(file))
    try:
        suite = Suite.model_validate(data)
    except ValidationError as error:
        raise ScenarioError(explain(error, Suite), where=str(file)) from error
    suite._file = file
    suite.reference_paths()
    suite.labelled_sources()
    location = suite.scenario_location
    if isinstance(location, Path) and not location.is_file():
        raise suite._wrong(f"scenario: there is no file {suite.scenario}", f"paths start at {suite.folder}")
    return suite


def load_suite(path: str | Path) -> Suite:
    """The suite in that YAML file, with every file it names found; raises `ScenarioError`."""
    return parse_suite(read_yaml(Path(path)), file=Path(path))
