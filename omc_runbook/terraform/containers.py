"""The containers of Terraform's task definitions, found in its files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from omc_runbook.terraform.container import ContainerVariable, TerraformContainer
from omc_runbook.terraform.for_expressions import MAPS, content_of, entries_of, is_filtered, origin_of
from omc_runbook.terraform.hcl import Block, Node
from omc_runbook.terraform.hcl_folder import DEEPEST, Folder, ListPart, describe, describe_in, find_member, find_value
from omc_runbook.terraform.hcl_json import JSON
from omc_runbook.terraform.hcl_template import (
    is_literal,
    only_expression,
    read_heredoc,
    read_json,
    sequences,
    split_value_from,
)
from omc_runbook.terraform.modules import Folders, folders_of, foreign_calls, is_absent, source_of
from omc_runbook.terraform.reference_places import with_places
from omc_runbook.terraform.texts import Loop, read_name, read_text, resolve, uses_loop
from omc_runbook.textfile.conflict import conflict_lines
from omc_runbook.textfile.file import SourceFile

DEFINITION, SERVICE = "aws_ecs_task_definition", "aws_ecs_service"
VALUE_FROM = ("valueFrom", "value_from")
"""How an element names its valueFrom: as ECS does, or as variables of modules do."""

_VALUE_OF_SECRET = re.compile(r"(?:data|ephemeral)\.aws_secretsmanager_secret_version\.[\w-]+\.secret_string")
_RENDERED = re.compile(r"data\.template_file\.([\w-]+)\.rendered")
_SECRETS = re.compile(r"(?i)(?:\A|_)secrets\Z|secret_(?:vars|variables|env\w*|keys|names|map)\Z")
_SEVERAL_CONTAINERS = re.compile(r"(?i)(?:containers?|definitions?|services?)\Z")
_ECS = re.compile(r"(?i)ecs|fargate|container|task|service")
_NOT_JSON = "is not plain JSON"
_IGNORING = ("ignore_task_definition_changes", "ignore_changes_task_definition")
"""Arguments of public modules by which their service ignores new revisions."""
_NAMES = ("name", "container_name", "service_name")
"""The members of an object that name its container, in a module's arguments."""


@dataclass
class _FolderContainers:
    """The containers of one folder, as far as it is read."""

    containers: list[TerraformContainer] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    uncertain_locals: set[tuple[str, str]] = field(default_factory=set)
    """Local values used by a definition that was not understood in full, each with that definition."""

    @property
    def clarity(self) -> tuple[float, float, float, float]:
        """How much was understood: the shares of containers that are clear, with a list, with a name; and what not."""
        if not self.containers and not self.unreadable:
            return 1, 1, 1, 0
        count = len(self.containers) or 1
        clear = sum(each.is_clear for each in self.containers)
        with_list = sum(bool(each.lists) for each in self.containers)
        with_name = sum(is_literal(each.name) for each in self.containers)
        return clear / count, with_list / count, with_name / count, -len(self.unreadable)


def find_containers(files: tuple[SourceFile, ...]) -> tuple[tuple[TerraformContainer, ...], tuple[str, ...]]:
    """Find the containers of all task definitions in files; also gives a sentence on each part not understood.

    Where a part is a variable, it is followed to the module calls in the other files, and without a call to .tfvars and
    defaults. Modules of other repositories are searched for containers in their arguments.
    """
    containers: list[TerraformContainer] = []
    unreadable: list[str] = []
    folders = folders_of(files)
    for folder in folders.values():
        result = _choose(folder, folders)
        containers += with_places(result.containers, result.uncertain_locals)
        unreadable += [*map(str, folder.unreadable.values()), *result.unreadable]
    return tuple(containers), tuple(unreadable)


def depends_on_callers(files: tuple[SourceFile, ...]) -> bool:
    """Whether a part of a task definition is a variable, or something else that its own folder does not show."""
    results = [_read_definitions([folder]) for folder in folders_of(files).values()]
    return any(result.unreadable or not all(each.is_clear for each in result.containers) for result in results)


def _choose(folder: Folder, folders: Folders) -> _FolderContainers:
    """A folder's containers as its callers give its variables, where that shows more; else as the folder shows them."""
    alone = _read_definitions([folder])
    is_clear = not alone.unreadable and all(each.is_clear for each in alone.containers)
    if is_clear and not (alone.containers and folders.may_be_absent(folder)):
        return alone
    called = _read_definitions(folders.variants(folder))
    shows_more = any(more > less for more, less in zip(called.clarity, alone.clarity, strict=True))
    return called if is_clear or shows_more else alone


def _read_definitions(scopes: Iterable[Folder]) -> _FolderContainers:
    """The containers of all definitions of a folder, as each call of it gives its variables."""
    result = _FolderContainers()
    for folder in scopes:
        for block in folder.of_type("resource", DEFINITION):
            _read_definition(block, folder, result)
        for call in foreign_calls(folder):
            _read_arguments(call, folder, result)
    return replace(result, unreadable=[*dict.fromkeys(result.unreadable)])


def _read_definition(block: Block, folder: Folder, result: _FolderContainers) -> None:
    """Read one task definition, for each entry of its for_each where these are known; none where there is none."""
    loop, absence = block.expression("for_each"), is_absent(block, folder)
    if absence:
        return
    entries = folder.entries(loop) if loop else ()
    for entry in entries:
        _read_one(block, replace(folder, each=entry), result)
    if not entries:
        _read_one(block, folder, result, is_repeated=loop is not None, is_open=absence is None)


def _read_one(
    block: Block, folder: Folder, result: _FolderContainers, is_repeated: bool = False, is_open: bool = False
) -> None:
    """Read one task definition; parts that cannot be followed are reported, and the others are read."""
    definition = ".".join(block.labels)
    attribute = block.find("container_definitions")
    if attribute is None:
        return

    def report(what: str, node: Node, why: str = "which is not followed") -> None:
        where = f"{definition} in {attribute.file.name}, line {attribute.line}"
        result.unreadable.append(f"{where}: {what} {describe(node)}, {why}.")
        result.uncertain_locals.update((name, definition) for name in folder.locals_in(attribute.source))

    start = _follow_text(attribute.value, folder)
    text = _text_of(start, folder)
    document = start.argument_of("jsonencode") or (text.json if text else None)
    if document is None:
        return report("its container definitions are", start, text.why if text else "which is not followed")
    for part in folder.parts(document):
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
                    folder=folder,
                    definition=definition,
                    name="",
                    node=objects[-1],
                    json=text is not None,
                    family=_family_of(block, folder),
                    block_folder=str(attribute.file.path.parent),
                    may_be_absent=is_open,
                    is_deployed_apart=_is_deployed_apart(definition, folder),
                ),
                text.variables if text else {},
            )
            if is_repeated or not part.certain:
                obstacle = "for_each creates several definitions with it" if is_repeated else "it is conditional"
                container = replace(container, obstacle=obstacle)
            if not container.name:
                report("a container has no plain text as its name in", container.node, "so it cannot be matched")
            result.containers.append(container)


def _family_of(block: Block, folder: Folder) -> str:
    """The family of a definition, with interpolations of what an environment may set otherwise; "" without one."""
    family = block.expression("family")
    if family is None:
        return ""
    value = folder.follow(family)
    return resolve(read_text(value, folder), value, folder, is_certain=True)


def _is_deployed_apart(definition: str, folder: Folder) -> bool:
    """Whether all services of the folder that name a definition ignore its new revisions."""
    mentions = re.compile(rf"(?<![\w.-]){re.escape(definition)}(?![\w-])")
    revisions = ((block, block.find("task_definition")) for block in folder.of_type("resource", SERVICE))
    own = [block for block, revision in revisions if revision and mentions.search(revision.source)]
    return bool(own) and all(block.ignores("task_definition") for block in own)


@dataclass(frozen=True)
class _Text:
    """JSON's text: a heredoc, a string of a JSON file, or a template."""

    json: Node | None
    """What it is as an expression; None where it is not plain JSON."""
    variables: Loop = field(default_factory=dict)
    """The texts of the template's variables, by name."""
    why: str = f"which {_NOT_JSON}"
    """Why it is none, as in: templatefile() on line 3, which is …."""


def _text_of(node: Node, folder: Folder) -> _Text | None:
    """The text of container definitions that are not encoded from an expression; None for any other expression."""
    if node.kind == "heredoc":
        why = _conflict_in(node.file, node.line, node.line + node.source.count("\n"))
        return _Text(read_heredoc(node, _without_encoding), why=f"which {why or _NOT_JSON}")
    if node.kind == "string" and node.file.name.endswith(JSON):
        return _Text(read_json(node.file, node.start + 1, node.end - 1, _without_encoding))
    call, variables = _template_call(node, folder)
    template = folder.file_at(resolve(read_text(call, folder), call, folder), call) if call else None
    if template is None:
        return None
    members = {member.name: member.value for each in variables for member in each.parts if member.name}

    def value(expression: Node) -> Node:
        """What a template's expression is where it is called: a variable of the call, and nothing else."""
        inner = _without_encoding(expression)
        found = members.get(inner.name) if inner.kind == "path" else None
        return _without_encoding(folder.follow(found)) if found else replace(expression, kind="other")

    texts = {name: read_name(each, folder) for name, each in members.items()}
    plain = {name: each for name, each in texts.items() if each and is_literal(each)}
    conflict = _conflict_in(template)
    why = f"whose file {template.name} {conflict or _NOT_JSON}"
    if not conflict and any(template.text[start] == "%" for start, _ in sequences(template.text)):
        why = (
            f"whose file {template.name} has %{{ for }} or %{{ if }}: such a list is followed where the template has it"
            " as ${jsonencode(secrets)}, and templatefile() is given secrets"
        )
    return _Text(read_json(template, 0, len(template.text), value), plain, why)


def _conflict_in(file: SourceFile, first: int = 1, last: int | None = None) -> str:
    """Why JSON between two lines of a file is none, where git has marked a merge conflict in it; "" for none."""
    lines = [line for line in conflict_lines(file.text) if first <= line and (last is None or line <= last)]
    return f"has an unresolved merge conflict at line {lines[0]}" if lines else ""


def _follow_text(node: Node, folder: Folder) -> Node:
    """What an expression of a text resolves to, also one that an older style has in a string of its own: "${X}"."""
    followed = folder.follow(node)
    expression = only_expression(followed)
    return folder.follow(expression) if expression else followed


def _template_call(node: Node, folder: Folder, depth: int = 0) -> tuple[Node | None, tuple[Node, ...]]:
    """The path of the file that a call reads as a template, and the objects of its variables."""
    if depth <= DEEPEST and node.kind == "path" and (name := _RENDERED.fullmatch(node.name)):
        block = next(folder.of_type("data", "template_file", name[1]), None)
        template, variables = (block.expression(each) if block else None for each in ("template", "vars"))
        file = _follow_text(template, folder) if template else node
        return _template_call(file, folder, depth + 1)[0], folder.objects(variables) if variables else ()
    if path := node.argument_of("file"):
        return path, ()
    is_template = node.kind == "call" and node.name == "templatefile" and len(node.parts) == 2
    return (node.parts[0], folder.objects(node.parts[1])) if is_template else (None, ())


def _without_encoding(node: Node) -> Node:
    """What jsonencode() encodes, or any other expression itself."""
    return node.argument_of("jsonencode") or node


def _read_arguments(call: Block, folder: Folder, result: _FolderContainers) -> None:
    """Read the containers in the arguments of a module of another repository: what has references is one."""
    definition, is_ecs = f"module.{call.labels[0]}", bool(_ECS.search(source_of(call)))
    absence = is_absent(call, folder)
    if absence:
        return
    first, last = call.attributes[0], call.attributes[-1]
    arguments = Node(kind="object", file=first.file, start=first.start, end=last.end, parts=call.attributes)
    for objects, label in _objects_in(arguments, call.labels[0], folder):
        for member in (part for each in objects if each.kind == "object" for part in each.parts):
            variable_list = _read_variables(member.value, folder)
            has_references = any(each.key for each in variable_list.variables)
            if not (has_references or (is_ecs and _SECRETS.search(member.name))):
                continue
            names = [read_name(value, folder) for name in _NAMES if (value := find_value(objects, name))]
            container = TerraformContainer(
                folder=folder,
                definition=definition,
                name=next(filter(None, names), label),
                node=next(each for each in objects if each.kind == "object" and member in each.parts),
                json=False,
                block_folder=str(first.file.path.parent),
                may_be_absent=absence is None,
                is_deployed_apart=any(flag and flag.name == "true" for flag in map(call.expression, _IGNORING)),
            )
            container = _with_secrets(container, variable_list, member.value)
            if not has_references:
                why = f"no reference shows which form module {call.labels[0]}, of another repository, takes"
                container = replace(container, obstacle=f"{why} in {member.name} on line {member.line}")
            result.containers.append(container)


def _objects_in(node: Node, label: str, folder: Folder) -> Iterator[tuple[tuple[Node, ...], str]]:
    """Yield the objects in an expression, each with the key, or the name of the module, that it belongs to."""
    objects = folder.objects(node)
    if any(each.kind == "object" for each in objects):
        yield objects, label
        for member in (member for each in objects if each.kind == "object" for member in each.parts):
            key = member.parts[0]
            name = member.name or read_name(replace(key, kind="path", name=key.source.strip("()")), folder)
            yield from _objects_in(member.value, label if _SEVERAL_CONTAINERS.search(name) else name, folder)
        return
    for part in folder.parts(node):
        for element in part.node.parts if part.node.kind == "tuple" else ():
            is_variable = any(element.member(name) for name in (*VALUE_FROM, "value"))
            yield from () if is_variable else _objects_in(element, label, folder)


def _read_container(objects: tuple[Node, ...], container: TerraformContainer, texts: Loop) -> TerraformContainer:
    """Read a container's object; `texts` are those of a template's variables."""
    folder = container.folder
    name, environment = find_value(objects, "name"), find_value(objects, "environment")
    container = replace(
        container,
        name=read_name(name, folder, texts) if name else "",
        node=[each for each in objects if each.kind == "object"][-1],
        plain_variables=tuple(_read_variables(environment, folder).variables) if environment else (),
    )
    secrets = find_member(objects, "secrets")
    if secrets is None:
        return container
    if secrets.kind != "member":
        source = describe(secrets)
        return replace(container, obstacle=f"{source} may define its secrets", other_sources=(source,))
    return _with_secrets(container, _read_variables(secrets.value, folder), secrets.value)


def _with_secrets(container: TerraformContainer, variable_list: _VariableList, value: Node) -> TerraformContainer:
    """The container with the references that its `secrets` give it."""
    folder = container.folder
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
        obstacle="" if lists else f"its secrets are {describe_in(folder, folder.follow(value))}",
    )


@dataclass
class _VariableList:
    """The parts of one `secrets` or `environment`."""

    variables: list[ContainerVariable] = field(default_factory=list)
    lists: list[Node] = field(default_factory=list)
    """Its unconditional lists, or maps; a for expression stands for its collection."""
    other_sources: list[str] = field(default_factory=list)
    """Parts that cannot be read, in words."""


def _read_variables(node: Node, folder: Folder) -> _VariableList:
    """Read the value of a container's `secrets` or `environment`."""
    variable_list = _VariableList()
    objects = folder.objects(node)
    if any(each.kind in MAPS for each in objects):
        parts = [ListPart(each, True) for each in objects]
    else:
        parts = list(folder.parts(node))
    for part in parts:
        entries = entries_of(part.node, folder)
        if entries is None:
            variable_list.other_sources.append(describe_in(folder, part.node))
            continue
        if part.certain and not is_filtered(part.node, folder):
            variable_list.lists.append(part.node)
        for element, entry, loop in entries:
            variable, value_from = _pair(entry, folder, loop)
            if variable:
                variable_list.variables.append(
                    ContainerVariable(
                        variable=variable,
                        value_from=value_from,
                        element=element,
                        list=part.node,
                        certain=part.certain,
                        origin=origin_of(split_value_from(value_from)[0] or value_from, part.node, element, folder),
                    )
                )
            else:
                variable_list.other_sources.append(describe(element))
    return variable_list


def are_one(references: Sequence[ContainerVariable], container: TerraformContainer) -> bool:
    """Whether Terraform makes one reference of several to a variable: merged ones, or equal ones that it drops."""
    folder, secrets = container.folder, container.node.member("secrets")
    if secrets and folder.has_each_once(secrets.value) and len({each.value_from for each in references}) == 1:
        return True
    first, *others = {each.list.position: each.list for each in references}.values()
    if others or not first.is_loop:
        return all(each.kind in MAPS for each in (first, *others))
    return folder.has_each_once(first.parts[0]) and len({content_of(each.element, folder) for each in references}) == 1


def loop_over_secret(container: TerraformContainer, key: str) -> Node | None:
    """The for expression that makes a container's reference to a key, as to each one of a secret's value, or None."""
    folder, secrets = container.folder, container.node.member("secrets")
    loop = folder.follow(secrets.value) if secrets else None
    if loop is None or not loop.is_loop or loop.condition:
        return None
    variables, is_list = [each.strip() for each in loop.name.split(",")], False
    keys = folder.follow(loop.parts[0])
    while keys.kind == "call" and len(keys.parts) == 1:
        is_list = is_list or keys.argument_of("keys") is not None
        keys = folder.follow(keys.parts[0])
    # A single variable stands for a map's values.
    variable = variables[-1] if is_list else variables[0] if variables[1:] else ""
    name, value_from = _pair(loop, folder, {variable: key})
    is_reference = name == key == split_value_from(value_from)[1]
    return loop if is_reference and _VALUE_OF_SECRET.fullmatch(keys.name) else None


def _pair(entry: Node, folder: Folder, loop: Loop) -> tuple[str, str]:
    """Name and valueFrom of an element or of a map's member; "" as name if it has no literal one."""
    if entry.kind == "member":
        return (entry.name, read_text(entry.value, folder)) if is_literal(entry.name) else ("", "")
    if entry.kind == "object-for":
        return _texts_of(entry.parts[1:3], folder, loop)
    objects = folder.objects(entry.parts[1] if entry.kind == "for" else entry)
    name = find_value(objects, "name")
    value = find_value(objects, next((each for each in VALUE_FROM if find_member(objects, each)), VALUE_FROM[0]))
    return _texts_of([name, *([value] if value else [])], folder, loop) if name else ("", "")


def _texts_of(parts: Sequence[Node], folder: Folder, loop: Loop) -> tuple[str, str]:
    """The texts of a name and a valueFrom; "" for both where the name is no literal, or a loop's variable is open."""
    variable, value_from, *_ = (*(read_text(each, folder, loop) for each in parts), "")
    is_open = any(uses_loop(each, folder, loop) for each in parts)
    return ("", "") if is_open or not is_literal(variable) else (variable, value_from)
