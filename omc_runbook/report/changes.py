"""The report on a change of the secret: warnings, plan, result, which tasks have which values, how to undo it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy import failure as deploy_failure
from omc_runbook.changes.deploy import readiness
from omc_runbook.changes.deploy.executor import SecretResult
from omc_runbook.changes.deploy.rollout import Rollout, expected
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.secret.plan import SecretPlan, only_passwords
from omc_runbook.checks import remedies, secret_owner
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import Finding, Remedy, is_sentence
from omc_runbook.model.letters import counted
from omc_runbook.report import verify
from omc_runbook.report.display import console
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing, commands_for
from omc_runbook.report.display.progress import STATES
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

DONE = (
    "done: our deployment is PRIMARY and COMPLETED (its service deployment SUCCESSFUL), runningCount equals"
    " desiredCount, and no older task runs."
)
"""What the state of a deployment that has proved the change means."""

NOT_LOOKED_AT = (
    "Not read: services and daemons of other clusters, and tasks that no service, daemon or EventBridge rule starts."
)

ACTIONS: dict[str, Level] = {"added": "good", "changed": "warning", "removed": "error", "unchanged": "quiet"}


_FORMER: dict[str, tuple[str, Level]] = {
    "warning": ("still works", "error"),
    "info": ("works until the next rotation", "warning"),
    "unknown": ("unknown", "unknown"),
    "clear": ("refused", "good"),
}
"""Label and level of a former value, by its finding's severity or status."""

_RESTORED: dict[str, tuple[str, Level]] = {
    "error": ("refused", "error"),
    "unknown": ("unknown", "unknown"),
    "clear": ("accepted", "good"),
}
"""Label and level of a restored value, by its finding's severity or status."""


def precautions(sentences: Sequence[str]) -> Listing:
    """Warnings about the source of the new values."""
    entries = [Entry("warning", level="warning", lead=sentence) for sentence in sentences]
    return Listing("Before the values are read", entries, "No warnings.")


def plan(plan: SecretPlan) -> Table:
    """What happens to each key, where its value comes from and when it takes effect; which services use the secret."""
    rows = [
        [
            change.key,
            change.action,
            change.origin if change.action != "unchanged" and change.origin else "—",
            change.effect,
        ]
        for change in plan.changes
    ]
    count = len(plan.changed)
    consumers = ", ".join(service.name for service in plan.consumers) or "no service"
    base = f"version {plan.short(plan.base)}" if plan.base else "nothing"
    kept = f"all {len(rows)} keys stay as they are" if len(rows) != 1 else "the one key stays as it is"
    title = (
        f"{count} of {counted(len(rows), 'key')} would change, on top of {base}; used by {consumers}"
        if count
        else f"Nothing would change: {kept} in {base}"
    )
    columns = ["key", "action", "value from", "takes effect"]
    return Table(title, columns, rows, ACTIONS, notes=(*plan.trials, *plan.notes))


def consumers(plan: SecretPlan) -> Table:
    """The services that are redeployed, all at once, and those that cannot be."""
    rows = [
        [service.name, str(service.desired), rollout.revision, rollout.reason or _how(plan, service)]
        for service, rollout in zip(plan.consumers, map(expected, plan.consumers), strict=True)
    ]
    return Table(
        "Who gets new tasks",
        ["service", "tasks", "revision", "how"],
        rows,
        empty=plan.consumers_unknown or "No service.",
        notes=(*plan.readiness, NOT_LOOKED_AT),
    )


def result(plan: SecretPlan, result: SecretResult | None, source: str = "") -> Banner:
    """How the change went, or why nothing was done; `source` is a sentence about the source file, "" for none."""
    lines = (source,) if source else ()
    if result is None:
        why = "this was a dry run" if plan.may_act else "no key would change, and no service needs new tasks"
        return Banner("plain", f"Nothing was written or redeployed: {why}.", lines)
    if not result.version_change and not result.rollouts:
        return Banner("good", "Nothing had to be done: every task has the current values.", lines)
    keys = ", ".join(
        f"{change.key} {change.action}" for change in (result.version_change.changes if result.version_change else ())
    )
    what = keys or "no key changed"
    if result.is_cancelled:
        back = "the former version is back" if result.restored_version else "the new version stays"
        return Banner("unsure", f"Stopped, as you asked: {back}.", (result.rollback_note, *lines))
    if result.rollback_note:
        failure = next(finding for finding in result.findings if finding.check == deploy_failure.FAILED)
        causes = ", ".join(
            f"{finding.title} ({finding.check})" for finding in result.findings if finding.check in failure.because_of
        )
        cause = (f"Root cause: {causes}.",) if causes else ()
        subject = ", ".join(change.key for change in plan.changed) or "the secret"
        subject += " are" if len(plan.changed) > 1 else " is"
        back = (
            f"{subject} as before: the former version is back"
            if result.restored_version
            else f"the new version stays: {what}"
        )
        return Banner("bad", f"It failed, and {back}.", (*cause, *failure.evidence, *lines))
    if result.version_change:
        before = result.version_change.former_id or "none"
        version = f"{plan.secret_name} is at version {result.version_change.version_id}"
        lines = (f"{version}; the version before is {before}.", *lines)
    is_written = bool(result.version_change and result.version_change.changes)
    lines = (*reasons(result), *(plan.deployments_by_hand if is_written else ()), *lines)
    if not result.is_proved:
        return Banner("unsure", f"Written, but not verified everywhere: {what}.", lines)
    services = services_done(result)
    if not services:
        return Banner("unsure", f"Written: {what}; no service got new tasks.", lines)
    has_it = _how_far(plan) if is_written else "have it"
    return Banner("good", f"Done and verified: {what}; new tasks of {services} {has_it}.", lines)


def _how_far(plan: SecretPlan) -> str:
    """What new tasks have of the keys that a plan writes, as the end of a sentence."""
    keys = ", ".join(sorted(plan.unreferenced_keys))
    if not keys:
        return "have it"
    has_others = any(change.key not in plan.unreferenced_keys for change in plan.changed if change.action != "removed")
    return f"{'have the rest' if has_others else 'run'}, and no revision in force refers to {keys}"


def services_done(result: ChangeResult) -> str:
    """The services whose new tasks have proved the change; "" for none."""
    return ", ".join(rollout.service for rollout in result.rollouts if rollout.state == "done")


def reasons(result: ChangeResult) -> tuple[str, ...]:
    """Why services have no new tasks, or none that were verified."""
    return tuple(f"{rollout.service}: {rollout.reason}" for rollout in result.rollouts if rollout.reason)


def stopped(result: ChangeResult) -> Banner:
    """That a person stopped a change, and what of it was put back."""
    back = "everything is as before" if result.is_back else "not everything is as before"
    return Banner("unsure", f"Stopped, as you asked: {back}.", (result.rollback_note,))


def proof(result: ChangeResult | None) -> Table:
    """The deployments of a run, to the new version or back to the former one, and how each ended."""
    rows = [_row(rollout) for rollout in ((*result.rollouts, *result.rollbacks) if result else ())]
    levels: dict[str, Level] = {str(state): level for state, level in STATES.items()}
    columns = ["service", "version", "deployment", "revision", "tasks", "state", "reason"]
    notes = (DONE,) if rows else ()
    return Table("The deployments of this run", columns, rows, levels, "This run deployed nothing.", notes=notes)


def holders(snapshot: Snapshot) -> Listing:
    """Which services' tasks have the current values, and the command that redeploys the others."""
    entries = [_holder(snapshot, service) for service in snapshot.consumers]
    entries += [
        Entry(
            f"task {task.id[:8]}",
            "runs outside the services and has older values, or may have",
            level="warning",
            label="run again",
            lead="No deployment replaces it.",
        )
        for task in snapshot.lone_tasks
        if freshness.of(snapshot, task) != "fresh"
    ]
    empty = verify.unread_services(snapshot) or "No service uses the secret."
    return Listing("Which tasks have the current values", entries, empty)


def _holder(snapshot: Snapshot, service: Service) -> Entry:
    """How many of a service's tasks have the current values."""
    tasks = snapshot.running(service)
    if not tasks and not snapshot.has_unread_tasks(service):
        subject = "the next task to start reads the current values"
        return Entry(service.name, subject, level="quiet", label="no task runs")
    old = [task for task in tasks if freshness.of(snapshot, task) != "fresh"]
    noun, verb = "task" if len(tasks) == 1 else "tasks", "has" if len(old or tasks) == 1 else "have"
    subject = f"{len(old)} of {len(tasks)} {noun} {verb} older values, or may have"
    if old and readiness.is_underway(snapshot, service):
        lead = "A deployment with the current values is under way, and replaces them if its tasks run."
        return Entry(service.name, subject, level="warning", label="deploying", lead=lead)
    if old:
        return Entry(
            service.name,
            subject,
            level="warning",
            label="redeploy",
            lead="New tasks read the secret again.",
            command=remedies.start_tasks(snapshot.environment.names, service).command,
        )
    if snapshot.has_unread_tasks(service):
        return Entry(service.name, verify.running_tasks(snapshot, service), level="unknown", label="unknown")
    whose, pinned = "its" if len(tasks) == 1 else "their", _pinned(snapshot, service)
    subject = f"{len(tasks)} {noun} {verb} the current values of {whose} keys"
    if pinned:
        subject += f", but for {', '.join(pinned)}: pinned to a version"
        return Entry(service.name, subject, level="warning", label="pinned")
    return Entry(service.name, subject, level="good", label="up to date")


def _pinned(snapshot: Snapshot, service: Service) -> tuple[str, ...]:
    """The variables that a service gets from a version of their own, which need not be the current one."""
    references = snapshot.references_of(service)
    names = (injection.variable for _, injection in references if injection.reference.names_version)
    return tuple(dict.fromkeys(names))


def former(findings: Sequence[Finding]) -> Listing:
    """Whether the former values still work, as far as they were tried."""
    empty = "None was tried: no changed key has a check, and no database password was rotated."
    return Listing("Whether the former values still work", _tried(findings, _FORMER), empty)


def restored(findings: Sequence[Finding]) -> Listing:
    """Whether the restored values work, as far as they were tried."""
    empty = "None was tried: no restored key has a check."
    return Listing("Whether the restored values work", _tried(findings, _RESTORED), empty)


def _tried(findings: Sequence[Finding], labels: Mapping[str, tuple[str, Level]]) -> list[Entry]:
    entries = []
    for finding in findings:
        label, level = labels[finding.severity if finding.status == "found" else finding.status]
        entry = Entry(finding.subject, level=level, label=label, lead=" ".join(finding.evidence))
        entries.append(entry.with_remedy(finding.remedy))
    return entries


def undo(environment: Environment, plan: SecretPlan, result: SecretResult | None) -> Listing:
    """The runbook that restores the former version and redeploys, and the AWS CLI's command for the first half."""
    is_ahead = result is None and not plan.is_empty and bool(plan.base)
    finished, keys = result.finished if result else None, [change.key for change in plan.changed]
    if result and finished:
        plan, keys = finished, [change.key for change in result.changes if change.key]
    if not is_ahead and (result is None or result.restored_version or not (result.version_change or finished)):
        return Listing("Undo", (), "This run left no new version current, so there is nothing to undo.")
    if result and not result.is_in_force:
        return Listing("Undo", (), "Somebody else has changed the secret since, and theirs stays: nothing to undo.")
    if not plan.base:
        return Listing("Undo", (), "This run wrote the first version, so there is no former one to restore.")
    remedy = remedies.restore(environment, plan.base, plan.token)
    entries = [
        Entry(
            f"back to version {plan.short(plan.base)}",
            lead=f"{_before_undo(environment, keys)}Makes it current again, redeploys every service and verifies the"
            " new tasks.",
            command=remedies.command_to_apply(environment, remedy),
        )
    ]
    # Another run that applies this plan generates other values, and so makes another version.
    if not (is_ahead and any(change.is_generated for change in plan.changed)):
        lead = "Only makes it current again; redeploy every service afterwards."
        entries.append(Entry("by hand", lead=lead, command=remedy.command))
    return Listing("Undo, once the plan has been applied" if is_ahead else "Undo", entries)


def _before_undo(environment: Environment, changed: Sequence[str]) -> str:
    """What to do in the database first, as a sentence; two login roles keep the passwords of both versions."""
    keys = ", ".join(only_passwords(environment.keys, changed))
    first = f"First set the former {keys} in the database: without it new tasks fail, and this is undone. "
    return first if keys else ""


def by_hand(snapshot: Snapshot) -> Listing:
    """The guide's commands for the same, with a redeployment of every service that uses the secret."""
    names = snapshot.environment.names
    if is_gone(snapshot):
        write = ("create the secret from a file", remedies.create_secret(names).command)
    else:
        write = ("write the whole secret from a file", write_by_hand(snapshot, remedies.put_value(names)))
    rows = [
        *end_deletion(snapshot),
        write,
        *([] if is_sentence(write[1]) else [("remove the file", "rm secrets.json")]),
        *new_tasks(snapshot),
        ("the secret in the console", console.secret(names)),
        ("the services in the console", console.services(names)),
    ]
    return commands_for(snapshot.environment.name, rows)


def is_gone(snapshot: Snapshot) -> bool:
    """Whether the secret does not exist, so that it has no versions and has to be created."""
    return snapshot.secret is None and not snapshot.unread("secret")


def end_deletion(snapshot: Snapshot) -> list[tuple[str, str]]:
    """How the deletion of a secret is cancelled, which AWS refuses to write until then; empty for one that exists."""
    secret = snapshot.secret
    if secret is None or not secret.deleted:
        return []
    elsewhere = secret_owner.restore_elsewhere(secret)
    way = f"{elsewhere}." if elsewhere else remedies.restore_secret(snapshot.environment.names).command
    return [("cancel the secret's deletion", way)]


def write_by_hand(snapshot: Snapshot, remedy: Remedy) -> str:
    """A command that gives the secret another value; who does that instead, where AWS refuses it here."""
    return secret_owner.leave_to_owner(snapshot.secret, remedy).command


def new_tasks(snapshot: Snapshot) -> list[tuple[str, str]]:
    """The commands that redeploy every service that uses the secret, each with what it is for."""
    names = snapshot.environment.names
    return [
        (f"start new tasks of {service.name}", remedies.start_tasks(names, service).command)
        for service in snapshot.consumers
    ]


def _how(plan: SecretPlan, service: Service) -> str:
    """How a service that can be redeployed gets its new tasks."""
    if service.name in plan.underway and service.primary:
        return f"deployment {service.primary.id} goes on with these values and is watched: no other is started"
    return service.configuration.sentence or "new tasks start before old ones stop"


def _row(rollout: Rollout) -> list[str]:
    return [
        rollout.service,
        "former" if rollout.is_back else "new",
        rollout.deployment_id or "—",
        rollout.revision,
        f"{rollout.running} of {rollout.desired}",
        rollout.state,
        rollout.reason,
    ]
