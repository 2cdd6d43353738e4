"""The Terraform files of one folder, and the resolution of expressions in them: locals, variables, concat, merge."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from omc_runbook.model.environment_names import canonical
from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.data_files import DECODERS, read_data
from omc_runbook.terraform.hcl import Block, Node, read_attributes, read_blocks
from omc_runbook.terraform.hcl_json import JSON, read_json_blocks, read_json_values
from omc_runbook.terraform.hcl_template import interpolations, is_literal, only_expression
from omc_runbook.terraform.overrides import is_override, override
from omc_runbook.textfile.file import SourceFile

DEEPEST = 20
"""The deepest chain of locals that is followed; a cycle has no end."""
MOST_REFERENCES, _MOST_OF_LARGE = 2_000, 100_000
"""How many references a value may have that is followed, with those of what it is made from; of a large folder's, more.

A folder with many may have each of them once for each other: 100 services with a list of 100 references are no mistake.
"""
_DEEPEST_VALUE = 100
"""How deeply expressions may be nested in a value that is followed, with those of what it is made from."""

SOURCES = (".tf", ".tofu", *JSON)
"""The endings of files with blocks."""
VALUES = (".tfvars", ".tfvars.json")
"""The endings of files that set variables of a root module."""

_SAME_ELEMENTS = ("distinct", "tolist", "toset", "sort", "nonsensitive", "sensitive")
"""Functions of one list that leave its elements as they are."""

_ONCE = ("distinct", "toset", "setunion", "keys", "merge", "tomap")
"""Functions whose result has nothing twice."""

_READERS = ("file", "templatefile", "fileset")
"""Functions of a path."""

OWN_PATH = re.compile(r"\A\$\{path\.(\w+)\}/")
"""What a path begins with that is relative to a folder of Terraform's: module, or root."""

_LOCAL = re.compile(r"\blocal\.([A-Za-z_][\w-]*)")
_NAMED = re.compile(r"(?<![\w.-])(?:(?:local|var)\.[A-Za-z_][\w-]*|each(?=\.))")


@dataclass(frozen=True)
class ListPart:
    """A part of a list: a tuple, a for expression, or something else that cannot be resolved."""

    node: Node
    certain: bool
    """Whether it is unconditional."""


@dataclass(frozen=True)
class ModuleCall:
    """A `module` block, and the folder that has it."""

    block: Block
    folder: Folder
    may_be_absent: bool = False
    """Whether it has a count, or a for_each, that is not known, so that there may be none of it."""

    @property
    def address(self) -> str:
        """The module's address in Terraform, with its callers and the key of a for_each: module.api["worker"]."""
        above = f"{self.folder.call.address}." if self.folder.call else ""
        key = f'["{self.folder.each.name}"]' if self.folder.each else ""
        return f"{above}module.{self.block.labels[0]}{key}"


@dataclass(frozen=True)
class Folder:
    """The files of a folder, which Terraform reads as one module; as one `call` gives its variables, if there is one.

    Files that end in one of `VALUES` set variables of a folder that is not called.
    """

    files: tuple[SourceFile, ...]
    call: ModuleCall | None = None
    each: Node | None = None
    """The member, or the string, of the for_each for which expressions are resolved."""
    is_root: bool = False
    """Whether no other folder calls it, so that .tfvars and defaults decide its variables."""
    templates: tuple[SourceFile, ...] = field(default=(), repr=False)
    """Other files, in any folder, whose text its expressions may read."""

    @property
    def path(self) -> Path:
        """Its path; it has to have files."""
        return Path(os.path.normpath(self.files[0].path.parent))

    @property
    def root(self) -> Folder:
        """The folder in which the chain of calls begins, where `terraform apply` runs."""
        return self.call.folder.root if self.call else self

    def has(self, node: Node) -> bool:
        """Whether an expression is in one of its files."""
        return any(node.file.name == file.name for file in self.files)

    def scope(self, node: Node) -> Folder:
        """The folder, of this one and its callers, that an expression is in."""
        if self.has(node) or self.call is None:
            return self
        return self.call.folder.scope(node)

    @cached_property
    def _parsed(self) -> dict[str, tuple[Block, ...] | UsageError]:
        """The blocks of each of Terraform's files, or why it cannot be read, by name.

        They are kept, since a large checkout has more files than `blocks_of` remembers.
        """
        parsed: dict[str, tuple[Block, ...] | UsageError] = {}
        for file in self.files:
            try:
                parsed[file.name] = parse(file)
            except UsageError as error:
                parsed[file.name] = error
        return parsed

    @cached_property
    def unreadable(self) -> dict[str, UsageError]:
        """Files that cannot be read, also those of its callers, by name."""
        errors = dict(self.call.folder.unreadable) if self.call else {}
        return errors | {name: each for name, each in self._parsed.items() if isinstance(each, UsageError)}

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of all files that are valid, as its override files change them."""
        sources = [file for file in self.files if file.name not in self.unreadable and not file.name.endswith(VALUES)]
        own = (block for file in sources if not is_override(file.name) for block in self._blocks_of(file))
        names = sorted((file for file in sources if is_override(file.name)), key=lambda file: file.name)
        return tuple(override(own, (block for file in names for block in self._blocks_of(file))))

    def _blocks_of(self, file: SourceFile) -> tuple[Block, ...]:
        # `parse` leaves Terragrunt's files out, of which `unreadable` says nothing.
        parsed = self._parsed[file.name] if file.name.endswith(SOURCES) else blocks_of(file)
        return parsed if isinstance(parsed, tuple) else ()

    def of_type(self, type_: str, *labels: str) -> Iterator[Block]:
        """Yield the blocks of a type whose labels begin with these."""
        return (block for block in self.blocks if block.type == type_ and block.labels[: len(labels)] == labels)

    @cached_property
    def locals(self) -> tuple[Node, ...]:
        """The members that declare local values."""
        return tuple(member for block in self.of_type("locals") for member in block.attributes)

    def local(self, name: str) -> Node | None:
        """The expression of a local value; None where none is declared, or several are."""
        values = [member.value for member in self.locals if member.name == name]
        return values[0] if len(values) == 1 else None

    def default(self, variable: str) -> Node | None:
        """The expression of a variable's default; None without one."""
        return self._declared(variable, "default")

    def type_of(self, variable: str) -> Node | None:
        """The expression of a variable's type; None without one."""
        return self._declared(variable, "type")

    def declares(self, variable: str) -> bool:
        """Whether the folder has a variable of this name."""
        return any(self.of_type("variable", variable))

    def is_constant(self, node: Node) -> bool:
        """Whether an expression is the value of a variable, in .tfvars or as a default: it must be a constant."""
        declared = (attribute for block in self.of_type("variable") for attribute in block.attributes)
        return node.file.name.endswith(VALUES) or any(attribute.encloses(node) for attribute in declared)

    @property
    def has_provider(self) -> bool:
        """Whether it is meant to be applied itself: it has a provider, a backend, or a .tfvars file."""
        inner = {each.type for block in self.of_type("terraform") for each in block.blocks}
        is_set = any(file.name.endswith(VALUES) for file in self.files)
        return is_set or bool(inner & {"backend", "cloud"}) or any(self.of_type("provider"))

    def local_of(self, node: Node) -> str:
        """The name of the local value that an expression is a part of; "" for none."""
        return next((member.name for member in self.scope(node).locals if member.encloses(node)), "")

    def locals_in(self, text: str) -> set[str]:
        """The local values that a text refers to, directly or through others."""
        references: set[str] = set()
        names = set(_LOCAL.findall(text))
        while names:
            references |= names
            sources = [member.source for member in self.locals if member.name in names]
            names = {name for source in sources for name in _LOCAL.findall(source)} - references
        return references

    def is_endless(self, name: str) -> bool:
        """Whether a value is not followed: local.name, var.name, or each for what a for_each is over.

        It is made of itself, which Terraform refuses, of expressions that are nested too deeply, or of more than is
        read: where each of several has the next one twice, the number of references doubles with each. A variable is
        made of what the call of its module gives it.
        """
        return self._extent(name) is None

    def _extent(self, name: str, above: int = 0) -> tuple[int, int] | None:
        """How many references a value has, and how deeply it is nested; None for one that is not followed.

        `above` is how deep it is in the value that is asked for; "" is a constant.
        """
        if above > _DEEPEST_VALUE:
            return None
        if name not in self._extents:
            # A value that is made of itself finds this.
            self._extents[name] = None
            kind, _, rest = name.partition(".")
            value = self.each if kind == "each" else self.local(rest) if kind == "local" else self._variable(rest)
            self._extents[name] = self.scope(value)._extent_of(value, above, self._most) if value else (0, 0)
        return self._extents[name]

    def _extent_of(self, value: Node, above: int, most: int) -> tuple[int, int] | None:
        """The same for an expression of this folder."""
        count = deepest = 0
        for name, depth in _named_in(value):
            inner = self._extent(name, above + depth)
            if inner is None:
                return None
            count, deepest = count + bool(name) + inner[0], max(deepest, depth + inner[1])
        return (count, deepest) if count <= most and deepest <= _DEEPEST_VALUE else None

    @cached_property
    def _extents(self) -> dict[str, tuple[int, int] | None]:
        """Those that were found, by name."""
        return {"": (0, 0)}

    @cached_property
    def _most(self) -> int:
        """How many references a value may have that is followed, here or in the folders that it calls."""
        own = sum(len(_NAMED.findall(file.text)) for file in self.files)
        above = self.call.folder._most if self.call else MOST_REFERENCES
        return max(above, min(own**2, _MOST_OF_LARGE))

    def follow(self, node: Node, depth: int = 0) -> Node:
        """Resolve parentheses, local values, variables and for_each; the node itself where that is not possible."""
        if depth > DEEPEST:
            return node
        if node.kind == "group":
            return self.follow(node.parts[0], depth + 1)
        # In JSON, an expression that is no constant can only be written as a template.
        expression = only_expression(node) if node.file.name.endswith(JSON) else None
        if expression:
            return self.follow(expression, depth + 1)
        if chosen := self._chosen(node, depth) or self._decoded(node, depth):
            return self.follow(chosen, depth + 1)
        value, *keys = self.scope(node)._definition(node) if node.kind == "path" else (None,)
        if value is None:
            return node
        resolved = self.follow(value, depth + 1)
        for key in keys:
            member = resolved.member(key) if resolved.kind == "object" else None
            if member is None:
                return node
            resolved = self.follow(member.value, depth + 1)
        return resolved

    def is_open(self, node: Node) -> bool:
        """Whether an expression is a root's default: who applies that for another environment sets the variable.

        That of a folder whose name is the environment that it means is none.
        """
        scope = self.scope(node)
        is_default = scope.call is None and scope.is_constant(node) and not node.file.name.endswith(VALUES)
        folders = map(canonical, Path(node.file.name).parent.parts)
        return is_default and canonical(node.name) not in folders

    def _chosen(self, node: Node, depth: int) -> Node | None:
        """The member of an object that a name, an index or lookup() chooses by a known text; None for anything else."""
        if node.kind == "attribute":
            table = self.follow(node.parts[0], depth + 1)
            member = table.member(node.name) if table.kind == "object" else None
            return member.value if member else None
        is_lookup = node.kind == "call" and node.name == "lookup"
        if len(node.parts) < 2 or not (is_lookup or node.kind == "index"):
            return None
        table, key = (self.follow(each, depth + 1) for each in node.parts[:2])
        is_known = table.kind == "object" and key.kind == "string" and is_literal(key.name) and not self.is_open(key)
        member = table.member(key.name) if is_known else None
        return member.value if member else None

    def _decoded(self, node: Node, depth: int) -> Node | None:
        """The data that jsondecode(file(PATH)) or yamldecode(file(PATH)) reads; None for anything else."""
        encoded = node.argument_of(*DECODERS)
        argument = self.follow(encoded, depth + 1).argument_of("file") if encoded else None
        if argument is None:
            return None
        path = self.follow(argument, depth + 1)
        is_known = path.kind == "string" and is_literal(OWN_PATH.sub("", path.name))
        file = self.file_at(path.name, path) if is_known else None
        return read_data(file, node.name) if file else None

    def origins(self, node: Node, depth: int = 0) -> frozenset[str]:
        """The names of the files, and the outputs of modules, that an expression is made from."""
        resolved, scope = self.follow(node), self.scope(node)
        if depth > DEEPEST:
            return frozenset()
        if resolved.kind == "path" and resolved.name.startswith("module."):
            return frozenset({resolved.name})
        own = frozenset[str]()
        if resolved.kind == "call" and resolved.name in _READERS and resolved.parts:
            path = self.follow(resolved.parts[0])
            text = OWN_PATH.sub("", path.name) if path.kind == "string" else "$"
            home = scope if path.name.startswith("${path.module}/") else self.root
            is_known = is_literal(text) and not Path(text).is_absolute()
            own = frozenset({os.path.normpath(Path(home.files[0].name).parent / text)} if is_known else ())
        return own.union(*(self.origins(each, depth + 1) for each in resolved.parts))

    def file_at(self, path: str, node: Node) -> SourceFile | None:
        """The file, of those that expressions read, that a path in an expression names where Terraform is applied."""
        folder = self.scope(node) if path.startswith("${path.module}/") else self.root
        name = os.path.normpath(folder.path / OWN_PATH.sub("", path))
        return next((file for file in self.templates if os.path.normpath(file.path) == name), None)

    def entries(self, node: Node) -> tuple[Node, ...]:
        """What a for_each runs over: the members of a map, or the strings of a set; () where that is not known."""
        objects = self.objects(node)
        if objects and all(each.kind == "object" for each in objects):
            return tuple(member for each in objects for member in each.parts if member.name)
        resolved = self.follow(node)
        if resolved.kind == "object-for":
            return self._entries_by_name(resolved)
        parts = [part for part in self.parts(node) if part.certain and part.node.kind == "tuple"]
        strings = [element for part in parts for element in part.node.parts]
        return tuple(strings) if all(each.kind == "string" for each in strings) else ()

    def _entries_by_name(self, loop: Node) -> tuple[Node, ...]:
        """The members of { for s in LIST : s.name => s }; () for any other form."""
        key, value = loop.parts[1:3]
        variable, _, name = key.name.partition(".")
        elements = [self.follow(each) for part in self.parts(loop.parts[0]) for each in part.node.parts]
        names = [each.member(name) for each in elements if each.kind == "object"]
        texts = [self.follow(each.value) for each in names if each]
        is_plain = len(loop.parts) == 3 and variable == loop.name and (value.kind, value.name) == ("path", variable)
        if not is_plain or len(texts) != len(elements) or any(each.kind != "string" for each in texts):
            return ()
        return tuple(
            Node(kind="member", file=each.file, start=each.start, end=each.end, name=text.name, parts=(text, each))
            for text, each in zip(texts, elements, strict=True)
        )

    def _definition(self, path: Node) -> tuple[Node | None, *tuple[str, ...]]:
        """The expression that a path begins with, and the keys that follow."""
        kind, _, rest = path.name.partition(".")
        name, *keys = rest.split(".")
        if kind in ("local", "var", "each") and self.is_endless(kind if kind == "each" else f"{kind}.{name}"):
            return (None,)
        if kind == "local":
            value = self.local(name)
            return (value, *keys) if value else (None,)
        if kind == "var":
            return (self._variable(name), *keys)
        if kind == "each" and self.each is not None and name == "value":
            return (self.each.value if self.each.kind == "member" else self.each, *keys)
        if kind == "each" and self.each is not None and name == "key" and self.each.kind == "member":
            key = self.each.parts[0]
            return (Node(kind="string", file=key.file, start=key.start, end=key.end, name=self.each.name),)
        return (self.each,) if path.name == "each.key" else (None,)

    def _variable(self, name: str) -> Node | None:
        """The value of a variable: the call's argument, or what the only .tfvars that sets it has, or its default."""
        if self.call and (argument := self.call.block.expression(name)):
            return argument
        if not (self.call or self.is_root):
            return None
        values = [file for file in self.files if file.name.endswith(VALUES) and file.name not in self.unreadable]
        settings = [member for file in values for member in values_of(file) if member.name == name]
        if len(settings) > 1:
            return None
        return settings[0].value if settings else self.default(name)

    def _declared(self, variable: str, attribute: str) -> Node | None:
        """The expression of an attribute in a variable's block."""
        block = next(self.of_type("variable", variable), None)
        return block.expression(attribute) if block else None

    def parts(self, node: Node, certain: bool = True) -> Iterator[ListPart]:
        """Yield the parts of a list, with concat(), setunion(), distinct(), flatten() and conditions resolved."""
        resolved = self.follow(node)
        match resolved.kind, resolved.name:
            case "call", "concat" | "setunion":
                for argument in resolved.parts:
                    yield from self.parts(argument, certain)
            case "call", _ if inner := resolved.argument_of(*_SAME_ELEMENTS):
                yield from self.parts(inner, certain)
            case "call", "flatten" if inner := resolved.argument_of("flatten"):
                yield from self._flatten(resolved, self.follow(inner), certain)
            case "call", "try" | "coalescelist":
                # It is one of them.
                for argument in resolved.parts:
                    yield from self.parts(argument, False)
            case "conditional", _:
                for branch in resolved.parts[1:]:
                    yield from self.parts(branch, False)
            case _:
                yield ListPart(resolved, certain)

    def has_each_once(self, node: Node) -> bool:
        """Whether nothing is twice in a collection, however it is made: it is a map, or a set, or was one."""
        resolved = self.follow(node)
        is_once = resolved.kind == "object" or (resolved.kind == "call" and resolved.name in _ONCE)
        # A map that is made of a list with a name twice is an error to Terraform.
        inner = resolved.parts[0] if resolved.kind == "object-for" else resolved.argument_of(*_SAME_ELEMENTS)
        return is_once or (inner is not None and self.has_each_once(inner))

    def objects(self, node: Node) -> tuple[Node, ...]:
        """The objects that an object is merged from, in order, including expressions that cannot be resolved."""
        resolved = self.follow(node)
        if resolved.kind == "call" and resolved.name in ("merge", "tomap") and resolved.parts:
            return tuple(each for argument in resolved.parts for each in self.objects(argument))
        return (resolved,)

    def _flatten(self, call: Node, inner: Node, certain: bool) -> Iterator[ListPart]:
        kinds = {self.follow(part).kind for part in inner.parts} if inner.kind == "tuple" else {"other"}
        if kinds <= {"object"}:
            yield ListPart(inner, certain)
        elif inner.kind == "tuple" and "object" not in kinds:
            for part in inner.parts:
                yield from self.parts(part, certain)
        else:
            yield ListPart(call, certain)


def _named_in(node: Node, depth: int = 1) -> Iterator[tuple[str, int]]:
    """Yield the values that are named in an expression, as local.name, as often as each is in it; "" for a constant.

    Each with its depth in the expression.
    """
    names: list[str] = []
    if node.kind == "path":
        names = _NAMED.findall(node.name)
    elif node.kind in ("string", "heredoc"):
        text = node.name if node.kind == "string" else node.source
        names = [name for start, end in interpolations(text) for name in _NAMED.findall(text[start:end])]
    yield from ((name, depth) for name in names or ("",))
    for part in node.parts:
        yield from _named_in(part, depth + 1)


def parse(file: SourceFile) -> tuple[Block, ...]:
    """The blocks of one of Terraform's files, of a template none; raises UsageError, with the line, if it is not valid.

    A file that sets variables has none either.
    """
    if file.name.endswith(VALUES):
        values_of(file)
    return blocks_of(file) if file.name.endswith(SOURCES) else ()


def blocks_of(file: SourceFile) -> tuple[Block, ...]:
    """The blocks of a file in either syntax; raises UsageError if it is not valid."""
    return read_json_blocks(file) if file.name.endswith(JSON) else read_blocks(file)


def values_of(file: SourceFile) -> tuple[Node, ...]:
    """The variables that a .tfvars or .tfvars.json sets; raises UsageError if it is not valid."""
    return read_json_values(file) if file.name.endswith(VALUES[1]) else read_attributes(file)


def find_member(objects: tuple[Node, ...], key: str) -> Node | None:
    """The member with a key in merged objects; None if there is none.

    Returns an expression that is not an object instead if the member may be in that.
    """
    for each in reversed(objects):
        if each.kind != "object" and not _lacks(each, key):
            return each
        if member := each.member(key):
            return member
    return None


def find_value(objects: tuple[Node, ...], key: str) -> Node | None:
    """The value of that member; None also where it may be in an expression that is not an object."""
    member = find_member(objects, key)
    return member.value if member and member.kind == "member" else None


def _lacks(node: Node, key: str) -> bool:
    """Whether an expression certainly has no member with a key: a condition between objects with keys of their own."""
    if node.kind == "conditional":
        return all(_lacks(branch, key) for branch in node.parts[1:])
    return node.kind == "object" and all(member.name not in ("", key) for member in node.parts)


def describe(node: Node) -> str:
    """Describe an expression in words, without its text."""
    condition = " with a condition" if node.condition else ""
    kinds = {
        "path": node.name,
        "call": f"{node.name}()",
        "string": "a quoted string",
        "heredoc": "a heredoc",
        "for": f"a for expression{condition}",
        "object-for": f"a for expression{condition}",
        "conditional": "a condition",
        "tuple": "a list",
        "object": "an object",
    }
    return f"{kinds.get(node.kind, 'an expression')} on line {node.line}"


def describe_in(folder: Folder, node: Node) -> str:
    """Describe an expression in words, with the files that it is made from."""
    origins = " and ".join(sorted(folder.origins(node) - {node.name}))
    return f"{describe(node)}, made from {origins}" if origins else describe(node)
