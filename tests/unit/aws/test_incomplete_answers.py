"""A body that is cut, and a proxy's page, are no answers: what they should have said is unknown."""

from __future__ import annotations

import ast
import json
import secrets
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import botocore.endpoint
import pytest
from botocore import xform_name
from moto.server import ThreadedMotoServer
from support.moto_environment import REGION, build
from support.spoiling_proxy import FAULTS, Fault, Proxy, closed, cut, page, proxy, without_members

import omc_runbook.aws
from omc_runbook.aws import ecs, execute
from omc_runbook.aws.answer import MEMBERS, InvalidResponse
from omc_runbook.aws.failures import ReadFailure, attempt
from omc_runbook.aws.session import Clients
from omc_runbook.checks.running import REASONS
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.environment import load
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.reading import identify, take

pytestmark = pytest.mark.usefixtures("own_registry")

SERVICES = (
    *("secretsmanager", "ecs", "iam", "sts", "kms", "logs", "cloudtrail", "ec2"),
    *("events", "scheduler", "s3", "sns", "ssm", "organizations", "cloudwatch", "lambda"),
)
WRITES = ("Start", "Stop", "Create", "Put", "Publish", "Restore", "Update", "Register", "Delete", "Execute")


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def network() -> Iterator[Proxy]:
    """A network that answers everything by itself."""
    with proxy() as state:
        yield state


@cache
def clients_at(url: str) -> Clients:
    """Clients whose calls all go to one address; they are slow to make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        clients = Clients(REGION)
        for service in SERVICES:
            clients(service)
    return clients


OPERATIONS = tuple(tuple(name.split(":")) for name in MEMBERS)


def methods() -> set[str]:
    """Every method and paginator of a client that the package calls."""
    found = set()
    for path in Path(omc_runbook.aws.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr == "get_paginator" and isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
            elif isinstance(node.func.value, ast.Name) and node.func.value.id == "client":
                found.add(node.func.attr)
    return found - {"get_paginator"}


def test_every_operation_in_use_says_what_its_answer_has() -> None:
    """The table of members is complete, and has nothing that is not called."""
    assert {xform_name(operation) for _, operation in OPERATIONS} == methods()


def test_the_members_are_those_of_the_model() -> None:
    """A misspelt member would refuse every answer."""
    for service, operation in OPERATIONS:
        shape = clients_at("http://127.0.0.1:1")(service).meta.service_model.operation_model(operation).output_shape
        members = {
            name for each in MEMBERS[f"{service}:{operation}"] for name in ([each] if isinstance(each, str) else each)
        }
        assert members <= set(shape.members if shape else ()), operation


def call(clients: Clients, service: str, operation: str) -> Any:
    """Call an operation with the fewest parameters that its model allows."""
    client = clients(service)
    shape = client.meta.service_model.operation_model(operation).input_shape
    request = {name: least(shape.members[name]) for name in shape.required_members} if shape else {}
    method = next(m for m, name in client.meta.method_to_api_mapping.items() if name == operation)
    return getattr(client, method)(**request)


PATTERNED = {
    "UUID": "0" * 36,
    "policyVersionIdType": "v1",
    "PolicyId": "p-12345678",
    **dict.fromkeys(("ChildId", "PolicyTargetId"), "123456789012"),
}
"""Texts of shapes that take no other, by the shape's name."""


def least(shape: Any) -> Any:
    """The smallest value of a shape."""
    match shape.type_name:
        case "string":
            text = "x" * max(1, shape.metadata.get("min", 1))
            return shape.enum[0] if shape.enum else PATTERNED.get(shape.name, text)
        case "boolean":
            return True
        case "integer" | "long":
            return 1
        case "list":
            return [least(shape.member)]
        case "structure":
            return {name: least(shape.members[name]) for name in shape.required_members}
    raise AssertionError(shape.type_name)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_what_is_no_answer_is_said_of_its_call(service: str, operation: str, fault: Fault, network: Proxy) -> None:
    """The sentence names the call; a read is made twice and no more, a write once."""
    if fault is without_members and not MEMBERS[f"{service}:{operation}"]:
        pytest.skip("its answer has no members")
    network.spoil("", fault)
    answer = attempt("it", "some:Permission", lambda: call(clients_at(network.url), service, operation))
    assert isinstance(answer, ReadFailure)
    if service == "s3" and operation != "GetObject" and fault in (cut, page):
        # botocore itself takes what is no XML for S3's error 500, and repeats the call as it does after that.
        assert answer.sentence == f"Could not read it: some:{operation} failed with 500."
        assert network.calls[operation] == 4
        return
    assert answer.sentence == (
        f"Could not read it: {service}:{operation} returned an invalid response: the body is truncated,"
        " or a proxy answered. Check the network, then run again."
    )
    assert network.calls[operation] == (1 if operation.startswith(WRITES) else 2)


def test_a_page_with_the_status_of_an_error_is_never_a_not_found_of_aws() -> None:
    """Where botocore takes it for an error, that has no code of AWS's, so the message has its status."""
    with proxy() as state:
        state.spoil("", page)
        state.status = 404
        calls = (("iam", "GetRole", "no-answer"), ("secretsmanager", "DescribeSecret", "failed"))
        for service, operation, kind in calls:
            answer = attempt("it", "some:Permission", lambda s=service, o=operation: call(clients_at(state.url), s, o))
            assert isinstance(answer, ReadFailure)
            assert answer.kind == kind
            assert kind == "no-answer" or answer.code.removeprefix("HTTP ") == "404"


def test_a_command_in_a_task_fails_with_the_same_words(network: Proxy) -> None:
    """ECS Exec has its own way of telling what went wrong."""
    network.spoil("", page)
    failure = execute.run(clients_at(network.url)("ecs"), "cluster", "arn:task", "app", "true")
    assert isinstance(failure, execute.ExecFailure)
    assert failure.kind == "session"
    assert failure.message.startswith("ecs:ExecuteCommand returned an invalid response")


def test_a_command_that_ecs_does_not_answer_says_nothing_of_the_sessions_address(network: Proxy) -> None:
    """That is another one, and was not tried."""
    network.spoil("", closed)
    failure = execute.run(clients_at(network.url)("ecs"), "cluster", "arn:task", "app", "true")
    assert isinstance(failure, execute.ExecFailure) and failure.kind == "no-answer"
    assert "ecs:ExecuteCommand has no answer" in REASONS[failure.kind]


@pytest.fixture(scope="module")
def world() -> Iterator[Proxy]:
    """An environment on moto's server, behind a proxy."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # moto keeps what other tests of this process have made.
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", b"").close()
    with proxy(f"http://{host}:{port}") as state, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))
        patch.setenv("AWS_ENDPOINT_URL", state.url)
        build()
        yield state
    server.stop()


def findings_at(world: Proxy) -> list[Finding]:
    """What is found in the environment behind the proxy."""
    environment, clients = load("staging"), clients_at(world.url)
    later = datetime.now(UTC) + timedelta(hours=1)
    return diagnose(take(clients, environment, identify(clients, environment), lambda: later))


@pytest.fixture(scope="module")
def undisturbed(world: Proxy) -> tuple[dict[str, str], set[str]]:
    """What is found where everything is answered, by check, and the operations that were called."""
    world.spoil("", None)
    found = {finding.check: str(finding.status) for finding in findings_at(world)}
    return found, {*world.calls}


READS = (
    *("DescribeSecret", "ListSecretVersionIds", "GetSecretValue", "GetResourcePolicy", "ListServices", "ListTasks"),
    *("DescribeServices", "DescribeTaskDefinition", "DescribeTasks", "DescribeKey", "GetKeyPolicy", "GetRole"),
    *("ListRolePolicies", "ListAttachedRolePolicies", "GetRolePolicy", "GetPolicy", "GetPolicyVersion"),
    "ListResourcePolicies",
)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        *((operation, without_members) for operation in READS),
        *(("ListSecretVersionIds", fault) for fault in (cut, page)),
    ],
)
@pytest.mark.long
def test_a_run_says_unknown_and_never_clear(
    operation: str, fault: Fault, world: Proxy, undisturbed: tuple[dict[str, str], set[str]]
) -> None:
    """Whatever was not answered, checks that need it are unknown and name the call."""
    before, called = undisturbed
    assert operation in called
    world.spoil(operation, fault)
    findings = findings_at(world)
    unknown = [finding for finding in findings if finding.status == "unknown"]
    assert any(f":{operation} returned an invalid response" in text for finding in unknown for text in finding.evidence)
    after = {finding.check: finding.status for finding in findings}
    assert not [name for name, status in after.items() if status == "clear" and before[name] != "clear"]


@pytest.mark.parametrize("operation", READS)
@pytest.mark.long
def test_a_connection_that_closes_at_one_call_leaves_that_unknown(
    operation: str, world: Proxy, undisturbed: tuple[dict[str, str], set[str]]
) -> None:
    """The run goes on with what else was answered, and names the call."""
    before, _ = undisturbed
    world.spoil(operation, closed)
    findings = findings_at(world)
    unknown = [finding for finding in findings if finding.status == "unknown"]
    assert any(f":{operation} has no answer. Connection was closed" in " ".join(each.evidence) for each in unknown)
    after = {finding.check: finding.status for finding in findings}
    assert not [name for name, status in after.items() if status == "clear" and before[name] != "clear"]


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("DescribeServices", b'{"services": [null]}'),
        ("DescribeServices", b'{"services": [{"serviceArn": {"a": 1}}]}'),
        ("DescribeTasks", b'{"tasks": [{"taskArn": "a", "overrides": []}]}'),
        ("ListServices", b'{"serviceArns": [17]}'),
        ("ListSecretVersionIds", b'{"ARN": "a", "Versions": [{"VersionId": 17}]}'),
        ("DescribeSecret", b'{"ARN": "a", "Name": "b", "VersionIdsToStages": {"c": null}}'),
        ("DescribeTaskDefinition", b'{"taskDefinition": {"family": null}}'),
        ("DescribeServices", b'{"services": [{"createdAt": 1e300}]}'),
        ("DescribeServices", b'{"services": [{"createdAt": "yesterday"}]}'),
        ("GetResourcePolicy", b'{"ARN": "a", "Name": "b", "ResourcePolicy": "[]"}'),
        (
            "GetRole",
            b"<GetRoleResponse><GetRoleResult><Role><MaxSessionDuration>long</MaxSessionDuration></Role>"
            b"</GetRoleResult></GetRoleResponse>",
        ),
        ("GetRole", b"<GetRoleResponse><GetRoleResult><Role/></GetRoleResult></GetRoleResponse>"),
        (
            "GetRole",
            b"<GetRoleResponse><GetRoleResult><Role><AssumeRolePolicyDocument/></Role></GetRoleResult>"
            b"</GetRoleResponse>",
        ),
    ],
)
def test_an_answer_with_other_members_than_aws_has_is_none(operation: str, body: bytes, world: Proxy) -> None:
    """A null in a list, another type, and a member that is never absent: what it says is unknown."""
    world.spoil(operation, lambda *_: body)
    evidence = {text for finding in findings_at(world) if finding.status == "unknown" for text in finding.evidence}
    assert any(f":{operation} returned an invalid response" in text for text in evidence)


@pytest.mark.parametrize(
    "members",
    [
        {"createdAt": "2026-02-03T04:05:06Z"},
        {"desiredCount": 1.0},
        {"status": "", "launchType": "OF_NEXT_YEAR"},
        {"roleArn": None, "events": None},
        {"ofNextYear": [None, {"a": 1}]},
        *({"deploymentConfiguration": {"lifecycleHooks": [{"hookDetails": any_}]}} for any_ in ("a", 17, [None], {})),
    ],
)
def test_what_aws_may_leave_out_or_add_is_an_answer(members: dict[str, Any], network: Proxy) -> None:
    """A null is an absent member, and a document may be any JSON."""
    network.spoil("", lambda *_: json.dumps({"services": [{"serviceArn": "a"} | members]}).encode())
    answer = clients_at(network.url)("ecs").describe_services(services=["a"])
    assert answer["services"][0]["serviceArn"] == "a"


def test_an_entry_without_its_value_is_no_answer(network: Proxy) -> None:
    """botocore's own parser stumbles over it."""
    result = (
        b"<GetTopicAttributesResult><Attributes><entry><key>a</key></entry></Attributes></GetTopicAttributesResult>"
    )
    network.spoil("", lambda *_: b"<GetTopicAttributesResponse>%s</GetTopicAttributesResponse>" % result)
    answer = attempt("it", "sns:GetTopicAttributes", lambda: call(clients_at(network.url), "sns", "GetTopicAttributes"))
    assert isinstance(answer, ReadFailure)
    assert "sns:GetTopicAttributes returned an invalid response" in answer.sentence


def test_a_list_without_end_is_no_answer(network: Proxy) -> None:
    """Where botocore turns the pages, it refuses one that names itself as the next."""
    network.spoil("", lambda *_: b'{"serviceArns": [], "nextToken": "again"}')
    client = clients_at(network.url)("ecs")
    answer = attempt("it", "ecs:ListServices", lambda: ecs.list_service_names(client, "staging"))
    assert isinstance(answer, ReadFailure)
    assert "ecs:ListServices returned an invalid response" in answer.sentence


def test_one_garbled_answer_is_asked_for_again(world: Proxy) -> None:
    """A read that is answered the second time leaves nothing unknown."""
    world.spoil("", None)
    before = [(finding.check, finding.status) for finding in findings_at(world)]
    world.spoil("ListSecretVersionIds", page, times=1)
    assert [(finding.check, finding.status) for finding in findings_at(world)] == before
    assert world.calls["ListSecretVersionIds"] == 2


def without_stages(body: bytes, operation: str, is_json: bool) -> bytes:
    """DescribeSecret's answer of before the first version."""
    return json.dumps(json.loads(body) | {"VersionIdsToStages": {}}).encode()


@pytest.mark.parametrize(("times", "calls", "status"), [(1, 2, "clear"), (2, 2, "unknown")])
def test_a_value_and_no_current_version_are_read_once_more(times: int, calls: int, status: str, world: Proxy) -> None:
    """Two answers that still contradict each other leave the secret unknown."""
    world.spoil("DescribeSecret", without_stages, times)
    (found,) = (finding for finding in findings_at(world) if finding.check == "no-current-version")
    assert (found.status, world.calls["DescribeSecret"]) == (status, calls)
    assert status == "clear" or "has no current version, and GetSecretValue has" in found.evidence[0]


def test_nobody_is_who_a_page_says(world: Proxy) -> None:
    """Without the caller nothing is read, and the sentence names the call."""
    world.spoil("GetCallerIdentity", page)
    with pytest.raises(CouldNotLook, match=r"sts:GetCallerIdentity returned an invalid response"):
        findings_at(world)


def test_a_connection_that_ends_early_is_no_answer(world: Proxy) -> None:
    """Where the length that was announced is not reached, botocore goes on with what came: it is no answer."""
    world.spoil("ListSecretVersionIds", cut)
    world.is_lost = True
    try:
        evidence = [text for finding in findings_at(world) if finding.status == "unknown" for text in finding.evidence]
    finally:
        world.is_lost = False
    assert any("secretsmanager:ListSecretVersionIds returned an invalid response" in text for text in evidence)


def test_a_page_without_the_place_of_the_next_is_no_answer(network: Proxy) -> None:
    """IAM says that there is more, and not where: the list is not whole."""
    network.spoil(
        "",
        lambda body, operation, is_json: (
            b"<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames/><IsTruncated>true</IsTruncated>"
            b"</ListRolePoliciesResult></ListRolePoliciesResponse>"
        ),
    )
    with pytest.raises(InvalidResponse):
        call(clients_at(network.url), "iam", "ListRolePolicies")
