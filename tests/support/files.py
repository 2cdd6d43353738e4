"""Files that a test writes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path


def write_files(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files by their paths within a folder, which is given back; the folders on the way are made."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def start_git(root: Path) -> Path:
    """Make a folder a git repository, with nothing in its index; it is given back."""
    subprocess.run(["git", "-C", root, "init", "--quiet"], check=True)
    return root
