"""The place in class Settings that a person would give a new field."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from omc_runbook.model.errors import CannotEdit
from omc_runbook.repository.classes import MAIN, Classes, config_of, declares

Kind = Literal["field", "config", "text", "nothing", "function", "other"]

MARGIN = re.compile(r"[ \t\f]*")


@dataclass(frozen=True)
class Place:
    """Where new lines go: before the line with this index, which may be one past the last."""

    lines: Sequence[str]
    index: int
    indent: str
    newline: str
    above: bool
    """Whether an empty line goes before them."""
    below: bool
    """Whether an empty line goes after them."""

    def insert(self, new: Sequence[str]) -> str:
        """The text with new lines in this place; where the last line had no end, the new last one has none."""
        block = [
            *([""] if self.above else []),
            *(f"{self.indent}{line}" for line in new),
            *([""] if self.below else []),
        ]
        text = "".join(f"{line}{self.newline}" for line in block)
        before = "".join(self.lines[: self.index])
        if not before.endswith(("\n", "\r")):
            text = f"{self.newline}{text.removesuffix(self.newline)}"
        return before + text + "".join(self.lines[self.index :])


@dataclass(frozen=True)
class _Part:
    """The statements of one line of a class's body, as indexes of lines."""

    kind: Kind
    names: tuple[str, ...]
    """The fields that it declares."""
    mentions: frozenset[str]
    """The texts in it, or in the decorators of a function: a validator names its fields there."""
    lead: int
    """The first of the comments and empty lines above it."""
    first: int
    end: int


def find_place(classes: Classes, name: str) -> Place:
    """The place for a field: below its nearest relative and what belongs to that, or below the first fields.

    Raises CannotEdit for a class that is written on one line, or twice.
    """
    lines, parts = classes.lines, _parts(classes)
    below, apart = _neighbour(parts, lines, name)
    last = _follow(parts, lines, below) if below >= 0 else -1
    margin = MARGIN.match(lines[parts[0].first])
    indent = margin[0].rpartition("\f")[2] if margin else ""
    index = _after_comments(parts, lines, last, indent) if last >= 0 else parts[0].lead
    kind = parts[last].kind if last >= 0 else "nothing"
    above = apart or kind in ("config", "function") or (kind == "text" and not parts[below].names)
    crowded = last + 1 < len(parts) and bool(lines[index].strip())
    ends = re.search(r"[\r\n]+$", lines[index - 1])
    newline = ends[0] if ends else classes.file.newline
    return Place(lines, index, indent, newline, above, crowded and (above or last < 0))


def _parts(classes: Classes) -> list[_Part]:
    """The body of class Settings, by its lines."""
    name, lines, node = classes.file.name, classes.lines, classes.nodes[MAIN]
    if sum(isinstance(each, ast.ClassDef) and each.name == MAIN for each in classes.tree.body) > 1:
        raise CannotEdit(f"{name} has class {MAIN} twice: keep one of them.")
    top = _first_line(node.body[0])
    if top == node.lineno - 1 or lines[top].encode()[: node.body[0].col_offset].strip() or _goes_on(lines[top - 1]):
        raise CannotEdit(f"{name}, line {node.lineno} has class {MAIN} on one line: give its body lines of its own.")
    parts: list[_Part] = []
    rest = list(node.body)
    while rest:
        first, here = _first_line(rest[0]), rest[:1]
        end = _end(lines, rest[0])
        while len(here) < len(rest) and _first_line(rest[len(here)]) < end:
            end = _end(lines, rest[len(here)])
            here.append(rest[len(here)])
        rest = rest[len(here) :]
        kind = _kind(here)
        if kind == "function":
            end = _inner_comments(lines, end, _margin(lines[first]))
        lead = first
        while lead > (parts[-1].end if parts else node.lineno) and (
            _is_comment(lines[lead - 1]) or not lines[lead - 1].strip()
        ):
            lead -= 1
        texts = frozenset(text for statement in here for text in _texts(statement))
        parts.append(_Part(kind, tuple(filter(None, map(declares, here))), texts, lead, first, end))
    return parts


def _end(lines: Sequence[str], statement: ast.stmt) -> int:
    """The index of the line after a statement, and after lines that a backslash joins to its last."""
    last = (statement.end_lineno or statement.lineno) - 1
    tail = lines[last].encode()[statement.end_col_offset :].decode()
    while _goes_on(tail) and last + 1 < len(lines):
        last += 1
        tail = lines[last]
    return last + 1


def _goes_on(tail: str) -> bool:
    """Whether a backslash ends what stands at the end of a line, and no comment does."""
    return "#" not in tail and tail.rstrip("\r\n").endswith("\\")


def _inner_comments(lines: Sequence[str], end: int, margin: int) -> int:
    """The line after a function and the comments that are indented as its body is."""
    for index in range(end, len(lines)):
        if _is_comment(lines[index]) and _margin(lines[index]) > margin:
            end = index + 1
        elif lines[index].strip():
            break
    return end


def _first_line(statement: ast.stmt) -> int:
    """The index of a statement's first line, its decorators counted."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)]) - 1


def _kind(statements: list[ast.stmt]) -> Kind:
    first = statements[0]
    if any(map(declares, statements)):
        return "field"
    if any(map(config_of, statements)):
        return "config"
    if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "function"
    value = first.value.value if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None
    if isinstance(value, str):
        return "text"
    return "nothing" if isinstance(first, ast.Pass) or value is ... else "other"


def _texts(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        roots: list[ast.AST] = [*statement.decorator_list]
    else:
        roots = [statement]
    for each in (node for root in roots for node in ast.walk(root)):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _neighbour(parts: list[_Part], lines: Sequence[str], name: str) -> tuple[int, bool]:
    """The part to stand below, -1 for the top of the class, and whether to keep apart from it."""
    fields = {own: index for index, part in enumerate(parts) for own in part.names}
    if not fields:
        configs = [index for index, part in enumerate(parts) if part.kind == "config"]
        heads = next((index for index, part in enumerate(parts) if part.kind not in ("text", "nothing")), len(parts))
        return (configs[-1] if configs else heads - 1), False
    words = name.upper().split("_")
    others = {own: own.upper().split("_") for own in fields}
    leading = {own: _shared(words, other) for own, other in others.items()}
    trailing = {own: _shared(words[::-1], other[::-1]) for own, other in others.items()}
    if (most := max(leading.values())) > 0:
        relative = max(fields[own] for own, count in leading.items() if count == most)
        return relative, _stands_alone(parts, lines, relative)
    if (most := max(trailing.values())) > 1:
        relative = _group_end(parts, lines, max(fields[own] for own, count in trailing.items() if count == most))
        return relative, _stands_alone(parts, lines, relative)
    first = last = min(fields.values())
    for index in range(first, len(parts)):
        if parts[index].kind not in ("field", "text", "config"):
            break
        last = index if parts[index].names else last
    groups = any(not _is_close(parts[index], lines) for index in range(first + 1, last + 1))
    return last, groups


def _stands_alone(parts: list[_Part], lines: Sequence[str], index: int) -> bool:
    """Whether a field keeps apart from those beside it, as most fields of the class do."""
    fields = [each for each, part in enumerate(parts) if part.names]
    pairs = list(pairwise(fields))
    gaps = [not all(_is_close(parts[each], lines) for each in range(one + 1, other + 1)) for one, other in pairs]
    beside = all(gap for gap, pair in zip(gaps, pairs, strict=True) if index in pair)
    return len(gaps) > 1 and beside and sum(gaps) * 2 > len(gaps)


def _group_end(parts: list[_Part], lines: Sequence[str], index: int) -> int:
    """The last of the fields right below a field that begin with the same word: nothing is put between those."""
    word = parts[index].names[-1].upper().split("_")[0]
    for each in range(index + 1, len(parts)):
        same = parts[each].names and parts[each].names[0].upper().split("_")[0] == word
        if not same or not _is_close(parts[each], lines):
            return each - 1
    return len(parts) - 1


def _shared(words: list[str], others: list[str]) -> int:
    """How many words two names have in common from the beginning on."""
    pairs = zip(words, others, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(words), len(others)))


def _follow(parts: list[_Part], lines: Sequence[str], index: int) -> int:
    """The last part that belongs to a field: a text that describes it, and the functions about it."""
    names, last = set(parts[index].names), index
    for each in range(index + 1, len(parts) if names else 0):
        part = parts[each]
        if part.kind == "field":
            break
        text = part.kind == "text" and each == index + 1
        next_to_it = part.kind == "function" and each == last + 1 and _is_close(part, lines)
        if text or next_to_it or (part.kind in ("function", "other") and part.mentions & names):
            last = each
    return last


def _is_close(part: _Part, lines: Sequence[str]) -> bool:
    """Whether no empty line is above a part."""
    return all(map(str.strip, lines[part.lead : part.first]))


def _after_comments(parts: list[_Part], lines: Sequence[str], index: int, indent: str) -> int:
    """The line after a part and the comments that belong to it: those right above something else belong to that."""
    is_last = index + 1 == len(parts)
    stop = len(lines) if is_last else parts[index + 1].first
    deeper = parts[index].end
    while deeper < stop and _is_comment(lines[deeper]) and _margin(lines[deeper]) > _margin(indent):
        deeper += 1
    level = deeper
    while level < stop and _is_comment(lines[level]) and _margin(lines[level]) == _margin(indent):
        level += 1
    return level if is_last or (level < stop and not lines[level].strip()) else deeper


def _is_comment(line: str) -> bool:
    return line.strip().startswith("#")


def _margin(line: str) -> int:
    """How far a line is indented, as Python counts it."""
    margin = MARGIN.match(line)
    return len(margin[0].rpartition("\f")[2].expandtabs(8)) if margin else 0
