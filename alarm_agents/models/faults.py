"""What counts as the model's or its server's doing, and which of it is worth another try.

Everything else (a bug of ours, cancellation, an unexpected call of a scripted model) is not caught by the client.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx
import openai
from langchain_core.exceptions import ContextOverflowError, LangChainException
from langchain_core.exceptions import ModelError as ChatError

from alarm_agents.errors import ModelError

MODEL_FAULTS: tuple[type[Exception], ...] = (
    ModelError,
    LangChainException,
    httpx.HTTPError,
    TimeoutError,
    ConnectionError,
)
"""What our own backends raise when a model or server misbehaves."""

FOREIGN_FAULTS: tuple[type[Exception], ...] = (Exception,)
"""For `backend: langchain`: a third party's class may raise anything, and none of it may stop the monitor."""

_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
_REJECTED_STATUS = frozenset({400, 422, 501})
_HINTS = {
    400: "the server rejects the request",
    401: "check api_key_env",
    403: "check api_key_env",
    404: "check base_url and the model's name",
    413: "the request is too large, lower images.max or images.max_side",
    429: "the server is too busy",
}


class StatusError(ModelError):
    """A server answered with an HTTP status that is an error."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"HTTP {status_code}")
        self.status_code = status_code


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error, under the name that client libraries give it."""
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later: time-outs, connections, 408, 409, 425, 429 and 5xx but 501."""
    status = status_of(error)
    if status is not None:
        return status in _TRANSIENT_STATUS or (status >= 500 and status not in _REJECTED_STATUS)
    if isinstance(error, ChatError) and error.is_retryable:
        return True
    return isinstance(error, TimeoutError | ConnectionError | openai.APIConnectionError | httpx.RequestError)


def retry_after(error: BaseException) -> float | None:
    """The seconds that the server asks to wait (its `Retry-After`, seconds or a date), None where it does not say."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    said = str(headers.get("retry-after", "")).strip()
    try:
        asked = float(said) if said[:1].isdigit() else parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(0.0, asked)


def is_rejected(error: BaseException) -> bool:
    """Whether the server did not like something about the request itself, other than its length."""
    return status_of(error) in _REJECTED_STATUS and not isinstance(error, ContextOverflowError)


def reason(error: BaseException) -> str:
    """Why there was no answer, in a few words of our own: a server's message may quote the prompt."""
    status = status_of(error)
    if isinstance(error, ContextOverflowError):
        return "the prompt is longer than the model's context"
    if status is not None:
        hint = _HINTS.get(status, "the server failed" if status >= 500 else "")
        return f"HTTP {status} ({hint})" if hint else f"HTTP {status}"
    if isinstance(error, TimeoutError | openai.APITimeoutError | httpx.TimeoutException):
        return "timed out"
    if isinstance(error, ConnectionError | openai.APIConnectionError | httpx.RequestError):
        return "the server cannot be reached, or dropped the connection"
    return error.message if isinstance(error, ModelError) else f"failed with {type(error).__name__}"
