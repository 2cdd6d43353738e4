"""The carrying out of a fix: each step on what the plan was made on and nothing else, then new tasks, then proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from omc_runbook.aws import definitions, ecs, iam, secretsmanager
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.session import ReadFailure, insist, look
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Step, StepFailed, execute
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.rollback import Rollback
from omc_runbook.changes.fix.steps import Correction, FixStep, Grant, PutBack, Undelete
from omc_runbook.changes.secret import create
from omc_runbook.changes.secret.writer import SecretWriter
from omc_runbook.diagnosis import root_causes
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.roles import DECRYPT

GRANTED_WITHIN = 30.0
"""Seconds within which IAM should say that a new permission is in force; then the tasks have to tell."""
UNTOLD = 10.0
"""Seconds that are given to a new permission where nobody may ask IAM about it."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class FixResult(ChangeResult):
    """A fix that was carried out; `steps` are those that are in force."""

    plan: FixPlan
    steps: tuple[FixStep, ...]


def apply(context: ChangeContext, plan: FixPlan, journal: Journal | None = None) -> FixResult:
    """Take every step, give the services new tasks, watch them, and look once more; what fails is taken back.

    Killed at any point, another plan and another run finish it: what is done is no finding any more. `journal` is that
    of the change that this fix is a part of. Raises ConflictError where something else is there than the plan was made
    on, and it stays as it is; CouldNotLook where AWS refuses. Both tell what had been done before.
    """
    if plan.unread and plan.steps:
        raise CouldNotLook(f"{plan.unread} Without it no roll-out can be watched. Nothing was written.")
    return _Fix(context, plan, journal or Journal()).carry_out()


class _Fix:
    """A fix under way: what must still be as it was, and what has come of its steps."""

    def __init__(self, context: ChangeContext, plan: FixPlan, journal: Journal) -> None:
        self._context, self._plan, self._clients, self._journal = context, plan, context.clients, journal
        self._current, self._is_deleted = plan.current, any(isinstance(step, Undelete) for step in plan.steps)
        self._revisions: dict[str, str] = {}
        self._registered: set[str] = set()
        self._rollback = Rollback(context, plan.steps)
        held = {entry.service.name: entry.held for entry in plan.redeploys if entry.held}
        self._redeployment = Redeployment(context, self._services, self._revisions, held)
        self._found: tuple[Finding, ...] = ()

    def carry_out(self) -> FixResult:
        plan, rollback, begun = self._plan, self._rollback, len(self._journal.changes)
        works = execute(self._steps(), self._context.announce, self._journal, rollback.afterwards())
        rollouts = self._redeployment.rollouts
        overtaken = tuple(failure.overtaken(rollout) for rollout in rollouts if rollout.state == "overtaken")
        is_left = (finding for finding in self._found if finding.is_problem and _is_among(finding, plan.because))
        return FixResult(
            plan=plan,
            steps=rollback.kept,
            changes=tuple(self._journal.changes[begun:]),
            rollouts=rollouts,
            back=rollback.rollouts,
            undone=rollback.sentence,
            findings=overtaken if works else rollback.findings,
            remaining=tuple(is_left) if works else (),
        )

    def _steps(self) -> tuple[Step, ...]:
        fixes = map(self._as_step, self._plan.steps)
        return (*fixes, *self._redeployment.steps(), Step(name="look", apply=self._look))

    def _as_step(self, step: FixStep) -> Step:
        name, act = self._named(step)

        def apply() -> Iterator[Change]:
            self._insist_on_secret()
            yield from act()

        return Step(name=name, apply=apply, undo=self._rollback.undo(step))

    def _named(self, step: FixStep) -> tuple[str, Callable[[], Iterator[Change]]]:
        """A step's word, and what it does."""
        match step:
            case Undelete():
                return "undelete", partial(self._undelete, step)
            case PutBack():
                return "move", partial(self._put_back, step)
            case Grant():
                return "grant", partial(self._grant, step)
            case Correction():
                return "" if step.begun else "register", partial(self._correct, step)

    def _services(self) -> tuple[Service, ...]:
        """Who gets new tasks: all but those that would fail all the same, unless they get another revision."""
        redeploys = self._plan.redeploys
        going = tuple(entry.service for entry in redeploys if not entry.held)
        return (*going, *(e.service for e in redeploys if e.held and e.service.name in self._revisions))

    def _look(self) -> None:
        """See what is there now; raises StepFailed where tasks failed."""
        rollouts, failed = self._redeployment.rollouts, self._redeployment.failed
        if failed and not any(rollout.deployment_id for rollout in rollouts):
            # AWS let no service have new tasks: none can fail, and nothing is to be taken back.
            raise CouldNotLook(failed[0].reason)
        snapshot = self._context.look()
        self._found = root_causes.diagnose(snapshot)
        if failed:
            self._rollback.learn(snapshot, self._found, rollouts)
            raise StepFailed

    def _insist_on_secret(self) -> None:
        """See that the secret is the one that the plan was made on, with the version that should be current."""
        plan, problem = self._plan, ""
        if not plan.secret_arn:
            return
        secret = create.described(self._clients, plan.secret_arn)
        if secret is None:
            problem = "is gone, or was created anew"
        elif secret.deleted and not self._is_deleted:
            problem = "has been scheduled for deletion"
        elif secret.version_at(CURRENT) != self._current:
            problem = f"has version {secret.version_at(CURRENT) or 'none'} as its current one"
        if problem:
            raise ConflictError(
                f"{plan.secret_name} {problem} since the plan was made: run again to plan on what is there."
            )

    def _undelete(self, step: Undelete) -> Iterator[Change]:
        name, client = step.secret.name, self._clients("secretsmanager")
        _change(
            f"secret {name}", "secretsmanager:RestoreSecret", lambda: secretsmanager.restore(client, step.secret.arn)
        )
        self._is_deleted = False
        yield Change(action="restored", secret=name)
        self._insist_on_secret()

    def _put_back(self, step: PutBack) -> Iterator[Change]:
        yield from SecretWriter(self._clients, step.plan).move()
        self._current = step.plan.token

    def _grant(self, step: Grant) -> Iterator[Change]:
        client, what = self._clients("iam"), f"policy {step.policy} of role {step.role}"
        there = insist(what, "iam:GetRolePolicy", lambda: iam.find_inline(client, step.role, step.policy))
        if there is not None:
            raise ConflictError(
                f"Somebody has given role {step.role} a policy {step.policy} since the plan was made: it was not"
                " written over. Run again to plan on what is there."
            )
        _change(what, "iam:PutRolePolicy", lambda: iam.put_inline(client, step.role, step.policy, step.document))
        yield Change(action="granted", role=step.role, policy=step.policy)
        self._await(step)

    def _await(self, step: Grant) -> None:
        """Wait until IAM says that a new permission is in force: a task that starts before would fail."""
        client, clock = self._clients("iam"), self._context.clock
        via = {"kms:ViaService": f"secretsmanager.{self._plan.names.region}.amazonaws.com"}
        end = clock.monotonic() + GRANTED_WITHIN
        while clock.monotonic() < end:
            answers = look(
                f"what role {step.role} may do",
                "iam:SimulatePrincipalPolicy",
                lambda: iam.simulate(
                    client, step.role_arn, [step.action], [step.resource], via if step.action == DECRYPT else None
                ),
            )
            if isinstance(answers, ReadFailure):
                clock.sleep(UNTOLD)
                return
            if any(answer.decision == "allowed" for answer in answers):
                return
            clock.sleep(1)

    def _correct(self, step: Correction) -> Iterator[Change]:
        client, planned = self._clients("ecs"), step.definition
        names = [service.name for service in step.services]
        for batch in ecs.batches(names, ecs.SERVICES_A_CALL):
            services = insist(
                f"services {', '.join(batch)}",
                "ecs:DescribeServices",
                lambda batch=batch: ecs.describe_services(client, self._context.cluster, batch),  # type: ignore[misc]
            )
            now = {service.name: service.task_definition_arn for service in services}
            for name in batch:
                expected = step.begun or planned.arn
                if now.get(name) != expected:
                    runs = now[name].rpartition("/")[2] if name in now else "nothing"
                    raise ConflictError(
                        f"{name} runs {runs} and no longer {expected.rpartition('/')[2]}, on which the plan was made:"
                        " it stays as it is. Run again to plan on that."
                    )
        revision = step.begun
        if not revision:
            corrected, is_new = self._revision(step)
            revision = corrected.arn
            if is_new:
                yield Change(action="registered", task_definition=corrected.label)
        self._revisions |= dict.fromkeys(names, revision)

    def _revision(self, step: Correction) -> tuple[TaskDefinition, bool]:
        """The corrected revision, and whether it is new: an earlier run's is taken where it is the newest."""
        client, planned = self._clients("ecs"), step.definition
        what, read = f"task definition {planned.family}", "ecs:DescribeTaskDefinition"
        newest = insist(what, read, lambda: definitions.describe_task_definition(client, planned.family))
        if insist(what, read, lambda: definitions.is_edited(client, newest.arn, planned.arn, step.edits)):
            return newest, False
        is_later = newest.registered is not None and newest.registered > self._plan.made
        if is_later and newest.arn not in self._registered:
            raise ConflictError(
                f"Somebody has registered {newest.label} since the plan was made: it stays as it is, and none was"
                " registered after it. Run again to plan on what is there."
            )
        edited = _change(
            what, "ecs:RegisterTaskDefinition", lambda: definitions.register_edited(client, planned.arn, step.edits)
        )
        self._registered.add(edited.arn)
        return edited, True


def _change(what: str, permission: str, call: Callable[[], T]) -> T:
    return insist(what, permission, call, "change")


def _is_among(finding: Finding, planned: Sequence[Finding]) -> bool:
    """Whether a finding is one of those that were to be mended; of a new revision it has another subject."""
    same = (other for other in planned if other.check == finding.check)
    return any(other.services & finding.services or other.subject == finding.subject for other in same)
