"""How a run's files are called: RUNBOOK-ENVIRONMENT-TIME, and the suffix."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from omc_runbook.model.grouping import grouped

SUFFIXES = (".ipynb", ".html", ".json")
"""The notebook, its page, and its outcome."""
TABLE_SUFFIXES = (".csv", ".json")
"""The formats of a table."""
SKEW = timedelta(minutes=5)
"""By how much the clocks of machines that share a folder may differ."""

_LONGEST = 50
"""How many characters of it a file system surely takes beside the rest of a name, of four bytes each."""
_FORMAT = "%Y%m%dT%H%M%SZ"
_STEM = re.compile(r"(?P<runbook>\w+)-(?P<environment>[\w.-]+)-(?P<time>\d{8}T\d{6}Z)(?:-(?P<number>\d+))?")
_TABLE = re.compile(r"(?P<stem>.+)-[a-z][a-z_]*\.\w+")


@dataclass(frozen=True, order=True)
class Stem:
    """The beginning of the names of a run's files; in their order, the runs of a second by their number."""

    started: datetime
    number: int
    runbook: str
    environment: str
    """As part of a file's name: see `file_name`."""
    text: str

    @property
    def kind(self) -> tuple[str, str]:
        """Which runbook where: runs of a kind can be compared."""
        return self.runbook, self.environment

    def is_ahead(self, now: datetime | None) -> bool:
        """Whether it is of the future: the clock of its machine, or this one's, is or was wrong."""
        return now is not None and is_ahead(self.started, now)


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Whether a moment is in the future, by more than the clocks of machines may differ."""
    return moment > now + SKEW


def make(runbook: str, environment: str, started: datetime) -> str:
    """How the names of a run's files begin."""
    return f"{runbook}-{file_name(environment)}-{started.astimezone(UTC):{_FORMAT}}"


def file_name(text: str) -> str:
    """A text as part of a file's name, where what no environment's name has is "_"; a long one ends in a digest."""
    if len(text) > _LONGEST:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        text = f"{text[: _LONGEST - len(digest) - 1]}-{digest}"
    return "".join(c if c.isalnum() or c in ".-_" else "_" for c in text)


def parse(text: str) -> Stem | None:
    """A stem out of its text; None for another text."""
    match = _STEM.fullmatch(text)
    if match is None:
        return None
    try:
        started = datetime.strptime(match["time"], _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Stem(started, int(match["number"] or 1), match["runbook"], match["environment"], text)


def of_file(name: str) -> Stem | None:
    """The stem of a file of a record; None for other files."""
    stem, dot, suffix = name.rpartition(".")
    return parse(stem) if f"{dot}{suffix}" in SUFFIXES else None


def find_tables(folder: Path) -> dict[str, list[Path]]:
    """The files of tables in a folder, by the stem of their run, in the order of their names."""
    paths = (path for suffix in TABLE_SUFFIXES for path in folder.glob(f"*{suffix}"))
    matches = ((_TABLE.fullmatch(path.name), path) for path in paths)
    found = grouped((match["stem"], path) for match, path in matches if match and parse(match["stem"]))
    return {stem: sorted(tables) for stem, tables in found.items()}
