"""Edits of a .env's text that leave every other byte as it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from omc_runbook.repository.layout import Statement, assignment_of, export_as_in, spelling_of, statements, variables
from omc_runbook.textfile.file import BOM, newline_of
from omc_runbook.workstation.dotenv import COMMENT, EXPANDED_BY_PYTHON

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_LINE_END = re.compile(r"\r\n|\n|\r")
_INDENT = re.compile(r"\ufeff*\s*")
_ODD_BLANK = re.compile(r"([^\S\r\n]*)[^\S\r\n ]#")
"""A blank before a comment that is no space: a tab, or the no-break space of a text that was copied."""
_BARE = re.compile(r"[A-Za-z0-9_.,:/@%+=-]*")
_EXPANDED_BY_COMPOSE = re.compile(r"\\\$|\$[A-Za-z_{$]|\$[^\x00-\x7f]")
_NO_SINGLE_QUOTES = re.compile(r"['\r]|\\\\|\\\Z")
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}


class TemplateBlock(NamedTuple):
    """A variable's lines of a template that a .env lacks, and the variable to insert them after; None for the end."""

    name: str
    block: str
    after: str | None


def quote(value: str) -> str:
    """Quote a value so that python-dotenv, Docker Compose and pydantic-settings all parse it to exactly this value.

    Raises ValueError, with a message that has no value in it, if no notation works for all of them.
    """
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("A value with a NUL or a lone surrogate cannot be written to a .env.")
    if EXPANDED_BY_PYTHON.search(value):
        raise ValueError("A value with ${…} cannot be written to a .env: python-dotenv expands it in any quotes.")
    if _BARE.fullmatch(value):
        return value
    is_literal = not _NO_SINGLE_QUOTES.search(value)
    if is_literal and "\n" not in value:
        return f"'{value}'"
    if not _EXPANDED_BY_COMPOSE.search(value):
        return '"' + "".join(_ESCAPED.get(character, character) for character in value) + '"'
    if is_literal:
        return f"'{value}'"
    raise ValueError(
        "A value with $ and a single quote, a line end or backslashes cannot be written to a .env: Docker Compose and"
        " python-dotenv agree on no notation for it."
    )


def can_quote(value: str) -> bool:
    """Whether there is a notation for a value."""
    try:
        quote(value)
    except ValueError:
        return False
    return True


def set_values(text: str, values: Mapping[str, str], is_secret: bool = False) -> str:
    """Set variables of a .env, in the last assignment of each; names without an assignment are ignored.

    A secret value (`is_secret`) before a comment is quoted, so that it shows where it ends. Raises ValueError as
    `quote` does, and if a quote above is never closed.
    """
    parts = statements(text)
    last = {part.name: at for at, part in enumerate(parts) if part.name in values and part.kind == "assignment"}
    pieces = [part.raw for part in parts]
    for name, at in last.items():
        before, old, after = spelling_of(parts[at])
        new = quote(values[name])
        # What readers without a blank before it take for the value stays as the comment that it was meant to be.
        after = f" {old}{after}" if not new and COMMENT.match(old) else after
        needs_quotes = after.lstrip().startswith("#") and (is_secret or not new)
        if _BARE.fullmatch(new) and (after.startswith("#") or needs_quotes):
            new = f"'{new}'"
        pieces[at] = before + new + after
    return _join(parts, pieces)


def insert(text: str, block: str, after: str | None) -> str:
    """Insert lines after the last assignment of the variable `after`; at the end if it is None or not assigned.

    Raises ValueError if a quote above is never closed, so that its value would include the lines.
    """
    body = text.lstrip(BOM)
    parts = statements(body)
    index = next((at for at in range(len(parts), 0, -1) if parts[at - 1].name == after), len(parts))
    newline = newline_of(text)
    lines = _LINE_END.split(export_as_in(parts, block))
    lines = lines if lines[-1] else lines[:-1]
    pieces = [part.raw for part in parts]
    if index and not pieces[index - 1].endswith(("\n", "\r")):
        pieces[index - 1] += newline
    if lines and not lines[0].strip() and (not index or parts[index - 1].kind == "blank"):
        lines = lines[1:]
    insertion = "".join(f"{line}{newline}" for line in lines)
    return text[: len(text) - len(body)] + _join(parts, [*pieces[:index], insertion, *pieces[index:]])


def insert_all(text: str, blocks: Iterable[TemplateBlock]) -> str:
    """Insert blocks of a template one after the other, as `insert` does each; those in a row at once.

    The first is by itself: it decides whether a text without assignments has export before each.
    """
    previous, together = None, list[TemplateBlock]()
    for each in blocks:
        if len(together) > 1 and each.after == previous:
            together[-1] = together[-1]._replace(block=f"{together[-1].block}{each.block}")
        else:
            together.append(each)
        previous = each.name
    for each in together:
        text = insert(text, each.block, each.after)
    return text


def replace_odd_blanks(text: str, except_names: Collection[str]) -> str:
    """Put a space for any other blank before a comment, but in `except_names`: Compose starts none after another."""
    parts, pieces = statements(text), []
    for part in parts:
        before, value, after = spelling_of(part) if part.kind == "assignment" else ("", "", "")
        blank = _ODD_BLANK.match(after) if value and value[0] not in "'\"" and part.name not in except_names else None
        pieces.append(f"{before}{value}{blank[1]} #{after[blank.end() :]}" if blank else part.raw)
    return _join(parts, pieces)


def quote_of(assignment: Statement) -> str:
    """The quote character around an assignment's value; "" for none."""
    value = spelling_of(assignment).value
    return value[:1] if value[:1] in ("'", '"') else ""


def comment_out(text: str, names: Collection[str]) -> str:
    """Comment out every assignment of some variables, with all lines of its value."""
    parts = statements(text)
    return _join(parts, [_comment(part.raw) if part.name in names and part.name else part.raw for part in parts])


def uncomment(text: str, names: Collection[str]) -> str:
    """Make the last commented-out assignment of each of some variables an assignment, where the text has no other."""
    parts = statements(text)
    active = {part.name for part in parts}
    last = {each.name: each.at for each in variables(parts)}
    pieces = [part.raw for part in parts]
    for name in set(names) & last.keys() - active:
        inner = assignment_of(parts[last[name]])
        pieces[last[name]] = inner.raw if inner else pieces[last[name]]
    return _join(parts, pieces)


def merge(template_text: str, existing_text: str) -> tuple[TemplateBlock, ...]:
    """The active variables of a template that a .env lacks, each with its comment lines, in the order to insert them.

    The first variable of a section that the .env has no variable of comes with the section's framed title.
    """
    parts = statements(template_text)
    active = [each for each in variables(parts) if not each.commented_out]
    effective = {each.name: each for each in active}
    present = {part.name for part in statements(existing_text)}
    titled = {each.heading.begins for each in active if each.name in present}
    blocks = []
    after = None
    for variable in active:
        if variable.name not in present and effective[variable.name] is variable:
            block = _block(parts, variable.begins, variable.at + 1)
            heading = variable.heading
            if heading.is_framed and heading.begins not in titled:
                titled.add(heading.begins)
                gap = "\n" if parts[heading.ends].kind == "blank" else ""
                block = "\n" + _block(parts, heading.begins, heading.ends) + gap + block
            elif variable.begins and parts[variable.begins - 1].kind == "blank":
                block = "\n" + block
            blocks.append(TemplateBlock(variable.name, block, after))
            present.add(variable.name)
        after = variable.name if variable.name in present else after
    return tuple(blocks)


def _block(parts: Sequence[Statement], begins: int, ends: int) -> str:
    text = "".join(part.raw for part in parts[begins:ends]).lstrip(BOM)
    return "".join(f"{line}\n" for line in _LINE_END.split(text.removesuffix("\n").removesuffix("\r")))


def _comment(raw: str) -> str:
    first, *others = _LINE.findall(raw)
    indent = _INDENT.match(first)
    at = indent.end() if indent else 0
    return f"{first[:at]}# {first[at:]}" + "".join(f"# {line}" if line.strip() else f"#{line}" for line in others)


def _join(parts: Sequence[Statement], pieces: Sequence[str]) -> str:
    """Join pieces, which were these parts, to a text; raises ValueError if they are other statements in it."""
    text, same = "".join(pieces), {part.raw for part in parts}
    if [part.raw for part in parts] == pieces:
        return text
    # What was a statement is one: only what is new may be several, or not be closed.
    own = [raw for piece in pieces for raw in ([piece] if piece in same else [part.raw for part in statements(piece)])]
    if [part.raw for part in statements(text)] != own:
        raise ValueError("A quote is never closed, so that its value includes the lines below: close it first.")
    return text
