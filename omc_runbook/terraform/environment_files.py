"""Whose Terraform's files are: an environment's, another one's, or every one's, by their names and what calls them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

from omc_runbook.model.environment_names import aliases, canonical, is_spelled
from omc_runbook.terraform import root_folders, variable_files
from omc_runbook.terraform.files import called_folders, with_callers
from omc_runbook.terraform.hcl_folder import SOURCES, VALUES, Folder, values_of
from omc_runbook.terraform.variable_files import is_automatic
from omc_runbook.textfile.file import SourceFile

Calls = Mapping[Path, Collection[Path]]
"""The folders that each file calls as modules."""


def applies_to(file: str, environment: str, environments: Collection[str]) -> bool:
    """Whether a file applies to an environment: neither a folder of it nor a .tfvars is named after another."""
    return environment in (names := named_after(file, {*environments, environment})) or not names


def named_after(file: str, environments: Collection[str]) -> set[str]:
    """The environments that a folder of a file, or a .tfvars file, is named after, in full or in short."""
    path = Path(file)
    if path.name.endswith(VALUES):
        return variable_files.named_after(path, environments)
    return {
        name
        for name in environments
        if any(is_spelled(part, word) for part in path.parent.parts for word in (name, *aliases(name)))
    }


class FolderOwners:
    """Whose the folders with Terraform's own files are: by their names, and of a module by what calls it."""

    def __init__(
        self, files: Collection[SourceFile], environment: str, environments: Collection[str], calls: Calls
    ) -> None:
        self._environment, self._environments = environment, environments
        sources = [file for file in files if file.name.endswith(SOURCES)]
        self.with_code = {file.path.parent: Path(file.name).parent for file in sources}
        """The folders, and their names within the checkout."""
        targets, names = dict[Path, set[Path]](), dict[Path, set[str]]()
        for path, called in {**{file.path: called_folders((file,)) for file in sources}, **calls}.items():
            targets.setdefault(path.parent, set()).update(called)
            names.setdefault(path.parent, set()).add(path.name)
        self.called = {folder for each in targets.values() for folder in each}
        """The folders that are modules, so that Terraform is not applied there."""
        above = {folder: with_callers(targets, {folder}) - self.called for folder in self.with_code}
        tops = {folder: _name_beside(folder, self.with_code) for folder in {*targets} & set().union(*above.values())}
        values = [Path(file.name) for file in files if file.name.endswith(VALUES)]
        roots = {name: frozenset(names[folder]) for folder, name in tops.items()}
        self.of_others = root_folders.of_others(roots, values, environment)
        """The names of those that are another environment's, or may be; so is a module that these alone call."""
        self._own_modules = set[Path]()
        others = {name for name in roots if name in self.of_others or not self.applies(f"{name}/main.tf")}
        every = {_name_beside(folder, self.with_code) for folder in targets.keys() - self.called if self.with_code}
        others -= root_folders.examples(every, {*environments, environment})
        for folder in self.with_code.keys() & self.called:
            callers = {tops[each] for each in above[folder]}
            if any(named_after(f"{each}/main.tf", {environment}) for each in callers - others):
                self._own_modules.add(self.with_code[folder])
            if callers and callers <= others:
                # What all regions call, the environment calls, whichever of them it is.
                unclear = root_folders.unclear(roots, values, environment)
                self.of_others |= set() if unclear and unclear <= callers else {self.with_code[folder]}

    def name_of(self, file: SourceFile) -> str:
        """A file's name; of values that Terraform reads by itself in one of the folders, that of a file beside them.

        They are of the folder that they are in, whatever that is called.
        """
        is_beside = file.path.parent in self.with_code and file.name.endswith(VALUES) and is_automatic(file.path)
        return f"{Path(file.name).parent}/main.tf" if is_beside else file.name

    def applies(self, file: str) -> bool:
        """Whether no name says that a file is another environment's; a module's does not where this one calls it."""
        is_called = not self._own_modules.isdisjoint(Path(file).parents)
        return is_called or applies_to(file, self._environment, self._environments)


def _name_beside(folder: Path, names: Mapping[Path, Path]) -> Path:
    """The name of a folder within the checkout, in which others have theirs."""
    known, name = next(iter(names.items()))
    return Path(os.path.normpath(name / os.path.relpath(folder, known)))


@lru_cache(maxsize=32)
def values_of_others(files: tuple[SourceFile, ...], environment: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of files of values that are of others by what stands beside them, and of those that may be.

    That is so of several with the environment's word, and of one that is called as a folder in `root_folders` is. What
    all share, as common.tfvars, is another's only where the environment has its variables in a file of its own.
    """
    environment, applied = canonical(environment), {each.path.parent for each in files if each.name.endswith(SOURCES)}
    tables, names = dict[Path, dict[str, str]](), dict[Path, frozenset[str]]()
    for file in files:
        if file.name.endswith(VALUES) and not Folder((file,)).broken:
            values = values_of(file)
            tables[Path(file.name)] = {each.name: each.value.name for each in values if each.value.name}
            if not (is_automatic(file.path) and file.path.parent in applied):
                names[Path(file.name)] = frozenset(each.name for each in values)
    others, unclear = variable_files.of_others(environment, tables)
    called = {variable_files.without_ending(path): path for path in names}
    found = root_folders.of_others({name: names[path] for name, path in called.items()}, (), environment)
    by_folder = {called[name] for name in found} - others - unclear
    same = {names[path] for path in by_folder}
    own = {
        path
        for path in names.keys() - {called[name] for name in found}
        if environment in variable_files.named_after(path, {environment}) or names[path] in same
    }
    replaced = {path for path in by_folder if any(names[path] <= names[each] for each in own)}
    of_all = variable_files.for_all(by_folder) - replaced
    if own or (of_all and all(map(variable_files.environment_of, by_folder - of_all))):
        others |= by_folder - of_all
    else:
        unclear |= by_folder
    return frozenset(each.as_posix() for each in others), frozenset(each.as_posix() for each in unclear)
