"""Module calls: which folder calls which, and each folder as its callers give its variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from omc_runbook.model.grouping import grouped
from omc_runbook.terraform.files import LOCAL, target
from omc_runbook.terraform.hcl import Block
from omc_runbook.terraform.hcl_folder import DEEPEST, SOURCES, VALUES, Folder, ModuleCall
from omc_runbook.terraform.texts import is_none
from omc_runbook.textfile.file import SourceFile


class Folders(dict[str, Folder]):
    """Folders by path."""

    @cached_property
    def calls(self) -> Mapping[Path | None, Sequence[tuple[Folder, Block]]]:
        """The calls by the folder that they name, None for those of another repository, each with its own folder."""
        return grouped((_target(block), (caller, block)) for caller in self.values() for block in _calls(caller))

    def variants(self, folder: Folder, called: Sequence[Path] = ()) -> Iterator[Folder]:
        """Yield a folder as each chain of calls gives its variables, at least once if no call is known to be absent.

        `called` are the folders that it calls on the way to another; what calls itself so, Terraform refuses.
        """
        chain = (*called, folder.path)
        calls = [pair for pair in self.calls.get(folder.path, ()) if pair[0].path not in chain]
        if not calls or len(chain) > DEEPEST:
            yield replace(folder, is_root=folder.path not in self.calls and folder.has_provider)
            return
        for caller, block in calls:
            for scope in self.variants(caller, chain):
                loop, absence = block.expression("for_each"), is_absent(block, scope)
                entries = scope.entries(loop) if loop else ()
                is_open = absence is None and not entries
                for entry in entries or (() if absence else (None,)):
                    yield replace(folder, call=ModuleCall(block, replace(scope, each=entry), is_open))

    def may_be_absent(self, folder: Folder) -> bool:
        """Whether a call of a folder has a count or a for_each that may make none of it."""
        return any(is_absent(block, caller) is not False for caller, block in self.calls.get(folder.path, ()))


def folders_of(files: tuple[SourceFile, ...]) -> Folders:
    """The folders with Terraform's files, by path in order, each with all files that are not Terraform's.

    .tfvars belong to the folder that they are in or below.
    """
    sources = sorted((file for file in files if file.name.endswith(SOURCES)), key=lambda file: file.name)
    templates = tuple(file for file in files if not file.name.endswith((*SOURCES, *VALUES)))
    paths = dict.fromkeys(map(str, sorted({file.path.parent for file in sources})))
    homes = [(str(file.path.parent), file) for file in sources]
    homes += [(_home(file, paths), file) for file in files if file.name.endswith(VALUES)]
    own = grouped(homes)
    return Folders({path: Folder(tuple(own[path]), templates=templates) for path in paths})


def is_absent(block: Block, folder: Folder) -> bool | None:
    """Whether a block's count or for_each makes none of it; None where the files do not tell."""
    repetition = block.expression("for_each") or block.expression("count")
    if folder.call and folder.call.may_be_absent:
        return None
    return is_none(repetition, folder) if repetition else False


def foreign_calls(folder: Folder) -> Iterator[Block]:
    """Yield the calls of modules that are in another repository."""
    return (block for block in _calls(folder) if not source_of(block).startswith(LOCAL))


def source_of(block: Block) -> str:
    """The source of a module call; "" where it is not a plain text."""
    source = block.expression("source")
    return source.name if source and source.kind == "string" else ""


def _calls(folder: Folder) -> Iterator[Block]:
    return (block for block in folder.of_type("module") if block.labels and block.attributes)


def _target(block: Block) -> Path | None:
    """The folder that a call names; None for one of another repository."""
    source = source_of(block)
    return target(block.attributes[0].file.path.parent, source) if source.startswith(LOCAL) else None


def _home(file: SourceFile, paths: Mapping[str, None]) -> str:
    """The nearest folder above a file that has *.tf files; "" for none."""
    return next((str(above) for above in Path(file.path).parents if str(above) in paths), "")
