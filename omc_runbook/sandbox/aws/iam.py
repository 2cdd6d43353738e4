"""IAM with what moto lacks: the simulation, reports of last accesses, pages of details, boundaries of users.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html,
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetails.html
"""

import json
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, ManagedPolicy, User
from moto.iam.responses import IamResponse

from omc_runbook.iam.policy import PolicyDocument, evaluate, evaluate_resource
from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.principals import Principal, find_role, identity, parse_policy
from omc_runbook.sandbox.trail import EVENT_HISTORY, RecordedEvent

_DECISIONS = {
    "allowed": "allowed",
    "explicit-deny": "explicitDeny",
    "implicit-deny": "implicitDeny",
    "unknown": "implicitDeny",
}
_LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
_PAGE = 100
_TRACKED = ("GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage", "DeleteSecret", "PutResourcePolicy")
_OF_THE_ACTION = ("EvalActionName", "OrganizationsDecisionDetail")
_SOURCES = {"inline": "IAM Policy", "managed": "IAM Policy", "boundary": "Permissions Boundary", "scp": "SCP"}


_JOBS: dict[str, str] = {}
"""The ARNs that reports are about, by the id of their job."""


# moto's answer to GetAccountAuthorizationDetails has neither a policy's name nor its id.
ManagedPolicy.policy_name = property(lambda policy: policy.name)  # type: ignore[attr-defined]
ManagedPolicy.policy_id = property(lambda policy: policy.id)  # type: ignore[attr-defined]


class NoSuchEntity(ServiceException):
    """There is no such user or role."""

    code = "NoSuchEntity"


def age_role(name: str, days: float, account: str) -> None:
    """Set back when a role was created; raises ValueError for an unknown one."""
    with STATE:
        role = find_role(name, account)
        if role is None:
            raise ValueError(f"there is no role {name}")
        role.create_date = datetime.now(UTC) - timedelta(days=days)


class SandboxIam(IamResponse):
    """moto's IAM and the rest."""

    def call_action(self) -> Any:
        """Let the account have the AWS managed policy that a call names: moto has either none of them or all 1,500."""
        for name in ("PolicyArn", "PermissionsBoundary"):
            _provide(self.backend, self._get_param(name) or "")
        return super().call_action()

    def get_account_authorization_details(self) -> ActionResult:
        """The account's details in pages of `MaxItems` entries, over all lists."""
        details: Any = super().get_account_authorization_details().result
        entries = [(name, entry) for name in _LISTS for entry in list(details[name])]
        first = int(self._get_param("Marker") or 0)
        end = first + int(self._get_param("MaxItems") or _PAGE)
        page: dict[str, Any] = {name: [entry for of, entry in entries[first:end] if of == name] for name in _LISTS}
        if end < len(entries):
            return ActionResult({**page, "IsTruncated": True, "Marker": str(end)})
        return ActionResult({**page, "IsTruncated": False})

    def create_user(self) -> ActionResult:
        """Create a user, within a permissions boundary too."""
        created = super().create_user()
        if self._get_param("PermissionsBoundary"):
            self.put_user_permissions_boundary()
        return created

    def put_user_permissions_boundary(self) -> ActionResult:
        """Set the permissions boundary of a user."""
        arn = self._get_param("PermissionsBoundary")
        boundary = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn}
        self._user().permissions_boundary = boundary
        return ActionResult({})

    def delete_user_permissions_boundary(self) -> ActionResult:
        """Remove it."""
        self._user().permissions_boundary = None
        return ActionResult({})

    def _user(self) -> Any:
        user: User = self.backend.get_user(self._get_param("UserName"))
        return user

    def generate_service_last_accessed_details(self) -> ActionResult:
        """Begin a report, which is there at once; its id says what it is about."""
        arn = self._get_param("Arn")
        if identity(arn) is None:
            raise NoSuchEntity(f"ARN {arn} is not found.")
        job = str(uuid.uuid5(uuid.NAMESPACE_URL, arn))
        _JOBS[job] = arn
        return ActionResult({"JobId": job})

    def get_service_last_accessed_details(self) -> ActionResult:
        """The report: from the events of the sandbox, Secrets Manager's with its tracked actions."""
        arn = _JOBS.get(self._get_param("JobId"))
        if arn is None:
            raise NoSuchEntity("The report is not found.")
        now = datetime.now(UTC)
        events = EVENT_HISTORY.events_of(arn)
        sources = dict.fromkeys(("secretsmanager", *(event.service for event in events)))
        services = [_accessed(name, arn, [event for event in events if event.service == name]) for name in sources]
        dates = {"JobCreationDate": now, "JobCompletionDate": now}
        status = {"JobStatus": "COMPLETED", "JobType": "ACTION_LEVEL", **dates, "IsTruncated": False}
        return ActionResult({**status, "ServicesLastAccessed": services})

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


def _provide(backend: Any, arn: str) -> None:
    name = arn.rpartition("/")[2]
    if ":iam::aws:policy/" not in arn or arn in backend.managed_policies or name not in _policies_of_aws():
        return
    policy = AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, _policies_of_aws()[name])
    if policy.arn == arn:
        backend.aws_managed_policies.append(policy)
        backend.managed_policies[arn] = policy


@cache
def _policies_of_aws() -> dict[str, Any]:
    policies: dict[str, Any] = json.loads(aws_managed_policies_data)
    return policies


def _accessed(service: str, arn: str, events: list[RecordedEvent]) -> dict[str, Any]:
    """One service in a report; its events are the newest first."""
    answer: dict[str, Any] = {"ServiceName": service, "ServiceNamespace": service, "TotalAuthenticatedEntities": 0}
    if events:
        answer |= {
            "LastAuthenticated": events[0].time,
            "LastAuthenticatedEntity": arn,
            "LastAuthenticatedRegion": events[0].region,
            "TotalAuthenticatedEntities": 1,
        }
    if service != "secretsmanager":
        return answer
    tracked = []
    for action in _TRACKED:
        last = next((event for event in events if event.fields["EventName"] == action), None)
        used = (
            {"LastAccessedEntity": arn, "LastAccessedTime": last.time, "LastAccessedRegion": last.region}
            if last
            else {}
        )
        tracked.append({"ActionName": action, **used})
    return {**answer, "TrackedActionsLastAccessed": tracked}


def _result(
    principal: Principal,
    extra: list[PolicyDocument],
    resource_policy: str | None,
    action: str,
    resource: str,
    context: dict[str, Any],
) -> dict[str, Any]:
    policies = [*principal.policies, *extra]
    # No answer says that an organization's policies ask for more: what they do not get is absent.
    own = _missing([*policies, *filter(None, [principal.boundary])], context)
    context = dict.fromkeys(set(_missing(list(principal.scps), context)).difference(own), ()) | context
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
