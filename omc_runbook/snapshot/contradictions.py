"""Answers of one look that contradict each other: one of the two calls did not see everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import CURRENT, Secret, Value, Version
from omc_runbook.snapshot.roles import GET_SECRET_VALUE


def in_tasks(cluster: str, services: Collection[Service], tasks: Collection[Task]) -> Iterator[ReadFailure]:
    """Yield the services that run tasks of which ListTasks, of running and of stopped ones, has none."""
    owners = {task.owner for task in tasks}
    for service in services:
        if service.running and service.name not in owners:
            problem = (
                f"by DescribeServices {service.name} runs {service.running}, and ListTasks has none of them;"
                " run again in a minute."
            )
            yield ReadFailure(f"the tasks of cluster {cluster}", "ecs:ListTasks", problem, "incomplete")


def in_versions(name: str, secret: Secret | None, versions: Collection[Version]) -> Iterator[ReadFailure]:
    """Yield the current version, by DescribeSecret, where ListSecretVersionIds does not have it."""
    current = secret.version_at(CURRENT) if secret else ""
    if current and current not in {version.id for version in versions}:
        problem = f"ListSecretVersionIds lacks {current}, the current one by DescribeSecret; run again in a minute."
        yield ReadFailure(f"the versions of {name}", "secretsmanager:ListSecretVersionIds", problem, "incomplete")


def in_secret(name: str, secret: Secret | None, value: Value | None) -> Iterator[ReadFailure]:
    """Yield the secret, where GetSecretValue has its current version, and by DescribeSecret there is none."""
    if value and not (secret and not secret.deleted and secret.version_at(CURRENT)):
        other = "does not exist" if secret is None else "is deleted" if secret.deleted else "has no current version"
        problem = f"by DescribeSecret it {other}, and GetSecretValue has {value.version_id}; run again in a minute."
        yield ReadFailure(f"secret {name}", "secretsmanager:DescribeSecret", problem, "incomplete")


def in_value(name: str, secret: Secret | None, value: Value | None) -> Iterator[ReadFailure]:
    """Yield the value, where GetSecretValue has another version for the current one than DescribeSecret."""
    current = secret.version_at(CURRENT) if secret and not secret.deleted else ""
    if current and (value is None or value.version_id != current):
        other = f"has {value.version_id}" if value else "has none"
        problem = f"by DescribeSecret version {current} is current, and GetSecretValue {other}; run again in a minute."
        yield ReadFailure(f"the value of {name}", GET_SECRET_VALUE, problem, "incomplete")
