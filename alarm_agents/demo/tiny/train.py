"""Training a tiny model: first its eye, by what is where in pictures; then all of it, by the agents' questions.

Imports torch: itself imported only where a model is trained.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from alarm_agents.demo.tiny.lessons import Lesson, Lessons
from alarm_agents.demo.tiny.places import overlap_of_places
from alarm_agents.demo.tiny.shapes import IMAGE, Shape, processor, tokenizer, untrained
from alarm_agents.demo.tiny.sight import Sight, grid_of, start_sight

BATCH = 32
SHOWN, UNSEEN = 10, {"reflector": 8, "inducer": 1}
"""Pictures, and lessons without one, of a step once all of the model learns."""
RATE = 2e-3
"""The optimizer's step at the start; it falls to nothing at the end of each part."""
SEEING = 0.5
"""Share of the training in which the eye alone learns."""
READ = 1_500
"""Lessons from which the words are taken."""
DECISIVE = 8.0
"""How much more than another token a verdict's label or a caption counts: the p of an anomaly hangs on it."""
WARM = 50
"""Steps in which the size of steps rises at the start."""
TELL = 0.02
"""Share of the training between two reports."""
LIGHT = 0.07
"""Share by which the brightness of pictures is varied."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Result:
    """What training came to, on lessons that it did not see."""

    steps: int
    seconds: float
    loss: float
    """Mean loss of an answer's token."""
    auroc: float | None
    """Of the reasoner's p of an anomaly, by its label's probability."""
    places: float | None
    """Of the perceiver's regions: mean overlap with where the odd thing is, in [0, 1]."""


@dataclass(frozen=True)
class Encoded:
    """One lesson as numbers."""

    role: str
    tokens: torch.Tensor
    answer: int
    """Where the answer begins."""
    weights: torch.Tensor
    """How much each token of the answer counts."""
    picture: int | None
    label: int
    """Where a reasoner's label is, else -1."""
    anomalous: bool


class Pupil:
    """A model in training."""

    def __init__(self, shape: Shape, lessons: Lessons) -> None:
        some = lessons.lessons[:: 1 + len(lessons.lessons) // READ]
        texts = [part["text"] for one in some for turn in one.said for part in turn["content"] if "text" in part]
        self.shape, self.words = shape, tokenizer([*texts, *(one.answer for one in some)])
        self.processor = processor(shape, self.words)
        self.model = untrained(shape, self.words)
        self.sight = Sight(self.model, shape)
        self._rng = torch.Generator().manual_seed(shape.seed)
        self._labels = self.words.convert_tokens_to_ids(["normal", "anomalous"])
        self._quote = self.words.convert_tokens_to_ids('"')
        self.label_scores = torch.zeros(0, 2)

    def pixels(self, pictures: Sequence[bytes]) -> torch.Tensor:
        """The pictures as the model's own processor brings them to size, uint8."""
        found = []
        for data in pictures:
            image = Image.open(io.BytesIO(data)).convert("RGB")
            sized = self.processor.image_processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
            found.append(
                np.asarray(sized["pixel_values"]).reshape(3, self.shape.side, self.shape.side).astype(np.uint8)
            )
        return torch.from_numpy(np.stack(found))

    def encoded(self, lessons: Sequence[Lesson]) -> list[Encoded]:
        """The lessons as numbers."""
        return [self._encoded(lesson) for lesson in lessons]

    def _encoded(self, lesson: Lesson) -> Encoded:
        text = self.processor.apply_chat_template(lesson.said, tokenize=False, add_generation_prompt=True)
        shown = f"<fake_token_around_image><global-img>{IMAGE * self.shape.tokens}<fake_token_around_image>"
        asked = self._numbers(text.replace(IMAGE, shown))
        answer = [*self._numbers(lesson.answer), self.words.eos_token_id]
        weights = torch.ones(len(answer))
        first = [place for place, token in enumerate(answer) if token == self._quote][2] + 1  # the first value's
        if lesson.role != "inducer":
            weights[first] = DECISIVE
        label = first if lesson.role == "reasoner" else -1
        anomalous = label >= 0 and answer[label] == self._labels[1]
        tokens = torch.tensor([*asked, *answer])
        return Encoded(lesson.role, tokens, len(asked), weights, lesson.picture, label, anomalous)

    def _numbers(self, text: str) -> list[int]:
        return list(self.words(text, add_special_tokens=False)["input_ids"])

    def losses(self, lessons: Sequence[Encoded], features: torch.Tensor | None, places: dict[int, int]) -> list[Any]:
        """For each lesson the losses of its answer's tokens; `places` says which features are of which picture."""
        longest = max(len(lesson.tokens) for lesson in lessons)
        tokens = torch.full((len(lessons), longest), self.words.pad_token_id)
        for row, lesson in zip(tokens, lessons, strict=True):
            row[: len(lesson.tokens)] = lesson.tokens
        embedded = self.model.get_input_embeddings()(tokens)
        shown = [places[lesson.picture] for lesson in lessons if lesson.picture is not None]
        if features is not None and shown:
            mask = (tokens == self.model.config.image_token_id)[..., None]
            embedded = embedded.masked_scatter(mask, features[shown].reshape(-1, features.shape[-1]))
        hidden = self.model.model.text_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        wanted = [hidden[i, one.answer - 1 : len(one.tokens) - 1] for i, one in enumerate(lessons)]
        scores = self.model.lm_head(torch.cat(wanted))
        targets = torch.cat([one.tokens[one.answer :] for one in lessons])
        each = functional.cross_entropy(scores, targets, reduction="none")
        self.label_scores = scores[:, self._labels].detach()
        return list(each.split([len(one.weights) for one in lessons]))

    def light(self, pixels: torch.Tensor) -> torch.Tensor:
        """The pictures as the model takes them, a little brighter or darker each."""
        factor = 1 + LIGHT * (2 * torch.rand(len(pixels), 1, 1, 1, generator=self._rng) - 1)
        return normal((pixels.float() * factor).clamp(0, 255))

    def drawn(self, count: int, size: int) -> list[int]:
        """So many different ones of `count`, at random."""
        return [int(place) for place in torch.randperm(count, generator=self._rng)[:size]]


def normal(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels as the processor hands them to the model, in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def train(
    shape: Shape,
    lessons: Lessons,
    held_out: Lessons,
    folder: Path,
    *,
    steps: int,
    minutes: float,
    progress: Progress = lambda _share, _text: None,
) -> Result:
    """Train a model and save it to the folder as transformers and vLLM load it.

    The same lessons, shape and steps give the same model, unless `minutes` end the training before.
    """
    started = time.monotonic()
    pupil = Pupil(shape, lessons)
    pixels, grids = pupil.pixels(lessons.pictures), grid_of(lessons.boxes, shape.grid)
    # What is cut out has another background each time: the eye starts with, and first learns from, whole pictures.
    whole = sorted(
        {lesson.picture for lesson in lessons.lessons if lesson.role == "perceiver" and lesson.picture is not None}
    )
    start_sight(pupil.model, pixels[whole], shape)
    known, test = pupil.encoded(lessons.lessons), pupil.encoded(held_out.lessons)
    about: dict[int | str, list[Encoded]] = {}
    for lesson in known:
        about.setdefault(lesson.role if lesson.picture is None else lesson.picture, []).append(lesson)
    test_pixels = pupil.pixels(held_out.pictures)
    optimizer, everything = _optimizer(pupil)
    begun, step, told = time.monotonic(), 0, 0.0
    while (share := max(step / steps, (time.monotonic() - begun) / (60 * minutes))) < 1:
        seeing = share < SEEING
        _pace(optimizer, share, step)
        chosen = [whole[place] for place in pupil.drawn(len(whole), BATCH if seeing else SHOWN)]
        seen, features = pupil.sight(pupil.light(pixels[chosen]))
        loss = pupil.sight.loss(seen, grids[chosen])
        if not seeing:
            loss = 0.5 * loss + _told(pupil, about, chosen, features)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(everything, 1.0)
        optimizer.step()
        step += 1
        if share - told >= TELL:
            told = share
            progress(share, f"{'sees' if seeing else 'answers'}, loss {loss.item():.3f}")
    loss_, auroc = examine(pupil, test, test_pixels)
    pupil.model.save_pretrained(folder)
    pupil.processor.save_pretrained(folder)
    places = overlap_of_places(pupil.model, pupil.processor, held_out)
    return Result(step, time.monotonic() - started, loss_, auroc, places)


def _optimizer(pupil: Pupil) -> tuple[torch.optim.Optimizer, list[torch.nn.Parameter]]:
    """AdamW with the eye in a group of its own, which learns less once the rest begins; and all parameters."""
    eye = pupil.sight.parameters()
    known = {id(parameter) for parameter in eye}
    rest = [parameter for parameter in pupil.model.parameters() if id(parameter) not in known]
    groups = [{"params": eye, "later": 0.4}, {"params": rest, "later": 1.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), weight_decay=0.02), [*eye, *rest]


def _pace(optimizer: torch.optim.Optimizer, share: float, step: int) -> None:
    """Set the size of the next step: it falls while the eye learns alone, and to nothing in the second part."""
    warm = min(1.0, (step + 1) / WARM)
    for group in optimizer.param_groups:
        if share < SEEING:
            group["lr"] = RATE * warm * (1 - 0.6 * share / SEEING)
        else:
            group["lr"] = RATE * warm * group["later"] * (1 - share) / (1 - SEEING)


def _told(
    pupil: Pupil, about: dict[int | str, list[Encoded]], chosen: list[int], features: torch.Tensor
) -> torch.Tensor:
    """The mean loss of lessons on the chosen pictures and of some without one, role by role: they differ in length.

    `about` has the lessons by their picture, and by their role where they have none.
    """
    places = {picture: place for place, picture in enumerate(chosen)}
    found = [lesson for picture in chosen for lesson in about[picture]]
    roles = [[lesson for lesson in found if lesson.role == role] for role in ("perceiver", "reasoner")]
    for role, count in UNSEEN.items():
        known = about.get(role, [])
        roles.append([known[place] for place in pupil.drawn(len(known), count)])
    total, weight = torch.zeros(()), torch.zeros(())
    for group in roles:
        if group:
            for losses, lesson in zip(pupil.losses(group, features, places), group, strict=True):
                total = total + (losses * lesson.weights).sum()
                weight = weight + lesson.weights.sum()
    return total / weight


def examine(pupil: Pupil, lessons: Sequence[Encoded], pixels: torch.Tensor) -> tuple[float, float | None]:
    """Mean loss of an answer's token, and the AUROC of the reasoner's p."""
    total, count, p, truth = 0.0, 0, [], []
    for start in range(0, len(lessons), BATCH):
        group = lessons[start : start + BATCH]
        shown = sorted({lesson.picture for lesson in group if lesson.picture is not None})
        places = {picture: place for place, picture in enumerate(shown)}
        with torch.no_grad():
            features = pupil.sight(normal(pixels[shown]))[1] if shown else None
            found = pupil.losses(group, features, places)
        at = 0
        for losses, lesson in zip(found, group, strict=True):
            total, count = total + float(losses.sum()), count + len(losses)
            if lesson.label >= 0:
                normal_, odd = pupil.label_scores[at + lesson.label]
                p.append(float(odd - normal_))
                truth.append(lesson.anomalous)
            at += len(losses)
    return total / count, float(roc_auc_score(truth, p)) if len(set(truth)) == 2 else None
