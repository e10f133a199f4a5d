"""How often ordinary text is taken for what is no answer: for instructions to the system, or for a loop.

`.venv/bin/python benchmarks/instructions.py [FOLDER]`, with captions and clips' descriptions of ../shared/data.
Text that is taken for instructions goes to a person; an answer that is taken for a loop is missing. Of what models
really answered about the clips the loops are named, too, each by its end.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from alarm_agents.models.instructions import reads_like_instruction
from alarm_agents.models.loops import is_loop
from alarm_agents.sources.recorded import MEMBERS

Texts = Mapping[str, Sequence[str]]


def ordinary(data: Path) -> Texts:
    """Captions and descriptions, by set."""
    sets: dict[str, list[str]] = {}
    for path in sorted((data / "captions").glob("*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            sets.setdefault(path.parent.name, []).extend(row["caption"] for row in csv.DictReader(file))
    annotations = (data / "smarthome" / "annotations.jsonl").read_text(encoding="utf-8").splitlines()
    return {**sets, "smarthome descriptions": [json.loads(line)["description"] for line in annotations]}


def tell(what: str, taken_for: Callable[[str], bool], sets: Texts) -> None:
    """Print the share of each set, and of all, with the ends of a few."""
    total = 0
    for name, texts in sets.items():
        taken = [text for text in texts if taken_for(text)]
        total += len(taken)
        print(f"{what}, {name}: {len(taken)} of {len(texts)} ({len(taken) / max(1, len(texts)):.3%})")
        for text in dict.fromkeys(taken[:10]):
            print(f"    {text[-160:]!r}")
    count = sum(map(len, sets.values()))
    print(f"{what}, all: {total} of {count} ({total / max(1, count):.3%})")


def main(data: Path) -> None:
    """Print the shares."""
    if not data.is_dir():
        print(f"skipped: there is no {data}")
        return
    sets = ordinary(data)
    tell("instructions", reads_like_instruction, sets)
    tell("loops", is_loop, sets)
    lines = (data / "smarthome" / "mllm_outputs.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [text for line in lines for text in json.loads(line)[MEMBERS].values()]
    tell("loops", is_loop, {"recorded answers": answers})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "../shared/data")
