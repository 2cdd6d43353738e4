"""Terraform's ECS task definitions: which variable of which container comes from which key of the secret."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.containers import DEFINITION, Found, locate
from omc_runbook.terraform.hcl_template import fits, is_literal
from omc_runbook.textfile.file import SourceFile, read_source

MODULE = Path("infrastructure/terraform/modules/ecs")
ROOTS = ("infrastructure", ".")
"""Where task definitions are looked for when that folder has none."""

SKIPPED = {".git", ".terraform", "node_modules", ".venv"}

_RESOURCE = re.compile(rf'^\s*resource\s+"?{DEFINITION}\b', re.MULTILINE)


@dataclass(frozen=True)
class Reference:
    """A variable that ECS takes from a secret."""

    variable: str
    value_from: str
    """The text of its valueFrom, as in ${var.secrets_arn}:KEY::; "" for an expression that is no text."""
    key: str
    """The key of the secret's JSON; "" if it cannot be told."""
    certain: bool = True
    """Whether it is there in any case, and not under a condition."""


@dataclass(frozen=True)
class Container:
    """A container of a task definition."""

    file: str
    definition: str
    """As Terraform calls it: aws_ecs_task_definition.backend."""
    name: str
    references: tuple[Reference, ...]
    environment: tuple[str, ...]
    """The names of its plain variables."""
    obstacle: str
    """Why no reference can be added by `add_reference`, as a clause; "" where one can."""
    unseen: tuple[str, ...] = ()
    """What else may bring it references, in words: where this is not empty, more may be there than was read."""
    line: int = 0


@dataclass(frozen=True)
class Declared:
    """What a checkout's Terraform files declare."""

    containers: tuple[Container, ...]
    unreadable: tuple[str, ...]
    """A sentence on each file or definition that could not be understood."""
    files: tuple[SourceFile, ...] = field(repr=False)
    """All *.tf files of the folders with a task definition."""

    def may_hide(self, name: str) -> bool:
        """Whether a container of a name may have references that could not be read."""
        named = [each for each in self.containers if each.name == name or fits(each.name, name)]
        if named:
            return any(each.unseen for each in named)
        return bool(self.unreadable) or not all(is_literal(each.name) for each in self.containers)


def read_task_definitions(repository: Path) -> Declared:
    """Read the task definitions of a checkout: those of the ECS module, else all below infrastructure or anywhere.

    Raises nothing for files that cannot be read: the answer names them.
    """
    unreadable: list[str] = []
    for folders in ([repository / MODULE], *(_walk(repository / root) for root in ROOTS)):
        unreadable.clear()
        files = tuple(file for folder in folders for file in _read_folder(repository, folder, unreadable))
        # A file of the module that cannot be read may be the one that is meant: no other takes its place.
        if files or (unreadable and folders == [repository / MODULE]):
            break
    declared = declared_of(files)
    return Declared(declared.containers, (*unreadable, *declared.unreadable), files)


def declared_of(files: tuple[SourceFile, ...]) -> Declared:
    """What files in memory declare."""
    found, unreadable = locate(files)
    return Declared(tuple(map(container_of, found)), unreadable, files)


def counts_for(file: str, environment: str, known: Collection[str]) -> bool:
    """Whether a file counts for an environment: it is in no folder that is by its name another one of those known."""
    folders = Path(file).parent.parts
    return environment in folders or not {*known}.intersection(folders)


def container_of(found: Found) -> Container:
    """A container without the places of what it has."""
    return Container(
        found.node.file.name,
        found.definition,
        found.name,
        tuple(Reference(each.variable, each.value_from, each.key, each.certain) for each in found.references),
        tuple(each.variable for each in found.environment),
        found.obstacle,
        found.unseen,
        found.node.line,
    )


def _walk(root: Path) -> Iterator[Path]:
    """The folders below one, in order."""
    for folder, inner, _ in os.walk(root):
        inner[:] = sorted(set(inner) - SKIPPED)
        yield Path(folder)


def _read_folder(repository: Path, folder: Path, unreadable: list[str]) -> tuple[SourceFile, ...]:
    """The *.tf files of a folder; none where no task definition is among them."""
    files = []
    for path in sorted(folder.glob("*.tf")):
        try:
            file = read_source(repository, path.relative_to(repository).as_posix())
        except UsageError as error:
            unreadable.append(str(error))
            continue
        files += [file] if file else []
    return tuple(files) if any(_RESOURCE.search(file.text) for file in files) else ()
