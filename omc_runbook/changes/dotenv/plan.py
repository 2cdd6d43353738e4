"""The plan of a .env: created from the template, or completed and repaired, and shown without values."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from hashlib import sha256

from omc_runbook.changes import files
from omc_runbook.changes.dotenv.values import (
    MissingVariable,
    addresses_for,
    is_generated,
    is_set,
    read_source_values,
    stands_for_another,
    values_for,
)
from omc_runbook.changes.secret.plan import EFFECTS, KeyChange
from omc_runbook.changes.values import source_file
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.changes.values.sources import GENERATED, KEEP
from omc_runbook.checks.dotenv import case_errors, open_quotes, spellings
from omc_runbook.checks.dotenv_quoting import NAMED, misread_names, refers_to_another
from omc_runbook.checks.local import encrypted_names, misspellings, overriding_lines, refused_empty
from omc_runbook.masking.value import reveal
from omc_runbook.model.catalogue import Effect
from omc_runbook.model.errors import ConflictError, UsageError
from omc_runbook.model.letters import counted, listed
from omc_runbook.model.placeholders import CIPHERTEXT, ENCRYPTED
from omc_runbook.repository.layout import Statement, spelling_of, statements, variables, words_of
from omc_runbook.repository.python_syntax import last_name, parse_expression, union_members
from omc_runbook.repository.template import NAMES
from omc_runbook.textfile.conflict import find_conflict
from omc_runbook.textfile.diff import hunks
from omc_runbook.textfile.file import BOM
from omc_runbook.workstation import dotenv_edit
from omc_runbook.workstation.dotenv import COMMENT, IN_LFS, LOCKED
from omc_runbook.workstation.dotenv_names import find_assignments, find_open_quotes, is_shown, value_lines
from omc_runbook.workstation.workstation import Workstation, is_text_of_value

COLON_LINE = re.compile(r"^(?P<head>\s*(?:export\s+)?)(?P<name>[A-Za-z_]\w*)\s*:=?[ \t]*(?P<rest>.*)$")
_COLLECTIONS = ("list", "dict", "set", "frozenset", "tuple", "deque", "sequence", "mapping", "mutablemapping", "json")
"""Types that are parsed as JSON, which an empty text is not."""
_TEXTS = re.compile(r"\b(?:StrictStr|SecretStr|SecretBytes|bytes)\b")
"""Types that take an empty text, as str does."""
_LITERAL = re.compile(r"\bLiteral\[[^\]]*\]")
"""Values, which are no types: Literal["strict"] takes no other text."""

TEMPLATE = "the template"
EMPTIED = "no value yet: left empty"
FEW = 12
"""Up to this many variables from the template are listed one by one."""
_FILL_LATER = "Take it from values_from=file:PATH, or write it into the .env afterwards."
MAIL_NOTE = "{names} would be empty, and SMTP_HOST is not: leave that empty too, to turn e-mails off."
DATABASE_NOTE = (
    "{name} would change. An existing database volume keeps its first password: change it there too, or start with a"
    " new volume."
)


@dataclass(frozen=True)
class DotenvPlan:
    """The new text of a .env, and what changes in it; `before` is None for a new file.

    `obstacle` says why nothing can be changed, `missing` are required variables that still need a value.
    """

    workstation: Workstation
    before: bytes | None = field(repr=False)
    after: bytes = field(repr=False)
    changes: tuple[KeyChange, ...] = ()
    mends: tuple[str, ...] = ()
    missing: tuple[MissingVariable, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Those notes that say which values of the source are not written."""
    obstacle: str = ""
    entered_values: Mapping[str, NewValue] = field(default_factory=dict, repr=False)
    """Values that were not generated, which no other environment may have."""

    @property
    def is_empty(self) -> bool:
        """Whether the .env is as planned already."""
        return self.before == self.after and not self.tightens

    @property
    def changed(self) -> tuple[KeyChange, ...]:
        """The variables that change."""
        return tuple(change for change in self.changes if change.action != "unchanged")

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: each changed variable, each repair, the file's mode."""
        if self.is_empty:
            return ()
        single_changes = (change for change in self.changed if change.key not in self.copied)
        copied = (f"{counted(len(self.copied), 'variable')} would be copied from the template.",) if self.copied else ()
        # Without a .env, no finding says so; a note has those that get no line.
        lines_of = {change.key for change in self.changes} if self.before is None else ()
        missing = (each for each in self.missing if each.variable in lines_of)
        needed = (f"{each.variable} still needs a value: {_where(each)}" for each in missing)
        mode = ("The mode of .env would become 600.",) if self.tightens else ()
        lines = (*copied, *(change.sentence for change in single_changes), *needed)
        return (*lines, *self.mends, *mode, *filter(None, (self.elsewhere,)))

    @property
    def copied(self) -> tuple[str, ...]:
        """The variables whose values come from the template, where they are too many to be listed one by one."""
        names = tuple(change.key for change in self.changes if change.origin == TEMPLATE)
        return names if len(names) > FEW else ()

    @property
    def blockers(self) -> tuple[str, ...]:
        """Why nothing can be changed, if so."""
        return (self.obstacle,) if self.obstacle else ()

    @property
    def elsewhere(self) -> str:
        """A sentence on a .env that is a link, with the file that is written instead; "" for no link."""
        path = self.workstation.path
        return files.link_sentence(path, path.name, self.workstation.checkout.root)

    @property
    def tightens(self) -> bool:
        """Whether its mode lets others read it, and becomes 600."""
        file = self.workstation.dotenv
        return file is not None and file.mode != files.PRIVATE and not self.obstacle and bool(file.mode & 0o077)


def _where(missing: MissingVariable) -> str:
    return f"get it from {missing.obtain_from}." if missing.obtain_from else "ask your team."


def _read_again(workstation: Workstation) -> bytes | None:
    """The .env, None where there is none; raises ConflictError where it has changed since it was read."""
    before = files.read(workstation.path)
    known = workstation.dotenv.digest if workstation.dotenv else None
    if (None if before is None else sha256(before).digest()) != known:
        raise ConflictError(
            f"{workstation.path} was changed since it was read: it was not overwritten. Run again from the start.",
            says_next=True,
        )
    return before


def _comments(workstation: Workstation, commented_out: Collection[str], added_names: Collection[str]) -> Iterator[str]:
    """What becomes a comment, one sentence each."""
    for name in sorted(commented_out):
        way = "added as a comment" if name in added_names else "commented out"
        why = "Settings does not accept an empty text for it"
        if workstation.is_given_elsewhere(name):
            file = "a file before the .env" if workstation.is_set_earlier(name) else "a file of secrets_dir"
            why = f"{file} has its value, which it would override"
        elif workstation.is_refused(name):
            why = "Settings has no field for it, and forbids others"
        yield f"{name} is {way}: {why}."


def _effects(
    workstation: Workstation, text: str, changed_names: Collection[str], emptied: Collection[str]
) -> Iterator[str]:
    """What else is to be done where values change, or become empty."""
    for name in changed_names:
        if _effect(workstation, name) == "database-too":
            yield DATABASE_NOTE.format(name=name)
    logins = [name for name in ("SMTP_USER", "SMTP_PASSWORD") if name in emptied]
    if logins and _literals(text).get("SMTP_HOST"):
        yield MAIL_NOTE.format(names=" and ".join(logins))


def _default_notes(names: Sequence[str]) -> tuple[str, ...]:
    """What to know of placeholders that become comments; () for none."""
    if not names:
        return ()
    are, them = ("is added as a comment", "it") if len(names) == 1 else ("are added as comments", "them")
    return (f"{listed(names)} {are}: Settings has a default for {them}, which an empty line would override.",)


def _encrypted_notes(template: str, text: str, added_names: Collection[str]) -> Iterator[str]:
    """What to know of encrypted values that come from the template."""
    names = [name for name, value in _literals(text).items() if name in added_names and CIPHERTEXT.search(value)]
    if names:
        yield (
            f"{template} has {', '.join(names)} encrypted: unless something decrypts it for the application, write the"
            " value into the .env afterwards."
        )


def _first_notes(
    workstation: Workstation, template: str, text: str, missing: Iterable[MissingVariable]
) -> Iterator[str]:
    """What to know of a .env that did not exist before."""
    instead = workstation.read_instead
    if instead:
        link = workstation.link_to(instead)
        yield f"{instead} is what Settings or Docker Compose reads: instead of a second file, link it by {link}"
    for stray in workstation.stray_files:
        if stray != instead:
            yield f"{stray} is not used: if it is yours, move it to {workstation.path} instead."
    written_names = _names(text)
    if lacking := [each.variable for each in missing if each.variable not in written_names]:
        yield f"{template} lacks what is required too: {', '.join(lacking)}. {_FILL_LATER}"


def plan_dotenv(workstation: Workstation, values_from: str = "") -> DotenvPlan:
    """Plan the .env of a checkout: missing lines of the template, missing values, and repairs.

    Existing values stay. Raises UsageError without a template, for an unknown source of values, and for a new value
    that the catalogue refuses; ConflictError where the .env has changed since it was read.
    """
    template = workstation.checkout.template
    if template is None:
        raise UsageError(f"{workstation.checkout.root} has no {NAMES[0]}: name a checkout of the platform.")
    before = _read_again(workstation)
    obstacle = _obstacle(workstation, before or b"")
    if obstacle:
        return DotenvPlan(workstation, before, before or b"", obstacle=obstacle)
    base = _named_for_compose(workstation, template.file.text.replace("\r\n", "\n").replace("\r", "\n"))
    text, mends = (base, ()) if before is None else _repair(workstation, before.decode("utf-8"))
    # python-dotenv takes a quote after a colon for a part of the name.
    if before is not None and (opened := _open_quote(workstation, workstation.path.name, text)):
        return DotenvPlan(workstation, before, before, obstacle=opened)
    source, names_before = read_source_values(workstation, values_from), _names(text)
    source_names = [name for name, entry in source.values.items() if not entry.value.is_empty]
    required = workstation.required_with({name: entry.value for name, entry in source.values.items()})
    try:
        base = dotenv_edit.uncomment(base, (*source_names, *required))
        # A required variable's old value, which somebody commented out, stays so.
        text = base if before is None else dotenv_edit.uncomment(text, source_names)
        added_names, text = _merge(workstation, base, text) if before is not None else (_names(text), text)
        lines = _names(text)
        generated_names = [] if values_from == KEEP else [name for name in required if is_generated(workstation, name)]
        generated_names = [workstation.spelling_of(name, lines) for name in generated_names]
        source = source.spelled_as(workstation, lines)
        source_names = [workstation.spelling_of(name, lines) for name in source_names]
        text = _append(workstation, text, (*source_names, *generated_names))
        present = _literals(text)
        added_names |= {
            name for name in (*source.values, *generated_names) if name in present and name not in names_before
        }
        new_values, missing, left_out = values_for(workstation, present, added_names, values_from, source)
        # A prompt may have asked for a variable that has no line yet.
        text = _append(workstation, text, new_values)
        added_names |= new_values.keys() - names_before
        entered_values = {name: e for name, e in new_values.items() if not e.origin.startswith(GENERATED)}
        if values_from != KEEP:
            new_values |= addresses_for(workstation, present, _literals(base), added_names, new_values)
        missing_names = {each.variable for each in missing}
        emptied = _placeholders_to_empty(workstation, text, new_values, missing_names, added_names)
        values = {name: reveal(entry.value) for name, entry in new_values.items()} | dict.fromkeys(emptied, "")
        text = dotenv_edit.set_values(text, values, is_secret=True)
        text, comment_mends = _empty_before_comments(workstation, text, added_names)
        mends += comment_mends
        names = misread_names(workstation) - _misread_for_colon(workstation) if before is not None else ()
        former, text = text, dotenv_edit.replace_odd_blanks(text, names)
        mends += ("A space replaces the tab or other blank before a comment.",) if before and text != former else ()
        refused = _refused(workstation, text, added_names)
        commented_out = {*_names_to_comment_out(workstation, text, emptied, added_names), *refused} - new_values.keys()
        defaulted = [name for name in emptied if name in added_names and _has_default(workstation, name)]
        defaulted = [name for name in defaulted if name not in commented_out]
        text = dotenv_edit.comment_out(text, {*commented_out, *defaulted})
    except ValueError as error:
        return DotenvPlan(workstation, before, before or b"", obstacle=str(error))
    if before is not None:
        mends += tuple(_comments(workstation, commented_out, added_names))
    # What is required and empty in the template has no value from there.
    without_value = {*emptied, *missing_names}
    changes = tuple(_changes(workstation, text, new_values, emptied, without_value, added_names))
    notes = left_out
    notes += tuple(_comments(workstation, refused, added_names)) if before is None else ()
    notes += _default_notes(defaulted)
    notes += tuple(_encrypted_notes(template.file.name, text, added_names))
    notes += tuple(_effects(workstation, text, [name for name in new_values if name not in added_names], emptied))
    notes += tuple(_first_notes(workstation, template.file.name, text, missing)) if before is None else ()
    notes += source_file.precautions(values_from)
    return DotenvPlan(
        workstation, before, text.encode(), changes, mends, missing, notes, left_out, entered_values=entered_values
    )


def diff_lines(plan: DotenvPlan) -> Iterator[str]:
    """The plan as a unified diff with names instead of values, without changes of line ends and byte order mark."""
    changed = {change.key for change in plan.changes if change.action == "changed"}
    template = plan.workstation.checkout.template
    public = {line.strip() for line in template.file.text.splitlines()} if template else set()
    texts = (raw.decode("utf-8", "replace").lstrip(BOM) for raw in (plan.before or b"", plan.after))
    known = plan.workstation.known_names
    old, new = ([_mask_statement(part, public, known) for part in statements(text)] for text in texts)
    for group in hunks([raw for raw, _ in old], [raw for raw, _ in new], 1):
        yield f"@@ line {group[0][3] + 1} @@"
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (f" {shown_line}" for _, shown_line in new[new_from:new_to])
            else:
                yield from (f"-{shown_line}" for _, shown_line in old[old_from:old_to])
                yield from (f"+{_mark_new(shown_line, changed)}" for _, shown_line in new[new_from:new_to])


def _mark_new(shown_line: str, changed: Collection[str]) -> str:
    """A masked line, marked where its value is new."""
    name = shown_line.partition("=")[0]
    return shown_line.replace(f"‹{name}›", f"‹{name}: new›") if name in changed else shown_line


def _obstacle(workstation: Workstation, before: bytes) -> str:
    file, template = workstation.dotenv, workstation.checkout.template
    if template and (conflict := find_conflict(template.file.name, template.file.text)):
        return conflict
    if (
        file is None
        and template
        and any(ENCRYPTED.match(each.value) for each in template.entries if not each.commented_out)
    ):
        return f"{template.file.name} is encrypted by sops or dotenvx: decrypt it to {workstation.path} with that tool."
    if file is None:
        return _open_quote(workstation, template.file.name, template.file.text) if template else ""
    if file.encoding_error == LOCKED:
        return f"{workstation.path} is {LOCKED}: unlock the checkout first."
    if file.encoding_error == IN_LFS:
        return f"{workstation.path} is {IN_LFS}: run git lfs pull first."
    if file.encoding_error or file.has_nul:
        return f"{workstation.path} is not UTF-8 text: save it as UTF-8 first."
    if encrypted_names(workstation):
        return f"{workstation.path} is encrypted by sops or dotenvx: change it with that tool."
    if conflict := find_conflict(str(workstation.path), before.decode("utf-8")):
        return conflict
    opened = open_quotes(workstation)
    return f"A quote in line {opened[0]} is not closed: close it first." if opened else ""


def _open_quote(workstation: Workstation, name: str, text: str) -> str:
    """Why a text cannot be written: a quote that nothing closes, or a later one, beyond known variables."""
    line = 1
    for part in statements(text):
        first, hidden = part.raw.partition("\n")[0], {1, *value_lines(part.raw)}
        inner = {match[1] for match in find_assignments(part.raw, hidden, workstation.known_names).values()}
        is_broken = part.kind != "assignment" or bool(inner & workstation.known_variables)
        if is_broken and find_open_quotes(find_assignments(first, (), workstation.known_names)):
            return f"A quote in line {line} of {name} is not closed: close it there first."
        line += part.raw.count("\n")
    return ""


def _repair(workstation: Workstation, text: str) -> tuple[str, tuple[str, ...]]:
    """The repaired text, where the intention is certain, and the repairs in words."""
    mends, file = [], workstation.dotenv
    assert file
    if text.startswith(BOM):
        text, mends = text.lstrip(BOM), ["The byte order mark is removed."]
    if file.newline != "lf":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        mends.append("All line ends become LF.")
    rows = text.split("\n")
    for binding in file.bindings:
        if binding.separator == ":" and not binding.is_block and (match := COLON_LINE.match(rows[binding.line - 1])):
            rows[binding.line - 1] = f"{match['head']}{match['name']}={match['rest']}"
            mends.append(f"Line {binding.line}: = instead of the colon after {binding.name}.")
    new_names = {}
    for binding, correct_name in case_errors(workstation):
        if spellings(workstation, correct_name):
            continue
        new_names[binding.name] = correct_name
        row = rows[binding.line - 1]
        rows[binding.line - 1] = _renamed(row, binding.name, correct_name)
        mends.append(f"Line {binding.line}: {correct_name} instead of {binding.name}.")
    text = "\n".join(rows)
    quoted, literal, misread = dict[str, int](), _literals(text), misread_names(workstation)
    for binding in file.bindings:
        name = new_names.get(binding.name, binding.name)
        # After a colon, Compose alone has read the value, so that only it says whether another variable is meant.
        may_refer = not (binding.is_unset or file.compose_kind) and NAMED.search(literal.get(name, ""))
        is_certain = binding.separator != ":" or not may_refer
        is_mine = binding.has_dollar and binding.name in misread and is_certain
        is_own = is_mine and not (binding.has_braces or binding.is_escaped or refers_to_another(binding))
        if is_own and name in literal and dotenv_edit.can_quote(literal[name]):
            quoted[name] = binding.line
    try:
        text = dotenv_edit.set_values(text, {name: literal[name] for name in quoted})
    except ValueError:
        # A quote above is never closed, for which nothing is written at all.
        return text, tuple(mends)
    mends += [f"Line {line}: {name} in single quotes, because it has a $." for name, line in quoted.items()]
    return text, tuple(mends)


def _named_for_compose(workstation: Workstation, base: str) -> str:
    """The template with each name in the case in which Compose reads it, where Settings read any."""
    parts = [(each, workstation.name_for_compose(each.name)) for each in statements(base)]
    taken = {part.name for part, _ in parts}
    return "".join(part.raw if name in taken else _renamed(part.raw, part.name, name) for part, name in parts)


def _renamed(line: str, name: str, new_name: str) -> str:
    # The first "port" of "export port=" is another.
    return re.sub(rf"\b{re.escape(name)}\b", new_name, line, count=1)


def _names(text: str) -> set[str]:
    """The names that have a line."""
    return {each.name for each in statements(text) if each.name}


def _literals(text: str) -> dict[str, str]:
    """Each variable's literal value, without interpolation of $."""
    return {each.name: each.value or "" for each in statements(text) if each.name}


def _merge(workstation: Workstation, base: str, text: str) -> tuple[set[str], str]:
    reserved_names = _reserved_names(workstation)
    # A variable that was commented out because it must not be empty stays so.
    names = {each.name for each in statements(base) if each.kind == "assignment"} - _names(text)
    commented_out = {each.name for each in variables(statements(text)) if each.commented_out}
    # In small letters it may be prose, too, which is as good a place.
    case = re.NOFLAG if workstation.checkout.settings.case_sensitive else re.IGNORECASE
    commented_out |= {name for name in names if re.search(rf"(?m)^# {re.escape(name)}[ \t]*=", text, case)}
    reserved_names |= {
        name for name in commented_out if _cannot_be_empty(workstation, name) or workstation.is_refused(name)
    }
    texts = _literals(base)
    reserved_names |= {
        name
        for name in commented_out & names
        if _has_default(workstation, name) and not workstation.is_usable(name, texts[name])
    }
    # A nested model that is one variable of JSON would get a part of it from another.
    settings = workstation.checkout.settings
    fields = (each for each in settings.fields if workstation.binding(each.variables[0]))
    reserved_names |= {workstation.dotenv_name(name) for each in fields for name in each.nested}
    # An empty line would override it, and so would what everybody knows.
    entries = {name: workstation.checkout.template_entry_for(name) for name in names if not workstation.is_secret(name)}
    with_value = {name for name, entry in entries.items() if entry and is_text_of_value(entry.value)}
    reserved_names |= {*filter(workstation.is_given_elsewhere, names - with_value)}
    additions = [each for each in dotenv_edit.merge(base, text) if each.name not in reserved_names]
    # Settings has a value for it already, from a line in another case that stays.
    own = {each.name: workstation.binding(each.name) for each in additions if settings.find(each.name)}
    additions = [each for each in additions if (own.get(each.name) or each).name == each.name]
    # An empty variable beside another of the same field would override it.
    additions = [each for each in additions if workstation.dotenv_name(each.name).casefold() == each.name.casefold()]
    return {addition.name for addition in additions}, dotenv_edit.insert_all(text, additions)


def _refused(workstation: Workstation, text: str, added_names: Collection[str]) -> tuple[str, ...]:
    """New variables with a value of the template for which Settings would refuse the whole file."""
    names = {*filter(workstation.is_refused, added_names)}
    return tuple(name for name, value in _literals(text).items() if value and name in names) if names else ()


def _reserved_names(workstation: Workstation) -> set[str]:
    """Variables in an unreadable line, under a misspelt name or in several cases, which are for the user to repair."""
    file = workstation.dotenv
    return {
        *(file.first_words | {*file.hidden_names} if file else ()),
        *(name for _, name in misspellings(workstation)),
        *(right for _, right in case_errors(workstation) if spellings(workstation, right)),
    }


def _append(workstation: Workstation, text: str, names: Iterable[str]) -> str:
    """Add a line for each variable that neither the .env nor the template has."""
    present = _names(text) | _reserved_names(workstation)
    for name in names:
        if name not in present:
            text = dotenv_edit.insert(text, f"{name}=\n", None)
    return text


def _placeholders_to_empty(
    workstation: Workstation, text: str, new: Collection[str], missing: Collection[str], added_names: Collection[str]
) -> tuple[str, ...]:
    """Variables whose placeholder becomes empty, because the application would use it as a value; no ${…} of yours.

    Also a secret's public value that would override what Settings get from elsewhere. Of a variable with several lines,
    another line may have its value: a person decides which one stays.
    """
    overriding = {name for name in added_names if workstation.is_secret(name) and workstation.is_given_elsewhere(name)}
    file = workstation.dotenv
    repeated = {name for name, _ in file.duplicates} if file else ()
    return tuple(
        name
        for name, value in _literals(text).items()
        if value
        and name not in repeated
        and (name in overriding or not is_set(workstation, name, value))
        and name not in new
        and not stands_for_another(name, value)
        and (name in added_names or (name in missing and "${" not in value))
    )


def _empty_before_comments(workstation: Workstation, text: str, added_names: Set[str]) -> tuple[str, tuple[str, ...]]:
    """The text with '' before each comment that Compose would use as a value, and the repairs in words."""
    # Of several lines the last one counts, and is the one that would be set.
    last = {part.name: part for part in statements(text) if part.kind == "assignment"}
    # A name alone, as in "export NAME # note", gets no value.
    parts = (part for part in last.values() if "=" in part.raw.partition("#")[0] and not dotenv_edit.quote_of(part))
    names = [part.name for part in parts if COMMENT.match("".join(spelling_of(part)[1:]))]
    # Another name may be a piece of a value, which no plan can name.
    lines = {each.name.casefold(): each.line for each in workstation.bindings}
    in_file = [name for name in names if name not in added_names and name.casefold() in lines]
    text = dotenv_edit.set_values(text, dict.fromkeys([*in_file, *(added_names & {*names})], ""))
    why = "is empty, and the comment after it is not its value."
    return text, tuple(f"Line {lines[name.casefold()]}: {name} {why}" for name in in_file)


def _misread_for_colon(workstation: Workstation) -> frozenset[str]:
    """Variables that were misread only for their colon, which is repaired by now."""
    return frozenset(
        each.name for each in workstation.bindings if each.separator == ":" and not each.has_text_after_hash
    )


def _names_to_comment_out(
    workstation: Workstation, text: str, emptied: Collection[str], added_names: Collection[str]
) -> Set[str]:
    """Variables to comment out, because they are empty and Settings does not accept an empty text."""
    # Settings has read no line with a colon, so that only its type tells.
    values, refused = _literals(text), refused_empty(workstation)
    unread_names = {each.name for each in workstation.bindings if each.separator == ":"} | {*added_names}
    # Of what is no JSON, Settings tell nothing else.
    fields = filter(None, map(workstation.checkout.settings.find, refused))
    unread_names |= {*values} if any(_is_json(each.annotation) for each in fields) else set()
    empty = {name for name, value in values.items() if not value and name in unread_names}
    without_value = (*refused, *(each.name for each in overriding_lines(workstation)))
    # A line may have its name in capitals by now.
    lines = {workstation.spelling_of(name, values.keys()) for name in without_value}
    return lines | {name for name in (*emptied, *empty) if _cannot_be_empty(workstation, name)}


def _has_default(workstation: Workstation, name: str) -> bool:
    """Whether Settings have a value for a variable, which an empty line in place of a placeholder would override."""
    field_, settings = workstation.checkout.settings.find(name), workstation.checkout.settings
    is_needed = name in workstation.required or name in workstation.checkout.used_by_compose
    return field_ is not None and field_.has_default and not (settings.ignore_empty or is_needed)


def _cannot_be_empty(workstation: Workstation, name: str) -> bool:
    """Whether Settings accepts no variable, but not an empty one, or finds its value in a file of secrets_dir then."""
    if workstation.is_given_elsewhere(name):
        # Compose passes on the empty line in any case.
        return not workstation.checkout.settings.ignore_empty or workstation.is_set_earlier(name)
    field_ = workstation.checkout.settings.find(name)
    if field_ is None or name in workstation.required or workstation.checkout.settings.ignore_empty:
        return False
    if name in map(workstation.dotenv_name, field_.nested):
        return False
    is_text = "str" in _TEXTS.sub("str", _LITERAL.sub("", field_.annotation)) and not _is_json(field_.annotation)
    return field_.refuses_empty or not is_text


def _is_json(annotation: str) -> bool:
    """Whether a field of a type is parsed as JSON, and may not be a text as well."""
    expression = parse_expression(annotation)
    members = [*union_members(expression)] if expression else []
    others = [each for each in members if _type_name(each) not in _COLLECTIONS]
    return len(others) < len(members) and not any("str" in ast.unparse(each).casefold() for each in others)


def _type_name(node: ast.expr) -> str:
    return last_name(node.value if isinstance(node, ast.Subscript) else node).casefold()


def _changes(
    workstation: Workstation,
    text: str,
    new_values: Mapping[str, NewValue],
    emptied: Collection[str],
    without_value: Collection[str],
    added_names: Collection[str],
) -> Iterator[KeyChange]:
    known = workstation.known_names
    assignments = (each for each in statements(text) if each.name)
    shown = (each for each in assignments if is_shown(each.name, each.value, each.raw.lstrip(BOM), known))
    for name in dict.fromkeys(each.name for each in shown):
        is_added = name in added_names
        if name in new_values:
            effect = _effect(workstation, name)
            effect_text = EFFECTS[effect] if effect == "first-start-only" else "at the next start"
            yield KeyChange(name, "added" if is_added else "changed", new_values[name].origin, effect_text)
        elif is_added:
            yield KeyChange(name, "added", EMPTIED if name in without_value else TEMPLATE, "at the next start")
        elif name in emptied:
            yield KeyChange(name, "changed", EMPTIED, "at the next start")
        else:
            yield KeyChange(name, "unchanged")


def _effect(workstation: Workstation, name: str) -> Effect:
    key = workstation.key_of(name)
    return key.effect if key else "next-deployment"


def _mask_statement(part: Statement, public: Collection[str], known: Collection[str]) -> tuple[str, str]:
    """A statement, and its masked form: names instead of values, and of comments only those of the template."""
    raw = part.raw.rstrip("\r\n")
    if part.kind == "blank":
        return raw, ""
    if part.kind == "comment":
        match = re.match(r"\s*#\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(\S?)", raw)
        if match:
            return raw, f"# {match[1]}=‹{match[1]}›" if match[2] else f"# {match[1]}="
        # Anything can be in another comment, such as a former value; a ruler has no words.
        return raw, raw if raw.strip() in public or not words_of(raw) else "# ‹a comment›"
    if part.kind == "assignment" and is_shown(part.name, part.value, raw, known):
        quote = dotenv_edit.quote_of(part)
        return raw, f"{part.name}={quote}‹{part.name}›{quote}" if part.value else f"{part.name}={quote}{quote}"
    return raw, "‹a line that cannot be read›"
