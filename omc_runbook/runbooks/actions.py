"""The IAM actions that several runbooks call; each runbook's own module says which ones it needs, in `ACTIONS`."""

from __future__ import annotations

from dataclasses import dataclass

READ = (
    "cloudtrail:LookupEvents",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListServices",
    "ecs:ListTasks",
)
"""To know the secret, and which value each task has."""
READ_WITH_ACCESS = (
    *READ,
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListResourcePolicies",
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
)
"""To know also whether tasks may read it."""
MOVE_LABEL = ("secretsmanager:UpdateSecretVersionStage",)
WRITE = ("secretsmanager:PutSecretValue", *MOVE_LABEL)
DEPLOY = ("ecs:UpdateService",)
LIST_DAEMONS = ("ecs:ListDaemons",)
REGISTER_DEFINITION = ("ecs:RegisterTaskDefinition", "iam:PassRole")

MORE_TO_READ = (
    "where the simulation is not allowed, iam: ListRolePolicies, GetRolePolicy, ListAttachedRolePolicies, GetPolicy,"
    " GetPolicyVersion",
    "where the policy of a customer managed key does not decide, kms: ListGrants, ListResourceTags, ListAliases",
    "where a policy depends on the account's organization, organizations: DescribeOrganization",
)
LOOK_INSIDE_FAILED = "where a session in a container fails, ecs: DescribeClusters"
BY_DISCOVERY = "with discovery, secretsmanager: ListSecrets"
WITH_CHECKOUT = "with repository, secretsmanager: GetSecretValue on the secrets of the account's other environments"
MORE_TO_CHANGE = (
    "where tasks fail, to say why, iam: GetRole, SimulatePrincipalPolicy, secretsmanager: GetResourcePolicy, logs:"
    " GetLogEvents; to take a deployment back, ecs: StopServiceDeployment",
    "for daemons and Express services, ecs: DescribeDaemon, DescribeDaemonRevisions, DescribeDaemonTaskDefinition,"
    " DescribeExpressGatewayService",
)
MORE_TO_REMOVE_KEYS = (
    "to name what EventBridge starts, which decides only where a key is removed, events: ListEventBuses,"
    " ListRuleNamesByTarget, DescribeRule, ListTargetsByRule, scheduler: ListSchedules, GetSchedule",
)


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What a runbook calls where nothing is wrong: to look and to plan, and to apply its plan.

    `sometimes` says what it needs in some environments, in phrases, `sometimes_to_apply` what to apply there too.
    `benchmarks/policies.py` says whether that is enough, and least. CloudTrail is asked about tasks that began during a
    change. Nobody needs a permission for sts:GetCallerIdentity.
    """

    plan: tuple[str, ...] = ()
    apply: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = MORE_TO_READ
    sometimes_to_apply: tuple[str, ...] = ()
    why_none: str = ""
    """Where it calls AWS for nothing that it needs, a sentence that says so."""
    compares_environments: bool = False
    """Whether it reads the keys of the other environments' secrets too."""
    searches: bool = False
    """Whether it searches other clusters and regions for what has other names."""
    reads_trails: bool = False
    """Whether it reads a trail's files or an event data store, where runbook.toml names one."""
    mostly_applies: bool = True
    """Whether its policy has the second part too, unless somebody asks for the first one."""


OF_UPDATE = Actions(
    plan=(*READ, *LIST_DAEMONS),
    apply=(*WRITE, *DEPLOY),
    sometimes=(
        "to refuse a value from a file, a variable or a prompt that another environment has, secretsmanager:"
        " GetSecretValue on its secret",
        *MORE_TO_REMOVE_KEYS,
    ),
    sometimes_to_apply=MORE_TO_CHANGE,
)
"""update's and rotate's: new values, and tasks that have them."""
