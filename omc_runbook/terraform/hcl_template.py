"""Templates in quoted strings and heredocs: the positions of interpolations, valueFrom with them, and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl import Node, read_expression
from omc_runbook.textfile.file import SourceFile

_FILLER = "\x00"
_OPENING = re.compile(r"\$\$?\{|%%?\{")
"""How an interpolation or a directive begins, or what is none because it is escaped."""
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")
_HEREDOC = re.compile(r"<<-?[\w.-]+\r?\n")


def interpolations(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each ${…} in a text; one that is not closed ends with the text."""
    return ((start, end) for start, end in sequences(text) if text[start] == "$")


def sequences(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each ${…} and each %{…} in a text; one that is not closed ends with the text."""
    at = 0
    while opening := _OPENING.search(text, at):
        at = opening.end()
        if len(opening[0]) == 2:
            at = _end(text, at)
            yield opening.start(), at


def is_literal(text: str) -> bool:
    """Whether a string has no interpolation, directive or escape."""
    return not any(mark in text for mark in ("${", "%{", "\\"))


def replace_interpolations(text: str, replacement: Callable[[int, int], str]) -> str:
    """A text with other text in the place of each ${…}, by its start and end."""
    pieces, position = [], 0
    for start, end in interpolations(text):
        pieces += [text[position:start], replacement(start, end)]
        position = end
    return "".join([*pieces, text[position:]])


def _hide(text: str, filler: str = "x") -> str:
    """Replace each character of an interpolation by a filler."""
    return replace_interpolations(text, lambda start, end: filler * (end - start))


def fits(pattern: str, name: str) -> bool:
    """Whether a name with interpolations, such as ${var.project}-backend, can evaluate to this one."""
    words = re.split(f"{_FILLER}+", _hide(pattern, _FILLER))
    return any(words) and len(words) > 1 and re.fullmatch(".+".join(map(re.escape, words)), name) is not None


def fields_of(text: str) -> list[str]:
    """The fields of a valueFrom between colons; those within an interpolation separate none."""
    fields, at = [], 0
    for plain in _hide(text).split(":"):
        fields.append(text[at : at + len(plain)])
        at += len(plain) + 1
    return fields


def split_value_from(text: str) -> tuple[str, str, str]:
    """Split a valueFrom into the secret's ARN, the JSON key and the rest; ("", "", "") if it has no literal key.

    The ARN may be an interpolation, as in ${var.secrets_arn}:KEY::, or a literal that has interpolations.
    """
    fields = fields_of(text)
    whole = [*interpolations(fields[0])] == [(0, len(fields[0]))]
    before = 7 if fields[0] == "arn" and fields[2:3] == ["secretsmanager"] else 1 if whole else 0
    if not before or len(fields) != before + 3 or not fields[before] or not is_literal(fields[before]):
        return "", "", ""
    return ":".join(fields[:before]), fields[before], ":".join(["", *fields[before + 1 :]])


def expression_of(text: str, file: SourceFile, position: int) -> Node:
    """The expression in an interpolation, which begins at a position of a file; raises UsageError for none."""
    if _PATH.fullmatch(text):
        return Node(kind="path", file=file, start=position, end=position + len(text), name=text)
    return read_expression(text, file, position)


def only_expression(node: Node) -> Node | None:
    """The expression of a string that is one interpolation and nothing else; None for any other."""
    if node.kind != "string" or [*interpolations(node.name)] != [(0, len(node.name))]:
        return None
    return expression_in(node.name, node.file, node.start + 1)


def read_heredoc(heredoc: Node, value: Callable[[Node], Node]) -> Node | None:
    """Parse the JSON of a heredoc as `read_json` does."""
    start, end = heredoc_span(heredoc)
    return read_json(heredoc.file, start, end, value) if start else None


def heredoc_span(heredoc: Node) -> tuple[int, int]:
    """The positions between which the text of a heredoc is in its file; (0, 0) where that is not known."""
    source = heredoc.source
    opening = _HEREDOC.match(source)
    if opening is None:
        return 0, 0
    return heredoc.start + opening.end(), heredoc.start + source.rstrip().rfind("\n") + 1


def read_json(file: SourceFile, start: int, end: int, value: Callable[[Node], Node]) -> Node | None:
    """Parse JSON between two positions of a file as an expression; interpolations may be in its strings.

    An interpolation that stands as a value becomes what `value` has for its expression. None if it is not JSON, or has
    template directives.
    """
    text = file.text[start:end]
    if "%{" in text:
        return None
    body, spans = _hide_in_json(text), {(start + at, start + to): text[at:to] for at, to in interpolations(text)}
    try:
        json.loads(body, parse_int=str)
        root = read_expression(body.strip(), file, start + len(body) - len(body.lstrip()))
    except (json.JSONDecodeError, UsageError):
        return None

    def fill(node: Node) -> Node:
        interpolation = spans.get((node.start, node.end)) if node.kind == "number" else None
        if interpolation is None:
            return replace(node, parts=tuple(map(fill, node.parts)))
        expression = expression_in(interpolation, file, node.start)
        return replace(node, kind="group", parts=(value(expression),)) if expression else replace(node, kind="other")

    return fill(root)


def expression_in(interpolation: str, file: SourceFile, position: int) -> Node | None:
    """The expression of an interpolation that begins at a position; None for one that is not valid."""
    inner = interpolation[2:-1]
    stripped = inner.strip("~ \t\r\n")
    try:
        return expression_of(stripped, file, position + 2 + inner.find(stripped))
    except UsageError:
        return None


def _hide_in_json(text: str) -> str:
    """Replace interpolations in JSON: by letters inside a string, by digits where one is a value."""
    spans = dict(interpolations(text))
    pieces, at, quoted = [], 0, False
    while at < len(text):
        if at in spans:
            pieces.append(("x" if quoted else "1") * (spans[at] - at))
            at = spans[at]
            continue
        step = 3 if text.startswith("$${", at) else 2 if quoted and text[at] == "\\" else 1
        quoted ^= text[at] == '"'
        pieces.append("xxx" if step == 3 else text[at : at + step])
        at += step
    return "".join(pieces)


def _end(text: str, at: int) -> int:
    """The end of an interpolation whose expression begins at a position; braces inside strings do not count."""
    depth = 1
    while at < len(text):
        if text[at] == '"':
            at = _quote_end(text, at + 1)
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
        if not depth:
            return at
    return len(text)


def _quote_end(text: str, at: int) -> int:
    while at < len(text):
        if text.startswith("${", at) and text[at - 1] != "$":
            at = _end(text, at + 2)
        elif text[at] == '"':
            return at + 1
        else:
            at += 2 if text[at] == "\\" else 1
    return len(text)
