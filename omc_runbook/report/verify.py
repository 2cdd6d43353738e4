"""The verify report: what exists, who may read the secret, what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from omc_runbook.aws import iam
from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy.failure import CANCELLED
from omc_runbook.checks import access, remedies
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.role_access import judge, judge_resource_policy
from omc_runbook.diagnosis import injection_matrix as diagnosis_injection_matrix
from omc_runbook.diagnosis.injection_matrix import Row
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import ENVIRONMENT_UNREAD, REFUSED, Finding, Outcome, check_ids, unknown_reasons
from omc_runbook.model.letters import NAMED, counted, listed
from omc_runbook.report.display import console, like_findings
from omc_runbook.report.display.banner import ENDINGS, PLAN, Banner, Style
from omc_runbook.report.display.listing import Entry, Listing, commands_for
from omc_runbook.report.display.severity import COLOURS, Level, level_of
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

STATES: dict[str, Level] = {
    "set": "good",
    "missing": "error",
    "empty": "warning",
    "placeholder": "error",
    "malformed": "error",
    "weak": "warning",
    "unknown": "unknown",
}
ROLLOUTS: dict[str, Level] = {"COMPLETED": "good", "IN_PROGRESS": "warning", "FAILED": "error"}
_MAY: dict[str, tuple[Level, str]] = {"": ("good", "may read"), "unknown": ("unknown", "unknown")}
_OF_ROLES = tuple(check for check in checks_of(access) if check is not access.throttled)
"""The checks of what keeps a role from reading the secret."""

MOST_ROWS = 100
"""How many rows the matrix has before those that are alike share a line."""

_NOT_READABLE = "not readable"
_MATRIX = "Which secrets reach which tasks"
_STATE_COLUMNS = ("version", "present", "state", "reaches tasks")


def inventory(snapshot: Snapshot) -> Table:
    """The secret, its current version, the cluster and the services that use the secret."""
    names, secret, current = snapshot.environment.names, snapshot.secret, snapshot.current
    since = freshness.current_since(snapshot)
    unreadable = "not readable as a document" if snapshot.current_id else ""
    unreadable = _NOT_READABLE if "contents" in snapshot.gaps else unreadable
    versions = _NOT_READABLE if "versions" in snapshot.gaps else f"{counted(len(snapshot.versions), 'version')} kept"
    content = counted(len(current.document.keys), "key") if current and current.document else unreadable
    is_unread = bool(unread_services(snapshot))
    none = _NOT_READABLE if is_unread else "none"
    consumers = ", ".join(service.name for service in snapshot.consumers) or none
    others = [
        f"{service.name} ({_NOT_READABLE})" if is_unread and not snapshot.definition(service) else service.name
        for service in snapshot.services
        if service not in snapshot.consumers
    ]
    has_cluster = snapshot.service_names is not None and bool(snapshot.service_names or "services" not in snapshot.gaps)
    key = (snapshot.kms_key_id or "the AWS managed key") if secret else "—"
    key = snapshot.kms_key.arn if snapshot.kms_key else key
    rows = [
        ["secret", secret.name if secret else names.secret, _existence(snapshot, "secret", secret is not None)],
        ["current version", snapshot.current_id or "none" if secret else "—", content],
        ["current since", f"{since[0]:%Y-%m-%d %H:%M:%S} UTC" if since else "—", versions],
        ["encrypted with", key, snapshot.kms_key.state if snapshot.kms_key else ""],
        ["cluster", names.cluster, _existence(snapshot, "services", has_cluster)],
        ["services that use the secret", consumers, f"others: {', '.join(others) or none}"],
        ["execution roles", ", ".join(map(iam.role_name, snapshot.execution_roles)) or none, ""],
    ]
    return Table(
        "The secret and who uses it", ["what", "name", "state"], rows, {"missing": "error", _NOT_READABLE: "unknown"}
    )


def injection_matrix(snapshot: Snapshot) -> Table:
    """For each variable: container, revision, key, version, whether the key exists, its state, the tasks with it.

    Where there are many, those that are alike share a line, and what is wrong comes first.
    """
    found = [*diagnosis_injection_matrix.rows(snapshot)]
    levels: dict[str, Level] = {**STATES, "no": "error"}
    levels |= {row.reaches: _level(row) for row in found} | {"none": "quiet"}
    rows = [[row.service, row.container, row.revision, row.variable, row.key, *_cells(snapshot, row)] for row in found]
    columns = ["service", "container", "revision", "variable", "key", *_STATE_COLUMNS]
    empty = unread_services(snapshot) or "No task definition refers to the secret."
    full = Table(_MATRIX, columns, rows, levels, empty, group=3)
    return _matrix_of_many(snapshot, found, full) if len(found) > MOST_ROWS else full


def _level(row: Row) -> Level:
    """How the tasks with a value are."""
    return "warning" if row.stale or row.undecidable else "unknown" if row.has_unread_tasks else "good"


def _matrix_of_many(snapshot: Snapshot, found: Sequence[Row], full: Table) -> Table:
    """A line for rows that are alike, the worst first; the names that it has no room for stand below the table."""
    rows, notes = list[list[str]](), dict[str, None]()
    for group in diagnosis_injection_matrix.alike(found):
        services = [*dict.fromkeys(row.service for row in group)]
        containers = [*dict.fromkeys(f"{row.service} ({row.container} of {row.revision})" for row in group)]
        variables = [
            *dict.fromkeys(row.variable if row.variable == row.key else f"{row.variable} ({row.key})" for row in group)
        ]
        users = _counted_names("service", services) if services[1:] else _counted_names("container", containers)
        rows.append([users, _counted_names("variable", variables), *_cells(snapshot, group[0])])
        if containers[1:]:
            notes[f"{counted(len(containers), 'container')}: {', '.join(containers)}."] = None
        if variables[NAMED:]:
            notes[f"{counted(len(variables), 'variable')}: {', '.join(variables)}."] = None
    ranks, levels = list[Level](COLOURS), full.levels
    rows.sort(key=lambda row: min(ranks.index(levels.get(cell, "quiet")) for cell in row[2:]))
    columns = ["service", "variable (key)", *_STATE_COLUMNS]
    return Table(_MATRIX, columns, rows, levels, notes=[*notes], full=full)


def _counted_names(noun: str, names: Sequence[str]) -> str:
    return f"{counted(len(names), noun)}: {listed(names)}" if names[1:] else names[0]


def _cells(snapshot: Snapshot, row: Row) -> list[str]:
    """What a row says of a variable, for `_STATE_COLUMNS`."""
    return [
        _version(snapshot, row.version),
        {True: "yes", False: "no", None: "unknown"}[row.present],
        row.state,
        row.reaches,
    ]


def permissions(snapshot: Snapshot) -> Listing:
    """For each execution role: which services use it, whether it may read the secret, and why."""
    entries, nobody = [], "services that could not be read" if unread_services(snapshot) else "no service"
    findings = [finding for check in _OF_ROLES for finding in run_check(check, snapshot)]
    for arn in snapshot.permissions:
        users = [service.name for service in snapshot.consumers if _role(snapshot, service) == arn]
        level, may, reason = _answer(snapshot, arn, users, findings)
        used = f"used by {', '.join(users) or nobody}"
        entries.append(Entry(iam.role_name(arn), used, level=level, label=may, lead=reason))
    empty = unread_services(snapshot) or "No task definition that references the secret has a role."
    return Listing("May ECS read the secret?", entries, empty)


def _answer(
    snapshot: Snapshot, arn: str, users: Collection[str], findings: Sequence[Finding]
) -> tuple[Level, str, str]:
    """Whether an execution role may read the secret, and why, as the findings of access say it."""
    name, others = iam.role_name(arn), {iam.role_name(other) for other in snapshot.permissions if other != arn}
    own = [each for each in findings if each.subject == name or each.subject not in others]
    for finding in own:
        is_own = finding.subject == name or not finding.services.isdisjoint(users)
        if finding.is_problem and (is_own or (not finding.services and _concerns(snapshot, arn, finding))):
            return "error", "may not read", finding.evidence[0]
    if snapshot.secret is None:
        return "unknown", "unknown", " ".join(snapshot.unread("secret")) or "The secret does not exist."
    # That services could not be read leaves open who uses a role, not what it may.
    services = {*snapshot.unread("services", "task_definitions", "tasks")}
    doubts = [each.evidence for each in own if each.status == "unknown" and not services.issuperset(each.evidence)]
    if doubts:
        return "unknown", "unknown", " ".join(doubts[0])
    access = judge(snapshot, arn)
    level, may = _MAY.get(access.cause, ("error", "may not read"))
    return level, may, " ".join(access.sentences if access.cause == "unknown" else [access.sentence])


def _concerns(snapshot: Snapshot, arn: str, finding: Finding) -> bool:
    """Whether a finding without services is of a role: any is but that of a secret's policy that does not deny it."""
    if finding.subject != snapshot.environment.names.secret:
        return True
    verdict = judge_resource_policy(snapshot, arn)
    return verdict is not None and verdict.decision == "explicit-deny"


def deployments(snapshot: Snapshot) -> Table:
    """The consumers' deployments: status, rollout state, revision and tasks; below, the stage of each under way."""
    rows = [
        [
            service.name,
            deployment.status,
            deployment.rollout or "—",
            deployment.task_definition_arn.rpartition("/")[2],
            f"{deployment.running} of {deployment.desired}",
            str(deployment.failed),
            f"{deployment.created:%Y-%m-%d %H:%M:%S}",
        ]
        for service in snapshot.consumers
        for deployment in service.deployments
    ]
    columns = ["service", "status", "rollout", "revision", "running", "failed", "created (UTC)"]
    empty = unread_services(snapshot) or "No service that uses the secret has a deployment."
    underway = [(service.name, service.underway) for service in snapshot.consumers]
    # Without a stage, its progress is no more than the rollout state in the table.
    notes = [f"{name} deploys: {each.progress}." for name, each in underway if each and each.progress != each.rollout]
    return Table("Deployments", columns, rows, ROLLOUTS, empty, notes=notes)


def unread_services(snapshot: Snapshot) -> str:
    """Why a service that uses the secret may be missing: what could not be read, in sentences; "" for nothing."""
    return " ".join(snapshot.unread("services", "task_definitions"))


def running_tasks(snapshot: Snapshot, service: Service) -> str:
    """How many of a service's tasks run, in words."""
    running = len(snapshot.running(service))
    if not snapshot.has_unread_tasks(service):
        if running > service.desired:
            # A deployment that is not over has tasks of two revisions.
            return f"{counted(running, 'task')} run{'s' if running == 1 else ''}, {service.desired} desired"
        return f"{running} of {service.desired} tasks run"
    return f"only {running} of its {service.running} tasks could be read" if running else "its tasks could not be read"


def findings(findings: Sequence[Finding]) -> Listing:
    """What is wrong, root causes first, with evidence and remedy; then the checks that are unknown."""
    problems = [finding for finding in findings if finding.status == "found"]
    entries = [
        _entry(finding, [other for other in problems if other.check in finding.because_of], more)
        for finding, more in like_findings.shorten(problems, with_remedies=True)
    ]
    entries += unknown_entries(findings)
    counts = {status: sum(1 for finding in findings if finding.status == status) for status in ("clear", "skipped")}
    return Listing(
        f"Findings ({counts['clear']} checks clear, {counts['skipped']} skipped)", entries, "Nothing is wrong."
    )


def by_hand(environment: Environment) -> Listing:
    """The guide's commands for the same, with this environment's names, and the console's pages."""
    names = environment.names
    rows = [
        ("the secret", remedies.show_secret(names).command),
        ("the task definition", remedies.show_references(names).command),
        ("the service", remedies.show_service(names).command),
        ("the role", remedies.show_policy(names).command),
        ("the secret in the console", console.secret(names)),
        ("the service in the console", console.deployments(names)),
    ]
    return commands_for(environment.name, rows)


def outcome(result: Outcome) -> Banner:
    """How the run ended: a headline, then its changes and the root causes."""
    is_open = result.is_plan or result.unfinished or any(finding.is_from_before for finding in result.findings)
    style: Style = "plain" if is_open and result.status == "ok" else ENDINGS[result.status]
    read = result.of_read
    if read is not result:
        style = "bad" if read.status == "findings" else "unsure"
    return Banner(style, headline(result), tuple(_lines(result)))


def headline(result: Outcome) -> str:
    """How the run ended, in one sentence."""
    read = result.of_read
    if read is not result:
        return f"{headline(read)} {result.failure}"
    where = result.where or result.environment
    unknown = sum(1 for finding in result.findings if finding.status == "unknown")
    start = f"{PLAN} in {where}" if result.is_plan else ""
    if result.status == "ok":
        found = [finding for finding in result.findings if finding.status == "found"]
        older = check_ids(finding for finding in found if finding.is_from_before)
        remarks = check_ids(finding for finding in found if not (finding.is_from_before or finding.accepted))
        accepted = check_ids(finding for finding in found if finding.accepted)
        names = {"already wrong": older, "remarks": remarks, "accepted": accepted}
        clear = sum(1 for finding in result.findings if finding.status == "clear")
        lists = (f"{name}: {', '.join(ids)}" for name, ids in names.items() if ids)
        tail = "; ".join((*lists, f"{counted(clear, 'check is', 'checks are')} clear."))
        if start:
            return f"{start}; {tail}"
        nothing = "Nothing to do, and nothing" if result.plan == () and not result.changes else "Nothing"
        nothing = "A change is not finished, and nothing else" if result.unfinished else nothing
        if older:
            return f"{nothing} new is wrong in {_part(result)}{where}; {tail}"
        return f"{nothing} is wrong in {_part(result)}{where}{', apart from' if remarks else ':'} {tail}"
    if result.status == "findings":
        tail = f", and {counted(unknown, 'check is', 'checks are')} unknown" if unknown else ""
        if result.root_causes == (CANCELLED,):
            (stopped,) = (finding for finding in result.findings if finding.check == CANCELLED)
            return f"The change in {where}{stopped.title.removeprefix('The change')}{tail}."
        if result.blockers and not result.causes_in_words:
            return f"{start or f'Nothing was changed in {where}'}{tail}. {REFUSED} {' '.join(result.blockers)}"
        start = f"{start}, where something is wrong" if start else f"Something is wrong in {_affected(result)}"
        return f"{start}: {result.causes_in_words}{tail}."
    if result.status == "unknown":
        if result.changes:
            return f"The change in {where} was made, but not everything could be verified afterwards."
        are = counted(unknown, "check is", "checks are")
        if start:
            return f"{start}, where not everything could be read: {are} unknown."
        return f"Not everything in {_affected(result)} could be read: {are} unknown."
    return f"The run on {where} failed: {result.failure}"


def _part(result: Outcome) -> str:
    """Which part of the environment was looked at, where that is its secret alone; "" for all of it."""
    families = {finding.family for finding in result.findings}
    return "the secret of " if families and families <= {"secret", "content"} else ""


def _affected(result: Outcome) -> str:
    """Those of a run's environments that ended as the run did: by their names, or how many where they are many."""
    names = [target.environment for target in result.targets if target.status == result.status]
    if not names or len(names) == len(result.targets):
        return result.where or result.environment
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} of {len(result.targets)} environments"


def _lines(result: Outcome) -> Iterator[str]:
    yield from (result.plan or ()) if result.is_plan else ()
    for change in result.changes:
        yield f"{change.action.capitalize()}: {change.subject}."
    for finding, sentences in like_findings.merge(each for each in result.findings if each.is_unexplained):
        yield " ".join(filter(None, (f"{finding.check}: {sentences}", finding.doubt)))
    if result.status == "ok" and any(finding.is_from_before for finding in result.findings):
        yield "What was wrong before still is: troubleshoot says why, and what to do."
    is_unsure = result.of_read.status == "unknown"
    reasons = unknown_reasons(each for each in result.findings if is_unsure or each.check == ENVIRONMENT_UNREAD)
    yield from dict.fromkeys(line for reason in reasons for line in reason.splitlines())


def unknown_entries(findings: Sequence[Finding]) -> list[Entry]:
    """An entry for each reason why checks are unknown, with these checks."""
    entries = []
    for reason, checks in unknown_reasons(findings).items():
        name = checks[0] if len(checks) == 1 else f"{len(checks)} checks"
        rest = (f"Checks: {', '.join(checks)}.",) if len(checks) > 1 else ()
        entries.append(Entry(name, level="unknown", label="unknown", lines=(*reason.splitlines(), *rest)))
    return entries


def _version(snapshot: Snapshot, name: str) -> str:
    """A version's id or staging label as a reference names it; with a label the id that has it now."""
    version_id = snapshot.version_at(name)
    return f"{name} ({snapshot.short(version_id)})" if version_id else name


def _entry(finding: Finding, causes: Sequence[Finding], more: str) -> Entry:
    """A finding as an entry, with which more are alike; a consequence does not repeat its causes' evidence."""
    is_consequence = bool(finding.because_of)
    lines_of_causes = {line for cause in causes for line in cause.evidence}
    evidence = [line for line in finding.evidence if line not in lines_of_causes]
    because = f"because of {', '.join(finding.because_of)}" if is_consequence else ""
    effects = "" if is_consequence else finding.effects
    entry = replace(
        Entry.of(finding, finding.accepted, finding.doubt, *evidence, effects, more),
        subject=", ".join(filter(None, (finding.subject, because))),
        level="quiet" if is_consequence or finding.accepted else level_of(finding.severity),
        label="consequence" if is_consequence else "accepted" if finding.accepted else finding.severity,
    )
    return entry if causes else entry.with_remedy(finding.remedy)


def _existence(snapshot: Snapshot, field: str, exists: bool) -> str:
    if field in snapshot.gaps and not exists:
        return _NOT_READABLE
    return "exists" if exists else "missing"


def _role(snapshot: Snapshot, service: Service) -> str:
    definition = snapshot.definition(service)
    return definition.execution_role_arn if definition else ""
