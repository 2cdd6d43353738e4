"""The steps of a cure: each changes one thing, says what it changes it into, and how to change it back."""

from __future__ import annotations

from dataclasses import dataclass

from omc_runbook.aws.definitions import ReferenceEdit, TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.changes.secret.plan import Plan
from omc_runbook.checks import remedies
from omc_runbook.model.environment import Names
from omc_runbook.model.findings import Finding


@dataclass(frozen=True)
class Undelete:
    """A secret's deletion, to be taken back; `because` holds the findings that it mends, as for every step."""

    secret: Secret
    because: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """What the step does, as a command."""
        return f"take back the deletion of {self.secret.name}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The exact change."""
        return ("RestoreSecret: it has all its versions again, and tasks may read it.",)

    def by_hand(self, names: Names) -> str:
        """The command for the same."""
        return remedies.restore_secret(names).command

    def undo(self, names: Names) -> tuple[str, ...]:
        """The commands that change it back."""
        return (remedies.delete_secret(self.secret.name, names.recovery_days, names.region).command,)


@dataclass(frozen=True)
class PutBack:
    """A version that was good, to be made current again in place of one that is broken."""

    plan: Plan
    because: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """What the step does, as a command."""
        return f"make version {self.plan.token[:8]} of {self.plan.secret_name} current again"

    @property
    def lines(self) -> tuple[str, ...]:
        """The exact change: what becomes of which key, and what to know of it."""
        changed = ", ".join(f"{change.key} {change.action}" for change in self.plan.changed)
        return (f"AWSCURRENT moves from version {self.plan.base[:8]}: {changed}.", *self.plan.notes)

    def by_hand(self, names: Names) -> str:
        """The command for the same."""
        return remedies.move_back(names, self.plan.token, self.plan.base).command

    def undo(self, names: Names) -> tuple[str, ...]:
        """The commands that change it back."""
        return (remedies.move_back(names, self.plan.base, self.plan.token).command,)


@dataclass(frozen=True)
class Grant:
    """One action on one resource that a role lacks, to be allowed by an inline policy of its own.

    The resource is the secret's or the key's exact ARN: a pattern would allow a later secret of that name too.
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
        """What the step does, as a command."""
        return f"allow {self.action} to role {self.role}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The exact change."""
        return (f"PutRolePolicy: a new inline policy {self.policy}, and no other is touched.", self.document)

    def by_hand(self, names: Names) -> str:
        """The command for the same."""
        return remedies.grant(names, self.role, self.action, self.resource).command

    def undo(self, names: Names) -> tuple[str, ...]:
        """The commands that change it back."""
        return (remedies.revoke(self.role, self.policy).command,)


@dataclass(frozen=True)
class Correction:
    """References of a revision, to be corrected in a new one that is the same in all else, for some services."""

    definition: TaskDefinition
    edits: tuple[ReferenceEdit, ...]
    services: tuple[Service, ...]
    because: tuple[Finding, ...]
    begun: str = ""
    """The corrected revision's ARN, where a run that was killed has given it to the services already."""

    @property
    def title(self) -> str:
        """What the step does, as a command."""
        names = ", ".join(service.name for service in self.services)
        count = "one reference" if len(self.edits) == 1 else f"{len(self.edits)} references"
        how = "added" if all(edit.adds for edit in self.edits) else "corrected"
        return f"register {self.definition.label} anew with {count} {how}, for {names}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The exact change: each valueFrom, before and after."""
        added = tuple(f"{edit.container}, {edit.variable}: {edit.after}" for edit in self.edits if edit.adds)
        edits = tuple(
            f"{edit.container}, {edit.variable}: {edit.before} → {edit.after}" for edit in self.edits if not edit.adds
        )
        warning = "Correct it in Terraform too: its next apply would bring the former reference back."
        return (*added, *edits, *((warning,) if edits else ()))

    def by_hand(self, names: Names) -> str:
        """What to do for the same."""
        return remedies.register(names, " and ".join(dict.fromkeys(f'"{edit.after}"' for edit in self.edits))).command

    def undo(self, names: Names) -> tuple[str, ...]:
        """The commands that change it back."""
        return tuple(remedies.deploy(names, service.name, self.definition.label).command for service in self.services)


FixStep = Undelete | PutBack | Grant | Correction


@dataclass(frozen=True)
class Redeploy:
    """A service that gets new tasks; `held` says why that can prove nothing yet, where something else is wrong."""

    service: Service
    because: tuple[Finding, ...]
    held: str = ""


@dataclass(frozen=True)
class Unfixed:
    """A root cause that is no part of the plan, and why, where it might have been."""

    finding: Finding
    why: str = ""
