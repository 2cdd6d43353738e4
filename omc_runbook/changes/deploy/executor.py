"""Executes a change of the secret: writes it, redeploys every consumer and verifies, or rolls back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import PREVIOUS
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.failure import Failure
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.deploy.rollout import PROVED
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Made, Step, StepFailed, at_once, execute, interrupted
from omc_runbook.changes.secret.current_version import InterruptedAfterMove
from omc_runbook.changes.secret.delivery import users, why_consumers_unknown
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan, kept_note
from omc_runbook.changes.secret.writer import SecretWriter, VersionChange
from omc_runbook.checks.key_demand import services_reading
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError
from omc_runbook.model.findings import Finding, Remedy
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

STEPS = ("stage", "database", "move", "redeploy", "watch", "withdraw", "redeploy back", "watch back", "release")
"""The steps of a change, in order; three of them only after a failure, "database" only with a password rotation."""

NOTHING_TO_RESTORE = "There is nothing to restore: this run wrote nothing, or the first version."
ALL_BUT_LOOK = "Whether that is still current was not seen: run verify."
OTHERS_UNREAD = (
    "Which other tasks started with the values that are taken back could not be read: rotate with values_from=keep"
    " replaces them."
)
NEW_VERSION_LEFT = "The new version was left current, as you asked: fix the cause and redeploy{}."
"""What `on_failure=leave` leads to, with a place for the version to restore instead, if there is one."""


@dataclass(frozen=True, kw_only=True)
class SecretResult(ChangeResult):
    """An executed change of the secret; `version_change` is None where nothing had to be written."""

    plan: SecretPlan
    version_change: VersionChange | None = None
    restored_version: str = ""
    """The id of the version that a rollback made current again."""
    is_in_force: bool = True
    """Whether the secret is as planned, and nobody has changed it since."""
    finished: SecretPlan | None = None
    """The change of a killed run that this one has finished."""


def apply(
    context: ChangeContext, plan: SecretPlan, new_values: NewValues | None = None, leave: bool = False
) -> SecretResult:
    """Write a plan, set the database's new password, redeploy every consumer, and watch until verified.

    After a kill at any point, another run finishes or undoes it: until then the version has a label of ours. Where a
    consumer's tasks fail, the former version becomes current and is redeployed, unless `leave` is set. Raises
    UsageError where tasks would fail for certain, whatever their values are, and `leave` is not set,
    ConflictError where somebody else has changed the secret since the plan was made, and CouldNotLook where AWS or the
    database refuses. AWSCURRENT has not moved then, or another run continues.
    """
    if plan.consumers_unknown:
        raise CouldNotLook(f"{plan.consumers_unknown} Without that no roll-out can be watched. Nothing was written.")
    if plan.blockers and not leave:
        # restore has no such parameter, and rotate makes no earlier version current.
        way = "" if plan.exists else " rotate with on_failure=leave writes it all the same."
        raise UsageError(f"{' '.join(plan.blockers)} The change would be taken back.{way} Nothing was written.")
    return _SecretChange(context, plan, new_values or NewValues({}), leave).carry_out()


class _SecretChange:
    """A running change of the secret: its steps and their results."""

    def __init__(self, context: ChangeContext, plan: SecretPlan, new_values: NewValues, leave: bool) -> None:
        self._context, self._plan, self._leave = context, plan, leave
        self._writer = SecretWriter(context.clients, plan, new_values)
        self._replaced_plan = replaced_plan(plan, new_values)
        self._keys = tuple(change.key for change in plan.changed) or (
            tuple(new_values.unfinished.actions) if new_values.unfinished else ()
        )
        unfinished = new_values.unfinished
        # New tasks are also the first with the values that a killed run, or somebody else, has made current.
        self._tried_keys = ", ".join(dict.fromkeys((*self._keys, *sorted(plan.outdated_keys))))
        self._taken_along = ""
        if unfinished and self._replaced_plan and self._replaced_plan.base != plan.base:
            along = tuple(key for key in unfinished.actions if key not in self._keys)
            self._taken_along, self._keys = ", ".join(along), (*self._keys, *along)
        self._consumers: tuple[Service, ...] = plan.consumers
        self._redeployment = Redeployment(context, lambda: self._consumers, to_the_end=leave, underway=plan.underway)
        self._rollback = Redeployment(
            context, self._redeployed_services, is_back=True, undo=lambda: self._redeployment.rollouts
        )
        # With one role the rollback needs the former password first; with two, tasks use the new one until replaced.
        self._alternates = new_values.rotation is not None and new_values.rotation.alternates
        self._rotates_in_place = new_values.rotation is not None and not self._alternates
        self._journal = Journal(context.tell)
        self._failure: Failure | None = None
        self._snapshot: Snapshot | None = None
        self._is_withdrawn = False
        self._database_note = self._overtaken = ""

    def carry_out(self) -> SecretResult:
        journal = self._journal
        leave = self._leave or self._replaced_plan is None
        with self._writer.cleaning_up():
            works = execute(self._steps(), self._context.announce, journal, self._afterwards(), leave)
        # Until its end is seen, the label lets another run go on with this version, instead of writing one more.
        stays_open = (
            not self._is_withdrawn and not journal.is_cancelled and failure.is_open(self._redeployment.rollouts)
        )
        release = self._writer.release(self._has_failed)
        if not stays_open:
            execute([release], self._context.announce, journal)
        restored_version = self._replaced_plan.base if self._replaced_plan and self._is_withdrawn else ""
        rollouts = self._redeployment.rollouts
        staged = kept_note(self._plan, self._writer.remaining_labels) if self._has_failed else ""
        note = " ".join(filter(None, (self._rollback_note(), staged)))
        if self._writer.version_change or rollouts:
            # What failed matters more than what is current after it.
            with suppress(CouldNotLook) if restored_version else nullcontext():
                look = Step(name="", apply=self._look_for_others, advice=ALL_BUT_LOOK)
                execute([look], self._context.announce, journal)
        overtaken = (failure.overtaken_version(self._plan.secret_name, self._overtaken),) if self._overtaken else ()
        is_in_force = (works or (leave and not journal.is_cancelled)) and not overtaken
        if stays_open and not is_in_force:
            execute([release], self._context.announce, journal)
        return SecretResult(
            plan=self._plan,
            left_out=self._plan.left_out,
            version_change=self._writer.version_change,
            changes=tuple(journal.changes),
            rollouts=rollouts,
            rollbacks=self._rollback.rollouts,
            restored_version=restored_version,
            is_back=self._snapshot is not None
            and self._is_withdrawn
            and not overtaken
            and all(each.state in PROVED for each in self._rollback.rollouts),
            rollback_note=note,
            findings=(*self._findings(note), *overtaken),
            is_in_force=is_in_force,
            finished=self._replaced_plan if any(each.action == "finished" for each in journal.changes) else None,
        )

    def _findings(self, note: str) -> tuple[Finding, ...]:
        if self._failure:
            has_rotated = self._alternates or self._rotates_in_place
            # Of a former version that no task has run with, its own new values are among those tried.
            still_failing = () if self._plan.is_untried else self._still_failing
            findings = self._failure.findings(self._tried_keys, note, has_rotated, still_failing)
            return tuple(map(self._as_withdrawn, findings))
        if self._journal.is_cancelled:
            return (failure.cancellation(self._plan.secret_name, note, self._is_withdrawn),)
        not_redeployed = failure.find_not_redeployed(self._plan.not_redeployed) if self._writer.version_change else ()
        # It would undo somebody else's change, or have another password than the database.
        is_unsafe = self._overtaken or self._rotates_in_place
        former = self._plan.short(self._replaced_plan.base) if self._replaced_plan and not is_unsafe else ""
        return (*failure.find_unproved(self._redeployment.rollouts, former), *not_redeployed)

    def _as_withdrawn(self, finding: Finding) -> Finding:
        """A fault of a value that was rolled back, as a former one: the current value does not have it."""
        if not (self._is_withdrawn and self._replaced_plan) or finding.subject not in self._keys:
            return finding
        past = f"This was found in version {self._plan.short(self._replaced_plan.token)}, which is no longer current."
        other = f"Restore another version, or write {finding.subject} by update."
        remedy = Remedy(other) if self._plan.exists else finding.remedy
        return replace(finding, evidence=(*finding.evidence, past), remedy=remedy)

    def _steps(self) -> tuple[Step, ...]:
        former = self._plan.short((self._replaced_plan or self._plan).base)
        next_step = f"restore version {former}" if self._plan.exists else "run again to take the change back"
        in_force = f"The new values are still current, and new tasks fail: {next_step}."
        withdraw = Step(name="withdraw", apply=self._withdraw, advice=in_force)
        restore_password = Step(
            name="", apply=self._restore_password, is_done=lambda: self._alternates or not self._is_withdrawn
        )
        return (
            *self._writer.steps(undo=(withdraw, restore_password)),
            Step(name="", apply=self._update_consumers, is_done=lambda: not self._writer.version_change),
            *self._redeployment.steps("The new values are current: run again to verify them."),
            Step(name="", apply=self._explain, is_done=lambda: not self._redeployment.failed, advice=in_force),
            Step(name="", apply=self._finish, is_done=lambda: not self._finishes),
        )

    def _afterwards(self) -> tuple[Step, ...]:
        restore_password = Step(
            name="", apply=self._restore_password, is_done=lambda: not (self._alternates and self._is_withdrawn)
        )
        return (*self._rollback.steps(self._withdrawn_advice), restore_password)

    @property
    def _withdrawn_advice(self) -> str:
        version = self._plan.short(self._replaced_plan.base) if self._replaced_plan else ""
        return f"Version {version} is current again: run again with values_from keep to redeploy it everywhere."

    def _update_consumers(self) -> None:
        """Read the consumers again: services may have changed since the plan was made."""
        snapshot = self._context.look()
        self._consumers = self._plan.consumers if why_consumers_unknown(snapshot) else users(snapshot)

    @property
    def _finishes(self) -> bool:
        """Whether this run finishes what a killed one had written."""
        is_left = self._plan.is_empty and self._replaced_plan is not None
        return is_left and not failure.is_open(self._redeployment.rollouts)

    def _finish(self) -> Iterator[Change]:
        assert self._replaced_plan, "only with a version that a killed run wrote"
        for key in self._keys:
            yield Change(key=key, action="finished", version=self._replaced_plan.token)

    def _explain(self) -> None:
        rollouts = self._redeployment.rollouts
        self._failure = failure.explain(self._context, self._redeployment.look(), rollouts, self._tried_keys)
        raise StepFailed

    def _withdraw(self) -> Iterator[Made]:
        assert self._replaced_plan, "undone only with a former version"
        version = self._replaced_plan.base
        changes = tuple(Change(key=key, action="put back", version=version) for key in self._keys)
        # Once AWSCURRENT has moved back, the tasks that have to follow it cannot be told from the others.
        with suppress(CouldNotLook):
            snapshot = self._failure.snapshot if self._failure else self._context.look()
            self._snapshot = None if why_consumers_unknown(snapshot) else snapshot
        try:
            self._is_withdrawn = SecretWriter(self._context.clients, self._replaced_plan).move_back()
        except InterruptedAfterMove as interrupt:
            self._is_withdrawn = True
            yield from at_once(changes)
            raise self._journal.explain(interrupted(interrupt), self._withdrawn_advice) from None
        if self._is_withdrawn:
            yield from at_once(changes)

    def _restore_password(self) -> None:
        try:
            self._database_note = self._writer.restore_password()
        except CouldNotLook as error:
            self._database_note = f"{error} Rotate again with database_url_from, so that secret and database match."

    def _redeployed_services(self) -> tuple[Service, ...]:
        """The services whose new tasks have to go back, whoever started these."""
        if not self._is_withdrawn:
            return ()
        snapshot = self._snapshot
        names = {rollout.service for rollout in self._redeployment.rollouts if rollout.deployment_id}
        if snapshot:
            # ECS may have started tasks of others meanwhile, to scale out or by a call whose answer was lost.
            readers = {name for key in self._keys for name in services_reading(snapshot, key)}
            names |= {each.name for each in snapshot.consumers if each.name in readers and _has_new(snapshot, each)}
        return tuple(each for each in (snapshot.consumers if snapshot else self._consumers) if each.name in names)

    @property
    def _has_failed(self) -> bool:
        return self._failure is not None or self._journal.is_cancelled

    @property
    def _fails_with_any(self) -> bool:
        """Whether tasks fail with any value, so that no other version helps."""
        return self._failure is not None and self._failure.spares_values

    @property
    def _still_failing(self) -> frozenset[str]:
        """The services whose tasks failed with the former values, too."""
        return frozenset(each.service for each in self._rollback.rollouts if each.has_failed and each.failures)

    def _rollback_note(self) -> str:
        """What was rolled back, with its result, in sentences; "" without a failure."""
        if not self._has_failed:
            return ""
        if (self._leave and not self._journal.is_cancelled) or self._replaced_plan is None:
            has_written = self._replaced_plan is not None or not self._plan.is_empty
            return self._new_version_left() if self._leave and has_written else self._way_back() or NOTHING_TO_RESTORE
        if not self._is_withdrawn:
            return (
                "The former version was not restored: somebody else has changed the secret meanwhile, and theirs may"
                f" have the new {', '.join(self._keys)}. Run verify, then update with values that work."
            )
        rollouts = self._rollback.rollouts
        completed = [rollout for rollout in rollouts if rollout.state == "done"]
        services = ", ".join(rollout.service for rollout in completed if not rollout.undoes)
        returned = ", ".join(rollout.service for rollout in completed if rollout.undoes)
        previous = dict(self._plan.labels).get(PREVIOUS, "")
        former = (
            f"version {self._plan.short(previous)}" if previous not in ("", self._replaced_plan.base) else "the one"
        )
        sentences = (
            f"Version {self._plan.short(self._replaced_plan.base)} is current again.",
            f"The change of {self._taken_along} that was not finished before is taken back with it."
            if self._taken_along
            else "",
            f"New tasks of {services} run with it." if services else "",
            f"ECS rolled the deployment of {returned} back: its former tasks serve, with the former values."
            if returned
            else "",
            *(
                f"{rollout.service} does not run with it yet: {rollout.reason.rstrip('.')}."
                for rollout in rollouts
                if rollout.state != "done"
            ),
            f"Tasks fail with that, too: restore {former} that was current before it."
            if self._plan.is_untried and not self._fails_with_any and self._still_failing
            else "",
            "" if self._snapshot else OTHERS_UNREAD,
            self._replaced_plan.lost_on_return if rollouts else "",
            self._database_note,
        )
        return " ".join(filter(None, sentences))

    def _new_version_left(self) -> str:
        # Without its password in the database, too, the former version would not help.
        former = self._replaced_plan.base if self._replaced_plan and not self._rotates_in_place else ""
        return NEW_VERSION_LEFT.format(f", or restore version {self._plan.short(former)}" if former else "")

    def _way_back(self) -> str:
        """What a person can do where this run wrote nothing: the values with which tasks fail were current already."""
        plan, previous = self._plan, dict(self._plan.labels).get(PREVIOUS)
        if not previous or self._fails_with_any or (self._leave and not plan.exists):
            return ""
        return (
            f"This run did not move AWSCURRENT: version {plan.short(plan.base)} was current already. Restore another"
            f" one, such as {plan.short(previous)}, which was current before it."
        )

    def _look_for_others(self) -> None:
        """Verify the current version once more: somebody may have written while tasks were replaced."""
        plan, back = self._plan, self._replaced_plan if self._is_withdrawn else None
        try:
            if back:
                if not self._writer.is_current(back.base, instead_of=back.token):
                    self._overtaken = f"Version {back.base} was current again, and is not any more. Run again."
            elif self._writer.version_change:
                self._writer.prove()
            elif not self._writer.is_current(plan.base):
                self._overtaken = f"Version {plan.base} was current when this run began, and no longer is. Run again."
        except ConflictError as error:
            self._overtaken = str(error)


def _has_new(snapshot: Snapshot, service: Service) -> bool:
    """Whether a task of a service has the present values, or its deployment in progress began with them."""
    primary = service.primary
    begins = (
        primary is not None and primary.rollout == "IN_PROGRESS" and freshness.is_current_at(snapshot, primary.created)
    )
    return begins or any(freshness.of(snapshot, task) == "fresh" for task in snapshot.running(service))


def replaced_plan(plan: SecretPlan, new_values: NewValues) -> SecretPlan | None:
    """The plan to roll back: this run's, or that of a run killed after its write; None without a former version.

    This run's goes back to the version before the killed run's, where its new tasks are the first with that one's
    values, too: they may fail with these.
    """
    unfinished = new_values.unfinished if new_values.unfinished and new_values.unfinished.is_current else None
    if plan.is_empty:
        if unfinished is None:
            return None
        return replace(plan, base=unfinished.base, token=unfinished.version_id, encrypting=new_values.encrypting)
    is_first = unfinished is not None and not plan.outdated_keys.isdisjoint(unfinished.actions)
    if unfinished and is_first and new_values.is_reversible and not unfinished.is_restore:
        encrypting = tuple(dict.fromkeys((*plan.encrypting, *new_values.encrypting)))
        return replace(plan, base=unfinished.base, encrypting=encrypting)
    return plan if plan.base else None
