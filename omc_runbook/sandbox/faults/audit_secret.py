"""Faults of the secret that nobody notices and an audit finds: old, open, unused or unprotected."""

from __future__ import annotations

import json
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING

from omc_runbook.aws.failures import on_error
from omc_runbook.sandbox.faults.change import (
    add_variables,
    document,
    encrypt_and_grant,
    put,
    remove_secret,
    revise,
    rotate,
    rotate_automatically,
)
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.staging import SECRET, STAGING, World

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.type_defs import TagTypeDef

PRODUCTION_SECRET = "ohmycoins-production-app-secrets"
UNUSED_SECRET = f"{STAGING}-payments"
TAGGED_SECRETS = (f"{STAGING}-billing", f"{STAGING}-mail")
LOG_GROUP, LOG_STREAM = f"/ecs/{STAGING}/backend", "ecs/backend/debug"
VARIABLE = "SESSION_SIGNER"
_DAY = 86_400
_LARGE = 54_000
_ROTATIONS = 55
_ASKED = "Nothing fails. Somebody asks what an auditor would find about the secret."

_fault = partial(Fault, "audit", symptom=_ASKED)


@on_error("ResourceNotFoundException", gives=None)
def remove(world: World) -> None:
    """Remove what these faults create."""
    for name in (PRODUCTION_SECRET, UNUSED_SECRET, *TAGGED_SECRETS):
        remove_secret(world.secretsmanager, name)
    world.logs.delete_log_stream(logGroupName=LOG_GROUP, logStreamName=LOG_STREAM)


def give_true_dates(world: World) -> None:
    """Give the secret's versions their true dates back."""
    _date(world, SECRET, {})


def date_back(world: World, days: float, secret: str = SECRET) -> None:
    """Date all versions of a secret back by so many days."""
    versions = world.secretsmanager.list_secret_version_ids(SecretId=secret, IncludeDeprecated=True)["Versions"]
    seconds = days * _DAY
    _date(world, secret, {each["VersionId"]: each["CreatedDate"].timestamp() - seconds for each in versions})


def _date(world: World, secret: str, created: dict[str, float]) -> None:
    world.control("POST", "versions", {"secret": secret, "created": created})


def _rotate_to_same(world: World) -> None:
    date_back(world, 100)
    rotate_automatically(world, 90, at_once=True)
    # Rotation goes on by hand, and its date stays.
    world.secretsmanager.cancel_rotate_secret(SecretId=SECRET)


def _write_in_plain(world: World) -> None:
    revise(world, "frontend", add_variables(**{VARIABLE: document(world)["SECRET_KEY"]}))


def _log(world: World) -> None:
    line = f"openai client: {{'api_key': '{document(world)['OPENAI_API_KEY']}'}}"
    world.logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=LOG_STREAM)
    world.logs.put_log_events(
        logGroupName=LOG_GROUP,
        logStreamName=LOG_STREAM,
        logEvents=[{"timestamp": int(time.time() * 1000), "message": line}],
    )


def _share(world: World) -> None:
    text = json.dumps({"SECRET_KEY": document(world)["SECRET_KEY"]})
    world.secretsmanager.create_secret(Name=PRODUCTION_SECRET, SecretString=text)


def _add_key(world: World) -> None:
    put(world, {**document(world), "LEGACY_TOKEN": secrets.token_hex(16)})


def _leave_secret(world: World) -> None:
    text = json.dumps({"PAYMENTS_KEY": secrets.token_hex(16)})
    world.secretsmanager.create_secret(Name=UNUSED_SECRET, SecretString=text)
    date_back(world, 200, UNUSED_SECRET)


def _rotate_often(world: World) -> None:
    for _ in range(_ROTATIONS):
        rotate(world)


def _tag_others(world: World) -> None:
    for name in TAGGED_SECRETS:
        tags: list[TagTypeDef] = [{"Key": "Owner", "Value": "payments"}, {"Key": "CostCenter", "Value": "1042"}]
        text = json.dumps({"TOKEN": secrets.token_hex(16)})
        world.secretsmanager.create_secret(Name=name, SecretString=text, Tags=tags)


def _fill(world: World) -> None:
    put(world, {**document(world), "_certificates": secrets.token_hex(_LARGE // 2)})


FAULTS = (
    _fault("key-overdue", "Every value is 200 days old.", lambda world: date_back(world, 200)),
    _fault("key-due-soon", "Every value is 170 days old, of 180.", lambda world: date_back(world, 170)),
    _fault("rotation-not-real", "A rotation wrote the same values again.", _rotate_to_same),
    _fault("plain-in-definition", f"The frontend's {VARIABLE} has SECRET_KEY in plain text.", _write_in_plain),
    _fault("value-in-log", "The backend logged OPENAI_API_KEY.", _log),
    _fault("value-shared", "Production's secret has the same SECRET_KEY.", _share),
    _fault("key-unused", "The secret has a key LEGACY_TOKEN that nothing refers to.", _add_key),
    _fault("secret-unused", f"Nobody has read {UNUSED_SECRET} for 200 days.", _leave_secret),
    _fault("version-unlabelled", "Many rotations left versions without a label.", _rotate_often),
    _fault("key-not-rotated", "The secret's customer key has no automatic rotation.", encrypt_and_grant),
    _fault(
        "rotation-broken",
        "Automatic rotation names a function that does not exist.",
        lambda world: rotate_automatically(world, 90),
    ),
    _fault("tags-missing", "The project's other secrets have tags that this one lacks.", _tag_others),
    _fault("quota-near", "The secret's value has 80 % of its largest size.", _fill),
)
