"""How often ordinary captions are taken for instructions to the system (they would all go to a person).

`.venv/bin/python benchmarks/instructions.py [FOLDER]`, with the captions and clips' answers of ../shared/data.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from alarm_agents.models.instructions import reads_like_instruction


def main(data: Path) -> None:
    """Print the share for each set."""
    if not data.is_dir():
        print(f"skipped: there is no {data}")
        return
    sets: dict[str, list[str]] = {}
    for path in sorted((data / "captions").glob("*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            sets.setdefault(path.parent.name, []).extend(row["caption"] for row in csv.DictReader(file))
    annotations = (data / "smarthome" / "annotations.jsonl").read_text(encoding="utf-8").splitlines()
    sets["smarthome descriptions"] = [json.loads(line)["description"] for line in annotations]
    for name, texts in sets.items():
        taken = [text for text in texts if reads_like_instruction(text)]
        print(f"{name}: {len(taken)} of {len(texts)} ({len(taken) / max(1, len(texts)):.3%})")
        for text in dict.fromkeys(taken[:3]):
            print(f"    {text[:160]!r}")
    total = sum(map(len, sets.values()))
    taken_all = sum(reads_like_instruction(text) for texts in sets.values() for text in texts)
    print(f"all: {taken_all} of {total} ({taken_all / max(1, total):.3%})")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "../shared/data")
