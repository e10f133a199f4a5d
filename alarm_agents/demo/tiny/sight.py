"""How a tiny model's eye starts and first learns: it knows the empty place, and is told what is where in pictures.

A vision transformer that starts from noise would need a hundred times the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from alarm_agents.demo.tiny.lessons import Placed
from alarm_agents.demo.tiny.shapes import Shape
from alarm_agents.demo.tiny.truth import KINDS

RARE = (1.0, 3.0, 3.0, 6.0)
"""How much more a patch with a thing counts than one without, by kind: most of a picture is empty."""
EDGES = 4
"""Of a box: left, top, right, bottom."""
PLACING = 0.5
"""How much the square of an error in them counts beside what is in a patch."""
SAMPLED = 600
"""Pictures from which the start is taken."""
PLACE = 4
"""Numbers of a patch's features that start as its place alone: patches write nothing there, so the eye keeps it."""


class Sight:
    """The model's eye with a head that says what is in each patch, and where in the picture the odd is.

    The head is not kept after training. Each patch tells the place, wherever it is itself: so the text model can read
    it anywhere, which it learns in minutes; to look for the patch that is odd it would take hours to learn.
    """

    def __init__(self, model: Any, shape: Shape) -> None:
        self.head = nn.Linear(shape.hidden, len(KINDS) + EDGES)
        self._model = model

    def parameters(self) -> list[nn.Parameter]:
        """All that learns while the eye does."""
        return [*self._model.model.vision_model.parameters(), *self.head.parameters()]

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is seen, and the pictures' features for the text model.

        What is seen is (pictures, patches, kinds and edges): kinds as logits, edges as fractions of the picture.
        """
        model = self._model.model
        side = model.config.vision_config.image_size // model.config.vision_config.patch_size
        mask = torch.ones(len(pixels), side, side, dtype=torch.bool)
        hidden = model.vision_model(pixel_values=pixels, patch_attention_mask=mask).last_hidden_state
        return self.head(hidden), model.connector(hidden)

    @staticmethod
    def loss(seen: torch.Tensor, grids: torch.Tensor) -> torch.Tensor:
        """How far what was seen is from what is there."""
        said, told = seen.split([len(KINDS), EDGES], -1)
        kinds, edges = grids.float().split([len(KINDS), EDGES], -1)
        what = functional.binary_cross_entropy_with_logits(said, kinds, pos_weight=torch.tensor(RARE))
        odd = edges[..., -1] > 0  # where there is something, its lower edge is
        return what + PLACING * functional.mse_loss(told[odd], edges[odd]) if odd.any() else what


def grid_of(boxes: Sequence[Sequence[Placed]], side: int) -> torch.Tensor:
    """What is to be seen: (pictures, side * side, kinds and edges).

    Kinds, 0 or 1, are of the patch; edges are of all that is odd in the picture at any of its moments, the same for
    each patch, and 0 where nothing is.
    """
    found = np.zeros((len(boxes), side, side, len(KINDS) + EDGES), np.float16)
    for grid, placed in zip(found, boxes, strict=True):
        odd = [box for kind, box in placed if kind]
        if odd:
            edges = np.array(odd)
            grid[..., len(KINDS) :] = [*edges[:, :2].min(0), *edges[:, 2:].max(0)]
        for kind, (x0, y0, x1, y1) in placed:
            left, top = int(x0 * side), int(y0 * side)
            right, bottom = max(left + 1, math.ceil(x1 * side)), max(top + 1, math.ceil(y1 * side))
            grid[top:bottom, left:right, kind] = 1
    return torch.from_numpy(found.reshape(len(boxes), side * side, -1))


def start_sight(model: Any, pixels: torch.Tensor, shape: Shape) -> None:
    """Let patches start as principal components of what differs from the empty place, positions as sines and cosines.

    The empty place is the median of the pictures; each position's embedding takes its patch away. The last numbers are
    the row and the column as such: from waves alone, under all that patches write over them, the text model cannot read
    where something is.
    """
    torch.manual_seed(shape.seed)
    some = pixels[torch.randperm(len(pixels))[:SAMPLED]].float() / 127.5 - 1
    patches = functional.unfold(some, shape.patch, stride=shape.patch).transpose(1, 2)
    empty = patches.median(0).values
    rest = (patches - empty).flatten(0, 1)
    rest = rest[rest.abs().mean(1) > 0.05]
    rest = rest[torch.randperm(len(rest))[:20_000]]
    _, strength, parts = torch.pca_lowrank(rest, q=shape.hidden, center=False, niter=3)
    spread = strength / math.sqrt(len(rest))
    filters = (parts / (0.7 * spread + 0.02 * spread[0])).T
    filters[-PLACE:] = 0
    positions = 0.5 * _waves(shape) - empty @ filters.T
    positions[:, -PLACE:] = _places(shape)
    embeddings = model.model.vision_model.embeddings
    with torch.no_grad():
        embeddings.patch_embedding.weight.copy_(filters.reshape(shape.hidden, 3, shape.patch, shape.patch))
        embeddings.patch_embedding.bias.zero_()
        embeddings.position_embedding.weight.copy_(positions)


def _waves(shape: Shape) -> torch.Tensor:
    """Sines and cosines of row and column (Vaswani et al., 2017), one row a patch."""
    rows, columns = torch.meshgrid(torch.arange(shape.grid), torch.arange(shape.grid), indexing="ij")
    rates = 100.0 ** -(torch.arange(shape.hidden // 4) / (shape.hidden // 4))
    return torch.cat([wave(at.reshape(-1, 1) * rates) for at in (rows, columns) for wave in (torch.sin, torch.cos)], 1)


def _places(shape: Shape) -> torch.Tensor:
    """Column and row, each from the one side and from the other, in [-2, 2]; one row a patch."""
    from_start = 4 * (torch.arange(shape.grid) + 0.5) / shape.grid - 2
    rows, columns = torch.meshgrid(from_start, from_start, indexing="ij")
    return torch.stack([columns, -columns, rows, -rows], -1).reshape(-1, PLACE)
