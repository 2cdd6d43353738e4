"""The creation of a secret: made or restored once, by the API or by Terraform, and proved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from omc_runbook.aws import kms, secretsmanager
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.secretsmanager import CURRENT, Secret, Value
from omc_runbook.aws.session import Clients, insist
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Step, execute
from omc_runbook.changes.secret.create_plan import Creation
from omc_runbook.model import value_from
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.terraform import command
from omc_runbook.terraform.command import Output

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CreateResult(ChangeResult):
    """A secret that is proved to be there: what was done, its ARN, and its current version."""

    action: Literal["created", "restored"]
    name: str
    arn: str
    version_id: str
    by: str
    """What did it: "the API", "terraform" or "tofu"."""
    outputs: tuple[str, ...] = ()
    """Names of Terraform's outputs that have the secret's ARN."""


def find_key(clients: Clients, plan: Creation) -> KmsKey | None:
    """The key that a plan names, proved to be there and enabled; None for the AWS managed one.

    Raises UsageError for one that is not, CouldNotLook where it could not be read.
    """
    if not plan.kms_key:
        return None
    what = f"KMS key {plan.kms_key}"
    key = insist(what, "kms:DescribeKey", lambda: kms.describe_key(clients("kms"), plan.kms_key))
    if key is None:
        raise UsageError(f"{what} does not exist in {plan.region}: correct kms_key in runbook.toml.")
    if key.state != "Enabled":
        raise UsageError(f"{what} is {key.state} and cannot encrypt a secret: enable it, or set another kms_key.")
    return key if key.manager == "CUSTOMER" else None


def apply(clients: Clients, plan: Creation) -> CreateResult | None:
    """Create or restore the secret as planned, and prove it; None where there is nothing to do.

    Killed at any point, the same plan carried out again finishes the work. Raises ConflictError where somebody else
    came first, CouldNotLook where AWS or Terraform refuses or shows something else than was planned, UsageError for
    a plan of Terraform's that would do harm.
    """
    done: list[CreateResult] = []

    def act() -> Iterator[Change]:
        do = _apply_draft if plan.draft else _restore if plan.intent == "restore" else _create
        result = do(clients, plan)
        change = Change(action=result.action, secret=result.name, by=result.by, version=result.version_id)
        done.append(replace(result, changes=(change,)))
        yield change

    step = Step(name=plan.intent, apply=act, is_done=lambda: plan.intent == "nothing")
    execute([step], lambda name: None, Journal())
    return done[0] if done else None


def described(clients: Clients, name: str) -> Secret | None:
    """The secret's metadata as AWS has it now; CouldNotLook where it cannot be read."""
    client = clients("secretsmanager")
    return insist(f"secret {name}", "secretsmanager:DescribeSecret", lambda: secretsmanager.describe(client, name))


def _restore(clients: Clients, plan: Creation) -> CreateResult:
    client = clients("secretsmanager")
    _change(plan, "secretsmanager:RestoreSecret", lambda: secretsmanager.restore(client, plan.name))
    return _prove(clients, plan, "restored", "the API")


def _create(clients: Clients, plan: Creation) -> CreateResult:
    client, key = clients("secretsmanager"), find_key(clients, plan)
    _change(
        plan,
        "secretsmanager:CreateSecret",
        lambda: secretsmanager.create(
            client, plan.name, plan.text, plan.token, plan.description, plan.tags, plan.kms_key if key else ""
        ),
    )
    return _compare(clients, plan, key)


def _apply_draft(clients: Clients, plan: Creation) -> CreateResult:
    draft = plan.draft
    assert draft, "chosen only where there is one"
    if plan.harm:
        draft.drop()
        first = plan.harm[0]
        raise UsageError(f"{draft.name}'s plan was not applied. {first.title}: {first.subject}. {first.remedy.command}")
    ours = [output for output in command.apply(draft) if _is_of(output, plan.name)]
    secret = described(clients, plan.name)
    stray = next((output for output in ours if secret is None or output.arn != secret.arn), None)
    if stray:
        raise CouldNotLook(
            f"{draft.name}'s output {stray.name} is {stray.arn}, and AWS here has {secret.arn if secret else 'none'}:"
            " see whether its provider works in this account and region."
        )
    return replace(_prove(clients, plan, "created", draft.name), outputs=tuple(output.name for output in ours))


def _prove(clients: Clients, plan: Creation, action: Literal["created", "restored"], by: str) -> CreateResult:
    """Ask AWS whether the secret is there with a current version that can be read; raises CouldNotLook if not."""
    secret, name = described(clients, plan.name), plan.name
    if secret is None or secret.deleted:
        raise CouldNotLook(f"{name} is not there after all, or is scheduled for deletion: run create again to see.")
    value = _value(clients, name)
    if value is None:
        raise CouldNotLook(f"{name} was {action} and has no current version: run verify, it says what to do.")
    return CreateResult(action=action, name=secret.name, arn=secret.arn, version_id=value.version_id, by=by)


def _value(clients: Clients, name: str) -> Value | None:
    client = clients("secretsmanager")
    return insist(f"the value of {name}", GET_SECRET_VALUE, lambda: secretsmanager.get_value(client, name, CURRENT))


def _is_of(output: Output, name: str) -> bool:
    return value_from.is_secret_name(name, output.arn.rpartition(":")[2])


def _compare(clients: Clients, plan: Creation, key: KmsKey | None) -> CreateResult:
    """Hold what AWS has against the plan, and give it as proved: document, version, tags, description and key."""
    secret, value = described(clients, plan.name), _value(clients, plan.name)
    if secret is None or value is None or value.version_id != plan.token:
        raise ConflictError(
            f"Somebody else created {plan.name} meanwhile, or changed it at once: theirs stays, yours was not written."
            " Run create again to see what is there now."
        )
    wrong = [
        what
        for what, right in {
            "the document": value.text is not None and value.text.same_as(plan.text),
            "the tags": plan.tags.items() <= secret.tags.items(),
            "the description": secret.description == plan.description,
            "the KMS key": _key_is(clients, secret, key),
        }.items()
        if not right
    ]
    if wrong:
        raise CouldNotLook(f"{plan.name} was created, but {', '.join(wrong)} cannot be read back as planned.")
    return CreateResult(action="created", name=secret.name, arn=secret.arn, version_id=value.version_id, by="the API")


def _key_is(clients: Clients, secret: Secret, key: KmsKey | None) -> bool:
    if key is None or not secret.kms_key_id:
        return key is None and not secret.kms_key_id
    found = insist(
        f"KMS key {secret.kms_key_id}",
        "kms:DescribeKey",
        lambda: kms.describe_key(clients("kms"), secret.kms_key_id),
    )
    return found is not None and found.arn == key.arn


def _change(plan: Creation, permission: str, call: Callable[[], T]) -> T:
    return insist(f"secret {plan.name}", permission, call, plan.intent)
