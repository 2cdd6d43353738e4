"""Programs on PATH, but none that a checkout or the current folder brings along."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def search_path(checkout: Path | None) -> str:
    """PATH without relative entries, the current folder, and the folders within the repository of a checkout.

    `checkout` may be a folder of it, such as one of Terraform's.
    """
    current, root = Path.cwd(), work_tree_of(checkout.resolve()) if checkout else Path("/")
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(each for each in entries if _is_trusted(each, str(current), str(root))) or os.devnull


def find(name: str, checkout: Path | None = None) -> str | None:
    """The absolute path of a program; None if there is none outside a checkout and the current folder."""
    return shutil.which(name, path=search_path(checkout))


def work_tree_of(folder: Path) -> Path:
    """The top of the git work tree that a folder is in, by git's own files; without one, the folder."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def _is_trusted(entry: str, current: str, root: str) -> bool:
    if not entry.startswith(os.sep):
        return False
    # Each call of git or Compose asks this of each entry: without pathlib in a fifth of the time.
    folder = os.path.realpath(entry)
    is_inside = root != os.sep and f"{folder}{os.sep}".startswith(f"{root}{os.sep}")
    return folder != current and not is_inside
