"""Templates: a text's interpolations, conditions and loops.

See https://developer.hashicorp.com/terraform/language/expressions/strings
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from omc_runbook.terraform.hcl_template import sequences

_DIRECTIVE = re.compile(r"%\{~?\s*(if|else|endif|for|endfor)\b(.*?)~?\}", re.DOTALL)
_LOOP = re.compile(r"\s*([\w-]+)\s*(?:,\s*([\w-]+)\s*)?in\b", re.DOTALL)

Kind = Literal["text", "value", "if", "else", "endif", "for", "endfor"]


@dataclass(frozen=True)
class Part:
    """A part of a template: literal text, or what an expression of it decides."""

    kind: Kind
    text: str = ""
    """The literal text, or the expression."""
    at: int = 0
    """Where the expression begins in the template."""
    names: tuple[str, ...] = ()
    """The variables of a loop."""
    body: tuple[Part, ...] = ()
    otherwise: tuple[Part, ...] = ()


def parse(text: str) -> tuple[Part, ...]:
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
    kind: Kind = match[1]  # type: ignore[assignment]
    if kind != "for":
        return _expression(kind, text, *match.span(2))
    loop = _LOOP.match(text, *match.span(2))
    if loop is None:
        raise ValueError(match[0])
    return _expression("for", text, loop.end(), match.end(2), tuple(filter(None, loop.groups())))


def _expression(kind: Kind, text: str, start: int, end: int, names: tuple[str, ...] = ()) -> Part:
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
