"""Terraform's ECS task definitions: each container's variables, and the key of the secret that each has."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.containers import DEFINITION, TerraformContainer, find_containers
from omc_runbook.terraform.hcl_template import fits, is_literal
from omc_runbook.textfile.file import SourceFile, read_source

MODULE = Path("infrastructure/terraform/modules/ecs")
ROOTS = ("infrastructure", ".")
"""Where task definitions are searched if that folder has none."""

SKIPPED = {".git", ".terraform", "node_modules", ".venv"}

_RESOURCE = re.compile(rf'^\s*resource\s+"?{DEFINITION}\b', re.MULTILINE)


@dataclass(frozen=True)
class TaskDefinitions:
    """The task definitions in a checkout's Terraform files."""

    containers: tuple[TerraformContainer, ...]
    unreadable: tuple[str, ...]
    """A sentence on each file or definition that could not be read."""
    files: tuple[SourceFile, ...] = field(repr=False)
    """All *.tf files of the folders that have a task definition."""

    def may_hide(self, name: str) -> bool:
        """Whether a container of this name may have references that could not be read."""
        matches = [each for each in self.containers if each.name == name or fits(each.name, name)]
        if matches:
            return any(each.other_sources for each in matches)
        return bool(self.unreadable) or not all(is_literal(each.name) for each in self.containers)


def read_task_definitions(repository: Path) -> TaskDefinitions:
    """Read the task definitions of a checkout: those in `MODULE`, else below the first of `ROOTS` that has any.

    Raises nothing for files that cannot be read: `unreadable` names them.
    """
    unreadable: list[str] = []
    for folders in ([repository / MODULE], *(_walk(repository / root) for root in ROOTS)):
        unreadable.clear()
        files = tuple(file for folder in folders for file in _read_folder(repository, folder, unreadable))
        # An unreadable file of the module may be the one with the task definition, so no other folder is searched.
        if files or (unreadable and folders == [repository / MODULE]):
            break
    task_definitions = task_definitions_of(files)
    return TaskDefinitions(task_definitions.containers, (*unreadable, *task_definitions.unreadable), files)


def task_definitions_of(files: tuple[SourceFile, ...]) -> TaskDefinitions:
    """The task definitions in files that are read already."""
    containers, unreadable = find_containers(files)
    return TaskDefinitions(containers, unreadable, files)


def applies_to(file: str, environment: str, environments: Collection[str]) -> bool:
    """Whether a file applies to an environment: none of its folders has the name of another of `environments`."""
    folders = Path(file).parent.parts
    return environment in folders or not {*environments}.intersection(folders)


def _walk(root: Path) -> Iterator[Path]:
    """Yield a folder and those below it, in order."""
    for folder, inner, _ in os.walk(root):
        inner[:] = sorted(set(inner) - SKIPPED)
        yield Path(folder)


def _read_folder(repository: Path, folder: Path, unreadable: list[str]) -> tuple[SourceFile, ...]:
    """The *.tf files of a folder; none if they have no task definition."""
    files = []
    for path in sorted(folder.glob("*.tf")):
        try:
            file = read_source(repository, path.relative_to(repository).as_posix())
        except UsageError as error:
            unreadable.append(str(error))
            continue
        files += [file] if file else []
    return tuple(files) if any(_RESOURCE.search(file.text) for file in files) else ()
