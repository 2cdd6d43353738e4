"""Executes a fix: each step only on the state that the plan was made on, then new tasks, then verification."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from omc_runbook.aws import definitions, ecs, iam, secretsmanager
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.failures import ReadFailure, attempt, look
from omc_runbook.aws.secretsmanager import CURRENT, Secret
from omc_runbook.aws.session import make_change, require
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Made, Step, StepFailed, execute
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.rollback import Rollback, without
from omc_runbook.changes.fix.steps import Correction, FixStep, Grant, RestoreSecret, RestoreVersion
from omc_runbook.changes.secret import current_version
from omc_runbook.changes.secret.writer import SecretWriter
from omc_runbook.changes.take_back import Reversal
from omc_runbook.diagnosis import root_causes
from omc_runbook.model.change import Change
from omc_runbook.model.errors import CouldNotLook, outdated_plan
from omc_runbook.model.findings import Finding
from omc_runbook.model.grouping import batches
from omc_runbook.snapshot.roles import DECRYPT

GRANT_TIMEOUT = 30.0
"""Seconds to wait until IAM simulates a new permission as allowed."""
UNSIMULATED_WAIT = 10.0
"""Seconds to wait for a new permission where iam:SimulatePrincipalPolicy is denied."""

_State = tuple[datetime | None, str]
"""For when the secret is scheduled for deletion, and its current version."""


@dataclass(frozen=True, kw_only=True)
class FixResult(ChangeResult):
    """An executed fix; `steps` are those in force."""

    plan: FixPlan
    steps: tuple[FixStep, ...]


def apply(context: ChangeContext, plan: FixPlan, journal: Journal | None = None) -> FixResult:
    """Execute every step, redeploy the services, watch them, and diagnose again; roll back where tasks fail.

    After a kill at any point, a new plan and another run finish it. `journal` is that of the change that this fix is
    part of. Raises ConflictError where the state is not the one that the plan was made on, which then stays, and
    CouldNotLook where AWS refuses. Both list the changes made before.
    """
    if plan.consumers_unknown and plan.steps:
        raise CouldNotLook(f"{plan.consumers_unknown} Without that no roll-out can be watched. Nothing was written.")
    return _Fix(context, plan, journal or Journal(context.tell)).carry_out()


class _Fix:
    """A running fix: the expected state, and the results of its steps."""

    def __init__(self, context: ChangeContext, plan: FixPlan, journal: Journal) -> None:
        self._context, self._plan, self._clients, self._journal = context, plan, context.clients, journal
        self._current, self._is_deleted = plan.current, any(isinstance(step, RestoreSecret) for step in plan.steps)
        self._state: _State = None, ""
        self._former_states: set[_State] = {(None, plan.former)} if plan.former else set()
        self._revisions: dict[str, str] = {}
        self._registered: set[str] = set()
        self._rollback = Rollback(context, plan.steps)
        blockers = {entry.service.name: entry.blocker for entry in plan.redeploys if entry.blocker}
        self._redeployment = Redeployment(context, self._services, self._revisions, blockers, underway=plan.underway)
        self._findings: tuple[Finding, ...] = ()

    def carry_out(self) -> FixResult:
        plan, rollback, first_change = self._plan, self._rollback, len(self._journal.changes)
        works = execute(self._steps(), self._context.announce, self._journal, rollback.afterwards())
        rollouts = self._redeployment.rollouts
        reversal = None
        if self._journal.is_cancelled:
            # Of this environment alone: the journal may have those before it, with services of the same names.
            name, changes = plan.begun_in, self._journal.changes[first_change:]
            reversal = Reversal({name: self._context}, plan.undos(name), rollouts, {name: changes})
            execute(reversal.steps(), self._context.announce, self._journal)
        remaining = (finding for finding in self._findings if finding.is_problem and _is_among(finding, plan.because))
        overtaken = {each.service for each in rollouts if each.theirs}
        result = FixResult(
            plan=plan,
            steps=() if reversal else without(rollback.kept_steps, overtaken),
            changes=tuple(self._journal.changes[first_change:]),
            rollouts=rollouts,
            rollbacks=rollback.rollouts,
            rollback_note=rollback.sentence,
            findings=failure.find_unproved(rollouts) if works else rollback.findings,
            remaining=tuple(remaining) if works else (),
        )
        return reversal.cancelled(result, plan.secret_name) if reversal else result

    def _steps(self) -> tuple[Step, ...]:
        fixes = [self._as_step(step) for step in self._plan.steps]
        # Each of these sees whether another run was faster.
        fixes = fixes or [Step(name="", apply=self._insist_on_deployments)]
        return (*fixes, *self._redeployment.steps(), Step(name="look", apply=self._look))

    def _as_step(self, step: FixStep) -> Step:
        name, act = self._action(step)

        def apply() -> Iterator[Made]:
            self._insist_on_secret()
            yield from act()

        return Step(name=name, apply=apply, undo=self._rollback.undo(step))

    def _action(self, step: FixStep) -> tuple[str, Callable[[], Iterator[Made]]]:
        """A step's announced name, and its action."""
        match step:
            case RestoreSecret():
                return "undelete", partial(self._undelete, step)
            case RestoreVersion():
                return "move", partial(self._put_back, step)
            case Grant():
                return "grant", partial(self._grant, step)
            case Correction():
                return "" if step.revision_arn else "register", partial(self._correct, step)

    def _services(self) -> tuple[Service, ...]:
        """The services to redeploy: those without a blocker, and those with a new revision."""
        blocked = (entry.service for entry in self._plan.redeploys if entry.blocker)
        return (*self._plan.redeployed, *(service for service in blocked if service.name in self._revisions))

    def _look(self) -> None:
        """Read and diagnose the environment; raises StepFailed where tasks failed."""
        rollouts, failed = self._redeployment.rollouts, self._redeployment.failed
        if failed and not any(rollout.deployment_id for rollout in rollouts):
            # ECS refused every deployment, so no task failed and nothing needs a rollback.
            raise CouldNotLook(failed[0].reason)
        snapshot = self._context.look()
        self._findings = root_causes.diagnose(snapshot)
        if failed:
            self._rollback.record_failure(snapshot, self._findings, rollouts)
            raise StepFailed

    def _insist_on_secret(self) -> None:
        """Verify that the secret and its current version are those that the plan was made on."""
        plan, problem = self._plan, ""
        if not plan.secret_arn:
            return
        # A read may still show what was there before a step of this run.
        secret = current_version.read_after_write(
            partial(current_version.describe, self._clients("secretsmanager"), plan.secret_arn, plan.secret_arn),
            lambda secret: secret is not None and _state_of(secret) in self._former_states,
        )
        if secret is None:
            problem = "was deleted or recreated"
        elif bool(secret.deleted) != self._is_deleted:
            problem = "was scheduled for deletion" if secret.deleted else "was restored"
        elif secret.version_at(CURRENT) != self._current:
            problem = f"got the current version {secret.version_at(CURRENT) or 'none'}"
        if problem:
            raise outdated_plan(f"{plan.secret_name} {problem} since the plan was made.")
        assert secret, "else it was deleted"
        self._state = _state_of(secret)

    def _insist_on_deployments(self) -> None:
        """Verify that nobody has deployed the services since the plan was made."""
        planned = {service.name: service for service in self._plan.redeployed}
        for service in self._describe([*planned]):
            primary, before = service.primary, planned[service.name].primary
            if primary and before and primary.id != before.id and service.name not in self._plan.underway:
                raise outdated_plan(
                    f"{service.name} was deployed since the plan was made, by {primary.id}: it was not deployed again."
                )

    def _undelete(self, step: RestoreSecret) -> Iterator[Change]:
        name, client = step.secret.name, self._clients("secretsmanager")
        restore = partial(secretsmanager.restore, client, step.secret.arn)

        def is_restored() -> bool:
            secret = current_version.describe(client, step.secret.arn, name)
            return secret is not None and not secret.deleted

        make_change(f"secret {name}", "secretsmanager:RestoreSecret", restore, is_restored)
        self._former_states.add(self._state)
        self._is_deleted = False
        yield Change(action="restored", secret=name)
        self._insist_on_secret()

    def _put_back(self, step: RestoreVersion) -> Iterator[Made]:
        yield from SecretWriter(self._clients, step.plan).move()
        self._former_states.add(self._state)
        self._current = step.plan.token

    def _grant(self, step: Grant) -> Iterator[Change]:
        client, what = self._clients("iam"), f"policy {step.policy} of role {step.role}"
        read = partial(require, what, "iam:GetRolePolicy", partial(iam.find_inline, client, step.role, step.policy))
        if read() is not None:
            raise outdated_plan(
                f"Somebody has given role {step.role} a policy {step.policy} since the plan was made: it was not"
                " overwritten."
            )
        put_policy = partial(iam.put_inline, client, step.role, step.policy, step.document)

        def is_put() -> bool:
            found = read()
            return found is not None and found.document == json.loads(step.document)

        make_change(what, "iam:PutRolePolicy", put_policy, is_put)
        yield Change(action="granted", role=step.role, policy=step.policy)
        self._await(step)

    def _await(self, step: Grant) -> None:
        """Wait until IAM simulates a new permission as allowed: a task that starts before would fail."""
        client, clock = self._clients("iam"), self._context.clock
        via = {"kms:ViaService": f"secretsmanager.{self._plan.names.region}.amazonaws.com"}
        context = via if step.action == DECRYPT else None
        simulate = partial(iam.simulate, client, step.role_arn, [step.action], [step.resource], context)
        end = clock.monotonic() + GRANT_TIMEOUT
        while clock.monotonic() < end:
            answers = look(f"what role {step.role} may do", "iam:SimulatePrincipalPolicy", simulate)
            if isinstance(answers, ReadFailure):
                clock.sleep(UNSIMULATED_WAIT)
                return
            if any(answer.decision == "allowed" for answer in answers):
                return
            clock.sleep(1)

    def _correct(self, step: Correction) -> Iterator[Change]:
        names = [service.name for service in step.services]
        now = {service.name: service.task_definition_arn for service in self._describe(names)}
        for name in names:
            expected_arn = step.revision_arn or step.definition.arn
            if now.get(name) != expected_arn:
                runs = now[name].rpartition("/")[2] if name in now else "nothing"
                raise outdated_plan(
                    f"{name} runs {runs} and no longer {expected_arn.rpartition('/')[2]} of the plan: it was not"
                    " changed."
                )
        revision = step.revision_arn
        if not revision:
            corrected, newest = self._revision(step)
            revision = corrected.arn
            if corrected != newest:
                yield Change(action="registered", task_definition=corrected.label)
                self._insist_on_first(corrected, newest)
        self._revisions |= dict.fromkeys(names, revision)

    def _describe(self, names: Sequence[str]) -> Iterator[Service]:
        """Services as they are now."""
        client, cluster = self._clients("ecs"), self._context.cluster
        for batch in batches(names, ecs.SERVICES_A_CALL):
            describe = partial(ecs.describe_services, client, cluster, batch)
            yield from require(f"services {', '.join(batch)}", "ecs:DescribeServices", describe)

    def _revision(self, step: Correction) -> tuple[TaskDefinition, TaskDefinition]:
        """The corrected revision, and the newest before it; an earlier run's is used where it is the newest."""
        client, definition = self._clients("ecs"), step.definition
        what, read = f"task definition {definition.family}", "ecs:DescribeTaskDefinition"
        newest = require(what, read, lambda: definitions.describe_task_definition(client, definition.family))
        if self._is_later(newest):
            raise outdated_plan(
                f"Somebody has registered {newest.label} since the plan was made: no other revision was registered."
            )
        if require(what, read, lambda: definitions.is_edited(client, newest.arn, definition.arn, step.edits)):
            return newest, newest
        register = partial(definitions.register_edited, client, definition.arn, step.edits)
        edited, attempts = require(what, "ecs:RegisterTaskDefinition", register, "change")
        family_arn, last = edited.arn.rpartition(":")[0], edited.revision
        self._registered |= {f"{family_arn}:{number}" for number in range(last - attempts + 1, last + 1)}
        return edited, newest

    def _insist_on_first(self, corrected: TaskDefinition, newest: TaskDefinition) -> None:
        """Raise ConflictError where another run of this plan has registered its revision in between.

        ECS numbers revisions one by one, so that of two runs at once only one is the first.
        """
        before = corrected.revision - 1
        if before == newest.revision:
            return
        label = f"{corrected.family}:{before}"
        describe = partial(definitions.describe_task_definition, self._clients("ecs"), label)
        other = attempt(f"task definition {label}", "ecs:DescribeTaskDefinition", describe)
        # One that was deregistered before the plan was made is not the newest, but its number is not used again.
        if not isinstance(other, ReadFailure) and self._is_later(other):
            raise outdated_plan(f"Somebody has registered {label} at the same time: {corrected.label} is not used.")

    def _is_later(self, revision: TaskDefinition) -> bool:
        """Whether somebody else has registered a revision since the plan was made."""
        is_own = revision.arn in self._registered
        return not is_own and revision.registered is not None and revision.registered > self._plan.read_at


def _state_of(secret: Secret) -> _State:
    return secret.deleted, secret.version_at(CURRENT)


def _is_among(finding: Finding, planned_findings: Sequence[Finding]) -> bool:
    """Whether a finding is one of the planned ones, or the same at a new revision, which has another subject."""
    same = (other for other in planned_findings if other.check == finding.check)
    return any(other.services & finding.services or other.subject == finding.subject for other in same)
