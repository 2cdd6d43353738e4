"""Answers of Secrets Manager as the package reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import Replica

AWS, EMULATOR = "https://secretsmanager.ap-southeast-2.amazonaws.com", "http://127.0.0.1:5000"
ARN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app-AbCdEf"


class Client:
    """A client with policies beside the default one, or with an error for the call that lists them."""

    def __init__(
        self, endpoint: str, policies: dict[str, str], error: str = "", described: dict[str, Any] | None = None
    ):
        self.meta = SimpleNamespace(endpoint_url=endpoint)
        self.policies, self.error, self.described = policies, error, described or {}

    def list_resource_policies(self, **parameters: str) -> dict[str, Any]:
        if self.error:
            raise ClientError({"Error": {"Code": self.error}}, "ListResourcePolicies")
        names = ["default", *self.policies]
        start = int(parameters.get("NextToken", 0))
        page, rest = names[start : start + 2], start + 2
        more = {"NextToken": str(rest)} if rest < len(names) else {}
        return {"ResourcePolicies": [{"PolicyName": name} for name in page], **more}

    def get_resource_policy(self, **parameters: str) -> dict[str, Any]:
        text = self.policies[parameters["PolicyName"]]
        return {"ResourcePolicy": text} if text else {}

    def describe_secret(self, **_: str) -> dict[str, Any]:
        return {"ARN": ARN, "Name": "app", **self.described}


def test_every_page_of_policies_is_read() -> None:
    """Without the default one, which is read by itself, and without one that is gone meanwhile."""
    policies = {name: json.dumps({"Statement": {"Sid": name}}) for name in ("a", "b", "c")} | {"gone": ""}
    found = secretsmanager.get_other_resource_policies(Client(AWS, policies), "app")
    assert [policy.name for policy in found] == [f"the secret's resource policy {name}" for name in "abc"]
    assert found[2].document == {"Statement": {"Sid": "c"}}


@pytest.mark.parametrize("code", ["500", "InternalFailure", "UnknownOperationException"])
def test_an_emulator_without_the_call_has_no_other_policy(code: str) -> None:
    """At AWS the same answer means that there may be one."""
    assert secretsmanager.get_other_resource_policies(Client(EMULATOR, {}, code), "app") == ()
    with pytest.raises(ClientError):
        secretsmanager.get_other_resource_policies(Client(AWS, {}, code), "app")


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_refusal_is_one_at_any_endpoint(code: str) -> None:
    """Nobody knows the policies then."""
    with pytest.raises(ClientError):
        secretsmanager.get_other_resource_policies(Client(EMULATOR, {}, code), "app")


def described(**members: Any) -> secretsmanager.Secret:
    secret = secretsmanager.describe(Client(AWS, {}, described=members), "app")  # type: ignore[arg-type]
    assert secret
    return secret


def test_owners_and_replicas_are_read() -> None:
    """In other regions and in another account; the primary's own region is no replica."""
    region = {"Region": "us-east-1", "Status": "Failed", "StatusMessage": "No."}
    account = {"ReplicaSecretARN": ARN, "ReplicationRoleARN": "role", "ReplicationStatus": "Detached"}
    secret = described(
        OwningService="rds",
        Type="SalesforceClientSecret",
        PrimaryRegion="ap-southeast-2",
        ReplicationStatus=[region],
        CrossAccountReplicas=[account],
    )
    assert (secret.owning_service, secret.partner, secret.primary) == ("rds", "SalesforceClientSecret", None)
    assert secret.replicas == (Replica("us-east-1", "Failed", "No."), Replica(ARN, "Detached", role="role"))


@pytest.mark.parametrize(
    ("primary", "is_replica"),
    [({}, False), ({"PrimaryRegion": "ap-southeast-2"}, False), ({"PrimaryRegion": "us-east-1"}, True)],
)
def test_a_listed_replica_is_told_from_a_primary(primary: dict[str, str], is_replica: bool) -> None:
    """ListSecrets names the primary's region."""
    page = {"SecretList": [{"Name": "app", "ARN": ARN, **primary}]}
    client: Any = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [page]))
    assert [each.is_replica for each in secretsmanager.list_secrets(client)] == [is_replica]


def test_a_replica_knows_its_primary() -> None:
    """By its region, or by its ARN in another account, with the state of replication."""
    assert described(PrimaryRegion="us-east-1").primary == Replica("us-east-1", "")
    primary = {"PrimarySecretARN": ARN, "ReplicationStatus": "Pending", "StatusMessage": "Soon."}
    assert described(CrossAccountPrimary=primary).primary == Replica(ARN, "Pending", "Soon.")


class MovedClient(Client):
    """A client for which AWSCURRENT is elsewhere, after so many attempts without an answer."""

    def __init__(self, retries: int) -> None:
        super().__init__(AWS, {})
        self.retries = retries

    def update_secret_version_stage(self, **_: str) -> None:
        raise ClientError(
            {"Error": {"Code": "InvalidParameterException"}, "ResponseMetadata": {"RetryAttempts": self.retries}},  # type: ignore[typeddict-item]
            "UpdateSecretVersionStage",
        )


@pytest.mark.parametrize(("before", "remove"), [("old", {"RemoveFromVersionId": "old"}), ("", {})])
def test_a_move_is_from_the_version_that_a_plan_is_based_on(before: str, remove: dict[str, str]) -> None:
    """AWS refuses it where the label is on another one meanwhile."""
    calls: list[dict[str, str]] = []
    client: Any = SimpleNamespace(update_secret_version_stage=lambda **parameters: calls.append(parameters))
    assert secretsmanager.move_current(client, "app", "new", before)
    assert calls == [{"SecretId": "app", "VersionStage": "AWSCURRENT", "MoveToVersionId": "new", **remove}]


def test_a_move_whose_answer_was_lost_may_be_ours() -> None:
    """AWS refuses the second attempt of a call that the first one has carried out already."""
    moved = [secretsmanager.move_current(MovedClient(each), "app", "new", "old") for each in (0, 1)]  # type: ignore[arg-type]
    assert moved == [False, None]


def test_a_version_without_its_date_is_named() -> None:
    """AWS's model does not promise the date: that is no cut answer of a proxy, and the order is unknown."""
    versions: list[dict[str, Any]] = [
        {"VersionId": "1", "CreatedDate": datetime(2026, 3, 1, tzinfo=UTC)},
        {"VersionId": "2", "VersionStages": ["AWSCURRENT"]},
    ]
    client: Any = SimpleNamespace(list_secret_version_ids=lambda **_: {"ARN": ARN, "Versions": versions})
    failure = secretsmanager.list_versions(client, "app")
    assert isinstance(failure, ReadFailure) and failure.sentence.startswith(
        "Could not read the versions of app: ListSecretVersionIds has no CreatedDate of 2, so that"
    )


def test_a_version_tells_the_keys_that_encrypt_it() -> None:
    """They are the secret's own only if the version was encrypted again; a stand-in for AWS may not tell."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    told = {"VersionId": "1", "CreatedDate": at, "KmsKeyIds": ["DefaultEncryptionKey"]}
    client = SimpleNamespace(
        list_secret_version_ids=lambda **_: {"ARN": ARN, "Versions": [told, {"VersionId": "2", "CreatedDate": at}]}
    )
    versions = secretsmanager.list_versions(client, "app")
    assert not isinstance(versions, ReadFailure)
    assert [version.keys for version in versions] == [("DefaultEncryptionKey",), ()]
