"""Links to the AWS Management Console: each partition has a domain of its own."""

from __future__ import annotations

import pytest

from omc_runbook.model.aws_names import Names
from omc_runbook.report.display import console


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("ap-southeast-2", "ap-southeast-2.console.aws.amazon.com"),
        ("cn-northwest-1", "cn-northwest-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"),
    ],
)
def test_a_link_leads_to_the_console_of_its_partition(region: str, host: str) -> None:
    """By the region, whatever page it is."""
    names = Names(secret="app", cluster="app", region=region)
    for link in (console.secret(names), console.services(names), console.deployments(names)):
        assert link.startswith(f"https://{host}/") and link.endswith(f"region={region}")
