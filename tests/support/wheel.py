"""Build the package's wheel from a clean copy of the tree: a `build/` left behind would ship deleted modules.

`python tests/support/wheel.py FOLDER` puts it there; it needs setuptools in the running environment and no network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "docs", "tests")


def build_wheel(folder: Path) -> Path:
    """The path of the new wheel, the only one in `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(tree)], check=True)
    return next(folder.glob("*.whl"))


if __name__ == "__main__":
    build_wheel(Path(sys.argv[1]))
