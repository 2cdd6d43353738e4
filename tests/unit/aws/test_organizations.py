"""The policies of an organization that limit an account: of itself, each unit above it, and the root."""

from __future__ import annotations

import boto3
from botocore.stub import Stubber

from omc_runbook.aws.organizations import Organization, OrganizationPolicies, policies_above

ACCOUNT, KINDS = "123456789012", ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
ALLOWS, DENIES = '{"Statement": {"Effect": "Allow"}}', '{"Statement": [{"Effect": "Deny"}]}'


def test_each_level_is_read_up_to_the_root_and_each_policy_once() -> None:
    """A resource control policy that only allows limits nothing."""
    client = boto3.client("organizations", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    attached = {KINDS[0]: ["p-full"], KINDS[1]: ["p-allows", "p-denies"]}
    read = set[str]()
    with Stubber(client) as stub:
        for target, parent in ((ACCOUNT, "ou-1"), ("ou-1", "r-1"), ("r-1", "")):
            for kind in KINDS:
                listed = [{"Id": id, "Name": id} for id in attached[kind]]
                stub.add_response(
                    "list_policies_for_target", {"Policies": listed}, {"TargetId": target, "Filter": kind}
                )
                for id in [id for id in attached[kind] if id not in read]:
                    content = DENIES if id == "p-denies" else ALLOWS
                    stub.add_response("describe_policy", {"Policy": {"Content": content}}, {"PolicyId": id})
                    read.add(id)
            if parent:
                stub.add_response("list_parents", {"Parents": [{"Id": parent}]}, {"ChildId": target})
        found = policies_above(client, ACCOUNT, Organization("o-1", "210987654321"))
        stub.assert_no_pending_responses()
        assert policies_above(client, ACCOUNT, Organization("o-1", ACCOUNT)) == OrganizationPolicies()
    assert [[each.name for each in level] for level in found.levels] == [["p-full"]] * 3
    assert [(each.name, each.kind) for each in found.resource_controls] == [("p-denies", "rcp")]
