"""Every family of checks, in the order in which they run, and what looks like what."""

from __future__ import annotations

from types import ModuleType

from omc_runbook.checks import (
    access,
    audit_access,
    audit_accesses,
    audit_ages,
    audit_exposure,
    audit_lifecycle,
    audit_monitoring,
    audit_unused,
    content,
    deployment,
    dotenv,
    dotenv_quoting,
    drift,
    execute,
    local,
    network,
    other_sources,
    reference,
    running,
    secret,
    spare_keys,
    startup,
    upstream,
    workstation,
)
from omc_runbook.checks.check import Check, checks_of, find_registered
from omc_runbook.model.environment import LOCAL

ENVIRONMENT = (
    secret,
    reference,
    other_sources,
    content,
    spare_keys,
    upstream,
    access,
    network,
    startup,
    deployment,
    running,
    execute,
)
"""Checks of what AWS has."""
REPOSITORY = (drift,)
"""Checks of the application's files, run only where a checkout was read."""
AUDIT: tuple[ModuleType, ...] = (
    audit_ages,
    audit_lifecycle,
    audit_unused,
    audit_access,
    audit_accesses,
    audit_monitoring,
    audit_exposure,
)
"""Checks of who can read the secret, who did, how old it is and who would notice, run only by an audit."""
AUDITED = (secret, *AUDIT)
"""Checks that an audit runs: its own, and those of the secret itself, which may be about to be deleted."""
MACHINE = (dotenv, dotenv_quoting, local, workstation)
"""Checks of a developer's machine, run only where that was read."""
EVERY_CHECK = checks_of(*ENVIRONMENT, *REPOSITORY, *AUDIT, *MACHINE)


def find(id: str, family: str = "") -> Check | None:
    """A check by its id, None for an unknown one; where a .env and a secret share it, the one of the family's side."""
    is_local = family == LOCAL
    return find_registered(id, is_local) or find_registered(id, not is_local)


def symptom(id: str, family: str = "") -> str:
    """How a person would report the fault: cannot-read, not-updating, exec-fails, local or audit; "" of none."""
    check = find(id, family)
    return check.symptom if check else ""


def ruled_out_by(id: str, family: str = "") -> str:
    """What shows that it is not this fault, API and field, without a full stop; "" of an unknown id."""
    check = find(id, family)
    return check.ruled_out_by if check else ""


def look_alikes(id: str, family: str) -> tuple[Check, ...]:
    """The checks whose fault could be taken for this one, to be ruled out by name."""
    check = find(id, family)
    if check is None:
        return ()
    looks = {*check.looks_like}
    return tuple(other for other in EVERY_CHECK if other is not check and not looks.isdisjoint(other.looks_like))


def is_local(id: str) -> bool:
    """Whether a developer's machine can have the fault."""
    check = find(id, LOCAL)
    return check is not None and check.family == LOCAL
