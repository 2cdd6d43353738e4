"""Terraform's ECS task definitions: each container's variables, and the key of the secret that each has."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

from omc_runbook.model.letters import whole_words
from omc_runbook.terraform.applies import Apply, RootFolders
from omc_runbook.terraform.container import TerraformContainer
from omc_runbook.terraform.containers import DEFINITION, depends_on_callers, find_containers, loop_over_secret
from omc_runbook.terraform.environment_files import Calls, FileOwners, named_after
from omc_runbook.terraform.files import COMMENT, LOCAL, TEMPLATES, TerraformFiles, is_terraform, target, with_callers
from omc_runbook.terraform.hcl_folder import SOURCES, VALUES, Folder
from omc_runbook.terraform.hcl_template import fits, is_literal
from omc_runbook.terraform.modules import source_of
from omc_runbook.terraform.stacks import spelling, uses_workspace
from omc_runbook.textfile.file import SourceFile

MODULE = Path("infrastructure/terraform/modules/ecs")
ROOTS = ("infrastructure", ".")
"""Where task definitions are searched if that folder has none."""

RESOURCE = re.compile(rf'^\s*resource\s+"?{DEFINITION}\b|"{DEFINITION}"\s*:', re.MULTILINE)
_FOREIGN = re.compile(r'(?:^\s*source\s*=|"source"\s*:)\s*"(?!\.\.?/)', re.MULTILINE)
_TAKES_SECRETS = re.compile(
    r"valueFrom|value_from|^\s*(?:\w*_)?secrets\s*=|^\s*\w*secret_\w+\s*=\s*[\[{]"
    r'|"(?:\w*_)?secrets"\s*:|"\w*secret_\w+"\s*:\s*[\[{]',
    re.MULTILINE,
)
_HOLDS = re.compile(r"containerDefinitions|container_definitions|\bvalueFrom\b")
_HOLDS_IN_HCL = re.compile(
    rf"""{_HOLDS.pattern}|\bvalue_from\b|^\s*container_(?:image|environment|secrets)\s*="""
    r"""|^\s*source\s*=\s*"(?!\.)(?=[^"]*(?:ecs|fargate))[^"]*(?:service|task|container|app|web)"""
)
"""A line that only a definition, or the call of a module that makes one, has; a module of a cluster has none."""
_INITIAL = re.compile(r'\s*(?:resource\s+"aws_secretsmanager_secret_version"|variable)\b')
_VARIABLE, _LOOPED = re.compile(r'\s*variable\s+"([\w-]+)"'), re.compile(r"\bin\s+(?:\w+\()*var\.([\w-]+)")
"""A block that declares a variable, and a variable that a for expression runs over."""
_INITIAL_VALUE = re.compile(r'^\s*resource\s+"aws_secretsmanager_secret_version"(?s:.*?)(?:^\}|\Z)', re.MULTILINE)
_REPETITION = re.compile(r'^\s*"?(?:count|for_each)"?\s*[=:]', re.MULTILINE)
_DEFINITION = re.compile(r'"containerDefinitions"\s*:')
_PLAIN_NAME = re.compile(r"[\w-]+")
"""A container's name that no program fills in."""
_MODULE_LIST = re.compile(r"\bmodule\.([\w-]+)\.([\w-]*(?:keys|names|secrets|variables|env))\b")
"""What an expression takes of a module that names keys or variables: the module's name, and its output's."""


@dataclass(frozen=True)
class TaskDefinitions:
    """The task definitions in a checkout's Terraform files."""

    containers: tuple[TerraformContainer, ...]
    unreadable: tuple[str, ...]
    """A sentence on each file or definition that could not be read."""
    files: tuple[SourceFile, ...] = field(repr=False)
    """All files of the folders that have a task definition, and of those that give its variables, and templates."""
    other_files: tuple[SourceFile, ...] = field(default=(), repr=False)
    """Files that seem to hold task definitions in a form that is not read, such as a template."""
    are_apart: bool = False
    """Whether they are in JSON alone that no Terraform reads, so that another program registers them."""
    calls: Calls = field(default_factory=dict, repr=False, hash=False)
    """Which folders each of the checkout's files calls as modules, so that Terraform is not applied there."""
    roots: RootFolders | None = field(default=None, repr=False, compare=False)
    """The folders that Terraform may be applied in for the containers."""

    def _called(self, name: str) -> list[TerraformContainer]:
        """The containers that have this name, or may get it."""
        return [each for each in self.containers if each.name == name or fits(each.name, name)]

    def may_hide(self, name: str) -> bool:
        """Whether a container of this name may have references that could not be read."""
        if matches := self._called(name):
            return any(each.other_sources for each in matches)
        return bool(self.unreadable) or not all(is_literal(each.name) for each in self.containers)

    def of_environment(self, environment: str, environments: Collection[str]) -> TaskDefinitions:
        """The same as an environment's own folder and .tfvars give the variables, where not all is clear without.

        What values give that may be another environment's is unknown.
        """
        owners = self.owners(environment, environments)
        files, unclear = without_examples(self.files, owners), owners.unclear_values
        own_files = _applied(files, owners)
        has_own_values = not unclear and {each for each in self.files if each.name.endswith(VALUES)}.issubset(own_files)
        if has_own_values and files == self.files and all(each.is_clear for each in self.containers):
            return self
        own = task_definitions_of(own_files)
        # What only another one's values show is not this one's.
        of_examples = {*task_definitions_of(self.files).unreadable}.difference(task_definitions_of(files).unreadable)
        known = tuple(each for each in self.unreadable if each not in of_examples)
        unreadable = tuple(dict.fromkeys((*known, *own.unreadable)))
        is_known = bool(own.containers) or all(each.may_be_absent for each in self.containers)
        containers = tuple(_without_values(each, unclear) for each in own.containers)
        is_known = is_known or unreadable != known
        return replace(self, containers=containers, unreadable=unreadable) if is_known else self

    def own_containers(self, environment: str, environments: Collection[str]) -> list[TerraformContainer]:
        """The containers without those whose root folder is, or may be, another environment's, or only an example."""
        owners = self.owners(environment, environments)
        needed = _needed_examples(self.containers, owners)
        applied = (each for each in self.containers if owners.applies(each.root))
        own = (each for each in applied if Path(each.root).parent not in owners.other_folders)
        return [each for each in own if not (roots := owners.examples_with(each.root)) or roots & needed]

    def owners(self, environment: str, environments: Collection[str]) -> FileOwners:
        """Whose its files are, for an environment; judged once."""
        known, key = self._owners, (environment, frozenset(environments))
        if key not in known:
            known[key] = FileOwners(self.files, environment, environments, self.calls)
        return known[key]

    @cached_property
    def _owners(self) -> dict[tuple[str, frozenset[str]], FileOwners]:
        return {}

    def apply_of(self, container: TerraformContainer, environment: str, environments: Collection[str]) -> Apply | None:
        """How Terraform is applied for a container; None where no folder, or none alone, is the environment's.

        So it is where Terragrunt applies it.
        """
        called = _folder_of(container)
        folders = self.owners(environment, environments).applied_for(called)
        folder = next(iter(folders), called)
        root, own = (self.roots.of(each) if self.roots else None for each in (folder, called))
        if root is None or len(folders) != 1 or root.is_unit or (own and own.is_unit):
            return None
        owners = FileOwners((*self.files, *root.values), environment, environments, self.calls)
        values = owners.own_values([file.name for file in root.values])
        sources = Folder(tuple(dict.fromkeys((*root.files, *container.folder.files))))
        # A folder of its own needs no workspace to be the environment's.
        depends = uses_workspace(sources) and not named_after(f"{folder}/main.tf", {environment})
        workspace = spelling(sources, environment) if depends else ""
        return Apply(folder, workspace, tuple(Path(os.path.relpath(each, folder)).as_posix() for each in values))

    def mention(self, variable: str, container: str = "") -> str:
        """File and line of a variable that somebody added where it is not read, "" for none; comments do not count.

        Nor does what is read of other containers than `container`, which one whose name is an expression may be.
        """
        return next((f"{name}, line {number}" for name, number in self._mentions(variable, container)), "")

    def place_of(self, variables: Collection[str], container: str) -> str:
        """A sentence on where the first of some variables is that is not read, in one file; "" where one is read."""
        if any(ref.certain for each in self._called(container) for ref in each.references):
            return ""
        for variable in variables:
            places = [*self._mentions(variable, container)]
            numbers = [str(number) for name, number in places if name == places[0][0]]
            if numbers:
                lines = f"lines {', '.join(numbers)}" if len(numbers) > 1 else f"line {numbers[0]}"
                return f"{variable} is in {places[0][0]}, {lines}."
        return ""

    def _mentions(self, variable: str, container: str) -> Iterator[tuple[str, int]]:
        """Yield each file and line."""
        is_read = {
            (ref.element.file.name, ref.element.line)
            for each in self.containers
            if not fits(f"-{each.name}-", f"-{container}-")
            for ref in (*each.references, *each.plain_variables)
            if ref.certain
        }
        word = whole_words([variable])
        texts = (_INITIAL_VALUE.sub("", COMMENT.sub("", file.text)) for file in self.files)
        looped = {name for text in texts for name in _LOOPED.findall(text)}
        for file in dict.fromkeys((*self.files, *self.other_files)):
            is_initial = False
            name_of = _column_of_names(file)
            for number, line in enumerate(file.text.split("\n"), 1):
                # The initial value of the secret names the key too.
                begins = _INITIAL.match(line) and not line.rstrip().endswith("}")
                declared = _VARIABLE.match(line)
                begins = begins and not (declared and declared[1] in looped)
                is_initial = bool(begins) or (is_initial and not line.startswith("}"))
                code = name_of(COMMENT.sub("", line))
                if not is_initial and word.search(code) and (file.name, number) not in is_read:
                    yield file.name, number

    def of_all_keys(self, container: str, key: str) -> str:
        """File and line of the expression that gives a container a key as soon as the secret has it; "" for none."""
        own = self._called(container)
        loops = [loop for each in own if (loop := loop_over_secret(each, key))]
        return f"{loops[0].file.name}, line {loops[0].line}" if loops and len(loops) == len(own) else ""


def read_task_definitions(repository: Path, terraform: TerraformFiles | None = None) -> TaskDefinitions:
    """Read the task definitions of a checkout: those in `MODULE`, else below the first of `ROOTS` that has any.

    Where a part of them is a variable, the folders that call theirs and .tfvars files are read too. Calls of modules of
    other repositories count as task definitions if they take secrets. Raises nothing for files that cannot be read:
    `unreadable` names them. `terraform` are the checkout's files, where other questions are asked of them too.
    """
    terraform = terraform or TerraformFiles(repository)
    for folders in ([terraform.root / MODULE], *(tuple(terraform.walk(root)) for root in ROOTS)):
        files = tuple(file for folder in folders for file in _own_files(terraform, folder))
        unreadable = [error for path, error in terraform.errors.items() if path.parent in folders]
        # An unreadable file of the module may be the one with the task definition, so no other folder is searched.
        if _has_definition(files) or (unreadable and folders == [terraform.root / MODULE]):
            break
    if _is_repeated(terraform, files) or depends_on_callers((*files, *terraform.templates(files))):
        files = _with_callers(terraform, files)
    files = (*files, *terraform.templates(files))
    task_definitions = task_definitions_of(files)
    unreadable += task_definitions.unreadable
    is_whole = bool(task_definitions.containers) and all(each.is_clear for each in task_definitions.containers)
    others = () if is_whole and not unreadable else _find_others(terraform)
    are_apart = bool(others) and not (files or unreadable)
    are_apart = are_apart and all(is_definition(each.name, each.text) for each in others)
    are_apart = are_apart and not _names_any(terraform, others)
    for file in () if task_definitions.containers or unreadable else others:
        line = next(number for number, line in enumerate(file.text.split("\n"), 1) if _seems_to_hold(file.name, line))
        unreadable.append(f"{file.name}, line {line} has containers or their secrets in a form that is not followed.")
    outputs = () if is_whole else tuple(_outputs(terraform, files))
    other_files, calls = (*others, *outputs), terraform.calls_by_file
    own = {path for each in task_definitions.containers for path in (_folder_of(each), Path(each.file).parent)}
    roots = RootFolders(terraform, own)
    return TaskDefinitions(task_definitions.containers, tuple(unreadable), files, other_files, are_apart, calls, roots)


def _folder_of(container: TerraformContainer) -> Path:
    """The folder, within the checkout, in which the chain of calls begins that makes a container."""
    return Path(container.folder.root.files[0].name).parent


def _without_values(container: TerraformContainer, files: Collection[str]) -> TerraformContainer:
    """A container whose references in some files of values are not known, since they may be another environment's."""
    known = tuple(each for each in container.references if each.element.file.name not in files)
    left_out = {each.element.file.name for each in container.references if each not in known}
    return replace(container, references=known, other_sources=(*container.other_sources, *sorted(left_out)))


def is_definition(name: str, text: str) -> bool:
    """Whether a file is the JSON of RegisterTaskDefinition, as a workflow renders and deploys it."""
    return name.endswith(".json") and bool(_DEFINITION.search(text))


def may_have_container(file: SourceFile, container: str) -> bool:
    """Whether a file may have a container: all but the JSON of RegisterTaskDefinition that names others alone."""
    if not is_definition(file.name, file.text):
        return True
    try:
        definition = json.loads(file.text)
    except ValueError:
        # A program may fill it in, or git have a conflict in it.
        return True
    listed = definition.get("containerDefinitions") if isinstance(definition, dict) else None
    containers = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    names = [str(each.get("name") or "") for each in containers]
    return container in names or not names or not all(map(_PLAIN_NAME.fullmatch, names))


def _names_any(terraform: TerraformFiles, others: tuple[SourceFile, ...]) -> bool:
    """Whether a file of Terraform or Terragrunt reads one of these files, or names it, as for a module elsewhere."""
    files = tuple(
        file for folder in terraform.walk() for file in terraform.files_ending(folder, (*SOURCES, *VALUES, ".hcl"))
    )
    code = "\n".join(COMMENT.sub("", file.text) for file in files)
    return not {*others}.isdisjoint(terraform.templates(files)) or any(each.path.name in code for each in others)


def _has_definition(files: tuple[SourceFile, ...]) -> bool:
    return any(RESOURCE.search(file.text) for file in files) or bool(find_containers(files)[0])


def _find_others(files: TerraformFiles) -> tuple[SourceFile, ...]:
    """Terraform files, templates and JSON that seem to hold task definitions."""
    endings = (".tf", ".tofu", *TEMPLATES)
    found = (file for folder in files.walk() for file in files.files_ending(folder, endings))
    return tuple(file for file in found if any(_seems_to_hold(file.name, line) for line in file.text.split("\n")))


def _outputs(terraform: TerraformFiles, files: tuple[SourceFile, ...]) -> Iterator[SourceFile]:
    """Yield the files of the checkout's modules whose outputs lists are made from: all but these values is blank."""
    for folder in map(terraform.folder, dict.fromkeys(file.path.parent for file in files)):
        taken = {names for file in folder.files for names in _MODULE_LIST.findall(file.text)}
        for block in folder.of_type("module"):
            source, names = source_of(block), {output for name, output in taken if name in block.labels}
            if names and source.startswith(LOCAL):
                module = terraform.folder(target(folder.path, source))
                outputs = [each.expression("value") for name in names for each in module.of_type("output", name)]
                reached = module.locals_in("\n".join(each.source for each in outputs if each))
                values = [*filter(None, outputs), *(each.value for each in module.locals if each.name in reached)]
                for file in module.files:
                    kept = {at for each in values if each.file.name == file.name for at in range(each.start, each.end)}
                    text = (each if each == "\n" or at in kept else " " for at, each in enumerate(file.text))
                    yield replace(file, raw="".join(text).encode())


def _column_of_names(file: SourceFile) -> Callable[[str], str]:
    """What gives of a line of CSV the name of a variable, where the first line says in which column that is."""
    header = _cells(file.text.partition("\n")[0].lower()) if file.name.endswith(".csv") else []
    column = next((header.index(each) for each in ("name", "variable") if each in header), None)
    return lambda line: line if column is None else "".join(_cells(line)[column : column + 1])


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error:
        # Of a cell that is longer than Python reads.
        return []


def _seems_to_hold(name: str, line: str) -> bool:
    is_hcl = name.endswith((".tf", ".tofu", ".hcl"))
    is_input = name.endswith(".hcl") and _TAKES_SECRETS.search(line)
    return bool(is_input or (_HOLDS_IN_HCL if is_hcl else _HOLDS).search(COMMENT.sub("", line) if is_hcl else line))


def _is_repeated(terraform: TerraformFiles, files: tuple[SourceFile, ...]) -> bool:
    """Whether a folder that calls theirs has a count or a for_each, which may be the call's."""
    folders = {file.path.parent for file in files}
    callers = with_callers(terraform.calls, folders) - folders
    return any(_REPETITION.search(file.text) for path in callers for file in terraform.folder(path).files)


def _with_callers(terraform: TerraformFiles, files: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
    """The files, those of all folders that call theirs, directly or through others, and the .tfvars beside or below."""
    folders = {file.path.parent for file in files}
    reached = with_callers(terraform.calls, folders)
    added = [file for path in terraform.folders if path in reached - folders for file in terraform.folder(path).files]
    below = (folder for folder in terraform.walk() if any(path in (folder, *folder.parents) for path in reached))
    values = [file for folder in below for file in terraform.files_ending(folder, VALUES)]
    return (*files, *added, *values)


@lru_cache(maxsize=32)
def task_definitions_of(files: tuple[SourceFile, ...]) -> TaskDefinitions:
    """The task definitions in files that are read already."""
    containers, unreadable = find_containers(files)
    return TaskDefinitions(containers, unreadable, files)


def files_of(files: tuple[SourceFile, ...], owners: FileOwners) -> tuple[SourceFile, ...]:
    """The files that apply to an environment; of several folders that nobody calls, those that are named after it.

    `owners` are of the same files, but for the references that were added to these.
    """
    return _applied(without_examples(files, owners), owners)


def _applied(files: tuple[SourceFile, ...], owners: FileOwners) -> tuple[SourceFile, ...]:
    """The same of files without those of examples."""
    environment = owners.environment
    applied = (file for file in files if file.name not in owners.other_values and owners.applies(file.name))
    own_files = tuple(applied) or files
    # A .tfvars does not make the folder that it is for another environment's.
    sources = (file for file in own_files if not file.name.endswith(VALUES))
    own = {file.path.parent.parent for file in sources if named_after(file.name, {environment})}

    def is_sibling(file: SourceFile) -> bool:
        is_root = is_terraform(file.name) and Path(file.name).parent not in owners.modules
        return is_root and file.path.parent.parent in own and not named_after(file.name, {environment})

    rest = tuple(
        each for each in own_files if not is_sibling(each) and Path(each.name).parent not in owners.other_folders
    )
    return rest if any(RESOURCE.search(file.text) or _TAKES_SECRETS.search(file.text) for file in rest) else own_files


def without_examples(files: tuple[SourceFile, ...], owners: FileOwners) -> tuple[SourceFile, ...]:
    """The files without those of examples, which are nobody's, as long as something else has the same containers."""
    examples = {file.name: roots for file in files if (roots := owners.examples_with(file.name))}
    containers = task_definitions_of(files).containers if examples else ()
    if all(owners.examples_with(each.root) for each in containers):
        return files
    needed = _needed_examples(containers, owners)
    return tuple(file for file in files if file.name not in examples or examples[file.name] & needed)


def _needed_examples(containers: Collection[TerraformContainer], owners: FileOwners) -> set[Path]:
    """The examples that alone have a container of its name, which interpolations may give too."""

    def is_same(name: str, other: str) -> bool:
        return name == other or fits(other, name) or fits(name, other)

    examples = [(each.name, owners.examples_with(each.root)) for each in containers]
    others = {name for name, roots in examples if not roots}
    alone = (roots for name, roots in examples if not any(is_same(name, each) for each in others))
    return set[Path]().union(*alone)


def _own_files(files: TerraformFiles, folder: Path) -> tuple[SourceFile, ...]:
    """Terraform's files of a folder; none if they have no task definition."""
    own = files.folder(folder).files
    is_definition = any(RESOURCE.search(file.text) for file in own)
    takes_secrets = any(_FOREIGN.search(file.text) and _TAKES_SECRETS.search(file.text) for file in own)
    return own if is_definition or takes_secrets else ()
