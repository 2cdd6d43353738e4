"""A check: what is known of its fault, the decorator that registers it, and how it is run on a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Literal, TypedDict, Unpack

from omc_runbook.checks import remedies
from omc_runbook.checks.secret_owner import leave_to_owner
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.findings import NO_REMEDY, Finding, Remedy, Severity
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot.state import Part, Snapshot, in_cluster
from omc_runbook.workstation.workstation import NOT_LOADED, Workstation

ALL_OR_NOTHING = frozenset(
    {"secret", "versions", "contents", "resource_policy", "kms_key", "key_policy", "permissions", "identities"}
)
"""Fields that are of no use unless they were read completely."""

DEEPER = {
    "network": "The network was not read: troubleshoot reads it.",
    "exec_looks": "Running tasks were not looked into: their values are derived from times.",
    "log_lines": "The logs were not read: troubleshoot reads them.",
}
"""Fields that are None where they were not read, and the sentence for that."""

LEFT_OUT: dict[str, tuple[Part, str]] = {
    **dict.fromkeys(
        ("resource_policy", "kms_key", "key_policy"),
        ("policies", "The policies of the secret and its key were not read: verify reads them."),
    ),
    "permissions": ("roles", "What the execution roles may do was not read: verify reads it."),
    "tasks": ("tasks", "The tasks were not read: verify reads them."),
}
"""Fields that some looks leave out, as a part of the snapshot, and the sentence for that."""

ECS_FIELDS = ("services", "task_definitions", "tasks")
"""The fields of a snapshot that show who uses the secret; they need the cluster."""

DOCUMENT = "document"
"""A need of the checks of keys: that the current version could be parsed."""

CHECKOUT, GIT = "checkout", "git"
"""Needs of the checks of an application's files: that a repository was named, and that it is in git."""

WORKSTATION, FILE, DOTENV, SHARED = "workstation", "dotenv file", "dotenv", "shared"
COMPOSE, COMPOSE_CONFIG, COMPOSE_FILE = "compose", "compose config", "compose file"
STARTED, START_LOG = "started", "start log"
SETTINGS = "settings"
"""Needs of the checks of a developer's machine: that it was read, has a .env, one that can be parsed, that values were
compared with other environments', that `docker compose config` ran, that it accepts the .env, that it ran or
COMPOSE_FILE names no file that exists, that the application was started, that there is a log of the start, and that
Settings could be loaded."""


@dataclass(frozen=True)
class Evidence:
    """What a check found about one subject, in sentences that hold no value."""

    subject: str
    facts: tuple[str, ...]
    remedy: Remedy = NO_REMEDY
    services: frozenset[str] = frozenset()
    severity: Severity | None = None
    """Set where it differs from the check's usual one."""
    hindered_by: tuple[Hinders, ...] | None = None
    """Set where the facts leave fewer causes than the check has."""
    stems_from: frozenset[str] = frozenset()
    """Keys, references or roles that it stems from.

    An error about one of them that keeps new tasks from running, or another drift finding about one, is its cause; so
    is a finding about one of a check that its check has among its causes.
    """
    unrelated: frozenset[str] = frozenset()
    """Ids of the checks whose findings cannot be its causes, nor its consequences, such as those of other tasks."""
    revisions: Mapping[str, str] | None = None
    """By a service's name, what is to be deployed there once it is fixed, where the revision in force lacks nothing."""


@dataclass(frozen=True)
class Uncertain:
    """What a check could not judge about one subject, and why."""

    subject: str
    facts: tuple[str, ...]
    services: frozenset[str] = frozenset()
    """Set where it can have no consequence for other services."""


Answer = Evidence | Uncertain

TRAIL = "trail"
"""A need of the checks of trails: that there is one."""

Symptom = Literal["cannot-read", "not-updating", "exec-fails", "local", "audit"]
"""How a person reports a fault: tasks do not start, have an old value, refuse a session; it is one's own machine; or an
audit asks."""

Hinders = Literal["", "secret", "calls", "value", "tasks"]
"""What a fault does to tasks: ECS cannot get their secret; no call that ECS makes for them succeeds; they start with a
value that the application may reject; something other than secrets keeps them from running."""

Look = Literal[
    "access-denied",
    "kms-refused",
    "invalid-reference",
    "not-found",
    "unparsed",
    "key-not-found",
    "bad-value",
    "old-value",
    "login-refused",
    "no-connection",
    "exec-refused",
    "never-starts",
    "does-not-stay",
    "refuses-to-start",
    "file-behind",
    "variable-not-read",
    "dotenv-not-read",
    "dotenv-other-value",
    "dotenv-exposed",
    "readable-by-many",
    "unusual-use",
    "nobody-notices",
    "old-value-kept",
    "lies-open",
    "not-used",
    "not-protected",
]
"""How a fault looks: those of one look show the same stoppedReason, or the same behaviour."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A fault that a snapshot can show, with all that is known of it."""

    id: str
    family: str
    title: str
    severity: Severity = "error"
    needs: tuple[str, ...]
    """The fields of the snapshot that it reads."""
    run: Callable[[Snapshot], Iterable[Answer]]
    symptom: Symptom = "cannot-read"
    looks_like: tuple[Look, ...]
    ruled_out_by: str
    """What shows that it is not this fault: API and field, without a full stop."""
    because_of: tuple[str, ...] = ()
    """Ids of faults that cause it, where both concern the same service."""
    per_subject: bool = False
    """Whether only a fault of the same subject (key, variable) can cause it."""
    hinders: Hinders = ""
    hindered_by: tuple[Hinders, ...] = ()
    """Every fault that hinders one of these causes it."""
    blocked_by: tuple[Hinders, ...] = ()
    """Every error found that hinders one of these comes first: what mends this would fail until then."""
    needs_new_tasks: bool = False
    """Whether new tasks are all that it needs: what has hindered the former ones is over."""
    fixed_by: Literal["", "troubleshoot"] = ""
    """The runbook that can fix it, where the remedy names no other."""
    not_in_sandbox: str = ""
    """Why the sandbox cannot break it; "" where it can."""


Declare = Callable[[Callable[[Snapshot], Iterable[Answer]]], Check]

_REGISTERED: dict[tuple[bool, str], Check] = {}
"""By whether it is a fault of a developer's machine, and by id: a secret and a .env share ids."""


class CheckFacts(TypedDict, total=False):
    """What is known of a fault beside its id, title and function: `Check`'s fields."""

    severity: Severity
    needs: tuple[str, ...]
    symptom: Symptom
    looks_like: tuple[Look, ...]
    ruled_out_by: str
    because_of: tuple[str, ...]
    per_subject: bool
    hinders: Hinders
    hindered_by: tuple[Hinders, ...]
    blocked_by: tuple[Hinders, ...]
    needs_new_tasks: bool
    fixed_by: Literal["", "troubleshoot"]
    not_in_sandbox: str


class Family:
    """The checks of one kind of fault, with what most of them share; calling it gives the decorator of one check."""

    def __init__(self, name: str, **shared: Unpack[CheckFacts]) -> None:
        self.name, self.shared = name, shared

    def __call__(self, id: str, **own: Unpack[CheckFacts]) -> Declare:
        """Register the decorated function as a check, with its docstring's first line as the title.

        What is not given here is as the family has it. Raises ValueError where the id is taken.
        """
        facts: CheckFacts = {**self.shared, **own}

        def declare(run: Callable[[Snapshot], Iterable[Answer]]) -> Check:
            title = (run.__doc__ or "").partition("\n")[0].rstrip(".")
            check = Check(id=id, family=self.name, title=title, run=run, **facts)
            key = (self.name == LOCAL, id)
            if key in _REGISTERED:
                raise ValueError(f"Two checks of a kind have the id {id}.")
            _REGISTERED[key] = check
            return check

        return declare


def checks_of(*modules: ModuleType) -> tuple[Check, ...]:
    """The checks that these modules registered, in their order there."""
    names = [module.__name__ for module in modules]
    return tuple(check for name in names for check in registered() if check.run.__module__ == name)


def registered() -> tuple[Check, ...]:
    """Every check of the modules imported so far."""
    return tuple(_REGISTERED.values())


def find_registered(id: str, is_local: bool) -> Check | None:
    """A check of the modules imported so far, by its id and whether its fault is one of a developer's machine."""
    return _REGISTERED.get((is_local, id))


def run_check(check: Check, snapshot: Snapshot) -> tuple[Finding, ...]:
    """Run a check on a snapshot: what it found and what it could not see, else that it is clear."""
    finding = partial(Finding, check=check.id, family=check.family, title=check.title)
    unknown = partial(finding, status="unknown", severity=check.severity)
    # The same order for all checks: those that lack the same fields are reported together.
    gaps = snapshot.unread(*sorted(check.needs))
    if any(need in ALL_OR_NOTHING and need in snapshot.gaps for need in check.needs):
        return (unknown(evidence=gaps),)
    skip = _skip_of(check, snapshot)
    if skip and snapshot.audit.days and skip.is_fault:
        # An audit does not run the checks that find this fault.
        return (unknown(evidence=(skip.reason,)),)
    if skip and not skip.may_find:
        return (finding(status="skipped", evidence=(skip.reason,)),)
    answers = tuple(check.run(snapshot))
    findings = tuple(
        finding(
            status="found",
            subject=answer.subject,
            severity=answer.severity or check.severity,
            evidence=answer.facts,
            remedy=_remedy(check, answer, snapshot),
            services=answer.services,
            hindered_by=answer.hindered_by,
            stems_from=answer.stems_from,
            unrelated=answer.unrelated,
        )
        for answer in _merge_equal(answer for answer in answers if isinstance(answer, Evidence))
    )
    findings += tuple(
        unknown(subject=answer.subject, evidence=answer.facts, services=answer.services)
        for answer in answers
        if isinstance(answer, Uncertain)
    )
    if skip and not findings:
        return (finding(status="skipped", evidence=(skip.reason,)),)
    facts = "\n".join(fact for each in findings for fact in each.evidence)
    if other_gaps := tuple(gap for gap in gaps if gap not in facts):
        # What was not read may have the fault too.
        findings += (unknown(evidence=other_gaps),)
    return findings or (finding(status="clear", severity=check.severity),)


def _merge_equal(found: Iterable[Evidence]) -> Iterable[Evidence]:
    """What was found, with equal evidence of several services as one, such as that of a shared task definition."""
    for first, *others in grouped(((each.subject, each.facts), each) for each in found).values():
        if first.services and all(each.services and replace(each, services=first.services) == first for each in others):
            yield replace(first, services=first.services.union(*(each.services for each in others)))
        else:
            yield from (first, *others)


@dataclass(frozen=True)
class _Skip:
    """Why there is nothing to check, so that "clear" would say too much."""

    reason: str
    is_fault: bool = False
    """Whether that there is nothing is a fault, which checks of another family find."""
    may_find: bool = False
    """Whether the check may still find something."""


def _skip_of(check: Check, snapshot: Snapshot) -> _Skip | None:
    """Why there is nothing to check; None where there is something."""
    names = snapshot.environment.names
    for field, reason in DEEPER.items():
        if field in check.needs and getattr(snapshot, field) is None and field not in snapshot.gaps:
            return _Skip(reason)
    for field, (part, reason) in LEFT_OUT.items():
        if field in check.needs and part in snapshot.left_out:
            return _Skip(reason)
    if snapshot.workstation and check.family == LOCAL:
        reason = _local_skip_reason(check, snapshot.workstation)
        return _Skip(reason) if reason else None
    if TRAIL in check.needs and snapshot.audit.monitoring and not snapshot.audit.monitoring.trails:
        return _Skip("There is no trail to check.") if "trails" not in snapshot.gaps else None
    consumers = snapshot.consumers if "network" in check.needs else ()
    if consumers and all(service.reads_by_instance for service in consumers):
        return _Skip("No task gets the secret through a network interface of its own: its instance's routes apply.")
    if snapshot.secret is None and "secret" in check.needs and check.family != "secret":
        return _Skip(f"Secret {names.secret} was not found: there is nothing to check.")
    if snapshot.current is None and "contents" in check.needs:
        return _Skip(f"{names.secret} has no current version that can be read.")
    if {CHECKOUT, GIT}.intersection(check.needs) and snapshot.checkout is None:
        return _Skip("No repository was named: its files were not searched.")
    if {CHECKOUT, "task_definitions"} <= {*check.needs} and snapshot.checkout and snapshot.checkout.without_terraform:
        return _Skip(snapshot.checkout.without_terraform)
    if GIT in check.needs and snapshot.audit.exposure and snapshot.audit.exposure.history is None:
        return _Skip("The repository is in no work tree of git: it has no history to search.")
    if DOCUMENT in check.needs and snapshot.current and snapshot.current.document is None:
        reason = f"The current version of {names.secret} is not a JSON object: it has no keys to check."
        return _Skip(reason, is_fault=True)
    if snapshot.service_names is None and {*ECS_FIELDS}.intersection(check.needs) and "clusters" not in check.needs:
        # A wrong value is wrong without services too.
        reason = f"Cluster {names.cluster} was not found: there is nothing to check."
        return _Skip(reason, is_fault=True, may_find=check.family == "content")
    if snapshot.secret is None and "secret" not in snapshot.gaps and "accesses" in check.needs:
        # Calls on a secret that is gone may be unusual; that there are none shows nothing where its name is wrong.
        return _Skip(f"Secret {names.secret} was not found: there is nothing to check.", may_find=True)
    return None


def _local_skip_reason(check: Check, workstation: Workstation) -> str:
    """Why a check of a developer's machine has nothing to check; "" where it has something."""
    file = workstation.dotenv
    if {FILE, DOTENV}.intersection(check.needs) and file is None:
        return f"There is no {workstation.path.name} to check."
    if DOTENV in check.needs and file and (file.encoding_error or file.has_nul):
        return f"{workstation.path.name} cannot be read as text."
    is_named_in_vain = COMPOSE_FILE in check.needs and workstation.checkout.is_compose_missing
    needs_compose = {COMPOSE, COMPOSE_CONFIG, COMPOSE_FILE}.intersection(check.needs) and not is_named_in_vain
    if needs_compose and workstation.compose_config is None:
        files = workstation.checkout.compose
        return "Docker Compose is not available here." if files else workstation.checkout.without_compose
    if COMPOSE_CONFIG in check.needs and file and file.compose_kind:
        return f"Docker Compose rejects {workstation.path.name} and takes no value from it."
    if SETTINGS in check.needs and workstation.is_code_withheld:
        return NOT_LOADED
    if SHARED in check.needs and workstation.shared_values is None:
        return f"Local values were not compared with other environments': {workstation.comparison_problem}"
    is_untried = workstation.started is None and not workstation.start_problem
    if STARTED in check.needs and is_untried:
        return "The application was not started here."
    if START_LOG in check.needs and workstation.start_messages is None:
        return "The application was not started here: there is no log." if is_untried else "The start left no log."
    return ""


def _remedy(check: Check, answer: Evidence, snapshot: Snapshot) -> Remedy:
    environment, remedy = snapshot.environment, leave_to_owner(snapshot.secret, answer.remedy)
    if check.hinders in ("secret", "calls", "value"):
        services = (*snapshot.consumers, *snapshot.express_readers)
        affected = [service for service in services if service.name in answer.services]
        remedy = remedies.then_start_tasks(environment.names, remedy, affected, answer.revisions)
        for other in snapshot.elsewhere:
            names = other.environment.names
            there = [each for each in other.consumers if in_cluster(each.name, names.cluster) in answer.services]
            remedy = remedies.then_start_tasks(names, remedy, there)
    remedy = remedies.if_registered(remedy, snapshot.task_definitions.values())
    return (
        remedies.with_runbook(check.fixed_by, environment, remedy) if check.fixed_by and not remedy.runbook else remedy
    )
