"""What a change of the secret shows: what to beware of, the plan, how it went, who holds what, how to undo it."""

from __future__ import annotations

from collections.abc import Sequence

from omc_runbook.changes.deploy import failure as deploy_failure
from omc_runbook.changes.deploy.executor import SecretResult
from omc_runbook.changes.deploy.rollout import Rollout, expected
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.secret.plan import Plan
from omc_runbook.checks import remedies
from omc_runbook.model.environment import Environment
from omc_runbook.report.display import console
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.progress import STATES
from omc_runbook.report.display.severity import Mood
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

ACTIONS: dict[str, Mood] = {"added": "good", "changed": "warning", "removed": "error", "unchanged": "quiet"}


def precautions(sentences: Sequence[str]) -> Listing:
    """What is unsafe about the source of the new values."""
    entries = [Entry("beware", mood="warning", lead=sentence) for sentence in sentences]
    return Listing("Before the values are read", entries, "There is nothing to beware of.")


def plan(planned: Plan) -> Table:
    """What becomes of each key, how its value is made and when it takes effect; who has to restart for it."""
    rows = [
        [
            change.key,
            change.action,
            change.origin if change.action != "unchanged" and change.origin else "—",
            change.effect,
        ]
        for change in planned.changes
    ]
    count = len(planned.changed)
    consumers = ", ".join(service.name for service in planned.consumers) or "no service"
    base = f"version {planned.base[:8]}" if planned.base else "nothing"
    title = (
        f"{count} of {len(rows)} keys would change, on top of {base}; used by {consumers}"
        if count
        else f"Nothing would change: all {len(rows)} keys stay as they are in {base}"
    )
    columns = ["key", "action", "value from", "takes effect"]
    return Table(title, columns, rows, ACTIONS, notes=planned.notes)


def consumers(planned: Plan) -> Table:
    """Which services get new tasks for the plan, all at once, and which cannot be given any."""
    rows = [
        [service.name, str(service.desired), rollout.revision, rollout.reason or "new tasks before the old ones go"]
        for service in planned.consumers
        for rollout in [expected(service)]
    ]
    return Table(
        "Who gets new tasks", ["service", "tasks", "revision", "how"], rows, empty=planned.unread or "Nobody has to."
    )


def carried(planned: Plan, done: SecretResult | None, source: str = "") -> Banner:
    """How it went, or that nothing was done and why; with a sentence on the source's file."""
    lines = (source,) if source else ()
    if done is None:
        return Banner("plain", "Nothing was written or redeployed: this was a dry run.", lines)
    if not done.written and not done.rollouts:
        return Banner("good", "Nothing had to be done: every task has what is current.", lines)
    keys = ", ".join(f"{change.key} {change.action}" for change in (done.written.changes if done.written else ()))
    what = keys or "no key changed"
    told = tuple(f"{rollout.service}: {rollout.reason}" for rollout in done.rollouts if rollout.reason)
    if done.undone:
        failure = next(finding for finding in done.findings if finding.check == deploy_failure.FAILED)
        found = [finding for finding in done.findings if finding.check in failure.because_of]
        causes = ", ".join(f"{finding.title} ({finding.check})" for finding in found)
        cause = (f"Root cause: {causes}.",) if causes else ()
        left = ", ".join(change.key for change in planned.changed) or "the secret"
        left += " are" if len(planned.changed) > 1 else " is"
        back = f"{left} as before: the former version is back" if done.restored else f"the new version stays: {what}"
        return Banner("bad", f"It failed, and {back}.", (*cause, *failure.evidence, *lines))
    if done.written:
        before = done.written.before or "none"
        told += (f"{planned.secret_name} is at version {done.written.version_id}; before at {before}.",)
    if not done.is_proved:
        return Banner("unsure", f"Written, but not proved everywhere: {what}.", (*told, *lines))
    services = ", ".join(rollout.service for rollout in done.rollouts if rollout.state == "done") or "no service"
    return Banner("good", f"Done and proved: {what}; new tasks of {services} have it.", (*told, *lines))


def proof(done: ChangeResult | None) -> Table:
    """For each service: our deployment, its revision, the tasks that run of those wanted, and how it ended."""
    return deployments((*done.rollouts, *done.back) if done else ())


def deployments(rollouts: Sequence[Rollout]) -> Table:
    """The deployments of a run, each on its way there or back."""
    rows = [_row(rollout) for rollout in rollouts]
    moods: dict[str, Mood] = {str(state): mood for state, mood in STATES.items()}
    columns = ["service", "version", "deployment", "revision", "tasks", "state", "reason"]
    return Table("The deployments of this run", columns, rows, moods, "This run has deployed nothing.")


def holders(snapshot: Snapshot) -> Listing:
    """Which services' tasks hold the current values, and for those that do not, the command that starts new ones."""
    entries = []
    for service in snapshot.consumers:
        tasks = snapshot.running(service)
        if not tasks:
            entries.append(
                Entry(service.name, "the next one to start reads the current values", "quiet", "no task runs")
            )
            continue
        old = [task for task in tasks if freshness.of(snapshot, task) != "fresh"]
        told = f"{len(old)} of {len(tasks)} tasks hold older values, or may" if old else ""
        command = remedies.redeploy(snapshot.environment.names, service.name).command
        entries.append(
            Entry(service.name, told, "warning", "redeploy", "New tasks read the secret anew.", command=command)
            if old
            else Entry(service.name, f"{_count(len(tasks))} the current values of their keys", "good", "up to date")
        )
    return Listing("Who holds the current values", entries, "No service uses the secret.")


def undo(environment: Environment, planned: Plan, done: SecretResult | None) -> Listing:
    """The runbook that gives the former version back and redeploys, and AWS's own command for the first half."""
    is_ahead = done is None and not planned.is_empty and bool(planned.base)
    if not is_ahead and (done is None or done.restored or not done.written):
        return Listing("Going back", (), "This run left no new version in force, so there is nothing to undo.")
    if not planned.base:
        return Listing("Going back", (), "This run wrote the first version, so there is none to go back to.")
    remedy = remedies.restore(environment, planned.base, planned.token)
    entries = [
        Entry(
            f"back to version {planned.base[:8]}",
            lead="Makes it current again, gives every service new tasks and proves that, as here.",
            command=remedies.at_once(environment, remedy),
        ),
        Entry(
            "by hand",
            lead="Makes it current again and no more; redeploy every service after it.",
            command=remedy.command,
        ),
    ]
    return Listing("Going back, once the plan has been applied" if is_ahead else "Going back", entries)


def by_hand(snapshot: Snapshot) -> Listing:
    """The guide's own commands for the same, with one redeployment for every service that uses the secret."""
    names = snapshot.environment.names
    entries = [
        Entry("write the whole secret from a file", command=remedies.put_value(names).command),
        Entry("remove the file", command="rm secrets.json"),
        *new_tasks(snapshot),
        Entry("the secret in the console", command=console.secret(names)),
        Entry("the services in the console", command=console.services(names)),
    ]
    return Listing(f"Commands and pages for {snapshot.environment.name}", entries)


def new_tasks(snapshot: Snapshot) -> tuple[Entry, ...]:
    """For every service that uses the secret, the command that gives it new tasks."""
    names = snapshot.environment.names
    return tuple(
        Entry(f"start new tasks of {service.name}", command=remedies.redeploy(names, service.name).command)
        for service in snapshot.consumers
    )


def _count(tasks: int) -> str:
    return "1 task holds" if tasks == 1 else f"{tasks} tasks hold"


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
