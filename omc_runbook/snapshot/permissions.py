"""The permissions that a snapshot lacked, as one IAM policy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.model.refusal import refusals
from omc_runbook.snapshot import other_references
from omc_runbook.snapshot.other_environments import secrets_within_reach
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

FOLLOWING: dict[str, tuple[str, ...]] = {
    "secretsmanager:DescribeSecret": ("secretsmanager:ListSecretVersionIds", "secretsmanager:GetSecretValue"),
    "ecs:ListServices": ("ecs:DescribeServices",),
    "ecs:DescribeServices": ("ecs:DescribeTaskDefinition",),
    "ecs:DescribeTaskDefinition": (
        *("iam:GetRole", "iam:SimulatePrincipalPolicy", "ec2:DescribeSubnets", "logs:GetLogEvents"),
    ),
    "events:ListEventBuses": ("events:DescribeRule", "events:ListRuleNamesByTarget", "events:ListTargetsByRule"),
    "events:ListRuleNamesByTarget": ("events:DescribeRule", "events:ListTargetsByRule"),
    "scheduler:ListSchedules": ("scheduler:GetSchedule",),
    "ecs:ListDaemons": ("ecs:DescribeDaemon", "ecs:DescribeDaemonRevisions", "ecs:DescribeDaemonTaskDefinition"),
    "ecs:ListServiceDeployments": ("ecs:DescribeServiceDeployments",),
    "ecs:ListTasks": ("ecs:DescribeTasks",),
    "ecs:DescribeTasks": ("ecs:ExecuteCommand",),
    "ec2:DescribeSubnets": (
        *("ec2:DescribeVpcs", "ec2:DescribeVpcAttribute", "ec2:DescribeRouteTables", "ec2:DescribeNatGateways"),
        *("ec2:DescribeInternetGateways", "ec2:DescribeSecurityGroups", "ec2:DescribeNetworkAcls"),
        "ec2:DescribeVpcEndpoints",
    ),
}
"""The permissions needed next once one is granted, so that nobody has to ask twice."""

_ANYWHERE = (
    *("ec2:", "kms:ListAliases", "ssm:DescribeParameters", "organizations:", "cloudtrail:", "events:", "scheduler:"),
    *("ecs:ListServices", "ecs:ListTasks", "ecs:ListClusters", "ecs:ListDaemons", "ecs:DescribeDaemon"),
    *("ecs:DescribeTaskDefinition", "sts:", "iam:Simulate", "iam:GetAccountAuthorizationDetails"),
    *("iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"),
    *("logs:DescribeMetricFilters", "secretsmanager:ListSecrets"),
)
"""Actions without resource-level permissions, or whose resources are unknown beforehand."""


def denied(snapshot: Snapshot) -> tuple[str, ...]:
    """The permissions whose calls were denied for want of them, without duplicates."""
    return tuple(dict.fromkeys(gap.permission for gap in _gaps(snapshot) if gap.kind == "denied" and not gap.denied_by))


def missing(snapshot: Snapshot) -> tuple[str, ...]:
    """The missing permissions: those denied, and those needed next."""
    permissions = list(denied(snapshot))
    for permission in permissions:
        permissions += [later for later in FOLLOWING.get(permission, ()) if later not in permissions]
    return tuple(sorted(permissions))


def policy(snapshot: Snapshot) -> str:
    """An IAM policy document with the missing permissions, for this environment only; "" where none is missing."""
    return document(snapshot, missing(snapshot))


def document(snapshot: Snapshot, actions: Iterable[str], with_other_keys: bool = False, searches: bool = False) -> str:
    """An IAM policy document that allows actions on this environment's resources only; "" for no action.

    `with_other_keys` also allows reading the secrets of the other environments, to compare their keys, and `searches`
    looking for the environment in other clusters and regions.

    See https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    by_resource: dict[tuple[str, ...], list[str]] = {}
    others = secrets_within_reach(snapshot.caller, snapshot.environment) if with_other_keys else ()
    if others:
        by_resource[others] = [GET_SECRET_VALUE]
    needed = set(actions)
    for permission in sorted(needed):
        resources = _searched(snapshot, permission) if searches else _resources(snapshot, permission)
        if permission == "iam:GetRole" and "ecs:ExecuteCommand" in needed:
            task_roles = {each.task_role_arn for each in snapshot.own_definitions} - {""}
            resources = tuple(sorted({*resources, *task_roles}))
        by_resource.setdefault(resources, []).append(permission)
    statements = [
        {"Effect": "Allow", "Action": actions, "Resource": list(resources)}
        for resources, actions in sorted(by_resource.items())
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) if statements else ""


def _gaps(snapshot: Snapshot) -> Iterator[ReadFailure]:
    for gaps in snapshot.gaps.values():
        yield from gaps
    for permissions in (*snapshot.permissions.values(), *snapshot.task_roles.values()):
        yield from permissions.unread
    yield from snapshot.kms_key.unread if snapshot.kms_key else ()
    for values in snapshot.exec_looks or ():
        if values.refused and values.refused.kind == "denied":
            yield ReadFailure(values.container, values.refused.permission, "AccessDeniedException", "denied")


def _resources(snapshot: Snapshot, permission: str) -> tuple[str, ...]:
    """The ARNs that a permission is needed for, as narrow as possible."""
    names, caller = snapshot.environment.names, snapshot.caller
    service = permission.partition(":")[0]
    base = f"arn:{caller.partition}:{service}:{names.region}:{caller.account}"
    if permission.startswith(_ANYWHERE):
        return ("*",)
    match service:
        case "secretsmanager":
            return _secrets(snapshot, permission, base)
        case "ecs":
            return _of_ecs(snapshot, permission, base)
        case "iam":
            return tuple(sorted(_roles(snapshot, permission)))
        case "kms":
            own = snapshot.kms_key.arn if snapshot.kms_key else snapshot.kms_key_id
            return _session_keys(snapshot, permission) or (own if own.startswith("arn:") else "*",)
        case "logs":
            return _log_groups(snapshot) or (f"{base}:log-group:*",)
    return ("*",)


def _secrets(snapshot: Snapshot, permission: str, base: str) -> tuple[str, ...]:
    own = snapshot.secret_arn or f"{base}:secret:{snapshot.secret_name}-??????"
    is_needed = permission in _OF_OTHER_SECRETS or other_references.FIELD in snapshot.gaps
    others = other_references.references_of(snapshot) if is_needed else ()
    return (own, *(each.secret_pattern for each in others if each.secret_pattern))


def _of_ecs(snapshot: Snapshot, permission: str, base: str) -> tuple[str, ...]:
    names = snapshot.environment.names
    if permission == "ecs:RegisterTaskDefinition":
        families = {definition.family for definition in snapshot.own_definitions} or {names.task_family}
        return tuple(f"{base}:task-definition/{family}:*" for family in sorted(families))
    more = names.clusters if permission in _OF_OTHER_CLUSTERS else ()
    clusters = ("*",) if "*" in more else sorted({names.cluster, *more})
    kinds = [(kind, "" if kind == "cluster" else "/*") for kind in _KINDS[permission]]
    # The ARN of a service of before 2021 may lack its cluster's name.
    short = (each.arn for each in snapshot.services if each.arn.count("/") == 1 and "service" in _KINDS[permission])
    return (*(f"{base}:{kind}/{cluster}{end}" for kind, end in kinds for cluster in clusters), *short)


def _roles(snapshot: Snapshot, permission: str) -> set[str]:
    names, caller, definitions = snapshot.environment.names, snapshot.caller, snapshot.own_definitions
    base = f"arn:{caller.partition}:iam::{caller.account}:role"
    by_name = {f"{base}/{name}" for name in (names.execution_role, names.task_role)}
    if permission == "iam:PassRole":
        return {arn for each in definitions for arn in (each.execution_role_arn, each.task_role_arn) if arn} or by_name
    roles = {*snapshot.permissions, *snapshot.task_roles}
    # Which roles the task definitions name is seen once they can be read.
    return roles if roles and not snapshot.gaps.get("services") else roles | by_name


def _log_groups(snapshot: Snapshot) -> tuple[str, ...]:
    names, caller = snapshot.environment.names, snapshot.caller
    containers = [each for known in snapshot.own_definitions for each in known.containers]
    groups = {(each.log_region or names.region, each.log_group) for each in containers if each.log_group}
    start = f"arn:{caller.partition}:logs"
    return tuple(f"{start}:{region}:{caller.account}:log-group:{group}:*" for region, group in sorted(groups))


def _session_keys(snapshot: Snapshot, permission: str) -> tuple[str, ...]:
    """The key of ECS Exec's sessions, if a permission is missing for it; "*" where no message has its ARN."""
    refused = [each.refused for each in snapshot.exec_looks or () if each.refused]
    messages = [each.message for each in refused if each.permission == permission]
    messages += [each.sentence for each in snapshot.gaps.get("session_key", ()) if each.permission == permission]
    keys = {next((arn for _, arn in refusals(each) if ":kms:" in arn), "*") for each in messages}
    return ("*",) if "*" in keys else tuple(sorted(keys))


def _searched(snapshot: Snapshot, permission: str) -> tuple[str, ...]:
    """The ARNs that a permission is needed for where the environment may be elsewhere, or have other names."""
    if permission in ("ecs:DescribeClusters", "ecs:DescribeServices"):
        return ("*",)
    resources = _resources(snapshot, permission)
    if permission != "secretsmanager:DescribeSecret":
        return resources
    return tuple(arn.replace(f":{snapshot.environment.names.region}:", ":*:", 1) for arn in resources)


_OF_OTHER_SECRETS = tuple(
    f"secretsmanager:{call}" for call in ("DescribeSecret", "GetResourcePolicy", "ListSecretVersionIds")
)
"""What is asked of the other secrets of task definitions, too: whether they exist, since when, and for whom."""
_OF_OTHER_CLUSTERS = ("ecs:DescribeServices", "ecs:DescribeTasks")
"""What is asked of the other clusters that runbook.toml names, too."""
_KINDS = {
    "ecs:DescribeClusters": ("cluster",),
    "ecs:DescribeServiceDeployments": ("service-deployment",),
    "ecs:DescribeServices": ("service",),
    "ecs:DescribeTasks": ("task",),
    "ecs:ListServiceDeployments": ("service",),
    "ecs:ExecuteCommand": ("cluster", "task"),
    "ecs:UpdateService": ("service",),
}
