"""IAM with SimulatePrincipalPolicy, which moto lacks.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from omc_runbook.iam.policy import PolicyDocument, evaluate, evaluate_resource
from omc_runbook.sandbox.principals import Principal, identity, parse_policy

_DECISIONS = {
    "allowed": "allowed",
    "explicit-deny": "explicitDeny",
    "implicit-deny": "implicitDeny",
    "unknown": "implicitDeny",
}
_OF_THE_ACTION = ("EvalActionName", "OrganizationsDecisionDetail")
_SOURCES = {"inline": "IAM Policy", "managed": "IAM Policy", "boundary": "Permissions Boundary", "scp": "SCP"}


class NoSuchEntity(ServiceException):
    """There is no such user or role."""

    code = "NoSuchEntity"


class SandboxIam(IamResponse):
    """moto's IAM and the simulator."""

    def simulate_principal_policy(self) -> ActionResult:
        """Evaluate each action on each resource for a user or role, within its boundary and SCPs."""
        arn = self._get_param("PolicySourceArn")
        principal = identity(arn)
        if principal is None:
            name = arn.rpartition("/")[2]
            raise NoSuchEntity(f"The principal with name {name} cannot be found.")
        extra = [
            PolicyDocument(f"PolicyInputList.{number}", "inline", parse_policy(text))
            for number, text in enumerate(self._get_param("PolicyInputList", []), start=1)
        ]
        resource_policy = self._get_param("ResourcePolicy")
        context = {
            entry["ContextKeyName"]: tuple(entry.get("ContextKeyValues", ()))
            for entry in self._get_param("ContextEntries", [])
        } | {"aws:PrincipalArn": arn, "aws:PrincipalAccount": principal.account}
        arns = [arn for arn in self._get_param("ResourceArns", []) if arn != "*"]
        results = [
            _by_resource([_result(principal, extra, resource_policy, action, arn, context) for arn in arns])
            if arns
            else _result(principal, extra, resource_policy, action, "*", context)
            for action in self._get_param("ActionNames", [])
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _result(
    principal: Principal,
    extra: list[PolicyDocument],
    resource_policy: str | None,
    action: str,
    resource: str,
    context: dict[str, Any],
) -> dict[str, Any]:
    policies = [*principal.policies, *extra]
    verdict = evaluate(policies, action, resource, context, principal.boundary, principal.scps)
    decision, statements = verdict.decision, verdict.statements
    if resource_policy:
        policy = PolicyDocument("ResourcePolicy", "resource", parse_policy(resource_policy))
        by_resource = evaluate_resource(policy, principal.names, action, resource, context)
        if by_resource.decision == "explicit-deny" or decision == "implicit-deny":
            decision, statements = by_resource.decision, by_resource.statements
    kinds = {doc.name: doc.kind for doc in (*policies, *principal.scps)}
    matched = [
        {
            "SourcePolicyId": (name := statement.partition(" statement ")[0]),
            "SourcePolicyType": _SOURCES.get(kinds.get(name, "inline"), "Resource Policy"),
        }
        for statement in statements
    ]
    result: dict[str, Any] = {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": _DECISIONS[decision],
        "MatchedStatements": matched,
        "MissingContextValues": _missing(policies, context) if verdict.decision == "unknown" else [],
    }
    if principal.boundary is not None:
        allowed = evaluate([principal.boundary], action, resource, context).decision == "allowed"
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    if principal.scps:
        allowed = evaluate(principal.scps, action, resource, context).decision == "allowed"
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": allowed}
    return result


def _by_resource(results: list[dict[str, Any]]) -> dict[str, Any]:
    """One action's results for several resources, as AWS answers: the strictest decision, and each one's own."""
    order = ("explicitDeny", "implicitDeny", "allowed")
    strictest = min(results, key=lambda result: order.index(result["EvalDecision"]))
    matched = [statement for result in results for statement in result["MatchedStatements"]]
    moved = {"EvalDecision": "EvalResourceDecision"}
    own = [
        {moved.get(name, name): value for name, value in result.items() if name not in _OF_THE_ACTION}
        for result in results
    ]
    return {
        **strictest,
        "EvalResourceName": "*",
        "MatchedStatements": [entry for number, entry in enumerate(matched) if entry not in matched[:number]],
        "MissingContextValues": [],
        "ResourceSpecificResults": own,
    }


def _missing(policies: list[PolicyDocument], context: dict[str, Any]) -> list[str]:
    """The condition keys of the policies that are not in the context."""
    context_keys = {key.lower() for key in context}
    condition_keys: set[str] = set()
    for policy in policies:
        statements = policy.document.get("Statement", [])
        for statement in statements if isinstance(statements, list) else [statements]:
            for keys in statement.get("Condition", {}).values():
                condition_keys |= set(keys)
    return sorted(key for key in condition_keys if key.lower() not in context_keys)
