"""The carrying out of a cure: each step on what the plan was made on and nothing else, then new tasks, then proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from omc_runbook.aws import definitions, ecs, iam, secretsmanager
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.session import ReadFailure, insist, look
from omc_runbook.changes.deploy import failure, redeploy
from omc_runbook.changes.deploy.executor import Means
from omc_runbook.changes.deploy.rollout import PROVED, Rollout
from omc_runbook.changes.fix.plan import Cure
from omc_runbook.changes.fix.rollback import Relapse, take_back
from omc_runbook.changes.fix.steps import Correction, Grant, PutBack, Step, Undelete
from omc_runbook.changes.secret import create, writer
from omc_runbook.diagnosis import root_causes
from omc_runbook.model.errors import ConflictError, CouldNotLook
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.roles import DECRYPT

GRANTED_WITHIN = 30.0
"""Seconds within which IAM should say that a new permission is in force; then the tasks have to tell."""
UNTOLD = 10.0
"""Seconds that are given to a new permission where nobody may ask IAM about it."""

Entry = dict[str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class Cured:
    """A cure that was carried out: what was done, how the deployments ended, and what is still there."""

    cure: Cure
    steps: tuple[Step, ...]
    """Those that are in force."""
    done: tuple[Entry, ...]
    rollouts: tuple[Rollout, ...]
    relapse: Relapse = field(default_factory=Relapse)
    """What was taken back because tasks failed."""
    findings: tuple[Finding, ...] = ()
    """What was wrong when it failed, and the failure itself."""
    remaining: tuple[Finding, ...] = ()
    """The findings that it was made against and that are still there after it."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What was done, as an outcome has it."""
        return (*self.done, *_redeployed(self.rollouts), *self.relapse.entries, *_redeployed(self.relapse.rollouts))

    @property
    def is_proved(self) -> bool:
        """Whether all that it was made against has gone, and every service has proved it."""
        is_over = not self.findings and not self.remaining
        return is_over and all(rollout.state in PROVED for rollout in self.rollouts)


def carry_out(means: Means, cure: Cure) -> Cured:
    """Take every step, give the services new tasks, watch them, and look once more; what fails is taken back.

    Killed at any point, another plan and another run finish it: what is done is no finding any more. Raises
    ConflictError where something else is there than the plan was made on, and it stays as it is; CouldNotLook where AWS
    refuses. Both tell what had been done before.
    """
    if cure.unread and cure.steps:
        raise CouldNotLook(f"{cure.unread} Without it no cure can be seen through. Nothing was written.")
    doing = _Doing(means, cure)
    with _telling(doing.done):
        for step in cure.steps:
            doing.take(step)
        rollouts = doing.roll_out()
        _insist_on_one(rollouts)
        means.step("look")
        seen = means.look()
        found = root_causes.diagnose(seen)
        if any(rollout.has_failed for rollout in rollouts):
            relapse = take_back(means, seen, found, rollouts, cure.steps)
            return Cured(cure, relapse.kept, tuple(doing.done), rollouts, relapse, relapse.findings)
    overtaken = tuple(failure.overtaken(rollout) for rollout in rollouts if rollout.state == "overtaken")
    remaining = tuple(finding for finding in found if finding.is_problem and _is_among(finding, cure.because))
    return Cured(cure, cure.steps, tuple(doing.done), rollouts, findings=overtaken, remaining=remaining)


class _Doing:
    """One cure under way: what has been done so far, and what must still be as it was."""

    def __init__(self, means: Means, cure: Cure) -> None:
        self._means, self._cure, self._clients = means, cure, means.clients
        self._current, self._is_deleted = cure.current, any(isinstance(step, Undelete) for step in cure.steps)
        self._revisions: dict[str, str] = {}
        self._registered: set[str] = set()
        self.done: list[Entry] = []

    def take(self, step: Step) -> None:
        """Take a step, if what it was planned on is still there."""
        self._hold()
        match step:
            case Undelete():
                self._means.step("undelete")
                self._undelete(step)
            case PutBack():
                self._means.step("move")
                self._put_back(step)
            case Grant():
                self._means.step("grant")
                self._grant(step)
            case Correction():
                if not step.begun:
                    self._means.step("register")
                self._correct(step)

    def roll_out(self) -> tuple[Rollout, ...]:
        """Give every service new tasks and watch them; one whose tasks would fail all the same is not watched."""
        going = [entry.service for entry in self._cure.redeploys if not entry.held]
        held = {entry.service.name: entry for entry in self._cure.redeploys if entry.held}
        clients, cluster, show = self._clients, self._means.cluster, self._means.show
        self._means.step("redeploy")
        corrected = [entry.service for entry in held.values() if entry.service.name in self._revisions]
        begun = redeploy.begin(clients, cluster, [*going, *corrected], self._revisions)
        rollouts = tuple(_unwatched(each, held[each.service].held) if each.service in held else each for each in begun)
        show(rollouts, ())
        self._means.step("watch")
        return redeploy.watch(clients, cluster, rollouts, show, self._means.clock, to_the_end=True) if rollouts else ()

    def _hold(self) -> None:
        """See that the secret is the one that the plan was made on, with the version that should be current."""
        cure = self._cure
        if not cure.secret_arn:
            return
        secret = create.described(self._clients, cure.secret_arn)
        told = ""
        if secret is None:
            told = "is gone, or was created anew"
        elif secret.deleted and not self._is_deleted:
            told = "has been scheduled for deletion"
        elif secret.version_at(CURRENT) != self._current:
            told = f"has version {secret.version_at(CURRENT) or 'none'} as its current one"
        if told:
            raise ConflictError(
                f"{cure.secret_name} {told} since the plan was made: run again to plan on what is there."
            )

    def _undelete(self, step: Undelete) -> None:
        name, client = step.secret.name, self._clients("secretsmanager")
        _change(
            f"secret {name}", "secretsmanager:RestoreSecret", lambda: secretsmanager.restore(client, step.secret.arn)
        )
        self._is_deleted = False
        self.done.append({"action": "restored", "secret": name})
        self._hold()

    def _put_back(self, step: PutBack) -> None:
        moved = writer.move(self._clients, step.plan)
        written = writer.prove(self._clients, step.plan, moved)
        self._current = step.plan.token
        self.done += written.entries

    def _grant(self, step: Grant) -> None:
        client, what = self._clients("iam"), f"policy {step.policy} of role {step.role}"
        there = insist(what, "iam:GetRolePolicy", lambda: iam.find_inline(client, step.role, step.policy))
        if there is not None:
            raise ConflictError(
                f"Somebody has given role {step.role} a policy {step.policy} since the plan was made: it was not"
                " written over. Run again to plan on what is there."
            )
        _change(what, "iam:PutRolePolicy", lambda: iam.put_inline(client, step.role, step.policy, step.document))
        self.done.append({"action": "granted", "role": step.role, "policy": step.policy})
        self._await(step)

    def _await(self, step: Grant) -> None:
        """Wait until IAM says that a new permission is in force: a task that starts before would fail."""
        client, clock = self._clients("iam"), self._means.clock
        via = {"kms:ViaService": f"secretsmanager.{self._cure.names.region}.amazonaws.com"}
        end = clock.monotonic() + GRANTED_WITHIN
        while clock.monotonic() < end:
            said = look(
                f"what role {step.role} may do",
                "iam:SimulatePrincipalPolicy",
                lambda: iam.simulate(
                    client, step.role_arn, [step.action], [step.resource], via if step.action == DECRYPT else None
                ),
            )
            if isinstance(said, ReadFailure):
                clock.sleep(UNTOLD)
                return
            if any(answer.decision == "allowed" for answer in said):
                return
            clock.sleep(1)

    def _correct(self, step: Correction) -> None:
        client, planned = self._clients("ecs"), step.definition
        names = [service.name for service in step.services]
        for batch in ecs.batches(names, ecs.SERVICES_A_CALL):
            services = insist(
                f"services {', '.join(batch)}",
                "ecs:DescribeServices",
                lambda batch=batch: ecs.describe_services(client, self._means.cluster, batch),  # type: ignore[misc]
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
        self._revisions |= dict.fromkeys(names, step.begun or self._revision(step).arn)

    def _revision(self, step: Correction) -> TaskDefinition:
        """The corrected revision: one that an earlier run has registered, where it is the newest, else a new one."""
        client, planned = self._clients("ecs"), step.definition
        what, read = f"task definition {planned.family}", "ecs:DescribeTaskDefinition"
        newest = insist(what, read, lambda: definitions.describe_task_definition(client, planned.family))
        if insist(what, read, lambda: definitions.is_edited(client, newest.arn, planned.arn, step.edits)):
            return newest
        is_later = newest.registered is not None and newest.registered > self._cure.made
        if is_later and newest.arn not in self._registered:
            raise ConflictError(
                f"Somebody has registered {newest.label} since the plan was made: it stays as it is, and none was"
                " registered after it. Run again to plan on what is there."
            )
        edited = _change(
            what, "ecs:RegisterTaskDefinition", lambda: definitions.register_edited(client, planned.arn, step.edits)
        )
        self._registered.add(edited.arn)
        self.done.append({"action": "registered", "task_definition": edited.label})
        return edited


def _change(what: str, permission: str, call: Callable[[], T]) -> T:
    return insist(what, permission, call, "change")


def _insist_on_one(rollouts: Sequence[Rollout]) -> None:
    """Raise CouldNotLook where AWS let no service have new tasks: none can fail, and nothing is to be taken back."""
    refused = [rollout for rollout in rollouts if rollout.has_failed and not rollout.deployment_id]
    if refused and not any(rollout.deployment_id for rollout in rollouts):
        raise CouldNotLook(refused[0].reason)


def _unwatched(rollout: Rollout, held: str) -> Rollout:
    return (
        rollout
        if rollout.has_failed
        else Rollout(rollout.service, rollout.deployment_id, rollout.revision, "not-started", rollout.desired, 0, held)
    )


def _is_among(finding: Finding, planned: Sequence[Finding]) -> bool:
    """Whether a finding is one of those that were to be mended; of a new revision it has another subject."""
    same = (other for other in planned if other.check == finding.check)
    return any(other.services & finding.services or other.subject == finding.subject for other in same)


def _redeployed(rollouts: Sequence[Rollout]) -> Iterator[Entry]:
    for rollout in rollouts:
        if rollout.deployment_id:
            yield {"service": rollout.service, "action": "redeployed", "deployment": rollout.deployment_id}


@contextmanager
def _telling(done: Sequence[Entry]) -> Iterator[None]:
    """Let whoever is told that it broke off also hear how far it has come."""
    try:
        yield
    except (CouldNotLook, ConflictError) as error:
        if not done:
            raise
        subjects = ", ".join(f"{entry['action']} {_named(entry)}" for entry in done)
        raise type(error)(f"{error} Before that was done: {subjects}. Run again, which goes on from there.") from None


def _named(entry: Entry) -> str:
    return next(entry[kind] for kind in ("key", "secret", "policy", "task_definition") if kind in entry)
