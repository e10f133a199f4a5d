"""What an expert is: a detector without a model that learns normal from references and states facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from numpy.typing import NDArray

from alarm_agents.sources.picture import Picture
from alarm_agents.types import Box, Fact, Rule

Frame_contra = TypeVar("Frame_contra", contravariant=True)


@dataclass(frozen=True)
class Measured:
    """What an expert measured: for each measure one value a new frame, and the facts worth saying."""

    frames: dict[str, tuple[float, ...]]
    facts: tuple[Fact, ...]


class Expert(Protocol[Frame_contra]):
    """Measures one stream in order. `Frame_contra` is what the source yields: a `Picture` or a `Caption`."""

    name: str

    @property
    def score(self) -> str:
        """The measure that the expert stands by as its anomaly score: absolute, finite, higher is odder.

        Empty for the camera expert, which tells of the camera and not of what is before it.
        """
        ...

    def fit(self, references: Sequence[Sequence[Frame_contra]]) -> None:
        """Learn normal from short runs of consecutive frames."""
        ...

    def begin(self) -> None:
        """Forget what is remembered from window to window: a new stream starts, or goes on after an interruption."""
        ...

    def measure(self, frames: Sequence[Frame_contra], overlap: int) -> Measured:
        """Measure consecutive frames; the first `overlap` were measured with the previous window already."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """What `fit` learned, as arrays that `restore` takes back."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state that `state` gave."""
        ...


@runtime_checkable
class LooksAgain(Protocol):
    """An expert that can take a second, closer look at a part of the picture."""

    def look_again(self, pictures: Sequence[Picture], region: Box) -> Measured:
        """Measure inside `region` alone, as finely as it can, without touching what it remembers of the stream.

        The values are comparable with those of `measure`; one a picture, and the expert's `score` is among them.
        """
        ...


@runtime_checkable
class FollowsRules(Protocol):
    """An expert that measures by rules in words, too."""

    def follow(self, rules: Sequence[Rule]) -> None:
        """Measure by these active rules from the next frame on."""
        ...
