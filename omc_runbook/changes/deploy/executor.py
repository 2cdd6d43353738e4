"""Carrying a change through: written, rolled out to every consumer and proved; where it fails, taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.session import Clients
from omc_runbook.changes.database import rotation
from omc_runbook.changes.deploy import failure, redeploy
from omc_runbook.changes.deploy.redeploy import Clock, Show
from omc_runbook.changes.deploy.rollout import PROVED, Rollout
from omc_runbook.changes.secret import writer
from omc_runbook.changes.secret.new_values import Renewal
from omc_runbook.changes.secret.plan import Plan, users, why_unread
from omc_runbook.changes.secret.writer import Written
from omc_runbook.model.errors import ConflictError, CouldNotLook, RunbookError
from omc_runbook.model.findings import Finding
from omc_runbook.model.handover import FAILED
from omc_runbook.snapshot.failure_logs import last_words
from omc_runbook.snapshot.state import Snapshot

STEPS = ("stage", "database", "move", "redeploy", "watch", "withdraw", "redeploy back", "watch back", "release")
"""The steps of a change, in order: three of them only where it fails, one only where a database takes part."""

NOTHING_BEFORE = "There is nothing to put back: this run wrote nothing, or the first version."


@dataclass(frozen=True)
class Means:
    """What carrying a change through works with: clients, and who looks, shows, keeps time and is told each step."""

    clients: Clients
    cluster: str
    look: Callable[[], Snapshot]
    show: Show
    step: Callable[[str], None]
    clock: Clock


@dataclass(frozen=True)
class Carried:
    """A change that was carried through, or taken back; `written` is None where nothing had to be written."""

    plan: Plan
    written: Written | None
    rollouts: tuple[Rollout, ...]
    back: tuple[Rollout, ...] = ()
    """The consumers' way back to the former version."""
    restored: str = ""
    """The id of the version that was put back."""
    undone: str = ""
    """What was put back and how that went."""
    findings: tuple[Finding, ...] = ()
    """What was wrong when it failed, and the failure itself."""
    is_in_force: bool = True
    """Whether the secret is as the plan has it, and nobody has changed it since."""

    @property
    def is_proved(self) -> bool:
        """Whether every consumer is proved to have what is current."""
        return not self.findings and all(rollout.state in PROVED for rollout in self.rollouts)

    @property
    def entries(self) -> tuple[dict[str, str], ...]:
        """What was done, as an outcome has it: keys written, keys put back, services with new tasks."""
        written = self.written.entries if self.written else ()
        back = tuple(
            {"key": change.key, "action": "put back", "version": self.restored}
            for change in (self.plan.changed if self.restored else ())
        )
        return written + _redeployed(self.rollouts) + back + _redeployed(self.back)


def _redeployed(rollouts: Sequence[Rollout]) -> tuple[dict[str, str], ...]:
    return tuple(
        {"service": rollout.service, "action": "redeployed", "deployment": rollout.deployment_id}
        for rollout in rollouts
        if rollout.deployment_id
    )


def carry_out(means: Means, plan: Plan, renewal: Renewal | None = None, leave: bool = False) -> Carried:
    """Write a plan, let the database take its new password, redeploy every consumer, watch, and prove.

    Killed at any point, a second run finishes or undoes it: until then the version holds a label of ours. Where a
    consumer fails, the former version is made current and redeployed again, unless `leave` says that it shall stay.
    Raises ConflictError where somebody else has changed the secret since the plan was made, and CouldNotLook where AWS
    or the database refuses: AWSCURRENT then is where it was, or a second run goes on from there.
    """
    if plan.unread:
        raise CouldNotLook(f"{plan.unread} Without it no roll-out can be seen through. Nothing was written.")
    renewal = renewal or Renewal({})
    written = None if plan.is_empty else write(means, plan, renewal)
    with _adding("The new values are in force and being rolled out: run again to see them proved."):
        services = _consumers(means, plan) if written else plan.consumers
        rollouts = _roll_out(means, services, is_back=False, to_the_end=leave)
    carried = Carried(plan, written, rollouts)
    if any(rollout.has_failed for rollout in rollouts):
        carried = _fail(means, carried, renewal, leave)
    else:
        carried = replace(carried, findings=tuple(failure.overtaken(r) for r in rollouts if r.state == "overtaken"))
    means.step("release")
    with _adding("All else is done: run again, and what marks it as under way goes too."):
        if written and not plan.exists:
            writer.release(means.clients, plan, _label(plan))
        writer.tidy(means.clients, plan)
    return carried if carried.restored or not (written or rollouts) else _look_again(means, carried)


def write(means: Means, plan: Plan, renewal: Renewal) -> Written:
    """Stage, let the database take the password and prove that by a login, then make the version current.

    The label of ours stays on the version, for whoever sees the change through to release. Raises as `carry_out` does.
    """
    moved = False
    try:
        means.step("stage")
        if not plan.exists:
            writer.stage(means.clients, plan, _label(plan))
        if renewal.turn and renewal.password:
            means.step("database")
            rotation.set_password(renewal.turn, renewal.password)
            rotation.log_in(renewal.turn, renewal.password)
        means.step("move")
        moved = writer.move(means.clients, plan)
        return writer.prove(means.clients, plan, moved)
    except RunbookError as error:
        # Once it is current, a second run goes on from there; before that nobody has read it. An answer that never
        # came leaves open which of the two it is.
        with _adding("It is not known whether the new values are in force: run again, which goes on from there."):
            is_current = moved or writer.is_current(means.clients, plan, plan.token)
        if not is_current:
            with _adding("Run again, which goes on from there.", before=str(error)):
                _give_back(renewal)
        if (not is_current or isinstance(error, ConflictError)) and not plan.exists:
            # A label that stays goes with the next run; why this one failed matters more.
            with suppress(CouldNotLook):
                writer.release(means.clients, plan, _label(plan))
        raise


def _consumers(means: Means, plan: Plan) -> tuple[Service, ...]:
    """Who uses the secret now: a service may have come, or gone, since the plan was made."""
    seen = means.look()
    return plan.consumers if why_unread(seen) else users(seen)


def _roll_out(means: Means, services: Sequence[Service], is_back: bool, to_the_end: bool) -> tuple[Rollout, ...]:
    if not services:
        return ()
    means.step("redeploy back" if is_back else "redeploy")
    begun = redeploy.begin(means.clients, means.cluster, services)
    rollouts = tuple(replace(rollout, is_back=is_back) for rollout in begun)
    means.show(rollouts, ())
    means.step("watch back" if is_back else "watch")
    return redeploy.watch(means.clients, means.cluster, rollouts, means.show, means.clock, to_the_end)


def _fail(means: Means, carried: Carried, renewal: Renewal, leave: bool) -> Carried:
    """Find the cause while it can be seen, then put the former version back, unless it shall stay."""
    failed = [rollout for rollout in carried.rollouts if rollout.has_failed]
    names = ", ".join(rollout.service for rollout in failed)
    with _adding(_still_in_force(carried.plan, names)):
        seen = means.look()
        words = [word for r in failed for word in last_words(means.clients, seen, r.service, r.deployment_id)]
    causes = failure.causes(seen, frozenset(rollout.service for rollout in failed))
    keys = ", ".join(change.key for change in carried.plan.changed)
    why = [f"{cause.title}: {cause.subject}." for cause in causes] or [
        f"{f'With the new {keys}: ' if keys else ''}{rollout.reason}" for rollout in failed
    ]
    told = [f"{FAILED} {seen.taken:%H:%M:%S} {line}" for line in (*(f"Root cause: {cause}" for cause in why), *words)]
    means.show(carried.rollouts, told)
    former = _former(carried, renewal)
    if leave or former is None:
        left = "The new version was left in force, as you asked: mend the cause and redeploy, or go back, as below."
        carried = replace(carried, undone=left if leave else NOTHING_BEFORE)
    else:
        carried = _put_back(means, seen, carried, renewal, former)
    return replace(
        carried, findings=(*causes, failure.failure(seen.environment, keys, failed, causes, words, carried.undone))
    )


def _put_back(means: Means, seen: Snapshot, carried: Carried, renewal: Renewal, former: Plan) -> Carried:
    means.step("withdraw")
    failed = ", ".join(rollout.service for rollout in carried.rollouts if rollout.has_failed)
    with _adding(_still_in_force(carried.plan, failed)):
        withdrawn = writer.withdraw(means.clients, former)
    if not withdrawn:
        told = "The former version was not put back: somebody else has changed the secret meanwhile. Run verify."
        return replace(carried, undone=told, is_in_force=False)
    alternates = renewal.turn is not None and renewal.turn.alternates
    # With one role the way back needs the former password; with two, tasks may use the withdrawn one until replaced.
    before = "" if alternates else _try_to_give_back(renewal)
    reached = {rollout.service for rollout in carried.rollouts if rollout.deployment_id}
    services = [service for service in seen.consumers if service.name in reached]
    with _adding(f"Version {former.base[:8]} is current again: run again with values_from keep to see it everywhere."):
        back = _roll_out(means, services, is_back=True, to_the_end=True)
    after = _try_to_give_back(renewal) if alternates else ""
    whole = ", ".join(rollout.service for rollout in back if rollout.state == "done")
    sentences = (
        f"Version {former.base[:8]} is current again.",
        f"New tasks of {whole} run with it." if whole else "",
        *(f"{rollout.service} has none of them yet: {rollout.reason}" for rollout in back if rollout.state != "done"),
        before or after,
    )
    told = " ".join(filter(None, sentences))
    return replace(carried, back=back, restored=former.base, undone=told, is_in_force=False)


def _former(carried: Carried, renewal: Renewal) -> Plan | None:
    """The plan whose version has to be withdrawn: this run's, or the one of a run that was killed after its write."""
    left = renewal.unfinished
    if carried.written:
        return carried.plan if carried.plan.base else None
    return replace(carried.plan, base=left.base, token=left.version_id) if left and left.is_current else None


def _still_in_force(plan: Plan, failed: str) -> str:
    how = f"restore version {plan.base[:8]}" if plan.exists else "run again, and they are taken back"
    return f"The new values are still in force, and fail in {failed}: {how}."


@contextmanager
def _adding(after: str, before: str = "") -> Iterator[None]:
    """Let whoever is told that AWS or the database did not answer also hear how far the change has come."""
    try:
        yield
    except CouldNotLook as error:
        raise CouldNotLook(" ".join(filter(None, (before, str(error), after)))) from None


def _try_to_give_back(renewal: Renewal) -> str:
    try:
        return _give_back(renewal)
    except CouldNotLook as error:
        return f"{error} Rotate once more with database_url_from, so that secret and database agree again."


def _give_back(renewal: Renewal) -> str:
    if renewal.turn is None:
        return ""
    return rotation.take_back(renewal.turn, renewal.former_password, renewal.password)


def _look_again(means: Means, carried: Carried) -> Carried:
    """Ask once more which version is current: somebody may have written while tasks were replaced."""
    plan, told = carried.plan, ""
    try:
        is_as_before = writer.is_current(means.clients, plan, plan.base)
        if carried.written and is_as_before:
            told = f"Somebody has made version {plan.base} current again, as it was before this run. Run verify."
        elif carried.written:
            writer.prove(means.clients, plan, moved=True)
        elif not is_as_before:
            told = f"Version {plan.base} was current when this run began, and no longer is. Run again."
    except ConflictError as error:
        told = str(error)
    if not told:
        return carried
    later = failure.moved_on(plan.secret_name, told)
    return replace(carried, findings=(*carried.findings, later), is_in_force=False)


def _label(plan: Plan) -> str:
    return writer.LABEL + plan.token[:8]
