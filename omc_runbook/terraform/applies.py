"""The folders that Terraform is applied in, with the files that an apply may name, and how it is for an environment."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.hcl_folder import VALUES
from omc_runbook.terraform.stacks import fits, modules_of_units
from omc_runbook.terraform.variable_files import for_all
from omc_runbook.textfile.file import SourceFile


@dataclass(frozen=True)
class RootFolder:
    """A folder that Terraform may be applied in."""

    files: tuple[SourceFile, ...] = field(repr=False)
    values: tuple[SourceFile, ...] = field(repr=False)
    """The files of variables' values that are for this folder, of whichever environment."""
    is_unit: bool
    """Whether Terragrunt applies it."""


@dataclass(frozen=True)
class Apply:
    """How Terraform is applied for an environment."""

    folder: Path
    """Within the checkout."""
    workspace: str
    """The one to select; "" where its names do not depend on it."""
    values: tuple[str, ...]
    """The files of values to name, from the folder; without those that Terraform reads by itself."""

    @property
    def is_in_module(self) -> bool:
        """Whether the folder is a module's that nothing calls, so that what applies it is not read."""
        return "modules" in self.folder.parts


class RootFolders:
    """The folders that Terraform may be applied in for some folders: those, and what calls them; read when asked."""

    def __init__(self, files: TerraformFiles, folders: Collection[Path]) -> None:
        self._files = files
        self._folders = folders

    def of(self, folder: Path) -> RootFolder | None:
        """The one with this path within the checkout; None where it is not among them."""
        return self._by_path.get(folder)

    @cached_property
    def _by_path(self) -> dict[Path, RootFolder]:
        files = self._files
        tops = {Path(top) for folder in self._folders for top in files.roots_of((folder / "main.tf").as_posix())}
        values = [file for folder in files.walk() for file in files.files_ending(folder, VALUES)] if tops else []
        units = {unit.directory for unit in modules_of_units(files)} if tops else set[Path]()
        found = dict[Path, RootFolder]()
        for top in {*tops, *self._folders}:
            folder = files.folder(files.root / top)
            # What several folders share sets variables of others too.
            common = [file for file in values if top.as_posix() in files.roots_of(file.name) and for_all({file.path})]
            own = (file for file in values if file in common or fits(files, file.path, folder.path, folder))
            found[top] = RootFolder(folder.files, tuple(own) if folder.files else (), files.root / top in units)
        return found
