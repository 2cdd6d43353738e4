"""The plan of a secret that is not there: created with placeholders that all checks know, or restored."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.changes.secret.placeholders import placeholder
from omc_runbook.changes.secret.plan import LARGEST
from omc_runbook.checks import remedies
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform import command, plan_json
from omc_runbook.terraform.command import SavedPlan
from omc_runbook.terraform.configuration import find_unprotected_versions

Intent = Literal["create", "restore", "nothing"]


@dataclass(frozen=True)
class Creation:
    """What is to become of an environment's secret; `text` is the first document, which holds no value yet.

    `token` is the id that the first version will have: the same plan always has the same, so that a second try
    continues the first.
    """

    intent: Intent
    name: str
    region: str
    keys: tuple[tuple[str, str], ...] = ()
    """The keys of the first document, each with what it will hold: a placeholder, or nothing."""
    token: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""
    recovery_days: int = 30
    existing: Secret | None = None
    draft: SavedPlan | None = None
    """Terraform's plan, where Terraform is to create the secret."""
    warnings: tuple[Finding, ...] = ()
    """What is to be said of Terraform's files and of its plan."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: nothing, a restoration, Terraform's changes, or a new secret."""
        if self.intent == "nothing":
            return ()
        if self.intent == "restore":
            return (f"{self.name} would be restored, with all its keys and versions.",)
        if self.draft:
            return tuple(f"Terraform: {change.address} ({change.action})." for change in self.draft.changes)
        return (f"{self.name} would be created in {self.region} with {len(self.keys)} keys and no value yet.",)

    @property
    def harm(self) -> tuple[Finding, ...]:
        """Why Terraform's plan must not be applied."""
        return tuple(finding for finding in self.warnings if finding.is_problem)

    @property
    def text(self) -> str:
        """The first document, as JSON."""
        return json.dumps(dict(self.keys), indent=2, ensure_ascii=False)

    @property
    def undo(self) -> str:
        """The command that schedules the secret for deletion again."""
        return remedies.delete_secret(self.name, self.recovery_days, self.region).command

    def drop(self) -> None:
        """Remove Terraform's plan file, if there is one; a second time does nothing."""
        if self.draft:
            self.draft.drop()


def intent_of(snapshot: Snapshot) -> Intent:
    """Whether the secret is to be created or restored, or is there; CouldNotLook where that could not be read."""
    gaps = snapshot.gaps.get("secret", ())
    if gaps:
        raise CouldNotLook(gaps[0].sentence)
    if snapshot.secret is None:
        return "create"
    return "restore" if snapshot.secret.deleted else "nothing"


def plan_creation(snapshot: Snapshot, terraform_dir: Path | None = None) -> Creation:
    """Plan what the secret lacks: all of it, its restoration, or nothing; with Terraform, if its folder is given.

    Raises CouldNotLook where it could not be told whether there is one, UsageError for a document that is too
    large and where runbook.toml has an ARN for the secret's name, which only AWS can give; with Terraform what
    `command.plan` raises.
    """
    names, intent = snapshot.environment.names, intent_of(snapshot)
    kept = Creation(
        intent, snapshot.secret_name, names.region, recovery_days=names.recovery_days, existing=snapshot.secret
    )
    if terraform_dir is not None and intent != "restore":
        return _with_terraform(kept, terraform_dir, names.profile)
    if intent != "create":
        return kept
    if ":" in names.secret:
        raise UsageError(
            f"There is no secret {names.secret}, and one cannot be created under an ARN: set secret to its name in"
            f" {snapshot.environment.source}."
        )
    keys = tuple((name, placeholder(name, key)) for name, key in snapshot.environment.keys.items())
    account = snapshot.caller.account
    planned = (account, names.region, names.secret, keys, names.secret_description, names.secret_tags, names.kms_key)
    digest = hashlib.sha256(json.dumps(planned, sort_keys=True).encode()).digest()
    plan = Creation(
        intent,
        names.secret,
        names.region,
        keys,
        str(uuid.UUID(bytes=digest[:16], version=4)),
        names.secret_description,
        names.secret_tags,
        names.kms_key,
        names.recovery_days,
    )
    size = len(plan.text.encode())
    if size > LARGEST:
        raise UsageError(f"The secret would have {size:,} bytes; {LARGEST:,} are allowed. Nothing was written.")
    return plan


def remaining(plan: Creation, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """What is still to be said, and what the plan warns of."""
    return (*findings, *plan.warnings)


def _with_terraform(kept: Creation, folder: Path, profile: str) -> Creation:
    """The plan with Terraform's; its file is dropped at once where there is nothing to create."""
    unguarded = find_unprotected_versions(folder)
    draft = command.plan(folder, profile)
    if kept.intent == "nothing":
        draft.drop()
    warnings = (*plan_json.find_harm(draft.changes, kept.name, kept.existing), *plan_json.find_overwrites(unguarded))
    return replace(kept, draft=draft, warnings=warnings)
