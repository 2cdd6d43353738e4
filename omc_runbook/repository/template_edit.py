"""Adding a variable to the .env template: its position and its lines."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path

from omc_runbook.model.errors import CannotEdit
from omc_runbook.repository.layout import (
    Statement,
    Variable,
    assignment_of,
    export_as_in,
    statements,
    title_in,
    variables,
    words_of,
)
from omc_runbook.repository.similar_names import FEWEST_LAST_WORDS, common_words, share_first_word
from omc_runbook.repository.template import Template, TemplateEntry, parse_template
from omc_runbook.textfile.conflict import find_conflict
from omc_runbook.textfile.file import Edit, SourceFile

NAME = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """A variable to add."""

    name: str
    description: str
    obtain_from: str = ""
    """The address to obtain it from; "" for none."""
    required: bool
    is_text: bool = True
    """Whether the application accepts any text, so that it starts with the placeholder."""

    @property
    def placeholder(self) -> str:
        """The placeholder for its value."""
        return f"<your-{self.name.lower().replace('_', '-')}>"


def add_entry(file: SourceFile, new: NewEntry) -> Edit | None:
    """Make the edit that adds a variable after those with similar names; None if it is there, even in a comment.

    Every other byte stays. Raises CannotEdit if the new lines would not be parsed as the variable, and for a file
    with an unresolved merge conflict.
    """
    _check(new)
    if conflict := find_conflict(file.name, file.text):
        raise CannotEdit(f"{conflict} Nothing was written.")
    before = parse_template(file)
    if before.find(new.name):
        return None
    text = file.text
    parts = statements(text)
    existing = tuple(variables(parts))
    neighbor, index = _find_position(existing, new.name, len(parts))
    notes = _trailing_notes(parts[index:])
    is_apart = bool(notes) or (_stands_apart(parts, existing, index, new.name) if neighbor else _needs_gap(parts))
    position = parts[index + notes - 1].end if parts else 0
    own = export_as_in(parts, "\n".join(_lines(new))).split("\n")
    lines = ["", *own] if is_apart else own
    what = f"{new.name} after {neighbor}" if neighbor else f"{new.name} at the end"
    edit = _edit(file, text, position, lines, what)
    entry = _verify(before, edit, new)
    if entry.optional == new.required:
        # The section or the description says otherwise: a last line in brackets overrides it.
        *others, assignment = lines
        word = "required" if new.required else "optional"
        edit = _edit(file, text, position, [*others, f"# ({word})", assignment], what)
        _verify(before, edit, new)
    return edit


def _check(new: NewEntry) -> None:
    if not NAME.fullmatch(new.name):
        raise CannotEdit("A variable's name has only capital letters, digits and _, and begins with a letter.")
    for what, text in (("description", new.description), ("obtain_from", new.obtain_from)):
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
            raise CannotEdit(f"The {what} of {new.name} has a line end or a control character: make it one plain line.")
    alone = parse_template(SourceFile(Path(), "", "\n".join(_lines(new)).encode())).entries
    if len(alone) != 1 or not _matches(alone[0], new):
        raise CannotEdit(f"The description of {new.name} would be read as a title or as a variable: write a sentence.")


def _lines(new: NewEntry) -> list[str]:
    description = " ".join(new.description.split())
    if not new.required and "(optional)" not in description:
        description = f"{description} (optional)".lstrip()
    comments = [description, f"Get it from: {new.obtain_from.strip()}" if new.obtain_from.strip() else ""]
    # The application must start with a copy of the template, and a placeholder is no number.
    margin = "" if new.required or new.is_text else "# "
    return [*(f"# {comment}" for comment in comments if comment), f"{margin}{new.name}={new.placeholder}"]


def _find_position(existing: Sequence[Variable], name: str, end: int) -> tuple[str, int]:
    """The most similar variable and the index of the statement to insert before; "" and the end for none."""
    words = name.split("_")
    nearest = _nearest(words, existing, [each.name.split("_") for each in existing], 1)
    if nearest:
        return nearest.name, nearest.at + 1
    # A name that is similar only at its end goes to active variables, else to commented-out ones.
    for group in ([each for each in existing if not each.commented_out], existing):
        nearest = _nearest(words[::-1], group, [each.name.split("_")[::-1] for each in group], FEWEST_LAST_WORDS)
        if nearest:
            later = [each for each in existing if each.at > nearest.at]
            while later and later[0].heading == nearest.heading and share_first_word(later[0].name, nearest.name):
                nearest = later.pop(0)
            return nearest.name, nearest.at + 1
    return "", end


def _trailing_notes(following: Sequence[Statement]) -> int:
    """The number of comment lines directly after a variable, if a blank line or the end follows them."""
    notes = list(takewhile(_is_prose, following))
    return len(notes) if all(part.kind == "blank" for part in following[len(notes) : len(notes) + 1]) else 0


def _is_prose(part: Statement) -> bool:
    is_plain = part.kind == "comment" and not assignment_of(part) and not title_in(part.raw)
    return is_plain and bool(words_of(part.raw))


def _nearest(
    words: Sequence[str], group: Sequence[Variable], names: Sequence[Sequence[str]], fewest: int
) -> Variable | None:
    """The last of the variables that share the most leading words, in the section that has most of these."""
    counts = [common_words(words, name) for name in names]
    most = max(counts, default=0)
    if most < fewest:
        return None
    relatives = [each for each, count in zip(group, counts, strict=True) if count == most]
    section = Counter(each.heading for each in relatives).most_common(1)[0][0]
    return [each for each in relatives if each.heading == section][-1]


def _stands_apart(parts: Sequence[Statement], existing: Sequence[Variable], at: int, name: str) -> bool:
    """Whether to insert a blank line after a similar variable: as between its neighbors, else as in most places."""
    gaps = [
        any(part.kind == "blank" for part in parts[one.at : other.at]) if one.heading == other.heading else None
        for one, other in pairwise(existing)
    ]
    first = last = next(index for index, each in enumerate(existing) if each.at == at - 1)
    # For a name that is similar only at its end, gaps within that one's own group are not considered.
    neighbor = existing[last].name
    while first and not share_first_word(neighbor, name) and share_first_word(neighbor, existing[first - 1].name):
        first -= 1
    before, after = [None, *gaps][first], [*gaps, None][last]
    if before is False or after is False:
        return False
    within_sections = [gap for gap in gaps if gap is not None]
    return bool(before or after) or sum(within_sections) * 2 > len(within_sections)


def _needs_gap(parts: Sequence[Statement]) -> bool:
    """Whether to insert a blank line at the end: after a last comment, or if variables are separated by blank lines."""
    is_comment = bool(parts) and parts[-1].kind == "comment" and not assignment_of(parts[-1])
    return bool(parts) and parts[-1].kind != "blank" and (is_comment or any(part.kind == "blank" for part in parts))


def _edit(file: SourceFile, text: str, position: int, lines: Sequence[str], what: str) -> Edit:
    """Insert lines at a position; after a last line without a line ending, they get one before, not after them."""
    newline = file.newline
    ends_without_newline = position > 0 and not text[:position].endswith(("\n", "\r"))
    block = newline.join(lines)
    insertion = f"{newline}{block}" if ends_without_newline else f"{block}{newline}"
    return file.with_text(text[:position] + insertion + text[position:], what)


def _verify(before: Template, edit: Edit, new: NewEntry) -> TemplateEntry:
    """Parse the edited file and return the new variable; raises CannotEdit if it or another one is wrong."""
    after = parse_template(replace(edit.file, raw=edit.after))
    entry = after.find(new.name)
    others = [replace(each, line=0) for each in after.entries if each.name != new.name]
    is_unchanged = others == [replace(each, line=0) for each in before.entries]
    if entry is None or not is_unchanged or not _matches(entry, new):
        raise CannotEdit(f"{edit.file.name} has a quote that is never closed before the new lines: close it first.")
    return entry


def _matches(entry: TemplateEntry, new: NewEntry) -> bool:
    has_description = entry.description.startswith(" ".join(new.description.split()))
    return has_description and (entry.name, entry.value) == (new.name, new.placeholder)
