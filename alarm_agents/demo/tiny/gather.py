"""Lessons from many rendered clips, on all cores."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace

import cv2
import numpy as np

from alarm_agents.demo.tiny.lessons import Lessons, School
from alarm_agents.scenario import load_scenario

SCENARIO = "walkway_mllm"
FIRST_SEED = 1_000_000_000
"""Of the clips to teach from; the demo's own clips have smaller seeds, so that they show other people and events."""


def gather(seeds: Sequence[int], progress: Callable[[int], None] = lambda _: None) -> list[Lessons]:
    """The lessons of each busy clip with these seeds, in their order; `progress` is told how many clips are done."""
    context = multiprocessing.get_context("spawn")  # threads that a fork would leave behind half-way are running
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        work = [pool.submit(_of_clip, seed) for seed in seeds]
        for done, _ in enumerate(as_completed(work), 1):
            progress(done)
    return [each.result() for each in work]


def share_of(parts: Sequence[Lessons], place: int, of: int) -> Lessons:
    """What the member in that place `of` so many learns from: all clips but each `of`-th, another one for each member.

    Members that have seen other clips err in other places, so their mean is better than each (Breiman, Bagging
    predictors, 1996).
    """
    return joined([part for number, part in enumerate(parts) if number % of != place])


def joined(parts: Sequence[Lessons]) -> Lessons:
    """All of them as one."""
    found = Lessons()
    for part in parts:
        before = len(found.pictures)
        found.lessons += [
            lesson if lesson.picture is None else replace(lesson, picture=lesson.picture + before)
            for lesson in part.lessons
        ]
        found.pictures += part.pictures
        found.boxes += part.boxes
    return found


def _of_clip(seed: int) -> Lessons:
    cv2.setNumThreads(1)
    scenario = load_scenario(SCENARIO)
    school = School(scenario, scenario.agents.perceivers[0], np.random.default_rng([seed, 9]))
    asyncio.run(school.attend(seed))
    return school.found
