"""Every remaining version of the secret with its content, who wrote it, and whether it was AWSCURRENT."""

from __future__ import annotations

from dataclasses import dataclass

from omc_runbook.aws.cloudtrail import Event
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import Version, short_id
from omc_runbook.snapshot.content import Content


@dataclass(frozen=True, kw_only=True)
class VersionEntry:
    """One version with its content and CloudTrail's events about it.

    `content` is None where it could not be read (`unread` says why) or was deleted after it was listed. `author` is the
    ARN of the principal that wrote it, "" where CloudTrail does not say. `staged` says that it is known to have been
    written without AWSCURRENT; `moves` are the calls that moved AWSCURRENT to it later, newest first. `promoted` is
    whether it ever was AWSCURRENT, None where that is unknown.
    """

    version: Version
    content: Content | None
    unread: ReadFailure | None = None
    author: str = ""
    staged: bool = False
    moves: tuple[Event, ...] = ()
    promoted: bool | None = None

    @property
    def id(self) -> str:
        """The version's id."""
        return self.version.id

    @property
    def returned(self) -> Event | None:
        """The last call that moved AWSCURRENT back to it from another version; None where none did."""
        again = self.moves[:-1] if self.staged else self.moves
        return again[0] if again else None


@dataclass(frozen=True)
class VersionHistory:
    """All versions, newest first; `writes` is None unless CloudTrail returned every kind of write."""

    versions: tuple[VersionEntry, ...]
    writes: tuple[Event, ...] | None = None
    unread: tuple[ReadFailure, ...] = ()
    """What could not be read from CloudTrail."""

    def find(self, version_id: str) -> VersionEntry | None:
        """The version with an id; None where there is none."""
        return next((entry for entry in self.versions if entry.id == version_id), None)

    def before(self, entry: VersionEntry) -> tuple[VersionEntry, ...]:
        """The earlier versions that were AWSCURRENT, or may have been, newest first."""
        older = self.versions[self.versions.index(entry) + 1 :]
        return tuple(entry for entry in older if entry.promoted is not False)

    def short(self, version_id: str) -> str:
        """The shortest unique prefix of an id, at least eight characters."""
        return short_id(version_id, (entry.id for entry in self.versions))
