"""Creates or restores a secret, by the API or by Terraform, and verifies it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from omc_runbook.aws import kms, secretsmanager
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.secretsmanager import CURRENT, Secret, Value
from omc_runbook.aws.session import Clients, require
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Step, execute
from omc_runbook.changes.secret import current_version
from omc_runbook.changes.secret.create_plan import CreatePlan
from omc_runbook.model import value_from
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.model.change import Change, Tell, tell_nobody
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.terraform import command
from omc_runbook.terraform.command import Output, SavedPlan

API = "the API"


@dataclass(frozen=True, kw_only=True)
class CreateResult(ChangeResult):
    """A secret that was created or restored, and verified."""

    action: Literal["created", "restored"]
    name: str
    arn: str
    version_id: str
    by: str
    """What made it: "the API", "terraform" or "tofu"."""
    outputs: tuple[str, ...] = ()
    """Names of Terraform outputs with the secret's ARN."""


_Made = tuple[bool, Callable[[], CreateResult]]
"""Whether the secret was made, as far as the answer tells, and its verification."""


def find_key(clients: Clients, plan: CreatePlan) -> KmsKey | None:
    """The customer managed KMS key of a plan, which exists and is enabled; None for the AWS managed key.

    Raises UsageError for any other key, CouldNotLook where it could not be read.
    """
    if not plan.kms_key:
        return None
    label, key = f"KMS key {plan.kms_key}", _describe_key(clients, plan.kms_key)
    if key is None:
        raise UsageError(f"{label} does not exist in {plan.region}: correct kms_key in runbook.toml.")
    if key.state != "Enabled":
        raise UsageError(f"{label} is {key.state} and cannot encrypt a secret: enable it, or set another kms_key.")
    return key if key.manager == "CUSTOMER" else None


def apply(
    clients: Clients, plan: CreatePlan, announce: Callable[[str], None] = lambda name: None, tell: Tell = tell_nobody
) -> CreateResult | None:
    """Create or restore the secret as planned, and verify it; None where there is nothing to do.

    After a kill at any point, applying the same plan again finishes it. Raises ConflictError where another run or
    somebody else created the secret first, CouldNotLook where AWS or Terraform refuses or the result differs from the
    plan, UsageError for a harmful Terraform plan. `announce` takes the step's name as it begins, `tell` the change once
    the secret is there, before it is verified.
    """
    results: list[CreateResult] = []

    def act() -> Iterator[Change]:
        do = _apply_draft if plan.draft else _restore if plan.intent == "restore" else _create
        is_made, verify = do(clients, plan)
        made_by = plan.draft.name if plan.draft else API
        change = Change(action="restored" if plan.intent == "restore" else "created", secret=plan.name, by=made_by)
        if is_made:
            yield change
        try:
            result = verify()
        except CouldNotLook as error:
            if plan.draft and not is_made:
                # Terraform has applied its plan, whatever that made.
                raise CouldNotLook(str(error), kind="in-doubt") from None
            raise
        results.append(replace(result, changes=(replace(change, version=result.version_id),)))
        yield from () if is_made else (change,)

    step = Step(name=plan.intent, apply=act, is_done=lambda: plan.intent == "nothing")
    execute([step], announce, Journal(tell))
    return results[0] if results else None


def _restore(clients: Clients, plan: CreatePlan) -> _Made:
    restore = partial(secretsmanager.restore, clients("secretsmanager"), plan.name)
    require(f"secret {plan.name}", "secretsmanager:RestoreSecret", restore, plan.intent)
    return True, partial(_verify_exists, clients, plan, "restored", API)


def _create(clients: Clients, plan: CreatePlan) -> _Made:
    client, key = clients("secretsmanager"), find_key(clients, plan)
    kms_key = plan.kms_key if key else ""
    create = partial(
        secretsmanager.create, client, plan.name, plan.text, plan.token, plan.description, plan.tags, kms_key
    )
    is_made = require(f"secret {plan.name}", "secretsmanager:CreateSecret", create, plan.intent)
    return is_made, partial(_verify_new, clients, plan, key, is_made)


def _apply_draft(clients: Clients, plan: CreatePlan) -> _Made:
    draft = plan.draft
    assert draft, "called only with a Terraform plan"
    if plan.harm:
        draft.drop()
        first = plan.harm[0]
        raise UsageError(f"{draft.name}'s plan was not applied. {first.sentence} {first.remedy.command}")
    outputs = [output for output in command.apply(draft) if _names_secret(output, plan.name)]
    return bool(outputs), partial(_verify_draft, clients, plan, draft, outputs)


def _verify_draft(clients: Clients, plan: CreatePlan, draft: SavedPlan, outputs: Sequence[Output]) -> CreateResult:
    """Verify that Terraform's outputs name the secret of this account, as `_verify_exists` does."""
    # Without an output of this region and account, nothing tells that there is a secret to wait for.
    is_here = any((region_in(each.arn), account_in(each.arn)) == (plan.region, plan.account) for each in outputs)
    describe = partial(current_version.describe, clients("secretsmanager"), plan.name, plan.name)
    secret = current_version.read_after_write(describe, lambda secret: secret is None and is_here)
    stray = next((output for output in outputs if secret is None or output.arn != secret.arn), None)
    if stray:
        raise CouldNotLook(
            f"{draft.name}'s output {stray.name} is {stray.arn}, but this account and region have"
            f" {secret.arn if secret else 'no such secret'}: check the provider's account and region."
        )
    return replace(
        _verify_exists(clients, plan, "created", draft.name), outputs=tuple(output.name for output in outputs)
    )


def _verify_exists(clients: Clients, plan: CreatePlan, action: Literal["created", "restored"], by: str) -> CreateResult:
    """Verify that the secret exists with a readable current version; raises CouldNotLook otherwise."""
    name = plan.name
    secret, value = _read(clients, name, lambda secret: secret is not None and bool(secret.deleted))
    if secret is None or secret.deleted:
        raise CouldNotLook(f"{name} still does not exist, or is scheduled for deletion: run create again.")
    if value is None:
        raise CouldNotLook(
            f"{name} was {action} but has no current version: run verify for what to do.", says_next=True
        )
    return CreateResult(action=action, name=secret.name, arn=secret.arn, version_id=value.version_id, by=by)


def _read(
    clients: Clients, name: str, is_former: Callable[[Secret | None], bool]
) -> tuple[Secret | None, Value | None]:
    """The secret and its current version, once they do not show any more what was there before this run's write."""
    client = clients("secretsmanager")
    secret = current_version.read_after_write(partial(current_version.describe, client, name, name), is_former)
    is_readable = secret is not None and not secret.deleted and bool(secret.version_at(CURRENT))
    get_value = partial(secretsmanager.get_value, client, name, CURRENT)
    value = current_version.read_after_write(
        lambda: require(f"the value of {name}", GET_SECRET_VALUE, get_value),
        lambda value: value is None and is_readable,
    )
    return secret, value


def _names_secret(output: Output, name: str) -> bool:
    return value_from.is_secret_name(name, output.arn.rpartition(":")[2])


def _verify_new(clients: Clients, plan: CreatePlan, key: KmsKey | None, is_made: bool) -> CreateResult:
    """Verify document, version, tags, description and KMS key of the new secret, which this run made, to the plan."""
    secret, value = _read(clients, plan.name, lambda secret: secret is None)
    if secret is None:
        raise CouldNotLook(
            f"{plan.name} was not created, or cannot be read yet: Secrets Manager refuses the name of a secret that was"
            " just deleted without a recovery window. Run create again in some minutes."
        )
    if value is None or value.version_id != plan.token:
        if is_made:
            raise ConflictError(
                f"Somebody else changed {plan.name} right after this run had created it: theirs stays. Run verify to"
                " see the current state.",
                says_next=True,
            )
        raise ConflictError(
            f"{plan.name} was created or changed meanwhile, by somebody else or by a run that was broken off: what is"
            " there stays, and this run wrote nothing. Run create again to see it."
        )
    differences = [
        part
        for part, is_as_planned in {
            "the document": value.text is not None and value.text.same_as(plan.text),
            "the tags": plan.tags.items() <= secret.tags.items(),
            "the description": secret.description == plan.description,
            "the KMS key": _has_key(clients, secret, key),
        }.items()
        if not is_as_planned
    ]
    if differences:
        raise CouldNotLook(f"{plan.name} was created, but {', '.join(differences)} cannot be read back as planned.")
    return CreateResult(action="created", name=secret.name, arn=secret.arn, version_id=value.version_id, by=API)


def _has_key(clients: Clients, secret: Secret, key: KmsKey | None) -> bool:
    if key is None or not secret.kms_key_id:
        return key is None and not secret.kms_key_id
    found_key = _describe_key(clients, secret.kms_key_id)
    return found_key is not None and found_key.arn == key.arn


def _describe_key(clients: Clients, id: str) -> KmsKey | None:
    return require(f"KMS key {id}", "kms:DescribeKey", lambda: kms.describe_key(clients("kms"), id))
