"""Inserting elements into lists and objects of a Terraform file, formatted like the existing ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from json import dumps

from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_json import JsonString
from omc_runbook.textfile.file import Edit, SourceFile

UNIT = "  "
"""The indentation of terraform fmt, if a file shows no other."""
_REST_OF_LINE = re.compile(r"(?>[ \t\r]|/\*.*?\*/)*+(?:(?:#|//)[^\n]*)?\n", re.DOTALL)
_UP_TO_COMMA = re.compile(r"(?>\s|(?:#|//)[^\n]*|/\*.*?\*/)*+,", re.DOTALL)
"""Blanks and comments up to a line's end, or up to a comma."""
_PADDED = re.compile(r"[ \t]*[^\s=]+ (?==)")
"""A line's beginning up to its = where the key is as wide as its column, or wider."""


@dataclass(frozen=True)
class Insertion:
    """Text to insert into a file at a position; its lines end in line feeds."""

    position: int
    text: str
    columns: tuple[tuple[int, int], ...] = ()
    """Positions in order, each with the number of blanks to put there, so that columns stay aligned."""

    def into(self, file: SourceFile) -> Edit:
        """The edit that makes it, with the file's line ends, and escaped within a string of JSON."""
        new, pieces = self.text.replace("\n", file.newline), [(at, " " * width) for at, width in self.columns]
        pieces = sorted([*pieces, (self.position, new)])
        if isinstance(file, JsonString):
            pieces = [(file.outer_position(at), dumps(each, ensure_ascii=False)[1:-1]) for at, each in pieces]
            file = file.outer
        text = file.text
        for at, each in reversed(pieces):
            text = text[:at] + each + text[at:]
        return file.with_text(text, "")


@dataclass(frozen=True)
class Shape:
    """An element's text, and the indentation of its first line."""

    text: str
    indent: str = ""

    def at(self, indent: str) -> str:
        """The text, reindented for a line with another indentation."""
        first, *others = self.text.split("\n")
        return "\n".join([first, *(self._moved(line, indent) if line else "" for line in others)])

    def _moved(self, line: str, indent: str) -> str:
        # As in [{ … }, { … }], the last line may have less than the first.
        own = line[: len(line) - len(line.lstrip())]
        if line.startswith(self.indent) or not self.indent.startswith(own):
            return indent + line.removeprefix(self.indent)
        return indent[: max(len(indent) + len(own) - len(self.indent), 0)] + line.lstrip()


def add_element(node: Node, shape: Shape, unit: str, comma: bool, following: Node | None) -> Insertion:
    """Insert an element into a list, on a line of its own if the others have one.

    In an empty list its line is indented by one more `unit`, with `comma` a comma at its end. If the last element
    has no comma, the new one goes before it, so that no existing line changes. `following` is the element
    before which it belongs in a list with an order, if that is possible without a change of its line.
    """
    text = node.file.text
    if not node.parts:
        return _first_element(node, shape, unit, comma)
    if following and (insertion := _before_element(node, following, shape)):
        return insertion
    last = node.parts[-1]
    indent, before = indent_at(text, last.start), text[line_start(text, last.start) : last.start]
    new = shape.at(indent)
    if before.strip() == "," and (below := next_line(text, last.end)):
        return Insertion(below, f"{before}{new}\n")
    after = _after_comma(text, last.end)
    if before.strip():
        between = text[node.parts[-2].end : last.start] if len(node.parts) > 1 else ", "
        if between == ", " and before.strip() == "}," and indent != indent_at(text, last.end) and "\n" in new:
            # In terraform fmt's [{ … }, { … }] only the end of the last element stands further out.
            *above, _ = new.split("\n")
            return Insertion(last.start, "\n".join((*above, f"{indent}}}, ")))
        if len(node.parts) == 1 and _is_joined(text, node, last) and "\n" in new:
            # There, each line between two elements is as far in as their members.
            *above, _ = new.split("\n")
            inner = above[-1][: len(above[-1]) - len(above[-1].lstrip())]
            return Insertion(last.start, "\n".join((*above, f"{inner}}}, ")))
        return Insertion(last.end, (between if between.strip() == "," and "\n" not in between else ", ") + new)
    if after is not None:
        below = next_line(text, after)
        return Insertion(below, f"{indent}{new},\n") if below else Insertion(after, f"\n{indent}{new},")
    former = _after_comma(text, node.parts[-2].end) if len(node.parts) > 1 else node.start + 1
    below = next_line(text, former) if former is not None else None
    return Insertion(below or line_start(text, last.start), f"{indent}{new},\n")


def _is_joined(text: str, node: Node, element: Node) -> bool:
    """Whether the only element of a list is of several lines, which begin with [{ and end with }]."""
    return (text[node.start : element.start], text[element.end : node.end]) == ("[", "]") and (
        indent_at(text, element.start) == indent_at(text, element.end) and text[element.end - 2] in " \t\n"
    )


def _before_element(node: Node, element: Node, shape: Shape) -> Insertion | None:
    """Insert an element before another; None where elements are neither on one line nor each on lines of their own."""
    text, parts, number = node.file.text, node.parts, node.parts.index(element)
    first, second = parts[max(number - 1, 0) :][:2]
    between, indent = text[first.end : second.start], indent_at(text, first.start)
    if between.strip() != "," or (not number and text[node.start + 1 : element.start].strip()):
        return None
    if "\n" not in between:
        return Insertion(element.start, shape.at(indent) + between)
    is_row = (
        between.count("\n") == 1 and between.startswith(",") and not text[: first.start].rpartition("\n")[2].strip()
    )
    return Insertion(line_start(text, element.start), f"{indent}{shape.at(indent)},\n") if is_row else None


def add_member(node: Node, after: Node, name: str, shape: Shape, unit: str, comma: bool, json: bool) -> Insertion:
    """Insert a member whose value is a list with one element into an object, after another member.

    Without a `unit` the list is on one line. `json` puts a comma after each member but the last.
    """
    indent = indent_at(node.file.text, after.start)
    value = f"[{list_body(shape, indent, unit, comma)}]" if unit else f"[{shape.at(indent)}]"
    return _insert_member(node, after, name, value, not unit, json)


def add_pair(node: Node, name: str, value: str, json: bool, following: Node | None) -> Insertion:
    """Insert a member with the text of its value into an object that has members, as the last one.

    `following` is the member before which it belongs in an object with an order, if that has lines of its own.
    """
    text = node.file.text
    number = node.parts.index(following) if following and not _has_text_before(following) else len(node.parts)
    # A comment above the first one may be of all.
    number = number if number or not text[node.start + 1 : node.parts[0].start].strip() else len(node.parts)
    insertion = _insert_member(node, node.parts[max(number - 1, 0)], name, value, "\n" not in value, json)
    if not number:
        insertion = replace(insertion, position=line_start(text, node.parts[0].start))
    if "\n" in value or not (match := _PADDED.match(insertion.text)):
        return insertion
    rows = _aligned_rows(node, number)
    missing = len(match[0]) - max((column_at(text, each) for each in rows), default=len(match[0]))
    return replace(insertion, columns=tuple((each, missing) for each in rows) if missing > 0 else ())


def _has_text_before(member: Node) -> bool:
    """Whether something else is on a member's line before it, or on the line of the one before it."""
    return bool(member.file.text[line_start(member.file.text, member.start) : member.start].strip())


def _aligned_rows(node: Node, number: int) -> list[int]:
    """The positions of the = of the members around one with this number, which are in one column.

    That is how `terraform fmt` aligns those that are each on one line, without another line between them.
    """
    text, above, below = node.file.text, node.parts[:number], node.parts[number:]
    # The new one comes directly after the one above.
    is_close = not (above and below) or below[0].line == above[-1].line + 1
    rows = [*reversed([*_rows(above[::-1], -1)]), *(_rows(below, 1) if is_close else ())]
    # A file that nobody formats keeps its lines.
    is_formatted = len({column_at(text, each) for each in rows}) == 1 and all(text[each - 1] == " " for each in rows)
    return rows if is_formatted else []


def _rows(members: Sequence[Node], step: int) -> Iterator[int]:
    """The positions of the = of members, as long as each is alone on the next line."""
    line = members[0].line if members else 0
    for member in members:
        text = member.file.text
        separator = text[member.parts[0].end : member.value.start]
        is_row = separator.count("=") == 1 and "\n" not in member.source and member.line == line
        if not is_row or _has_text_before(member):
            return
        line += step
        yield member.parts[0].end + separator.find("=")


def _insert_member(node: Node, after: Node, name: str, value: str, one_line: bool, json: bool) -> Insertion:
    """Insert a member after another one, with its quotes, its separator and its comma."""
    text = node.file.text
    key = f'"{name}"' if text[after.start] == '"' else name
    indent, before = indent_at(text, after.start), text[line_start(text, after.start) : after.start]
    new = key + _separator(node, after, key, one_line) + value
    end = _after_comma(text, after.end)
    following = next_line(text, after.end if end is None else end)
    if before.strip() or following is None:
        return Insertion(after.end, f", {new}")
    if end is None and json:
        return Insertion(after.end, f",\n{indent}{new}")
    return Insertion(following, f"{indent}{new}{'' if end is None else ','}\n")


def ends_in_comma(node: Node) -> bool:
    """Whether a comma follows the last element of a list; True for an empty list."""
    return not node.parts or _after_comma(node.file.text, node.parts[-1].end) is not None


def list_body(shape: Shape, indent: str, unit: str, comma: bool) -> str:
    """The text between the brackets of a list with one element on a line of its own."""
    return f"\n{indent}{unit}{shape.at(indent + unit)}{',' * comma}\n{indent}"


def line_start(text: str, position: int) -> int:
    """The start of the line of a position."""
    return text.rfind("\n", 0, position) + 1


def column_at(text: str, position: int) -> int:
    """The column of a position, counted from 0."""
    return position - line_start(text, position)


def indent_at(text: str, position: int) -> str:
    """The indentation of the line of a position."""
    line = text[line_start(text, position) : position]
    return line[: len(line) - len(line.lstrip())]


def next_line(text: str, position: int) -> int | None:
    """The start of the next line; None if more than comments follows on this one."""
    match = _REST_OF_LINE.match(text, position)
    return match.end() if match else None


def _after_comma(text: str, position: int) -> int | None:
    """The position after an element's comma, on any line; None if it has none."""
    match = _UP_TO_COMMA.match(text, position)
    return match.end() if match else None


def _first_element(node: Node, shape: Shape, unit: str, comma: bool) -> Insertion:
    text, end = node.file.text, node.end - 1
    if "\n" in node.source:
        start = line_start(text, end)
        indent = indent_at(text, end) + (unit or UNIT)
        own_line = not text[start:end].strip()
        new = f"{indent}{shape.at(indent)}{',' * comma}\n"
        return Insertion(start, new) if own_line else Insertion(end, shape.at(indent) + " " * (text[end - 1] == " "))
    if node.source != "[]" or not unit:
        return Insertion(
            end, shape.at(indent_at(text, node.start)) + (" " if node.source[1:-1].startswith(" ") else "")
        )
    return Insertion(end, list_body(shape, indent_at(text, node.start), unit, comma))


def _separator(node: Node, after: Node, key: str, one_line: bool) -> str:
    """The text between a key and its value: as in the member before, aligned if other members are.

    `terraform fmt` aligns the values of consecutive members on one line, and not those on several lines.
    """
    text = node.file.text
    separator = text[after.parts[0].end : after.value.start]
    if "=" not in separator or "\n" not in node.source:
        return separator
    others = [each for each in node.parts if each is not after and (not one_line or "\n" not in each.value.source)]
    column = column_at(text, after.value.start)
    shared = any(column_at(text, each.value.start) == column for each in others) or (one_line and not others)
    if not shared or one_line == ("\n" in after.value.source):
        return " = "
    return " " * max(after.value.start - after.start - len(separator.lstrip()) - len(key), 1) + "= "
