"""Adding a reference to Terraform's task definitions: a container's variable with a key of the secret as valueFrom."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from omc_runbook.model.environment_names import aliases
from omc_runbook.model.errors import CannotEdit, CannotFollow
from omc_runbook.model.grouping import next_in_order
from omc_runbook.model.value_from import named_among
from omc_runbook.model.value_from import parse as parse_value_from
from omc_runbook.terraform.container import ContainerVariable, TerraformContainer
from omc_runbook.terraform.containers import VALUE_FROM, find_containers
from omc_runbook.terraform.for_expressions import collection_of
from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_folder import DEEPEST, Folder, parse
from omc_runbook.terraform.hcl_insert import (
    UNIT,
    Insertion,
    Shape,
    add_element,
    add_member,
    add_pair,
    ends_in_comma,
    indent_at,
)
from omc_runbook.terraform.hcl_json import JsonString
from omc_runbook.terraform.hcl_template import fits, is_literal, split_value_from
from omc_runbook.terraform.reference_places import SEVERAL, most_frequent
from omc_runbook.terraform.secret_versions import SECRET, VERSION
from omc_runbook.terraform.task_definitions import TaskDefinitions
from omc_runbook.terraform.texts import read_text, resolve_fully
from omc_runbook.textfile.file import Edit, SourceFile

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEY = re.compile(r"[A-Za-z0-9_.@/+=-]+")

PAIR = ("name", "valueFrom")
_ONLY_PATH = re.compile(r"\$\{([\w.-]+)\}")
_INDEX = re.compile(r"(?<=[\w-])\[[^\[\]]*\](?=\.)")
"""Which one of a resource's instances."""
_SECRET = re.compile(rf"\$\{{(?P<data>data\.)?(?P<type>{SECRET}|{VERSION})\.(?P<label>[\w-]+)\.(?:arn|id|secret_id)\}}")
_ID, _ANY_ID = "[0-9]{18}[0-9a-f]{8}", "*"
"""What Terraform adds to a name_prefix, the time and a count, and what stands for it here."""
_LAYOUT = re.compile(r"[\s{},]*")

NO_OTHERS: Mapping[str, str] = MappingProxyType({})

BY_HAND = " Add the reference yourself."
TO_OWN = " Add the reference to the task definition that has this environment's own secret, or correct that name."
ADVICE = " Add its task definition to Terraform first, or leave it out of containers."


def add_reference(
    task_definitions: TaskDefinitions,
    container: str,
    variable: str,
    key: str,
    secret_keys: Collection[str] = (),
    together: Collection[str] = (),
    others: Mapping[str, str] = NO_OTHERS,
    own: Collection[str] = (),
) -> Edit | None:
    """Make the edit that adds a reference to a container's `secrets`; None if every such container has it already.

    Where several task definitions have a container of this name that reads secrets, it is the first that lacks it.

    `container` is its name in Terraform's files, `variable` and `key` are the names in the container and in the
    secret, and `secret_keys` the keys that the secret has: they distinguish it from other secrets that the container
    reads. A list that definitions share gets it where all their containers that share it are named in `together`.
    `others` are other environments by the names of their secrets, of which no container gets a reference: CannotFollow
    says where one has it already. `own` are what the environment's own secret is called, without and with its suffix.
    Nothing is written. Raises CannotEdit if the edit is not certainly right, and UsageError for a file that cannot be
    read, with file and line in the message.
    """
    if not VARIABLE.fullmatch(variable):
        raise CannotEdit("The variable's name has invalid characters: use letters, digits and _.")
    if not KEY.fullmatch(key):
        raise CannotEdit(f"The key for {variable} has invalid characters: use letters, digits and _.")
    containers = task_definitions.containers
    # A name that is an expression may become this one.
    matches = [each for each in containers if each.name == container]
    matches = matches or [each for each in containers if fits(each.name, container)]
    for file in () if matches else task_definitions.files:
        # A file that cannot be read may have the container: this raises an error for it.
        parse(file)

    def with_secret(each: TerraformContainer) -> TerraformContainer:
        return _with_secret(each.together(together), secret_keys)

    # Beside those of this environment, others' are left alone.
    matches = [each for each in matches if not _secret_of_other(with_secret(each), others, own)] or matches
    candidates = [(each, with_secret(each)) for each in _choose(matches, task_definitions, container)]
    open_candidates = (pair for pair in candidates if not _has_reference(pair[1], variable, key))
    match, target = next(open_candidates, candidates[0])
    containers = tuple(target if each is match else each for each in containers)
    for error in target.folder.unreadable.values():
        raise error
    name = _secret_of_other(target, others, own)
    secret_of_other = f"{name}, the secret of {others[name]}" if name else ""
    if _has_reference(target, variable, key):
        if not name:
            return None
        found = f"{_describe(target)} has {variable} from {secret_of_other}.{TO_OWN}"
        raise CannotFollow(f"{variable} was not added: {found}", found)
    if target.obstacle and target.shared_list:
        also = f" Name {', '.join(sorted(target.sharers))} in containers too, or add the reference yourself."
        raise _refusal(target, variable, target.obstacle, also)
    if target.obstacle:
        raise _refusal(target, variable, target.obstacle)
    if name:
        raise _refusal(target, variable, f"its references name {secret_of_other}", TO_OWN)
    neighbors = [each for each in containers if each.folder is target.folder]
    node, insertion = _insertion(target, neighbors, variable, key)
    if "${" in insertion.text and target.folder.scope(node).is_constant(node):
        raise _refusal(
            target, variable, f"the list on line {node.line} is a variable's value, which has no expressions"
        )
    edit = insertion.into(node.file)
    sharers = _check(task_definitions, containers, target, edit, (variable, f"{target.base}:{key}::"))
    beside = dict.fromkeys(each.name for each in sharers if each.address == target.address and each.name != target.name)
    foreign = dict.fromkeys(f"{each.name} of {each.definition}" for each in sharers if each.address != target.address)
    names, apart = (f" and, by the same list, {' and '.join(each)}" if each else "" for each in (beside, foreign))
    what = f"{variable} from key {key} of the secret, for container {target.name}{names} of {target.definition}{apart}"
    return replace(edit, what=what)


def find_left_alone(
    task_definitions: TaskDefinitions,
    edited: TaskDefinitions,
    container: str,
    variable: str,
    secret_keys: Collection[str],
    others: Mapping[str, str],
    own: Collection[str],
) -> tuple[str, ...]:
    """A clause on each container of a name that `add_reference` leaves without a variable, beside those that get it.

    Its references name one of the secrets of other environments, `others`. `edited` are the task definitions as the
    edits leave them: one of a list that several share is all of theirs.
    """
    pairs = zip(task_definitions.containers, edited.containers, strict=False)
    named = [(each, after) for each, after in pairs if each.name == container]
    secrets = [_secret_of_other(_with_secret(each, secret_keys), others, own) for each, _ in named]
    return tuple(
        f"{_describe(_with_call(each))} has its references from {name}, the secret of {others[name]}"
        for (each, after), name in zip(named, secrets, strict=True)
        if name and not all(secrets) and all(ref.variable != variable for ref in after.references)
    )


def _choose(
    matches: list[TerraformContainer], task_definitions: TaskDefinitions, name: str
) -> list[TerraformContainer]:
    """The containers of a name that get a reference; if several definitions have it, those that have references."""
    if not matches:
        names = sorted({each.name for each in task_definitions.containers if each.name})
        gaps = f" Not understood: {' '.join(task_definitions.unreadable)}" if task_definitions.unreadable else ""
        advice = BY_HAND if gaps or not all(map(is_literal, names)) else ADVICE
        problem = (
            f"Terraform's task definitions have no container {name}; their containers: {', '.join(names) or 'none'}"
        )
        problem = "No file of Terraform has a task definition" if task_definitions.are_apart else problem
        raise (CannotFollow if advice == BY_HAND else CannotEdit)(f"{problem}.{gaps}{advice}")
    candidates = matches if len(matches) == 1 else [each for each in matches if any(ref.key for ref in each.references)]
    # Those of other folders in which Terraform is applied are another environment's, or another stack's.
    folders = {each.root.rpartition("/")[0] for each in candidates}
    if len(folders) != 1:
        which = (
            "Each has to get it." if candidates else "None of them reads a secret, so which has to get it is unknown."
        )
        locations = _places(candidates or matches)
        raise CannotFollow(f"Several task definitions have a container {name}: {locations}. {which}{BY_HAND}")
    return candidates


def _places(containers: list[TerraformContainer]) -> str:
    """Where some containers are: of those that one module makes, where their last variables come from."""
    counts = Counter((each.file, each.line) for each in containers)
    locations = []
    for each in containers:
        own = each.references[-1].element if counts[each.file, each.line] > 1 and each.references else None
        location = f"{own.file.name}, line {own.line}" if own else f"{each.file}, line {each.line}"
        locations.append(f"{each.definition} ({location})")
    return ", ".join(dict.fromkeys(locations))


def _with_secret(container: TerraformContainer, secret_keys: Collection[str]) -> TerraformContainer:
    """The container with the base of the secret that has these keys: it may read other secrets too."""
    # Of the maps that are merged, each may call the secret by another expression, in the folder that it is in.
    collections = [collection_of(each, container.folder) for each in container.lists[:1] if each.kind != "tuple"]
    nearest = [ref for ref in container.references for each in collections if each.encloses(ref.element)]
    references = nearest or container.references
    # One expression, in one folder, is one secret wherever it is written.
    scope = container.folder.scope
    same = {(each.base, scope(each.origin).path) for each in references if each.base}
    all_same = (each for each in container.references if (each.base, scope(each.origin).path) in same)
    own = [each for each in all_same if each.key in secret_keys]
    # A list gets the expression itself; of a map, or of what a for expression iterates over, an element is the form.
    usable = own
    if container.target.kind == "tuple":
        meanings = {_meaning(each, container.folder) for each in own}
        others = (each for each in container.references if _meaning(each, container.folder) in meanings)
        usable = [*filter(container.can_use, own)] or [*filter(container.can_use, others)]
    if base := most_frequent(each.base for each in usable or own):
        container = replace(container, base=base)
        obstacle = "" if container.obstacle == SEVERAL else container.obstacle
        return replace(container, obstacle=obstacle or ("" if usable else container.not_at_target))
    if secret_keys and not own and not container.obstacle and container.base in {each.base for each in references}:
        return replace(container, obstacle="no key of its references is in the secret: they may name another one")
    return container


def _meaning(ref: ContainerVariable, folder: Folder) -> tuple[str, Path | None]:
    """What names a reference's secret, through variables and local values, and the folder in which it means that."""
    expression = _ONLY_PATH.fullmatch(ref.base)
    if expression is None:
        return ref.base, None if is_literal(ref.base) else folder.scope(ref.origin).path
    resolved = folder.follow(_path_at(ref.origin, expression[1], folder))
    text = read_text(resolved, folder) or f"${{{resolved.source}}}"
    is_known = is_literal(text) and not folder.is_open(resolved)
    return text, None if is_known else folder.scope(resolved).path


def _path_at(node: Node, name: str, folder: Folder) -> Node:
    """A path as an expression in the folder that another expression is in."""
    return Node(kind="path", file=folder.scope(node).files[0], start=0, end=0, name=name)


def _secret_of_other(container: TerraformContainer, others: Mapping[str, str], own: Collection[str]) -> str:
    """Which of other environments' secrets the container's references have; "" for none, or where nothing shows it."""
    ref = next((each for each in container.references if each.base == container.base), None)
    folder, text = container.folder, container.base
    text = resolve_fully(text, ref.origin, folder) if ref else text
    # All instances of a resource whose name is certain have that one.
    resource = _INDEX.sub("", text)
    if ref and (expression := _ONLY_PATH.fullmatch(resource if _SECRET.fullmatch(resource) else text)):
        text = _secret_in(_path_at(ref.origin, expression[1], folder), folder, _instance_in(text, ref.origin, folder))
    known = {*others, *own}
    name = named_among(known, parse_value_from(text).secret_name or text)
    if text.endswith(_ANY_ID):
        named = re.compile(f"{re.escape(text.removesuffix(_ANY_ID))}{_ID}")
        # The environment's own secret may have the same prefix.
        name = "" if any(map(named.fullmatch, own)) else next(filter(named.fullmatch, sorted(others)), "")
    # Of a secret whose name nothing shows, the key of the for_each may tell.
    keys = {each.name.casefold() for each in _instances(container.folder)} if name not in known else ()
    of_instance = (each for each, environment in others.items() if aliases(environment).intersection(keys))
    return name if name in others else next(of_instance, "")


def _instances(folder: Folder) -> Iterator[Node]:
    """Yield what each for_each is at, of the definition and of the modules above it."""
    if folder.each:
        yield folder.each
    if folder.call:
        yield from _instances(folder.call.folder)


def _instance_in(text: str, node: Node, folder: Folder) -> str:
    """The key of the instance of a resource that an expression's text names, also by each.value.name; "" for none."""
    index = match[0][1:-1] if (match := _INDEX.search(text)) else ""
    if index == "each.key":
        return folder.each.name if folder.each else ""
    known = index.strip('"') if index.startswith('"') else resolve_fully(f"${{{index}}}", node, folder)
    return known if is_literal(known) else ""


def _secret_in(expression: Node, folder: Folder, instance: str = "", depth: int = 0) -> str:
    """The name or the ARN of the secret that an expression means in every apply, `_ANY_ID` after a prefix; "" for none.

    It may be that of a resource, or of a data source, also of a secret's version; of several, that of an `instance`.
    """
    resolved = folder.follow(expression)
    # The resource's each.key is its own, not that of the task definition.
    scope = replace(folder.scope(resolved), each=None)
    text = read_text(resolved, folder) or f"${{{resolved.source}}}"
    match = _SECRET.fullmatch(_INDEX.sub("", text))
    if match is None or depth > DEEPEST:
        known = "" if folder.is_open(resolved) else resolve_fully(text, resolved, folder)
        return known if is_literal(known) or known.startswith("arn:") else ""
    blocks = [*scope.of_type("data" if match["data"] else "resource", match["type"], match["label"])]
    instance = _instance_in(text, resolved, folder) or instance
    loops = (loop for block in blocks if instance and (loop := block.expression("for_each")))
    entries = (entry for loop in loops for entry in scope.entries(loop) if entry.name == instance)
    scope = replace(scope, each=next(entries, None))
    # A data source of a secret has one of the first two.
    values = {name: block.expression(name) for block in blocks for name in ("name", "arn", "secret_id", "name_prefix")}
    name, value = next(((name, value) for name, value in values.items() if value), ("", None))
    found = _secret_in(value, scope, depth=depth + 1) if value else ""
    return f"{found}{_ANY_ID}" if found and name == "name_prefix" else found


def _has_reference(container: TerraformContainer, variable: str, key: str) -> bool:
    """Whether the container has the reference; raises CannotEdit if the variable has another source."""
    for ref in container.references:
        if ref.variable != variable:
            continue
        if ref.key == key and not ref.certain:
            raise CannotFollow(_name_taken(container, ref, "only under a condition"))
        if ref.key == key and ref.value_from in (f"{ref.base}:{key}::", f"{ref.base}:{key}:AWSCURRENT:"):
            if ref.base == container.base or not container.base or _names_secret_too(ref, container):
                return True
            raise CannotEdit(_name_taken(container, ref, "from another secret"))
        source = f"from key {ref.key}" if ref.key not in ("", key) else "from elsewhere"
        raise CannotEdit(_name_taken(container, ref, source))
    for plain in container.plain_variables:
        if plain.variable == variable:
            raise CannotEdit(_name_taken(container, plain, "in its environment, as plain text"))
    return False


def _names_secret_too(ref: ContainerVariable, container: TerraformContainer) -> bool:
    """Whether a reference names the container's secret by another expression, such as a module's for its argument."""
    known = (each for each in container.references if each.base == container.base)
    return _meaning(ref, container.folder) in {_meaning(each, container.folder) for each in known}


def _name_taken(container: TerraformContainer, owner: ContainerVariable, source: str) -> str:
    node = owner.element
    line = f"line {node.line}" if node.file == container.node.file else f"{node.file.name}, line {node.line}"
    problem = f"{owner.variable} is taken: {_describe(container)} has it {source} ({line})"
    return f"{problem}. Use another name, or remove that first."


def _refusal(container: TerraformContainer, variable: str, reason: str, advice: str = BY_HAND) -> CannotFollow:
    return CannotFollow(f"{variable} was not added to {_describe(container)}: {reason}.{advice}")


def _with_call(container: TerraformContainer) -> TerraformContainer:
    """The container, with its module's address in that of its definition, as Terraform has it: another call differs."""
    call = container.folder.call
    return replace(container, definition=f"{call.address}.{container.definition}") if call else container


def _describe(container: TerraformContainer) -> str:
    return f"container {container.name} of {container.definition} ({container.file}, line {container.line})"


def _insertion(
    container: TerraformContainer, neighbors: list[TerraformContainer], variable: str, key: str
) -> tuple[Node, Insertion]:
    """The insertion, and a node of the file to insert it into."""
    unit = _unit_of(container)
    lists = [each.list for each in container.plain_variables if each.list.kind == "tuple" and "\n" in each.list.source]
    secrets_list = container.lists[0] if container.lists else None
    is_json = _is_json(container, secrets_list or container.node)
    comma = not is_json and all(map(ends_in_comma, lists[:1]))
    if secrets_list and secrets_list.kind != "tuple":
        return _collection_insertion(container, secrets_list, (variable, key), unit, comma)
    shape = _shape_reference(container, neighbors, variable, f"{container.base}:{key}::", is_json)
    if secrets_list:
        references = [(each.variable, each.element) for each in container.references if each.list == secrets_list]
        following = _following(references, variable) if len(references) == len(secrets_list.parts) else None
        return secrets_list, add_element(secrets_list, shape, unit, comma, following)
    environment = [each for each in container.node.parts if each.name == "environment"]
    if not container.node.parts:
        raise _refusal(container, variable, "the last object that it is merged from is empty")
    after = (environment or list(container.node.parts))[-1]
    return container.node, add_member(container.node, after, "secrets", shape, unit, comma, is_json)


def _following(elements: list[tuple[str, Node]], name: str) -> Node | None:
    """The element of an alphabetical list that comes after a new name; None for none."""
    return dict(elements).get(next_in_order([each for each, _ in elements], name) or "")


def _collection_insertion(
    container: TerraformContainer, secrets_list: Node, names: tuple[str, str], unit: str, comma: bool
) -> tuple[Node, Insertion]:
    """The insertion into a map, or into the collection of a for expression, formed like its last element."""
    variable, key = names
    collection = collection_of(secrets_list, container.folder)
    is_json = _is_json(container, collection)
    samples = [each for each in container.references if each.list == secrets_list and collection.encloses(each.element)]
    is_named = secrets_list.is_loop and collection.kind == "tuple"
    if is_named and all(each.kind == "string" for each in collection.parts):
        if variable != key:
            raise _refusal(container, variable, "a for expression makes its names from keys: both must be the same")
        names_of = [(each.name, each) for each in collection.parts]
        return collection, add_element(collection, Shape(f'"{variable}"'), unit, comma, _following(names_of, variable))
    own = [each for each in samples if each.key and each.base == container.base]
    sample = next((each for each in reversed(own) if _is_without_comment(each.element)), None)
    if sample is None:
        reason = f"nothing in the collection in {collection.file.name}, line {collection.line}, shows the form of one"
        raise _refusal(container, variable, reason)
    # An element of keys() is a key alone.
    member = collection.member(sample.element.name) if collection.kind == "object" else None
    source = member.value.source if member else sample.element.source
    text = _substitute(source, sample, variable, key)
    if text == source and not (member and sample.names_secret(member.value)):
        raise _refusal(
            container, variable, f"the value of {sample.variable} on line {sample.element.line} shows no form"
        )
    if member:
        following = _following([(each.name, each) for each in collection.parts], variable)
        return collection, add_pair(collection, variable, text, is_json, following)
    shape = Shape(text, indent_at(collection.file.text, sample.element.start))
    references = [(each.variable, each.element) for each in samples]
    following = _following(references, variable) if len(references) == len(collection.parts) else None
    return collection, add_element(collection, shape, unit, not is_json, following)


def _substitute(source: str, sample: ContainerVariable, variable: str, key: str) -> str:
    """The source of an element for another variable and key: its names in quotes are replaced."""
    new = {sample.variable: variable, sample.key: key}

    def quoted(match: re.Match[str]) -> str:
        return re.sub(r"(?<![\w.$-])[\w.-]+(?![\w.-])", lambda word: new.get(word[0], word[0]), match[0])

    return re.sub(r'"(?:[^"\\]|\\.)*"', quoted, source)


def _is_without_comment(element: Node) -> bool:
    return not re.search(r"#|//|/\*", re.sub(r'"(?:[^"\\]|\\.)*"', "", element.source))


def _check(
    task_definitions: TaskDefinitions,
    before: tuple[TerraformContainer, ...],
    container: TerraformContainer,
    edit: Edit,
    reference: tuple[str, str],
) -> tuple[TerraformContainer, ...]:
    """Verify that the edited files are parsed to the old containers plus the reference; raises CannotEdit if not.

    Returns the other containers that get the reference too.
    """
    changed = SourceFile(edit.file.path, edit.file.name, edit.after)
    after, _ = find_containers(tuple(changed if each.name == changed.name else each for each in task_definitions.files))
    expected = Counter([("secrets", *reference)])
    additions = [_contents(new) - _contents(old) for old, new in zip(before, after, strict=False)]
    is_correct = len(before) == len(after) and not any(each.folder.unreadable for each in after)
    for old, new, addition in zip(before, after, additions, strict=False):
        possible = [expected] if old is container else [Counter()]
        possible += [expected] if old.address == container.address or old.name in container.sharers else []
        is_correct = is_correct and addition in possible and not _contents(old) - _contents(new)
    if not is_correct:
        raise _refusal(container, reference[0], "the edited files would not parse as expected")
    return tuple(each for each, added in zip(before, additions, strict=True) if added and each is not container)


def _contents(container: TerraformContainer) -> Counter[tuple[str, ...]]:
    """A container's name and variables, without positions, to compare."""
    return Counter(
        [
            ("container", container.definition, container.name, str(len(container.other_sources))),
            *(("secrets", each.variable, each.value_from) for each in container.references),
            *(("environment", each.variable) for each in container.plain_variables),
        ]
    )


def _is_json(container: TerraformContainer, node: Node) -> bool:
    """Whether a list or object, for a container, is written in JSON."""
    if container.json and container.node.encloses(node):
        return True
    return node.file.name.endswith(".json") and not isinstance(node.file, JsonString)


def _shape_reference(
    container: TerraformContainer,
    neighbors: Iterable[TerraformContainer],
    variable: str,
    value_from: str,
    is_json: bool,
) -> Shape:
    """The text of the new reference, formatted like the container's own, like others in the folder, or plain."""
    best = [each.element for each in container.references if each.list in container.lists[:1]]
    elements, others = (
        [each.element for owner in owners for each in owner.references if _is_json(owner, each.element) == is_json]
        for owners in ([container], neighbors)
    )
    for element in (*reversed(best), *reversed(elements), *reversed(others)):
        if _is_plain(element, PAIR):
            return _copy(element, [each for each in best if _is_plain(each, PAIR)], (variable, value_from))
    for plain in reversed(container.plain_variables):
        if _is_json(container, plain.element) == is_json and _is_plain(plain.element, ("name", "value")):
            return _adapt(plain.element, variable, value_from)
    for own in reversed([each for each in container.references if each.list in container.lists[:1] and each.key]):
        if any(own.element.member(name) for name in VALUE_FROM[1:]) and _is_without_comment(own.element):
            text = _substitute(own.element.source, own, variable, split_value_from(value_from)[1])
            return Shape(text, indent_at(own.element.file.text, own.element.start))
    if is_json:
        return Shape(f'{{"name": "{variable}", "valueFrom": "{value_from}"}}')
    return Shape(f'{{ name = "{variable}", valueFrom = "{value_from}" }}')


def _unit_of(container: TerraformContainer) -> str:
    """The indentation of a new list's elements; "" if the lists and objects around are on one line."""
    text = container.node.file.text
    lists = [each.list for each in container.plain_variables if each.list.kind == "tuple"]
    if "\n" not in container.node.source or (lists and "\n" not in lists[-1].source):
        return ""
    inner = [indent_at(text, member.start) for member in container.node.parts]
    outer = indent_at(text, container.node.end - 1)
    unit = inner[-1].removeprefix(outer) if inner and inner[-1].startswith(outer) else ""
    return unit or UNIT


def _is_plain(element: Node, keys: tuple[str, str]) -> bool:
    """Whether an element is an object of exactly these two strings, without comments."""
    if element.kind != "object" or sorted(part.name for part in element.parts) != sorted(keys):
        return False
    strings = all(part.value.kind == "string" for part in element.parts)
    return strings and all(_LAYOUT.fullmatch(gap) for gap in _gaps(element))


def _gaps(element: Node) -> tuple[str, str, str]:
    text = element.file.text
    first, second = element.parts
    return text[element.start : first.start], text[first.end : second.start], text[second.end : element.end]


def _copy(element: Node, peers: list[Node], new: tuple[str, str]) -> Shape:
    """A copy of the element with other values; its second member in the column of its peers'."""
    text = element.file.text
    values = dict(zip(PAIR, new, strict=True))
    first, second = (f'{text[part.start : part.value.start]}"{values[part.name]}"' for part in element.parts)
    before, between, after = _gaps(element)
    if "\n" not in element.source and between != between.rstrip():
        columns = {peer.parts[1].start - peer.start for peer in peers}
        lengths = {peer.parts[0].end - peer.start for peer in peers}
        width = len(before + first + between.rstrip())
        is_aligned = len(columns) == 1 and (len(lengths) > 1 or between.endswith("  "))
        between = between.rstrip() + " " * max(min(columns) - width if is_aligned else 1, 1)
        after = " }" if after.startswith("  ") else after
    copy = f"{before}{first}{between}{second}{after}"
    return Shape(copy.replace("\r\n", "\n"), indent_at(text, element.start))


def _adapt(element: Node, variable: str, value_from: str) -> Shape:
    """A reference formatted like a plain variable's element: its layout, quotes, separators and commas."""
    text = element.file.text
    gaps = [gap.replace("\r\n", "\n") for gap in _gaps(element)]
    quote = '"' if text[element.parts[0].start] == '"' else ""
    old_separator = text[element.parts[0].parts[0].end : element.parts[0].value.start]
    width = len(PAIR[1]) if "\n" in gaps[1] and "=" in old_separator else 0
    separator = " = " if "=" in old_separator else ": " if old_separator.endswith(" ") else ":"
    first = f'{quote}{PAIR[0]}{quote}{" " * (width and width - len(PAIR[0]))}{separator}"{variable}"'
    second = f'{quote}{PAIR[1]}{quote}{separator}"{value_from}"'
    return Shape(f"{gaps[0]}{first}{gaps[1]}{second}{gaps[2]}", indent_at(text, element.start))
