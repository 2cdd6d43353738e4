"""Terraform's for expressions: the rounds of each, with the texts of its variables, and what it iterates over."""

from __future__ import annotations

import re
from collections.abc import Iterable

from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_folder import Folder
from omc_runbook.terraform.hcl_template import is_literal
from omc_runbook.terraform.texts import Loop, holds, read_text

MAPS = ("object", "object-for")
"""The kinds of expressions that are maps."""


def entries_of(node: Node, folder: Folder) -> list[tuple[Node, Node, Loop]] | None:
    """What a part of a list is made of: each element, the expression of its reference, and the loop's variables.

    None for a part that cannot be resolved.
    """
    if node.kind == "object":
        return [(member, member, {}) for member in node.parts if member.name]
    if node.kind == "tuple":
        return [(element, element, {}) for element in node.parts]
    rounds = _rounds(node, folder) if node.is_loop else None
    return None if rounds is None else [(element, node, loop) for element, loop in rounds]


def origin_of(text: str, node: Node, element: Node, folder: Folder) -> Node:
    """The for expression that writes a text into an element's reference, of `node` and those that it iterates over.

    It may also be what variables and local values in such a one lead to. Where none writes it, the element has the
    text, or leads to it.
    """
    if not text:
        return element
    if not node.is_loop:
        return _leads_to(text, element, folder) or element
    words = re.escape(text.removeprefix("${").removesuffix("}").strip())
    if any(re.search(rf"(?<![\w.]){words}(?![\w.\[-])", result.source) for result in node.parts[1:]):
        return node
    if found := next(filter(None, (_leads_to(text, each, folder) for each in node.parts[1:])), None):
        return found
    inner = (each for each in folder.objects(node.parts[0]) if each.is_loop)
    own = (each for each in inner if any(one is element for one, _ in _rounds(each, folder) or ()))
    return origin_of(text, next(own, element), element, folder)


def _leads_to(text: str, node: Node, folder: Folder) -> Node | None:
    """The string or the path with a text that an expression has, or that its variables and local values lead to."""
    resolved = folder.follow(node)
    own = {"path": f"${{{resolved.name}}}", "string": resolved.name}.get(resolved.kind, "")
    if text in own:
        return resolved
    return next(filter(None, (_leads_to(text, each, folder) for each in resolved.parts)), None)


def is_filtered(node: Node, folder: Folder) -> bool:
    """Whether a for expression has a condition, or one that it iterates over has: it may leave a new element out."""
    if not node.is_loop:
        return False
    return bool(node.condition) or any(is_filtered(each, folder) for each in folder.objects(node.parts[0]))


def _rounds(node: Node, folder: Folder) -> list[tuple[Node, Loop]] | None:
    """The rounds of a for expression: each element that it is made for, and the texts of its variables in it.

    None where it cannot be resolved, or its condition is not known.
    """
    rounds = _all_rounds(node, folder)
    if rounds is None or node.condition is None:
        return rounds
    tests = [holds(node.condition, folder, loop) for _, loop in rounds]
    return None if None in tests else [each for each, test in zip(rounds, tests, strict=True) if test]


def _all_rounds(node: Node, folder: Folder) -> list[tuple[Node, Loop]] | None:
    """The rounds of a for expression without its condition."""
    names, collection = [name.strip() for name in node.name.split(",")], node.parts[0]
    objects = folder.objects(collection)
    if not any(each.kind in MAPS for each in objects):
        elements = _elements(collection, folder)
        # The first of two variables is a number in a list and the element itself in a set: it is not read.
        return None if elements is None else [(each, _loop(names[-1], each, folder)) for each in elements]
    if len(names) != 2 or not all(each.kind in MAPS for each in objects):
        return None
    rounds: list[tuple[Node, Loop]] = []
    for each in objects:
        if each.kind == "object":
            rounds += [
                (member, {names[0]: member.name, **_loop(names[1], member.value, folder)}) for member in each.parts
            ]
            continue
        inner = _rounds(each, folder)
        if inner is None:
            return None
        texts = ((element, [read_text(part, folder, loop) for part in each.parts[1:3]]) for element, loop in inner)
        rounds += [(element, dict(zip(names, pair, strict=True))) for element, pair in texts]
    return rounds


def _elements(collection: Node, folder: Folder) -> list[Node] | None:
    """The elements of a list that a for expression iterates over: literal names, objects, or keys; else None."""
    resolved = folder.follow(collection)
    if table := resolved.argument_of("keys"):
        objects = folder.objects(table)
        return [member.parts[0] for each in objects for member in each.parts] if _are(objects, "object") else None
    parts = list(folder.parts(collection))
    if not all(part.certain and part.node.kind == "tuple" for part in parts):
        return None
    elements = [folder.follow(each) for part in parts for each in part.node.parts]
    is_literal_text = _are(elements, "string") and all(is_literal(each.name) for each in elements)
    return elements if is_literal_text or _are(elements, "object") else None


def _are(nodes: Iterable[Node], kind: str) -> bool:
    return all(each.kind == kind for each in nodes)


def _loop(name: str, element: Node, folder: Folder) -> Loop:
    """The texts of a for expression's variable, and of its members, for one element."""
    value = folder.follow(element)
    if value.kind == "object":
        return {f"{name}.{each.name}": read_text(each.value, folder) for each in value.parts if each.name}
    # A key without quotes is a path in the syntax, and a text to Terraform.
    return {name: value.name if value.kind == "path" and "." not in value.name else read_text(value, folder)}


def content_of(element: Node, folder: Folder) -> frozenset[tuple[str, str]]:
    """What tells an element of a collection from others: a map's key, or what a list's element is."""
    value = element if element.kind == "member" else folder.follow(element)
    members = value.parts if value.kind == "object" else ()
    texts = ((each.name, read_text(each.value, folder) or each.value.source) for each in members)
    return frozenset({("", value.name), *texts})


def collection_of(node: Node, folder: Folder) -> Node:
    """The list or map that a for expression iterates over; any other node itself.

    Of several merged ones it is the last that has anything in it: an empty one is often a variable's default.
    """
    if not node.is_loop:
        return node
    collection = folder.follow(node.parts[0])
    while collection.kind == "call" and len(collection.parts) == 1:
        collection = folder.follow(collection.parts[0])
    maps = [each for each in folder.objects(collection) if each.kind in MAPS]
    lists = [part.node for part in folder.parts(collection) if part.node.kind == "tuple"]
    last = next((each for each in reversed(maps or lists) if each.parts), (maps or lists or [node])[-1])
    return collection_of(last, folder) if maps else last
