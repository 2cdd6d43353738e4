"""Removal of resources that faults create."""

from __future__ import annotations

from collections.abc import Callable

from omc_runbook.aws.failures import on_error
from omc_runbook.sandbox.account import ACCOUNT
from omc_runbook.sandbox.faults import audit_access, audit_monitoring, audit_secret, checkout, other_sources
from omc_runbook.sandbox.faults.access import BOUNDARY
from omc_runbook.sandbox.faults.change import remove_secret
from omc_runbook.sandbox.faults.deployment import OTHER_CLUSTER
from omc_runbook.sandbox.faults.execute import configure_sessions
from omc_runbook.sandbox.faults.organization import allow_in_organization, secrets_of_other_account
from omc_runbook.sandbox.faults.reference import OTHER_REGION
from omc_runbook.sandbox.faults.secret import REPLICA_REGION
from omc_runbook.sandbox.worlds import past_calls
from omc_runbook.sandbox.worlds.consumers import remove_consumers
from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, SECRET, Changes, World
from omc_runbook.sandbox.worlds.vpcs import remove_private


def remove_traces(world: World, changes: Changes) -> None:
    """Remove every resource that a fault created, if it exists."""
    world.control("DELETE", "wire")
    past_calls.forget(world)
    audit_secret.give_true_dates(world)
    checkout.remove_copy(world.endpoint)
    for actions, remove in _REMOVALS:
        if changes.include(*actions):
            remove(world)


def _remove_cluster(world: World) -> None:
    clusters = world.ecs.describe_clusters(clusters=[OTHER_CLUSTER])["clusters"]
    if not clusters or clusters[0]["status"] == "INACTIVE":
        return
    for service in world.services(OTHER_CLUSTER):
        world.delete_service(service["serviceName"], OTHER_CLUSTER)
    world.ecs.delete_cluster(cluster=OTHER_CLUSTER)


@on_error("ResourceNotFoundException", gives=None)
def _remove_replicas(world: World) -> None:
    replicas = world.secretsmanager.describe_secret(SecretId=SECRET).get("ReplicationStatus", ())
    if replicas:
        regions = [replica["Region"] for replica in replicas]
        world.secretsmanager.remove_regions_from_replication(SecretId=SECRET, RemoveReplicaRegions=regions)


@on_error("ResourceNotFoundException", "InvalidRequestException", gives=None)
def _cancel_rotation(world: World) -> None:
    world.secretsmanager.cancel_rotate_secret(SecretId=SECRET)


def _remove_copies(world: World) -> None:
    """Delete the secrets of the same name in other regions, replicas or not, and in the other account."""
    _remove_replicas(world)
    for region in (OTHER_REGION, REPLICA_REGION):
        remove_secret(World(world.endpoint, region=region).secretsmanager)
    remove_secret(secrets_of_other_account(world))


def _enable_keys(world: World) -> None:
    """Enable the customer managed key again: otherwise the secret cannot be moved to another key."""
    for key in world.kms.list_keys()["Keys"]:
        state = world.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
        if state == "PendingDeletion":
            world.kms.cancel_key_deletion(KeyId=key["KeyId"])
        if state in ("PendingDeletion", "Disabled"):
            world.kms.enable_key(KeyId=key["KeyId"])


@on_error("NoSuchEntity", gives=None)
def _remove_boundary(world: World) -> None:
    world.iam.delete_role_permissions_boundary(RoleName=EXECUTION_ROLE)
    world.iam.delete_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{BOUNDARY}")


_CREATED = ("secretsmanager:CreateSecret", "secretsmanager:ReplicateSecretToRegions")
_REMOVALS: tuple[tuple[tuple[str, ...], Callable[[World], None]], ...] = (
    (("events:",), audit_monitoring.remove),
    (("ec2:CreateVpc",), remove_private),
    (("organizations:",), allow_in_organization),
    (("ecs:RunTask", "ecs:CreateDaemon", "ecs:CreateExpressGatewayService", "events:", "scheduler:"), remove_consumers),
    (("ecs:CreateCluster",), _remove_cluster),
    (_CREATED, _remove_copies),
    (("secretsmanager:RotateSecret",), _cancel_rotation),
    (("ecs:UpdateCluster",), configure_sessions),
    ((*_CREATED, "ssm:PutParameter"), other_sources.remove),
    (("iam:CreateUser", "iam:CreateRole"), audit_access.remove),
    ((*_CREATED, "logs:CreateLogStream"), audit_secret.remove),
    (("kms:",), _enable_keys),
    (("iam:PutRolePermissionsBoundary", "iam:CreatePolicy"), _remove_boundary),
)
"""What removes what faults and their remedies leave, and the calls without which there is nothing of it."""
