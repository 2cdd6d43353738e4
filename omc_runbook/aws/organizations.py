"""AWS Organizations: which organization the account belongs to, and the policies above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omc_runbook.aws.answer import parse_object
from omc_runbook.aws.failures import on_error
from omc_runbook.iam.policy import PolicyDocument

_SCP, _RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
Levels = tuple[tuple[PolicyDocument, ...], ...]


@dataclass(frozen=True)
class Organization:
    """The organization of an account; both are "" where the account belongs to none."""

    id: str
    management_account: str


@on_error("AWSOrganizationsNotInUseException", gives=Organization("", ""))
def describe(client: Any) -> Organization:
    """The account's organization.

    See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html
    """
    found = client.describe_organization()["Organization"]
    return Organization(str(found["Id"]), str(found.get("MasterAccountId", "")))


@dataclass(frozen=True, kw_only=True)
class OrganizationPolicies:
    """The policies of an organization that limit an account; each of them only forbids.

    `levels` are the service control policies (SCPs) of the account, of each unit above it and of the root: each level
    has to allow a call. `resource_controls` are the resource control policies (RCPs) of all levels that deny something.
    """

    levels: Levels = ()
    resource_controls: tuple[PolicyDocument, ...] = ()


def policies_above(client: Any, account: str, organization: Organization) -> OrganizationPolicies:
    """The policies that limit what principals of an account may do, and what anybody may do with its resources.

    None where nothing limits it: outside an organization, in the management account, and where the organization has no
    such policies. Only the management account and delegated administrators may ask. See
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html,
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
    """
    if not organization.id or organization.management_account == account:
        return OrganizationPolicies()
    contents: dict[str, PolicyDocument] = {}
    levels, controls, target = [], list[PolicyDocument](), account
    while target:
        levels.append(tuple(_attached(client, target, _SCP, contents)))
        controls += _attached(client, target, _RCP, contents)
        parents = [] if target.startswith("r-") else client.list_parents(ChildId=target)["Parents"]
        target = parents[0]["Id"] if parents else ""
    # With service control policies in use, every level has at least one.
    return OrganizationPolicies(
        levels=tuple(level for level in levels if level),
        resource_controls=tuple({id(each): each for each in controls if _denies(each)}.values()),
    )


def _attached(client: Any, target: str, kind: str, contents: dict[str, PolicyDocument]) -> list[PolicyDocument]:
    """The policies of a kind on the account, a unit or the root; each is read once."""
    pages = client.get_paginator("list_policies_for_target").paginate(TargetId=target, Filter=kind)
    listed = [(each["Id"], each["Name"]) for page in pages for each in page["Policies"]]
    for id, name in listed:
        if id not in contents:
            content = client.describe_policy(PolicyId=id)["Policy"]["Content"]
            contents[id] = PolicyDocument(name, "scp" if kind == _SCP else "rcp", parse_object(content))
    return [contents[id] for id, _ in listed]


def _denies(policy: PolicyDocument) -> bool:
    """Whether a policy denies anything: the one that AWS attaches allows everything, and every other denies alone."""
    return any(not isinstance(each, dict) or each.get("Effect") != "Allow" for _, each in policy.statements)
