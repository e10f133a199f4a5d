"""Seeds under which the K samples of one question differ, and each is the same in the next run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

_REMEMBERED = 10_000
"""Questions whose number of samples is kept in mind."""


@dataclass
class Seeds:
    """Seeds for the questions of one model, all from the scenario's `seed`; None leaves them to the server."""

    base: int | None
    _asked: dict[str, int] = field(default_factory=dict)

    def of(self, question: bytes) -> int | None:
        """The seed for asking this question once more: 31 bits, of it and of how often it was asked, nothing else.

        A server that is sent one seed with every sample answers all of them alike, and K of them say no more than one.
        """
        if self.base is None:
            return None
        key = hashlib.sha256(question).hexdigest()
        times = self._asked.pop(key, 0)
        self._asked[key] = times + 1
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]
        digest = hashlib.sha256(f"{self.base} {key} {times}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1
