"""Grants: the one permission that a role lacks, where nothing else denies it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc_runbook.aws import iam
from omc_runbook.changes.fix.ownership import why_not_role, why_not_secret
from omc_runbook.changes.fix.steps import Grant, UnfixedCause
from omc_runbook.checks import remedies
from omc_runbook.checks.role_access import judge_resource_policy, judge_with
from omc_runbook.checks.role_remedies import exchange_of
from omc_runbook.model.arn import account_in
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

ACTIONS = {
    "no-permission": GET_SECRET_VALUE,
    "pattern-suffix": GET_SECRET_VALUE,
    "kms-no-permission": DECRYPT,
    "kms-useless-grant": DECRYPT,
}
"""The missing action, by check."""


def plan_grants(snapshot: Snapshot, findings: Sequence[Finding]) -> Iterator[Grant | UnfixedCause]:
    """A policy for each root cause that one fixes, or why none is given."""
    for finding in findings:
        if finding.check not in ACTIONS:
            continue
        for arn in (arn for arn in snapshot.permissions if iam.role_name(arn) == finding.subject):
            grant = _grant(snapshot, arn, finding)
            exchange = exchange_of(snapshot, arn, finding.services)
            why = "Its task definition names it in another's place." if exchange else _why_not(snapshot, grant)
            yield UnfixedCause(finding, why) if why else grant


def _grant(snapshot: Snapshot, arn: str, finding: Finding) -> Grant:
    action, names = ACTIONS[finding.check], snapshot.environment.names
    key = snapshot.kms_key.arn if snapshot.kms_key else ""
    resource = key if action == DECRYPT else snapshot.secret_arn
    policy, document = remedies.grant_name(names, action), remedies.grant_document(names, action, resource)
    return Grant(arn, iam.role_name(arn), action, resource, policy, document, (finding,))


def _why_not(snapshot: Snapshot, grant: Grant) -> str:
    permissions, account = snapshot.permissions[grant.role_arn], account_in(grant.role_arn)
    foreign = why_not_role(snapshot, grant.role_arn) or why_not_secret(snapshot)
    if foreign:
        return foreign
    if account != snapshot.caller.account:
        return f"Role {grant.role} is in account {account}: grant it there."
    if permissions.policies is None:
        return f"Not all policies of {grant.role} could be read, so another one may deny it."
    if any(policy.name == grant.policy and policy.kind == "inline" for policy in permissions.policies):
        return f"{grant.role} has another policy named {grant.policy}, which is not overwritten."
    if any(
        answer.allowed_by_organization is False for answer in permissions.simulated if answer.resource == grant.resource
    ):
        return "A service control policy denies it anyway."
    guard = judge_resource_policy(snapshot, grant.role_arn)
    if guard and guard.decision in ("explicit-deny", "unknown"):
        return "The secret's resource policy denies it, or may."
    answer = judge_with(snapshot, grant.role_arn, grant.policy, grant.document, grant.action)
    return f"It would not help: {answer.sentence}" if answer.cause else ""
