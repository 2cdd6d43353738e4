"""What to do: the runbook that mends a fault, and the AWS commands by hand, with this environment's names filled in."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from omc_runbook.model.environment import GUIDE, Environment, Names
from omc_runbook.model.findings import Remedy
from omc_runbook.snapshot.roles import CHANNELS, DECRYPT

_NOT_IN_A_NAME = re.compile(r"[^\w+=,.@-]")


def create(environment: Environment) -> Remedy:
    """Create the secret with placeholders, by the runbook."""
    return by("create", environment, create_secret(environment.names))


def undelete(environment: Environment) -> Remedy:
    """Take back the deletion, by the runbook that creates the secret."""
    return by("create", environment, restore_secret(environment.names))


def update(environment: Environment, key: str = "", remove: str = "") -> Remedy:
    """Give a key another value, or without one write the whole document, by the runbook.

    A value is made where the catalogue says how, unless the database has to have the same one.
    """
    known = environment.keys.get(key)
    made = known is not None and known.generate and known.effect != "database-too"
    parameters = {"keys": key, "values_from": "generate" if made else "file:PATH", "remove": remove}
    return by("update", environment, put_value(environment.names), **parameters)


def restore(environment: Environment, to: str, from_: str) -> Remedy:
    """Give AWSCURRENT back to an earlier version and start new tasks, by the runbook."""
    return by("restore", environment, move_back(environment.names, to, from_), version=to)


def renew_tasks(environment: Environment, service: str) -> Remedy:
    """Start new tasks of every service that holds older values, and watch them, by the runbook."""
    return by("rotate", environment, redeploy(environment.names, service), values_from="keep")


def at_once(environment: Environment, remedy: Remedy) -> str:
    """The command line of a remedy's runbook that changes what it plans, in production too."""
    sure = {"apply": "true"} | ({"confirm": environment.name} if environment.is_production else {})
    return replace(remedy, parameters={**remedy.parameters, **sure}).invocation


def by(runbook: str, environment: Environment, by_hand: Remedy, **parameters: str) -> Remedy:
    """Name the runbook that does it, with the parameters that are not empty."""
    place = {"environment": environment.name, "runbook_toml": "" if environment.source == GUIDE else environment.source}
    given = {name: value for name, value in {**place, **parameters}.items() if value}
    return replace(by_hand, runbook=runbook, parameters=given)


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


def deploy(names: Names, service: str, revision: str) -> Remedy:
    """Give a service a revision of its task definition."""
    return Remedy(
        f"aws ecs update-service --cluster {names.cluster} --service {service} --task-definition {revision}"
        f" --force-new-deployment --region {names.region}"
    )


def scale(names: Names, service: str) -> Remedy:
    """Ask for running tasks."""
    return Remedy(
        f"aws ecs update-service --cluster {names.cluster} --service {service} --desired-count 1"
        f" --region {names.region}"
    )


def grant(names: Names, role: str, action: str, resource: str) -> Remedy:
    """Let a role do one thing on one resource, in a policy of its own so that no other is written over."""
    return Remedy(
        f"aws iam put-role-policy --role-name {role} --policy-name {grant_name(names, action)}"
        f" --policy-document '{grant_document(names, action, resource)}'"
    )


def grant_name(names: Names, action: str) -> str:
    """What a policy is called that lets a role do one thing with the secret: a name that IAM takes."""
    verb = "decrypt" if action == DECRYPT else "read"
    return _NOT_IN_A_NAME.sub("-", f"{verb}-{names.secret.rpartition(':')[2]}")[:128]


def grant_document(names: Names, action: str, resource: str) -> str:
    """A policy that allows one thing on one resource, and the use of a key through Secrets Manager alone."""
    statement: dict[str, object] = {"Effect": "Allow", "Action": action, "Resource": resource}
    if action == DECRYPT:
        via = f"secretsmanager.{names.region}.amazonaws.com"
        statement["Condition"] = {"StringEquals": {"kms:ViaService": via}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def revoke(role: str, policy: str) -> Remedy:
    """Take an inline policy away from a role."""
    return Remedy(f"aws iam delete-role-policy --role-name {role} --policy-name {policy}")


def enable_execute(names: Names, service: str) -> Remedy:
    """Start new tasks that ECS Exec can look into."""
    return Remedy(
        f"aws ecs update-service --cluster {names.cluster} --service {service} --enable-execute-command"
        f" --force-new-deployment --region {names.region}"
    )


def let_execute(role: str) -> Remedy:
    """Let a task role open the channels of ECS Exec, in a policy of its own: they take no resource but all."""
    actions = ",".join(f'"{action}"' for action in CHANNELS)
    statement = f'{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}'
    return Remedy(
        f"aws iam put-role-policy --role-name {role} --policy-name ecs-exec"
        f' --policy-document \'{{"Version":"2012-10-17","Statement":[{statement}]}}\''
    )


def logs(names: Names, service: str) -> Remedy:
    """Read what the service's containers said of late."""
    return Remedy(f"aws logs tail /ecs/{names.cluster}/{service} --since 30m --region {names.region}")


def advise(text: str) -> Remedy:
    """Say in a sentence what no single command does."""
    return Remedy(text)
