"""Whose Terraform's files are: an environment's, another one's, or every one's, by their names and what calls them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

from omc_runbook.model.environment_names import aliases, canonical
from omc_runbook.model.errors import UsageError
from omc_runbook.terraform import root_folders, variable_files
from omc_runbook.terraform.files import called_folders, is_terraform, with_callers
from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_folder import SOURCES, VALUES, Folder, parse, values_of
from omc_runbook.terraform.hcl_json import JSON
from omc_runbook.terraform.root_folders import is_called
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
    return {name for name in environments if is_called(path.parent, name)}


def without_data_of_others(
    files: Collection[SourceFile], environment: str, environments: Collection[str]
) -> tuple[SourceFile, ...]:
    """The files without those of data and the templates that are another environment's by their names.

    So is env/prod.yaml where env/staging.yaml is the environment's own, whatever expression reads one of them, or
    env/qa/keys.yaml where env/staging/keys.yaml is, in whatever folder of env/qa and env/staging they are.
    """

    def names_in(path: Path) -> set[str]:
        return variable_files.named_after(path, {*environments, environment})

    paths = {file: Path(file.name) for file in files if not is_terraform(file.name)}
    names = {file: names_in(path) for file, path in paths.items()}

    def names_by_place(file: SourceFile) -> dict[Path, set[str]]:
        """What a file, and each folder that it is in, is named after, by the folder that has it."""
        path = paths[file]
        found = {each.parent: names_in(Path(each.name, "-")) for each in path.parents if each.name}
        in_name = names_in(Path(path.name))
        return found | {path.parent: in_name} | {path.parent if in_name else path.parent.parent: names[file]}

    places = {file: names_by_place(file) for file in paths}
    own = {place for each in places.values() for place, named in each.items() if environment in named}

    def is_of_another(file: SourceFile) -> bool:
        named_elsewhere = (place for place, named in places.get(file, {}).items() if named and environment not in named)
        return environment not in names.get(file, ()) and not own.isdisjoint(named_elsewhere)

    return tuple(file for file in files if not is_of_another(file))


def without_members_of_others(file: SourceFile, environment: str, environments: Collection[str]) -> SourceFile:
    """A file of HCL with blanks for what members have that are another environment's by their names, beside its own.

    So is production = ["A"] in a map where staging = ["B"] is the environment's, whatever expression chooses one.
    """
    own, others = aliases(environment), {name for each in environments if each != environment for name in aliases(each)}
    members = [
        member
        for object_ in _objects_of(file)
        if any(each.name.casefold() in own for each in object_.parts)
        for member in object_.parts
        if member.name.casefold() in others - own
    ]
    if not members:
        return file
    hidden = {at for each in members for at in range(each.value.start, each.value.end)}
    text = "".join(" " if at in hidden and each != "\n" else each for at, each in enumerate(file.text))
    return replace(file, raw=text.encode())


def _objects_of(file: SourceFile) -> Iterator[Node]:
    """Yield the objects in all expressions of a file of HCL; none of one that is not valid, or of another kind."""
    if file.name.endswith(JSON) or not file.name.endswith((*SOURCES, VALUES[0])):
        return
    try:
        blocks, nodes = [*parse(file)], [*values_of(file)] if file.name.endswith(VALUES[0]) else []
    except UsageError:
        return
    for block in blocks:
        blocks += block.blocks
        nodes += block.attributes
    for node in nodes:
        nodes += node.parts
        if node.kind == "object":
            yield node


class FileOwners:
    """Whose Terraform's files are, for one environment: by their names, and of a module by what calls it.

    Files and folders have the names that they have within the checkout.
    """

    def __init__(
        self, files: tuple[SourceFile, ...], environment: str, environments: Collection[str], calls: Calls
    ) -> None:
        self.environment, self._environments = environment, {*environments, environment}
        self._folders = {Path(file.name).parent for file in files if file.name.endswith(SOURCES)}
        self._values = [Path(file.name) for file in files if file.name.endswith(VALUES)]
        self.other_values, unclear_values = _values_of_others(files, environment)
        """The files of values that are of others by what stands beside them."""
        self._shared_values = variable_files.shared_files(self._values, self._environments, environment)
        self.unclear_values = unclear_values | {path.as_posix() for path in self._shared_values}
        """Those that may be of others, and may be this one's."""
        targets, names = _calls_by_folder(files, calls)
        self.modules = {folder for called in targets.values() for folder in called}
        """The folders that another one calls, so that Terraform is not applied there."""
        callers = {folder: with_callers(targets, {folder}) - self.modules for folder in self._folders}
        self._applied_in = callers
        """By folder those that Terraform is applied in for it."""
        self._callers = {module: callers[module] for module in self._folders & self.modules}
        """By module the folders that Terraform is applied in and that call it, directly or through others."""
        self._roots = {root: frozenset(names[root]) for root in set[Path]().union(*callers.values())}
        self._every_root = targets.keys() - self.modules
        self._examples = root_folders.examples(self._every_root, self._environments, self.modules)

    def applies(self, name: str) -> bool:
        """Whether no name says that a file is another environment's; a module's does not where this one calls it.

        Values that Terraform reads by itself in a folder are of that folder, whatever that is called.
        """
        path = Path(name)
        is_of_folder = path.parent in self._folders and name.endswith(VALUES) and is_automatic(path)
        is_called = not self._own_modules.isdisjoint(path.parents)
        name = f"{path.parent}/main.tf" if is_of_folder else name
        is_named = applies_to(name, self.environment, self._environments) or path in self._shared_values
        return is_called or is_named

    def may_be_of_another(self, name: str) -> bool:
        """Whether a file is another environment's by its name or its folder's, or nothing tells whose it is.

        That is so of values, where several files have the environment's word, and where Terraform has no other folder.
        """
        return not self.applies(name) or name in self.unclear_values or Path(name).parent in self.other_folders

    def applied_for(self, folder: Path) -> set[Path]:
        """The folders that Terraform is applied in for the environment, for the files of a folder."""
        roots = self._applied_in.get(folder, set()) - self.other_folders
        return {root for root in roots if self.applies((root / "main.tf").as_posix())}

    def own_values(self, names: Collection[str]) -> tuple[str, ...]:
        """Of files of values those that an apply has to name for the environment, its own after those for all.

        Those that Terraform reads by itself are left out, and all where one of them may be another environment's.
        """
        named = [name for name in names if not is_automatic(Path(name)) and name not in self.other_values]
        own = [*filter(self.applies, named)]
        is_own = {name: bool(named_after(name, {self.environment})) for name in own}
        is_clear = any(is_own.values()) and not any(map(self.may_be_of_another, own))
        return tuple(sorted(own, key=lambda name: (is_own[name], name))) if is_clear else ()

    def examples_with(self, name: str) -> set[Path]:
        """The examples that Terraform is applied in for a file of theirs; none where it is applied elsewhere too."""
        folder = next((each for each in Path(name).parents if each in self._applied_in), None)
        roots = self._applied_in[folder] if folder in self._examples else set[Path]()
        return roots if roots <= self._examples else set()

    @cached_property
    def other_folders(self) -> set[Path]:
        """The folders that are another environment's, or may be; so is a module that these alone call."""
        unclear = root_folders.unclear(self._roots, self._values, self.environment) - self._beside_own
        modules = (each for each, callers in self._callers.items() if callers and callers <= self._other_callers)
        # What all regions call, the environment calls, whichever of them it is.
        return self._other_roots | {each for each in modules if not unclear or not unclear <= self._callers[each]}

    @cached_property
    def _other_roots(self) -> set[Path]:
        return self._beside_own | root_folders.of_others(self._roots, self._values, self.environment)

    @cached_property
    def _beside_own(self) -> set[Path]:
        return root_folders.beside_own(self._roots, self._every_root, self.environment)

    @cached_property
    def _other_callers(self) -> set[Path]:
        """The folders whose calls are other environments'; those of examples are nobody's."""
        others = {
            root for root in self._roots if not applies_to(f"{root}/main.tf", self.environment, self._environments)
        }
        return (self._other_roots | others) - self._examples

    @cached_property
    def _own_modules(self) -> set[Path]:
        """The modules that a folder calls which is named after the environment."""
        own = {root for root in self._roots.keys() - self._other_callers if is_called(root, self.environment)}
        return {module for module, callers in self._callers.items() if callers & own}


def _calls_by_folder(files: Collection[SourceFile], calls: Calls) -> tuple[dict[Path, set[Path]], dict[Path, set[str]]]:
    """Which folders each folder calls, and the names of its files, also of those that `calls` alone has."""
    targets, names = dict[Path, set[Path]](), dict[Path, set[str]]()
    sources = {
        file.path: called_folders((file,)) for file in files if file.name.endswith(SOURCES) and file.path not in calls
    }
    for path, called in {**sources, **calls}.items() if files else ():
        first = next(iter(files))
        folder, *others = (_name_beside(each, first) for each in (path.parent, *called))
        targets.setdefault(folder, set()).update(others)
        names.setdefault(folder, set()).add(path.name)
    return targets, names


def _name_beside(folder: Path, file: SourceFile) -> Path:
    """The name of a folder within the checkout, in which a file has its own."""
    return Path(os.path.normpath(Path(file.name).parent / os.path.relpath(folder, file.path.parent)))


@lru_cache(maxsize=32)
def _values_of_others(files: tuple[SourceFile, ...], environment: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of files of values that are of others by what stands beside them, and of those that may be."""
    environment, folders = canonical(environment), {each.path.parent for each in files if each.name.endswith(SOURCES)}
    readable = [each for each in files if each.name.endswith(VALUES) and not Folder((each,)).unreadable]
    values = {Path(file.name): values_of(file) for file in readable}
    tables = {path: {each.name: each.value.name for each in own if each.value.name} for path, own in values.items()}
    others, unclear = variable_files.of_others(environment, tables)
    automatic = {Path(each.name) for each in readable if is_automatic(each.path) and each.path.parent in folders}
    names = {path: frozenset(each.name for each in values[path]) for path in values.keys() - automatic}
    more, may_be = _called_as_others(environment, names, others | unclear)
    all_others, all_unclear = ({each.as_posix() for each in paths} for paths in (others | more, unclear | may_be))
    return frozenset(all_others), frozenset(all_unclear)


def _called_as_others(
    environment: str, names: Mapping[Path, frozenset[str]], known: Collection[Path]
) -> tuple[set[Path], set[Path]]:
    """The files of values that are called as another environment's folder in `root_folders`, and those that may be.

    `names` has the variables of each, and `known` are those that are judged already. What all share, as common.tfvars,
    is another's only where the environment has its variables in a file of its own.
    """
    stems = {variable_files.without_ending(path): path for path in names}
    called = {
        stems[each]
        for each in root_folders.of_others({each: names[path] for each, path in stems.items()}, (), environment)
    }
    found = called.difference(known)
    same = {names[path] for path in found}
    own = {
        path
        for path in names.keys() - called
        if environment in variable_files.named_after(path, {environment}) or names[path] in same
    }
    replaced = {path for path in found if any(names[path] <= names[each] for each in own)}
    of_all = variable_files.for_all(found) - replaced
    is_certain = own or (of_all and all(map(variable_files.environment_of, found - of_all)))
    return (found - of_all, set()) if is_certain else (set(), found)
