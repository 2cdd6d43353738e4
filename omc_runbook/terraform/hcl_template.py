"""Text with interpolations, as quoted strings and heredocs have it: where those stand, and JSON around them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl import Node, read_expression

_HIDDEN = "\x00"
_HEREDOC = re.compile(r"<<-?[\w.-]+\r?\n")


def interpolations(text: str) -> Iterator[tuple[int, int]]:
    """Where the interpolations of a text begin and end; one that does not end takes the rest."""
    at = 0
    while (at := text.find("${", at)) >= 0:
        if at and text[at - 1] == "$":
            at += 2
            continue
        end = _end(text, at + 2)
        yield at, end
        at = end


def is_literal(text: str) -> bool:
    """Whether what a string has between its quotes means itself: nothing is filled in and nothing escaped."""
    return not any(mark in text for mark in ("${", "%{", "\\"))


def hide(text: str, filler: str = "x") -> str:
    """The text with as many fillers in the place of each interpolation, so that what is around it can be told."""
    pieces, done = [], 0
    for start, end in interpolations(text):
        pieces += [text[done:start], filler * (end - start)]
        done = end
    return "".join([*pieces, text[done:]])


def fits(written: str, name: str) -> bool:
    """Whether a name with interpolations, such as ${var.project}-backend, can become this one."""
    words = re.split(f"{_HIDDEN}+", hide(written, _HIDDEN))
    return any(words) and len(words) > 1 and re.fullmatch(".+".join(map(re.escape, words)), name) is not None


def split_value_from(text: str) -> tuple[str, str, str]:
    """A valueFrom as the secret's ARN, the JSON key and what follows it; ("", "", "") where it has no key that shows.

    The ARN may be an interpolation, as in ${var.secrets_arn}:KEY::, or a literal with interpolations in it.
    """
    plain = hide(text)
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
    """The JSON of a heredoc as an expression, with interpolations in its strings or in a value's place.

    None where it is no JSON, or directives of the template decide what it becomes.
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
    """JSON with letters for an interpolation in a string, and digits for one that stands for a value."""
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
    """Where an interpolation ends whose inside begins at a position: after its brace, not after one in a string."""
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
