"""What an expression is as a text, and whether a condition holds, by what the files show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from omc_runbook.model.truth import all_of, any_of, invert
from omc_runbook.terraform import functions
from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_folder import DEEPEST, Folder, find_value
from omc_runbook.terraform.hcl_template import (
    expression_in,
    interpolations,
    is_literal,
    only_expression,
    replace_interpolations,
)

_LOOP = re.compile(r"\$\{\s*([\w.]+)\s*\}")
_OF_TEXTS = frozenset({"lower", "replace", "title", "trimprefix", "trimspace", "trimsuffix", "upper"})
"""Functions that make one text of others."""
_TESTS = frozenset({"endswith", "startswith", "strcontains"})
"""Functions that test one text by another."""

Loop = Mapping[str, str]
"""The texts of a for expression's variables, and of their members: s.name."""


def read_text(node: Node, folder: Folder, loop: Loop | None = None) -> str:
    """A string's text, with local values resolved; a path as an interpolation; "" for anything else.

    What format() and join() make of such is a text, too, and what upper() and its like make of literal ones.
    """
    values = loop or {}
    resolved = folder.follow(node)
    if resolved.kind == "index" and resolved.parts[1].name in values:
        chosen = find_value(folder.objects(resolved.parts[0]), values[resolved.parts[1].name])
        return read_text(chosen, folder) if chosen else ""
    if resolved.kind == "path":
        return values.get(resolved.name, f"${{{resolved.name}}}")
    if resolved.kind == "call" and resolved.name in ("format", "join") and resolved.parts:
        return _joined(resolved, folder, values)
    if resolved.kind == "call" and resolved.name in _OF_TEXTS:
        texts = [_texts(each, folder, values) for each in resolved.parts]
        return _of_function(resolved, [each[0] if each else None for each in texts]) or ""
    text = resolved.name if resolved.kind == "string" else ""
    return replace_interpolations(text, lambda *span: _interpolated(resolved, span, folder, values)) if values else text


def _interpolated(string: Node, span: tuple[int, int], folder: Folder, loop: Loop) -> str:
    """What an interpolation of a string is for a for expression's variables; itself where they do not tell."""
    text = string.name[slice(*span)]
    if variable := _LOOP.fullmatch(text):
        return loop.get(variable[1], text)
    expression = expression_in(text, string.file, string.start + 1 + span[0])
    return (read_text(expression, folder, loop) if expression else "") or text


def _of_function(call: Node, arguments: Sequence[str | None]) -> str | None:
    """What a function of `_OF_TEXTS` makes of literal texts; None for others, or where Terraform would refuse them."""
    if not all(text is not None and is_literal(text) for text in arguments):
        return None
    try:
        return str(functions.call(call.name, arguments))
    except (TypeError, ValueError):
        return None


def holds(condition: Node, folder: Folder, loop: Loop | None = None) -> bool | None:
    """Whether a condition is true; None where the files do not tell."""
    resolved, values = folder.follow(condition), loop or {}
    match resolved.kind, resolved.name:
        case "path", name:
            text = "" if folder.is_open(resolved) else values.get(name, name)
            return {"true": True, "false": False}.get(text.removeprefix("${").removesuffix("}"))
        case "unary", "!":
            return invert(holds(resolved.parts[0], folder, values))
        case "binary", "&&" | "||" as operator:
            sides = [holds(part, folder, values) for part in resolved.parts]
            return any_of(sides) if operator == "||" else all_of(sides)
        case "binary", "==" | "!=" as operator:
            left, right = (_known_text(part, folder, values) for part in resolved.parts)
            return None if left is None or right is None else (left == right) is (operator == "==")
        case "call", "contains" if len(resolved.parts) == 2:
            listed = _elements(resolved.parts[0], folder)
            entry, *entries = (_known_text(each, folder, values) for each in (resolved.parts[1], *(listed or ())))
            return None if listed is None or entry is None or None in entries else entry in entries
        case "call", name if name in _TESTS and len(resolved.parts) == 2:
            texts = [_known_text(part, folder, values) for part in resolved.parts]
            return None if None in texts else bool(functions.call(name, texts))
    return None


def is_none(repetition: Node, folder: Folder) -> bool | None:
    """Whether a count is 0, or a for_each is empty; None where the files do not tell."""
    resolved = folder.follow(repetition)
    if resolved.kind == "conditional":
        test = holds(resolved.parts[0], folder)
        return None if test is None else is_none(resolved.parts[1 if test else 2], folder)
    if folder.is_open(resolved):
        return None
    if resolved.kind == "number":
        return resolved.name == "0"
    elements = resolved.parts if resolved.kind == "object" else _elements(resolved, folder)
    return None if elements is None else not elements


def _elements(node: Node, folder: Folder) -> list[Node] | None:
    """The elements of a list that is written out, for every apply; None for any other expression."""
    parts = [*folder.parts(node)]
    is_whole = all(part.certain and part.node.kind == "tuple" and not folder.is_open(part.node) for part in parts)
    return [element for part in parts for element in part.node.parts] if is_whole else None


def _known_text(node: Node, folder: Folder, loop: Loop) -> str | None:
    """The text that an expression is in every apply; None where the files do not tell, or it may be no text."""
    resolved = folder.follow(node)
    if folder.is_open(resolved):
        return None
    if expression := only_expression(resolved):
        return _known_text(expression, folder, loop)
    if resolved.kind == "call" and resolved.name in _OF_TEXTS:
        return _of_function(resolved, [_known_text(each, folder, loop) for each in resolved.parts])
    if resolved.kind != "string" and resolved.name not in loop:
        return None
    text = read_text(resolved, folder, loop)
    # A loop has "" for what is not known, and a key without quotes as a text, which may be none.
    is_text = text not in ("true", "false", "null") and bool(text or resolved.kind == "string")
    return text if is_text and is_literal(text) else None


def _joined(call: Node, folder: Folder, loop: Loop) -> str:
    """The text that format() or join() makes of others; "" where one of them has none."""
    first, *others = (_texts(each, folder, loop) for each in call.parts)
    lists = {folder.follow(each).kind for each in call.parts[1:]} if call.name == "join" else {"tuple"}
    if not first or None in others or lists != {"tuple"}:
        return ""
    texts = [text for each in others for text in each or ()]
    if call.name == "join":
        return first[0].join(texts)
    pieces = first[0].split("%s")
    if len(pieces) != len(texts) + 1 or any("%" in each for each in pieces):
        return ""
    return pieces[0] + "".join(f"{text}{piece}" for text, piece in zip(texts, pieces[1:], strict=True))


def _texts(node: Node, folder: Folder, loop: Loop) -> list[str] | None:
    """The text of an expression, or those of a list's elements; None where one has none. An empty one is a text."""
    resolved = folder.follow(node)
    nodes = [folder.follow(each) for each in resolved.parts] if resolved.kind == "tuple" else [resolved]
    texts = [(each, read_text(each, folder, loop)) for each in nodes]
    is_known = all(text or (each.kind == "string" and not each.name) for each, text in texts)
    return [text for _, text in texts] if is_known else None


def read_name(node: Node, folder: Folder, texts: Loop | None = None) -> str:
    """A container's name, with the variables and local values in it resolved where all of them can be."""
    text = read_text(node, folder, texts)
    if is_literal(text) or not (folder.call or folder.each):
        return text
    resolved = resolve(text, node, folder)
    return resolved if is_literal(resolved) else text


def resolve(text: str, node: Node, folder: Folder, is_certain: bool = False) -> str:
    """An expression's text, with those of its variables and local values in it that are texts themselves.

    `is_certain` leaves out what whoever applies it may set otherwise.
    """

    def value(match: re.Match[str]) -> str:
        path = Node(kind="path", file=folder.scope(node).files[0], start=0, end=0, name=match[1])
        resolved = folder.follow(path)
        is_text = resolved.kind == "string" and not (is_certain and folder.is_open(resolved))
        return resolved.name if is_text else match[0]

    return _LOOP.sub(value, text)


def resolve_fully(text: str, node: Node, folder: Folder) -> str:
    """What the files show of an expression's text for every apply, through local values that refer to others."""
    for _ in range(DEEPEST):
        before, text = text, resolve(text, node, folder, is_certain=True)
        if before == text:
            break
    return text


def uses_loop(node: Node, folder: Folder, loop: Loop) -> bool:
    """Whether a text has a for expression's variable in an interpolation that is not read."""
    resolved = folder.follow(node)
    if resolved.kind in ("call", "tuple"):
        return any(uses_loop(each, folder, loop) for each in resolved.parts)
    spans = [*interpolations(resolved.name)] if resolved.kind == "string" else []
    texts = [(resolved.name[slice(*span)], _interpolated(resolved, span, folder, loop)) for span in spans]
    unknown = [text for text, filled in texts if text == filled]
    words = {each.partition(".")[0] for each in loop}
    return any(re.search(rf"(?<![\w.]){re.escape(word)}\b", text) for word in words for text in unknown)
