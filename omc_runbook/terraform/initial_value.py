"""The initial value of a secret in Terraform: the keys that a new environment's secret begins with."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.terraform.configuration import VALUES, VERSION
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.hcl import Block
from omc_runbook.terraform.hcl_folder import Folder

_VERSION = re.compile(rf'^\s*resource\s+"?{VERSION}\b', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class InitialValue:
    """The value that Terraform gives a secret's first version, as far as it is a map in the files."""

    address: str
    file: str
    line: int
    keys: tuple[str, ...]
    """() where it is not a map."""
    is_protected: bool
    """Whether `ignore_changes` keeps later applies from writing it again."""


def read_initial_values(repository: Path) -> tuple[InitialValue, ...]:
    """Read the initial values of all secrets in a checkout's Terraform; files that are not valid are skipped."""
    return tuple(value for folder in TerraformFiles(repository).having(_VERSION) for value in _values(folder))


def find_own(values: Collection[InitialValue], keys: Collection[str]) -> tuple[InitialValue, ...]:
    """The values of the secret that has these keys: those that share most of them with it."""
    shares = [len({*value.keys} & {*keys}) for value in values]
    most = max(shares, default=0)
    return tuple(value for value, share in zip(values, shares, strict=True) if most and share == most)


def _values(folder: Folder) -> Iterator[InitialValue]:
    for block in folder.blocks:
        value = next(filter(None, map(block.find, sorted(VALUES))), None)
        if block.type != "resource" or block.labels[:1] != (VERSION,) or value is None:
            continue
        start = folder.follow(value.value)
        is_call = start.kind == "call" and start.name == "jsonencode" and len(start.parts) == 1
        objects = folder.objects(start.parts[0]) if is_call else ()
        maps = [each for each in objects if each.kind == "object"]
        yield InitialValue(
            address=".".join(block.labels),
            file=maps[-1].file.name if maps else value.file.name,
            line=maps[-1].line if maps else value.line,
            keys=tuple(member.name for each in maps for member in each.parts if member.name),
            is_protected=_ignores(block, value.name),
        )


def _ignores(block: Block, argument: str) -> bool:
    for lifecycle in block.blocks:
        ignored = lifecycle.find("ignore_changes") if lifecycle.type == "lifecycle" else None
        names = {part.name for part in (ignored.value.parts or (ignored.value,))} if ignored else set()
        if names & {"all", argument}:
            return True
    return False
