"""Templates in quoted strings, heredocs and files: their interpolations and directives, valueFrom with them, and JSON.

See https://developer.hashicorp.com/terraform/language/expressions/strings
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl import Node, read_expression
from omc_runbook.textfile.file import SourceFile

_FILLER = "\x00"
_OPENING = re.compile(r"\$\$?\{|%%?\{")
"""How an interpolation or a directive begins, or what is none because it is escaped."""
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")
_HEREDOC = re.compile(r"<<-?[\w.-]+\r?\n")
_DIRECTIVE = re.compile(r"%\{~?\s*(if|else|endif|for|endfor)\b(.*?)~?\}", re.DOTALL)
_LOOP = re.compile(r"\s*([\w-]+)\s*(?:,\s*([\w-]+)\s*)?in\b", re.DOTALL)

PartKind = Literal["text", "value", "if", "else", "endif", "for", "endfor"]


@dataclass(frozen=True)
class Part:
    """A part of a template: literal text, or what an expression of it decides."""

    kind: PartKind
    text: str = ""
    """The literal text, or the expression."""
    at: int = 0
    """Where the expression begins in the template."""
    names: tuple[str, ...] = ()
    """The variables of a loop."""
    body: tuple[Part, ...] = ()
    otherwise: tuple[Part, ...] = ()


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
    is_interpolation = [*interpolations(fields[0])] == [(0, len(fields[0]))]
    before = 7 if fields[0] == "arn" and fields[2:3] == ["secretsmanager"] else 1 if is_interpolation else 0
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
    # A number is valid as a value, and within a string.
    body = _hide(text, "1").replace("$${", "xxx")
    spans = {(start + at, start + to): text[at:to] for at, to in interpolations(text)}
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
    inner = _expression("value", interpolation, 2, len(interpolation) - 1)
    try:
        return expression_of(inner.text, file, position + inner.at)
    except UsageError:
        return None


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


def parse_template(text: str) -> tuple[Part, ...]:
    """The parts of a template; raises ValueError where a directive is not closed, or closes none."""
    parts, last = _parts(_tokens(text))
    if last:
        raise ValueError(last)
    return parts


def _tokens(text: str) -> Iterator[Part]:
    """The literal texts, without the spaces that a ~ strips, the interpolations and the directives of a template."""
    at, is_stripped = 0, False
    for start, end in (*sequences(text), (len(text), len(text))):
        literal = text[at:start].lstrip() if is_stripped else text[at:start]
        literal = literal.rstrip() if text[start + 2 : start + 3] == "~" else literal
        if literal:
            yield Part("text", literal)
        if text[start : start + 1] == "%":
            yield _directive(text, start, end)
        elif start < end:
            yield _expression("value", text, start + 2, end - 1)
        at, is_stripped = end, text[end - 2 : end - 1] == "~"


def _directive(text: str, start: int, end: int) -> Part:
    match = _DIRECTIVE.fullmatch(text, start, end)
    if match is None:
        raise ValueError(text[start:end])
    kind: PartKind = match[1]  # type: ignore[assignment]
    if kind != "for":
        return _expression(kind, text, *match.span(2))
    loop = _LOOP.match(text, *match.span(2))
    if loop is None:
        raise ValueError(match[0])
    return _expression("for", text, loop.end(), match.end(2), tuple(filter(None, loop.groups())))


def _expression(kind: PartKind, text: str, start: int, end: int, names: tuple[str, ...] = ()) -> Part:
    inner = text[start:end]
    stripped = inner.strip("~ \t\r\n")
    return Part(kind, stripped, start + inner.find(stripped), names)


def _parts(tokens: Iterator[Part]) -> tuple[tuple[Part, ...], str]:
    """The parts up to a directive that closes or continues one, and its name; "" for the end of the text."""
    parts: list[Part] = []
    for token in tokens:
        if token.kind in ("else", "endif", "endfor"):
            return tuple(parts), token.kind
        if token.kind in ("if", "for"):
            body, last = _parts(tokens)
            otherwise, last = _parts(tokens) if (token.kind, last) == ("if", "else") else ((), last)
            if last != f"end{token.kind}":
                raise ValueError(token.kind)
            token = Part(token.kind, token.text, token.at, token.names, body, otherwise)
        parts.append(token)
    return tuple(parts), ""
