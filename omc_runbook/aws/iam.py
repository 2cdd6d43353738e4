"""IAM: a role with its policies and permissions boundary, and AWS's simulation of its permissions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from omc_runbook.aws.answer import pages, parse_object
from omc_runbook.aws.failures import on_error
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import Identity

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_iam.literals import EntityTypeType
    from mypy_boto3_iam.type_defs import ContextEntryTypeDef

ENTITIES_A_PAGE = 1000
JOB_SECONDS, POLL_SECONDS = 60.0, 0.5
"""How long a report of last accesses is waited for, and how often it is asked for."""


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
class Simulation:
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


@dataclass(frozen=True, kw_only=True)
class AccountDetails:
    """What GetAccountAuthorizationDetails answered, or a part of it: identities, groups and managed policies, by ARN.

    Policies of the identities are not joined yet: `join` does that.
    """

    entities: tuple[AccountEntity, ...] = ()
    groups: tuple[AccountGroup, ...] = ()
    policies: Mapping[str, PolicyDocument] = field(default_factory=dict)
    other_versions: Mapping[str, tuple[PolicyDocument, ...]] = field(default_factory=dict)
    """What the account's own managed policies would be at each other version that they have."""


@dataclass(frozen=True, kw_only=True)
class AccountEntity:
    """A user or role as GetAccountAuthorizationDetails has it: with inline policies alone, and what it refers to.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
    """

    identity: Identity
    attached: tuple[str, ...]
    groups: tuple[str, ...]
    """The names of a user's groups."""
    boundary_arn: str


@dataclass(frozen=True)
class AccountGroup:
    """A group: its inline policies, and the ARNs of those that are attached to it."""

    arn: str
    inline: tuple[PolicyDocument, ...]
    attached: tuple[str, ...]


@dataclass(frozen=True)
class LastAccess:
    """When an identity last tried to use Secrets Manager; None where it did not in the tracking period of 400 days.

    It is about every secret, within four hours. `actions` has the actions that IAM tracks, with the time of the last
    attempt or None: AWS promises that for calls that create, modify and delete, and has none where none was used.
    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetails.html
    """

    service: datetime | None
    actions: Mapping[str, datetime | None]


def role_name(arn: str) -> str:
    """The name of a role, or of what else IAM has, from its ARN, without the path."""
    return arn.rpartition("/")[2]


@on_error("NoSuchEntity", gives=None)
def get_role(client: IAMClient, name: str) -> Role | None:
    """Read a role and its trust policy; None where the role does not exist."""
    answer = client.get_role(RoleName=name)["Role"]
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


@on_error("NoSuchEntity", gives=())
def simulate(
    client: IAMClient,
    role_arn: str,
    actions: Sequence[str],
    resources: Sequence[str],
    context: Mapping[str, str] | None = None,
) -> tuple[Simulation, ...]:
    """Simulate every action on every resource for a role; () where the role does not exist.

    `context` has the values of condition keys (of type string) that the request would have.
    """
    entries: list[ContextEntryTypeDef] = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in (context or {}).items()
    ]
    pages = client.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=role_arn, ActionNames=list(actions), ResourceArns=list(resources), ContextEntries=entries
    )
    # AWS puts the role's name before that of an inline policy.
    prefix = f"role_{role_name(role_arn)}_"
    return tuple(each for page in pages for result in page["EvaluationResults"] for each in _simulated(result, prefix))


def _simulated(result: Any, prefix: str) -> Iterator[Simulation]:
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
        yield Simulation(
            action=result["EvalActionName"],
            resource=entry.get("EvalResourceName", "*"),
            decision=entry["EvalDecision"],
            statements=tuple(
                match.get("SourcePolicyId", "").removeprefix(prefix) for match in entry.get("MatchedStatements", ())
            ),
            allowed_by_organization=entry.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations"),
            allowed_by_boundary=entry.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary"),
            missing_context=tuple(entry.get("MissingContextValues", ())),
        )


def list_inline_names(client: IAMClient, role: str) -> tuple[str, ...]:
    """Names of a role's inline policies.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRolePolicies.html
    """
    pages = client.get_paginator("list_role_policies").paginate(RoleName=role)
    return tuple(name for page in pages for name in page["PolicyNames"])


def list_attached_arns(client: IAMClient, role: str) -> tuple[str, ...]:
    """ARNs of the managed policies attached to a role.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAttachedRolePolicies.html
    """
    pages = client.get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return tuple(entry["PolicyArn"] for page in pages for entry in page["AttachedPolicies"])


def get_inline(client: IAMClient, role: str, name: str) -> PolicyDocument:
    """Read one inline policy of a role.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
    """
    answer = client.get_role_policy(RoleName=role, PolicyName=name)
    return PolicyDocument(name, "inline", _document(answer["PolicyDocument"]))


@on_error("NoSuchEntity", gives=None)
def find_inline(client: IAMClient, role: str, name: str) -> PolicyDocument | None:
    """Read one inline policy of a role; None where there is none of that name."""
    return get_inline(client, role, name)


def put_inline(client: IAMClient, role: str, name: str, document: str) -> None:
    """Put an inline policy on a role; an existing one with this name is overwritten.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
    """
    client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


@on_error("NoSuchEntity", gives=None)
def delete_inline(client: IAMClient, role: str, name: str) -> None:
    """Delete a role's inline policy; a missing one is no error.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRolePolicy.html
    """
    client.delete_role_policy(RoleName=role, PolicyName=name)


def get_managed(client: IAMClient, arn: str, kind: Literal["managed", "boundary"] = "managed") -> PolicyDocument:
    """Read a managed policy at its default version.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicyVersion.html
    """
    version = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = client.get_policy_version(PolicyArn=arn, VersionId=version)
    return PolicyDocument(arn.rpartition("/")[2], kind, _document(answer["PolicyVersion"]["Document"]))


def get_account_details(client: IAMClient, kinds: Sequence[EntityTypeType]) -> AccountDetails:
    """Read the entities of these kinds, with their inline policies, and managed policies at their default versions.

    See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
    """
    pages = client.get_paginator("get_account_authorization_details").paginate(
        Filter=kinds, PaginationConfig={"PageSize": ENTITIES_A_PAGE}
    )
    entities, groups, policies = list[AccountEntity](), list[AccountGroup](), dict[str, PolicyDocument]()
    others = dict[str, tuple[PolicyDocument, ...]]()
    for page in pages:
        entities += [_entity("user", "User", raw) for raw in page.get("UserDetailList", ())]
        entities += [_entity("role", "Role", raw) for raw in page.get("RoleDetailList", ())]
        groups += [
            AccountGroup(raw["Arn"], _inline(raw, "Group"), _attached(raw)) for raw in page.get("GroupDetailList", ())
        ]
        for raw in page.get("Policies", ()):
            arn, versions = raw["Arn"], raw.get("PolicyVersionList", ())
            default = next((each for each in versions if each.get("IsDefaultVersion")), None)
            if default is not None:
                policies[arn] = _version(arn, default)
            if ":iam::aws:" not in arn:
                others[arn] = tuple(_version(arn, each) for each in versions if each is not default)
    return AccountDetails(entities=tuple(entities), groups=tuple(groups), policies=policies, other_versions=others)


def _version(arn: str, raw: Mapping[str, Any]) -> PolicyDocument:
    return PolicyDocument(role_name(arn), "managed", _document(raw.get("Document", {})), arn)


def merge(parts: Iterable[AccountDetails]) -> AccountDetails:
    """The details of which these are the parts."""
    every = list(parts)
    return AccountDetails(
        entities=tuple(entity for part in every for entity in part.entities),
        groups=tuple(group for part in every for group in part.groups),
        policies={arn: policy for part in every for arn, policy in part.policies.items()},
        other_versions={arn: others for part in every for arn, others in part.other_versions.items()},
    )


def join(details: AccountDetails) -> tuple[Identity, ...]:
    """The users and roles with their policies, those of a user's groups too."""
    shared = {role_name(arn): policies for arn, policies in policies_of_groups(details).items()}
    attached_to = {role_name(group.arn): group.attached for group in details.groups}
    return tuple(_identity(entity, attached_to, shared, details.policies) for entity in details.entities)


def policies_of_groups(details: AccountDetails) -> dict[str, tuple[PolicyDocument, ...]]:
    """The policies that each group gives its members, by the group's ARN."""
    policies = details.policies
    return {
        group.arn: tuple(
            replace(policy, group=group.arn)
            for policy in (*group.inline, *(policies[arn] for arn in group.attached if arn in policies))
        )
        for group in details.groups
    }


@on_error("NoSuchEntity", gives=None)
def get_last_access(client: IAMClient, arn: str) -> LastAccess | None:
    """Have IAM report when an identity last used Secrets Manager, and wait for the report.

    None where the report does not come in time, fails, or is about an identity that is gone.
    """
    job = client.generate_service_last_accessed_details(Arn=arn, Granularity="ACTION_LEVEL")["JobId"]
    end = time.monotonic() + JOB_SECONDS
    answer = client.get_service_last_accessed_details(JobId=job)
    while answer["JobStatus"] == "IN_PROGRESS" and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        answer = client.get_service_last_accessed_details(JobId=job)
    if answer["JobStatus"] != "COMPLETED":
        return None
    answers = pages(
        lambda **marker: client.get_service_last_accessed_details(JobId=job, **marker) if marker else answer, "Marker"
    )
    services = [each for page in answers for each in page["ServicesLastAccessed"]]
    found = next((each for each in services if each["ServiceNamespace"] == "secretsmanager"), None)
    if found is None:
        return LastAccess(None, {})
    tracked = found.get("TrackedActionsLastAccessed", ())
    return LastAccess(
        found.get("LastAuthenticated"),
        {each["ActionName"]: each.get("LastAccessedTime") for each in tracked if "ActionName" in each},
    )


def _entity(kind: Literal["user", "role"], word: str, raw: Any) -> AccountEntity:
    arn, trust = raw["Arn"], raw.get("AssumeRolePolicyDocument")
    return AccountEntity(
        identity=Identity(
            arn=arn,
            kind=kind,
            id=raw.get(f"{word}Id", ""),
            created=raw.get("CreateDate"),
            tags={tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())},
            policies=_inline(raw, word),
            trust=PolicyDocument(f"trust policy of {role_name(arn)}", "trust", _document(trust)) if trust else None,
            has_profile=bool(raw.get("InstanceProfileList")),
        ),
        attached=_attached(raw),
        groups=tuple(raw.get("GroupList", ())),
        boundary_arn=raw.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
    )


def _inline(raw: Any, word: str) -> tuple[PolicyDocument, ...]:
    return tuple(
        PolicyDocument(each["PolicyName"], "inline", _document(each.get("PolicyDocument", {})))
        for each in raw.get(f"{word}PolicyList", ())
    )


def _attached(raw: Any) -> tuple[str, ...]:
    return tuple(each["PolicyArn"] for each in raw.get("AttachedManagedPolicies", ()))


def _identity(
    entity: AccountEntity,
    attached_to: Mapping[str, tuple[str, ...]],
    shared: Mapping[str, tuple[PolicyDocument, ...]],
    policies: Mapping[str, PolicyDocument],
) -> Identity:
    """An identity with all its policies; of groups, by their names, what is `attached_to` them and `shared` by them."""
    policy_arns = (*entity.attached, *(arn for name in entity.groups for arn in attached_to.get(name, ())))
    unread = [arn for arn in (*policy_arns, entity.boundary_arn) if arn and arn not in policies]
    missing_groups = [name for name in entity.groups if name not in shared]
    boundary = policies.get(entity.boundary_arn)
    return replace(
        entity.identity,
        policies=(
            *entity.identity.policies,
            *(policies[arn] for arn in entity.attached if arn in policies),
            *(policy for name in entity.groups for policy in shared.get(name, ())),
        ),
        boundary=replace(boundary, kind="boundary") if boundary else None,
        unread=tuple(dict.fromkeys((*unread, *missing_groups))),
    )


def _document(raw: Any) -> dict[str, Any]:
    """A policy as a mapping; botocore decodes AWS's URL-encoded JSON, other servers may send text."""
    return parse_object(unquote(raw)) if isinstance(raw, str) else dict(raw)
