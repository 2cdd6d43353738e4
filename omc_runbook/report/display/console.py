"""URLs of an environment's pages in the AWS Management Console."""

from __future__ import annotations

from omc_runbook.model.environment import Names


def secret(names: Names) -> str:
    """The secret's page."""
    return f"{_home(names)}/secretsmanager/secret?name={names.secret}&region={names.region}"


def services(names: Names) -> str:
    """The cluster's page, which lists its services."""
    return f"{_home(names)}/ecs/v2/clusters/{names.cluster}?region={names.region}"


def deployments(names: Names) -> str:
    """The deployments page of the main service."""
    return f"{_home(names)}/ecs/v2/clusters/{names.cluster}/services/{names.service}/deployments?region={names.region}"


def _home(names: Names) -> str:
    return f"https://{names.region}.console.aws.amazon.com"
