"""The audit's tables of who may read the secret, and who may change it."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.checks import secret_access
from omc_runbook.checks.audit_access import READ_ACTION
from omc_runbook.checks.audit_accesses import history_of
from omc_runbook.checks.outsiders import Outsider
from omc_runbook.checks.secret_access import PrincipalAccess, actions_of, conditions_of, deciding_step, statements_of
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot

READERS = "Who may read the secret"
NOT_READ = "The account's identities were not read."
EVERYTHING = "administrator"
UNKNOWN = "unknown"
BY_ITSELF = "can let itself in"
IN_A_TASK = "inside a task"
NEVER, NONE = "never", "—"
_ON_CONDITIONS = "on conditions"
_LAST_USE = (
    "Last use is the last read of this secret that CloudTrail has; without one, when IAM last saw the principal use any"
    " secret."
)


def readers(snapshot: Snapshot) -> Table:
    """A row for each principal that may read the secret: what it is, by which statement, on which conditions, last use.

    Administrators are below the others. Without identities the table is empty.
    """
    access = secret_access.of(snapshot)
    rows = [_reader(snapshot, each) for each in (*access.readers, *access.unjudged)]
    rows += [_by_label(snapshot, each) for each in access.principals if each.labels]
    rows += [
        _becoming(snapshot, each) for each in access.principals if each.becomes or each.steps or each.unjudged_steps
    ]
    rows += [_entering(snapshot, each) for each in access.principals if each.sessions]
    rows += [_outside(each, access.role_of(each)) for each in access.outsiders if not _is_ordinary(snapshot, each)]
    rows += [_reader(snapshot, each, EVERYTHING) for each in access.administrators]
    columns = ["principal", "kind", "may read", "by", "on condition", "last use"]
    warned: dict[str, Level] = dict.fromkeys((NEVER, BY_ITSELF, IN_A_TASK), "warning")
    levels: dict[str, Level] = {UNKNOWN: "unknown", "everybody": "error", **warned}
    return Table(READERS, columns, rows, levels, NOT_READ, notes=(*_notes(snapshot), *([_LAST_USE] if rows else ())))


def writers(snapshot: Snapshot) -> Table:
    """A row for each principal that may change the secret, its policy or its key's, or run tasks with its role."""
    access = secret_access.of(snapshot)
    rows = [
        [
            each.identity.name,
            secret_access.kind_of(each.identity),
            actions_of(each.powers),
            statements_of(each.powers) or NONE,
            conditions_of(snapshot, each.powers) or NONE,
        ]
        for each in access.principals
        if each.powers
    ]
    rows += [[each.identity.name, EVERYTHING, *_everything(each), NONE] for each in access.administrators]
    columns = ["principal", "kind", "may", "by", "on condition"]
    empty = "No user and no role that IAM lists." if snapshot.audit.identities else NOT_READ
    return Table("Who may change the secret", columns, rows, None, empty, notes=tuple(_notes(snapshot)))


def _reader(snapshot: Snapshot, access: PrincipalAccess, kind: str = "") -> list[str]:
    way = access.way
    decision = "no" if way.decision == "denied" else UNKNOWN if way.is_unjudged else "yes"
    if way.is_conditional and not way.is_allowed_here:
        decision = _ON_CONDITIONS
    by, last_use = access.read_by or NONE, _last_use(snapshot, access.identity.arn)
    return _row(access, decision, by, conditions_of(snapshot, [way]), kind, last_use)


def _row(
    access: PrincipalAccess, decision: str, by: str, condition: str, kind: str = "", last_use: str = NONE
) -> list[str]:
    kind = kind or secret_access.kind_of(access.identity)
    return [access.identity.name, kind, decision, by, condition or NONE, last_use]


def _everything(access: PrincipalAccess) -> tuple[str, str]:
    """What an administrator may do, and by which statements; what denies the secret gives nothing."""
    by = ", ".join(access.read.statements)
    if by and access.read.decision == "denied":
        return f"everything that {by} does not deny", NONE
    return "everything", by or NONE


def _becoming(snapshot: Snapshot, access: PrincipalAccess) -> list[str]:
    """The row of a principal that can let itself in, or perhaps can."""
    steps = access.steps or (() if access.becomes else access.unjudged_steps)
    verdicts = [deciding_step(steps).verdict] if steps else access.becomes
    what = f"assuming {secret_access.roles_of(steps)}" if steps else actions_of(verdicts)
    decision = BY_ITSELF if access.lets_itself_in else UNKNOWN
    by = f"{what}: {statements_of(verdicts) or verdicts[0].action}"
    return _row(access, decision, by, conditions_of(snapshot, verdicts))


def _by_label(snapshot: Snapshot, access: PrincipalAccess) -> list[str]:
    """The row of a principal that may read versions of other labels than AWSCURRENT alone."""
    verdicts = [access.by_label[label] for label in access.labels]
    return _row(access, _only(access), access.labels_by, conditions_of(snapshot, verdicts))


def _only(access: PrincipalAccess) -> str:
    return f"only {', '.join(access.labels)}"


def _entering(snapshot: Snapshot, access: PrincipalAccess) -> list[str]:
    """The row of a principal that may begin a session in a task."""
    sessions = access.possible_sessions or access.sessions
    verdicts = [each.verdict for each in sessions]
    actions = ", ".join(dict.fromkeys(verdict.action for verdict in verdicts))
    services = ", ".join(dict.fromkeys(each.service for each in sessions))
    decision = IN_A_TASK if access.possible_sessions else UNKNOWN
    return _row(
        access, decision, f"{actions} in {services}: {statements_of(verdicts)}", conditions_of(snapshot, verdicts)
    )


def _outside(outsider: Outsider, role: PrincipalAccess | None) -> list[str]:
    if not outsider.is_let_in or (role and role.perhaps_gets_values):
        decision = UNKNOWN
    elif role is None or role.reads_somehow:
        decision = "yes"
    elif role.is_by_task:
        decision = IN_A_TASK
    else:
        decision = _only(role) if role.labels and not role.lets_itself_in else BY_ITSELF
    if decision == "yes" and outsider.chosen:
        decision = _ON_CONDITIONS
    way = f"assuming {outsider.role.rpartition('/')[2]}: " if outsider.role else ""
    condition = ", ".join(outsider.chosen) or NONE
    return [outsider.principal, outsider.kind, decision, f"{way}{outsider.statement}", condition, NONE]


def _is_ordinary(snapshot: Snapshot, outsider: Outsider) -> bool:
    """Whether ECS may assume a role of its own tasks, which is what the role is for."""
    own = {*snapshot.execution_roles, *secret_access.task_roles(snapshot)}
    return outsider.kind == "service" and outsider.principal.startswith("ecs-tasks.") and outsider.role in own


def _last_use(snapshot: Snapshot, arn: str) -> str:
    """When an identity last read this secret by CloudTrail, else when it last used any secret by IAM."""
    history = history_of(snapshot)
    calls = history.accesses.calls if history else ()
    read = next((call for call in calls if call.is_read and call.principal == arn), None)
    if read:
        return f"{read.time:%Y-%m-%d}"
    found = snapshot.audit.identities
    access = found.last_accesses.get(arn) if found else None
    if access is None:
        return UNKNOWN
    moment = access.actions.get(READ_ACTION, access.service)
    return f"any secret: {moment:%Y-%m-%d}" if moment else NEVER


def _notes(snapshot: Snapshot) -> Iterator[str]:
    found = snapshot.audit.identities
    if found is None:
        yield from snapshot.unread("identities")
        return
    yield "The account's root user may do everything, and IAM does not list it."
    if found.levels is None:
        gaps = " ".join(snapshot.unread("organization_policies"))
        yield (
            "The organization's service and resource control policies (SCPs, RCPs) were not read. They only forbid:"
            f" nobody else may than who is listed. {gaps}"
        ).strip()
