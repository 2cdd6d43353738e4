"""The containers of Terraform's task definitions as syntax nodes, and where a reference can be added to each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from omc_runbook.terraform.hcl import Block, Node
from omc_runbook.terraform.hcl_folder import Folder, describe, find_member
from omc_runbook.terraform.hcl_template import interpolations, is_literal, read_json, split_value_from
from omc_runbook.textfile.file import SourceFile

DEFINITION = "aws_ecs_task_definition"
VARIABLE = "secrets_arn"
"""The Terraform variable of the secret's ARN, if no reference shows another."""
SEVERAL = "it references several secrets equally often"

_LOOP = re.compile(r"\$\{\s*(\w+)\s*\}")


@dataclass(frozen=True, kw_only=True)
class ContainerVariable:
    """A container's variable: its name, its valueFrom, its element, and the list of that."""

    variable: str
    value_from: str
    """As in ${var.secrets_arn}:KEY::; "" for an expression that is not a string."""
    element: Node
    list: Node
    certain: bool
    """Whether it is unconditional."""

    @cached_property
    def base(self) -> str:
        """The expression of the secret's ARN in the valueFrom; "" if it has no key."""
        return split_value_from(self.value_from)[0]

    @cached_property
    def key(self) -> str:
        """The key of the secret's JSON in the valueFrom; "" if it has none."""
        return split_value_from(self.value_from)[1]


@dataclass(frozen=True, kw_only=True)
class TerraformContainer:
    """A container of a task definition, with the syntax nodes of its variables."""

    folder: Folder = field(repr=False)
    definition: str
    """Its address in Terraform: aws_ecs_task_definition.backend."""
    name: str
    node: Node
    """Its object; the last one if it is merged from several."""
    json: bool
    references: tuple[ContainerVariable, ...] = ()
    plain_variables: tuple[ContainerVariable, ...] = ()
    """Those in its environment, of which only the names are used."""
    has_secrets: bool = False
    lists: tuple[Node, ...] = ()
    """The lists that a reference can be added to, the best first; a for expression stands for its list of names."""
    other_sources: tuple[str, ...] = ()
    """Expressions that may add references and cannot be read, in words."""
    base: str = ""
    """The expression of the secret's ARN in its references."""
    obstacle: str = ""
    """Why `add_reference` cannot add a reference, as a clause; "" if it can."""

    @property
    def file(self) -> str:
        """The name of its file."""
        return self.node.file.name

    @property
    def line(self) -> int:
        """The line of its object, counted from 1."""
        return self.node.line

    @property
    def environment(self) -> tuple[str, ...]:
        """The names of its plain variables."""
        return tuple(each.variable for each in self.plain_variables)

    @property
    def address(self) -> tuple[str, str]:
        """Its folder and definition, unique in a checkout."""
        return str(self.node.file.path.parent), self.definition


@dataclass
class _FolderContainers:
    """The containers of one folder, as far as it is read."""

    folder: Folder
    containers: list[TerraformContainer] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    uncertain_locals: set[tuple[str, str]] = field(default_factory=set)
    """Local values used by a definition that was not understood in full, each with that definition."""


def find_containers(files: tuple[SourceFile, ...]) -> tuple[tuple[TerraformContainer, ...], tuple[str, ...]]:
    """Find the containers of all task definitions in files; also gives a sentence on each part not understood."""
    containers: list[TerraformContainer] = []
    unreadable: list[str] = []
    by_folder = sorted(files, key=lambda file: (file.path.parent, file.name))
    for _, group in groupby(by_folder, key=lambda file: file.path.parent):
        result = _FolderContainers(Folder(tuple(group)))
        for block in result.folder.blocks:
            if block.type == "resource" and block.labels[:1] == (DEFINITION,):
                _read_definition(block, result)
        with_base = [replace(each, base=_base(each, result.containers)) for each in result.containers]
        containers += [_find_obstacle(each, with_base, result.uncertain_locals) for each in with_base]
        unreadable += [*map(str, result.folder.broken.values()), *result.unreadable]
    return tuple(containers), tuple(unreadable)


def _read_definition(block: Block, result: _FolderContainers) -> None:
    """Read one task definition; parts that cannot be followed are reported, and the others are read."""
    folder, definition = result.folder, ".".join(block.labels)
    attribute = block.find("container_definitions")
    if attribute is None:
        return

    def report(what: str, node: Node, why: str = "which is not followed") -> None:
        where = f"{definition} in {attribute.file.name}, line {attribute.line}"
        result.unreadable.append(f"{where}: {what} {describe(node)}, {why}.")
        result.uncertain_locals.update((name, definition) for name in folder.locals_in(attribute.source))

    start = folder.follow(attribute.value)
    is_call = start.kind == "call" and start.name == "jsonencode" and len(start.parts) == 1
    whole = start.parts[0] if is_call else read_json(start) if start.kind == "heredoc" else None
    if whole is None:
        why = "which is not plain JSON" if start.kind == "heredoc" else "which is not followed"
        return report("its container definitions are", start, why)
    is_repeated = block.find("for_each") is not None
    for part in folder.parts(whole):
        if part.node.kind != "tuple":
            report("some of its containers come from", part.node)
            continue
        for element in part.node.parts:
            objects = folder.objects(element)
            if all(each.kind != "object" for each in objects):
                report("a container comes from", objects[-1])
                continue
            container = _read_container(
                objects,
                TerraformContainer(
                    folder=folder, definition=definition, name="", node=objects[-1], json=start.kind == "heredoc"
                ),
            )
            if is_repeated or not part.certain:
                obstacle = "for_each creates several definitions with it" if is_repeated else "it is conditional"
                container = replace(container, obstacle=obstacle)
            if not container.name:
                report("a container has no plain text as its name in", container.node, "so it cannot be matched")
            result.containers.append(container)


def _read_container(objects: tuple[Node, ...], container: TerraformContainer) -> TerraformContainer:
    folder = container.folder
    name, environment, secrets = (find_member(objects, key) for key in ("name", "environment", "secrets"))
    plain = (
        _read_variables(environment.value, folder) if environment and environment.kind == "member" else _VariableList()
    )
    container = replace(
        container,
        name=_read_text(name.value, folder) if name and name.kind == "member" else "",
        node=[each for each in objects if each.kind == "object"][-1],
        plain_variables=tuple(plain.variables),
    )
    if secrets is None:
        return container
    if secrets.kind != "member":
        return replace(container, obstacle=f"{describe(secrets)} may define its secrets")
    variable_list = _read_variables(secrets.value, folder)
    container_local = folder.local_of(container.node)
    key_counts = Counter(each.list.position for each in variable_list.variables if each.key)
    lists = sorted(
        variable_list.lists, key=lambda each: (folder.local_of(each) != container_local, -key_counts[each.position])
    )
    other_sources = tuple(dict.fromkeys(variable_list.other_sources))
    return replace(
        container,
        references=tuple(variable_list.variables),
        has_secrets=True,
        lists=tuple(lists),
        other_sources=other_sources,
        obstacle="" if lists else f"its secrets are {describe(folder.follow(secrets.value))}",
    )


def _base(container: TerraformContainer, others: list[TerraformContainer]) -> str:
    """The most frequent expression of the secret's ARN in its best list, else in the container, definition or file."""
    best = [each.position for each in container.lists[:1]]
    all_variables = [
        (each.address, variable) for each in others for variable in each.references if _is_global(variable)
    ]
    candidates = (
        [each for each in container.references if each.list.position in best],
        container.references,
        [variable for address, variable in all_variables if address == container.address],
        [variable for _, variable in all_variables if variable.element.file == container.node.file],
    )
    for group in candidates:
        (first, most), (_, next_most) = [
            *Counter(each.base for each in group if each.base).most_common(2),
            ("", 0),
            ("", 0),
        ][:2]
        if most > next_most:
            return first
    if any(each.base for group in candidates for each in group) or not all(
        each.value_from for each in container.references
    ):
        return ""
    return f"${{var.{VARIABLE}}}" if container.folder.declares(VARIABLE) else ""


def _is_global(variable: ContainerVariable) -> bool:
    """Whether the expression of the secret's ARN means the same elsewhere in the file."""
    return not any(word in variable.base for word in ("each.", "count.", "self."))


def _find_obstacle(
    container: TerraformContainer, others: list[TerraformContainer], uncertain_locals: set[tuple[str, str]]
) -> TerraformContainer:
    """The container with the lists that no other definition uses, and the reason why no reference can be added."""
    folder = container.folder
    broken = next(iter(folder.broken), "")
    obstacle = f"{broken} beside it is not valid HCL" if broken else container.obstacle
    if obstacle:
        return replace(container, lists=(), obstacle=obstacle)
    foreign = [each for each in others if each.address != container.address]
    owners = {names_of(node, folder).position: each for each in foreign for node in (*each.lists, each.node)}
    lists_or_node = container.lists if container.has_secrets else (container.node,)
    uncertain = {name for name, definition in uncertain_locals if definition != container.definition}
    shared = [_shared_with(names_of(node, folder), folder, owners, uncertain) for node in lists_or_node]
    if all(shared):
        return replace(container, lists=(), obstacle=shared[0])
    lists = tuple(node for node, other in zip(container.lists, shared, strict=False) if not other)
    if not container.base:
        obstacle = f'no reference nearby names the secret, and its folder has no variable "{VARIABLE}"'
        if any(each.base for each in container.references):
            obstacle = SEVERAL
        elif not all(each.value_from for each in container.references):
            obstacle = "the secret's ARN in its references cannot be read"
    return replace(container, lists=lists, obstacle=obstacle)


def _shared_with(
    node: Node, folder: Folder, owners: dict[tuple[str, int], TerraformContainer], uncertain: set[str]
) -> str:
    """Which other task definition uses a list or object too, as a clause; "" for none."""
    local = folder.local_of(node)
    where = f"local.{local}" if local else f"the list on line {node.line}"
    if other := owners.get(node.position):
        return f"{where} is shared with container {other.name} of {other.definition}"
    return f"{where} may be a part of a task definition that could not be read" if local in uncertain else ""


@dataclass
class _VariableList:
    """The parts of one `secrets` or `environment`."""

    variables: list[ContainerVariable] = field(default_factory=list)
    lists: list[Node] = field(default_factory=list)
    """Its unconditional lists; a for expression stands for its list of names."""
    other_sources: list[str] = field(default_factory=list)
    """Parts that cannot be read, in words."""


def _read_variables(node: Node, folder: Folder) -> _VariableList:
    """Read the value of a container's `secrets` or `environment`."""
    variable_list = _VariableList()
    for part in folder.parts(node):
        names = names_of(part.node, folder)
        if part.node.kind not in ("tuple", "for") or names.kind != "tuple":
            variable_list.other_sources.append(describe(part.node))
            continue
        if part.certain:
            variable_list.lists.append(part.node)
        for element in names.parts:
            entry, loop = element, {}
            if part.node.kind == "for":
                entry, loop = part.node.parts[1], {part.node.name: element.name}
            variable, value_from = _pair(folder.objects(entry), folder, loop)
            if variable:
                variable_list.variables.append(
                    ContainerVariable(
                        variable=variable, value_from=value_from, element=element, list=part.node, certain=part.certain
                    )
                )
            else:
                variable_list.other_sources.append(describe(element))
    return variable_list


def names_of(node: Node, folder: Folder) -> Node:
    """The list of literal names that a for expression iterates over; any other node itself."""
    if node.kind != "for" or "," in node.name:
        return node
    parts = list(folder.parts(node.parts[0]))
    if len(parts) != 1 or not parts[0].certain or parts[0].node.kind != "tuple":
        return node
    are_literal = all(each.kind == "string" and is_literal(each.name) for each in parts[0].node.parts)
    return parts[0].node if are_literal else node


def _read_text(node: Node, folder: Folder, loop: dict[str, str] | None = None) -> str:
    """A string's text, with local values resolved; a path as an interpolation; "" for anything else."""
    values = loop or {}
    resolved = folder.follow(node)
    if resolved.kind == "path":
        return values.get(resolved.name, f"${{{resolved.name}}}")
    return _LOOP.sub(lambda match: values.get(match[1], match[0]), resolved.name) if resolved.kind == "string" else ""


def _pair(objects: tuple[Node, ...], folder: Folder, loop: dict[str, str]) -> tuple[str, str]:
    """Name and valueFrom of an element; "" as name if it has no literal one."""
    name, value = find_member(objects, "name"), find_member(objects, "valueFrom")
    if name is None or name.kind != "member":
        return "", ""
    variable = _read_text(name.value, folder, loop)
    value_from = _read_text(value.value, folder, loop) if value and value.kind == "member" else ""
    values = [value_from[start:end] for start, end in interpolations(value_from)]
    uses_loop = any(re.search(rf"\b{re.escape(each)}\b", text) for each in loop for text in values)
    return ("", "") if uses_loop or not is_literal(variable) else (variable, value_from)
