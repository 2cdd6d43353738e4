"""The carrying out of a change of the secret: written, rolled out to every consumer and proved, or taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.failure import Failure
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Step, StepFailed, execute
from omc_runbook.changes.secret.new_values import Renewal
from omc_runbook.changes.secret.plan import Plan, users, why_unread
from omc_runbook.changes.secret.writer import SecretWriter, WrittenVersion
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook

STEPS = ("stage", "database", "move", "redeploy", "watch", "withdraw", "redeploy back", "watch back", "release")
"""The steps of a change, in order: three of them only where it fails, one only where a database takes part."""

NOTHING_BEFORE = "There is nothing to put back: this run wrote nothing, or the first version."
LEFT = "The new version was left in force, as you asked: fix the cause and redeploy, or restore, as below."


@dataclass(frozen=True, kw_only=True)
class SecretResult(ChangeResult):
    """A change of the secret that was carried out; `written` is None where nothing had to be written."""

    plan: Plan
    written: WrittenVersion | None = None
    restored: str = ""
    """The id of the version that was put back."""
    is_in_force: bool = True
    """Whether the secret is as the plan has it, and nobody has changed it since."""


def apply(context: ChangeContext, plan: Plan, renewal: Renewal | None = None, leave: bool = False) -> SecretResult:
    """Write a plan, let the database take its new password, redeploy every consumer, watch, and prove.

    Killed at any point, a second run finishes or undoes it: until then the version holds a label of ours. Where a
    consumer fails, the former version is made current and redeployed again, unless `leave` says that it shall stay.
    Raises ConflictError where somebody else has changed the secret since the plan was made, and CouldNotLook where AWS
    or the database refuses: AWSCURRENT then is where it was, or a second run goes on from there.
    """
    if plan.unread:
        raise CouldNotLook(f"{plan.unread} Without it no roll-out can be watched. Nothing was written.")
    return _SecretChange(context, plan, renewal or Renewal({}), leave).carry_out()


class _SecretChange:
    """A change of the secret under way: its steps, and what has come of them."""

    def __init__(self, context: ChangeContext, plan: Plan, renewal: Renewal, leave: bool) -> None:
        self._context, self._plan, self._leave = context, plan, leave
        self._writer = SecretWriter(context.clients, plan, renewal)
        self._former = _former(plan, renewal)
        self._consumers: tuple[Service, ...] = plan.consumers
        self._redeployment = Redeployment(context, lambda: self._consumers, to_the_end=leave)
        self._way_back = Redeployment(context, self._reached, is_back=True)
        # With one role the way back needs the former password; with two, tasks may use the new one until replaced.
        self._alternates = renewal.rotation is not None and renewal.rotation.alternates
        self._failure: Failure | None = None
        self._is_withdrawn = False
        self._database = ""

    def carry_out(self) -> SecretResult:
        journal = Journal()
        leave = self._leave or self._former is None
        with self._writer.clearing_up():
            works = execute(self._steps(), self._context.announce, journal, self._afterwards(), leave)
        execute([self._writer.release()], self._context.announce, journal)
        restored = self._former.base if self._former and self._is_withdrawn else ""
        overtaken = tuple(failure.overtaken(r) for r in self._redeployment.rollouts if r.state == "overtaken")
        result = SecretResult(
            plan=self._plan,
            written=self._writer.written,
            changes=tuple(journal.changes),
            rollouts=self._redeployment.rollouts,
            back=self._way_back.rollouts,
            restored=restored,
            undone=self._undone() if self._failure else "",
            findings=self._failure.findings(self._keys, self._undone()) if self._failure else overtaken,
            is_in_force=works or leave,
        )
        return result if restored or not (result.written or result.rollouts) else self._look_again(result)

    @property
    def _keys(self) -> str:
        return ", ".join(change.key for change in self._plan.changed)

    def _steps(self) -> tuple[Step, ...]:
        again = f"restore version {self._plan.base[:8]}" if self._plan.exists else "run again, and they are taken back"
        in_force = f"The new values are still in force, and tasks fail with them: {again}."
        withdraw = Step(name="withdraw", apply=self._withdraw, advice=in_force)
        give_back = Step(name="", apply=self._give_back, is_done=lambda: self._alternates or not self._is_withdrawn)
        return (
            *self._writer.steps(undo=(withdraw, give_back)),
            Step(name="", apply=self._find_consumers, is_done=lambda: not self._writer.written),
            *self._redeployment.steps("The new values are in force: run again to see them proved."),
            Step(name="", apply=self._explain, is_done=lambda: not self._redeployment.failed, advice=in_force),
        )

    def _afterwards(self) -> tuple[Step, ...]:
        former = self._former.base[:8] if self._former else ""
        give_back = Step(name="", apply=self._give_back, is_done=lambda: not (self._alternates and self._is_withdrawn))
        advice = f"Version {former} is current again: run again with values_from keep to see it everywhere."
        return (*self._way_back.steps(advice), give_back)

    def _find_consumers(self) -> None:
        """See who uses the secret now: a service may have come, or gone, since the plan was made."""
        snapshot = self._context.look()
        self._consumers = self._plan.consumers if why_unread(snapshot) else users(snapshot)

    def _explain(self) -> None:
        rollouts = self._redeployment.rollouts
        self._failure = failure.explain(self._context, self._context.look(), rollouts, self._keys)
        raise StepFailed

    def _withdraw(self) -> Iterator[Change]:
        assert self._former, "without a former version nothing is undone"
        self._is_withdrawn = SecretWriter(self._context.clients, self._former).withdraw()
        for change in self._plan.changed if self._is_withdrawn else ():
            yield Change(key=change.key, action="put back", version=self._former.base)

    def _give_back(self) -> None:
        try:
            self._database = self._writer.give_back()
        except CouldNotLook as error:
            self._database = (
                f"{error} Rotate once more with database_url_from, so that secret and database agree again."
            )

    def _reached(self) -> tuple[Service, ...]:
        """The services whose new tasks were begun, where they are to go back."""
        if not self._is_withdrawn or self._failure is None:
            return ()
        begun = {rollout.service for rollout in self._redeployment.rollouts if rollout.deployment_id}
        return tuple(service for service in self._failure.snapshot.consumers if service.name in begun)

    def _undone(self) -> str:
        """What was put back and how that went, in sentences."""
        if self._leave or self._former is None:
            return LEFT if self._leave else NOTHING_BEFORE
        if not self._is_withdrawn:
            return "The former version was not put back: somebody else has changed the secret meanwhile. Run verify."
        back = self._way_back.rollouts
        done = ", ".join(rollout.service for rollout in back if rollout.state == "done")
        sentences = (
            f"Version {self._former.base[:8]} is current again.",
            f"New tasks of {done} run with it." if done else "",
            *(
                f"{rollout.service} has none of them yet: {rollout.reason}"
                for rollout in back
                if rollout.state != "done"
            ),
            self._database,
        )
        return " ".join(filter(None, sentences))

    def _look_again(self, result: SecretResult) -> SecretResult:
        """Ask once more which version is current: somebody may have written while tasks were replaced."""
        plan, sentence = self._plan, ""
        try:
            is_as_before = self._writer.is_current(plan.base)
            if result.written and is_as_before:
                sentence = (
                    f"Somebody has made version {plan.base} current again, as it was before this run. Run verify."
                )
            elif result.written:
                self._writer.prove()
            elif not is_as_before:
                sentence = f"Version {plan.base} was current when this run began, and no longer is. Run again."
        except ConflictError as error:
            sentence = str(error)
        if not sentence:
            return result
        later = failure.moved_on(plan.secret_name, sentence)
        return replace(result, findings=(*result.findings, later), is_in_force=False)


def _former(plan: Plan, renewal: Renewal) -> Plan | None:
    """The plan whose version has to be withdrawn: this run's, or the one of a run that was killed after its write."""
    left = renewal.unfinished
    if not plan.is_empty:
        return plan if plan.base else None
    return replace(plan, base=left.base, token=left.version_id) if left and left.is_current else None
