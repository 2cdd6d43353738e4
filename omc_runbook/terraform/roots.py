"""Root folders: where `terraform apply` runs, and which of them an edited file concerns."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from omc_runbook.terraform.hcl_folder import VALUES
from omc_runbook.terraform.task_definitions import called_folders, read_folders, with_callers

_ANYTHING = re.compile("")


def read_calls(repository: Path) -> dict[Path, set[Path]]:
    """Which folders each folder of a checkout calls as modules, for every folder with *.tf files."""
    folders = read_folders(repository, _ANYTHING)
    return {Path(os.path.normpath(each.files[0].path.parent)): called_folders(each.files) for each in folders}


def find_roots(repository: Path, calls: Mapping[Path, set[Path]], file: str) -> tuple[str, ...]:
    """The folders of a checkout in which an apply uses a file: those that call its folder and that nobody calls.

    A .tfvars file belongs to the nearest folder above it that has *.tf files.
    """
    folder = Path(os.path.normpath((repository / file).parent))
    if file.endswith(VALUES):
        folder = next((above for above in (folder, *folder.parents) if above in calls), folder)
    called = {target for targets in calls.values() for target in targets}
    tops = sorted(with_callers(calls, {folder}) - called)
    return tuple(path.relative_to(os.path.normpath(repository)).as_posix() for path in tops)
