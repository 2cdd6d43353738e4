"""The template of a developer's .env: each variable with its placeholder and its comment."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dotenv.parser import parse_stream

from omc_runbook.model.errors import UsageError
from omc_runbook.model.letters import FILES_NAMED, listed
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.layout import (
    Statement,
    assignment_of,
    joined_words,
    spelling_of,
    statements,
    variables,
    words_of,
)
from omc_runbook.repository.sparse_checkout import advise_sparse
from omc_runbook.textfile.conflict import find_conflict
from omc_runbook.textfile.file import SourceFile, read_first, read_if_readable

NAMES = (".env.template", ".env.example", "env.template", ".env.sample", "env.example", "env.sample", ".env.dist")
"""The names of a template, the guide's first."""

_OTHER_NAME = re.compile(
    r"\.?env\.(?:[\w.-]+\.(?:example|sample|template|dist|tpl)|tpl|defaults?)"
    r"|\.?env[-_](?:example|sample|template|dist)|\.?(?:example|sample|template|default)\.env"
)
_URL = re.compile(r"https?://[^\s<>\"'`]+")
_IN_BRACKETS = re.compile(r"\((optional|required)\b")
_OPTIONAL_WORDS = re.compile(r"\b(not required|optional|required)\b")


@dataclass(frozen=True, kw_only=True)
class TemplateEntry:
    """A variable of the template. Its value is public, since it is in the repository."""

    name: str
    value: str
    """As python-dotenv parses it, without expansion of variables; "" if it is empty."""
    description: str
    """Its comments, above and on the same line, as one text."""
    section: str
    """The title of its section; "" for none."""
    obtain_from: str
    """The first address in its comment that begins with https://; "" for none."""
    commented_out: bool
    optional: bool
    line: int
    has_inline_comment: bool = False


@dataclass(frozen=True)
class Template:
    """A template, with each variable once."""

    file: SourceFile
    entries: tuple[TemplateEntry, ...]

    @property
    def conflict(self) -> str:
        """A sentence on a merge conflict in it that is not resolved; "" without one."""
        return find_conflict(self.file.name, self.file.text)

    def has(self, name: str, *, case_sensitive: bool) -> bool:
        """Whether a variable of a name in capitals is in it, also in small letters where Settings read both cases."""
        return any(name in (each.name, each.name if case_sensitive else each.name.upper()) for each in self.entries)

    def find(self, name: str) -> TemplateEntry | None:
        """The variable of a name, also a commented-out one; None if there is none."""
        return next((entry for entry in self.entries if entry.name == name), None)


def find_template(repository: Path, folder: str = "") -> SourceFile | None:
    """Read the template's file of a checkout, or of one of its folders; None if there is none."""
    return read_first(repository, ((Path(folder) / name).as_posix() for name in NAMES))


def find_template_of(repository: Path, settings: str) -> SourceFile | None:
    """Read the template's file at the top of a checkout, else the one nearest above the file of Settings."""
    folders = ("", *(folder.as_posix() for folder in Path(settings).parents))
    return next((file for folder in folders if (file := find_template(repository, folder))), None)


def find_nearer_template(repository: Path, settings: str) -> SourceFile | None:
    """Read the template's file nearest above the file of Settings and below the top; None if none can be read."""
    names = ((folder / name).as_posix() for folder in Path(settings).parents[:-1] for name in NAMES)
    return next(filter(None, (read_if_readable(repository, name) for name in names)), None)


def read_template(repository: Path) -> Template:
    """Parse the template of a checkout; raises UsageError, in one sentence, if there is none."""
    file = find_template(repository)
    if file is None:
        raise UsageError(
            f"{repository} has no {NAMES[0]}: name a checkout of the platform. {', '.join(NAMES[1:4])} or a committed"
            f" .env will do too.{advise_folder(repository)}"
        )
    return parse_template(file)


def advise_folder(repository: Path) -> str:
    """A sentence, after a blank, on where the template is: below the top, by another name, or left out; "" for none."""
    names = [path.relative_to(repository).as_posix() for path in CheckoutFiles(repository).with_names(NAMES)]
    found = listed(names, FILES_NAMED)
    below = f" Below it there is {found}: set repository to the application's folder." if found else ""
    similar = (path for path in repository.glob("*env*") if _OTHER_NAME.fullmatch(path.name) and path.is_file())
    others = ", ".join(sorted(path.name for path in similar))
    other = f" It has {others}: copy the one for developers to {NAMES[1]}." if others else ""
    return below or other or advise_sparse(repository)


def parse_template(file: SourceFile) -> Template:
    """Parse a template's file. Of a repeated name the last active one counts, as in python-dotenv, else the first."""
    return Template(file, _entries(file.text))


@lru_cache(maxsize=32)
def _entries(text: str) -> tuple[TemplateEntry, ...]:
    parts = statements(text)
    lines = _lines(parts)
    entries: dict[str, TemplateEntry] = {}
    for variable in variables(parts):
        assignment = assignment_of(parts[variable.at]) or parts[variable.at]
        rest = spelling_of(assignment).after
        description = " ".join(filter(None, (joined_words(parts[variable.begins : variable.at]), words_of(rest))))
        value = _value(assignment.raw)
        entry = TemplateEntry(
            name=variable.name,
            value=value,
            description=description,
            section=variable.heading.title,
            obtain_from=_address(description),
            commented_out=variable.commented_out,
            optional=variable.commented_out or _is_optional(description, variable.heading.title, value),
            line=lines[variable.at],
            has_inline_comment=rest.lstrip().startswith("#"),
        )
        if entry.name not in entries or not entry.commented_out:
            entries[entry.name] = entry
    return tuple(sorted(entries.values(), key=lambda entry: entry.line))


def _lines(parts: tuple[Statement, ...]) -> list[int]:
    """The first line of each statement, counted from 1."""
    lines = [1]
    for part in parts:
        lines.append(lines[-1] + len(re.findall(r"\r\n|\n|\r", part.raw)))
    return lines


def _value(raw: str) -> str:
    # Opened as a text file, every line ending in a quoted value is a line feed to python-dotenv.
    plain = raw.replace("\r\n", "\n").replace("\r", "\n")
    return next((binding.value or "" for binding in parse_stream(io.StringIO(plain)) if binding.key), "")


def _address(description: str) -> str:
    addresses = [address[0].rstrip(".,;:!?)]}") for address in _URL.finditer(description)]
    return next((address for address in addresses if address.startswith("https://")), "")


def _is_optional(description: str, section: str, value: str) -> bool:
    """By the comment, else by the section, else by an empty value; a word in brackets takes precedence."""
    for text in (description, section):
        plain = _URL.sub("", text).lower()
        in_brackets = _IN_BRACKETS.findall(plain)
        words = set(in_brackets[-1:] or _OPTIONAL_WORDS.findall(plain))
        if words:
            return "required" not in words
    return not value
