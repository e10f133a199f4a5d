"""Tiny models trained at once, each on one thread: a second one makes the training of so small a model no faster.

Imports torch: itself imported only where models are trained.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from functools import partial
from pathlib import Path
from queue import Queue

import torch

from alarm_agents.demo.tiny.lessons import Lessons
from alarm_agents.demo.tiny.shapes import Shape
from alarm_agents.demo.tiny.train import Result, train

TOLD = 1.0
"""Seconds from one look at how far they are to the next."""
Told = tuple[str, float, str]
"""A model's name, the share of its training that is done, and what it does."""


def train_all(
    lessons: Mapping[Shape, Lessons],
    held_out: Lessons,
    folder: Path,
    *,
    steps: int,
    minutes: float,
    progress: Callable[[str, float, str], None] = lambda _name, _share, _text: None,
) -> dict[str, Result]:
    """Train a model of each shape on its own lessons and save each to a folder of its name; what each came to.

    `steps` and `minutes` are for each; `progress` is told of one now and then. Raises what a training raised.
    """
    context = multiprocessing.get_context("spawn")  # threads that a fork would leave behind half-way are running
    with context.Manager() as manager, ProcessPoolExecutor(len(lessons), mp_context=context) as pool:
        told: Queue[Told] = manager.Queue()
        work = {}
        for shape, own in lessons.items():
            job = partial(train, shape, own, held_out, folder / shape.name, steps=steps, minutes=minutes)
            work[shape.name] = pool.submit(_alone, job, shape.name, told)
        left = set(work.values())
        while left:
            left = wait(left, timeout=TOLD).not_done
            while not told.empty():
                progress(*told.get())
        return {name: each.result() for name, each in work.items()}


def _alone(job: Callable[..., Result], name: str, told: Queue[Told]) -> Result:
    torch.set_num_threads(1)
    return job(progress=lambda share, text: told.put((name, share, text)))
