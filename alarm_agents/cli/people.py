"""Who is at the keyboard."""

from __future__ import annotations

import getpass


def who() -> str:
    """The user's name, for rules and answers; `somebody` where the system has none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
