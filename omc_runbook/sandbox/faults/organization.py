"""A service control policy on the sandbox's account, and a second account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from omc_runbook.aws.failures import on_error
from omc_runbook.sandbox.account import ACCOUNT, MEMBER_ADMINISTRATOR
from omc_runbook.sandbox.credentials import Credentials
from omc_runbook.sandbox.worlds.roles import policy
from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, World

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

OTHER_ACCOUNT = "210987654321"
DENIAL = "deny-reading-secrets"


def deny_in_organization(world: World) -> None:
    """Attach a service control policy that denies every account's execution role reading secrets."""
    api = world.client("organizations")
    _create_organization(world)
    denial = policy(
        "secretsmanager:GetSecretValue",
        effect="Deny",
        Resource="*",
        Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::*:role/{EXECUTION_ROLE}"}},
    )
    scp = api.create_policy(
        Name=DENIAL, Description="Tasks read no secrets", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(denial)
    )
    api.attach_policy(PolicyId=scp["Policy"]["PolicySummary"]["Id"], TargetId=ACCOUNT)


@on_error("AlreadyInOrganizationException", gives=None)
def _create_organization(world: World) -> None:
    world.client("organizations").create_organization(FeatureSet="ALL")


@on_error("AWSOrganizationsNotInUseException", "AccountNotFoundException", gives=None)
def allow_in_organization(world: World) -> None:
    """Remove the service control policy, if there is one."""
    api = world.client("organizations")
    attached = api.list_policies_for_target(TargetId=ACCOUNT, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    for scp in attached:
        if scp["Name"] == DENIAL:
            api.detach_policy(PolicyId=scp["Id"], TargetId=ACCOUNT)
            api.delete_policy(PolicyId=scp["Id"])


def secrets_of_other_account(world: World) -> SecretsManagerClient:
    """Secrets Manager of the second account, as that account's administrator."""
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/{MEMBER_ADMINISTRATOR}"
    session = world.client("sts").assume_role(RoleArn=role, RoleSessionName="sandbox")["Credentials"]
    credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    return World(world.endpoint, credentials=credentials).secretsmanager
