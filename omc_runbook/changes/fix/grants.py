"""Granting: the one statement that a role lacks, where nothing else would refuse it all the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from omc_runbook.aws import iam
from omc_runbook.changes.fix.ownership import why_not_role, why_not_secret
from omc_runbook.changes.fix.steps import Grant, Unfixed
from omc_runbook.checks import remedies
from omc_runbook.checks.role_access import judge, judge_key, judge_resource_policy
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

ACTIONS = {
    "no-permission": GET_SECRET_VALUE,
    "pattern-suffix": GET_SECRET_VALUE,
    "kms-no-permission": DECRYPT,
    "kms-useless-grant": DECRYPT,
}
"""What a role lacks, by the check that finds it."""

_INDEPENDENT = frozenset({"suffix-stale"})
"""Causes of such a finding with which it does not go away."""


def plan_grants(snapshot: Snapshot, findings: Sequence[Finding]) -> tuple[tuple[Grant, ...], tuple[Unfixed, ...]]:
    """Plan a policy for each thing that a role lacks, and tell which of these stay and why."""
    grants: list[Grant] = []
    left = []
    for finding in findings:
        if not finding.is_problem or finding.check not in ACTIONS or not _INDEPENDENT.issuperset(finding.because_of):
            continue
        for arn in (arn for arn in snapshot.permissions if iam.role_name(arn) == finding.subject):
            grant = _grant(snapshot, arn, finding)
            why = _why_not(snapshot, grant)
            if why:
                left.append(Unfixed(finding, why))
            else:
                grants.append(grant)
    return tuple(grants), tuple(left)


def _grant(snapshot: Snapshot, arn: str, finding: Finding) -> Grant:
    action, names = ACTIONS[finding.check], snapshot.environment.names
    key = snapshot.kms_key.arn if snapshot.kms_key else ""
    resource = key if action == DECRYPT else snapshot.secret.arn if snapshot.secret else ""
    policy, document = remedies.grant_name(names, action), remedies.grant_document(names, action, resource)
    return Grant(arn, iam.role_name(arn), action, resource, policy, document, (finding,))


def _why_not(snapshot: Snapshot, grant: Grant) -> str:
    known, account = snapshot.permissions[grant.role_arn], grant.role_arn.split(":")[4]
    foreign = why_not_role(snapshot, grant.role_arn) or why_not_secret(snapshot)
    if foreign:
        return foreign
    if account != snapshot.caller.account:
        return f"Role {grant.role} is in account {account}: grant it there."
    if known.policies is None:
        return f"The policies of {grant.role} could not all be read, so what else would refuse it is not known."
    new = PolicyDocument(grant.policy, "inline", json.loads(grant.document))
    if any(policy.name == new.name and policy.kind == "inline" for policy in known.policies):
        return f"{grant.role} has a policy {grant.policy} that says something else: it is not written over."
    if any(answer.allowed_by_organization is False for answer in known.simulated if answer.resource == grant.resource):
        return "A policy of the organization would refuse it all the same."
    guard = judge_resource_policy(snapshot, grant.role_arn)
    if guard and guard.decision in ("explicit-deny", "unknown"):
        return "The secret's own policy would, or may, refuse it all the same."
    granted = replace(known, simulated=(), policies=(*known.policies, new))
    then = replace(snapshot, permissions={**snapshot.permissions, grant.role_arn: granted})
    answer = (
        judge_key(then, grant.role_arn, then.kms_key)
        if grant.action == DECRYPT and then.kms_key
        else judge(then, grant.role_arn)
    )
    return f"It would not help: {answer.sentence}" if answer.cause else ""
