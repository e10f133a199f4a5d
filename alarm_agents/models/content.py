"""What goes into prompts beside our own words: pictures, and text that is not to be trusted."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_QUALITY = 85
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_NOT_SEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
"""Unicode categories that tokenizers see and people do not: controls, zero-width marks, tags, private use."""

_ESCAPES = str.maketrans({"<": "&lt;", "＜": "&lt;", "﹤": "&lt;", "\u2028": "\n", "\u2029": "\n"})


def picture_block(image: NDArray[np.uint8], max_side: int) -> dict[str, Any]:
    """The picture (BGR or grey) as a chat content block: JPEG in a data URL, shrunk so that no side exceeds `max_side`.

    For prompts only: such a block never enters state, checkpoints, spans or the database.
    """
    height, width = image.shape[:2]
    factor = max_side / max(height, width)
    if factor < 1:
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    data = base64.b64encode(encoded.tobytes()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def composite(moments: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Three pictures (BGR or grey, of one size) as one (h, w, 3), BGR: the first in red, then green, the last in blue.

    Each is turned grey, so that what stood still is grey and what moved shows in colours: time for a model that is
    shown a single picture.
    """
    first, middle, last = (
        image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8) for image in moments
    )
    return np.dstack([last, middle, first])


def delimit(text: str, kind: str, *, limit: int = 4000) -> str:
    """Untrusted text between `<untrusted kind="...">` and `</untrusted>`, which the text itself cannot close.

    Every `<` in it is written `&lt;`, characters that people do not see are dropped, and at most `limit` characters
    are kept (the end says so where some were cut). `kind` is ours ("caption", "log_line"), never taken from data.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"kind must be a short name of lower-case letters, got {kind!r}")
    visible = "".join(
        character
        for character in text[:limit].translate(_ESCAPES)
        if character in "\n\t" or unicodedata.category(character) not in _NOT_SEEN
    )[:limit]
    cut = f"\n[cut: {len(text)} characters in all]" if len(text) > limit else ""
    return f'<untrusted kind="{kind}">\n{visible}{cut}\n</untrusted>'
