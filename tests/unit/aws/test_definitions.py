"""A copy of a task definition differs in its edits alone."""

from __future__ import annotations

import secrets
from copy import deepcopy
from functools import cache
from typing import Any
from unittest.mock import Mock

import boto3
import pytest

from omc_runbook.aws import definitions
from omc_runbook.aws.definitions import ReferenceEdit
from omc_runbook.masking import registry

SECRET = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbC123"
WORKER = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/worker"
OPTION = "logConfiguration splunk-token"


def entry(name: str, key: str) -> dict[str, str]:
    """An entry of `secrets` that refers to a key."""
    return {"name": name, "valueFrom": f"{SECRET}:{key}::"}


def container(name: str, *secrets: dict[str, str], token: str = "") -> dict[str, Any]:
    """A container with these secrets; with a token for its log driver."""
    log = {"logDriver": "splunk", "secretOptions": [entry("splunk-token", token)]}
    return {"name": name, "secrets": list(secrets)} | ({"logConfiguration": log} if token else {})


@cache
def model() -> Any:
    """What botocore knows of ECS."""
    return boto3.client("ecs", region_name="ap-southeast-2").meta.service_model


def client_with(*containers: dict[str, Any], **members: Any) -> Mock:
    """A client of which each revision of the worker has these containers and members, and two tags."""
    raw = {"family": "worker", "revision": 1, "taskDefinitionArn": f"{WORKER}:1", "status": "ACTIVE", **members}
    tags = [{"key": "team", "value": "coins"}, {"key": "aws:cloudformation:stack-name", "value": "platform"}]
    client = Mock(**{"meta.service_model": model()})
    client.describe_task_definition.side_effect = lambda **_: {
        "taskDefinition": {**raw, "containerDefinitions": deepcopy(list(containers))},
        "tags": tags,
    }
    client.register_task_definition.side_effect = lambda **request: {
        "taskDefinition": {**raw, **request},
        "ResponseMetadata": {"RetryAttempts": 1},
    }
    return client


def replaced(container: str, variable: str) -> ReferenceEdit:
    """An edit from the key OLD to the key NEW."""
    return ReferenceEdit(container, variable, f"{SECRET}:OLD::", f"{SECRET}:NEW::")


BEFORE = (container("worker", entry("A", "OLD"), entry("B", "OLD"), token="OLD"), container("proxy", entry("A", "OLD")))


@pytest.mark.parametrize(
    ("edit", "after"),
    [
        (
            replaced("worker", "A"),
            (container("worker", entry("A", "NEW"), entry("B", "OLD"), token="OLD"), BEFORE[1]),
        ),
        (
            replaced("worker", OPTION),
            (container("worker", entry("A", "OLD"), entry("B", "OLD"), token="NEW"), BEFORE[1]),
        ),
        (
            ReferenceEdit("proxy", "C", "", f"{SECRET}:NEW::"),
            (BEFORE[0], container("proxy", entry("A", "OLD"), entry("C", "NEW"))),
        ),
    ],
    ids=["a variable", "an option of a log driver", "a new variable"],
)
def test_a_copy_has_the_edit_and_all_else(edit: ReferenceEdit, after: tuple[dict[str, Any], ...]) -> None:
    """In the container that it names; a tag of AWS's own cannot be set, and what ECS adds is no part of a request."""
    client = client_with(*BEFORE, cpu="256", registeredBy="somebody")
    registered, attempts = definitions.register_edited(client, f"{WORKER}:1", [edit])
    sent = client.register_task_definition.call_args.kwargs
    tags = [{"key": "team", "value": "coins"}]
    assert sent == {"family": "worker", "containerDefinitions": list(after), "cpu": "256", "tags": tags}
    assert (registered.label, attempts) == ("worker:1", 2)
    assert not definitions.is_edited(client, f"{WORKER}:2", f"{WORKER}:1", [edit])
    assert definitions.is_edited(client, f"{WORKER}:2", f"{WORKER}:1", [])


def test_a_container_without_secrets_gets_its_first() -> None:
    """And another, whose name the edit does not have, gets no list."""
    client = client_with({"name": "worker"}, {"name": "proxy"})
    definitions.register_edited(client, f"{WORKER}:1", [ReferenceEdit("worker", "A", "", f"{SECRET}:NEW::")])
    sent = client.register_task_definition.call_args.kwargs["containerDefinitions"]
    assert sent == [container("worker", entry("A", "NEW")), {"name": "proxy"}]


def read(**members: Any) -> definitions.Container:
    """A container of which DescribeTaskDefinition says this."""
    (found,) = definitions.describe_task_definition(
        client_with({"name": "worker", **members}), f"{WORKER}:1"
    ).containers
    return found


def test_the_text_of_a_valuefrom_in_environment_is_kept_as_a_reference() -> None:
    """The bare ARN of a secret is none, nor is what says that it is read by the program itself."""
    arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app-AbCdEf"
    plain = {"TOKEN": f"{arn}:TOKEN::", "SECRET_ARN": arn, "TOPIC_ARN": "arn:aws:sns:ap-southeast-2:123456789012:a"}
    names = ("TOKEN_ARN", "TOKEN_VALUE_FROM", "tokenRef", "DB_SECRET_ID")
    plain |= {"JOB_SECRETS": f"{arn}:A::,{arn}:B::", "MEMBER": f"{arn}:A"} | dict.fromkeys(names, f"{arn}:TOKEN::")
    found = read(environment=[{"name": name, "value": value} for name, value in plain.items()])
    assert [(each.variable, each.reference.key) for each in found.plain_references] == [("TOKEN", "TOKEN")]


def test_of_plain_variables_only_the_values_of_logins_are_kept() -> None:
    """Of a store's address its host; of what looks like a secret the name."""
    plain = {
        **{f"POSTGRES_{name}": name.lower() for name in ("USER", "SERVER", "HOST", "PORT")},
        **{"REDIS_URL": "redis://cache.internal:6379/0", "STRIPE_API_KEY": f"sk-{'7f3a9c' * 6}", "POSTGRES_HOSTED": ""},
    }
    found = read(environment=[{"name": name, "value": value} for name, value in plain.items()] + [{"name": "BARE"}])
    assert found.environment == (*plain, "BARE")
    assert dict(found.logins) == {name: plain[name] for name in list(plain)[:4]}
    assert dict(found.hosts)["REDIS_URL"] == "cache.internal" and found.plain_secrets == ("STRIPE_API_KEY",)
    assert {name for name, _ in found.plain_prints} == {*plain} - {"POSTGRES_HOSTED"}
    assert plain["STRIPE_API_KEY"] not in repr(found)
    options = {"Host": "logs.example.com", "apikey": plain["STRIPE_API_KEY"]}
    routed = read(logConfiguration={"logDriver": "awsfirelens", "options": options})
    assert (routed.plain_options, routed.plain_secrets) == (("logConfiguration apikey",), ())
    # A host, or a log group, is no secret where the secret has a copy of it.
    assert {name for name, _ in routed.plain_prints if name.startswith("logC")} == {*routed.plain_options}
    assert plain["STRIPE_API_KEY"] not in repr(routed)


def test_a_label_hides_no_name() -> None:
    """Its own name may be that of a secret, and its text that of a region, which all else names too."""
    labels = {"com.app.key": "ap-southeast-2", "com.app.secret": "ohmycoins-staging-app-secrets"}
    value = secrets.token_hex(20)
    assert read(dockerLabels={**labels, "com.app.token": value}).plain_options == ("dockerLabels com.app.token",)
    text = f"cluster of {' and '.join(labels.values())}"
    assert registry.mask(f"{text}: {value}") == f"{text}: ‹com.app.token›"


@pytest.mark.parametrize(("driver", "is_read"), [("awslogs", True), ("splunk", False)])
def test_a_log_is_read_where_the_driver_writes_to_cloudwatch(driver: str, is_read: bool) -> None:
    """Its group, the beginning of its streams' names, and its region."""
    options = {"awslogs-group": "/ecs/worker", "awslogs-stream-prefix": "ecs", "awslogs-region": "eu-west-1"}
    found = read(logConfiguration={"logDriver": driver, "options": options})
    log_options = (found.log_group, found.log_prefix, found.log_region)
    assert log_options == (("/ecs/worker", "ecs", "eu-west-1") if is_read else ("", "", ""))


def test_what_else_a_container_says() -> None:
    """Its secret for the registry, its health check, and what ECS has by default."""
    bare, full = (
        read(),
        read(
            repositoryCredentials={"credentialsParameter": SECRET},
            healthCheck={"command": ["CMD-SHELL", "/usr/bin/curl -f localhost"]},
            readonlyRootFilesystem=True,
            essential=False,
            image="worker:7",
            environmentFiles=[{"type": "s3", "value": "arn:aws:s3:::app/.env"}],
        ),
    )
    assert (bare.registry_secrets, bare.health_program, bare.image) == ((), "", "")
    assert (bare.readonly, bare.essential, bare.has_environment_files) == (False, True, False)
    (registry,) = full.registry_secrets
    assert (registry.variable, registry.reference.text) == ("repositoryCredentials", SECRET)
    assert (full.health_program, full.image) == ("curl", "worker:7")
    assert (full.readonly, full.essential, full.has_environment_files) == (True, False, True)


def test_what_ecs_logs_in_with_for_a_container() -> None:
    """To each volume on FSx that it mounts, and to a domain; a credential spec in S3 is no parameter."""
    spec = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/spec"
    login = {"authorizationConfig": {"credentialsParameter": SECRET, "domain": "example.com"}}
    volumes = [
        {"name": "share", "fsxWindowsFileServerVolumeConfiguration": {"fileSystemId": "fs-1", **login}},
        {"name": "scratch", "host": {}},
    ]
    options = ["label:type:app", "credentialspec:arn:aws:s3:::specs/app.json", "credentialspec:file://a"]
    specs = {"credentialSpecs": [f"credentialspecdomainless:{spec}"], "dockerSecurityOptions": options}
    found = definitions.container_of({"name": "worker", "volumes": volumes, **specs})
    pairs = [(each.variable, each.reference.text) for each in found.login_secrets]
    assert pairs == [("volumes share", SECRET), ("credentialSpecs", spec)]
    assert read().login_secrets == ()


@pytest.mark.parametrize(
    ("parameter", "arn", "has_problem"),
    [
        (SECRET, SECRET, False),
        ("hub", "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:hub", False),
        ("arn:aws:ssm:ap-southeast-2:123456789012:parameter/hub", "", False),
        ("${HUB}", "", True),
    ],
)
def test_the_login_of_a_registry_may_be_a_name(parameter: str, arn: str, has_problem: bool) -> None:
    """It is a secret in the region and account of the task; an ARN, and what nobody filled in, stays what it is."""
    (login,) = read(repositoryCredentials={"credentialsParameter": parameter}).registry_secrets
    assert (login.reference.text, login.reference.secret_arn) == (parameter, arn)
    assert bool(login.reference.problem) is has_problem


@pytest.mark.parametrize("members", [{}, {"pidMode": "task"}])
def test_containers_may_share_their_processes(members: dict[str, str]) -> None:
    """ECS leaves pidMode out where each container has its own."""
    found = definitions.describe_task_definition(client_with(container("worker"), **members), f"{WORKER}:1")
    assert found.pid_mode == members.get("pidMode", "")
