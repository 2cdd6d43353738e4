"""IAM: a role with its policies and permissions boundary, and AWS's simulation of its permissions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from botocore.exceptions import ClientError

from omc_runbook.aws.session import code_of
from omc_runbook.iam.policy import PolicyDocument

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_iam.type_defs import ContextEntryTypeDef


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role: who may assume it, its tags and, where it has one, the ARN of its permissions boundary.

    `id` is its RoleId, which the user id of its sessions begins with.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
    """

    arn: str
    name: str
    trust: PolicyDocument
    boundary_arn: str
    tags: dict[str, str] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """SimulatePrincipalPolicy's result for one action on one resource.

    `decision` is allowed, explicitDeny or implicitDeny; the two flags are None where the result has none.
    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """

    action: str
    resource: str
    decision: str
    statements: tuple[str, ...]
    allowed_by_organization: bool | None
    allowed_by_boundary: bool | None
    missing_context: tuple[str, ...]


def role_name(arn: str) -> str:
    """A role's name from its ARN, without the path."""
    return arn.rpartition("/")[2]


def get_role(client: IAMClient, name: str) -> Role | None:
    """Read a role and its trust policy; None where the role does not exist."""
    try:
        answer = client.get_role(RoleName=name)["Role"]
    except ClientError as error:
        if code_of(error) == "NoSuchEntity":
            return None
        raise
    trust = PolicyDocument(f"trust policy of {name}", "trust", _document(answer.get("AssumeRolePolicyDocument", {})))
    boundary = answer.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    tags = {tag["Key"]: tag["Value"] for tag in answer.get("Tags", ())}
    return Role(
        arn=answer["Arn"],
        name=answer["RoleName"],
        trust=trust,
        boundary_arn=boundary,
        tags=tags,
        id=answer.get("RoleId", ""),
    )


def simulate(
    client: IAMClient,
    role_arn: str,
    actions: Sequence[str],
    resources: Sequence[str],
    context: Mapping[str, str] | None = None,
) -> tuple[Simulated, ...]:
    """Simulate every action on every resource for a role; () where the role does not exist.

    `context` has the values of condition keys (of type string) that the request would have.
    """
    entries: list[ContextEntryTypeDef] = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in (context or {}).items()
    ]
    try:
        answer = client.simulate_principal_policy(
            PolicySourceArn=role_arn, ActionNames=list(actions), ResourceArns=list(resources), ContextEntries=entries
        )
    except ClientError as error:
        if code_of(error) == "NoSuchEntity":
            return ()
        raise
    return tuple(simulated for result in answer["EvaluationResults"] for simulated in _simulated(result))


def _simulated(result: Any) -> Iterator[Simulated]:
    """The results of one action: of each resource, where the simulation was told any."""
    resources = [
        {
            **entry,
            "EvalDecision": entry["EvalResourceDecision"],
            "OrganizationsDecisionDetail": result.get("OrganizationsDecisionDetail", {}),
        }
        for entry in result.get("ResourceSpecificResults", ())
    ]
    for entry in resources or [result]:
        yield Simulated(
            action=result["EvalActionName"],
            resource=entry.get("EvalResourceName", "*"),
            decision=entry["EvalDecision"],
            statements=tuple(match.get("SourcePolicyId", "") for match in entry.get("MatchedStatements", ())),
            allowed_by_organization=entry.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations"),
            allowed_by_boundary=entry.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary"),
            missing_context=tuple(entry.get("MissingContextValues", ())),
        )


def list_inline_names(client: IAMClient, role: str) -> tuple[str, ...]:
    """Names of a role's inline policies."""
    pages = client.get_paginator("list_role_policies").paginate(RoleName=role)
    return tuple(name for page in pages for name in page["PolicyNames"])


def list_attached_arns(client: IAMClient, role: str) -> tuple[str, ...]:
    """ARNs of the managed policies attached to a role."""
    pages = client.get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return tuple(entry["PolicyArn"] for page in pages for entry in page["AttachedPolicies"])


def get_inline(client: IAMClient, role: str, name: str) -> PolicyDocument:
    """Read one inline policy of a role."""
    answer = client.get_role_policy(RoleName=role, PolicyName=name)
    return PolicyDocument(name, "inline", _document(answer["PolicyDocument"]))


def find_inline(client: IAMClient, role: str, name: str) -> PolicyDocument | None:
    """Read one inline policy of a role; None where there is none of that name."""
    try:
        return get_inline(client, role, name)
    except ClientError as error:
        if code_of(error) == "NoSuchEntity":
            return None
        raise


def put_inline(client: IAMClient, role: str, name: str, document: str) -> None:
    """Put an inline policy on a role; an existing one with this name is overwritten.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
    """
    client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


def delete_inline(client: IAMClient, role: str, name: str) -> None:
    """Delete a role's inline policy; a missing one is no error."""
    try:
        client.delete_role_policy(RoleName=role, PolicyName=name)
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise


def get_managed(client: IAMClient, arn: str, kind: Literal["managed", "boundary"] = "managed") -> PolicyDocument:
    """Read a managed policy at its default version."""
    version = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = client.get_policy_version(PolicyArn=arn, VersionId=version)
    return PolicyDocument(arn.rpartition("/")[2], kind, _document(answer["PolicyVersion"]["Document"]))


def _document(raw: Any) -> dict[str, Any]:
    """A policy as a mapping; botocore decodes AWS's URL-encoded JSON, other servers may send text."""
    return json.loads(unquote(raw)) if isinstance(raw, str) else dict(raw)
