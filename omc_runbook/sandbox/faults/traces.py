"""Removal of resources that faults create."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT
from omc_runbook.sandbox.faults import audit_access, audit_monitoring, audit_secret, checkout, other_sources
from omc_runbook.sandbox.faults.access import BOUNDARY
from omc_runbook.sandbox.faults.deployment import OTHER_CLUSTER
from omc_runbook.sandbox.faults.execute import configure_sessions
from omc_runbook.sandbox.faults.organization import allow_in_organization, secrets_of_other_account
from omc_runbook.sandbox.faults.reference import OTHER_REGION
from omc_runbook.sandbox.faults.secret import REPLICA_REGION
from omc_runbook.sandbox.worlds import past_calls
from omc_runbook.sandbox.worlds.consumers import remove_consumers
from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, SECRET, World
from omc_runbook.sandbox.worlds.vpcs import remove_private

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def remove_traces(world: World) -> None:
    """Remove every resource that a fault created, if it exists."""
    lifecycle.ask(lifecycle.at(world.endpoint), "DELETE", "wire")
    past_calls.forget(world)
    audit_monitoring.remove(world)
    checkout.remove_copy(world.endpoint)
    remove_private(world)
    allow_in_organization(world)
    remove_consumers(world)
    _remove_cluster(world, OTHER_CLUSTER)
    _remove_replicas(world)
    _cancel_rotation(world)
    _remove_labels(world)
    for region in (OTHER_REGION, REPLICA_REGION):
        _remove_secret(World(world.endpoint, region=region).secretsmanager)
    _remove_secret(secrets_of_other_account(world))
    configure_sessions(world)
    other_sources.remove(world)
    audit_access.remove(world)
    audit_secret.remove(world)
    _enable_keys(world)
    _remove_boundary(world)


def _remove_cluster(world: World, cluster: str) -> None:
    clusters = world.ecs.describe_clusters(clusters=[cluster])["clusters"]
    if not clusters or clusters[0]["status"] == "INACTIVE":
        return
    for service in world.services(cluster):
        world.delete_service(service["serviceName"], cluster)
    world.ecs.delete_cluster(cluster=cluster)


def _remove_replicas(world: World) -> None:
    try:
        replicas = world.secretsmanager.describe_secret(SecretId=SECRET).get("ReplicationStatus", ())
        if replicas:
            regions = [replica["Region"] for replica in replicas]
            world.secretsmanager.remove_regions_from_replication(SecretId=SECRET, RemoveReplicaRegions=regions)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise


def _cancel_rotation(world: World) -> None:
    try:
        world.secretsmanager.cancel_rotate_secret(SecretId=SECRET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "InvalidRequestException"):
            raise


def _remove_labels(world: World) -> None:
    """Remove staging labels other than AWS's own, with which a runbook marks a version to go on with."""
    try:
        stages = world.secretsmanager.describe_secret(SecretId=SECRET).get("VersionIdsToStages", {})
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return
    for version, labels in stages.items():
        for label in labels:
            if not label.startswith("AWS"):
                world.secretsmanager.update_secret_version_stage(
                    SecretId=SECRET, VersionStage=label, RemoveFromVersionId=version
                )


def _remove_secret(secretsmanager: SecretsManagerClient) -> None:
    try:
        secretsmanager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise


def _enable_keys(world: World) -> None:
    """Enable the customer managed key again: otherwise the secret cannot be moved to another key."""
    for key in world.kms.list_keys()["Keys"]:
        state = world.kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
        if state == "PendingDeletion":
            world.kms.cancel_key_deletion(KeyId=key["KeyId"])
        if state in ("PendingDeletion", "Disabled"):
            world.kms.enable_key(KeyId=key["KeyId"])


def _remove_boundary(world: World) -> None:
    try:
        world.iam.delete_role_permissions_boundary(RoleName=EXECUTION_ROLE)
        world.iam.delete_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{BOUNDARY}")
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
