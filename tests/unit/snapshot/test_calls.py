"""How often AWS is asked for a large environment, and what is read where names are wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from support.moto_environment import CLUSTER, NAME, REGION, Wire, answers, build, client, mock_aws, read
from support.snapshots import values

from omc_runbook.aws import ecs
from omc_runbook.model.errors import CouldNotLook


def test_a_cluster_that_the_guide_names_may_be_missing() -> None:
    """The guide's name is a finding where it is wrong, with the nearest cluster."""
    with mock_aws():
        client("ecs").create_cluster(clusterName="ohmycoins-staging-cluster")
        client("secretsmanager").create_secret(Name=NAME, SecretString="{}")
        snapshot = read(Wire())
    assert snapshot.service_names is None
    assert snapshot.clusters == ("ohmycoins-staging-cluster",)
    found = answers(snapshot)
    assert (found["wrong-names"].status, found["secret-missing"].status) == ("found", "clear")
    assert "did you mean ohmycoins-staging-cluster?" in found["wrong-names"].evidence[0]
    assert found["not-forced"].status == "skipped"


def test_a_service_that_was_deleted_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """ListServices omits it, and DescribeServices has it for some time yet, which moto has not."""
    described = Mock(return_value="INACTIVE")
    monkeypatch.setattr(ecs, "read_deleted_status", described)
    with mock_aws():
        build()
        assert read(Wire()).deleted_status == "" and not described.called, "nothing is asked in vain"
    with mock_aws():
        build(("worker",))
        snapshot = read(Wire())
    assert snapshot.deleted_status == "INACTIVE" and described.call_count == 1
    assert "was deleted" in answers(snapshot)["wrong-names"].evidence[0]


def test_a_task_that_no_service_started_is_read_with_its_revision() -> None:
    """Also where that is neither a service's nor the newest of its family: the task may have old values."""
    with mock_aws():
        build()
        ecs_client = client("ecs")
        definition = ecs_client.describe_task_definition(taskDefinition=f"{CLUSTER}-backend")["taskDefinition"]
        copied = {name: definition[name] for name in ("executionRoleArn", "containerDefinitions")}
        for _ in range(2):
            ecs_client.register_task_definition(family="migrate", **copied)
        ecs_client.run_task(cluster=CLUSTER, taskDefinition="migrate:1", launchType="FARGATE")
        (task,) = read(Wire()).lone_tasks
    assert task.task_definition_arn.endswith("migrate:1")


def test_a_missing_cluster_is_found_where_clusters_may_not_be_listed() -> None:
    """ListServices says enough for the finding; only the nearest name is lost."""
    with mock_aws():
        client("secretsmanager").create_secret(Name=NAME, SecretString="{}")
        assert answers(read(Wire({"ListClusters": "AccessDenied"})))["wrong-names"].status == "found"


@pytest.fixture
def only_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped region has no endpoint."""
    answer = Wire.call

    def call(self: Wire, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if client.meta.region_name == "ap-southeast-22":
            raise EndpointConnectionError(endpoint_url=client.meta.endpoint_url)
        return answer(self, client, operation, parameters)

    monkeypatch.setattr(Wire, "call", call)


@pytest.mark.usefixtures("only_here")
def test_a_reference_to_a_region_that_does_not_exist_is_a_finding() -> None:
    """The rest is read all the same."""
    with mock_aws():
        build()
        mistype("worker", "ap-southeast-22")
        found = answers(read(Wire()))
    assert found["wrong-region"].status == "found"
    assert found["key-missing"].status == "clear"


@pytest.mark.usefixtures("only_here")
@pytest.mark.parametrize("region", ["ap-southeast-22", "ap_southeast_2", "*"])
def test_another_secret_in_a_region_that_does_not_exist_is_a_gap(region: str) -> None:
    """The rest is read all the same."""
    with mock_aws():
        build()
        mistype("worker", region, "payments-AbCdEf")
        snapshot = read(Wire())
        found = answers(snapshot)
    (gap,) = snapshot.gaps["other_sources"]
    assert region in gap.sentence and "payments-AbCdEf" in gap.sentence
    assert found["other-secret-missing"].status == "unknown"
    assert found["key-missing"].status == "clear"


def test_a_region_that_is_not_enabled_refuses_credentials_there_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region that is off accepts no credentials, and those of the run are as good as before."""
    refuse(monkeypatch, "me-south-1")
    with mock_aws():
        build()
        mistype("worker", "me-south-1", "payments-AbCdEf")
        snapshot = read(Wire())
    (gap,) = snapshot.gaps["other_sources"]
    assert gap.sentence.startswith("Could not read secret arn:") and "UnrecognizedClientException" in gap.sentence
    assert gap.sentence.endswith("If they are accepted elsewhere, me-south-1 is not enabled for the account.")
    found = answers(snapshot)
    assert (found["other-secret-missing"].status, found["key-missing"].status) == ("unknown", "clear")


def test_credentials_that_are_refused_here_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other call would succeed."""
    refuse(monkeypatch, REGION)
    with mock_aws():
        build()
        with pytest.raises(CouldNotLook, match="AWS does not accept these credentials"):
            read(Wire())


def refuse(patch: pytest.MonkeyPatch, region: str) -> None:
    """Let Secrets Manager accept no credentials in a region."""
    answer = Wire.call

    def call(self: Wire, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if client.meta.region_name == region and operation == "DescribeSecret":
            error = {"Code": "UnrecognizedClientException", "Message": "The security token is invalid."}
            raise ClientError({"Error": error}, operation)
        return answer(self, client, operation, parameters)

    patch.setattr(Wire, "call", call)


@pytest.mark.parametrize("region", ["ap_southeast_2", "*", "ap southeast 2"])
def test_a_reference_to_what_cannot_be_a_region_is_a_finding(region: str) -> None:
    """boto3 makes no client for such a region; the rest is read all the same."""
    with mock_aws():
        build()
        mistype("worker", region)
        found = answers(read(Wire()))
    assert {found["wrong-region"].status, found["arn-malformed"].status} == {"found", "clear"}
    assert found["key-missing"].status == "clear"


def mistype(service: str, region: str, name: str = "") -> None:
    """Let a service's first secret come from another region, and from another secret where that has a name."""
    ecs = client("ecs")
    present = ecs.describe_task_definition(taskDefinition=f"{CLUSTER}-{service}")["taskDefinition"]
    container = present["containerDefinitions"][0]
    fields = container["secrets"][0]["valueFrom"].split(":")
    fields[3], fields[6] = region, name or fields[6]
    container["secrets"][0]["valueFrom"] = ":".join(fields)
    ecs.register_task_definition(
        family=f"{CLUSTER}-{service}", executionRoleArn=present["executionRoleArn"], containerDefinitions=[container]
    )
    ecs.update_service(cluster=CLUSTER, service=service, taskDefinition=f"{CLUSTER}-{service}")


MANY = ("backend", *(f"service-{number:02}" for number in range(24)))


@pytest.fixture
def many() -> Iterator[Wire]:
    """The calls of a look at twenty-five services of nine tasks each."""
    with mock_aws():
        build(MANY, tasks=9)
        wire = Wire()
        read(wire)
        yield wire


@pytest.mark.long
def test_calls_are_batched_and_none_is_made_twice(many: Wire) -> None:
    """Services are described by ten, tasks by a hundred, and no question is asked again."""
    assert many.made("DescribeServices") == 3
    assert many.made("DescribeTasks") == 3
    assert many.made("DescribeTaskDefinition") == 25
    assert {call: count for call, count in many.calls.items() if count > 1} == {}


@pytest.mark.long
def test_the_calls_stay_within_their_budget(many: Wire) -> None:
    """For N services: N + ⌈N/10⌉ + ⌈N/20⌉ + 3⌈tasks/100⌉ + 12 calls at most."""
    assert sum(many.calls.values()) <= budget()


@pytest.mark.long
def test_an_unreferenced_key_stays_within_the_budget(many: Wire) -> None:
    """Newer revisions that may refer to it are looked at in a few families, and the finding says of how many not."""
    client("secretsmanager").put_secret_value(SecretId=NAME, SecretString=json.dumps(values() | {"NEW_KEY": "x" * 40}))
    wire = Wire()
    found = answers(read(wire))["key-unreferenced"]
    assert wire.made("DescribeTaskDefinition") == 25 + 4
    assert sum(wire.calls.values()) <= budget()
    assert "Of 21 families, newer revisions were not looked at." in found.evidence


def budget() -> int:
    count, tasks = len(MANY), 9 * len(MANY)
    return count + math.ceil(count / 10) + math.ceil(count / 20) + 3 * math.ceil(tasks / 100) + 12
