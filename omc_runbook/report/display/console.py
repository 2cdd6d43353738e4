"""URLs of an environment's pages in the AWS Management Console."""

from __future__ import annotations

from omc_runbook.model.aws_names import Names

_OTHERS = {"cn-": "amazonaws.cn", "us-gov-": "amazonaws-us-gov.com", "eusc-": "amazonaws-eusc.eu"}
"""The domains of the console in other partitions, by how their regions begin."""


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
    domain = next((domain for start, domain in _OTHERS.items() if names.region.startswith(start)), "aws.amazon.com")
    return f"https://{names.region}.console.{domain}"
