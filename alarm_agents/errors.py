"""The errors that alarm-agents raises: one sentence that says what is wrong, where, and how to mend it.

The command line prints the sentence and exits with `exit_code` (DESIGN section 9): 1 expectations not met,
2 usage or configuration, 3 a source or a model failed.
"""

from __future__ import annotations


class AlarmError(Exception):
    """Base of all errors meant for a person.

    `where` names the place (a file, a file and key path, a case id), `remedy` what to do about it.
    """

    exit_code = 3

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.where, self.remedy = message, where, remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}{self.message}{remedy}"


class ConfigurationError(AlarmError):
    """A scenario, suite, option or environment setting cannot be used as it stands."""

    exit_code = 2


class ScenarioError(ConfigurationError):
    """A scenario (or suite) file is not what the contract says: unknown key, wrong type, missing file."""


class ExpressionError(ConfigurationError):
    """A `when` or rule predicate is not a valid expression, or does not give true or false."""


class MissingExtraError(ConfigurationError):
    """An optional part of the package is needed; the message names the extra to install."""

    def __init__(self, extra: str, purpose: str, *, where: str = "") -> None:
        super().__init__(
            f"{purpose} needs an optional part that is not installed",
            where=where,
            remedy=f"install it with: pip install 'alarm-agents[{extra}]'",
        )
        self.extra = extra


class SourceError(AlarmError):
    """A source cannot be opened or read."""


class ModelError(AlarmError):
    """A model server or an in-process model failed to answer at all."""


class ToolError(AlarmError):
    """A tool refused its input, failed, or was not found."""


class NotFoundError(ConfigurationError):
    """Something named on the command line (a case, a rule, a trace, a tool) does not exist."""


class ConflictError(AlarmError):
    """Somebody else was first: the case is resolved already, the rule has moved on."""

    exit_code = 2


class WorkspaceError(ConfigurationError):
    """The workspace folder cannot be used: not writable, or written by a newer version."""
