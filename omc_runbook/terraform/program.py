"""Which program a folder of Terraform's files is for: terraform, or OpenTofu's tofu."""

from __future__ import annotations

import re
from pathlib import Path

from omc_runbook.model import programs

TERRAFORM, TOFU = PROGRAMS = ("terraform", "tofu")
LOCK_FILE = ".terraform.lock.hcl"

_FILES = ("*.tofu", "*.tofu.json")
"""Files that terraform does not read."""
_VERSIONS = {".opentofu-version": TOFU, ".terraform-version": TERRAFORM}
"""Files that choose a version of one of the two, in a folder or above it."""
_REGISTRY = re.compile(r'^provider "registry\.(?:opentofu\.(org)|terraform\.io)/', re.MULTILINE)


def sign_of_tofu(folder: Path) -> str:
    """What in a folder, or above it in its repository, shows that it is for OpenTofu, as a clause; "" for nothing."""
    folder = folder.resolve()
    if any(any(folder.glob(pattern)) for pattern in _FILES):
        return f"terraform does not read the *.tofu files of {folder}"
    if lock := _REGISTRY.search(_text(folder / LOCK_FILE)):
        return f"{folder / LOCK_FILE} has the providers of registry.opentofu.org" if lock[1] else ""
    above = (folder, *folder.parents)
    root = next((at for at, each in enumerate(above) if (each / ".git").exists()), 0)
    chosen = ([path / name for name in _VERSIONS if (path / name).is_file()] for path in above[: root + 1])
    nearest = next(filter(None, chosen), [])
    is_tofu = [_VERSIONS[file.name] for file in nearest] == [TOFU]
    return f"{nearest[0]} chooses a version of OpenTofu" if is_tofu else ""


def name_of(*folders: Path) -> str:
    """The command for folders: tofu where one is for OpenTofu, or where it alone is on PATH; else terraform."""
    if any(map(sign_of_tofu, folders)):
        return TOFU
    folder = folders[0] if folders else None
    found = [name for name in PROGRAMS if programs.find(name, folder)]
    return TOFU if found == [TOFU] else TERRAFORM


def _text(path: Path) -> str:
    """A file's text; "" where it is not there or cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
