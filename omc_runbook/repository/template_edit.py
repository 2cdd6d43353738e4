"""A new variable in the template of a developer's .env: where it goes, and the lines that it takes."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path

from omc_runbook.model.errors import CannotEdit
from omc_runbook.repository.layout import Statement, Variable, assignment_of, statements, title_in, variables, words_of
from omc_runbook.repository.template import Entry, Template, parse_template
from omc_runbook.textfile.file import Edit, SourceFile

NAME = re.compile(r"[A-Z][A-Z0-9_]*")
FEWEST_LAST_WORDS = 2
"""One word at the end, like KEY, makes no relatives."""


@dataclass(frozen=True)
class NewEntry:
    """A variable to add: what it is, where somebody gets it ("" for nowhere), and whether there has to be a value."""

    name: str
    description: str
    obtain_from: str
    required: bool
    is_text: bool = True
    """Whether the application takes any text for its value, a placeholder too."""

    @property
    def placeholder(self) -> str:
        """What stands in the template for a value."""
        return f"<your-{self.name.lower().replace('_', '-')}>"


def add_entry(file: SourceFile, new: NewEntry) -> Edit | None:
    """Add a variable behind its relatives, every other byte staying; None where it is there, be it in a comment.

    Raises CannotEdit where the new lines would not be read back as what they are.
    """
    _check(new)
    before = parse_template(file)
    if before.find(new.name):
        return None
    text = file.text
    parts = statements(text)
    found = tuple(variables(parts))
    relative, at = _place(found, new.name, len(parts))
    notes = _notes(parts[at:])
    is_apart = bool(notes) or (_stands_apart(parts, found, at, new.name) if relative else _ends_open(parts))
    position = parts[at + notes - 1].end if parts else 0
    lines = ["", *_lines(new)] if is_apart else _lines(new)
    what = f"{new.name} after {relative}" if relative else f"{new.name} at the end"
    edit = _edit(file, text, position, lines, what)
    added = _added(before, edit, new)
    if added.optional == new.required:
        # Its section, or a word of the description, says otherwise: so the new line says it last, in brackets.
        *others, assignment = lines
        word = "required" if new.required else "optional"
        edit = _edit(file, text, position, [*others, f"# ({word})", assignment], what)
        _added(before, edit, new)
    return edit


def _check(new: NewEntry) -> None:
    if not NAME.fullmatch(new.name):
        raise CannotEdit("A variable's name has capital letters, digits and _ alone, and begins with a letter.")
    for what, text in (("description", new.description), ("obtain_from", new.obtain_from)):
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
            raise CannotEdit(f"The {what} of {new.name} has a line end or a control character: make it one plain line.")
    alone = parse_template(SourceFile(Path(), "", "\n".join(_lines(new)).encode())).entries
    if len(alone) != 1 or not _is_meant(alone[0], new):
        raise CannotEdit(f"The description of {new.name} would be read as a title or as a variable: write a sentence.")


def _lines(new: NewEntry) -> list[str]:
    description = " ".join(new.description.split())
    if not new.required and "(optional)" not in description:
        description = f"{description} (optional)".lstrip()
    comments = [description, f"Get it from: {new.obtain_from.strip()}" if new.obtain_from.strip() else ""]
    # A copy of the template has to start the application: no placeholder is a number, nor always "".
    margin = "" if new.required or new.is_text else "# "
    return [*(f"# {comment}" for comment in comments if comment), f"{margin}{new.name}={new.placeholder}"]


def _place(found: Sequence[Variable], name: str, end: int) -> tuple[str, int]:
    """The relative and the index of the statement before which the new lines go; "" and the end for no relative."""
    words = name.split("_")
    near = _nearest(words, found, [each.name.split("_") for each in found], 1)
    if near:
        return near.name, near.at + 1
    # What is alike at its end alone goes to those in use, and to commented-out ones where there are no others.
    for group in ([each for each in found if not each.commented_out], found):
        near = _nearest(words[::-1], group, [each.name.split("_")[::-1] for each in group], FEWEST_LAST_WORDS)
        if near:
            later = [each for each in found if each.at > near.at]
            while later and later[0].heading == near.heading and _is_kin(later[0].name, near.name):
                near = later.pop(0)
            return near.name, near.at + 1
    return "", end


def _notes(following: Sequence[Statement]) -> int:
    """How many comment lines directly behind a variable are about it, as a blank line or the end follows them."""
    notes = list(takewhile(_is_prose, following))
    return len(notes) if all(part.kind == "blank" for part in following[len(notes) : len(notes) + 1]) else 0


def _is_prose(part: Statement) -> bool:
    is_plain = part.kind == "comment" and not assignment_of(part) and not title_in(part.raw)
    return is_plain and bool(words_of(part.raw))


def _nearest(
    words: Sequence[str], found: Sequence[Variable], names: Sequence[Sequence[str]], fewest: int
) -> Variable | None:
    """The last of those that begin with most of the words, in the section where most of these are."""
    shared = [_shared(words, name) for name in names]
    most = max(shared, default=0)
    if most < fewest:
        return None
    relatives = [each for each, count in zip(found, shared, strict=True) if count == most]
    section = Counter(each.heading for each in relatives).most_common(1)[0][0]
    return [each for each in relatives if each.heading == section][-1]


def _shared(words: Sequence[str], others: Sequence[str]) -> int:
    """How many words two names have in common from where they begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] and pair[0] == pair[1], zip(words, others, strict=False)))


def _stands_apart(parts: Sequence[Statement], found: Sequence[Variable], at: int, name: str) -> bool:
    """Whether a blank line goes before lines behind a relative: as between its neighbours, else as mostly."""
    gaps = [
        any(part.kind == "blank" for part in parts[one.at : other.at]) if one.heading == other.heading else None
        for one, other in pairwise(found)
    ]
    first = last = next(index for index, each in enumerate(found) if each.at == at - 1)
    # Of a variable that only ends as its relative does, what holds that one's own family together tells nothing.
    while first and not _is_kin(found[last].name, name) and _is_kin(found[last].name, found[first - 1].name):
        first -= 1
    before, after = [None, *gaps][first], [*gaps, None][last]
    if before is False or after is False:
        return False
    known = [gap for gap in gaps if gap is not None]
    return bool(before or after) or sum(known) * 2 > len(known)


def _is_kin(name: str, other: str) -> bool:
    return _shared(name.split("_")[:1], other.split("_")[:1]) > 0


def _ends_open(parts: Sequence[Statement]) -> bool:
    """Whether a blank line goes before lines at the end: not to be joined to a last comment, nor to other variables."""
    is_comment = bool(parts) and parts[-1].kind == "comment" and not assignment_of(parts[-1])
    return bool(parts) and parts[-1].kind != "blank" and (is_comment or any(part.kind == "blank" for part in parts))


def _edit(file: SourceFile, text: str, position: int, lines: Sequence[str], what: str) -> Edit:
    """Put lines in at a position; a last line without a line end gets one before them, not after."""
    newline = file.newline
    is_open = position > 0 and not text[:position].endswith(("\n", "\r"))
    block = newline.join(lines)
    added = f"{newline}{block}" if is_open else f"{block}{newline}"
    return file.with_text(text[:position] + added + text[position:], what)


def _added(before: Template, edit: Edit, new: NewEntry) -> Entry:
    """The new variable as it is read back; raises CannotEdit where it or another one is not what it should be."""
    after = parse_template(replace(edit.file, raw=edit.after))
    added = after.find(new.name)
    others = [replace(entry, line=0) for entry in after.entries if entry.name != new.name]
    is_as_before = others == [replace(entry, line=0) for entry in before.entries]
    if added is None or not is_as_before or not _is_meant(added, new):
        raise CannotEdit(f"{edit.file.name} has a quote that is never closed before the new lines: close it first.")
    return added


def _is_meant(entry: Entry, new: NewEntry) -> bool:
    is_described = entry.description.startswith(" ".join(new.description.split()))
    return is_described and (entry.name, entry.value) == (new.name, new.placeholder)
