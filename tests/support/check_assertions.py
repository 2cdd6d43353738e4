"""A check's pair: a snapshot in which it says all is clear, and one in which it finds its fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from support.snapshots import healthy

from omc_runbook.checks.check import Check, run_check
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.masking import registry
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True)
class Fault:
    """A fault made in a healthy snapshot, with what the finding has to say of it."""

    make: Callable[[Snapshot], Snapshot]
    subject: str
    evidence: str
    services: str = "backend worker"
    """The names of the services that suffer."""


def by_id(checks: Iterable[Check]) -> dict[str, Check]:
    """Checks by their ids."""
    return {check.id: check for check in checks}


def found_by(checks: Iterable[Check], snapshot: Snapshot) -> set[str]:
    """Ids of those of the checks that find something."""
    return {answer.check for check in checks for answer in run_check(check, snapshot) if answer.is_problem}


def unknown_by(checks: Iterable[Check], snapshot: Snapshot) -> set[str]:
    """Ids of those of the checks that cannot tell."""
    return {answer.check for check in checks for answer in run_check(check, snapshot) if answer.status == "unknown"}


def root_causes(snapshot: Snapshot) -> list[str]:
    """What the diagnosis of a snapshot calls a cause."""
    return list(dict.fromkeys(finding.check for finding in diagnose(snapshot) if finding.is_root_cause))


def assert_clear(check: Check, snapshot: Snapshot) -> None:
    """The check looked, and nothing is wrong."""
    answers = run_check(check, snapshot)
    assert [answer.status for answer in answers] == ["clear"], answers


def assert_found(check: Check, fault: Fault) -> None:
    """The check finds the fault at its subject, says why, tells what to do, and shows no value."""
    found = run_check(check, fault.make(healthy()))
    assert {(answer.status, answer.check) for answer in found} == {("found", check.id)}, found
    assert fault.subject in [answer.subject for answer in found]
    assert frozenset().union(*(answer.services for answer in found)) == {*fault.services.split()}
    for answer in found:
        assert fault.evidence in " ".join(answer.evidence)
        assert answer.remedy.command or answer.remedy.runbook
        assert answer.title and answer.family == check.family
        assert_no_value(answer)


def assert_no_value(finding: Finding) -> None:
    """No text of a finding holds a value of the secret, or a piece of one."""
    text = "\n".join((finding.subject, finding.title, finding.remedy.command, *finding.evidence))
    assert (masked := registry.mask(text)) == text, masked
