"""The Terraform files of one folder, and the resolution of expressions in them: locals, concat, merge, flatten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl import Block, Node, read_blocks
from omc_runbook.textfile.file import SourceFile

DEEPEST = 20
"""The deepest chain of locals that is followed; a cycle has no end."""

_LOCAL = re.compile(r"\blocal\.([A-Za-z_][\w-]*)")


@dataclass(frozen=True)
class ListPart:
    """A part of a list: a tuple, a for expression, or something else that cannot be resolved."""

    node: Node
    certain: bool
    """Whether it is unconditional."""


@dataclass(frozen=True)
class Folder:
    """The files of a folder, which Terraform reads as one module."""

    files: tuple[SourceFile, ...]

    @cached_property
    def broken(self) -> dict[str, UsageError]:
        """Files that are not valid HCL, by name."""
        errors = {}
        for file in self.files:
            try:
                read_blocks(file)
            except UsageError as error:
                errors[file.name] = error
        return errors

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of all files that are valid."""
        return tuple(block for file in self.files if file.name not in self.broken for block in read_blocks(file))

    @cached_property
    def locals(self) -> tuple[Node, ...]:
        """The members that declare local values."""
        return tuple(member for block in self.blocks if block.type == "locals" for member in block.attributes)

    def declares(self, variable: str) -> bool:
        """Whether the folder has a variable of this name."""
        return any(block.type == "variable" and block.labels == (variable,) for block in self.blocks)

    def local_of(self, node: Node) -> str:
        """The name of the local value that an expression is a part of; "" for none."""
        return next((member.name for member in self.locals if member.encloses(node)), "")

    def locals_in(self, text: str) -> set[str]:
        """The local values that a text refers to, directly or through others."""
        references: set[str] = set()
        names = set(_LOCAL.findall(text))
        while names:
            references |= names
            sources = [member.source for member in self.locals if member.name in names]
            names = {name for source in sources for name in _LOCAL.findall(source)} - references
        return references

    def follow(self, node: Node, depth: int = 0) -> Node:
        """Resolve parentheses and local values; returns the node itself where that is not possible."""
        if depth > DEEPEST:
            return node
        if node.kind == "group":
            return self.follow(node.parts[0], depth + 1)
        if node.kind != "path" or not node.name.startswith("local."):
            return node
        _, name, *keys = node.name.split(".")
        values = [member.value for member in self.locals if member.name == name]
        if len(values) != 1:
            return node
        resolved = self.follow(values[0], depth + 1)
        for key in keys:
            member = resolved.member(key) if resolved.kind == "object" else None
            if member is None:
                return node
            resolved = self.follow(member.value, depth + 1)
        return resolved

    def parts(self, node: Node, certain: bool = True) -> Iterator[ListPart]:
        """Yield the parts of a list, with concat(), distinct(), flatten() and conditions resolved."""
        resolved = self.follow(node)
        match resolved.kind, resolved.name:
            case "call", "concat":
                for argument in resolved.parts:
                    yield from self.parts(argument, certain)
            case "call", "distinct" | "tolist" | "toset" if len(resolved.parts) == 1:
                yield from self.parts(resolved.parts[0], certain)
            case "call", "flatten" if len(resolved.parts) == 1:
                yield from self._flatten(resolved, certain)
            case "conditional", _:
                for branch in resolved.parts[1:]:
                    yield from self.parts(branch, False)
            case _:
                yield ListPart(resolved, certain)

    def objects(self, node: Node) -> tuple[Node, ...]:
        """The objects that an object is merged from, in order, including expressions that cannot be resolved."""
        resolved = self.follow(node)
        if resolved.kind == "call" and resolved.name == "merge":
            return tuple(each for argument in resolved.parts for each in self.objects(argument))
        return (resolved,)

    def _flatten(self, call: Node, certain: bool) -> Iterator[ListPart]:
        (inner,) = (self.follow(part) for part in call.parts)
        kinds = {self.follow(part).kind for part in inner.parts} if inner.kind == "tuple" else {"other"}
        if kinds <= {"object"}:
            yield ListPart(inner, certain)
        elif inner.kind == "tuple" and "object" not in kinds:
            for part in inner.parts:
                yield from self.parts(part, certain)
        else:
            yield ListPart(call, certain)


def find_member(objects: tuple[Node, ...], key: str) -> Node | None:
    """The member with a key in merged objects; None if there is none.

    Returns an expression that is not an object instead if the member may be in that.
    """
    for each in reversed(objects):
        if each.kind != "object":
            return each
        if member := each.member(key):
            return member
    return None


def describe(node: Node) -> str:
    """Describe an expression in words, without its text."""
    kinds = {
        "path": node.name,
        "call": f"{node.name}()",
        "string": "a quoted string",
        "heredoc": "a heredoc",
        "for": "a for expression",
        "conditional": "a condition",
        "tuple": "a list",
        "object": "an object",
    }
    return f"{kinds.get(node.kind, 'an expression')} on line {node.line}"
