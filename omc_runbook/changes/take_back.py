"""Takes a change back that is no change of the secret's values: from data that outlives the process that made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from omc_runbook.aws import iam
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import short_id
from omc_runbook.aws.session import make_change, require
from omc_runbook.changes import files
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.deploy.rollout import PROVED, Rollout, deployer_of
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Step
from omc_runbook.changes.secret import current_version
from omc_runbook.model.change import Change
from omc_runbook.repository import git

R = TypeVar("R", bound=ChangeResult)

NO_CHANGES: Mapping[str, Sequence[Change]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Undo:
    """How a part of a change is taken back, by its kind; what is as before already is left alone.

    - revision: the service `subject` gets the task definition `former` again
    - patch: the patch `new` of the file `subject`, which had the digest `known`, is reversed in the checkout `former`
    - policy: the inline policy `new` of the role `subject` is removed, while it has the digest `known`
    - version: the version `former` of the secret `subject` becomes current instead of `new`
    - none: what the sentence `subject` says stays
    """

    kind: Literal["revision", "patch", "policy", "version", "none"]
    subject: str
    former: str = ""
    new: str = ""
    environment: str = ""
    known: str = field(default="", compare=False)


def digest_of(content: bytes) -> str:
    """A digest that identifies a file's content."""
    return hashlib.sha256(content).hexdigest()


def digest_of_policy(document: Mapping[str, Any]) -> str:
    """The same of a policy, however its JSON is written: lists have no order, and [x] equals x."""
    return digest_of(_canonical(document).encode())


def _canonical(element: Any) -> str:
    match element:
        case dict():
            return json.dumps({name: _canonical(value) for name, value in element.items()}, sort_keys=True)
        case list():
            members = sorted({*map(_canonical, element)})
            return members[0] if len(members) == 1 else json.dumps(members)
        case _:
            return json.dumps(element)


class Reversal:
    """Takes a change back: the services first, then files, permissions and secrets that they no longer need.

    `contexts` has one for each environment, `forward` the roll-outs of the change where they are known, `changed` what
    this run has changed in each: a read may still show what was there before it.
    """

    def __init__(
        self,
        contexts: Mapping[str, ChangeContext],
        undos: Sequence[Undo],
        forward: Sequence[Rollout] = (),
        changed: Mapping[str, Sequence[Change]] = NO_CHANGES,
    ) -> None:
        self._contexts, self._undos, self._forward = contexts, undos, forward
        self._changed = {
            (environment, name)
            for environment, changes in changed.items()
            for each in changes
            for name in (each.service, each.deployment, each.policy, each.version, each.task_definition)
        }
        self._redeployments = {
            environment: Redeployment(
                context,
                partial(self._services, environment),
                {undo.subject: undo.former for undo in self._undos_of("revision", environment)},
                is_back=True,
                undo=partial(self._forward_in, environment),
            )
            for environment, context in contexts.items()
        }
        self._found: dict[str, tuple[Service, ...]] = {}
        self._successes: list[str] = []
        self._obstacles = [undo.subject for undo in undos if undo.kind == "none"]

    def cancelled(self, result: R, subject: str) -> R:
        """The result of a change that a person has stopped, and that this has taken back."""
        note = self.sentence
        return replace(
            result,
            rollbacks=(*result.rollbacks, *self.rollouts),
            rollback_note=note,
            is_back=self.is_complete,
            findings=(failure.cancellation(subject, note, self.is_complete),),
        )

    def steps(self) -> tuple[Step, ...]:
        """The steps, in their order."""
        acts = {"patch": self._reverse, "policy": self.revoke, "version": self._withdraw}
        rest = ((undo.environment, partial(act, undo)) for kind, act in acts.items() for undo in self._undos_of(kind))
        back = (
            *((name, step) for name, redeployment in self._redeployments.items() for step in redeployment.steps()),
            *((name, Step(name="withdraw", apply=each)) for name, each in rest),
        )
        is_of_several = len(self._contexts) > 1
        return tuple(replace(step, environment=name if is_of_several else None) for name, step in back)

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        """The deployments back."""
        return tuple(rollout for each in self._redeployments.values() for rollout in each.rollouts)

    @property
    def is_complete(self) -> bool:
        """Whether everything is as before."""
        return not self._obstacles and all(map(is_back, self.rollouts))

    @property
    def sentence(self) -> str:
        """What was taken back, and what stays."""
        services = (
            f"{each.service} has its former task definition again{_state_after(each)}."
            if is_back(each)
            else f"{each.service} keeps its task definition: {each.reason.rstrip('.')}."
            for each in self.rollouts
        )
        return " ".join((*services, *self._successes, *self._obstacles)) or "Everything was as before already."

    def _undos_of(self, kind: str, environment: str | None = None) -> list[Undo]:
        return [undo for undo in self._undos if undo.kind == kind and environment in (None, undo.environment)]

    def _forward_in(self, environment: str) -> list[Rollout]:
        """The roll-outs of the change in an environment; one without a name is of the only one."""
        return [each for each in self._forward if each.environment in ("", environment)]

    def _services(self, environment: str) -> tuple[Service, ...]:
        """The services that have another task definition than before, unless it is of somebody else."""
        former = {undo.subject: undo.former for undo in self._undos_of("revision", environment)}
        if former and environment not in self._found:
            self._found[environment] = tuple(
                each
                for each in self._contexts[environment].look().services
                if each.name in former
                and (each.task_definition_arn != former[each.name] or self._is_of_before(environment, each))
                and not self._is_theirs(environment, each, former[each.name])
            )
        return self._found.get(environment, ())

    def _is_theirs(self, environment: str, service: Service, former: str) -> bool:
        """Whether a service that the change has deployed has got another task definition since; then notes that."""
        forward = [each for each in self._forward_in(environment) if each.service == service.name]
        changed = self._changed | {(environment, each.deployment_id) for each in forward}
        # The revision of a roll-out that did not begin is theirs.
        changed |= {(environment, each.revision) for each in forward if each.revision != each.theirs}
        own = {each.task_definition_arn for each in service.deployments if (environment, each.id) in changed}
        label = service.task_definition_arn.rpartition("/")[2]
        is_own = service.task_definition_arn in {former, *own} or (environment, label) in changed
        is_deployed = bool(forward) or (environment, service.name) in self._changed
        if is_own or not is_deployed:
            return False
        self._obstacles.append(f"{service.name} keeps {label}: {deployer_of(service)} it since.")
        return True

    def _is_of_before(self, environment: str, service: Service) -> bool:
        """Whether a service that this run has deployed is still described without that deployment."""
        own = ((environment, each.id) for each in service.deployments)
        return (environment, service.name) in self._changed and self._changed.isdisjoint(own)

    def _reverse(self, undo: Undo) -> Iterator[Change]:
        root, patch = Path(undo.former), Path(undo.new)
        if not patch.exists():
            # It was not edited, or it is back; else only the patch has what was edited.
            if digest_of(files.read(root / undo.subject) or b"") != undo.known:
                self._obstacles.append(
                    f"{undo.subject} stays as it is: the patch of its edit, {patch}, does not exist."
                )
            return
        is_back = git.can_reverse(root, patch)
        if is_back:
            with files.kept_status(root / undo.subject):
                is_back = git.reverse(root, patch)
        if not is_back:
            self._obstacles.append(f"{undo.subject} stays as it is: git does not find the edit there as it was made.")
            return
        patch.unlink(missing_ok=True)
        self._successes.append(f"{undo.subject} is as before.")
        yield Change(action="put back", file=undo.subject)

    def revoke(self, undo: Undo) -> Iterator[Change]:
        """Remove an inline policy, where it is as it was put, and say so in `sentence`."""
        client, what = self._contexts[undo.environment].clients("iam"), f"policy {undo.new} of role {undo.subject}"
        read = partial(require, what, "iam:GetRolePolicy", partial(iam.find_inline, client, undo.subject, undo.new))
        policy = current_version.read_after_write(
            read, lambda policy: policy is None and (undo.environment, undo.new) in self._changed
        )
        if policy is None:
            if (undo.environment, undo.new) in self._changed:
                self._successes.append(
                    f"Somebody else has removed policy {undo.new} from role {undo.subject} meanwhile."
                )
            return
        if undo.known and digest_of_policy(policy.document) != undo.known:
            self._obstacles.append(
                f"Policy {undo.new} of role {undo.subject} stays: somebody else has changed it since."
            )
            return
        delete = partial(iam.delete_inline, client, undo.subject, undo.new)
        make_change(what, "iam:DeleteRolePolicy", delete, lambda: read() is None)
        self._successes.append(f"Policy {undo.new} was removed from role {undo.subject} again.")
        yield Change(action="revoked", role=undo.subject, policy=undo.new)

    def _withdraw(self, undo: Undo) -> Iterator[Change]:
        client = self._contexts[undo.environment].clients("secretsmanager")
        current = current_version.read_after_write(
            partial(current_version.read, client, undo.subject, undo.subject),
            lambda id: id == undo.former and (undo.environment, undo.new) in self._changed,
        )
        if current == undo.former:
            return
        has_moved = current == undo.new and current_version.move(
            client, undo.subject, undo.subject, undo.former, undo.new
        )
        if not has_moved:
            self._obstacles.append(f"{undo.subject} stays as it is: somebody else has changed it meanwhile.")
            return
        version = short_id(undo.former, (undo.new,))
        self._successes.append(
            f"Version {version} of {undo.subject} is current again; tasks that started meanwhile keep the other's"
            " values until they are replaced."
        )
        yield Change(action="withdrawn", secret=undo.subject, version=undo.new)


def _state_after(rollout: Rollout) -> str:
    """How a service runs after it was taken back: without the fix, its tasks fail again."""
    return "" if rollout.state in PROVED else f", and its tasks do not run with it: {rollout.reason.rstrip('.')}"


def is_back(rollout: Rollout) -> bool:
    """Whether a service got its former task definition, and no circuit breaker or person has given it another again."""
    return bool(rollout.deployment_id) and (rollout.undoes or rollout.state != "rolled-back") and not rollout.theirs
