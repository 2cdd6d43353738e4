"""A private cache of task definitions, whose revisions never change: references, roles and names, and no value.

Left out is whatever could hold a value: plain variables' values, commands, and a log driver's options. A revision is
kept only if nothing in these is wrong by itself, and read anew for a service that fails.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from omc_runbook.aws.definitions import Container, Injection, TaskDefinition
from omc_runbook.masking import hosts
from omc_runbook.masking.relations import find_mismatches
from omc_runbook.model import value_from
from omc_runbook.model.environment import LOCAL, Environment
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.textfile import private_file

VARIABLE, OFF = "OMC_CACHE", "off"
"""The variable, and its value with which there is no cache."""
_NO = frozenset({OFF, "no", "false", "0"})
"""All ways to write that value."""
AGE = timedelta(days=30)
MOST_REVISIONS = 2000
"""The newest of an account and region, in one file."""
MOST_FILES = 64
MOST_BYTES = 8 * 1024 * 1024


def _pair(entry: object) -> object:
    """An injection as a variable and its valueFrom; what the file has stays as it is."""
    return (entry.variable, entry.reference.text) if isinstance(entry, Injection) else entry


_Pair = tuple[str, Annotated[str, Field(pattern=r"^arn:")]]
_Pairs = tuple[Annotated[_Pair, BeforeValidator(_pair)], ...]


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class _Container(_Stored):
    """What is kept of a `Container`: nothing that could hold a value, and of secrets a variable and its valueFrom."""

    name: str
    secrets: _Pairs
    log_secrets: _Pairs
    registry_secrets: _Pairs
    login_secrets: _Pairs
    environment: tuple[str, ...]
    has_environment_files: bool
    plain_secrets: tuple[str, ...]
    plain_references: _Pairs
    readonly: bool
    essential: bool
    image: str


class _Definition(_Stored):
    """What is kept of a `TaskDefinition`."""

    family: str
    revision: int
    registered: AwareDatetime | None
    execution_role_arn: str
    task_role_arn: str
    os_family: str
    pid_mode: str
    stack: str
    containers: tuple[_Container, ...]


class _Revision(_Definition):
    """A revision, when it was read, the environments among which its hosts were judged, and whether it is whole."""

    read: AwareDatetime
    judged: tuple[str, ...]
    is_whole: bool


class _File(_Stored):
    """The cache's file; another version of this package may find other plain variables to be secrets."""

    format: Literal[1]
    version: str
    revisions: dict[str, _Revision]


@dataclass(frozen=True)
class DefinitionCache:
    """The cache of one account and region at one endpoint, for one environment; `now` is when the look began."""

    file: Path
    judged: tuple[str, ...]
    now: datetime

    def load(self, users: Mapping[str, datetime | None]) -> tuple[dict[str, TaskDefinition], frozenset[str]]:
        """The revisions in the cache, by ARN, and those of them that are not whole.

        `users` are the ARNs that are asked for, each with when the newest service that uses it was created: what is
        younger than an entry may be another account's with the same number, in a stand-in for AWS that was restarted.
        """
        entries = {
            arn: entry
            for arn, entry in _read(self.file).items()
            if (created := users.get(arn)) and created < entry.read and self._counts(entry)
        }
        found = {arn: _definition(arn, entry) for arn, entry in entries.items()}
        return found, frozenset(arn for arn, entry in entries.items() if not entry.is_whole)

    def store(self, revisions: Iterable[TaskDefinition]) -> None:
        """Add revisions that were just read, as far as they may be kept; a cache that cannot be written is none."""
        new = {each.arn: entry for each in revisions if (entry := self._entry(each))}
        if not new:
            return
        entries = sorted({**_read(self.file), **new}.items(), key=lambda item: item[1].read, reverse=True)
        recent = {arn: entry for arn, entry in entries[:MOST_REVISIONS] if entry.read > self.now - AGE}
        content = _File(format=1, version=_version(), revisions=recent).model_dump_json().encode()
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_private(self.file.parent) and len(content) <= MOST_BYTES:
                private_file.write(self.file, content)
                _remove_oldest(self.file.parent)
        except OSError:
            return

    def _counts(self, entry: _Revision) -> bool:
        return self.now - AGE < entry.read <= self.now and entry.judged == self.judged

    def _entry(self, revision: TaskDefinition) -> _Revision | None:
        environment, *others = self.judged
        plain = (host for container in revision.containers for _, host in container.hosts)
        if any(hosts.judge(host, environment, others) for host in plain):
            return None
        try:
            return _Revision(
                read=self.now,
                judged=self.judged,
                is_whole=not any(
                    each.logins or each.hosts or each.health_check or each.log_group for each in revision.containers
                ),
                **dict(_Definition.model_validate(revision)),
            )
        except ValidationError:
            # A valueFrom that is no ARN may be a value that was put in the wrong place.
            return None


def cache_for(environment: Environment, account: str, endpoint: str, now: datetime) -> DefinitionCache | None:
    """The cache for an environment in an account behind an endpoint's URL; None where OMC_CACHE is off, or no place."""
    if os.environ.get(VARIABLE, "").strip().lower() in _NO:
        return None
    region = environment.names.region
    digest = hashlib.sha256(endpoint.encode()).hexdigest()[:16]
    try:
        folder = platformdirs.user_cache_path("omc-runbook", appauthor=False) / "task-definitions"
    except RuntimeError:
        return None
    # A user without a home has no cache: what platformdirs says of it depends on its version.
    if not folder.is_absolute():
        return None
    # Both come from elsewhere.
    name = re.sub(r"[^\w-]", "_", f"{account}-{region}-{digest}")
    judged = (environment.name, *sorted(environment.others), LOCAL)
    return DefinitionCache(folder / f"{name}.json", judged, now)


def needed_whole(snapshot: Snapshot) -> set[str]:
    """The ARNs of the revisions of which checks may need more than the cache keeps: of services that fail.

    All of them, where the password in an address seems to be wrong: plain variables tell whether it is.
    """
    document = snapshot.document
    if document and find_mismatches(document, snapshot.environment.keys, {}):
        return {*snapshot.task_definitions}
    arns = {task.task_definition_arn for task in snapshot.tasks if task.has_failed}
    for service in snapshot.services:
        has_failed = any(each.failed or each.rollout == "FAILED" for each in service.deployments)
        if has_failed or service.rolled_back or service.withdrawn or snapshot.stopped(service):
            arns.add(service.task_definition_arn)
    return arns


@cache
def _version() -> str:
    return metadata.version("omc-runbook")


def _definition(arn: str, entry: _Revision) -> TaskDefinition:
    members = {name: getattr(entry, name) for name in _Definition.model_fields}
    return TaskDefinition(arn=arn, **{**members, "containers": tuple(map(_container, entry.containers))})


def _container(stored: _Container) -> Container:
    references = {
        name: tuple(Injection(variable, value_from.parse(text)) for variable, text in getattr(stored, name))
        for name in ("secrets", "log_secrets", "registry_secrets", "login_secrets", "plain_references")
    }
    return Container(**{**dict(stored), **references})


def _read(file: Path) -> dict[str, _Revision]:
    """The entries of a file; none of one that is absent, damaged, a link, or not this user's alone."""
    try:
        if not _is_private(file.parent):
            return {}
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as opened:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or not _is_own(found) or found.st_size > MOST_BYTES:
                return {}
            content = _File.model_validate_json(opened.read())
            return content.revisions if content.version == _version() else {}
    except (OSError, ValidationError):
        return {}


def _is_private(folder: Path) -> bool:
    """Whether a folder, and no link, is this user's; others lose the access that they may have."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or not _is_own(found):
        return False
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return True


def _is_own(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def _remove_oldest(folder: Path) -> None:
    """Keep the newest files: each sandbox has one of its own."""
    files = sorted(folder.glob("*.json"), key=lambda file: file.lstat().st_mtime, reverse=True)
    for file in files[MOST_FILES:]:
        file.unlink(missing_ok=True)
