"""Terraform's files: which versions of a secret Terraform would write again, whatever somebody else wrote since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc_runbook.model.errors import UsageError

SECRET = "aws_secretsmanager_secret"
VERSION = "aws_secretsmanager_secret_version"

VALUES = frozenset({"secret_string", "secret_binary"})
"""The arguments of a version that carry its value; a write-only one is written when its own version changes."""


@dataclass(frozen=True)
class Unguarded:
    """A version of a secret whose value Terraform writes again at each apply that finds another one."""

    address: str
    file: Path


def check_folder(folder: Path) -> None:
    """See that a folder has a Terraform configuration; raises UsageError, in one sentence, where it has not."""
    if not folder.is_dir():
        raise UsageError(f"terraform_dir {folder} is no folder: name the one in which you would run terraform apply.")
    if not [*folder.glob("*.tf"), *folder.glob("*.tf.json"), *folder.glob("*.tofu")]:
        raise UsageError(f"terraform_dir {folder} has no *.tf file: name the folder with the configuration.")


def find_unguarded(folder: Path) -> tuple[Unguarded, ...]:
    """The versions without `ignore_changes` for their value, in a folder and in the modules that it takes by path.

    Only reads *.tf files; one that is not valid is left to Terraform, which says why.
    """
    seen: set[Path] = set()
    return tuple(_unguarded(folder.resolve(), "", seen))


def _unguarded(folder: Path, prefix: str, seen: set[Path]) -> Iterator[Unguarded]:
    if folder in seen or not folder.is_dir():
        return
    seen.add(folder)
    for path in sorted(folder.glob("*.tf")):
        parsed = _parse(path)
        for kind, name, body in _labelled(parsed.get("resource", ()), 2):
            if kind == VERSION and not _ignores(body):
                yield Unguarded(f"{prefix}{kind}.{name}", path)
        for _, name, body in _labelled(parsed.get("module", ()), 1):
            source = str(body.get("source", "")).strip('"')
            if source.startswith(("./", "../")):
                yield from _unguarded((folder / source).resolve(), f"{prefix}module.{name}.", seen)


def _parse(path: Path) -> Mapping[str, Any]:
    # The grammar takes a second to load, which only those who use Terraform should wait for.
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
    """Blocks with one or two labels, each as its first label ("" for one), its last, and its body."""
    for block in blocks:
        for first, inner in block.items():
            if labels == 1 and isinstance(inner, Mapping):
                yield "", first.strip('"'), inner
            elif isinstance(inner, Mapping):
                yield from (
                    (first.strip('"'), name.strip('"'), b) for name, b in inner.items() if isinstance(b, Mapping)
                )


def _ignores(body: Mapping[str, Any]) -> bool:
    """Whether changes of the value are ignored, by name or with everything else; a version without one has none."""
    if not VALUES & body.keys():
        return True
    ignored = [block.get("ignore_changes", ()) for block in body.get("lifecycle", ())]
    names = {str(name).strip('"${}') for each in ignored for name in ([each] if isinstance(each, str) else each)}
    return "all" in names or bool(VALUES & body.keys() & names)
