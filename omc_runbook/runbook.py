"""One run of a runbook: where it is, what it saw, what is wrong, and how it ends."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omc_runbook import diagnosis
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.environment import LOCAL, Environment, load
from omc_runbook.errors import CouldNotLook, FindingsRemain, UsageError
from omc_runbook.finding import Finding, Outcome
from omc_runbook.masking import kernel, registry
from omc_runbook.report import views
from omc_runbook.report.banner import Banner, Look
from omc_runbook.snapshot.reading import identify, take
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.source.settings import read_fields

OUTCOME_VARIABLE = "OMC_RUNBOOK_OUTCOME"
"""Names the file into which a run under `omc-runbook run` writes its outcome instead of raising it."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Run:
    """A runbook begun on one environment; shown in a notebook, it says where one is."""

    name: str
    environment: Environment
    clients: Clients
    caller: Caller
    started: datetime

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Give Jupyter the banner: red for production, striped for the sandbox."""
        return self.banner()._repr_mimebundle_()

    def banner(self) -> Banner:
        """Say account, region, principal, endpoint and environment."""
        names, sandbox = self.environment.names, self.is_sandbox
        look: Look = "production" if self.environment.is_production else "sandbox" if sandbox else "plain"
        lines = (
            f"Account {self.caller.account}, region {names.region}, as {self.caller.arn}",
            f"Endpoint {self.clients.endpoint}",
            f"Secret {names.secret}, cluster {names.cluster}, names from {self.environment.source}",
        )
        where = f"{self.environment.name}{', in the sandbox' if sandbox else ''}"
        return Banner(look, f"{self.name}: {where}", lines)

    @property
    def is_sandbox(self) -> bool:
        """Whether AWS's answers come from this machine."""
        return urlsplit(self.clients.endpoint).hostname in _LOOPBACK

    def look(self, repository: str = "") -> Snapshot:
        """Read the environment at once; with a repository, also what the application's Settings read.

        Raises UsageError where the repository has no Settings, CouldNotLook where AWS cannot be reached.
        """
        settings = read_fields(Path(repository).expanduser()) if repository else None
        return take(self.clients, self.environment, self.caller, _now, settings)

    def diagnose(self, snapshot: Snapshot, look_inside: bool = False) -> tuple[Finding, ...]:
        """Put every check to the snapshot and tell causes from consequences."""
        return diagnosis.diagnose(snapshot, look_inside)

    def conclude(self, findings: Sequence[Finding]) -> Banner:
        """Say how the run ended, and tell the caller.

        Under `omc-runbook run` the outcome goes to that command. Elsewhere, where nobody can be asked (plain
        papermill, a scheduler), raises FindingsRemain or CouldNotLook unless nothing is wrong.
        """
        outcome = Outcome(
            runbook=self.name,
            environment=self.environment.name,
            account=self.caller.account,
            region=self.environment.names.region,
            endpoint=self.clients.endpoint,
            started=self.started,
            finished=_now(),
            findings=tuple(_masked(finding) for finding in findings),
        )
        path = os.environ.get(OUTCOME_VARIABLE)
        if path:
            write_private(Path(path), outcome.to_json())
        elif outcome.status != "ok" and not kernel.allows_input():
            error = FindingsRemain if outcome.status == "findings" else CouldNotLook
            raise error(views.headline(outcome))
        return views.outcome(outcome)


def begin(name: str, environment: str, runbook_toml: str = "", service: str = "") -> Run:
    """Begin a runbook on an environment: names filled in, the account proved to be the right one.

    Raises UsageError for an environment, a file or an account that is not right, CouldNotLook where AWS does not
    answer. Nothing but the caller's identity has been read when this returns.
    """
    place = load(environment, runbook_toml)
    if place.name == LOCAL:
        raise UsageError(f"{name} looks at AWS, and {LOCAL} has nothing there: choose staging or production.")
    if service:
        names = place.names.model_copy(update={"service": service})
        place = replace(place, names=names, chosen=place.chosen | {"service"})
    registry.exempt(_public_words(place))
    started, clients = _now(), Clients(place.names.region, place.names.profile)
    caller = identify(clients, place)
    registry.exempt({caller.account, *re.split(r"[:/]", caller.arn)})
    return Run(name, place, clients, caller, started)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _now() -> datetime:
    return datetime.now(UTC)


def _public_words(place: Environment) -> set[str]:
    """Words that reports cannot do without, so that a secret which holds one does not blot it out."""
    names: dict[str, Any] = place.names.model_dump()
    checks = {check.id for check in diagnosis.CHECKS} | {check.family for check in diagnosis.CHECKS}
    texts = {value for value in names.values() if isinstance(value, str) and value}
    return texts | checks | {place.name, place.project, *place.keys}


def _masked(finding: Finding) -> Finding:
    return replace(
        finding,
        subject=registry.mask(finding.subject),
        evidence=tuple(registry.mask(line) for line in finding.evidence),
        remedy=replace(finding.remedy, command=registry.mask(finding.remedy.command)),
    )
