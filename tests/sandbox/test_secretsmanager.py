"""Secrets Manager in the sandbox, where moto differs from AWS."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.small_world import ACCOUNT, REGION, Stage, policy

from omc_runbook.aws import cloudtrail, secretsmanager
from omc_runbook.aws.secretsmanager import Replica
from omc_runbook.sandbox.lifecycle import Sandbox

MINE = "omc-runbook-test"


@pytest.fixture(scope="module")
def stage(empty_sandbox: Sandbox) -> Stage:
    """One sandbox for the module."""
    return Stage(empty_sandbox)


@pytest.fixture
def name(stage: Stage) -> str:
    """A secret of one version, "one"."""
    secret_name = f"secret-{uuid.uuid4()}"
    stage.secrets.create_secret(Name=secret_name, SecretString="one")
    return secret_name


def stages(stage: Stage, name: str) -> dict[str, list[str]]:
    """The labels of each version that has any."""
    return stage.secrets.describe_secret(SecretId=name)["VersionIdsToStages"]


def value(stage: Stage, name: str, **which: str) -> str:
    """What GetSecretValue gives."""
    return str(stage.secrets.get_secret_value(SecretId=name, **which)["SecretString"])


def promote(stage: Stage, name: str, source: str, target: str) -> None:
    """Move AWSCURRENT."""
    stage.secrets.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=source, MoveToVersionId=target
    )


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    """The error's AWS code."""
    return str(error.value.response["Error"]["Code"])


def test_promotion_is_what_readers_get_next(stage: Stage, name: str) -> None:
    """After a promotion every way to read gives the new value, and AWSPREVIOUS is the old one."""
    first = stage.secrets.get_secret_value(SecretId=name)["VersionId"]
    second = stage.secrets.put_secret_value(SecretId=name, SecretString="two", VersionStages=[MINE])["VersionId"]
    assert value(stage, name) == "one"
    promote(stage, name, first, second)
    assert value(stage, name) == value(stage, name, VersionStage="AWSCURRENT") == "two"
    assert value(stage, name, VersionStage="AWSPREVIOUS") == "one"
    batch = stage.secrets.batch_get_secret_value(SecretIdList=[name])
    assert batch["SecretValues"][0]["SecretString"] == "two"
    assert stages(stage, name) == {first: ["AWSPREVIOUS"], second: [MINE, "AWSCURRENT"]}


def test_next_put_after_promotion_leaves_one_current(stage: Stage, name: str) -> None:
    """PutSecretValue moves AWSCURRENT and AWSPREVIOUS, and leaves a version's own label alone."""
    first = stage.secrets.get_secret_value(SecretId=name)["VersionId"]
    second = stage.secrets.put_secret_value(SecretId=name, SecretString="two", VersionStages=[MINE])["VersionId"]
    promote(stage, name, first, second)
    third = stage.secrets.put_secret_value(SecretId=name, SecretString="three")["VersionId"]
    assert stages(stage, name) == {second: [MINE, "AWSPREVIOUS"], third: ["AWSCURRENT"]}


@pytest.mark.parametrize("wrong", ["source", "target"])
def test_refused_promotion_changes_nothing(stage: Stage, name: str, wrong: str) -> None:
    """A stale source or an unknown target is refused with every label where it was."""
    first = stage.secrets.get_secret_value(SecretId=name)["VersionId"]
    second = stage.secrets.put_secret_value(SecretId=name, SecretString="two")["VersionId"]
    before = stages(stage, name)
    source, target = (first, second) if wrong == "source" else (second, str(uuid.uuid4()))
    with pytest.raises(ClientError) as error:
        promote(stage, name, source, target)
    assert code_of(error) == "InvalidParameterException"
    assert stages(stage, name) == before


def test_race_has_one_winner(stage: Stage, name: str) -> None:
    """Of many who promote from the same version, one succeeds."""
    first = stage.secrets.get_secret_value(SecretId=name)["VersionId"]
    targets = [
        stage.secrets.put_secret_value(SecretId=name, SecretString=str(n), VersionStages=[f"{MINE}-{n}"])["VersionId"]
        for n in range(8)
    ]

    def attempt(target: str) -> bool:
        try:
            promote(stage, name, first, target)
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, targets)) == 1


def test_put_on_deleted_secret_is_refused_until_restored(stage: Stage, name: str) -> None:
    """A secret marked for deletion takes no value and gives none; restored, it does both."""
    stage.secrets.delete_secret(SecretId=name)
    for act in (stage.secrets.get_secret_value, stage.secrets.put_secret_value):
        more = {"SecretString": "two"} if act == stage.secrets.put_secret_value else {}
        with pytest.raises(ClientError) as error:
            act(SecretId=name, **more)
        assert code_of(error) == "InvalidRequestException"
    stage.secrets.restore_secret(SecretId=name)
    stage.secrets.put_secret_value(SecretId=name, SecretString="two")
    assert value(stage, name) == "two"


@pytest.mark.parametrize("label", ["AWSCURRENT", "AWSPENDING"])
def test_token_stands_for_one_content(stage: Stage, name: str, label: str) -> None:
    """The same token with the same content is a repeat; with another it is refused, pending or not."""
    token = str(uuid.uuid4())
    request = {"SecretId": name, "ClientRequestToken": token, "VersionStages": [label]}
    stage.secrets.put_secret_value(**request, SecretString="two")
    assert stage.secrets.put_secret_value(**request, SecretString="two")["VersionId"] == token
    with pytest.raises(ClientError) as error:
        stage.secrets.put_secret_value(**request, SecretString="three")
    assert code_of(error) == "ResourceExistsException"
    assert value(stage, name, VersionId=token) == "two"


def test_value_has_a_size_limit(stage: Stage, name: str) -> None:
    """65,536 bytes are taken, one more is not."""
    stage.secrets.put_secret_value(SecretId=name, SecretString="x" * 65_536)
    with pytest.raises(ClientError) as error:
        stage.secrets.put_secret_value(SecretId=name, SecretString="é" + "x" * 65_535)
    assert code_of(error) == "ValidationException"


def test_version_has_a_label_limit(stage: Stage, name: str) -> None:
    """A version takes 20 labels, not 21."""
    labels = [f"{MINE}-{n}" for n in range(21)]
    with pytest.raises(ClientError) as error:
        stage.secrets.put_secret_value(SecretId=name, SecretString="two", VersionStages=labels)
    assert code_of(error) == "LimitExceededException"
    assert len(stages(stage, name)) == 1


def test_all_versions_together_have_a_label_limit(stage: Stage, name: str) -> None:
    """AWSCURRENT and 19 more; a label that moves is no new one."""
    ids = [stage.secrets.put_secret_value(SecretId=name, SecretString=f"{n}")["VersionId"] for n in range(2)]
    for n in range(18):
        stage.secrets.update_secret_version_stage(SecretId=name, VersionStage=f"{MINE}-{n}", MoveToVersionId=ids[n % 2])
    with pytest.raises(ClientError) as error:
        stage.secrets.update_secret_version_stage(SecretId=name, VersionStage=MINE, MoveToVersionId=ids[0])
    assert code_of(error) == "LimitExceededException"
    stage.secrets.put_secret_value(SecretId=name, SecretString="two", VersionStages=["AWSCURRENT", f"{MINE}-0"])
    assert sum(map(len, stages(stage, name).values())) == 20


def test_versions_tell_when_they_were_created(stage: Stage, name: str) -> None:
    """ListSecretVersionIds gives each version's own creation, to the millisecond."""
    time.sleep(0.05)
    between = datetime.now(UTC)
    stage.secrets.put_secret_value(SecretId=name, SecretString="two")
    listed = stage.secrets.list_secret_version_ids(SecretId=name)
    created = {tuple(v["VersionStages"]): v["CreatedDate"] for v in listed["Versions"]}
    assert created[("AWSPREVIOUS",)] < between <= created[("AWSCURRENT",)]
    assert listed["ARN"].startswith("arn:")


def test_secret_without_a_version_has_no_value(stage: Stage) -> None:
    """A secret made without a value can be described and not read."""
    secret_name = f"secret-{uuid.uuid4()}"
    stage.secrets.create_secret(Name=secret_name)
    assert "VersionIdsToStages" not in stage.secrets.describe_secret(SecretId=secret_name)
    with pytest.raises(ClientError, match="staging label: AWSCURRENT") as error:
        stage.secrets.get_secret_value(SecretId=secret_name)
    assert code_of(error) == "ResourceNotFoundException"


def test_batch_tells_errors_apart(stage: Stage, name: str) -> None:
    """One secret without a value does not spoil a batch."""
    secret_name = f"secret-{uuid.uuid4()}"
    stage.secrets.create_secret(Name=secret_name)
    batch = stage.secrets.batch_get_secret_value(SecretIdList=[secret_name, name, "absent"])
    assert [entry["Name"] for entry in batch["SecretValues"]] == [name]
    assert {error["SecretId"]: error["ErrorCode"] for error in batch["Errors"]} == dict.fromkeys(
        (secret_name, "absent"), "ResourceNotFoundException"
    )


def test_resource_policy_denies_even_the_administrator(stage: Stage, name: str) -> None:
    """An explicit deny in the secret's own policy is obeyed and named."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    stage.secrets.put_resource_policy(SecretId=name, ResourcePolicy=policy(deny))
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy") as error:
        stage.secrets.get_secret_value(SecretId=name)
    assert code_of(error) == "AccessDeniedException"


@pytest.mark.parametrize("name_of_key", ["KeyId", "Arn"])
def test_disabled_key_decrypts_nothing(stage: Stage, name_of_key: str) -> None:
    """A secret under a customer key needs that key enabled."""
    kms = stage.client("kms")
    key = kms.create_key()["KeyMetadata"][name_of_key]
    secret_name = f"secret-{uuid.uuid4()}"
    stage.secrets.create_secret(Name=secret_name, SecretString="one", KmsKeyId=key)
    assert value(stage, secret_name) == "one"
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError) as error:
        stage.secrets.get_secret_value(SecretId=secret_name)
    assert code_of(error) == "DecryptionFailure"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert value(stage, secret_name) == "one"


def test_recreated_secret_has_another_suffix(stage: Stage, name: str) -> None:
    """After a forced deletion the old ARN finds nothing, though the name is taken again."""
    old = stage.secrets.describe_secret(SecretId=name)["ARN"]
    stage.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    new = stage.secrets.create_secret(Name=name, SecretString="two")["ARN"]
    assert new != old
    with pytest.raises(ClientError) as error:
        stage.secrets.get_secret_value(SecretId=old)
    assert code_of(error) == "ResourceNotFoundException"
    assert value(stage, new.rpartition("-")[0]) == "two"


def test_description_changes_no_value(stage: Stage, name: str) -> None:
    """UpdateSecret without a value adds no version; with one it makes it current."""
    before = stages(stage, name)
    stage.secrets.update_secret(SecretId=name, Description="what it is for")
    assert stages(stage, name) == before
    stage.secrets.update_secret(SecretId=name, SecretString="two")
    assert value(stage, name) == "two"
    assert stage.secrets.describe_secret(SecretId=name)["Description"] == "what it is for"


def test_rotation_needs_a_lambda(stage: Stage, name: str) -> None:
    """RotateSecret without a Lambda is refused and leaves the value."""
    with pytest.raises(ClientError) as error:
        stage.secrets.rotate_secret(SecretId=name)
    assert code_of(error) == "InvalidRequestException"
    assert value(stage, name) == "one"


def test_rotation_that_is_to_begin_later_changes_no_version(stage: Stage, name: str) -> None:
    """RotateSecret with RotateImmediately false says when it is due, without that it rotates; a cancel ends it."""
    function, before = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotate", stages(stage, name)
    stage.secrets.rotate_secret(
        SecretId=name,
        RotationLambdaARN=function,
        RotationRules={"AutomaticallyAfterDays": 30},
        RotateImmediately=False,
    )
    described = stage.secrets.describe_secret(SecretId=name)
    assert described["RotationEnabled"] and described["RotationLambdaARN"] == function
    assert (described["NextRotationDate"] - datetime.now(UTC)).days in (29, 30)
    assert stages(stage, name) == before and value(stage, name) == "one"
    rotated = stage.secrets.rotate_secret(SecretId=name)["VersionId"]
    assert stages(stage, name)[rotated] == ["AWSCURRENT"] and value(stage, name) == "one"
    assert stage.secrets.describe_secret(SecretId=name)["LastRotatedDate"] <= datetime.now(UTC)
    stage.secrets.cancel_rotate_secret(SecretId=name)
    assert not stage.secrets.describe_secret(SecretId=name)["RotationEnabled"]


def test_other_account_needs_both_sides_and_a_customer_key(stage: Stage) -> None:
    """A secret of another account is read only with its policy's leave and never under the managed key."""
    session = stage.client("sts").assume_role(
        RoleArn="arn:aws:iam::210987654321:role/OrganizationAccountAccessRole", RoleSessionName="builder"
    )["Credentials"]
    theirs: dict[str, Any] = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    there = stage.client("secretsmanager", **theirs)
    arn = there.create_secret(Name="theirs", SecretString=json.dumps({"A": "b"}))["ARN"]
    assert arn.split(":")[4] == "210987654321"
    with pytest.raises(ClientError) as error:
        stage.secrets.get_secret_value(SecretId=arn)
    assert code_of(error) == "AccessDeniedException"
    allow = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "*", "Resource": "*"}
    there.put_resource_policy(SecretId=arn, ResourcePolicy=policy(allow))
    with pytest.raises(ClientError, match="default KMS service key") as error:
        stage.secrets.get_secret_value(SecretId=arn)
    assert code_of(error) == "InvalidRequestException"


def test_a_replica_describes_itself_and_is_not_written(stage: Stage, name: str) -> None:
    """It has the primary's versions under its own ARN, and says where the primary is."""
    stage.secrets.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": "eu-west-1"}])
    there = stage.client("secretsmanager", region_name="eu-west-1")
    replica = secretsmanager.describe(there, name)
    assert replica and replica.arn.split(":")[3] == "eu-west-1"
    assert secretsmanager.get_resource_policy(there, name) is None
    stage.secrets.put_resource_policy(SecretId=name, ResourcePolicy='{"Statement": []}')
    policy = secretsmanager.get_resource_policy(there, name)
    assert policy and policy.document == {"Statement": []}
    assert replica.primary == Replica("ap-southeast-2", "") and replica.stages.keys() == stages(stage, name).keys()
    with pytest.raises(ClientError, match="primary secret's region"):
        there.put_secret_value(SecretId=name, SecretString="two")
    primary = secretsmanager.describe(stage.secrets, name)
    assert primary and primary.primary is None
    assert [(each.location, each.status) for each in primary.replicas] == [("eu-west-1", "InSync")]
    stage.secrets.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=["eu-west-1"])


def test_resource_policies_are_listed_and_got_by_name(stage: Stage, name: str) -> None:
    """A person attaches the default policy alone."""
    assert stage.secrets.list_resource_policies(SecretId=name)["ResourcePolicies"] == []
    allow = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "*", "Resource": "*"}
    stage.secrets.put_resource_policy(SecretId=name, ResourcePolicy=policy(allow))
    assert stage.secrets.list_resource_policies(SecretId=name)["ResourcePolicies"] == [{"PolicyName": "default"}]
    response = stage.secrets.get_resource_policy(SecretId=name, PolicyName="default")
    assert json.loads(response["ResourcePolicy"])["Statement"] == [allow] and response["PolicyName"] == "default"
    with pytest.raises(ClientError) as error:
        stage.secrets.get_resource_policy(SecretId=name, PolicyName="other")
    assert code_of(error) == "ResourceNotFoundException"
    with pytest.raises(ClientError, match="only the policy default"):
        stage.secrets.put_resource_policy(SecretId=name, PolicyName="other", ResourcePolicy=policy(allow))


def test_a_batch_is_one_read_of_each_secret(stage: Stage, name: str) -> None:
    """CloudTrail has the batch itself and a GetSecretValue for each secret, also for one that is refused."""
    other = f"secret-{uuid.uuid4()}"
    stage.secrets.create_secret(Name=other, SecretString="two")
    start = datetime.now(UTC).replace(microsecond=0)
    answer = stage.secrets.batch_get_secret_value(SecretIdList=[name, other, "no-such-secret"])
    assert len(answer["SecretValues"]) == 2 and len(answer["Errors"]) == 1
    trail = stage.client("cloudtrail")
    for secret, code in ((name, ""), (other, ""), ("no-such-secret", "ResourceNotFoundException")):
        [event] = cloudtrail.lookup_events(trail, "GetSecretValue", secret, start)
        assert (event.error, event.principal) == (code, stage.client("sts").get_caller_identity()["Arn"])
    assert len(cloudtrail.lookup_events(trail, "BatchGetSecretValue", name, start)) == 1
