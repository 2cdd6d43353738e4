"""AWS Organizations: which organization the account belongs to, and the service control policies above it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from omc_runbook.aws.session import code_of
from omc_runbook.iam.policy import PolicyDocument

_SCP = "SERVICE_CONTROL_POLICY"
Levels = tuple[tuple[PolicyDocument, ...], ...]


@dataclass(frozen=True)
class Organization:
    """The organization of an account; both are "" where the account belongs to none."""

    id: str
    management_account: str


def describe(client: Any) -> Organization:
    """The account's organization.

    See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html
    """
    try:
        found = client.describe_organization()["Organization"]
    except ClientError as error:
        if code_of(error) == "AWSOrganizationsNotInUseException":
            return Organization("", "")
        raise
    return Organization(str(found["Id"]), str(found.get("MasterAccountId", "")))


def service_control_policies(client: Any, account: str, organization: Organization) -> Levels:
    """The service control policies that limit an account: its own, those of each unit above it, and the root's.

    Each level has to allow a call. () where nothing limits it: outside an organization, in the management account, and
    where the organization has no such policies. Only the management account and delegated administrators may ask.
    See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
    """
    if not organization.id or organization.management_account == account:
        return ()
    contents: dict[str, PolicyDocument] = {}
    levels, target = [], account
    while target:
        pages = client.get_paginator("list_policies_for_target").paginate(TargetId=target, Filter=_SCP)
        listed = [(each["Id"], each["Name"]) for page in pages for each in page["Policies"]]
        for id, name in listed:
            if id not in contents:
                content = client.describe_policy(PolicyId=id)["Policy"]["Content"]
                contents[id] = PolicyDocument(name, "scp", json.loads(content))
        levels.append(tuple(contents[id] for id, _ in listed))
        parents = [] if target.startswith("r-") else client.list_parents(ChildId=target)["Parents"]
        target = parents[0]["Id"] if parents else ""
    # With these policies in use, every level has at least one.
    return tuple(level for level in levels if level)
