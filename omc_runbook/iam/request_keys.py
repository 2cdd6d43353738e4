"""The condition keys of the calls that a role's session makes to Secrets Manager, and that are made for it to KMS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from omc_runbook.iam.conditions import UNKNOWN_END
from omc_runbook.model.arn import account_in, region_in

Keys = dict[str, str | Sequence[str]]

SESSION = "0" * 32
"""A session's name as ECS makes it of a task's id, where no certain task is meant."""

_NOT_OF_A_ROLE = ("aws:username", "aws:PrincipalServiceName", "aws:PrincipalServiceNamesList", "aws:FederatedProvider")
OF_A_CHAIN = ("aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast")
"""What only calls have that a service of AWS makes on behalf of a caller."""
_OF_OTHER_SESSIONS = (
    "aws:SourceIdentity",
    *("aws:EC2InstanceSourceVPC", "aws:EC2InstanceSourcePrivateIPv4", "ec2:RoleDelivery", "ec2:SourceInstanceArn"),
    *("glue:CredentialIssuingService", "glue:RoleAssumedBy", "lambda:SourceFunctionArn", "ssm:SourceInstanceARN"),
)
"""What only sessions that a person, another service of AWS or an instance has begun bring along."""
_NOT_OF_A_TASK = ("aws:MultiFactorAuthAge", *_OF_OTHER_SESSIONS)
_NOT_OF_A_SERVICE = (
    *("aws:MultiFactorAuthPresent", "aws:PrincipalOrgID", "aws:PrincipalOrgPaths", "aws:PrincipalTag/*"),
    *("aws:TokenIssueTime", "aws:username", "sts:ExternalId", "sts:SourceIdentity"),
)
UNCERTAIN = ("aws:TokenIssueTime", *_OF_OTHER_SESSIONS, *OF_A_CHAIN)
"""What AWS does not document for ECS's calls: where a task was refused, they may have had something else."""
_NOT_BY_A_SERVICE = ("aws:SourceVpc", "aws:SourceVpce", "aws:VpcSourceIp")
OF_AN_ORGANIZATION = re.compile(r"(?i)org(?:id|paths)\b")
"""How the keys end that tell an account's organization."""
OF_AN_ENDPOINT = (*_NOT_BY_A_SERVICE, "aws:SourceVpcArn", "aws:VpceAccount", "aws:VpceOrgID", "aws:VpceOrgPaths")
"""What only calls through an endpoint of a VPC have."""
NOT_OF_A_READ = (
    *("aws:TagKeys", "aws:RequestTag/*", "aws:SourceArn", "aws:SourceAccount", "aws:SourceOrgID", "aws:SourceOrgPaths"),
)
"""What only calls have that bring tags, or that a service of AWS makes for a resource."""
_OF_SECRETS = ("SecretId", "VersionId", "VersionStage", "ResourceTag/*", "resource/AllowRotationLambdaArn")


def of_role(arn: str, id: str = "", tags: Mapping[str, str] | None = None, session: str = SESSION) -> Keys:
    """The keys of a session of a role; `id` is its RoleId, "" where it is unknown, as None is for tags."""
    keys: Keys = {
        "aws:PrincipalArn": arn,
        "aws:PrincipalAccount": account_in(arn),
        "aws:PrincipalType": "AssumedRole",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:SecureTransport": "true",
        **dict.fromkeys((*_NOT_OF_A_ROLE, *NOT_OF_A_READ), ()),
        **_tags(("aws:PrincipalTag",), tags),
    }
    return {**keys, "aws:userid": f"{id}:{session}"} if id else keys


def of_organization(id: str, *of: str) -> Keys:
    """The keys of an organization of these ("Principal", "Resource"), by its id; "" outside one.

    Of an account's path within one, the root and the units above the account are unknown.
    """
    paths = (f"{id}/r-{UNKNOWN_END}",) if id else ()
    return {**{f"aws:{each}OrgPaths": paths for each in of}, **{f"aws:{each}OrgID": id or () for each in of}}


def of_time(moment: datetime) -> Keys:
    """The keys of a call's time."""
    return {"aws:CurrentTime": _iso(moment), "aws:EpochTime": f"{moment.timestamp():.0f}"}


def of_task(moment: datetime) -> Keys:
    """What a call has, beside the keys of its role, when ECS begins a session for a task at a time."""
    issued = {"aws:TokenIssueTime": _iso(moment), "aws:MultiFactorAuthPresent": "false"}
    return {**dict.fromkeys(_NOT_OF_A_TASK, ()), **issued, **of_time(moment)}


def of_service(name: str, moment: datetime) -> Keys:
    """What a call has that a service of AWS makes as itself, as ECS does to assume a role ("ecs-tasks.amazonaws.com").

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice
    """
    known = {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": name, "aws:ViaAWSService": "false"}
    absent = (*OF_A_CHAIN, *_NOT_OF_A_TASK, *_NOT_OF_A_SERVICE)
    return {**dict.fromkeys(absent, ()), **known, **of_time(moment)}


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def of_user(arn: str, id: str, tags: Mapping[str, str] | None) -> Keys:
    """The keys of a user's call; `id` is its UserId, "" where it is unknown, as None is for tags."""
    own: Keys = {"aws:PrincipalType": "User", "aws:username": arn.rpartition("/")[2]}
    return {**of_role(arn, tags=tags), **own, **({"aws:userid": id} if id else {})}


def of_assumption(arn: str, tags: Mapping[str, str] | None = None) -> Keys:
    """The keys of a call to assume a role."""
    return {"aws:ResourceAccount": account_in(arn), **_tags(("aws:ResourceTag", "iam:ResourceTag"), tags)}


def of_secret(
    arn: str,
    tags: Mapping[str, str] | None = None,
    stages: Iterable[str] = (),
    version_id: str | None = None,
    rotation_function: str | None = None,
) -> Keys:
    """The keys of a call on a secret; `stages` are those of the version that is read, none where it is unknown.

    `version_id` is the one that the call names, "" where it names none, None where that is unknown; and so is
    `rotation_function`, the ARN of the Lambda function that rotates the secret, to which its role is limited.
    """
    keys: Keys = {
        **of_resource(arn),
        "secretsmanager:SecretId": arn,
        **_tags(("aws:ResourceTag", "secretsmanager:ResourceTag"), tags),
    }
    if labels := tuple(stages):
        keys["secretsmanager:VersionStage"] = labels
    if version_id is not None:
        keys["secretsmanager:VersionId"] = version_id or ()
    if rotation_function is not None:
        keys["secretsmanager:resource/AllowRotationLambdaArn"] = rotation_function or ()
    return keys


def of_resource(arn: str) -> Keys:
    """The keys of a call on any resource, without its tags."""
    return {"aws:RequestedRegion": region_in(arn), "aws:ResourceAccount": account_in(arn)}


def of_key(
    arn: str,
    account: str,
    secret_arn: str,
    version_id: str = "",
    tags: Mapping[str, str] | None = None,
    aliases: Iterable[str] | None = None,
) -> Keys:
    """The keys of Secrets Manager's call to KMS on behalf of a caller of an account.

    None stands for tags or aliases of the key that are unknown, and "" for the id of the secret's version. See
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    context = {"SecretARN": secret_arn, "SecretVersionId": version_id}
    return _of_decryption(arn, account, "secretsmanager", region_in(secret_arn), context, tags, aliases)


def of_parameter_key(
    arn: str,
    account: str,
    parameter_arn: str,
    tags: Mapping[str, str] | None = None,
    aliases: Iterable[str] | None = None,
) -> Keys:
    """The keys of Parameter Store's call to KMS for a SecureString, on behalf of a caller of an account.

    https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
    """
    context = {"PARAMETER_ARN": parameter_arn}
    return _of_decryption(arn, account, "ssm", region_in(parameter_arn), context, tags, aliases)


def _of_decryption(
    arn: str,
    account: str,
    service: str,
    region: str,
    context: Mapping[str, str],
    tags: Mapping[str, str] | None,
    aliases: Iterable[str] | None,
) -> Keys:
    """The keys of a service's call to KMS, with its encryption context, of which "" stands for an unknown value."""
    keys: Keys = {
        "aws:RequestedRegion": region,
        "aws:ResourceAccount": account_in(arn),
        "aws:ViaAWSService": "true",
        "kms:CallerAccount": account,
        "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "kms:EncryptionContextKeys": tuple(context),
        **{f"kms:EncryptionContext:{name}": value for name, value in context.items() if value},
        # The service calls KMS over its own network, not over the caller's endpoint, and without its own keys.
        **dict.fromkeys((*_NOT_BY_A_SERVICE, *(f"secretsmanager:{name}" for name in _OF_SECRETS)), ()),
        "kms:GrantIsForAWSResource": (),
        "kms:KeySpec": "SYMMETRIC_DEFAULT",
        "kms:KeyUsage": "ENCRYPT_DECRYPT",
        "kms:ViaService": f"{service}.{region}.amazonaws.com",
        **_tags(("aws:ResourceTag",), tags),
    }
    if aliases is not None:
        keys["kms:ResourceAliases"] = tuple(aliases)
    if all(context.values()):
        keys["kms:EncryptionContext:*"] = ()
    return keys


def _tags(kinds: Iterable[str], tags: Mapping[str, str] | None) -> Keys:
    """Tags as condition keys; tags that are known leave no other tag."""
    if tags is None:
        return {}
    return {f"{kind}/{name}": value for kind in kinds for name, value in [("*", ()), *tags.items()]}
