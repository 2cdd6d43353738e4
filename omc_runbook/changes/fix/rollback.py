"""The rollback of a fix after tasks failed: which steps are undone, and which stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.failure import Failure
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import Step
from omc_runbook.changes.fix.steps import Correction, FixStep, Grant, RestoreVersion
from omc_runbook.changes.secret.current_version import InterruptedAfterMove
from omc_runbook.changes.secret.writer import SecretWriter
from omc_runbook.changes.take_back import Reversal, is_back
from omc_runbook.model.change import Change
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot

NOTHING = "Nothing was taken back: every step is correct by itself, and harms no running task."


class Rollback:
    """Undoes the steps of a fix with which tasks fail.

    A service whose tasks fail goes back to its former revision; a grant that did not help is revoked; the former
    version of the secret becomes current again where no service ran with the other. Does nothing before
    `record_failure`.
    """

    def __init__(self, context: ChangeContext, steps: Sequence[FixStep]) -> None:
        self._context, self._steps = context, steps
        corrections = [step for step in steps if isinstance(step, Correction)]
        self._services = {service.name: service for step in corrections for service in step.services}
        self._former_definitions = {service.name: step.definition for step in corrections for service in step.services}
        revisions = {name: definition.arn for name, definition in self._former_definitions.items()}
        self._redeployment = Redeployment(
            context, self._services_to_return, revisions, is_back=True, undo=lambda: self._rollouts
        )
        self._undone_steps: list[FixStep] = []
        self._sentences: list[str] = []
        self._rollouts: Sequence[Rollout] = ()
        self._findings: Sequence[Finding] = ()
        self._failure: Failure | None = None

    def record_failure(self, snapshot: Snapshot, findings: Sequence[Finding], rollouts: Sequence[Rollout]) -> None:
        """Record the failed roll-outs, and the environment's snapshot and findings."""
        self._findings, self._rollouts = findings, rollouts
        self._failure = failure.explain(self._context, snapshot, rollouts)

    def undo(self, step: FixStep) -> tuple[Step, ...]:
        """The steps that undo one step of the fix, where it did not help."""
        match step:
            case Grant():
                return (
                    Step(name="withdraw", apply=lambda: self._revoke(step), is_done=lambda: not self._is_useless(step)),
                )
            case RestoreVersion():
                return (Step(name="withdraw", apply=lambda: self._withdraw(step), is_done=self._is_kept),)
            case _:
                return ()

    def afterwards(self) -> tuple[Step, ...]:
        """The steps that give services their former revision again."""
        return self._redeployment.steps()

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        """The deployments back to the former revision."""
        return self._redeployment.rollouts

    @property
    def kept_steps(self) -> tuple[FixStep, ...]:
        """The steps that stay in force; corrections only for the services that keep them."""
        return without([step for step in self._steps if step not in self._undone_steps], self._failed_services)

    @property
    def sentence(self) -> str:
        """What was rolled back, with its result; "" where nothing failed."""
        if self._failure is None:
            return ""
        returns = (
            f"{each.service} has {self._former_definitions[each.service].label} again{_state_after(each)}."
            if is_back(each)
            else f"{each.service} does not have {self._former_definitions[each.service].label} again: {each.reason}"
            for each in self.rollouts
        )
        return " ".join((*self._sentences, *returns)) or NOTHING

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The causes of the failure, and the failure itself."""
        return self._failure.findings("", self.sentence) if self._failure else ()

    @property
    def _failed_services(self) -> frozenset[str]:
        return frozenset(rollout.service for rollout in self._failure.rollouts) if self._failure else frozenset()

    def _services_to_return(self) -> tuple[Service, ...]:
        return tuple(service for name, service in self._services.items() if name in self._failed_services)

    def _is_kept(self) -> bool:
        """Whether no task failed, or some service runs."""
        return self._failure is None or any(rollout.state == "done" for rollout in self._rollouts)

    def _is_useless(self, grant: Grant) -> bool:
        """Whether the role still lacks the permission."""
        checks = {finding.check for finding in grant.because}
        return any(each.is_problem and each.check in checks and each.subject == grant.role for each in self._findings)

    def _revoke(self, grant: Grant) -> Iterator[Change]:
        granted = Change(action="granted", role=grant.role, policy=grant.policy)
        [undo] = grant.undos("")
        reversal = Reversal({"": self._context}, [undo], changed={"": (granted,)})
        is_gone = True
        for change in reversal.revoke(undo):
            is_gone = False
            yield change
        if reversal.is_complete:
            self._undone_steps.append(grant)
        self._sentences.append(reversal.sentence)
        if not (reversal.is_complete and is_gone):
            self._sentences.append(f"With policy {grant.policy}, the role could not read the secret.")

    def _withdraw(self, step: RestoreVersion) -> Iterator[Change]:
        plan = step.plan
        self._undone_steps.append(step)
        withdrawn = Change(action="withdrawn", secret=plan.secret_name, version=plan.token)
        try:
            has_moved = SecretWriter(self._context.clients, plan).move_back()
        except InterruptedAfterMove:
            yield withdrawn
            raise
        if not has_moved:
            self._sentences.append(
                "The former version was not restored: somebody else has changed the secret meanwhile."
            )
            return
        # No task runs with the withdrawn version, so none has to be replaced.
        self._sentences.append(f"Version {plan.short(plan.base)} is current again: no service ran with the other.")
        yield withdrawn


def without(steps: Iterable[FixStep], services: Collection[str]) -> tuple[FixStep, ...]:
    """Steps without the services of these names, and without the corrections that then have none."""
    remaining = (
        replace(step, services=tuple(each for each in step.services if each.name not in services))
        if isinstance(step, Correction)
        else step
        for step in steps
    )
    return tuple(step for step in remaining if not isinstance(step, Correction) or step.services)


def _state_after(rollout: Rollout) -> str:
    """A service's state after its rollback."""
    return ", and runs with it" if rollout.state == "done" else f", as before: {rollout.reason.rstrip('.')}"
