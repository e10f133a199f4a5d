"""What names a live source: a camera's number, its device, or an address; and how FFmpeg may open each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from alarm_agents.errors import SourceError
from alarm_agents.sources.base import slugify

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DEVICE = re.compile(r"(?:/dev/video)?(\d{1,3})")
_CHANNEL = re.compile(r"\d{1,2}")
"""Values of an address's query that tell cameras apart and keep no secret."""
HIDDEN = "xxx"
"""What stands in the place of a secret."""

_STREAMS = "mpjpeg,mjpeg,hls,mpegts,mov,mp4,matroska,webm,flv"
"""FFmpeg's formats that come over HTTP; others could name any file on this machine."""
_OPTIONS: dict[str, dict[str, str]] = {
    # By TCP, so that pictures come whole and through firewalls. Cameras' sound is not listened to.
    "rtsp": {"protocol_whitelist": "tcp", "rtsp_transport": "tcp", "allowed_media_types": "video"},
    "rtsps": {"protocol_whitelist": "tls,tcp", "rtsp_transport": "tcp", "allowed_media_types": "video"},
    "http": {"protocol_whitelist": "http,https,tls,tcp", "format_whitelist": _STREAMS, "analyzeduration": "1000000"},
    "https": {"protocol_whitelist": "https,tls,tcp", "format_whitelist": _STREAMS, "analyzeduration": "1000000"},
}


@dataclass(frozen=True)
class Address:
    """Where a live source is."""

    url: str = field(repr=False)
    """With its secrets: it goes to FFmpeg alone, never to a log, a record or an error."""
    name: str
    """The same without secrets: no user, no password, and of a query only short numbers."""
    slug: str
    options: Mapping[str, str]
    """FFmpeg's options: protocols and formats are as few as the kind of address needs."""
    format: str | None = None
    """FFmpeg's format where the address does not tell."""


def is_live(path: str) -> bool:
    """Whether this names a live source; a number may still be the name of a file."""
    return bool(_URL.match(path) or _DEVICE.fullmatch(path))


def parse(path: str) -> Address:
    """The address that `path` names: `0`, `/dev/video0`, `rtsp://...`, `http://...`.

    Raises `SourceError`, which does not repeat what may be secret, where it is none that can be watched.
    """
    if device := _DEVICE.fullmatch(path):
        number = int(device[1])
        return Address(f"/dev/video{number}", path, f"camera-{number}", {}, format="v4l2")
    scheme = path.partition("://")[0].lower()
    try:
        parts = urlsplit(path)
        port = parts.port
    except ValueError as error:
        raise SourceError("this is not a valid address", where=f"{scheme}://...", remedy="check it") from error
    if scheme not in _OPTIONS or not parts.hostname:
        remedy = "give rtsp://host/... or http://host/..., or a camera's number"
        raise SourceError("addresses of this kind cannot be watched", where=f"{scheme}://...", remedy=remedy)
    if re.search(r"[\x00-\x20\x7f-\x9f]", path):
        raise SourceError("an address has no blanks", where=f"{scheme}://...", remedy="write them as %20")
    name = _without_secrets(parts, port)
    return Address(path, name, slugify(re.sub(r"[/.]", "-", name)), _OPTIONS[scheme])


def _without_secrets(parts: SplitResult, port: int | None) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    query = [(key, value if _CHANNEL.fullmatch(value) else HIDDEN) for key, value in parse_qsl(parts.query)]
    return urlunsplit((parts.scheme, f"{host}:{port}" if port else host, parts.path, urlencode(query), ""))
