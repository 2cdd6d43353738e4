"""Faults of another secret and of an SSM parameter, to which the worker's task definition refers beside the secret."""

from __future__ import annotations

import json
import secrets
from functools import partial

from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults.change import add_reference, grant, remove_secret, revise
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.roles import policy
from omc_runbook.sandbox.worlds.staging import SECRETS_POLICY, STAGING, World

OTHER_SECRET, KEY = f"{STAGING}-sms", "SMS_TOKEN"
PARAMETER = f"/{STAGING}/sms-sender"
OTHER_POLICY = f"{SECRETS_POLICY}-sms"
_PARAMETER_ARN = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{PARAMETER}"
_fault = partial(Fault, "reference")


def remove(world: World) -> None:
    """Delete the other secret and the parameter, if they exist."""
    remove_secret(world.secretsmanager, OTHER_SECRET)
    world.ssm.delete_parameters(Names=[PARAMETER])


def _lose_secret(world: World) -> None:
    arn = _create_secret(world)
    _allow(world, "secretsmanager:GetSecretValue", arn)
    world.secretsmanager.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    _refer(world, f"{arn}:{KEY}::")


def _misname_key(world: World) -> None:
    arn = _create_secret(world)
    _allow(world, "secretsmanager:GetSecretValue", arn)
    _refer(world, f"{arn}:SMS_PASSWORD::")


def _rotate_secret(world: World) -> None:
    arn = _create_secret(world)
    _allow(world, "secretsmanager:GetSecretValue", arn)
    _refer(world, f"{arn}:{KEY}::")
    world.settle()
    world.secretsmanager.put_secret_value(SecretId=arn, SecretString=_document())


def _name_no_parameter(world: World) -> None:
    _allow(world, "ssm:GetParameters", _PARAMETER_ARN)
    _refer(world, PARAMETER)


def _hide_parameter(world: World) -> None:
    _put_parameter(world)
    _refer(world, PARAMETER)


def _change_parameter(world: World) -> None:
    _put_parameter(world)
    _allow(world, "ssm:GetParameters", _PARAMETER_ARN)
    _refer(world, PARAMETER)
    world.settle()
    _put_parameter(world)


def _create_secret(world: World) -> str:
    return str(world.secretsmanager.create_secret(Name=OTHER_SECRET, SecretString=_document())["ARN"])


def _put_parameter(world: World) -> None:
    world.ssm.put_parameter(Name=PARAMETER, Value=secrets.token_hex(4), Type="SecureString", Overwrite=True)


def _document() -> str:
    return json.dumps({KEY: secrets.token_hex(16)})


def _allow(world: World, action: str, resource: str) -> None:
    grant(world, policy(action, Resource=resource), OTHER_POLICY)


def _refer(world: World, value_from: str) -> None:
    """Deploy a revision of the worker with one reference more."""
    revise(world, "worker", add_reference("SMS_CREDENTIAL", value_from))


FAULTS = (
    _fault("other-secret-missing", "The worker refers to another secret, which was deleted.", _lose_secret),
    _fault(
        "other-secret-denied",
        "The worker refers to another secret, which its execution role may not read.",
        lambda world: _refer(world, f"{_create_secret(world)}:{KEY}::"),
    ),
    _fault("other-secret-key", "The worker refers to a key that another secret does not have.", _misname_key),
    _fault("other-secret-rotated", "Another secret that the worker refers to was rotated.", _rotate_secret),
    _fault("parameter-missing", "The worker refers to an SSM parameter that does not exist.", _name_no_parameter),
    _fault(
        "parameter-denied",
        "The worker refers to an SSM parameter that its execution role may not read.",
        _hide_parameter,
    ),
    _fault("parameter-changed", "An SSM parameter that the worker refers to was changed.", _change_parameter),
)
