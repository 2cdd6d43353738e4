"""The plan to create a missing secret with placeholders, or to restore a deleted one."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.changes.secret.placeholders import placeholder
from omc_runbook.changes.secret.plan import refuse_too_large, why_not_writable
from omc_runbook.checks import remedies
from omc_runbook.checks.other_names import found_instead, is_elsewhere, secret_in_use
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.letters import counted, refer_to
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform import command, plan_json
from omc_runbook.terraform.command import SavedPlan
from omc_runbook.terraform.secret_versions import find_unprotected

Intent = Literal["create", "restore", "nothing"]


@dataclass(frozen=True)
class CreatePlan:
    """How an environment's secret will be created or restored.

    `token` is the id of the first version: the same for the same plan, so that two people compare it, until
    `of_its_own` gives a run another one.
    """

    intent: Intent
    name: str
    region: str
    account: str = ""
    """The account that the plan was made in."""
    keys: tuple[tuple[str, str], ...] = ()
    """The keys of the first document, each with a placeholder or an empty value."""
    token: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""
    recovery_days: int = 30
    existing: Secret | None = None
    draft: SavedPlan | None = None
    """The Terraform plan, where Terraform creates the secret."""
    doubts: tuple[str, ...] = ()
    """Why it may be the wrong place or name: another region's secret, or services that refer to another one."""
    unseen: tuple[Finding, ...] = ()
    """What could not be searched for another place or name."""
    warnings: tuple[Finding, ...] = ()
    """Findings about the Terraform files and the Terraform plan."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: a restore, Terraform's changes, or a new secret."""
        if self.intent == "nothing":
            return ()
        if self.intent == "restore":
            return (f"{self.name} would be restored, with all its keys and versions.",)
        if self.draft:
            return tuple(f"Terraform: {change.address} ({change.action})." for change in self.draft.changes)
        return (
            f"{self.name} would be created in {self.region} with {counted(len(self.keys), 'key')} and no values yet.",
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Why a new secret may be the wrong one."""
        return self.doubts if self.intent == "create" and not self.draft else ()

    @property
    def harm(self) -> tuple[Finding, ...]:
        """Why the Terraform plan must not be applied."""
        return tuple(finding for finding in self.warnings if finding.is_problem)

    @property
    def blockers(self) -> tuple[str, ...]:
        """The same, one sentence each."""
        return tuple(each.sentence for each in self.harm)

    @property
    def text(self) -> str:
        """The first document, as JSON."""
        return json.dumps(dict(self.keys), indent=2, ensure_ascii=False)

    @property
    def undo(self) -> str:
        """The command that schedules the secret for deletion again."""
        return remedies.delete_secret(self.name, self.recovery_days, self.region).command

    def drop(self) -> None:
        """Remove the Terraform plan file, if there is one."""
        if self.draft:
            self.draft.drop()


def intent_of(snapshot: Snapshot) -> Intent:
    """Whether to create or restore the secret, or nothing.

    Raises CouldNotLook where it could not be read, UsageError where services refer to another one that exists, or
    where the environment is in another region.
    """
    if reasons := snapshot.unread("secret"):
        raise CouldNotLook(reasons[0])
    if snapshot.secret is None:
        other, name = secret_in_use(snapshot), snapshot.secret_name
        if other and snapshot.discovery:
            users = [service.name for service in snapshot.discovery.consumers]
            raise UsageError(
                f"Secret {name} does not exist, but {refer_to(users)} {other}, which exists: set"
                f' secret = "{other}" in runbook.toml, by'
                f" {remedies.find_names(snapshot.environment).command}. Nothing was written."
            )
        if is_elsewhere(snapshot) and snapshot.service_names is None:
            names = snapshot.environment.names
            raise UsageError(
                f"Neither secret {name} nor cluster {names.cluster} exists in {names.region}."
                f" {' '.join(found_instead(snapshot))} Correct region in {snapshot.environment.source_of('region')}."
                " Nothing was written."
            )
        return "create"
    return "restore" if snapshot.secret.deleted else "nothing"


def plan_create(snapshot: Snapshot, terraform_dir: Path | None = None) -> CreatePlan:
    """Plan to create or restore the secret, with Terraform where its folder is set.

    Raises CouldNotLook where the secret could not be read; UsageError for a document that is too large, for a deleted
    secret of another owner, where runbook.toml has an ARN instead of a name, and where services refer to another secret
    that exists; with Terraform also what `command.plan` raises.
    """
    names, intent = snapshot.environment.names, intent_of(snapshot)
    if snapshot.secret and intent == "restore" and (reason := why_not_writable(snapshot.secret)):
        raise UsageError(f"{reason} Nothing was written.")
    account = snapshot.caller.account
    base_plan = CreatePlan(
        intent, snapshot.secret_name, names.region, account, recovery_days=names.recovery_days, existing=snapshot.secret
    )
    if terraform_dir is not None and intent != "restore":
        return _with_terraform(base_plan, terraform_dir, names.profile)
    if intent != "create":
        return base_plan
    if ":" in names.secret:
        raise UsageError(
            f"Secret {names.secret} does not exist, and an ARN cannot be created: set secret to a name in"
            f" {snapshot.environment.source_of('secret')}."
        )
    keys = tuple((name, placeholder(name, key)) for name, key in snapshot.environment.keys.items())
    identity = (account, names.region, names.secret, keys, names.secret_description, names.secret_tags, names.kms_key)
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).digest()
    plan = replace(
        base_plan,
        keys=keys,
        token=str(uuid.UUID(bytes=digest[:16], version=4)),
        description=names.secret_description,
        tags=names.secret_tags,
        kms_key=names.kms_key,
        doubts=tuple(_doubts(snapshot)),
        unseen=tuple(_unseen(snapshot)),
    )
    refuse_too_large(len(plan.text.encode()))
    return plan


def of_its_own(plan: CreatePlan) -> CreatePlan:
    """The same plan with a token of its own, by which of two runs at once the second sees that it was not the first.

    Secrets Manager takes a second CreateSecret with the same token for a retry of the first.
    """
    return replace(plan, token=str(uuid.uuid4())) if plan.token else plan


def _doubts(snapshot: Snapshot) -> Iterator[str]:
    found = snapshot.discovery
    if found is None:
        return
    names = snapshot.environment.names
    if found.other_regions:
        yield f"{', '.join(found.other_regions)} has a secret of this name, which stays: this one would be another."
    elif snapshot.service_names is None and not found.own_services and not found.unread:
        yield (
            f"{names.region} has nothing of {snapshot.environment.name} yet, neither cluster {names.cluster} nor a"
            f" service, in account {snapshot.caller.account}: check region and account."
        )
    if found.is_referred_to and found.secret != snapshot.secret_name:
        users = [service.name for service in found.consumers]
        yield f"{refer_to(users)} {found.secret}, and not to this one."


def _unseen(snapshot: Snapshot) -> Iterator[Finding]:
    """Where nobody could look whether the environment has another secret, or is in another region."""
    found = snapshot.discovery
    if found is None:
        return
    for title, failures in (
        ("Whether services refer to another secret is unknown", found.unread),
        ("Whether the environment is in another region is unknown", found.unread_regions),
    ):
        if failures:
            yield Finding(
                check="place-unsearched",
                family="secret",
                title=title,
                status="unknown",
                subject=snapshot.secret_name,
                evidence=tuple(dict.fromkeys(failure.sentence for failure in failures)),
            )


def _with_terraform(base_plan: CreatePlan, folder: Path, profile: str) -> CreatePlan:
    """Add the Terraform plan; its file is removed at once where there is nothing to create."""
    unprotected_versions = find_unprotected(folder)
    draft = command.plan(folder, profile)
    if base_plan.intent == "nothing":
        draft.drop()
    warnings = (
        *plan_json.find_harm(draft.changes, base_plan.name, base_plan.existing, folder),
        *plan_json.find_overwrites(unprotected_versions),
    )
    return replace(base_plan, draft=draft, warnings=warnings)
