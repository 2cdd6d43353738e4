"""Which condition keys a call has, and which it certainly lacks: what is in neither is unknown."""

from __future__ import annotations

from omc_runbook.iam import request_keys

ACCOUNT, OTHER = "123456789012", "210987654321"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:app-AbCdEf"
PARAMETER = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/app"
KEY = f"arn:aws:kms:eu-west-1:{OTHER}:key/1"


def test_the_keys_of_a_role_s_session() -> None:
    """aws:userid only where the role's id is known, and no other tag where its tags are."""
    bare, full = request_keys.of_role(ROLE), request_keys.of_role(ROLE, "AROA1", {"team": "coins"}, "one")
    present = {name: value for name, value in bare.items() if value}
    assert present == {
        "aws:PrincipalArn": ROLE,
        "aws:PrincipalAccount": ACCOUNT,
        "aws:PrincipalType": "AssumedRole",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:SecureTransport": "true",
    }
    of_others = {"aws:username", "aws:PrincipalServiceName", "aws:PrincipalServiceNamesList", "aws:FederatedProvider"}
    of_writes = {"aws:TagKeys", "aws:RequestTag/*"}
    of_services = {f"aws:Source{name}" for name in ("Arn", "Account", "OrgID", "OrgPaths")}
    assert bare.keys() - present.keys() == of_others | of_writes | of_services
    tags = {"aws:PrincipalTag/*": (), "aws:PrincipalTag/team": "coins"}
    assert full == {**bare, **tags, "aws:userid": "AROA1:one"}


def test_the_keys_of_a_user() -> None:
    """Its name, and its id where that is known."""
    arn = f"arn:aws:iam::{ACCOUNT}:user/ops/kim"
    own = {"aws:PrincipalType": "User", "aws:username": "kim"}
    assert request_keys.of_user(arn, "", None) == {**request_keys.of_role(arn), **own}
    assert request_keys.of_user(arn, "AIDA1", {})["aws:userid"] == "AIDA1"


def test_the_keys_of_a_call_on_a_secret() -> None:
    """The version only where it is known which one is read."""
    bare = {"aws:RequestedRegion": "eu-west-1", "aws:ResourceAccount": ACCOUNT, "secretsmanager:SecretId": SECRET}
    assert request_keys.of_secret(SECRET) == bare
    tags = {
        f"{kind}:ResourceTag/{name}": () if name == "*" else "1" for kind in ("aws", "secretsmanager") for name in "*a"
    }
    version = {"secretsmanager:VersionStage": ("AWSCURRENT",), "secretsmanager:VersionId": ()}
    assert request_keys.of_secret(SECRET, {"a": "1"}, ["AWSCURRENT"], "") == {**bare, **tags, **version}
    assert request_keys.of_secret(SECRET, version_id="v1") == {**bare, "secretsmanager:VersionId": "v1"}
    rotated = {**bare, "secretsmanager:resource/AllowRotationLambdaArn": ()}
    assert request_keys.of_secret(SECRET, rotation_function="") == rotated


def test_the_keys_of_a_call_to_kms_for_a_secret_or_a_parameter() -> None:
    """In the region of what is encrypted; the key is its own account's, and the context has nothing else in it."""
    context = {"kms:EncryptionContext:SecretARN": SECRET, "kms:EncryptionContext:SecretVersionId": "v1"}
    found = request_keys.of_key(KEY, ACCOUNT, SECRET, "v1", {}, ["alias/app"])
    assert {name: value for name, value in found.items() if value} == {
        "aws:RequestedRegion": "eu-west-1",
        "aws:ResourceAccount": OTHER,
        "aws:ViaAWSService": "true",
        "kms:CallerAccount": ACCOUNT,
        "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "kms:EncryptionContextKeys": ("SecretARN", "SecretVersionId"),
        **context,
        "kms:KeySpec": "SYMMETRIC_DEFAULT",
        "kms:KeyUsage": "ENCRYPT_DECRYPT",
        "kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com",
        "kms:ResourceAliases": ("alias/app",),
    }
    from_nowhere = {"aws:SourceVpc", "aws:SourceVpce", "aws:VpcSourceIp", "kms:GrantIsForAWSResource"}
    of_secrets = ("SecretId", "VersionId", "VersionStage", "ResourceTag/*", "resource/AllowRotationLambdaArn")
    assert {name for name, value in found.items() if not value} == {
        *from_nowhere,
        *(f"secretsmanager:{name}" for name in of_secrets),
        *("aws:ResourceTag/*", "kms:EncryptionContext:*"),
    }
    unknown = request_keys.of_key(KEY, ACCOUNT, SECRET)
    missing = {"kms:EncryptionContext:SecretVersionId", "kms:EncryptionContext:*", "aws:ResourceTag/*"}
    assert found.keys() - unknown.keys() == {*missing, "kms:ResourceAliases"}
    parameter = request_keys.of_parameter_key(KEY, ACCOUNT, PARAMETER)
    assert parameter["kms:ViaService"] == "ssm.eu-west-1.amazonaws.com"
    assert parameter["kms:EncryptionContext:PARAMETER_ARN"] == PARAMETER


def test_the_keys_of_a_call_to_assume_a_role() -> None:
    """Its account, and its tags under both names."""
    tags = {f"{kind}:ResourceTag/{name}": () if name == "*" else "1" for kind in ("aws", "iam") for name in "*a"}
    assert request_keys.of_assumption(ROLE, {"a": "1"}) == {"aws:ResourceAccount": ACCOUNT, **tags}
    assert request_keys.of_assumption(ROLE) == {"aws:ResourceAccount": ACCOUNT}
