"""Reading an environment: what is read, and what every refusal leaves unknown."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from support.moto_environment import (
    ACCOUNT,
    NAME,
    REGION,
    ROLE,
    SIMULATE,
    Wire,
    answers,
    between,
    build,
    client,
    mock_aws,
    read,
)
from support.snapshots import values

from omc_runbook.aws.session import Clients
from omc_runbook.masking.value import Masked
from omc_runbook.model.environment import load
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.snapshot.reading import identify, take

pytestmark = pytest.mark.usefixtures("own_registry", "world")


@pytest.fixture(scope="module")
def world() -> Iterator[None]:
    """A small environment in moto, which no test here changes."""
    with mock_aws():
        build()
        yield


def test_a_small_environment_is_read_whole() -> None:
    """Secret, versions, value, services, definitions, tasks, role and key are there, without a gap."""
    snapshot = read(Wire())
    assert snapshot.gaps == {}
    assert snapshot.caller.account == ACCOUNT
    assert snapshot.secret and snapshot.secret.name == NAME
    assert snapshot.current and snapshot.current.document
    assert snapshot.current.document.keys == tuple(values())
    assert [version.stages for version in snapshot.versions] == [("AWSCURRENT",)]
    assert [service.name for service in snapshot.consumers] == ["backend", "worker"]
    assert {task.service for task in snapshot.tasks} == {"backend", "worker"}
    assert len(snapshot.task_definitions) == 2
    [permissions] = snapshot.permissions.values()
    assert permissions.role and permissions.role.name == ROLE
    assert snapshot.kms_key and (snapshot.kms_key.state, snapshot.kms_key.manager) == ("Enabled", "CUSTOMER")


def test_the_key_of_the_current_version_is_described() -> None:
    """KMS is asked for the key that tasks need, though the secret names another for its next version."""
    wire, call, former, asked = Wire(), Wire.call, secrets.token_hex(8), list[str]()

    def answer(self: Wire, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if operation == "DescribeKey":
            asked.append(parameters["KeyId"])
        found = call(self, client, operation, parameters)
        for version in found["Versions"] if operation == "ListSecretVersionIds" else ():
            version["KmsKeyIds"] = [former]
        return found

    with patch.object(Wire, "call", answer):
        assert read(wire).kms_key is None
    assert asked == [former]


def test_values_are_masked_from_the_start() -> None:
    """No text of the snapshot is a value: each is masked."""
    snapshot = read(Wire())
    assert snapshot.current and snapshot.current.document
    for member in snapshot.current.document.members:
        assert isinstance(member.injected, Masked)
        assert repr(member.injected) == f"‹{member.key}›"
    text = client("secretsmanager").get_secret_value(SecretId=NAME)["SecretString"]
    assert not any(value in repr(snapshot) for value in json.loads(text).values())


def test_a_task_that_stops_while_being_listed_is_read_once() -> None:
    """A task can be in both lists, of the running and of the stopped."""
    answer = Wire.call

    def call(self: Wire, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        both = {**parameters, "desiredStatus": "RUNNING"} if operation == "ListTasks" else parameters
        return answer(self, client, operation, both)

    with patch.object(Wire, "call", call):
        arns = [task.arn for task in read(Wire()).tasks]
    assert len(arns) == len(set(arns)) == 2


@pytest.mark.parametrize("has_value", [True, False])
def test_a_value_of_another_version_than_the_current_one_leaves_the_content_unknown(has_value: bool) -> None:
    """Somebody wrote between the two calls, or one of them still shows what was there before."""
    answer = Wire.call

    def call(self: Wire, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        found = answer(self, client, operation, parameters)
        if operation != "GetSecretValue":
            return found
        if not has_value:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, operation)
        return found | {"VersionId": "another-version"}

    with patch.object(Wire, "call", call):
        found = answers(read(Wire()))
    assert {found[check].status for check in ("not-json", "key-missing", "placeholder")} == {"unknown"}
    reason = "has another-version" if has_value else "has none"
    assert f"GetSecretValue {reason}; run again in a minute" in found["not-json"].evidence[0]


@pytest.mark.parametrize(
    ("operation", "answered", "field"),
    [("ListSecretVersionIds", {"Versions": []}, "versions"), ("ListTasks", {"taskArns": []}, "tasks")],
)
def test_a_list_without_what_another_answer_has_is_a_gap(operation: str, answered: dict[str, Any], field: str) -> None:
    """Nothing that needs it is clear then."""
    answer = Wire.call

    def call(self: Wire, client: Any, name: str, parameters: dict[str, Any]) -> Any:
        found = answer(self, client, name, parameters)
        for service in found.get("services", ()):
            service["runningCount"] = 1
        return found | (answered if name == operation else {})

    with patch.object(Wire, "call", call):
        assert [*read(Wire()).gaps] == [field]


def test_every_resource_policy_is_read() -> None:
    """One that an AWS service attached denies as well as the default one, and is read once; people cannot change it."""
    denial = {"Sid": "Keep out", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}
    wire = Wire(policies={"replication": json.dumps({"Statement": [denial]})})
    found = answers(read(wire))["resource-deny"]
    assert found.status == "found" and "resource policy replication statement 1 (Keep out)" in found.evidence[0]
    assert "Policy replication was attached by an AWS service" in found.remedy.command
    assert (wire.made("ListResourcePolicies"), wire.made("GetResourcePolicy")) == (1, 2)


def test_a_policy_that_was_listed_and_cannot_be_read_leaves_its_checks_unknown() -> None:
    """The list names it, and its text is refused."""
    wire = Wire(refused={"GetResourcePolicy": "AccessDenied"}, policies={"replication": "{}"})
    found = answers(read(wire))["resource-deny"]
    assert found.status == "unknown" and "secretsmanager:GetResourcePolicy is missing" in found.evidence[-1]


REFUSALS: dict[str, set[str]] = {
    "DescribeSecret": {"secret-missing", "scheduled-deletion", "no-permission", "key-missing", "suffix-stale"},
    "ListSecretVersionIds": {"not-forced"},
    "GetSecretValue": {"key-missing", "not-json", "placeholder", "empty", "whole-json"},
    "GetResourcePolicy": {"resource-deny", "no-permission"},
    "ListResourcePolicies": {"resource-deny", "no-permission"},
    "ListServices": {"wrong-names", "role-absent", "partial-arn", "pull-failed", "desired-zero"},
    "DescribeServices": {"role-absent", "partial-arn", "pull-failed", "desired-zero"},
    "ListTasks": {"not-forced", "pull-failed", "throttled"},
    "DescribeTasks": {"not-forced", "pull-failed", "throttled"},
    "DescribeTaskDefinition": {"role-absent", "partial-arn", "bare-name", "key-missing"},
    "GetRole": {"role-untrusted"},
    "DescribeKey": {"kms-disabled", "kms-pending", "kms-missing", "kms-no-permission"},
    "GetKeyPolicy": {"kms-no-permission", "kms-useless-grant"},
    "LookupEvents": {"not-forced"},
    SIMULATE: {"scp"},
}
WITHOUT_SIMULATION = ("ListRolePolicies", "ListAttachedRolePolicies", "GetRolePolicy", "GetPolicy", "GetPolicyVersion")
OF_THE_ROLE = {"no-permission", "pattern-suffix", "identity-deny", "boundary", "scp"}
SERVICES = {
    "secretsmanager": "Secret|ResourcePolic",
    "ecs": "Service|Task",
    "kms": "Key",
    "cloudtrail": "Events",
    "iam": "Role|Simulate|Policy",
}


def permission(operation: str) -> str:
    """The IAM action of an operation."""
    service = next(name for name, words in SERVICES.items() if any(word in operation for word in words.split("|")))
    return f"{service}:{operation}"


def assert_unknown(wire: Wire, operation: str, checks: set[str], reason: str) -> None:
    """Each of the checks says that it could not look, and names what is missing."""
    found = answers(read(wire))
    assert wire.made(operation), f"{operation} was never asked"
    assert {check: found[check].status for check in checks} == dict.fromkeys(checks, "unknown")
    for check in checks:
        assert reason in " ".join(found[check].evidence), check


@pytest.mark.parametrize("operation", REFUSALS)
@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied"])
def test_a_refused_call_leaves_its_checks_unknown(operation: str, code: str) -> None:
    """What needs a refused call is unknown with that permission named, and never clear."""
    wire = Wire({operation: code}, doubtful=True)
    assert_unknown(wire, operation, REFUSALS[operation], f"the permission {permission(operation)} is missing")


@pytest.mark.parametrize("operation", WITHOUT_SIMULATION)
def test_a_role_that_cannot_be_read_either_is_unknown(operation: str) -> None:
    """Where AWS refuses to simulate and to show a policy, nothing of the role's permissions is clear."""
    wire = Wire({SIMULATE: "AccessDenied", operation: "AccessDenied"})
    assert_unknown(wire, operation, OF_THE_ROLE, f"the permission {permission(operation)} is missing")


def test_policies_speak_where_the_simulation_is_refused() -> None:
    """Without SimulatePrincipalPolicy the role's policies are read, and all but the organization is clear."""
    found = answers(read(Wire({SIMULATE: "AccessDenied"})))
    assert {check: found[check].status for check in OF_THE_ROLE - {"scp"}} == dict.fromkeys(
        OF_THE_ROLE - {"scp"}, "clear"
    )


@pytest.mark.parametrize("operation", REFUSALS)
def test_throttling_that_lasts_leaves_checks_unknown(operation: str) -> None:
    """Throttling is no refusal: the checks are unknown, and the sentence says to run again."""
    wire = Wire({operation: "ThrottlingException"}, doubtful=True)
    assert_unknown(wire, operation, REFUSALS[operation], "outlasted the retries; run again")


@pytest.mark.parametrize("code", ["InternalServiceError", "DecryptionFailure", "SomethingNew"])
def test_an_error_of_one_call_leaves_the_others(code: str) -> None:
    """A call that fails by itself is a gap, and the rest is read and judged."""
    found = answers(read(Wire({"GetSecretValue": code})))
    assert found["key-missing"].status == "unknown"
    assert code in found["key-missing"].evidence[0]
    assert found["kms-disabled"].status == found["no-permission"].status == "clear"


def test_a_key_that_the_caller_may_not_use_is_named() -> None:
    """GetSecretValue that KMS refuses lacks kms:Decrypt, not itself."""
    wire, refuse = Wire(), Wire.call

    def call(self: Wire, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if operation == "GetSecretValue":
            error = {"Code": "AccessDeniedException", "Message": "Access to KMS is not allowed"}
            raise ClientError({"Error": error}, operation)
        return refuse(self, client, operation, parameters)

    with patch.object(Wire, "call", call):
        found = answers(read(wire))
    assert "the permission kms:Decrypt is missing" in found["key-missing"].evidence[0]


def test_every_operation_has_its_refusal() -> None:
    """A call that is added to the reading is added to the table above."""
    refused = Wire({SIMULATE: "AccessDenied"}, doubtful=True)
    read(refused)
    assert refused.operations == {"GetCallerIdentity", *REFUSALS, *WITHOUT_SIMULATION}


def test_botocore_retries_before_a_call_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A throttled call is made four times, and only then is it a gap."""
    attempts: list[str] = []

    def throttle(request: Any, **_: Any) -> AWSResponse:
        attempts.append(request.url)
        body = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
        raw: Any = type("Raw", (), {"stream": lambda self, **_: iter([body]), "read": lambda self: body})()
        return AWSResponse(request.url, 400, {"content-type": "application/x-amz-json-1.1"}, raw)

    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda seconds: None)
    environment = load("staging")
    clients = Clients(REGION)
    clients("secretsmanager").meta.events.register_first("before-send.secretsmanager.DescribeSecret", throttle)
    with between(Wire()):
        snapshot = take(clients, environment, identify(clients, environment), lambda: datetime.now(UTC))
    assert len(attempts) == 4
    [gap] = snapshot.gaps["secret"]
    assert (gap.kind, gap.code) == ("throttled", "ThrottlingException")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ExpiredToken", "credentials have expired"),
        ("ExpiredTokenException", "credentials have expired"),
        ("InvalidClientTokenId", "does not accept these credentials"),
        ("AccessDenied", "sts:GetCallerIdentity is missing"),
        ("Throttling", "outlasted the retries"),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_credentials_that_do_not_serve_are_one_sentence(code: str, reason: str) -> None:
    """Nothing is read where AWS does not tell who is calling."""
    wire = Wire({"GetCallerIdentity": code})
    with pytest.raises(CouldNotLook, match=reason) as caught:
        read(wire)
    assert "\n" not in str(caught.value)
    assert wire.operations == {"GetCallerIdentity"}


@pytest.mark.parametrize("operation", ["DescribeSecret", "ListServices", "GetRole", "DescribeServices"])
def test_a_token_that_expires_in_the_middle_ends_the_reading(operation: str) -> None:
    """The message names the expiry, whichever call it fails."""
    with pytest.raises(CouldNotLook, match="have expired"):
        read(Wire({operation: "ExpiredTokenException"}))


def test_another_account_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account guard speaks first, and says which account is which."""
    monkeypatch.setenv("OMC_ACCOUNT_ID", "210987654321")
    wire = Wire()
    with pytest.raises(UsageError, match=f"are for account {ACCOUNT}, but staging is account 210987654321"):
        read(wire)
    assert wire.operations == {"GetCallerIdentity"}


def test_a_cluster_that_runbook_toml_names_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chosen name that does not exist is used wrongly, and the nearest is given."""
    monkeypatch.setenv("OMC_CLUSTER", "ohmycoins-stagin")
    with pytest.raises(UsageError, match=r"Cluster ohmycoins-stagin does not exist.*did you mean ohmycoins-staging\?"):
        read(Wire())
