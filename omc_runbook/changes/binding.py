"""What a plan is bound to where one person makes it and another applies it: facts by name, and fingerprints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.add_key.plan import AddKeyPlan
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.steps import FixStep, RestoreSecret, RestoreVersion
from omc_runbook.changes.secret.create_plan import CreatePlan
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan, document_of
from omc_runbook.masking import registry
from omc_runbook.masking.document import parse
from omc_runbook.masking.fingerprint import slow_fingerprint
from omc_runbook.model.errors import UsageError
from omc_runbook.snapshot.state import Snapshot

LATER = "will be generated"
"""Stands for the fingerprint of a value that is made when the plan is applied."""
BY_TERRAFORM = (
    "terraform_dir and plan_to exclude each other: what Terraform would write is not bound, only which resources it"
    " would change. Nothing was written."
)

AnyPlan = SecretPlan | CreatePlan | FixPlan | AddKeyPlan


@dataclass(frozen=True)
class PlanBinding:
    """Facts, fingerprints and steps, without a value."""

    facts: Mapping[str, str]
    fingerprints: Mapping[str, str]
    steps: tuple[str, ...]


def bind(plan: AnyPlan, snapshots: Mapping[str, Snapshot], salt: str, new: NewValues | None = None) -> PlanBinding:
    """What a plan is bound to; `snapshots` by environment, the main one first. `new` are a rotation's values.

    Raises UsageError for a plan that Terraform carries out.
    """
    main, *_ = snapshots.values()
    steps = plan.sentences
    if isinstance(plan, SecretPlan):
        facts, fingerprints = _of_secret(plan), _of_values(plan, main, salt)
        steps += new.rotation.sentences if new and new.rotation else ()
    elif isinstance(plan, CreatePlan):
        facts, fingerprints = _of_create(plan), {}
    elif isinstance(plan, FixPlan):
        facts, fingerprints = _of_fix(plan), {}
    else:
        facts, fingerprints = _of_add_key(plan, snapshots), _of_files(plan, snapshots, salt)
    texts = {name: registry.mask(text, common=False) for name, text in facts.items()}
    return PlanBinding(texts, fingerprints, tuple(registry.mask(step, common=False) for step in steps))


def _of_secret(plan: SecretPlan) -> dict[str, str]:
    name = plan.secret_name
    target = {f"the version to be made current of {name}": plan.token} if plan.exists and not plan.is_empty else {}
    return {
        f"the ARN of {name}": plan.secret_arn,
        f"the current version of {name}": plan.base or "none",
        **target,
        **{f"{change.key} in {name}": f"to be {change.action}" for change in plan.changed},
        **_revisions(plan.consumers),
    }


def _of_values(plan: SecretPlan, snapshot: Snapshot, salt: str) -> dict[str, str]:
    """A fingerprint of each value that is written; a version that is there already is bound by its id."""
    if plan.exists:
        return {}
    current, document = document_of(snapshot).value, parse(plan.text)
    fingerprints = {}
    for change in plan.changed:
        member, name = document.get(change.key), f"the new value of {change.key} in {plan.secret_name}"
        if member is not None:
            fingerprints[name] = (
                LATER if change.is_generated else slow_fingerprint(member.injected, current, salt, name)
            )
    return fingerprints


def _of_create(plan: CreatePlan) -> dict[str, str]:
    if plan.draft:
        raise UsageError(BY_TERRAFORM)
    settings = {
        "intent": plan.intent,
        "region": plan.region,
        "description": plan.description,
        "tags": json.dumps(dict(plan.tags), sort_keys=True),
        "KMS key": plan.kms_key or "the AWS managed key",
        "first version": plan.token or "none",
        "ARN": plan.existing.arn if plan.existing else "none",
    }
    if plan.existing and plan.existing.deleted:
        settings["deletion"] = f"{plan.existing.deleted:%Y-%m-%dT%H:%M:%S%z}"
    keys = {f"the content of {key} in {plan.name}": "a placeholder" if text else "nothing" for key, text in plan.keys}
    return {f"the {label} of {plan.name}": text for label, text in settings.items()} | keys


def _of_fix(plan: FixPlan) -> dict[str, str]:
    facts = {
        f"the ARN of {plan.secret_name}": plan.secret_arn or "none",
        f"the current version of {plan.secret_name}": plan.current or "none",
    }
    for number, step in enumerate(plan.steps, 1):
        facts[f"step {number}"] = _in_full(step)
        facts |= _of_secret(step.plan) if isinstance(step, RestoreVersion) else {}
        if isinstance(step, RestoreSecret) and step.secret.deleted:
            facts[f"the deletion of {plan.secret_name}"] = f"{step.secret.deleted:%Y-%m-%dT%H:%M:%S%z}"
    return facts | _revisions(plan.redeployed)


def _in_full(step: FixStep) -> str:
    """A step and its exact change, to be told within a sentence."""
    return f"{step.title} ({'; '.join(line.rstrip('.') for line in step.lines)})"


def _of_add_key(plan: AddKeyPlan, snapshots: Mapping[str, Snapshot]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for part in plan.environments:
        if part.terraform_dir is not None:
            raise UsageError(BY_TERRAFORM)
        snapshot = snapshots[part.environment]
        for label, text in (("account", snapshot.caller.account), ("region", snapshot.environment.names.region)):
            facts[f"the {label} of {part.environment}"] = text
        facts[f"what {plan.key.name} has in {part.environment}"] = part.content
        for secret in filter(None, (part.write, part.cleanup)):
            facts |= _of_secret(secret)
        for correction in part.corrections:
            name = f"the references of {correction.definition.family} in {part.environment}"
            facts[name] = _in_full(correction)
        services = (service for service in snapshot.services if service.name in part.services)
        facts |= _revisions(services, f" in {part.environment}")
    return facts


def _of_files(plan: AddKeyPlan, snapshots: Mapping[str, Snapshot], salt: str) -> dict[str, str]:
    """Fingerprints of the values, and of each file before and after: it may have values in it."""
    fingerprints: dict[str, str] = {}
    for part in plan.environments:
        fingerprints |= _of_values(part.write, snapshots[part.environment], salt) if part.write else {}
    main, *_ = snapshots.values()
    for edit in plan.edits:
        name = f"the file {edit.file.name}"
        both = b"\0".join((edit.file.raw, edit.after))
        fingerprints[name] = slow_fingerprint(both, document_of(main).value, salt, name)
    return fingerprints


def _revisions(services: Iterable[Service], where: str = "") -> dict[str, str]:
    return {f"the task definition of {service.name}{where}": service.task_definition_arn for service in services}
