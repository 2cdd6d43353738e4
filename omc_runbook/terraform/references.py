"""The lists of variables that a container has in Terraform: what each element says, and what cannot be told."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_folder import Folder, describe, find_member
from omc_runbook.terraform.hcl_template import interpolations, is_literal, split_value_from

_LOOP = re.compile(r"\$\{\s*(\w+)\s*\}")


@dataclass(frozen=True)
class Written:
    """A variable as it is written: its name, where its value is from, its element, and the list that this is in."""

    variable: str
    value_from: str
    element: Node
    list: Node
    certain: bool
    """Whether it is there in any case, and not under a condition."""

    @cached_property
    def base(self) -> str:
        """How the secret's ARN is written before the key; "" where no key shows."""
        return split_value_from(self.value_from)[0]

    @cached_property
    def key(self) -> str:
        """The key in the secret's JSON; "" where none shows."""
        return split_value_from(self.value_from)[1]


@dataclass
class Listing:
    """All that one `secrets` or `environment` is made of."""

    written: list[Written] = field(default_factory=list)
    lists: list[Node] = field(default_factory=list)
    """The lists that are a part of it in any case; a for expression stands for the list of its names."""
    unseen: list[str] = field(default_factory=list)
    """What else it is made of, in words."""


def read_listing(node: Node, folder: Folder) -> Listing:
    """Read the value of a container's `secrets` or `environment`."""
    listing = Listing()
    for part in folder.parts(node):
        names = names_of(part.node, folder)
        if part.node.kind not in ("tuple", "for") or names.kind != "tuple":
            listing.unseen.append(describe(part.node))
            continue
        if part.certain:
            listing.lists.append(part.node)
        for element in names.parts:
            gives, loop = element, {}
            if part.node.kind == "for":
                gives, loop = part.node.parts[1], {part.node.name: element.name}
            variable, value_from = _pair(folder.objects(gives), folder, loop)
            if variable:
                listing.written.append(Written(variable, value_from, element, part.node, part.certain))
            else:
                listing.unseen.append(describe(element))
    return listing


def names_of(node: Node, folder: Folder) -> Node:
    """The list of literal names that a for expression with one variable goes through; any other node is its own."""
    if node.kind != "for" or "," in node.name:
        return node
    parts = list(folder.parts(node.parts[0]))
    if len(parts) != 1 or not parts[0].certain or parts[0].node.kind != "tuple":
        return node
    literal = all(each.kind == "string" and is_literal(each.name) for each in parts[0].node.parts)
    return parts[0].node if literal else node


def read_text(node: Node, folder: Folder, loop: dict[str, str] | None = None) -> str:
    """What a string has between its quotes, seen through local values; a path becomes an interpolation; else ""."""
    filled = loop or {}
    found = folder.follow(node)
    if found.kind == "path":
        return filled.get(found.name, f"${{{found.name}}}")
    return _LOOP.sub(lambda match: filled.get(match[1], match[0]), found.name) if found.kind == "string" else ""


def _pair(objects: tuple[Node, ...], folder: Folder, loop: dict[str, str]) -> tuple[str, str]:
    """Name and valueFrom of an element; no name where it has none that shows."""
    name, value = find_member(objects, "name"), find_member(objects, "valueFrom")
    if name is None or name.kind != "member":
        return "", ""
    variable = read_text(name.value, folder, loop)
    value_from = read_text(value.value, folder, loop) if value and value.kind == "member" else ""
    filled = [value_from[start:end] for start, end in interpolations(value_from)]
    varies = any(re.search(rf"\b{re.escape(each)}\b", text) for each in loop for text in filled)
    return ("", "") if varies or not is_literal(variable) else (variable, value_from)
