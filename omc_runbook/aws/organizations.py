"""AWS Organizations: which organization the account belongs to."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from omc_runbook.aws.session import code_of


def organization_id(client: Any) -> str:
    """The id of the account's organization; "" where it belongs to none.

    See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html
    """
    try:
        return str(client.describe_organization()["Organization"]["Id"])
    except ClientError as error:
        if code_of(error) == "AWSOrganizationsNotInUseException":
            return ""
        raise
