"""Templates in quoted strings and heredocs: the positions of interpolations, valueFrom with them, and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl import Node, read_expression

_FILLER = "\x00"
_OPENING = re.compile(r"\$\$?\{|%%?\{")
"""How an interpolation or a directive begins, or what is none because it is escaped."""
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


def _hide(text: str, filler: str = "x") -> str:
    """Replace each character of an interpolation by a filler."""
    pieces, position = [], 0
    for start, end in interpolations(text):
        pieces += [text[position:start], filler * (end - start)]
        position = end
    return "".join([*pieces, text[position:]])


def fits(pattern: str, name: str) -> bool:
    """Whether a name with interpolations, such as ${var.project}-backend, can evaluate to this one."""
    words = re.split(f"{_FILLER}+", _hide(pattern, _FILLER))
    return any(words) and len(words) > 1 and re.fullmatch(".+".join(map(re.escape, words)), name) is not None


def split_value_from(text: str) -> tuple[str, str, str]:
    """Split a valueFrom into the secret's ARN, the JSON key and the rest; ("", "", "") if it has no literal key.

    The ARN may be an interpolation, as in ${var.secrets_arn}:KEY::, or a literal that has interpolations.
    """
    plain = _hide(text)
    fields = plain.split(":")
    whole = len(plain) > 0 and text.startswith("${") and next(interpolations(text))[1] == len(fields[0])
    before = 7 if fields[0] == "arn" and fields[2:3] == ["secretsmanager"] else 1 if whole else 0
    if not before or len(fields) != before + 3:
        return "", "", ""
    start = len(":".join(fields[:before])) + 1
    end = start + len(fields[before])
    key = text[start:end]
    return (text[: start - 1], key, text[end:]) if key and is_literal(key) else ("", "", "")


def read_json(heredoc: Node) -> Node | None:
    """Parse the JSON of a heredoc as an expression; interpolations may be in its strings or be values.

    None if it is not JSON, or has template directives.
    """
    source = heredoc.source
    opening = _HEREDOC.match(source)
    if opening is None:
        return None
    start = opening.end()
    end = source.rstrip().rfind("\n") + 1
    if end <= start or "%{" in source:
        return None
    body = _hide_in_json(source[start:end])
    blank = len(body) - len(body.lstrip())
    try:
        json.loads(body, parse_int=str)
        return read_expression(body.strip(), heredoc.file, heredoc.start + start + blank)
    except (json.JSONDecodeError, UsageError):
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
