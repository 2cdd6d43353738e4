"""Faults of the secret itself: deleted, scheduled for deletion, or without a current version."""

from __future__ import annotations

import json
import secrets
from functools import partial

from omc_runbook.aws.secretsmanager import PENDING
from omc_runbook.sandbox.faults.change import document, redeploy, rotate_automatically
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.build import create_service, restore_task_definition
from omc_runbook.sandbox.worlds.staging import CONSUMERS, SECRET, World
from omc_runbook.sandbox.worlds.vpcs import restore_network

REPLICA_REGION = "us-east-1"
_fault = partial(Fault, "secret")


def delete(world: World) -> None:
    """Delete the secret without a recovery window."""
    world.secretsmanager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)


def _delete_for_good(world: World) -> None:
    delete(world)
    redeploy(world)


def _schedule_deletion(world: World) -> None:
    world.secretsmanager.delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
    redeploy(world)


def _begin_rotation(world: World) -> None:
    text = json.dumps(document(world) | {"SECRET_KEY": secrets.token_hex(32)})
    world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text, VersionStages=[PENDING])


def _let_rotation_lapse(world: World) -> None:
    rotate_automatically(world, 30)
    world.control("POST", "rotation", {"secret": SECRET, "days": 44})


def _create_without_value(world: World) -> None:
    # A new secret has a new ARN: without new services their references would be stale as well.
    delete(world)
    arn = world.secretsmanager.create_secret(Name=SECRET)["ARN"]
    for service in CONSUMERS:
        world.delete_service(service.name)
        create_service(world, service, restore_task_definition(world, service, arn), restore_network(world))


def _replicate_onto_another(world: World) -> None:
    World(world.endpoint, region=REPLICA_REGION).secretsmanager.create_secret(Name=SECRET, SecretString="{}")
    world.secretsmanager.replicate_secret_to_regions(SecretId=SECRET, AddReplicaRegions=[{"Region": REPLICA_REGION}])


FAULTS = (
    _fault("secret-missing", "The secret does not exist.", _delete_for_good),
    _fault("scheduled-deletion", "The secret is scheduled for deletion.", _schedule_deletion),
    _fault(
        "no-current-version",
        "The secret exists without a value, and the services were deployed.",
        _create_without_value,
    ),
    _fault("rotation-pending", "A rotation staged a new version as AWSPENDING and never ended.", _begin_rotation),
    _fault("rotation-overdue", "Automatic rotation is on, and was due two weeks ago.", _let_rotation_lapse),
    _fault(
        "replica-stale",
        f"The secret cannot be replicated to {REPLICA_REGION}: there is another secret of its name.",
        _replicate_onto_another,
    ),
)
