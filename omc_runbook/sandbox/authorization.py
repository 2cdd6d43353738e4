"""Whether a principal may make a call, decided as AWS does, with AWS's error messages.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import (
    PolicyDocument,
    evaluate,
    evaluate_resource,
    is_controlled,
    is_limited_by_boundary,
    session_grants,
)
from omc_runbook.iam.request_keys import Keys
from omc_runbook.sandbox.principals import Principal, parse_policy, rcps

Context = Mapping[str, str | Sequence[str]]

_SCP, _RCP, _RESOURCE = "service control policy", "resource control policy", "resource-based policy"
_BOUNDARY, _IDENTITY = "permissions boundary", "identity-based policy"
# Keys that no request to the sandbox has: with them a condition on one is evaluated, not unknown.
_ABSENT = (
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:VpcSourceIp",
    "aws:MultiFactorAuthPresent",
    "aws:MultiFactorAuthAge",
    "aws:SourceIdentity",
    "aws:CalledVia",
    "aws:RequestTag/*",
    "aws:SourceAccount",
    "aws:SourceArn",
)


def context_of(principal: Principal, region: str, keys: Context | None = None) -> Keys:
    """The condition keys of a request; `keys` has those of its resource."""
    context: Keys = {
        **dict.fromkeys(_ABSENT, ()),
        "aws:PrincipalArn": principal.identity_arn,
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalType": "User",
        "aws:username": principal.name,
        "aws:userid": principal.id,
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:SecureTransport": "true",
        "aws:PrincipalTag/*": (),
        **{f"aws:PrincipalTag/{name}": value for name, value in principal.tags.items()},
    }
    if principal.kind == "role":
        context |= request_keys.of_role(principal.identity_arn, principal.id, principal.tags, principal.session)
        context |= request_keys.of_task(datetime.now(UTC))
    return {
        **context,
        **request_keys.of_organization(principal.organization, "Principal", "Resource"),
        "aws:RequestedRegion": region,
        "aws:SourceIp": "127.0.0.1",
        **request_keys.of_time(datetime.now(UTC)),
        **principal.source,
        **(keys or {}),
    }


def refusal(
    principal: Principal,
    action: str,
    resource: str,
    context: Context,
    resource_policy: str | dict[str, Any] | None = None,
    owner: str = "",
    is_role: bool = False,
) -> str | None:
    """AWS's error message if the call is denied, None if it is allowed.

    `resource_policy` is the resource's policy as JSON and `owner` its account: across accounts both must allow the
    call. The trust policy of a role (`is_role`) must always allow it. A condition that cannot be evaluated counts as
    not met.
    """
    document = PolicyDocument(
        "the resource's policy", "trust" if is_role else "resource", parse_policy(resource_policy)
    )
    decisions: dict[str, str] = {}
    if principal.scps:
        decisions[_SCP] = evaluate(principal.scps, action, resource, context).decision
    if is_forbidden(principal, action, resource, context, owner or principal.account):
        decisions[_RCP] = "explicit-deny"
    decisions[_RESOURCE] = evaluate_resource(document, principal.names, action, resource, context).decision
    if principal.boundary is not None:
        decisions[_BOUNDARY] = evaluate([principal.boundary], action, resource, context).decision
    decisions[_IDENTITY] = evaluate(principal.policies, action, resource, context).decision

    start = f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource}"
    for kind, decision in decisions.items():
        if decision == "explicit-deny":
            return f"{start} with an explicit deny in {'an' if kind == _IDENTITY else 'a'} {kind}"
    required: tuple[str, ...] = (_SCP, _RESOURCE, _IDENTITY, _BOUNDARY)
    # A policy can allow the principal's whole account, whose own policies then decide.
    delegated = evaluate_resource(document, principal.names | {principal.account}, action, resource, context).decision
    if owner in ("", principal.account):

        def allows(names: Collection[str], policy: PolicyDocument = document) -> bool:
            return evaluate_resource(policy, names, action, resource, context).decision == "allowed"

        prefix = f"{principal.arn.rpartition(':')[0]}"
        is_limited = principal.kind == "role" and is_limited_by_boundary(allows, prefix, principal.name)
        is_limited = is_limited and not allows({principal.arn}, session_grants(document, principal.arn))
        limits: tuple[str, ...] = (_SCP, _BOUNDARY) if is_limited else (_SCP,)
        required = limits if decisions[_RESOURCE] == "allowed" else (_SCP, _IDENTITY, _BOUNDARY)
        required = (*required, _RESOURCE) if is_role else required
    decisions[_RESOURCE] = delegated
    for kind in required:
        if decisions.get(kind, "allowed") != "allowed":
            # STS does not tell whose policy it was.
            return start if is_role else f"{start} because no {kind} allows the {action} action"
    return None


def is_forbidden(principal: Principal, action: str, resource: str, context: Context, owner: str) -> bool:
    """Whether a resource control policy of the organization denies a call on a resource of the owner's account."""
    names = principal.names | {principal.account}
    return is_controlled(action) and any(
        evaluate_resource(control, names, action, resource, context).decision == "explicit-deny"
        for control in rcps(owner)
    )
