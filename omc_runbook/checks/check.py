"""What a check is, and how it is put to a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from omc_runbook.aws.session import Unread
from omc_runbook.checks import remedies
from omc_runbook.model.environment import LOCAL, Environment
from omc_runbook.model.findings import NO_REMEDY, Finding, Remedy, Severity
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.workstation import Workstation

ALL_OR_NOTHING = frozenset(
    {"secret", "versions", "contents", "resource_policy", "kms_key", "key_policy", "permissions"}
)
"""Fields of which nothing can be said while a part of them is missing."""

DEEPER = {
    "network": "Not asked to look at the network: troubleshoot does.",
    "inside": "Not asked to look inside running tasks: which value they hold is told by times.",
    "words": "Not asked to read the logs: troubleshoot does.",
}
"""Fields that are None where nobody asked for them, and what is said then."""

ECS_FIELDS = frozenset({"services", "task_definitions", "tasks"})

DOCUMENT = "document"
"""A need of the checks that look at keys: that the current version could be taken apart."""

WORKSTATION, FILE, DOTENV, SHARED = "workstation", "dotenv file", "dotenv", "shared"
COMPOSE, COMPOSED, STARTED, SAID = "compose", "composed", "started", "said"
"""Needs of the checks of a developer's machine: that it was looked at, has a .env, one that can be read, that values
were compared with other environments', that Docker Compose was asked, that it takes the .env, that the application was
started, and that there is a log of it."""


@dataclass(frozen=True)
class Evidence:
    """What a check found about one subject, in sentences that hold no value."""

    subject: str
    facts: tuple[str, ...]
    remedy: Remedy = NO_REMEDY
    services: frozenset[str] = frozenset()
    severity: Severity | None = None
    """Set where this case is milder or graver than the check's usual one."""


@dataclass(frozen=True)
class Doubt:
    """What a check could not judge about one subject, and why."""

    subject: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """A fault that a snapshot can show: its id, its title and the function that looks for it."""

    id: str
    family: str
    title: str
    severity: Severity
    needs: tuple[str, ...]
    run: Callable[[Snapshot], Iterable[Evidence | Doubt]]
    cured: bool = False
    """Whether troubleshoot plans a cure against it."""


def family(name: str) -> Callable[..., Callable[[Callable[[Snapshot], Iterable[Evidence | Doubt]]], Check]]:
    """Make the decorator with which a module declares the checks of its family.

    The decorated function's docstring is the title; `needs` names the fields of the snapshot it reads.
    """

    def check(
        id: str, *needs: str, severity: Severity = "error", cured: bool = False
    ) -> Callable[[Callable[[Snapshot], Iterable[Evidence | Doubt]]], Check]:
        def declare(run: Callable[[Snapshot], Iterable[Evidence | Doubt]]) -> Check:
            title = (run.__doc__ or "").strip().rstrip(".")
            return Check(id, name, title, severity, needs, run, cured)

        return declare

    return check


def conduct(check: Check, snapshot: Snapshot) -> tuple[Finding, ...]:
    """Put a check to a snapshot: what it found, else what it could not see, else that all is clear."""
    gaps = tuple(dict.fromkeys(gap for need in check.needs for gap in snapshot.gaps.get(need, ())))
    if any(need in ALL_OR_NOTHING and need in snapshot.gaps for need in check.needs):
        return (_unknown(check, _sentences(gaps)),)
    reason = _nothing_to_look_at(check, snapshot)
    if reason:
        return (Finding(check.id, check.family, check.title, "skipped", evidence=(reason,)),)
    answers = tuple(check.run(snapshot))
    place = snapshot.environment
    found = tuple(_found(check, answer, place) for answer in answers if isinstance(answer, Evidence))
    doubts = tuple(_unknown(check, answer.facts, answer.subject) for answer in answers if isinstance(answer, Doubt))
    if found or doubts:
        return found + doubts
    if gaps:
        return (_unknown(check, _sentences(gaps)),)
    return (Finding(check.id, check.family, check.title, "clear", severity=check.severity),)


def _nothing_to_look_at(check: Check, snapshot: Snapshot) -> str:
    """Why a check has no subject, so that "clear" would say too much; "" where it has one."""
    names = snapshot.environment.names
    for field, reason in DEEPER.items():
        if field in check.needs and getattr(snapshot, field) is None and field not in snapshot.gaps:
            return reason
    if snapshot.workstation and check.family == LOCAL:
        return _nothing_local(check, snapshot.workstation)
    consumers = snapshot.consumers if "network" in check.needs else ()
    if consumers and not any(service.placement.subnets for service in consumers):
        return "No task that reads the secret has a network interface of its own: its way is its instance's."
    if snapshot.service_names is None and ECS_FIELDS.intersection(check.needs) and "clusters" not in check.needs:
        return f"Cluster {names.cluster} was not found, so there was nothing to look at."
    if snapshot.secret is None and "secret" in check.needs and check.family != "secret":
        return f"Secret {names.secret} was not found, so there was nothing to look at."
    if snapshot.current is None and "contents" in check.needs:
        return f"{names.secret} has no current version that can be read."
    if DOCUMENT in check.needs and snapshot.current and snapshot.current.document is None:
        return f"The current version of {names.secret} is no JSON object, so it has no keys to look at."
    return ""


def _nothing_local(check: Check, place: Workstation) -> str:
    """Why a check of a developer's machine has no subject; "" where it has one."""
    file = place.dotenv
    if {FILE, DOTENV}.intersection(check.needs) and file is None:
        return f"There is no {place.path.name} to look into."
    if DOTENV in check.needs and file and (file.encoding_error or file.has_nul):
        return f"{place.path.name} cannot be read as text."
    if {COMPOSE, COMPOSED}.intersection(check.needs) and place.compose_config is None:
        files = place.checkout.compose
        return "There is no Docker Compose here to ask." if files else "The checkout has no compose file."
    if COMPOSED in check.needs and file and file.compose_kind:
        return f"Docker Compose refuses {place.path.name}, and so takes no value from it."
    if SHARED in check.needs and place.shared_values is None:
        return f"Local values were not compared with other environments': {place.comparison_problem}"
    is_untried = place.started is None and not place.start_problem
    if STARTED in check.needs and is_untried:
        return "The application was not started here."
    if SAID in check.needs and place.start_messages is None:
        what = "The application was not started here" if is_untried else "The start left no log"
        return f"{what}, so that there is no log to read."
    return ""


def _found(check: Check, evidence: Evidence, environment: Environment) -> Finding:
    remedy = evidence.remedy
    if check.cured and not remedy.runbook:
        remedy = remedies.by("troubleshoot", environment, remedy)
    return Finding(
        check.id,
        check.family,
        check.title,
        "found",
        evidence.subject,
        evidence.severity or check.severity,
        evidence.facts,
        remedy,
        evidence.services,
    )


def _unknown(check: Check, facts: tuple[str, ...], subject: str = "") -> Finding:
    return Finding(check.id, check.family, check.title, "unknown", subject, check.severity, facts)


def _sentences(gaps: tuple[Unread, ...]) -> tuple[str, ...]:
    return tuple(gap.sentence for gap in gaps)
