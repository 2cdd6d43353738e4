"""Records in S3: each in a folder of its own under a prefix, written once."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from omc_runbook.aws import s3
from omc_runbook.aws.failures import ReadFailure, attempt
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import Outcome
from omc_runbook.report.archive import kept_records, seal, stems, summary
from omc_runbook.report.archive.record import Record
from omc_runbook.report.archive.seal import SealState
from omc_runbook.report.archive.stems import Stem

T = TypeVar("T")

SCHEME = "s3://"
STARTED = "started.json"
"""The object that a run leaves as it begins: it shows that the record can be written, and that there was a run."""
ENDED = "ended.json"
"""The object that a run leaves instead of a record where it ended before it changed anything."""

_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?")
_TYPES = {
    ".ipynb": "application/x-ipynb+json",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
}
_READERS = 8
_RUNS_OF_A_SECOND = 99


@dataclass(frozen=True)
class S3Line:
    """A run with a record in S3, or one that left none: what it was, how it ended and when, and its page."""

    title: str
    end: str
    moment: datetime
    page: str = ""


@dataclass(frozen=True)
class S3Folder:
    """A folder of records in S3: a bucket, and a prefix that is "" or ends with "/".

    `client` gives boto3's client for it, when there is something to be called.
    """

    bucket: str
    prefix: str
    client: Callable[[], Any] = field(repr=False)
    kms_key: str = ""
    """What encrypts the objects; "" for the bucket's own encryption."""

    @property
    def address(self) -> str:
        """The address that it was parsed of."""
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def begin(self, record: Record, runbook: str, environment: str, started: datetime) -> Record:
        """Reserve a record's name by its first object, and return the record under that name.

        Raises UsageError where there is no such bucket, and CouldNotLook where nothing can be written to it.
        """
        fields = {
            "schema": 1,
            "runbook": runbook,
            "environment": environment,
            "started": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        }
        content = f"{json.dumps(fields, indent=2)}\n".encode()
        for number in range(1, _RUNS_OF_A_SECOND):
            own = record if number == 1 else replace(record, stem=f"{record.stem}-{number}")
            if self._put(own.stem, STARTED, content, "Nothing was done."):
                return own
        raise CouldNotLook(f"{self.address} has too many records of this second. Nothing was done.")

    def end(self, record: Record, failure: str) -> None:
        """Write why a run that had begun keeps no record; raises as `begin` does."""
        content = json.dumps({"schema": 1, "failure": failure}, indent=2, ensure_ascii=False)
        self._put(record.stem, ENDED, f"{content}\n".encode())

    def upload(self, record: Record) -> str:
        """Write a kept record's files, the outcome last, and return its page's address.

        Raises OSError, and as `begin` does, also where an object is there already.
        """
        for path in (record.page, record.notebook, *record.table_files, record.outcome):
            if not self._put(record.stem, path.name, path.read_bytes()):
                raise CouldNotLook(f"{self._url(record.stem, path.name)} is there already, and is not overwritten.")
        return self.page_of(record)

    def page_of(self, record: Record) -> str:
        """The address of a record's page."""
        return self._url(record.stem, record.page.name)

    def lines(self) -> list[S3Line]:
        """What runs there were, the newest first; raises CouldNotLook where they cannot be listed."""
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(lambda item: self._line(*item), self._folders().items()))

    def check(self) -> list[SealState]:
        """What became of each record, the newest first; raises CouldNotLook where they cannot be listed."""
        with ThreadPoolExecutor(_READERS) as pool:
            found = pool.map(lambda item: self._check(*item), self._folders().items())
            return [state for states in found for state in states]

    def read_own(self, name: str) -> bytes | None:
        """An object beside the records' folders; None where there is none. Raises OSError."""
        content = self._look(name, "s3:GetObject", lambda: s3.get(self.client(), self.bucket, f"{self.prefix}{name}"))
        if not isinstance(content, ReadFailure):
            return content
        if content.code == "NoSuchKey":
            return None
        raise OSError(errno.EIO, content.sentence)

    def write_own(self, name: str, content: bytes) -> None:
        """Write an object beside the records' folders, instead of the one that may be there; raises OSError."""
        kind, key = _TYPES[Path(name).suffix], f"{self.prefix}{name}"

        def put() -> None:
            s3.put(self.client(), self.bucket, key, content, kind, self.kms_key)

        answer = self._look(name, "s3:PutObject", put)
        if isinstance(answer, ReadFailure):
            raise OSError(errno.EIO, answer.sentence_for("write"))

    def _look(self, name: str, permission: str, call: Callable[[], T]) -> T | ReadFailure:
        """Make a call about an object; raises OSError where S3 cannot be reached."""
        try:
            return attempt(f"{self.address}/{name}", permission, call)
        except CouldNotLook as error:
            raise OSError(errno.EIO, str(error)) from None

    def _line(self, stem: Stem, names: frozenset[str]) -> S3Line:
        title = " on ".join(stem.kind)
        if ENDED in names:
            return S3Line(title, "no record: refused or ended before it changed anything", stem.started)
        if seal.NEWEST not in names:
            return S3Line(title, "no record: under way, broken off, or not uploaded", stem.started)
        page = self._url(stem.text, f"{stem.text}.html")
        try:
            outcome = Outcome.from_json(self._get(stem, seal.NEWEST).decode())
        except OSError as error:
            return S3Line(title, error.strerror or "unreadable", stem.started, page)
        except ValueError:
            return S3Line(title, f"{seal.NEWEST} is not an outcome", stem.started, page)
        return S3Line(summary.title(outcome), kept_records.end_of(outcome), outcome.finished, page)

    def _check(self, stem: Stem, names: frozenset[str]) -> list[SealState]:
        files = names - {STARTED, ENDED}
        return seal.check(files, lambda name: self._get(stem, name)) if files else [SealState(stem.text, "no record")]

    def _folders(self) -> Mapping[Stem, frozenset[str]]:
        """The names of the objects of each run, the newest first."""
        keys = self._insist("read", "s3:ListBucket", lambda: s3.list_keys(self.client(), self.bucket, self.prefix))
        found: dict[Stem, set[str]] = {}
        for key in keys:
            folder, _, name = key.removeprefix(self.prefix).partition("/")
            if (stem := stems.parse(folder)) and name and "/" not in name:
                found.setdefault(stem, set()).add(name)
        return {stem: frozenset(found[stem]) for stem in sorted(found, reverse=True)}

    def _put(self, stem: str, name: str, content: bytes, consequence: str = "") -> bool:
        key, kind = f"{self.prefix}{stem}/{name}", _TYPES[Path(name).suffix]

        def put() -> bool:
            return s3.put_new(self.client(), self.bucket, key, content, kind, self.kms_key)

        return self._insist("write to", "s3:PutObject", put, consequence)

    def _get(self, stem: Stem, name: str) -> bytes:
        """An object's content; raises OSError."""
        key = f"{self.prefix}{stem.text}/{name}"
        content = attempt(name, "s3:GetObject", lambda: s3.get(self.client(), self.bucket, key))
        if isinstance(content, ReadFailure):
            raise OSError(errno.EIO, content.sentence)
        return content

    def _insist(self, do: str, permission: str, call: Callable[[], T], consequence: str = "") -> T:
        try:
            answer = attempt(self.address, permission, call)
        except CouldNotLook as error:
            raise CouldNotLook(f"Could not {do} {self.address}: {error} {consequence}".strip()) from None
        if not isinstance(answer, ReadFailure):
            return answer
        if answer.code == "NoSuchBucket":
            raise UsageError(f"There is no bucket {self.bucket}. {consequence}".strip())
        raise CouldNotLook(" ".join(filter(None, (answer.sentence_for(do), self._about_key(answer), consequence))))

    def _about_key(self, failure: ReadFailure) -> str:
        """What to check where the key may be the reason: S3 does not always say so."""
        if not self.kms_key or failure.permission.startswith("kms:"):
            return ""
        if failure.code.startswith("KMS."):
            return f"Check kms_key in [records] of runbook.toml: {self.kms_key}."
        is_write = failure.kind == "denied" and failure.permission == "s3:PutObject"
        return f"Or kms:GenerateDataKey on {self.kms_key} is." if is_write else ""

    def _url(self, stem: str, name: str) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}{stem}/{name}"


def parse(address: str, client: Callable[[], Any], kms_key: str = "") -> S3Folder:
    """The folder of an address; raises UsageError for another text."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UsageError(
            "A place in S3 is s3://BUCKET or s3://BUCKET/PREFIX: a bucket's name is 3 to 63 lower-case letters or"
            " digits, with dots and hyphens between them."
        )
    prefix = (found["prefix"] or "").strip("/")
    return S3Folder(found["bucket"], f"{prefix}/" if prefix else "", client, kms_key)
