"""Whether a principal may make a call, decided as AWS does, with AWS's error messages.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from omc_runbook.iam.policy import PolicyDocument, evaluate, evaluate_resource
from omc_runbook.sandbox.principals import Principal

Context = Mapping[str, str | Sequence[str]]

# Keys that no request to the sandbox has: listed, so that a condition on one is evaluated, not unknown.
_ABSENT = (
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:VpcSourceIp",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalOrgID",
    "aws:CalledVia",
    "aws:SourceAccount",
    "aws:SourceArn",
)


def context_of(principal: Principal, region: str, **more: str) -> dict[str, str | Sequence[str]]:
    """The condition keys of a request; `more` has service-specific ones, with "__" for ":"."""
    context: dict[str, str | Sequence[str]] = dict.fromkeys(_ABSENT, ())
    context |= {
        "aws:PrincipalArn": principal.identity_arn,
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalType": "AssumedRole" if principal.kind == "role" else "User",
        "aws:username": () if principal.kind == "role" else principal.name,
        "aws:userid": f"AROASANDBOX:{principal.session}" if principal.session else "AIDASANDBOX",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:RequestedRegion": region,
        "aws:SecureTransport": "true",
        "aws:SourceIp": "127.0.0.1",
        "aws:CurrentTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return context | {key.replace("__", ":"): value for key, value in more.items()}


def refusal(
    principal: Principal,
    action: str,
    resource: str,
    context: Context,
    resource_policy: str | None = None,
    owner: str = "",
) -> str | None:
    """AWS's error message where the call is denied, None where it is allowed.

    `resource_policy` is the resource's policy as JSON and `owner` its account: across accounts both sides have to
    allow. A condition that cannot be evaluated counts as not met.
    """
    guard = (
        PolicyDocument("the resource's policy", "resource", json.loads(resource_policy)) if resource_policy else None
    )
    decisions: list[tuple[str, str]] = []
    if principal.scps:
        decisions.append(("a service control policy", evaluate(principal.scps, action, resource, context).decision))
    resource_decision = "implicit-deny"
    if guard is not None:
        verdict = evaluate_resource(guard, principal.names, action, resource, context)
        resource_decision = verdict.decision
        decisions.append(("a resource-based policy", resource_decision))
    if principal.boundary is not None:
        verdict = evaluate([principal.boundary], action, resource, context)
        decisions.append(("a permissions boundary", verdict.decision))
    identity = evaluate(principal.policies, action, resource, context).decision
    decisions.append(("an identity-based policy", identity))

    start = f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource}"
    for kind, decision in decisions:
        if decision == "explicit-deny":
            return f"{start} with an explicit deny in {kind}"
    missing = dict(decisions)
    if missing.get("a service control policy", "allowed") != "allowed":
        return f"{start} because no service control policy allows the {action} action"
    if owner in ("", principal.account):
        if resource_decision == "allowed":
            return None
    elif not _allows_from_outside(guard, principal, action, resource, context):
        return f"{start} because no resource-based policy allows the {action} action"
    if identity != "allowed":
        return f"{start} because no identity-based policy allows the {action} action"
    if missing.get("a permissions boundary", "allowed") != "allowed":
        return f"{start} because no permissions boundary allows the {action} action"
    return None


def _allows_from_outside(
    guard: PolicyDocument | None, principal: Principal, action: str, resource: str, context: Context
) -> bool:
    if guard is None:
        return False
    names = principal.names | {principal.account}
    return evaluate_resource(guard, names, action, resource, context).decision == "allowed"
