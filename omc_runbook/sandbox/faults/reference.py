"""Faults in how a task definition refers to the secret.

A fault that keeps tasks from starting is in the worker, which has no circuit breaker: its faulty revision stays the
primary one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults.change import add_variables, document, grant, put, redeploy, refer, revise, rotate
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.faults.organization import OTHER_ACCOUNT
from omc_runbook.sandbox.faults.secret import delete
from omc_runbook.sandbox.worlds.roles import secrets_policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, SECRET, SECRET_PATTERN, World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef

OTHER_REGION = "ap-southeast-1"
_fault = partial(Fault, "reference")


def _reference(fault_id: str, breaks: str, value_from: Callable[[str], str], variable: str = "SECRET_KEY") -> Fault:
    return _fault(fault_id, breaks, lambda world: refer(world, "worker", variable, value_from))


def _refer_to_other_region(world: World) -> None:
    secretsmanager = World(world.endpoint, region=OTHER_REGION).secretsmanager
    arn = secretsmanager.create_secret(Name=SECRET, SecretString=json.dumps(document(world)))["ARN"]
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
    content = document(world)
    put(world, {**content, "NEWS_API_KEY": content["SMTP_PASSWORD"][::-1]})
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


def _give_to_sidecar(world: World) -> None:
    arn = world.service("worker")["taskDefinition"]
    current = world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"][0]
    moved = [entry for entry in current["secrets"] if entry["name"] == "OPENAI_API_KEY"]
    sidecar = {**current, "name": "metrics", "essential": False, "secrets": moved, "environment": []}

    def edit(container: ContainerDefinitionOutputTypeDef) -> None:
        container["secrets"] = [entry for entry in container["secrets"] if entry not in moved]

    revise(world, "worker", edit, sidecars=[cast("ContainerDefinitionOutputTypeDef", sidecar)])


def _misname(container: ContainerDefinitionOutputTypeDef) -> None:
    for entry in container["secrets"]:
        if entry["name"] == "SECRET_KEY":
            entry["name"] = "SECRETKEY"


FAULTS = (
    _fault(
        "wrong-region",
        f"The worker's SECRET_KEY refers to a secret of that name in {OTHER_REGION}.",
        _refer_to_other_region,
    ),
    _fault("wrong-account", f"The worker's SECRET_KEY refers to account {OTHER_ACCOUNT}.", _refer_to_other_account),
    _fault(
        "suffix-stale",
        "The secret was deleted and created again: its ARN's suffix differs from the references'.",
        _create_again,
    ),
    _reference("partial-arn", "The worker's reference lacks the ARN's suffix.", lambda arn: f"{arn[:-7]}:SECRET_KEY::"),
    _reference("bare-name", "The worker's SECRET_KEY refers to the secret's plain name.", lambda arn: SECRET),
    _reference(
        "arn-malformed", "The worker's reference lacks the two colons after the key.", lambda arn: f"{arn}:SECRET_KEY"
    ),
    _reference("whole-json", "The worker's OPENAI_API_KEY gets the whole JSON.", str, "OPENAI_API_KEY"),
    _fault(
        "platform-version",
        "The worker runs on a platform version of Fargate that cannot read one key of a secret.",
        lambda world: world.ecs.update_service(cluster=CLUSTER, service="worker", platformVersion="1.3.0"),
    ),
    _fault(
        "sidecar-only", "The worker's OPENAI_API_KEY is given to a sidecar, and not to the worker.", _give_to_sidecar
    ),
    _fault(
        "key-unreferenced",
        "The secret has a key NEWS_API_KEY that no task definition refers to.",
        _add_unreferenced_key,
    ),
    _fault(
        "previous-pinned", "The worker's SECRET_KEY is pinned to the version before the current one.", _pin_previous
    ),
    _fault("version-pinned", "The worker's SECRET_KEY is pinned to one version id.", _pin_version),
    _reference(
        "version-short",
        "The worker's reference names a version id of eight characters.",
        lambda arn: f"{arn}:SECRET_KEY::0123abcd",
    ),
    _fault(
        "duplicate-name",
        "The worker's SECRET_KEY is in its environment and in its secrets.",
        lambda world: revise(world, "worker", add_variables(SECRET_KEY="")),
    ),
    _fault(
        "plain-secret",
        "The worker's STRIPE_API_KEY is a plain variable of its task definition.",
        lambda world: revise(world, "worker", add_variables(STRIPE_API_KEY=f"rk-{secrets.token_hex(24)}")),
    ),
    _fault(
        "name-mismatch",
        "The backend gets SECRETKEY where the application reads SECRET_KEY.",
        lambda world: revise(world, "backend", _misname),
    ),
)
