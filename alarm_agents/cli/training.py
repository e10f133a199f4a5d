"""`alarm models train-tiny`: the three tiny models of the scenario walkway_mllm, made on the spot."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from alarm_agents.cli.app import JsonOption
from alarm_agents.cli.models import commands
from alarm_agents.cli.output import emit, note, notes
from alarm_agents.demo.tiny.shapes import SHAPES, Shape
from alarm_agents.errors import ConfigurationError, MissingExtraError

FOLDER = Path("~/.cache/alarm-agents")
CLIPS, HELD_OUT = 720, 16
STEPS = 2_000
"""Steps of training, which take some thirteen minutes of two cores."""


@commands.command(
    "train-tiny",
    epilog="Examples: `alarm models train-tiny` · `alarm models train-tiny --only tiny-b --again` · then "
    "`alarm demo --world walkway_mllm`",
)
def train_tiny(
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where the models go, a folder each.")] = FOLDER,
    only: Annotated[str | None, typer.Option(metavar="NAME", help="Train this one alone.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Most minutes for each, rendering apart.")] = 14.0,
    clips: Annotated[int, typer.Option(min=2, help="Rendered clips; each learns from two thirds.")] = CLIPS,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training for each.")] = STEPS,
    again: Annotated[bool, typer.Option("--again", help="Also those that are there already.")] = False,
    json_: JsonOption = False,
) -> None:
    """Train the tiny models that watch the demo's walkway, and nothing else: they know no other place.

    They show the whole machine at work on models that really learned to see; they tell nothing of your own cameras.
    """
    if any(importlib.util.find_spec(library) is None for library in ("torch", "transformers", "llguidance")):
        raise MissingExtraError("transformers", "training tiny models")
    folder = folder.expanduser()
    wanted = [shape for shape in SHAPES if only in (None, shape.name)]
    if not wanted:
        raise ConfigurationError(f"there is no tiny model {only}", remedy=f"use {', '.join(s.name for s in SHAPES)}")
    missing = [shape for shape in wanted if again or not (folder / shape.name / "model.safetensors").is_file()]
    for shape in wanted:
        if shape not in missing:
            note(f"{shape.name} is there already: {folder / shape.name} (train it again with --again)")
    trained = _train(missing, folder, clips, steps, minutes) if missing else []
    if json_:
        emit({"folder": str(folder), "trained": trained})


def _train(shapes: list[Shape], folder: Path, clips: int, steps: int, minutes: float) -> list[dict[str, object]]:
    from alarm_agents.demo.tiny.gather import FIRST_SEED, gather, joined, share_of
    from alarm_agents.demo.tiny.train import train

    found: list[dict[str, object]] = []
    with Progress(console=notes) as progress:
        rendering = progress.add_task("rendering", total=clips + HELD_OUT)
        seeds = range(FIRST_SEED, FIRST_SEED + clips + HELD_OUT)
        lessons = gather(seeds[:clips], lambda done: progress.update(rendering, completed=done))
        held_out = joined(gather(seeds[clips:], lambda done: progress.update(rendering, completed=clips + done)))
        for shape in shapes:
            tell = _teller(progress, shape.name)
            own = share_of(lessons, SHAPES.index(shape), len(SHAPES))
            result = train(shape, own, held_out, folder / shape.name, steps=steps, minutes=minutes, progress=tell)
            tell(1.0, "")
            auroc, places = ("-" if value is None else f"{value:.3f}" for value in (result.auroc, result.places))
            note(
                f"{shape.name}: {result.steps} steps in {result.seconds / 60:.1f} minutes; on clips that it has not "
                f"seen loss {result.loss:.3f}, AUROC of its verdicts {auroc}, overlap of its places {places}; saved in "
                f"{folder / shape.name}"
            )
            found.append({"name": shape.name, **vars(result)})
    return found


def _teller(progress: Progress, name: str) -> Callable[[float, str], None]:
    """A bar of that name, and what moves it to a share and says what is being done."""
    task = progress.add_task(name, total=1.0)

    def tell(share: float, text: str) -> None:
        progress.update(task, completed=share, description=f"{name} {text}")

    return tell
