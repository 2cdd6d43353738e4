"""What AWS's simulation of a role's permissions says, by action and by resource."""

from __future__ import annotations

import secrets
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from omc_runbook.aws import iam

ROLE = "arn:aws:iam::123456789012:role/services/execution"
BASE = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app"
READ = "secretsmanager:GetSecretValue"


@pytest.fixture
def client() -> Any:
    """A client that makes no call."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": secrets.token_hex(20)}
    return boto3.client("iam", region_name="us-east-1", **keys)


def result(**members: Any) -> dict[str, Any]:
    """One action's result."""
    return {"EvalActionName": READ, "EvalResourceName": "*", "EvalDecision": "implicitDeny", **members}


def test_each_resource_has_a_result_of_its_own(client: Any) -> None:
    """The result of an action is its strictest; what counts stands at each resource, with what was missing there."""
    own = [
        {"EvalResourceName": f"{BASE}-AbC123", "EvalResourceDecision": "allowed", "MatchedStatements": []},
        {"EvalResourceName": BASE, "EvalResourceDecision": "implicitDeny", "MissingContextValues": ["aws:x"]},
    ]
    answer = {"EvaluationResults": [result(ResourceSpecificResults=own)], "IsTruncated": False}
    with Stubber(client) as stub:
        stub.add_response("simulate_principal_policy", answer)
        found = iam.simulate(client, ROLE, [READ], [f"{BASE}-AbC123", BASE])
    assert [(entry.resource, entry.decision, entry.missing_context) for entry in found] == [
        (f"{BASE}-AbC123", "allowed", ()),
        (BASE, "implicitDeny", ("aws:x",)),
    ]


def test_a_result_without_resources_counts_for_itself(client: Any) -> None:
    """Where all resources were asked for, there is one result, with what the organization says."""
    members = {"MissingContextValues": ["aws:y"], "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
    with Stubber(client) as stub:
        stub.add_response("simulate_principal_policy", {"EvaluationResults": [result(**members)]})
        [found] = iam.simulate(client, ROLE, [READ], ["*"])
    assert (found.resource, found.allowed_by_organization, found.missing_context) == ("*", False, ("aws:y",))


def test_an_inline_policy_has_its_own_name(client: Any) -> None:
    """AWS puts the role's name before it, and leaves a managed policy's name alone."""
    named = ("role_execution_fence", "role_executioner_fence", "AdministratorAccess")
    members = {"EvalDecision": "explicitDeny", "MatchedStatements": [{"SourcePolicyId": each} for each in named]}
    with Stubber(client) as stub:
        stub.add_response("simulate_principal_policy", {"EvaluationResults": [result(**members)]})
        [found] = iam.simulate(client, ROLE, [READ], ["*"])
    assert found.statements == ("fence", *named[1:])


def test_every_page_of_results_counts(client: Any) -> None:
    """IAM gives a hundred results a page, or fewer: with many secrets, the one that is missing may be on the next."""
    pages = [
        {"EvaluationResults": [result(EvalResourceName=BASE)], "IsTruncated": True, "Marker": "2"},
        {"EvaluationResults": [result(EvalResourceName=f"{BASE}-AbC123", EvalDecision="allowed")]},
    ]
    with Stubber(client) as stub:
        for page in pages:
            stub.add_response("simulate_principal_policy", page)
        found = iam.simulate(client, ROLE, [READ], [BASE, f"{BASE}-AbC123"])
    assert [(entry.resource, entry.decision) for entry in found] == [
        (BASE, "implicitDeny"),
        (f"{BASE}-AbC123", "allowed"),
    ]
