"""What to do by hand: the AWS commands that mend a fault, with this environment's names filled in."""

from __future__ import annotations

from omc_runbook.environment import Names
from omc_runbook.finding import Remedy


def create_secret(names: Names) -> Remedy:
    """Create the secret from a file that only you can read."""
    return Remedy(
        f"aws secretsmanager create-secret --name {names.secret} --secret-string file://secrets.json"
        f" --region {names.region}"
    )


def restore_secret(names: Names) -> Remedy:
    """Take back the deletion."""
    return Remedy(f"aws secretsmanager restore-secret --secret-id {names.secret} --region {names.region}")


def delete_secret(name: str, days: int, region: str) -> Remedy:
    """Schedule the secret for deletion; for so many days it can be restored."""
    return Remedy(
        f"aws secretsmanager delete-secret --secret-id {name} --recovery-window-in-days {days} --region {region}"
    )


def put_value(names: Names) -> Remedy:
    """Write the whole secret from a file that only you can read."""
    return Remedy(
        f"aws secretsmanager put-secret-value --secret-id {names.secret} --secret-string file://secrets.json"
        f" --region {names.region}"
    )


def move_back(names: Names, to: str, from_: str) -> Remedy:
    """Give AWSCURRENT back to an earlier version."""
    return Remedy(
        f"aws secretsmanager update-secret-version-stage --secret-id {names.secret} --version-stage AWSCURRENT"
        f" --move-to-version-id {to} --remove-from-version-id {from_} --region {names.region}"
    )


def register(names: Names, instead: str) -> Remedy:
    """Correct a reference in Terraform and register a new revision."""
    return Remedy(
        f"In infrastructure/terraform/modules/ecs/main.tf set valueFrom = {instead}, then terraform apply"
        f" (region {names.region})."
    )


def redeploy(names: Names, service: str) -> Remedy:
    """Start new tasks, which read the secret anew."""
    return Remedy(
        f"aws ecs update-service --cluster {names.cluster} --service {service} --force-new-deployment"
        f" --region {names.region}"
    )


def scale(names: Names, service: str) -> Remedy:
    """Ask for running tasks."""
    return Remedy(
        f"aws ecs update-service --cluster {names.cluster} --service {service} --desired-count 1"
        f" --region {names.region}"
    )


def grant(names: Names, role: str, action: str, resource: str) -> Remedy:
    """Let a role do one thing on one resource, in a policy of its own so that no other is written over."""
    statement = f'{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}'
    return Remedy(
        f"aws iam put-role-policy --role-name {role} --policy-name read-{names.secret.rpartition(':')[2]}"
        f' --policy-document \'{{"Version":"2012-10-17","Statement":[{statement}]}}\''
    )


def logs(names: Names, service: str) -> Remedy:
    """Read what the service's containers said of late."""
    return Remedy(f"aws logs tail /ecs/{names.cluster}/{service} --since 30m --region {names.region}")


def advise(text: str) -> Remedy:
    """Say in a sentence what no single command does."""
    return Remedy(text)
