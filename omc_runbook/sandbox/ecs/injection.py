"""A container's environment, with the secrets that ECS reads as the execution role.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specifying-sensitive-data-tutorial.html
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.ecs.models import TaskDefinition
from moto.secretsmanager.models import secretsmanager_backends

from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import PolicyDocument, trusts
from omc_runbook.model.arn import account_in
from omc_runbook.network.reachability import Request, TaskNetwork
from omc_runbook.sandbox.authorization import context_of, refusal
from omc_runbook.sandbox.aws.kms import use_parameter_key
from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.aws.secretsmanager import read_value
from omc_runbook.sandbox.calls import Call
from omc_runbook.sandbox.ecs import gotext, network
from omc_runbook.sandbox.ecs.tasks import EcsTask
from omc_runbook.sandbox.principals import PARTITION, Principal, find_role, parse_policy, role_arn, role_session
from omc_runbook.sandbox.trail import EVENT_HISTORY
from omc_runbook.sandbox.wire import WIRE
from omc_runbook.snapshot.roles import GET_SECRET_VALUE

_START = "ResourceInitializationError: unable to pull secrets or registry auth: "
_RETRIED = "service call has been retried 1 time(s): "
_ASM = f"{_START}execution resource retrieval failed: unable to retrieve secret from asm: "
_SSM = f"{_START}execution resource retrieval failed: unable to retrieve secrets from ssm: "
_AGENT = "Amazon ECS Agent"
_ECS = "ecs-tasks.amazonaws.com"


class PullFailed(Exception):
    """A task cannot start; the message is its stoppedReason."""


def environments(
    task: EcsTask, definition: TaskDefinition, task_network: TaskNetwork | None
) -> dict[str, dict[str, str]]:
    """The environment of each container by name: its own variables, then its secrets, which win.

    `task_network` is None for a task without a network interface.
    """
    containers: list[dict[str, Any]] = definition.container_definitions
    home = f"arn:{PARTITION}:secretsmanager:{task.region_name}:{task.account}:secret:"
    has_secrets = any(container.get("secrets") or [*_other_references(container, home)] for container in containers)
    with STATE:
        role = _execution_role(task, definition, has_secrets)
    version = task.platform_version or ""
    if any(_is_beyond(version, entry) for container in containers for entry in container.get("secrets") or []):
        raise PullFailed(f"{_ASM}unexpected ARN format with parameters when trying to retrieve ASM secret")
    reader = _Reader(role, task.region_name, task_network) if role is not None else None
    variables: dict[str, dict[str, str]] = {}
    for container in containers:
        own = {entry["name"]: entry.get("value", "") for entry in container.get("environment") or []}
        if reader is not None:
            for entry in container.get("secrets") or []:
                own[entry["name"]] = reader.resolve(entry["valueFrom"])
            for value_from in _other_references(container, home):
                reader.resolve(value_from)
        variables[container["name"]] = own
    return variables


def _is_beyond(platform_version: str, entry: dict[str, str]) -> bool:
    """Whether a platform version of Fargate reads whole secrets only, and a reference names a part of one."""
    numbers = [int(number) for number in platform_version.split(".") if number.isdecimal()]
    return bool(numbers) and numbers < [1, 4] and len(entry["valueFrom"].split(":")) > 7


def _other_references(container: dict[str, Any], home: str) -> Iterator[str]:
    """What ECS reads for a container's log driver and for its image's registry, which may be named without `home`."""
    yield from (entry["valueFrom"] for entry in (container.get("logConfiguration") or {}).get("secretOptions") or [])
    if parameter := (container.get("repositoryCredentials") or {}).get("credentialsParameter"):
        yield parameter if parameter.startswith("arn:") else f"{home}{parameter}"


def _execution_role(task: EcsTask, definition: TaskDefinition, has_secrets: bool) -> Principal | None:
    account = task.account
    name = getattr(definition, "execution_role_arn", None)
    if not name:
        if has_secrets:
            raise PullFailed(f"{_ASM}unable to find execution role credentials")
        return None
    arn = role_arn(name, account)
    role = find_role(arn.rpartition("/")[2], account_in(arn))
    session = role_session(arn, task.id)
    context = request_keys.of_service(_ECS, datetime.now(UTC)) | {
        "aws:SourceAccount": account,
        "aws:SourceArn": f"arn:{PARTITION}:ecs:{task.region_name}:{account}:*",
        **request_keys.of_organization(session.organization, "Source"),
    }
    if role is not None and role.arn == arn:
        policy = PolicyDocument("the trust policy", "trust", parse_policy(role.assume_role_policy_document))
        if trusts(policy, _ECS, context).decision == "allowed":
            return session
    raise PullFailed(
        f"{_START}ECS was unable to assume the role '{arn}' that was provided for this task. Please verify that "
        "the role being passed has the proper trust relationship and permissions and that your IAM user has "
        "permissions to pass this role."
    )


class _Reader:
    """Reads what a task's containers refer to; whether the task may read a secret is decided once.

    Wire rules delay it without the lock of moto's state, so that they delay nothing else.
    """

    def __init__(self, role: Principal, region: str, task_network: TaskNetwork | None) -> None:
        self._role, self._region = role, region
        self._over_network = cache(lambda arn: _over_network(role, task_network, arn, region) if task_network else role)
        self._value = cache(lambda arn, *version: read_value(self._over_network(arn), arn, *version))

    def resolve(self, value_from: str) -> str:
        """The value of a reference."""
        fields = value_from.split(":")
        if fields[0] != "arn" or len(fields) < 6 or fields[2] != "secretsmanager":
            return _parameter(self._role, value_from, self._region)
        if len(fields) not in (7, 10):
            raise PullFailed(f"{_ASM}unexpected ARN format with parameters when trying to retrieve ASM secret")
        key, stage, version = fields[7:] if len(fields) == 10 else ("", "", "")
        arn = ":".join(fields[:7])
        with STATE:
            role = self._over_network(arn)
        answer = self._read(role, arn, fields[3], version, stage)
        text = answer.get("SecretString", "")
        if not key:
            return str(text)
        try:
            members = gotext.members(text)
        except gotext.GoJsonError as error:
            raise PullFailed(f"{_ASM}{_RETRIED}{error}") from None
        if key not in members:
            missing = f"retrieved secret from Secrets Manager did not contain json key {key}"
            raise PullFailed(f"{_ASM}{_RETRIED}{missing}")
        return gotext.show(members[key])

    def _read(self, role: Principal, arn: str, region: str, version: str, stage: str) -> Mapping[str, Any]:
        with STATE:
            _check_region(role.account, arn, region)
        members = {"secretId": arn, "versionId": version, "versionStage": stage}
        call = _call("secretsmanager", "GetSecretValue", region, {k: v for k, v in members.items() if v})
        request_id = str(uuid.uuid4())
        error = _attempt(call, role, request_id, arn)
        answer: Mapping[str, Any] = {}
        if error is None:
            with STATE:
                try:
                    answer = self._value(arn, region, version, stage)
                except JsonRESTError as denial:
                    error = (denial.error_type, denial.message)
                EVENT_HISTORY.record(call, role, request_id, [arn], error, _ECS)
        if error is not None:
            raise PullFailed(
                f"{_ASM}{_RETRIED}failed to fetch secret {arn} from secrets manager: operation error Secrets Manager: "
                f"GetSecretValue, https response error StatusCode: 400, RequestID: {request_id}, "
                f"api error {error[0]}: {error[1]}"
            )
        return answer


def _over_network(role: Principal, task_network: TaskNetwork, arn: str, region: str) -> Principal:
    """The role with what an endpoint adds to its call; raises PullFailed if the network blocks it, with no retries."""
    request = Request(role.identity_arn, GET_SECRET_VALUE, arn, context_of(role, region))
    path = network.trace_call(task_network, role.account, region, request)
    obstacles = [obstacle for obstacle in path.obstacles if obstacle.certain] if path else []
    failed = f"failed to fetch secret {arn} from secrets manager: operation error Secrets Manager: GetSecretValue"
    if any(obstacle.check != "endpoint-policy" for obstacle in obstacles):
        raise PullFailed(
            f"{_START}unable to retrieve secret from asm: There is a connection issue between the task and AWS Secrets "
            f"Manager. Check your task network configuration. {failed}, https response error StatusCode: 0, "
            "RequestID: , canceled, context deadline exceeded"
        )
    if obstacles:
        raise PullFailed(
            f"{_ASM}{_RETRIED}{failed}, https response error StatusCode: 400, RequestID: {uuid.uuid4()}, api error "
            f"AccessDeniedException: User: {role.arn} is not authorized to perform: {GET_SECRET_VALUE} on resource: "
            f"{arn} because no VPC endpoint policy allows the {GET_SECRET_VALUE} action"
        )
    return replace(role, source=path.keys) if path else role


def _check_region(account: str, arn: str, region: str) -> None:
    """Raise PullFailed for an unknown region, whose endpoint has no address."""
    if region not in secretsmanager_backends[account].regions:
        raise PullFailed(
            f"{_ASM}{_RETRIED}failed to fetch secret {arn} from secrets manager: operation error Secrets Manager: "
            f"GetSecretValue, https response error StatusCode: 0, RequestID: , request send failed, Post "
            f'"https://secretsmanager.{region}.amazonaws.com/": dial tcp: lookup '
            f"secretsmanager.{region}.amazonaws.com: no such host"
        )


def _parameter(role: Principal, name: str, region: str) -> str:
    is_arn = name.startswith("arn:")
    account = role.account
    if is_arn and len(fields := name.split(":")) == 6:
        region, account = fields[3], fields[4]
        name = fields[5].removeprefix("parameter")
    if is_arn and name.count("/") == 1:
        name = name.removeprefix("/")
    arn = f"arn:{PARTITION}:ssm:{region}:{account}:parameter/{name.removeprefix('/')}"
    call = _call("ssm", "GetParameters", region, {"name": name})
    request_id = str(uuid.uuid4())
    error = _attempt(call, role, request_id, arn)
    with STATE:
        if error is None:
            message = refusal(role, "ssm:GetParameters", arn, context_of(role, region))
            error = ("AccessDeniedException", message) if message else None
            EVENT_HISTORY.record(call, role, request_id, [arn], error, _ECS)
        if error is not None:
            raise PullFailed(f"{_SSM}{_RETRIED}api error {error[0]}: {error[1]}")
        return _parameter_value(role, account, region, name, arn)


def _parameter_value(role: Principal, account: str, region: str, name: str, arn: str) -> str:
    from moto.ssm.models import ssm_backends

    parameters = ssm_backends[account][region].get_parameters([name])
    if name not in parameters:
        raise PullFailed(f"{_SSM}{_RETRIED}ParameterNotFound: invalid ssm parameters: {name}")
    parameter = parameters[name]
    if parameter.parameter_type == "SecureString":
        try:
            use_parameter_key(parameter.keyid, role, arn)
        except JsonRESTError as denial:
            raise PullFailed(f"{_SSM}{_RETRIED}api error {denial.error_type}: {denial.message}") from None
    return str(parameter.response_object(True, region)["Value"])


def _attempt(call: Call, role: Principal, request_id: str, arn: str) -> tuple[str, str] | None:
    """The error of a wire rule for the call and the agent's one retry; None if it passes."""
    error = None
    for _ in range(2):
        error = WIRE.apply(call.permission, role.arn)
        if error is None:
            return None
        EVENT_HISTORY.record(call, role, request_id, [arn], error, _ECS)
    return error


def _call(service: str, action: str, region: str, params: dict[str, Any]) -> Call:
    return Call(
        service=service,
        action=action,
        region=region,
        access_key="ASIASANDBOXECSAGENT",
        user_agent=_AGENT,
        protocol="json",
        params=params,
    )
