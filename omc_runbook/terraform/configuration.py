"""Terraform's files: the versions of a secret whose value the next apply would overwrite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc_runbook.model.errors import UsageError

SECRET = "aws_secretsmanager_secret"
VERSION = "aws_secretsmanager_secret_version"

VALUES = frozenset({"secret_string", "secret_binary"})
"""The arguments of a version with its value; a write-only one is only written when its own version changes."""


@dataclass(frozen=True)
class UnprotectedVersion:
    """A version of a secret whose value an apply overwrites if it differs."""

    address: str
    file: Path


def check_folder(folder: Path) -> None:
    """Raise UsageError, in one sentence, if a folder has no Terraform configuration."""
    if not folder.is_dir():
        raise UsageError(
            f"terraform_dir {folder} is not a folder: name the one in which you would run terraform apply."
        )
    if not [*folder.glob("*.tf"), *folder.glob("*.tf.json"), *folder.glob("*.tofu")]:
        raise UsageError(f"terraform_dir {folder} has no *.tf file: name the folder with the configuration.")


def find_unprotected_versions(folder: Path) -> tuple[UnprotectedVersion, ...]:
    """The versions without `ignore_changes` for their value, in a folder and in its local modules.

    Reads *.tf files; one that is not valid is skipped, since Terraform itself reports it.
    """
    return tuple(_unprotected_versions(folder.resolve(), "", set()))


def _unprotected_versions(folder: Path, prefix: str, visited: set[Path]) -> Iterator[UnprotectedVersion]:
    if folder in visited or not folder.is_dir():
        return
    visited.add(folder)
    for path in sorted(folder.glob("*.tf")):
        parsed = _parse(path)
        for kind, name, body in _labelled(parsed.get("resource", ()), 2):
            if kind == VERSION and not _ignores(body):
                yield UnprotectedVersion(f"{prefix}{kind}.{name}", path)
        for _, name, body in _labelled(parsed.get("module", ()), 1):
            source = str(body.get("source", "")).strip('"')
            if source.startswith(("./", "../")):
                yield from _unprotected_versions((folder / source).resolve(), f"{prefix}module.{name}.", visited)


def _parse(path: Path) -> Mapping[str, Any]:
    # The grammar takes a second to load.
    import hcl2
    from lark.exceptions import LarkError

    text = path.read_text(encoding="utf-8", errors="replace")
    if "module" not in text and VERSION not in text:
        return {}
    try:
        parsed: Mapping[str, Any] = hcl2.loads(text if text.endswith("\n") else text + "\n")
    except LarkError:
        return {}
    return parsed


def _labelled(blocks: Any, labels: int) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield blocks with one or two labels as (first label, "" for one label; last label; body)."""
    for block in blocks:
        for first, inner in block.items():
            if labels == 1 and isinstance(inner, Mapping):
                yield "", first.strip('"'), inner
            elif isinstance(inner, Mapping):
                yield from (
                    (first.strip('"'), name.strip('"'), b) for name, b in inner.items() if isinstance(b, Mapping)
                )


def _ignores(body: Mapping[str, Any]) -> bool:
    """Whether ignore_changes has the value's argument or all; True for a version without a value."""
    if not VALUES & body.keys():
        return True
    arguments = [block.get("ignore_changes", ()) for block in body.get("lifecycle", ())]
    names = {str(name).strip('"${}') for each in arguments for name in ([each] if isinstance(each, str) else each)}
    return "all" in names or bool(VALUES & body.keys() & names)
