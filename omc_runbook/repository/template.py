"""The template of a developer's .env: each variable with its placeholder and what is said of it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream

from omc_runbook.model.errors import UsageError
from omc_runbook.repository.layout import (
    Statement,
    assignment_of,
    joined_words,
    spelling_of,
    statements,
    variables,
    words_of,
)
from omc_runbook.textfile.file import SourceFile, read_source

NAMES = (".env.template", ".env.example", "env.template")
"""What a template is called, the guide's name first."""

_URL = re.compile(r"https?://[^\s<>\"'`]+")
_IN_BRACKETS = re.compile(r"\((optional|required)\b")
_SAID = re.compile(r"\b(not required|optional|required)\b")


@dataclass(frozen=True)
class Entry:
    """A variable of the template. Its value is public: whoever reads the repository has it."""

    name: str
    value: str
    """As python-dotenv reads it, without filling in other variables; "" when it is empty."""
    description: str
    """Its comment, the lines above and the one behind it, as one text."""
    section: str
    """The nearest section title above; "" for none."""
    obtain_from: str
    """An address in its comment that begins with https://; "" for none."""
    commented_out: bool
    optional: bool
    line: int
    has_inline_comment: bool = False


@dataclass(frozen=True)
class Template:
    """A template as it lies in a checkout, each variable once."""

    file: SourceFile
    entries: tuple[Entry, ...]

    def find(self, name: str) -> Entry | None:
        """The variable of a name, also one in a comment; None where there is none."""
        return next((entry for entry in self.entries if entry.name == name), None)


def find_template(repository: Path) -> SourceFile | None:
    """Read the template's file of a checkout; None where there is none."""
    return next((file for name in NAMES if (file := read_source(repository, name))), None)


def read_template(repository: Path) -> Template:
    """Read the template of a checkout; raises UsageError, in one sentence, where there is none to read."""
    file = find_template(repository)
    if file is None:
        raise UsageError(f"{repository} has no {NAMES[0]}: name a checkout of the platform.")
    return parse_template(file)


def parse_template(file: SourceFile) -> Template:
    """Read a template's file. Of a name twice the last active one counts, as for python-dotenv, else the first."""
    parts = statements(file.text)
    lines = _lines(parts)
    found: dict[str, Entry] = {}
    for variable in variables(parts):
        inner = assignment_of(parts[variable.at]) or parts[variable.at]
        behind = words_of(spelling_of(inner).after)
        description = " ".join(filter(None, (joined_words(parts[variable.begins : variable.at]), behind)))
        value = _value(inner.raw)
        entry = Entry(
            name=variable.name,
            value=value,
            description=description,
            section=variable.heading.title,
            obtain_from=_address(description),
            commented_out=variable.commented_out,
            optional=variable.commented_out or _is_optional(description, variable.heading.title, value),
            line=lines[variable.at],
            has_inline_comment=spelling_of(inner).after.lstrip().startswith("#"),
        )
        if entry.name not in found or not entry.commented_out:
            found[entry.name] = entry
    return Template(file, tuple(sorted(found.values(), key=lambda entry: entry.line)))


def _lines(parts: tuple[Statement, ...]) -> list[int]:
    """The line in which each statement begins, counted from 1."""
    lines = [1]
    for part in parts:
        lines.append(lines[-1] + len(re.findall(r"\r\n|\n|\r", part.raw)))
    return lines


def _value(raw: str) -> str:
    # A program opens the file as text, so that every line end in a quoted value is a line feed to python-dotenv.
    plain = raw.replace("\r\n", "\n").replace("\r", "\n")
    return next((binding.value or "" for binding in parse_stream(io.StringIO(plain)) if binding.key), "")


def _address(description: str) -> str:
    addresses = [address[0].rstrip(".,;:!?)]}") for address in _URL.finditer(description)]
    return next((address for address in addresses if address.startswith("https://")), "")


def _is_optional(description: str, section: str, value: str) -> bool:
    """What the comment says, else what the section says, else whether the value is empty; brackets say it best."""
    for text in (description, section):
        plain = _URL.sub("", text).lower()
        in_brackets = _IN_BRACKETS.findall(plain)
        said = set(in_brackets[-1:] or _SAID.findall(plain))
        if said:
            return "required" not in said
    return not value
