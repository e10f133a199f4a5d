"""What the integration tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.clips import clip, write_folder
from support.scenarios import WINDOWS


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three windows of walkers."""
    return write_folder(tmp_path_factory.mktemp("source") / "walkers", clip(8 * WINDOWS))
