"""What a misbehaving OpenAI-compatible server answers: slow, stalled, dropped, busy, broken, evasive or endless.

    chaos = Chaos(seed=1, share=0.4)
    with OpenAIServer(chaos) as server:
        ...
        chaos.down()      # nothing but failures, until
        chaos.heal()      # it answers well again

Which request fares how depends on the seed, the request, and how often it came; not on the order of arrival.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from support.openai_server import Reply
from support.scenarios import SEEN, SORRY, again, judged

DELAY_S = 0.05
MEGABYTE = 1_000_000
WINDOW = re.compile(r"window (\d+) ")
"""How a prompt says which window it is about; `wrong` ones show something anomalous."""


def named(prompt: str) -> int:
    """The window that the words of a prompt name last."""
    return int(WINDOW.findall(prompt)[-1])


def faults(good: str) -> dict[str, Reply]:
    """Everything that can go wrong with an answer that would be `good`, by name."""
    never = threading.Event()
    wrong = {"label": "fine", "p_anomaly": "low", "verdict": True}
    return {
        "slow": Reply(good, delay_s=DELAY_S),
        "stalls": Reply(good, stall=True, wait=never),
        "never answers": Reply(good, wait=never),
        "drops": Reply(drop=True),
        "429": Reply(status=429),
        "429, retry after": Reply(status=429, headers={"Retry-After": "0.1"}),
        "500": Reply(status=500),
        "503": Reply(status=503),
        "503, retry after a date": Reply(status=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        "half JSON": Reply(good[: len(good) // 2], finish_reason="length"),
        "wrong schema": Reply(json.dumps(wrong)),
        "empty": Reply(""),
        "prose": Reply("Everything looks normal to me."),
        "refuses": Reply(refusal="I cannot help with that."),
        "refuses in words": Reply(SORRY),
        "a megabyte": Reply("normal " * (MEGABYTE // 7)),
        "no completion": Reply(raw="<html>Bad gateway</html>"),
        "half a body": Reply(raw=json.dumps({"choices": [{"message": {"content": good}}]})[:40]),
    }


class Chaos:
    """Answers well, or with a fault for that `share` of requests; `down` and `heal` change that while it runs."""

    def __init__(
        self,
        seed: int = 0,
        share: float = 0.4,
        wrong: frozenset[int] = frozenset(),
        window: Callable[[str], int] = named,
    ) -> None:
        """`window` tells from a prompt which window it is about."""
        self.seed, self.share, self.wrong, self._window = seed, share, wrong, window
        self.usable: dict[int, set[str]] = {}
        """The labels that were answered well, by window."""
        self.done: Counter[str] = Counter()
        """How often each fault was served, and "good"."""
        self.healthy_at = self.answered_at = 0.0
        """When it was healed last, and when it was first asked after that (monotonic)."""
        self._down = False
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def down(self) -> None:
        """From now on fail every request at once."""
        self._down = True

    def heal(self) -> None:
        """From now on answer every request well."""
        self.healthy_at, self.answered_at, self.share, self._down = time.monotonic(), 0.0, 0.0, False

    def __call__(self, model: str, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> str | Reply:
        text = json.dumps(messages)
        window = self._window(text)
        label, good = self._good(window, schema)
        with self._lock:
            key = hashlib.sha256(f"{self.seed} {model} {text}".encode()).hexdigest()
            self._seen[key] += 1
            chance = random.Random(f"{key} {self._seen[key]}")
            name, reply = self._choose(chance, good)
            self.done[name] += 1
            if name in ("good", "slow"):
                self.usable.setdefault(window, set()).update(label)
                if self.healthy_at and not self.answered_at:
                    self.answered_at = time.monotonic()
        return reply

    def _choose(self, chance: random.Random, good: str) -> tuple[str, Reply]:
        possible = faults(good)
        if self._down:
            name = chance.choice(["drops", "500", "503", "429, retry after"])
        elif chance.random() < self.share:
            name = chance.choice(sorted(possible))
        else:
            return "good", Reply(good)
        return name, possible[name]

    def _good(self, window: int, schema: dict[str, Any] | None) -> tuple[set[str], str]:
        """A good answer, and the label in it: what perceivers see has none."""
        asked, p = (schema or {}).get("title"), 0.97 if window in self.wrong else 0.03
        if asked == "Seen":
            return set(), json.dumps({**SEEN, "caption": f"window {window} shows a man"})
        label = "anomalous" if p >= 0.5 else "normal"
        return {label}, json.dumps(again(p) if asked == "Reconsidered" else judged(p))
