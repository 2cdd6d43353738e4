"""The plan of a .env: made from the template, or what it lacks added and how it is written mended; no value shown."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from dotenv import dotenv_values

from omc_runbook.changes import files
from omc_runbook.changes.dotenv.values import Needed, values_for
from omc_runbook.changes.secret.plan import EFFECTS, KeyChange
from omc_runbook.changes.values import source_file
from omc_runbook.changes.values.source_file import Given
from omc_runbook.checks.dotenv import miscased, open_quotes
from omc_runbook.checks.dotenv_quoting import comment_values, misread_names, refers_to_another
from omc_runbook.checks.local import misspellings, refused_empty
from omc_runbook.masking.value import reveal
from omc_runbook.model.catalogue import Effect, Key
from omc_runbook.model.errors import ConflictError, UsageError
from omc_runbook.repository.layout import Statement, spelling_of, statements, variables
from omc_runbook.textfile.diff import hunks
from omc_runbook.textfile.file import BOM
from omc_runbook.workstation import dotenv_edit
from omc_runbook.workstation.dotenv import COMMENT
from omc_runbook.workstation.workstation import Workstation, is_text_of_value

SPELLED = re.compile(r"^(?P<head>\s*(?:export\s+)?)(?P<name>[A-Za-z_]\w*)\s*:[ \t]*(?P<rest>.*)$")
JSON = re.compile(r"(?:\w+\.)*(?:Optional\[)?(?:list|dict|set|frozenset|tuple)\b", re.IGNORECASE)
"""How the type of a field begins that is filled from JSON, which an empty text is not."""
TEMPLATE = "the template"
EMPTIED = "nobody yet: left empty"
DATABASE_NOTE = (
    "{name} would change. A database volume that is there keeps the password that it was first started with: change it"
    " there too, or begin with a new volume."
)


@dataclass(frozen=True)
class Setup:
    """What would become of the .env: its new text, and in words what changes; `before` is None for a new file.

    `obstacle` says why nothing can be changed, and `needed` what is required and has to be got somewhere.
    """

    workstation: Workstation
    before: bytes | None = field(repr=False)
    after: bytes = field(repr=False)
    changes: tuple[KeyChange, ...] = ()
    mends: tuple[str, ...] = ()
    needed: tuple[Needed, ...] = ()
    notes: tuple[str, ...] = ()
    obstacle: str = ""
    given: Mapping[str, Given] = field(default_factory=dict, repr=False)
    """The values that somebody gave, which no other environment may have."""

    @property
    def is_empty(self) -> bool:
        """Whether the .env already is as the plan would make it."""
        return self.before == self.after and not self.tightens

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: each variable that is written, each mend, the file's mode."""
        if self.is_empty:
            return ()
        lines = (change.sentence for change in self.changes if change.action != "unchanged")
        return (*lines, *self.mends, *(("The mode of .env would become 600.",) if self.tightens else ()))

    @property
    def tightens(self) -> bool:
        """Whether others can read it, and could not any more."""
        file = self.workstation.dotenv
        return file is not None and file.mode != files.PRIVATE and not self.obstacle and bool(file.mode & 0o077)


def plan_setup(workstation: Workstation, values_from: str = "") -> Setup:
    """Plan the .env of a checkout: the template's lines that it lacks, values for those that have none, mends.

    A value that is there stays. Raises UsageError where there is no template, for a source of values that is none,
    and for a new value that the catalogue objects to; ConflictError where the .env is not as it was when it was
    looked at.
    """
    template = workstation.checkout.template
    if template is None:
        raise UsageError(f"{workstation.checkout.root} has no .env.template: name a checkout of the platform.")
    before = files.read(workstation.path)
    if (None if before is None else sha256(before).digest()) != (
        workstation.dotenv.digest if workstation.dotenv else None
    ):
        raise ConflictError(
            f"{workstation.path} was changed since it was looked at: it stays as it is. Run again from the start."
        )
    obstacle = _obstacle(workstation)
    if obstacle:
        return Setup(workstation, before, before or b"", obstacle=obstacle)
    base = template.file.text.replace("\r\n", "\n").replace("\r", "\n")
    text, mends = (base, ()) if before is None else _mended(workstation, before.decode("utf-8"))
    try:
        added, text = _merged(workstation, base, text) if before is not None else (frozenset(), text)
        found, needed, notes = values_for(workstation, _literals(text), added, before is None, values_from)
        emptied = _emptied(workstation, text, found, needed, added, before is None)
        values = {name: reveal(entry.value) for name, entry in found.items()} | dict.fromkeys(emptied, "")
        text = dotenv_edit.set_values(text, values, is_secret=True)
        text = dotenv_edit.set_values(text, dict.fromkeys(_bare(text), ""))
        tabbed, text = text, dotenv_edit.replace_tabs(text, () if before is None else misread_names(workstation))
        mends += ("A space replaces the tab before a comment.",) if before and text != tabbed else ()
        text = dotenv_edit.comment_out(text, _taken_out(workstation, text, emptied, added, before is None))
    except ValueError as error:
        return Setup(workstation, before, before or b"", obstacle=str(error))
    changes = tuple(_changes(workstation, text, found, emptied, added, before is None))
    changing = [name for name in found if before is not None and name not in added]
    notes += tuple(DATABASE_NOTE.format(name=name) for name in changing if _effect(workstation, name) == "database-too")
    if before is None:
        notes += tuple(f"{stray} is not looked at: move it here if it is yours." for stray in workstation.stray_files)
    notes += source_file.precautions(values_from)
    made = {name: entry for name, entry in found.items() if not entry.origin.startswith("generated")}
    return Setup(workstation, before, text.encode(), changes, mends, needed, notes, given=made)


def shown(setup: Setup) -> Iterator[str]:
    """The plan as a unified diff in which names stand for values; line ends and a byte order mark do not count."""
    changed = {change.key for change in setup.changes if change.action == "changed"}
    old, new = (_shown_lines(raw.decode("utf-8", "replace")) for raw in (setup.before or b"", setup.after))
    for group in hunks([raw for raw, _ in old], [raw for raw, _ in new], 1):
        yield f"@@ line {group[0][3] + 1} @@"
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (f" {told}" for _, told in new[new_from:new_to])
            else:
                yield from (f"-{told}" for _, told in old[old_from:old_to])
                yield from (f"+{_marked(told, changed)}" for _, told in new[new_from:new_to])


def _marked(told: str, changed: Collection[str]) -> str:
    """A line that is shown, with a word where its value is another one than before."""
    name = told.partition("=")[0]
    return told.replace(f"‹{name}›", f"‹{name}: new›") if name in changed else told


def _obstacle(workstation: Workstation) -> str:
    file = workstation.dotenv
    if file is None:
        return ""
    if file.encoding_error or file.has_nul:
        return f"{workstation.path} is not UTF-8 text: save it as such first."
    opened = open_quotes(workstation)
    return f"A quote in line {opened[0]} is not closed: close it first." if opened else ""


def _mended(workstation: Workstation, text: str) -> tuple[str, tuple[str, ...]]:
    """The text as it was meant, where that is certain, and what was mended."""
    mends, file = [], workstation.dotenv
    assert file
    if text.startswith(BOM):
        text, mends = text.lstrip(BOM), ["The byte order mark is removed."]
    if file.newline != "lf":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        mends.append("All line ends become LF.")
    rows = text.split("\n")
    for binding in file.bindings:
        if binding.separator == ":" and (found := SPELLED.match(rows[binding.line - 1])):
            rows[binding.line - 1] = f"{found['head']}{found['name']}={found['rest']}"
            mends.append(f"Line {binding.line}: = instead of the colon after {binding.name}.")
    for binding, right in miscased(workstation):
        if file.find(right):
            continue
        row = rows[binding.line - 1]
        rows[binding.line - 1] = row.replace(binding.name, right, 1)
        mends.append(f"Line {binding.line}: {right} instead of {binding.name}.")
    text = "\n".join(rows)
    for name in sorted(refused_empty(workstation)):
        mends.append(f"{name} is commented out: Settings takes no empty text for it.")
    for binding in comment_values(workstation):
        mends.append(f"Line {binding.line}: {binding.name} is empty, and the comment after it is no value.")
    literal = _literals(text)
    for binding in file.bindings:
        is_mine = binding.has_dollar and binding.name in misread_names(workstation) and binding.separator != ":"
        if is_mine and binding.name in literal and not refers_to_another(binding):
            try:
                text = dotenv_edit.set_values(text, {binding.name: literal[binding.name]})
            except ValueError:
                continue
            mends.append(f"Line {binding.line}: {binding.name} in single quotes, since it has a $.")
    return text, tuple(mends)


def _literals(text: str) -> dict[str, str]:
    """Each variable's value as it is written, with no other put in for a $."""
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value or "" for name, value in found.items()}


def _merged(workstation: Workstation, base: str, text: str) -> tuple[frozenset[str], str]:
    # What somebody has written in a line that cannot be read, or under a slip of the name, is theirs to mend.
    file = workstation.dotenv
    theirs = {
        *(file.first_words | {*file.hidden_names} if file else ()),
        *(meant for _, meant in misspellings(workstation)),
    }
    # What was taken out because it must not be empty stays out.
    out = (each.name for each in variables(statements(text)) if each.commented_out)
    theirs |= {name for name in out if _cannot_be_empty(workstation, name)}
    additions = [each for each in dotenv_edit.merge(base, text) if each.name not in theirs]
    # Beside another variable of the same field an empty one would count.
    additions = [each for each in additions if workstation.dotenv_name(each.name).casefold() == each.name.casefold()]
    for addition in additions:
        text = dotenv_edit.insert(text, addition.block, addition.after)
    return frozenset(addition.name for addition in additions), text


def _emptied(
    workstation: Workstation,
    text: str,
    found: Mapping[str, Given],
    needed: tuple[Needed, ...],
    added: frozenset[str],
    is_new: bool,
) -> tuple[str, ...]:
    """Variables whose placeholder goes, since the application would take it for a value."""
    there = _literals(text)
    lacking = {need.variable for need in needed}
    return tuple(
        name
        for name, value in there.items()
        if value and not is_text_of_value(value) and name not in found and (is_new or name in added or name in lacking)
    )


def _bare(text: str) -> tuple[str, ...]:
    """The variables with nothing before a comment, which compose would take for the value."""
    parts = (part for part in statements(text) if part.kind == "assignment" and not dotenv_edit.quote_of(part))
    return tuple(part.name for part in parts if COMMENT.match("".join(spelling_of(part)[1:])))


def _taken_out(
    workstation: Workstation, text: str, emptied: Collection[str], added: Collection[str], is_new: bool
) -> frozenset[str]:
    """Variables that become comments, since they are empty where Settings takes no empty text."""
    there = _literals(text)
    empty = {name for name, value in there.items() if not value and (is_new or name in added)}
    return refused_empty(workstation) | {name for name in (*emptied, *empty) if _cannot_be_empty(workstation, name)}


def _cannot_be_empty(workstation: Workstation, name: str) -> bool:
    """Whether Settings would refuse an empty text where it takes no variable at all."""
    known = workstation.checkout.settings.find(name)
    if known is None or name in workstation.required or workstation.checkout.settings.ignore_empty:
        return False
    return JSON.match(known.annotation) is not None or "str" not in known.annotation.replace("StrictStr", "str")


def _changes(
    workstation: Workstation,
    text: str,
    found: Mapping[str, Given],
    emptied: Collection[str],
    added: frozenset[str],
    is_new: bool,
) -> Iterator[KeyChange]:
    for name in _literals(text):
        is_added = is_new or name in added
        if name in found:
            effect = _effect(workstation, name)
            told = EFFECTS[effect] if effect == "first-start-only" else "at the next start"
            yield KeyChange(name, "added" if is_added else "changed", found[name].origin, told)
        elif is_added:
            yield KeyChange(name, "added", EMPTIED if name in emptied else TEMPLATE, "at the next start")
        else:
            yield KeyChange(name, "unchanged")


def _effect(workstation: Workstation, name: str) -> Effect:
    key: Key | None = workstation.key_of(name)
    return key.effect if key else "next-deployment"


def _shown_lines(text: str) -> list[tuple[str, str]]:
    return [(raw.rstrip("\r\n"), told) for raw, told in map(_shown, statements(text.lstrip(BOM)))]


def _shown(part: Statement) -> tuple[str, str]:
    """A statement, and how it is shown: names in the place of values, also of those that are commented out."""
    raw = part.raw.rstrip("\r\n")
    if part.kind == "blank":
        return raw, ""
    if part.kind == "comment":
        found = re.match(r"\s*#\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*\S", raw)
        return raw, f"# {found[1]}=‹{found[1]}›" if found else raw
    if part.kind == "assignment":
        literal = _literals(part.raw).get(part.name or "", "")
        quote = dotenv_edit.quote_of(part)
        return raw, f"{part.name}={quote}‹{part.name}›{quote}" if literal else f"{part.name}={quote}{quote}"
    return raw, "‹a line that cannot be read›"
