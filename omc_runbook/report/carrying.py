"""What carrying a change through shows: who restarts for it, how it went, and the proof."""

from __future__ import annotations

from omc_runbook.changes.plan import Plan
from omc_runbook.changes.rolling import Rollout, expected
from omc_runbook.changes.rotation import Carried, consumers_of
from omc_runbook.checks import remedies
from omc_runbook.environment import Environment
from omc_runbook.report.banner import Banner
from omc_runbook.report.listing import Entry, Listing
from omc_runbook.report.mood import Mood
from omc_runbook.report.progress import STATES
from omc_runbook.report.table import Table
from omc_runbook.snapshot.state import Snapshot


def consumers(snapshot: Snapshot, plan: Plan) -> Table:
    """Which services get new tasks for the plan, all at once, and which cannot be given any."""
    rows = [
        [service.name, str(service.desired), planned.revision, planned.reason or "new tasks before the old ones go"]
        for service in consumers_of(snapshot, plan)
        for planned in [expected(service)]
    ]
    title = "Who gets new tasks" if rows else "Nobody needs new tasks"
    return Table(title, ["service", "tasks", "revision", "how"], rows, empty="Every task has what is current.")


def carried(plan: Plan, done: Carried | None, source: str = "") -> Banner:
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
        causes = ", ".join(f"{finding.title} ({finding.check})" for finding in done.findings[:-1])
        cause = (f"Root cause: {causes}.",) if causes else ()
        back = "and the former version is back" if done.restored else "and the new version is still in force"
        return Banner("bad", f"It failed, {back}: {what}.", (*told, *cause, done.undone, *lines))
    if done.written:
        told += (f"{plan.secret_name} is at version {done.written.version_id}; before at {done.written.before}.",)
    if not done.is_proved:
        return Banner("unsure", f"Written, but not proved everywhere: {what}.", (*told, *lines))
    services = ", ".join(rollout.service for rollout in done.rollouts) or "no service"
    return Banner("good", f"Done and proved: {what}; new tasks of {services} have it.", (*told, *lines))


def proof(done: Carried | None) -> Table:
    """For each service: our deployment, its revision, the tasks that run of those wanted, and how it ended."""
    rollouts = (*done.rollouts, *done.back) if done else ()
    rows = [_row(rollout) for rollout in rollouts]
    moods: dict[str, Mood] = {str(state): mood for state, mood in STATES.items()}
    columns = ["service", "deployment", "revision", "tasks", "state", "reason"]
    return Table("The deployments of this run", columns, rows, moods, "This run has deployed nothing.")


def undo(environment: Environment, plan: Plan, done: Carried | None) -> Listing:
    """The runbook that gives the former version back and redeploys, and AWS's own command for the first half."""
    if done is None or done.restored or not done.written:
        return Listing("Going back", (), "This run left no new version in force, so there is nothing to undo.")
    runbook = f"omc-runbook run restore -p environment {environment.name} -p version {plan.base} -p apply true"
    entries = [
        Entry(f"back to version {plan.base[:8]}", lead="Writes, redeploys and proves, as here.", command=runbook),
        Entry("by hand", lead="Gives the version back alone; redeploy every service after it.", command=plan.undo),
    ]
    return Listing("Going back", entries)


def by_hand(snapshot: Snapshot) -> Listing:
    """The guide's own commands for the same: one redeployment for every service that uses the secret."""
    names = snapshot.environment.names
    page = f"https://{names.region}.console.aws.amazon.com/ecs/v2/clusters/{names.cluster}?region={names.region}"
    entries = [
        Entry("write the whole secret from a file", command=remedies.put_value(names).command),
        *(
            Entry(f"start new tasks of {service.name}", command=remedies.redeploy(names, service.name).command)
            for service in snapshot.consumers
        ),
        Entry("the services in the console", command=page),
    ]
    return Listing(f"Commands and pages for {snapshot.environment.name}", entries)


def _row(rollout: Rollout) -> list[str]:
    return [
        rollout.service,
        rollout.deployment_id or "—",
        rollout.revision,
        f"{rollout.running} of {rollout.desired}",
        rollout.state,
        rollout.reason,
    ]
