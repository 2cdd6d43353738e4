"""runbook.toml as it is and as it would be, and its writer: an existing file only with consent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from omc_runbook.changes import files
from omc_runbook.changes.configuration import toml_text
from omc_runbook.changes.configuration.names import EnvironmentNames
from omc_runbook.model.errors import UsageError
from omc_runbook.model.runbook_file import table_of
from omc_runbook.model.shell import command
from omc_runbook.textfile.diff import unified_diff

MODE = 0o644
"""Of a new file, which has names alone."""
FORMER = ".former"
"""What the name of the former file ends with, which keeps its comments; that of a later one has a number, too."""


_TEXT_OR_COMMENT = re.compile(
    r"""\"{3}(?:\\.|[^\\])*?"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#([^\n]*)""", re.DOTALL
)
"""A text, which may have number signs and lines of its own, or a comment."""


@dataclass(frozen=True)
class ConfigurationPlan:
    """What runbook.toml would become; `before` is None for a new file."""

    path: Path
    before: bytes | None = field(repr=False)
    after: bytes = field(repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether the file has these contents already."""
        if self.before is None:
            return False
        return table_of(self.path, self.before) == table_of(self.path, self.after)

    @property
    def is_new(self) -> bool:
        """Whether there is no file yet."""
        return self.before is None

    @property
    def former(self) -> Path:
        """Where the former file is kept: beside it, and never over an earlier one."""
        numbers = chain(("",), (f"-{number}" for number in count(2)))
        paths = (self.path.with_name(f"{self.path.name}{FORMER}{number}") for number in numbers)
        return next(path for path in paths if files.read(path) in (None, self.before))

    @property
    def loses_comments(self) -> bool:
        """Whether the file has comments that it would not have any more."""
        before, after = (_TEXT_OR_COMMENT.findall((text or b"").decode()) for text in (self.before, self.after))
        return bool({*map(str.strip, before)} - {*map(str.strip, after), ""})

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        old = (self.before or b"").decode().splitlines(keepends=True)
        return unified_diff(old, self.after.decode().splitlines(keepends=True), self.path.name, 3)


def plan(path: Path, found: Sequence[EnvironmentNames]) -> ConfigurationPlan:
    """Plan a runbook.toml with the names that were found, and with everything else that the file has.

    Raises UsageError for a file that cannot be read or is not valid TOML.
    """
    before = files.read(path)
    merged, comments = toml_text.merge(table_of(path, before) if before is not None else {}, found)
    return ConfigurationPlan(path, before, toml_text.render(merged, comments).encode())


def write(plan: ConfigurationPlan, has_consent: bool) -> None:
    """Write the file; the former one is kept beside it, and so is each that was kept before.

    Raises UsageError for an existing file without consent, and as `files.write` does.
    """
    if plan.before is not None:
        former = plan.former
        if not has_consent:
            raise UsageError(
                f"{plan.path} exists and was not changed: add --yes to change it; the former one is kept as"
                f" {command(former.name)}."
            )
        files.write(former, files.read(former), plan.before, None, MODE)
    files.refuse_unwritable(plan.path)
    files.write(plan.path, plan.before, plan.after, None, MODE if plan.is_new else None)
