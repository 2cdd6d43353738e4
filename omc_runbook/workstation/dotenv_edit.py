"""The text of a .env as lines, edited so that every byte stays that an edit is not about."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from omc_runbook.repository.layout import BOM, Statement, newline_of, spelling_of, statements, variables

__all__ = [
    "Addition",
    "Statement",
    "comment_out",
    "insert",
    "merge",
    "quote_of",
    "quoted",
    "set_values",
    "statements",
    "untabbed",
]

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_LINE_END = re.compile(r"\r\n|\n|\r")
_INDENT = re.compile(r"\ufeff*\s*")
_TAB = re.compile(r"([ \t\v\f]*)[\t\v\f]#")
_BARE = re.compile(r"[A-Za-z0-9_.,:/@%+=-]*")
_TAKEN_BY_PYTHON = re.compile(r"\$\{[^}:]*(?::-[^}]*)?\}")
_TAKEN_BY_COMPOSE = re.compile(r"\\\$|\$[A-Za-z_{$]|\$[^\x00-\x7f]")
_NOT_LITERAL = re.compile(r"['\r]|\\\\|\\\Z")
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}


class Addition(NamedTuple):
    """A block of a template that a text lacks, and the variable after which it belongs; None for the end."""

    name: str
    block: str
    after: str | None


def quoted(value: str) -> str:
    """Spell a value so that python-dotenv, Docker Compose and pydantic-settings all read back exactly this value.

    Raises ValueError, which names characters and no value, where they have no spelling in common.
    """
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("A value with a NUL or half a character cannot stand in a .env.")
    if _TAKEN_BY_PYTHON.search(value):
        raise ValueError(
            "A value with ${…} cannot stand in a .env: python-dotenv takes it for a variable in any quotes."
        )
    if _BARE.fullmatch(value):
        return value
    is_literal = not _NOT_LITERAL.search(value)
    if is_literal and "\n" not in value:
        return f"'{value}'"
    if not _TAKEN_BY_COMPOSE.search(value):
        return '"' + "".join(_ESCAPED.get(character, character) for character in value) + '"'
    if is_literal:
        return f"'{value}'"
    raise ValueError(
        "A value with $ beside a single quote, a line end or backslashes has no spelling in a .env on which"
        " Docker Compose and python-dotenv agree."
    )


def set_values(text: str, values: Mapping[str, str], is_secret: bool = False) -> str:
    """Give variables of a text new values, in the last place of each; the names that it has not are left out.

    One that `is_secret` and has a comment behind it is put into quotes, so that nobody takes it for a half. Raises
    ValueError for a value without a spelling, and where a quote above is never closed.
    """
    parts = statements(text)
    last = {part.name: at for at, part in enumerate(parts) if part.name in values and part.kind == "assignment"}
    pieces = [part.raw for part in parts]
    for name, at in last.items():
        before, _, after = spelling_of(parts[at])
        new = quoted(values[name])
        is_told = after.lstrip().startswith("#") and (is_secret or not new)
        if _BARE.fullmatch(new) and (after.startswith("#") or is_told):
            new = f"'{new}'"
        pieces[at] = before + new + after
    return _joined(pieces)


def insert(text: str, block: str, after: str | None) -> str:
    """Put whole lines behind the last assignment of a variable; at the end where it is None or not there.

    Raises ValueError where a quote above is never closed, so that it could take the lines in.
    """
    body = text.lstrip(BOM)
    parts = statements(body)
    place = next((at for at in range(len(parts), 0, -1) if after and parts[at - 1].name == after), len(parts))
    newline = newline_of(text)
    lines = _LINE_END.split(block)
    lines = lines if lines[-1] else lines[:-1]
    pieces = [part.raw for part in parts]
    if place and not pieces[place - 1].endswith(("\n", "\r")):
        pieces[place - 1] += newline
    if lines and not lines[0].strip() and (not place or parts[place - 1].kind == "blank"):
        lines = lines[1:]
    added = "".join(f"{line}{newline}" for line in lines)
    return text[: len(text) - len(body)] + _joined([*pieces[:place], added, *pieces[place:]])


def untabbed(text: str, kept: Collection[str] = ()) -> str:
    """A blank in the place of a tab before a comment, but for the variables `kept`: compose takes no tab for one."""
    pieces = []
    for part in statements(text):
        before, value, after = spelling_of(part) if part.kind == "assignment" else ("", "", "")
        tab = _TAB.match(after) if value and value[0] not in "'\"" and part.name not in kept else None
        pieces.append(f"{before}{value}{tab[1]} #{after[tab.end() :]}" if tab else part.raw)
    return _joined(pieces)


def quote_of(assignment: Statement) -> str:
    """The quotes around an assignment's value; "" for none."""
    value = spelling_of(assignment).value
    return value[:1] if value[:1] in ("'", '"') else ""


def comment_out(text: str, names: Collection[str]) -> str:
    """Turn every assignment of some variables into a comment, with all lines of its value."""
    return _joined(
        [_commented(part.raw) if part.name in names and part.name else part.raw for part in statements(text)]
    )


def merge(template_text: str, existing_text: str) -> tuple[Addition, ...]:
    """What a text lacks of its template: each active variable with its comment lines, in an order to insert them.

    The framed title of a section comes along with the first variable of it where the text has none of them.
    """
    parts = statements(template_text)
    active = [each for each in variables(parts) if not each.commented_out]
    counting = {each.name: each for each in active}
    present = {part.name for part in statements(existing_text) if part.kind == "assignment"}
    begun = {each.heading.begins for each in active if each.name in present}
    additions = []
    after = None
    for variable in active:
        if variable.name not in present and counting[variable.name] is variable:
            block = _block(parts, variable.begins, variable.at + 1)
            heading = variable.heading
            if heading.is_framed and heading.begins not in begun:
                begun.add(heading.begins)
                gap = "\n" if parts[heading.ends].kind == "blank" else ""
                block = "\n" + _block(parts, heading.begins, heading.ends) + gap + block
            elif variable.begins and parts[variable.begins - 1].kind == "blank":
                block = "\n" + block
            additions.append(Addition(variable.name, block, after))
            present.add(variable.name)
        after = variable.name if variable.name in present else after
    return tuple(additions)


def _block(parts: Sequence[Statement], begins: int, ends: int) -> str:
    text = "".join(part.raw for part in parts[begins:ends]).lstrip(BOM)
    return "".join(f"{line}\n" for line in _LINE_END.split(text.removesuffix("\n").removesuffix("\r")))


def _commented(raw: str) -> str:
    first, *others = _LINE.findall(raw)
    indent = _INDENT.match(first)
    at = indent.end() if indent else 0
    return f"{first[:at]}# {first[at:]}" + "".join(f"# {line}" if line.strip() else f"#{line}" for line in others)


def _joined(pieces: Sequence[str]) -> str:
    """The pieces as one text, if they are still the same statements in it."""
    text = "".join(pieces)
    if [part.raw for part in statements(text)] != [part.raw for piece in pieces for part in statements(piece)]:
        raise ValueError("A quote is never closed, and would take in what is written below it: close it first.")
    return text
