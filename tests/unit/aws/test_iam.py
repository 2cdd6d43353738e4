"""An account's users and roles, with the policies that count for each."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.stub import Stubber

from omc_runbook.aws.iam import get_account_details, join

IAM = "arn:aws:iam::123456789012"


def policy(name: str, *documents: str) -> dict[str, Any]:
    """A managed policy with versions, of which the last is the default; each document is a Sid."""
    versions = [
        {"Document": f'{{"Statement": [{{"Sid": "{each}"}}]}}', "IsDefaultVersion": False} for each in documents
    ]
    return {
        "Arn": f"{IAM}:policy/{name}",
        "PolicyVersionList": [*versions[:-1], {**versions[-1], "IsDefaultVersion": True}],
    }


def test_what_counts_for_a_user_is_joined_and_what_is_missing_of_it_is_unread() -> None:
    """Its own policies and its groups', each at the default version, within its boundary."""
    user = {
        "Arn": f"{IAM}:user/eve",
        "GroupList": ["staff", "gone"],
        "AttachedManagedPolicies": [{"PolicyArn": f"{IAM}:policy/own"}, {"PolicyArn": f"{IAM}:policy/unread"}],
        "PermissionsBoundary": {"PermissionsBoundaryArn": f"{IAM}:policy/no-boundary"},
    }
    bounded = {"Arn": f"{IAM}:role/bounded", "PermissionsBoundary": {"PermissionsBoundaryArn": f"{IAM}:policy/own"}}
    group = {"Arn": f"{IAM}:group/staff", "AttachedManagedPolicies": [{"PolicyArn": f"{IAM}:policy/shared"}]}
    answer = {"UserDetailList": [user], "RoleDetailList": [bounded], "GroupDetailList": [group]}
    answer["Policies"] = [policy("own", "former", "own"), policy("shared", "shared")]
    client = boto3.client("iam", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        stub.add_response("get_account_authorization_details", answer)
        details = get_account_details(client, ["User"])
    eve, role = join(details)
    assert [each.document["Statement"][0]["Sid"] for each in eve.policies] == ["own", "shared"]
    assert [each.group for each in eve.policies] == ["", f"{IAM}:group/staff"]
    assert eve.unread == (f"{IAM}:policy/unread", f"{IAM}:policy/no-boundary", "gone") and eve.boundary is None
    assert role.boundary and role.boundary.kind == "boundary" and role.unread == ()
    [former] = details.other_versions[f"{IAM}:policy/own"]
    assert former.document["Statement"][0]["Sid"] == "former"
