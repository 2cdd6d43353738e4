"""What a fix takes back because tasks fail with it, and what stays because it is right by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from omc_runbook.aws import iam
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.session import insist
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.failure import Failure
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import Step
from omc_runbook.changes.fix.steps import Correction, FixStep, Grant, PutBack
from omc_runbook.changes.secret.writer import SecretWriter
from omc_runbook.model.change import Change
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot

NOTHING = "Nothing was taken back: every step is right by itself, and harms no running task."


class Rollback:
    """The taking back of those steps of a fix with which tasks fail.

    A service whose tasks fail goes back to its former revision; a permission is withdrawn that did not let its role
    read; the former version of the secret becomes current again where no service ran with the other. Nothing of it
    does anything before `learn` has said what failed.
    """

    def __init__(self, context: ChangeContext, steps: Sequence[FixStep]) -> None:
        self._context, self._steps = context, steps
        corrections = [step for step in steps if isinstance(step, Correction)]
        self._services = {service.name: service for step in corrections for service in step.services}
        self._former = {service.name: step.definition for step in corrections for service in step.services}
        revisions = {name: definition.arn for name, definition in self._former.items()}
        self._redeployment = Redeployment(context, self._corrected, revisions, is_back=True)
        self._taken_back: list[FixStep] = []
        self._sentences: list[str] = []
        self._rollouts: Sequence[Rollout] = ()
        self._found: Sequence[Finding] = ()
        self._failure: Failure | None = None

    def learn(self, snapshot: Snapshot, found: Sequence[Finding], rollouts: Sequence[Rollout]) -> None:
        """Take in what failed: the roll-outs, how the environment stands, and what is found in that."""
        self._found, self._rollouts = found, rollouts
        self._failure = failure.explain(self._context, snapshot, rollouts)

    def undo(self, step: FixStep) -> tuple[Step, ...]:
        """The steps that take one of the fix back, as far as it is no use."""
        match step:
            case Grant():
                return (
                    Step(name="withdraw", apply=lambda: self._revoke(step), is_done=lambda: not self._is_useless(step)),
                )
            case PutBack():
                return (Step(name="withdraw", apply=lambda: self._withdraw(step), is_done=self._is_proved),)
            case _:
                return ()

    def afterwards(self) -> tuple[Step, ...]:
        """The steps by which services get their former revision again."""
        return self._redeployment.steps()

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        """The services' way back."""
        return self._redeployment.rollouts

    @property
    def kept(self) -> tuple[FixStep, ...]:
        """The steps that stay in force, corrections for the services that keep them."""
        kept = [self._kept(step) for step in self._steps if step not in self._taken_back]
        return tuple(step for step in kept if not isinstance(step, Correction) or step.services)

    @property
    def sentence(self) -> str:
        """What was taken back and how that went; "" where nothing failed."""
        if self._failure is None:
            return ""
        returned = (
            f"{each.service} has {self._former[each.service].label} again{_how(each)}." for each in self.rollouts
        )
        return " ".join((*self._sentences, *returned)) or NOTHING

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Why tasks failed, and that they did."""
        return self._failure.findings("", self.sentence) if self._failure else ()

    @property
    def _names(self) -> frozenset[str]:
        return frozenset(rollout.service for rollout in self._failure.failed) if self._failure else frozenset()

    def _kept(self, step: FixStep) -> FixStep:
        if isinstance(step, Correction):
            return replace(step, services=tuple(each for each in step.services if each.name not in self._names))
        return step

    def _corrected(self) -> tuple[Service, ...]:
        return tuple(service for name, service in self._services.items() if name in self._names)

    def _is_proved(self) -> bool:
        return any(rollout.state == "done" for rollout in self._rollouts)

    def _is_useless(self, grant: Grant) -> bool:
        """Whether the role still lacks what it was granted."""
        checks = {finding.check for finding in grant.because}
        return any(each.is_problem and each.check in checks and each.subject == grant.role for each in self._found)

    def _revoke(self, grant: Grant) -> Iterator[Change]:
        client = self._context.clients("iam")
        insist(
            f"policy {grant.policy} of role {grant.role}",
            "iam:DeleteRolePolicy",
            lambda: iam.delete_inline(client, grant.role, grant.policy),
            "change",
        )
        self._taken_back.append(grant)
        self._sentences.append(
            f"Policy {grant.policy} was taken away from role {grant.role} again: it still could not read the secret."
        )
        yield Change(action="revoked", role=grant.role, policy=grant.policy)

    def _withdraw(self, step: PutBack) -> Iterable[Change]:
        plan = step.plan
        self._taken_back.append(step)
        if not SecretWriter(self._context.clients, plan).withdraw():
            self._sentences.append("The version was not taken back: somebody else has changed the secret meanwhile.")
            return ()
        # No task runs with the version that is withdrawn, so none has to be replaced.
        self._sentences.append(f"Version {plan.base[:8]} is current again: no service ran with the other.")
        return (Change(action="withdrawn", secret=plan.secret_name, version=plan.token),)


def _how(rollout: Rollout) -> str:
    """How a service stands after its way back."""
    return ", and runs with it" if rollout.state == "done" else f", as before: {rollout.reason.rstrip('.')}"
