"""The environments of a checkout: the folders that Terraform is run in, each with its variables' values."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from omc_runbook.model.environment import PRODUCTION, TABLE_NAME
from omc_runbook.model.environment_names import (
    ALIASES,
    OTHERS,
    STAGING,
    aliases,
    canonical,
    environment_in,
    numbered_environment_in,
)
from omc_runbook.model.grouping import grouped
from omc_runbook.terraform import terragrunt
from omc_runbook.terraform.evaluation import Instance, Module, Stack
from omc_runbook.terraform.expressions import Result
from omc_runbook.terraform.files import COMMENT, TerraformFiles, called_folders
from omc_runbook.terraform.hcl import read_valid_attributes
from omc_runbook.terraform.hcl_folder import SOURCES, VALUES, Folder
from omc_runbook.terraform.marks import IN, is_known
from omc_runbook.terraform.terragrunt import Configuration
from omc_runbook.terraform.variable_files import (
    ENVIRONMENT_VARIABLES,
    environment_of,
    files_by_environment,
    is_automatic,
    is_regional,
)

_UNUSED = frozenset({"examples", "example", "tests", "test", "bootstrap"})
_PLACES = ("bucket", "key", "container_name", "storage_account_name")
"""What a backend and a terraform_remote_state say of where a state is."""

_SOURCE = re.compile(r"^\s*source\s*=", re.MULTILINE)
_INTERESTING = re.compile(r"aws_secretsmanager_secret|ecs|secrets-manager")


@dataclass(frozen=True, kw_only=True)
class Root:
    """One folder that Terraform is run in, with the values for one environment."""

    environment: str
    label: str
    """Its path within the checkout, with its variables' files."""
    module: Module = field(repr=False)
    assumptions: tuple[str, ...] = ()
    """What is not in the checkout and was assumed, in sentences."""
    is_shared: bool = False
    """Whether the folder has the resources of several environments, of which `instances` gives this one's."""


def find_roots(repository: Path, environment: str) -> tuple[Root, ...]:
    """The folders that create ECS services or secrets, for an environment, or for each that the checkout shows.

    Reads text alone: nothing is run, and no state is read. A folder that names no environment stands for the one that
    is asked for, or for staging and production, unless the names of its resources mean another.
    """
    files = TerraformFiles(repository)
    everywhere = [*files.walk()]
    folders = files.folders
    described = _described(everywhere)
    # Positions are shorter below the folder that has all of Terraform's files.
    if folders:
        files.base = Path(os.path.commonpath([*folders, *described])).relative_to(files.root).as_posix()
    units = terragrunt.read_units(files, described)
    called = files.called_folders | {module.directory for _, module in units}
    tops = [folder for folder in folders if folder not in called and _concerns(files, folder, set())]
    values = [path for folder in everywhere for path in sorted(folder.iterdir()) if path.name.endswith(VALUES)]
    roots = tuple(root for top in tops for root in _roots_of(files, top, values, environment))
    roots += tuple(_unit(files, *unit) for unit in units if _concerns(files, unit[1].directory, set()))
    # What is called otherwise is in no runbook.toml, and its cluster not in AWS.
    with_table_name = (root for root in roots if re.fullmatch(TABLE_NAME, root.environment))
    return tuple(root for root in with_table_name if environment in ("", root.environment))


def modules_of_units(files: TerraformFiles) -> tuple[Module, ...]:
    """The modules that Terragrunt's units apply."""
    return tuple(module for _, module in terragrunt.read_units(files, _described(files.walk())))


def unknown_units(files: TerraformFiles) -> tuple[str, ...]:
    """A sentence on each unit of Terragrunt whose names are not known.

    Its module is not in the checkout, or nothing says which environment it is of, as where a stack gives it values.
    """
    folders = _described(files.walk())
    units = terragrunt.read_units(files, folders)
    directories = {configuration.directory for configuration, _ in units}
    why = {
        folder: "takes no module of the checkout"
        for folder in folders
        if folder not in directories and any(_SOURCE.search(each.text) for each in files.find(folder, "*.hcl"))
    }
    why |= {
        unit[0].directory: "names no environment"
        for unit in units
        if not _unit(files, *unit).environment and _concerns(files, unit[1].directory, set())
    }
    return tuple(
        f"{_relative(folder, files)}/{terragrunt.FILE_NAME} {reason}: its names are not known."
        for folder, reason in why.items()
    )


def _described(folders: Iterable[Path]) -> list[Path]:
    """Those that have a terragrunt.hcl."""
    return [folder for folder in folders if (folder / terragrunt.FILE_NAME).is_file()]


def _concerns(files: TerraformFiles, folder: Path, visited: set[Path]) -> bool:
    """Whether a folder, or a module that it calls, is about ECS or secrets."""
    if folder in visited or not files.contains(folder) or {*folder.relative_to(files.root).parts} & _UNUSED:
        return False
    visited.add(folder)
    blocks = files.folder(folder).blocks
    texts = [block.labels[0] for block in blocks if block.type in ("resource", "data") and block.labels]
    texts += [each.source for block in blocks if block.type == "module" and (each := block.expression("source"))]
    if any(_INTERESTING.search(text) for text in texts):
        return True
    return any(_concerns(files, target, visited) for target in called_folders(files.folder(folder).files))


def _roots_of(files: TerraformFiles, top: Path, values: list[Path], environment: str) -> Iterator[Root]:
    folder = files.folder(top)
    automatic = [path for path in values if path.parent == top and is_automatic(path)]
    pairs = (
        (name, path)
        for path in values
        if path not in automatic and (name := environment_of(path.relative_to(files.root)))
    )
    by_environment = grouped((name, path) for name, path in pairs if fits(files, path, top, folder))
    for group, all_paths in by_environment.items():
        tables = {path: {name: value().value for name, value in _values(files, path).items()} for path in all_paths}
        for name, paths in files_by_environment(group, tables).items():
            yield _root(files, top, name, [*automatic, *paths])
    if by_environment:
        return
    plain = _root(files, top, "", automatic)
    name = _declared_environment(plain.module) or _environment_of_folder(top, files)
    if name:
        yield _root(files, top, canonical(name), automatic)
        if environment not in ("", canonical(name)) and _takes_another(files, top, automatic):
            yield _root(files, top, environment, automatic, is_assumed=True)
        return
    several = sorted({found for each in plain.module.instances() if (found := _environment_of_instance(each))})
    if len(several) > 1:
        yield from (replace(plain, environment=each, is_shared=True) for each in several)
        return
    environments = sorted({canonical(key) for key in _workspaces(folder)}) or [STAGING, PRODUCTION]
    for each in [environment] if environment else environments:
        root = _root(files, top, each, automatic, is_assumed=True)
        if not _is_of_another(root):
            yield root


def _environment_of_folder(folder: Path, files: TerraformFiles) -> str:
    """The environment that a folder's path names, "" for none; prod-eu beside prod is one of its own."""
    environment = numbered_environment_in(folder.relative_to(files.root).as_posix())
    above = [each for each in (folder, *folder.parents) if each.is_relative_to(files.root) and each != files.root]
    named = next((each for each in above if numbered_environment_in(each.name) == environment), None)
    if named is None or canonical(named.name) == environment or not is_regional(named.name, environment):
        return environment
    beside = (each for each in named.parent.iterdir() if each != named and is_regional(each.name, environment))
    return named.name if any(_has_code(each, files) for each in beside) else environment


def _has_code(folder: Path, files: TerraformFiles) -> bool:
    """Whether a folder, or one below it, is Terraform's or Terragrunt's."""
    below = files.walk(folder.relative_to(files.root).as_posix())
    return any(files.files_ending(each, (*SOURCES, ".hcl")) for each in below)


def _is_of_another(root: Root) -> bool:
    """Whether all names of what a folder creates mean other environments: none of them is this one's then."""
    own = (each for each in root.module.instances() if _INTERESTING.search(each.type))
    mentioned, environment = {_environment_of_instance(each) for each in own} - {""}, environment_in(root.environment)
    return bool(mentioned and environment) and environment not in mentioned


def fits(files: TerraformFiles, path: Path, top: Path, folder: Folder) -> bool:
    """Whether a file gives values to a folder's variables: it declares most, and is near, but not another's own."""
    names = {*_values(files, path)}
    between = {each for each in path.parents if each.is_relative_to(top.parent)} - {top, top.parent}
    for other in map(files.folder, between):
        # One that creates nothing is not applied by itself: it shares its variables, such as through links to them.
        creates = any(block.type in ("resource", "module") for block in other.blocks)
        if creates and any(map(other.declares, names)):
            return False
    # A folder called test may be an environment's.
    is_used = ({*path.parts} - {*top.parts}).isdisjoint(_UNUSED - {"test"})
    declared = {name for name in names if folder.declares(name)}
    is_near = path.is_relative_to(top) or path.parent.parent == top.parent or path.parent == top.parent
    return is_used and bool(declared) and 2 * len(declared) >= len(names) and is_near


def _values(files: TerraformFiles, path: Path) -> dict[str, Callable[[], Result]]:
    """The values in a file of variables, in Terraform's syntax or as JSON, by the variable's name."""
    file = files.file(path)
    if file is None:
        return {}
    if path.name.endswith(".json"):
        try:
            table = json.loads(file.text)
        except ValueError:
            return {}
        pairs = table.items() if isinstance(table, dict) else ()
        return {str(name): partial(Result, value, (f"{file.name}:1",)) for name, value in pairs}
    # Constants need no module's files.
    module = Module(Stack(files, path.parent, ""), path.parent, Folder(()), {})
    return {member.name: partial(module.result, member.value) for member in read_valid_attributes(file)}


def _unit(files: TerraformFiles, configuration: Configuration, module: Module) -> Root:
    """A folder of Terragrunt."""
    unit = configuration.directory
    declared = _declared_environment(configuration) or _declared_environment(module)
    return Root(
        environment=_environment_of_folder(unit, files) or canonical(declared),
        label=_relative(unit, files),
        module=module,
    )


def _root(files: TerraformFiles, top: Path, environment: str, paths: list[Path], is_assumed: bool = False) -> Root:
    spelled = spelling(files.folder(top), environment)
    stack = Stack(files, top, spelled)
    inputs: dict[str, Callable[[], Result]] = {}
    for path in paths:
        inputs |= _values(files, path)
    assumptions = []
    if environment:
        for name in ENVIRONMENT_VARIABLES:
            if is_assumed and name not in inputs and files.folder(top).declares(name):
                inputs[name] = partial(Result, spelled)
                assumptions.append(f"Variable {name} has no value in the checkout: {spelled} is assumed.")
        if is_assumed and not assumptions:
            what = f"The workspace {spelled} is assumed." if uses_workspace(files.folder(top)) else ""
            assumptions.append(what or f"No file names an environment: the names are taken for {environment}'s.")
    where, values = _relative(top, files), ", ".join(_relative(path, files) for path in paths)
    return Root(
        environment=environment,
        label=f"{where} with {values}" if values else where,
        module=Module(stack, top, files.folder(top), inputs, f"{where}{IN}"),
        assumptions=tuple(assumptions),
    )


def _relative(path: Path, files: TerraformFiles) -> str:
    return Path(os.path.relpath(path, files.root / files.base)).as_posix()


def _takes_another(files: TerraformFiles, top: Path, automatic: list[Path]) -> bool:
    """Whether a folder's environment is a variable's default, which a pipeline may override."""
    folder = files.folder(top)
    values = {name for path in automatic for name in _values(files, path)}
    return any(folder.declares(name) and name not in values for name in ENVIRONMENT_VARIABLES)


def _environment_of_instance(instance: Instance) -> str:
    """The environment of a resource by its module's variables, by its address, or by its name; "" for none."""
    declared = _declared_environment(instance.module)
    if declared:
        return canonical(declared)
    found = environment_in(instance.label) or environment_in(instance.text("name"))
    return found if found in ALIASES.values() else ""


def _declared_environment(module: Module) -> str:
    """The environment that a folder's own variables or local values name; "" for none."""
    found = filter(None, map(module.known, ENVIRONMENT_VARIABLES))
    return next((str(result.value) for result in found), "")


def uses_workspace(folder: Folder) -> bool:
    """Whether a folder's files, apart from their comments, depend on the workspace."""
    return any("terraform.workspace" in COMMENT.sub("", file.text) for file in folder.files)


def _workspaces(folder: Folder) -> frozenset[str]:
    """The names of environments among the keys of objects that a folder indexes by its workspace."""
    if not uses_workspace(folder):
        return frozenset()
    return frozenset(
        part.name
        for member in folder.locals
        if member.value.kind == "object"
        for part in member.value.parts
        if part.name.casefold() in ALIASES or part.name.casefold() in OTHERS
    )


def spelling(folder: Folder, environment: str) -> str:
    """What an environment is called by its workspace and its variables: the alias that the folder's files spell."""
    if not environment:
        return ""
    text, keys = "\n".join(file.text for file in folder.files), _workspaces(folder)
    words = (environment, *sorted(aliases(environment)))
    # A workspace has the name of its key, even if the environment has another name elsewhere.
    for alias in [word for word in words if word in keys] or words:
        if re.search(rf'(?m)"{re.escape(alias)}"|^\s*{re.escape(alias)}\s*=', text):
            return alias
    return environment


def unreadable_files(files: TerraformFiles) -> tuple[str, ...]:
    """A sentence on each *.tf file of a checkout that is not valid, whose names are therefore not known."""
    errors = {str(error) for folder in files.folders for error in files.folder(folder).unreadable.values()}
    return tuple(sorted(errors))


def connect(roots: tuple[Root, ...]) -> None:
    """Let the folders of one environment find each other's outputs, as terraform_remote_state does."""
    for root in roots:
        others = [other.module for other in roots if other is not root and other.environment == root.environment]

        def output(config: Mapping[str, Any], name: str, others: list[Module] = others) -> Any:
            backend = {key: value for key, value in config.items() if key in _PLACES and is_known(value)}
            found = [
                result.value
                for module in others
                if not _is_elsewhere(module, backend) and (result := module.output(name))
            ]
            return found[0] if len(found) == 1 else None

        root.module.stack.outputs = output


def _is_elsewhere(module: Module, backend: Mapping[str, Any]) -> bool:
    """Whether a folder's backend says that its state is not in this place."""
    for block in (inner for outer in module.folder.of_type("terraform") for inner in outer.blocks):
        members = block.attributes if block.type == "backend" else ()
        own = {member.name: module.value(member.value) for member in members if member.name in backend}
        if any(is_known(value) and value != backend[name] for name, value in own.items()):
            return True
    return False


def instances(root: Root) -> tuple[Instance, ...]:
    """Everything that a root creates or looks up for its environment."""
    found = root.module.instances()
    if not root.is_shared:
        return found
    return tuple(each for each in found if _environment_of_instance(each) in ("", root.environment))
