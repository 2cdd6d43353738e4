"""Root folders: where `terraform apply` runs, and which of them an edited file concerns."""

from __future__ import annotations

import os
import re
from pathlib import Path

from omc_runbook.terraform.hcl_folder import VALUES
from omc_runbook.terraform.task_definitions import called_folders, read_folders

_ANYTHING = re.compile("")


def find_roots(repository: Path, file: str) -> tuple[str, ...]:
    """The folders of a checkout in which an apply uses a file: those that call its folder and that nobody calls.

    A .tfvars file belongs to the nearest folder above it that has *.tf files.
    """
    folders = read_folders(repository, _ANYTHING)
    calls = {Path(os.path.normpath(each.files[0].path.parent)): called_folders(each.files) for each in folders}
    folder = Path(os.path.normpath((repository / file).parent))
    if file.endswith(VALUES):
        folder = next((above for above in (folder, *folder.parents) if above in calls), folder)
    reached, callers = {folder}, {folder}
    while callers:
        callers = {path for path, targets in calls.items() if targets & reached} - reached
        reached |= callers
    called = {target for targets in calls.values() for target in targets}
    return tuple(path.relative_to(os.path.normpath(repository)).as_posix() for path in sorted(reached - called))
