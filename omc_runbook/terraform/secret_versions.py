"""The versions of secrets in Terraform's files: the keys that they begin with, and whether applies overwrite them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import is_folder
from omc_runbook.terraform.files import LOCAL, TerraformFiles, target, with_callers
from omc_runbook.terraform.hcl import Block, Node
from omc_runbook.terraform.hcl_folder import DEEPEST, SOURCES, Folder
from omc_runbook.terraform.hcl_folder import VALUES as SETTINGS
from omc_runbook.terraform.modules import folders_of, source_of
from omc_runbook.textfile.file import Edit, SourceFile

SECRET = "aws_secretsmanager_secret"
VERSION = "aws_secretsmanager_secret_version"

WRITE_ONLY = "secret_string_wo"
VALUES = ("secret_binary", "secret_string", WRITE_ONLY)
"""The arguments of a version with its value; a write-only one is only written when its own version changes."""

_VERSION = re.compile(rf'^\s*resource\s+"?{VERSION}\b|"{VERSION}"\s*:', re.MULTILINE)
_VERSION_OR_MODULE = re.compile(rf"{VERSION}|\bmodule\b")


@dataclass(frozen=True, kw_only=True)
class SecretVersion:
    """The value that Terraform gives a version of a secret, as far as it is a map in the files."""

    address: str
    path: Path
    """The file of the version."""
    file: str
    """The name of the file that has the map; of the version's own where there is none."""
    line: int
    keys: tuple[str, ...]
    """() where it is not a map."""
    is_protected: bool
    """Whether `ignore_changes` keeps later applies from writing it again, or it is write-only."""


def check_folder(folder: Path) -> None:
    """Raise UsageError, in one sentence, if a folder has no Terraform configuration."""
    if not is_folder(folder):
        raise UsageError(
            f"terraform_dir {folder} is not a folder: name the one in which you would run terraform apply."
        )
    if not any(any(folder.glob(f"*{ending}")) for ending in SOURCES):
        raise UsageError(f"terraform_dir {folder} has no *.tf file: name the folder with the configuration.")


def read_secret_versions(repository: Path, terraform: TerraformFiles | None = None) -> tuple[SecretVersion, ...]:
    """Read the versions of all secrets in a checkout's Terraform; files that are not valid are skipped.

    `terraform` are the checkout's files, where other questions are asked of them too.
    """
    folders = (terraform or TerraformFiles(repository)).folders_with(_VERSION)
    return tuple(version for folder in folders for version in _versions(folder))


def find_own(versions: Collection[SecretVersion], keys: Collection[str]) -> tuple[SecretVersion, ...]:
    """The versions of the secret that has these keys: those that share most of them with it."""
    shares = [len({*version.keys} & {*keys}) for version in versions]
    most = max(shares, default=0)
    return tuple(version for version, share in zip(versions, shares, strict=True) if most and share == most)


def find_unprotected(folder: Path) -> tuple[SecretVersion, ...]:
    """The versions whose value an apply overwrites if it differs, in a folder and in the local modules that it calls.

    Reads *.tf files; one that is not valid is skipped, since Terraform itself reports it.
    """
    return tuple(version for version in _applied(folder.resolve(), "", set()) if not version.is_protected)


def find_rewritten(repository: Path, edits: Collection[Edit]) -> str:
    """The address of a version that edits change and nothing protects, so that an apply writes it anew; "" for none.

    As where one list of keys makes both a container's `secrets` and the secret's first value.
    """
    terraform = TerraformFiles(repository)
    folders = with_callers(terraform.calls, [each.path for each in terraform.folders_with(_VERSION)])
    inputs = [file for path in folders for file in terraform.files_ending(path, SETTINGS)]
    files = (*(file for path in folders for file in terraform.folder(path).files), *inputs)
    changed = {edit.file.name: replace(edit.file, raw=edit.after) for edit in edits}
    before, after = _written(files), _written(tuple(changed.get(file.name, file) for file in files))
    return next((address for address, texts in before.items() if after.get(address) != texts), "")


def _written(files: tuple[SourceFile, ...]) -> dict[str, list[str]]:
    """What makes the value of each version that nothing protects, as each call of its folder gives the variables."""
    folders, texts = folders_of(files), dict[str, list[str]]()
    for folder in (variant for each in folders.values() for variant in folders.variants(each)):
        for block, value in _with_values(folder):
            if not _is_protected(block, value):
                prefix = f"{folder.call.address}." if folder.call else ""
                texts.setdefault(f"{prefix}{'.'.join(block.labels)}", []).extend(_sources(value.value, folder))
    return texts


def _sources(node: Node, folder: Folder, depth: int = 0) -> Iterator[str]:
    """The text of an expression, and of all that it is made of."""
    resolved = folder.follow(node)
    yield resolved.source
    for part in resolved.parts if depth < DEEPEST else ():
        yield from _sources(part, folder, depth + 1)


def _applied(directory: Path, prefix: str, visited: set[Path]) -> Iterator[SecretVersion]:
    if directory in visited or not is_folder(directory):
        return
    visited.add(directory)
    files = TerraformFiles(directory).folder(directory).files
    # A large file that has neither is not parsed.
    folder = Folder(tuple(file for file in files if _VERSION_OR_MODULE.search(file.text)))
    yield from _versions(folder, prefix)
    for block in folder.of_type("module"):
        source = source_of(block)
        if source.startswith(LOCAL):
            yield from _applied(target(directory, source).resolve(), f"{prefix}module.{block.labels[0]}.", visited)


def _versions(folder: Folder, prefix: str = "") -> Iterator[SecretVersion]:
    for block, value in _with_values(folder):
        encoded = folder.follow(value.value).argument_of("jsonencode")
        maps = [each for each in (folder.objects(encoded) if encoded else ()) if each.kind == "object"]
        yield SecretVersion(
            address=f"{prefix}{'.'.join(block.labels)}",
            path=value.file.path,
            file=maps[-1].file.name if maps else value.file.name,
            line=maps[-1].line if maps else value.line,
            keys=tuple(member.name for each in maps for member in each.parts if member.name),
            is_protected=_is_protected(block, value),
        )


def _with_values(folder: Folder) -> Iterator[tuple[Block, Node]]:
    """The versions of a folder, each with the argument that has its value."""
    for block in folder.of_type("resource", VERSION):
        if value := next(filter(None, map(block.find, VALUES)), None):
            yield block, value


def _is_protected(block: Block, value: Node) -> bool:
    return value.name == WRITE_ONLY or block.ignores(value.name)
