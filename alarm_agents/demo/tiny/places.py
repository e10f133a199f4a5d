"""How well a tiny model tells where the odd thing is: second looks are shown what lies there."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from pydantic import ValidationError

from alarm_agents.agents.perceiver import Seen
from alarm_agents.demo.tiny.lessons import Lesson, Lessons
from alarm_agents.types import Box

ASKED = 64
"""Lessons that are asked, at most."""
LONGEST = 120
"""Tokens of an answer, at most: more than any right one has."""


def overlap_of_places(model: Any, processor: Any, lessons: Lessons) -> float | None:
    """Mean overlap, in [0, 1], of where the model says that the odd thing is with where it is.

    Intersection over union of the first fact's region, 0 where the answer has none, over at most `ASKED` of the
    perceiver's lessons that tell of something odd; None where there are no such lessons.
    """
    odd = [lesson for lesson in lessons.lessons if lesson.role == "perceiver" and _told(lesson.answer)[0] != "walker"]
    odd = odd[:: max(1, len(odd) // ASKED)][:ASKED]
    found = [_overlap(_told(_answer(model, processor, lesson, lessons))[1], _told(lesson.answer)[1]) for lesson in odd]
    return float(np.mean(found)) if found else None


def _answer(model: Any, processor: Any, lesson: Lesson, lessons: Lessons) -> str:
    assert lesson.picture is not None
    text = processor.apply_chat_template(lesson.said, tokenize=False, add_generation_prompt=True)
    image = Image.open(io.BytesIO(lessons.pictures[lesson.picture])).convert("RGB")
    asked = processor(text=text, images=[image], return_tensors="pt")
    with torch.no_grad():
        said = model.generate(**asked, max_new_tokens=LONGEST, do_sample=False)
    return str(processor.tokenizer.decode(said[0][asked["input_ids"].shape[1] :], skip_special_tokens=True))


def _told(answer: str) -> tuple[str, Box | None]:
    """The subject and the region of an answer's first fact; a walker nowhere, where it tells of nothing."""
    try:
        facts = Seen.model_validate_json(answer).facts
    except ValidationError:
        facts = []
    return (facts[0].subject, facts[0].region) if facts else ("walker", None)


def _overlap(one: Box | None, other: Box | None) -> float:
    if one is None or other is None:
        return 0.0
    sides = [max(0.0, min(one[end], other[end]) - max(one[end - 2], other[end - 2])) for end in (2, 3)]
    both, each = sides[0] * sides[1], [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return both / max(sum(each) - both, 1e-9)
