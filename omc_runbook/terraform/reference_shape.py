"""How a new reference looks: like the last one of its list, else like those nearby, else plain."""

from __future__ import annotations

import re
from collections.abc import Iterable

from omc_runbook.terraform.containers import Found
from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_insert import UNIT, Shape, indent_at

PAIR = ("name", "valueFrom")

_LAYOUT = re.compile(r"[\s{},]*")


def shape_reference(found: Found, nearby: Iterable[Found], variable: str, value_from: str) -> Shape:
    """The text of a new reference in the manner of the container's own, of others of the same syntax, or plain."""
    own = [each.element for each in found.references]
    best = [each.element for each in found.references if each.list in found.lists[:1]]
    others = [each.element for other in nearby if other.json == found.json for each in other.references]
    for element in (*reversed(best), *reversed(own), *reversed(others)):
        if _is_plain(element, PAIR):
            return _copy(element, [each for each in best if _is_plain(each, PAIR)], (variable, value_from))
    for plain in reversed(found.environment):
        if _is_plain(plain.element, ("name", "value")):
            return _adapt(plain.element, variable, value_from)
    if found.json:
        return Shape(f'{{"name": "{variable}", "valueFrom": "{value_from}"}}')
    return Shape(f'{{ name = "{variable}", valueFrom = "{value_from}" }}')


def unit_of(found: Found) -> str:
    """By how much a new list's elements are indented; "" where lists and objects around are written on one line."""
    text = found.node.file.text
    lists = [each.list for each in found.environment if each.list.kind == "tuple"]
    if "\n" not in found.node.source or (lists and "\n" not in lists[-1].source):
        return ""
    inner = [indent_at(text, member.start) for member in found.node.parts]
    outer = indent_at(text, found.node.end - 1)
    unit = inner[-1].removeprefix(outer) if inner and inner[-1].startswith(outer) else ""
    return unit or UNIT


def _is_plain(element: Node, keys: tuple[str, str]) -> bool:
    """Whether an element is an object of these two strings and nothing else, no comment either."""
    if element.kind != "object" or sorted(part.name for part in element.parts) != sorted(keys):
        return False
    strings = all(part.value.kind == "string" for part in element.parts)
    return strings and all(_LAYOUT.fullmatch(gap) for gap in _gaps(element))


def _gaps(element: Node) -> tuple[str, str, str]:
    text = element.file.text
    first, second = element.parts
    return text[element.start : first.start], text[first.end : second.start], text[second.end : element.end]


def _copy(element: Node, peers: list[Node], new: tuple[str, str]) -> Shape:
    """The element with other names; its second member in the column in which those of its peers are."""
    text = element.file.text
    values = dict(zip(PAIR, new, strict=True))
    first, second = (f'{text[part.start : part.value.start]}"{values[part.name]}"' for part in element.parts)
    before, between, after = _gaps(element)
    if "\n" not in element.source and between != between.rstrip():
        columns = {peer.parts[1].start - peer.start for peer in peers}
        lengths = {peer.parts[0].end - peer.start for peer in peers}
        begun = before + first + between.rstrip()
        aligned = len(columns) == 1 and (len(lengths) > 1 or between.endswith("  "))
        between = between.rstrip() + " " * max(min(columns) - len(begun) if aligned else 1, 1)
        after = " }" if after.startswith("  ") else after
    whole = f"{before}{first}{between}{second}{after}"
    return Shape(whole.replace("\r\n", "\n"), indent_at(text, element.start))


def _adapt(element: Node, variable: str, value_from: str) -> Shape:
    """A plain variable's element made into a reference: its layout, quotes, separators and commas."""
    text = element.file.text
    gaps = [gap.replace("\r\n", "\n") for gap in _gaps(element)]
    quote = '"' if text[element.parts[0].start] == '"' else ""
    written = text[element.parts[0].parts[0].end : element.parts[0].value.start]
    width = len(PAIR[1]) if "\n" in gaps[1] and "=" in written else 0
    separator = " = " if "=" in written else ": " if written.endswith(" ") else ":"
    first = f'{quote}{PAIR[0]}{quote}{" " * (width and width - len(PAIR[0]))}{separator}"{variable}"'
    second = f'{quote}{PAIR[1]}{quote}{separator}"{value_from}"'
    return Shape(f"{gaps[0]}{first}{gaps[1]}{second}{gaps[2]}", indent_at(text, element.start))
