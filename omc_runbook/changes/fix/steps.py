"""The steps of a fix: each changes one thing, and says how to do it by hand and how to undo it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from omc_runbook.aws.definitions import ReferenceEdit, TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.take_back import Undo, digest_of_policy
from omc_runbook.checks import remedies
from omc_runbook.checks.definition_source import DefinitionSource
from omc_runbook.model.aws_names import Names
from omc_runbook.model.findings import NO_REMEDY, Finding, Remedy

FIX = "troubleshoot"
"""The runbook that plans fixes."""


@dataclass(frozen=True)
class RestoreSecret:
    """Cancels the deletion of the secret; `because` are the findings that it fixes, as in every step."""

    secret: Secret
    because: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """What the step does, in the imperative."""
        return f"cancel the deletion of {self.secret.name}"

    @property
    def act(self) -> str:
        """The same in few words, for a button."""
        return "cancel the deletion of the secret"

    @property
    def lines(self) -> tuple[str, ...]:
        """The exact change."""
        return ("RestoreSecret: all versions are available again, and tasks can read them.",)

    def by_hand(self, names: Names) -> str:
        """The command to do it by hand."""
        return remedies.restore_secret(names).command

    def undos(self, environment: str) -> tuple[Undo, ...]:
        """How the engine takes it back: it does not delete a secret again."""
        return (Undo(kind="none", subject=f"{self.secret.name} is not deleted again.", environment=environment),)


@dataclass(frozen=True)
class RestoreVersion:
    """Makes a good version current again, instead of a broken one."""

    plan: SecretPlan
    because: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """What the step does, in the imperative."""
        return f"make version {self.plan.short(self.plan.token)} of {self.plan.secret_name} current again"

    @property
    def act(self) -> str:
        """The same in few words, for a button."""
        return f"put back version {self.plan.short(self.plan.token)}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The exact change: each key's action, and notes."""
        changed = ", ".join(f"{change.key} {change.action}" for change in self.plan.changed)
        return (f"AWSCURRENT moves from version {self.plan.short(self.plan.base)}: {changed}.", *self.plan.notes)

    def by_hand(self, names: Names) -> str:
        """The command to do it by hand."""
        return remedies.move_back(names, self.plan.token, self.plan.base).command

    def undos(self, environment: str) -> tuple[Undo, ...]:
        """How the engine takes it back."""
        plan = self.plan
        return (
            Undo(kind="version", subject=plan.secret_name, former=plan.base, new=plan.token, environment=environment),
        )


@dataclass(frozen=True)
class Grant:
    """Allows a role one action on one resource by a new inline policy.

    The resource is the exact ARN of secret or KMS key: a pattern would allow a later secret of that name too.
    """

    role_arn: str
    role: str
    action: str
    resource: str
    policy: str
    document: str
    """The policy as JSON text."""
    because: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """What the step does, in the imperative."""
        return f"allow role {self.role} {self.action}"

    @property
    def act(self) -> str:
        """The same in few words, for a button."""
        return f"allow {self.action}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The exact change."""
        return (f"PutRolePolicy: a new inline policy {self.policy}; the others stay.", self.document)

    def by_hand(self, names: Names) -> str:
        """The command to do it by hand."""
        return remedies.grant(names, self.role, self.action, self.resource).command

    def undos(self, environment: str) -> tuple[Undo, ...]:
        """How the engine takes it back."""
        known = digest_of_policy(json.loads(self.document))
        return (Undo(kind="policy", subject=self.role, new=self.policy, environment=environment, known=known),)


@dataclass(frozen=True)
class Correction:
    """Corrects references of a task definition in a new revision, for some services."""

    definition: TaskDefinition
    edits: tuple[ReferenceEdit, ...]
    services: tuple[Service, ...]
    because: tuple[Finding, ...]
    source: DefinitionSource
    revision_arn: str = ""
    """The corrected revision's ARN, where a killed run has deployed it already."""

    @property
    def title(self) -> str:
        """What the step does, in the imperative."""
        names = ", ".join(service.name for service in self.services)
        action = "added" if self._only_adds else "corrected"
        return f"register a new revision of {self.definition.label} with {self._count} {action}, for {names}"

    @property
    def act(self) -> str:
        """The same in few words, for a button."""
        return f"{'add' if self._only_adds else 'correct'} {self._count}"

    @property
    def _count(self) -> str:
        return "one reference" if len(self.edits) == 1 else f"{len(self.edits)} references"

    @property
    def _only_adds(self) -> bool:
        return all(edit.adds for edit in self.edits)

    @property
    def lines(self) -> tuple[str, ...]:
        """The exact change: each valueFrom, before and after."""
        added = tuple(f"{edit.container}, {edit.variable}: {edit.after}" for edit in self.edits if edit.adds)
        edits = tuple(
            f"{edit.container}, {edit.variable}: {edit.before} → {edit.after}" for edit in self.edits if not edit.adds
        )
        return (*added, *edits, *((self.source.reminder,) if edits or self.source.stack else ()))

    def by_hand(self, names: Names) -> str:
        """How to do it by hand."""
        after = dict.fromkeys(f'"{edit.after}"' for edit in self.edits)
        return self.source.register(" and ".join(after)).command

    def undos(self, environment: str) -> tuple[Undo, ...]:
        """How the engine takes it back."""
        former = self.definition.arn
        return tuple(
            Undo(kind="revision", subject=service.name, former=former, environment=environment)
            for service in self.services
        )


def undo_command(undo: Undo, names: Names) -> str:
    """The command that takes a part back that another process made, or a sentence."""
    match undo.kind:
        case "revision":
            return remedies.deploy(names, undo.subject, undo.former.rpartition("/")[2]).command
        case "policy":
            return remedies.revoke(undo.subject, undo.new).command
        case "version":
            return remedies.move_back(names, undo.former, undo.new).command
        case _:
            return undo.subject


FixStep = RestoreSecret | RestoreVersion | Grant | Correction


def undo_commands(step: FixStep, names: Names) -> tuple[str, ...]:
    """The commands that take a step back by hand: what the engine does, and for a secret its deletion."""
    if isinstance(step, RestoreSecret):
        return (remedies.delete_secret(step.secret.name, names.recovery_days, names.region).command,)
    return tuple(undo_command(undo, names) for undo in step.undos(""))


@dataclass(frozen=True)
class Redeploy:
    """A service that gets new tasks; `blocker` says why they would still fail, or may not be started."""

    service: Service
    because: tuple[Finding, ...]
    blocker: str = ""
    rolled_back: str = ""
    """The revision, family:revision, that ECS rolled back: the new tasks are of the one in force."""
    afterwards: Remedy = NO_REMEDY
    """How a person deploys that one then."""


@dataclass(frozen=True)
class UnfixedCause:
    """A root cause that the plan does not fix, with the reason where it might have."""

    finding: Finding
    why: str = ""
    way: Remedy = NO_REMEDY
    """What to do in place of the finding's own remedy, where that is known."""

    @property
    def remedy(self) -> Remedy:
        """What a person does about it; this runbook is no remedy for what it does not fix."""
        own = self.finding.remedy
        own = replace(own, runbook="", parameters={}) if own.runbook == FIX else own
        return own if self.way == NO_REMEDY else self.way
