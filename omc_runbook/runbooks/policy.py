"""The least IAM policy that a runbook needs in an environment: for `omc-runbook policy`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from omc_runbook.aws.session import Clients
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot import permissions
from omc_runbook.snapshot.environments import find_environment
from omc_runbook.snapshot.reading import identify, take

_LOOK = (
    "cloudtrail:LookupEvents",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListResourcePolicies",
    "secretsmanager:ListSecretVersionIds",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListServices",
    "ecs:ListTasks",
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
)
_LOOK_DEEPLY = (
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ecs:ExecuteCommand",
    "events:ListRuleNamesByTarget",
    "scheduler:ListSchedules",
)
_OTHER_CONSUMERS = ("ecs:ListDaemons", "events:ListRuleNamesByTarget", "scheduler:ListSchedules")
_MOVE = ("secretsmanager:UpdateSecretVersionStage",)
_WRITE = ("secretsmanager:PutSecretValue", *_MOVE)
_DEPLOY = ("ecs:DescribeServiceDeployments", "ecs:ListServiceDeployments", "ecs:UpdateService")

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "create": (*_LOOK, "secretsmanager:CreateSecret", "secretsmanager:TagResource"),
    "index": _LOOK,
    "restore": (*_LOOK, *_MOVE, *_DEPLOY, *_OTHER_CONSUMERS),
    "rotate": (*_LOOK, *_WRITE, *_DEPLOY, *_OTHER_CONSUMERS),
    "troubleshoot": (*_LOOK, *_LOOK_DEEPLY),
    "update": (*_LOOK, *_WRITE, *_DEPLOY, *_OTHER_CONSUMERS),
    "verify": _LOOK,
}
"""What each runbook calls where nothing is wrong; CloudTrail is asked about tasks that began during a change.

Nobody needs a permission for sts:GetCallerIdentity.
"""

_DECIDING = (
    "where the simulation is not allowed, iam: ListRolePolicies, GetRolePolicy, ListAttachedRolePolicies, GetPolicy,"
    " GetPolicyVersion",
    "for a customer managed key, kms: DescribeKey, GetKeyPolicy, ListGrants, ListResourceTags, ListAliases",
    "for SSM parameters, ssm: DescribeParameters",
)
_CHANGING = (
    "for a customer managed key, kms: Decrypt, GenerateDataKey",
    "where tasks fail, logs: GetLogEvents and ecs: StopServiceDeployment",
    "for daemons, Express services and schedules, ecs: DescribeDaemon, DescribeDaemonRevisions,"
    " DescribeDaemonTaskDefinition, DescribeExpressGatewayService, events: DescribeRule, ListTargetsByRule,"
    " scheduler: GetSchedule",
)


@dataclass(frozen=True)
class PrincipalPolicy:
    """An IAM policy document, and the ARN of the principal that needs it."""

    principal: str
    document: str


@dataclass(frozen=True)
class LeastPolicy:
    """The policies that a run needs: the caller's, or that of the role in runbook.toml and then the caller's for it.

    `sometimes` says in sentences what a runbook needs besides in some environments.
    """

    policies: tuple[PrincipalPolicy, ...]
    sometimes: tuple[str, ...]


def least_policy(runbook: str, environment: str, runbook_toml: str = "") -> LeastPolicy:
    """The least policy for a runbook on an environment, with the ARNs that are there.

    The environment is read for them; what the caller may not read is named by its pattern. Raises UsageError for a
    runbook without a policy of its own, and what `snapshot.reading.identify` raises.
    """
    if runbook not in ACTIONS:
        raise UsageError(f"policy knows no runbook {runbook}{nearest(runbook, ACTIONS)}")
    settings = find_environment(environment, runbook_toml)
    if environment == LOCAL:
        raise UsageError("The local environment needs no policy: its secrets are in a .env.")
    clients = Clients.of(settings.names)
    snapshot = take(clients, settings, identify(clients, settings), lambda: datetime.now(UTC))
    is_read_only = runbook in ("index", "verify", "troubleshoot")
    document, role = permissions.document(snapshot, ACTIONS[runbook]), settings.names.role_arn
    own = PrincipalPolicy(role or snapshot.caller.arn, document)
    of_caller = PrincipalPolicy(snapshot.caller.source, _assuming(role))
    return LeastPolicy((own, of_caller) if role else (own,), _DECIDING if is_read_only else (*_DECIDING, *_CHANGING))


def _assuming(role: str) -> str:
    """A policy that allows assuming a role."""
    statement = {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [role]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
