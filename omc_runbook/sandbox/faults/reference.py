"""Faults in how a task definition refers to the secret.

What keeps tasks from starting is put into the worker, which has no circuit breaker: its faulty revision
stays the primary one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from omc_runbook.sandbox.faults.change import document, grant, put, redeploy, refer, revise, rotate
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.faults.organization import OTHER_ACCOUNT
from omc_runbook.sandbox.faults.secret import delete
from omc_runbook.sandbox.worlds.roles import secrets_policy
from omc_runbook.sandbox.worlds.staging import ACCOUNT, REGION, SECRET, SECRET_PATTERN, World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef

OTHER_REGION = "ap-southeast-1"


def faults() -> tuple[Fault, ...]:
    """The faults of this family."""
    return (
        Fault(
            "wrong-region",
            "reference",
            f"The worker's SECRET_KEY refers to a secret of that name in {OTHER_REGION}.",
            _refer_to_other_region,
        ),
        Fault(
            "wrong-account",
            "reference",
            f"The worker's SECRET_KEY refers to account {OTHER_ACCOUNT}.",
            _refer_to_other_account,
        ),
        Fault(
            "suffix-stale",
            "reference",
            "The secret was deleted and created again: its ARN ends otherwise than the references.",
            _create_again,
        ),
        _fault("partial-arn", "The worker's reference lacks the ARN's suffix.", lambda arn: f"{arn[:-7]}:SECRET_KEY::"),
        _fault("bare-name", "The worker's SECRET_KEY refers to the secret's plain name.", lambda arn: SECRET),
        _fault(
            "arn-malformed",
            "The worker's reference lacks the two colons after the key.",
            lambda arn: f"{arn}:SECRET_KEY",
        ),
        _fault("whole-json", "The worker's OPENAI_API_KEY is given the whole JSON.", str, "OPENAI_API_KEY"),
        Fault(
            "key-unreferenced",
            "reference",
            "The secret has a key NEWS_API_KEY that no task definition refers to.",
            _add_unreferenced_key,
        ),
        Fault(
            "previous-pinned",
            "reference",
            "The worker's SECRET_KEY is pinned to the version before the current one.",
            _pin_previous,
        ),
        Fault(
            "version-pinned",
            "reference",
            "The worker's SECRET_KEY is pinned to one version id.",
            _pin_version,
        ),
        _fault(
            "version-short",
            "The worker's reference names a version id of eight characters.",
            lambda arn: f"{arn}:SECRET_KEY::0123abcd",
        ),
        Fault(
            "duplicate-name",
            "reference",
            "The worker's SECRET_KEY stands in its environment and in its secrets.",
            lambda world: revise(world, "worker", _duplicate),
        ),
        Fault(
            "name-mismatch",
            "reference",
            "The backend is given SECRETKEY where the application reads SECRET_KEY.",
            lambda world: revise(world, "backend", _misname),
        ),
    )


def _fault(fault: str, breaks: str, value_from: Callable[[str], str], variable: str = "SECRET_KEY") -> Fault:
    return Fault(fault, "reference", breaks, lambda world: refer(world, "worker", variable, value_from))


def _refer_to_other_region(world: World) -> None:
    elsewhere = World(world.endpoint, region=OTHER_REGION).secretsmanager
    arn = elsewhere.create_secret(Name=SECRET, SecretString=json.dumps(document(world)))["ARN"]
    # Granted, so that the reference alone is wrong and not the role as well.
    grant(world, secrets_policy(SECRET_PATTERN, SECRET_PATTERN.replace(REGION, OTHER_REGION)))
    refer(world, "worker", "SECRET_KEY", lambda _: f"{arn}:SECRET_KEY::")


def _refer_to_other_account(world: World) -> None:
    grant(world, secrets_policy(SECRET_PATTERN, SECRET_PATTERN.replace(ACCOUNT, OTHER_ACCOUNT)))
    refer(world, "worker", "SECRET_KEY", lambda arn: f"{arn.replace(ACCOUNT, OTHER_ACCOUNT)}:SECRET_KEY::")


def _create_again(world: World) -> None:
    text = json.dumps(document(world))
    delete(world)
    world.secretsmanager.create_secret(Name=SECRET, SecretString=text)
    redeploy(world)


def _add_unreferenced_key(world: World) -> None:
    found = document(world)
    put(world, {**found, "NEWS_API_KEY": found["SMTP_PASSWORD"][::-1]})
    redeploy(world)


def _pin_previous(world: World) -> None:
    rotate(world)
    redeploy(world)
    world.settle()
    refer(world, "worker", "SECRET_KEY", lambda arn: f"{arn}:SECRET_KEY:AWSPREVIOUS:")


def _pin_version(world: World) -> None:
    stages = world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
    refer(world, "worker", "SECRET_KEY", lambda arn: f"{arn}:SECRET_KEY::{current}")


def _duplicate(container: ContainerDefinitionOutputTypeDef) -> None:
    container["environment"].append({"name": "SECRET_KEY", "value": ""})


def _misname(container: ContainerDefinitionOutputTypeDef) -> None:
    for entry in container["secrets"]:
        if entry["name"] == "SECRET_KEY":
            entry["name"] = "SECRETKEY"
