"""The `alarm` command's way in; `python -m alarm_agents` is the same."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line, with the garbage collector at rest while it is imported.

    Hundreds of modules make hundreds of thousands of objects that all live to the end; walking them again and again
    took a second of each start.
    """
    gc.disable()
    from alarm_agents.cli import main as run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
