"""Whether a task's call reaches an AWS service over the sandbox's VPCs."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from werkzeug.test import Client

from omc_runbook.aws.ec2 import Network, describe_vpcs
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.model.arn import region_in
from omc_runbook.network.reachability import CallPath, Request, TaskNetwork, trace
from omc_runbook.sandbox.account import ACCOUNT
from omc_runbook.sandbox.calls import Call
from omc_runbook.sandbox.moto_patches import create_app
from omc_runbook.snapshot.networking import read_vpcs

T = TypeVar("T")
D = TypeVar("D")

_networks: dict[str, Network] = {}


def forget_after(call: Call) -> None:
    """Forget the network that was read if a call may have changed it."""
    if call.service == "ec2" and not call.is_read:
        forget()


def forget() -> None:
    """Read the network again for the next task."""
    _networks.clear()


def task_network(configuration: Any) -> TaskNetwork | None:
    """The subnet and security groups of a task, from ECS's network configuration; None without a network interface."""
    awsvpc = (configuration or {}).get("awsvpcConfiguration", {})
    if not awsvpc.get("subnets"):
        return None
    has_public_ip = awsvpc.get("assignPublicIp") == "ENABLED"
    return TaskNetwork(awsvpc["subnets"][0], tuple(awsvpc.get("securityGroups") or ()), has_public_ip)


def trace_call(source: TaskNetwork, account: str, region: str, request: Request) -> CallPath | None:
    """The path of a task's call to a service; None if the sandbox has no network for the account."""
    if account != ACCOUNT:
        return None
    network = _network(region)
    service, arn = request.action.partition(":")[0], request.resource
    return trace(network, source, service, region_in(arn) if arn.startswith("arn:") else region, [request])


def _network(region: str) -> Network:
    if region not in _networks:
        client = _client(region)
        _networks[region] = read_vpcs(_Sequential(), client, sorted(describe_vpcs(client, ())))
    return _networks[region]


class _Sequential:
    """Makes one call after another; none of the sandbox's own calls is denied."""

    def ask(self, what: str, permission: str, call: Callable[[], T]) -> Future[T | ReadFailure]:
        answer: Future[T | ReadFailure] = Future()
        answer.set_result(call())
        return answer

    def keep(self, field: str, answer: Future[T | ReadFailure], default: D) -> T | D:
        result = answer.result()
        return default if isinstance(result, ReadFailure) else result


@cache
def _client(region: str) -> Any:
    """A client whose requests go to moto's EC2 in this process, without the gateway and its event history."""
    session = boto3.session.Session()
    client = session.client(
        "ec2",
        region_name=region,
        endpoint_url="http://ec2.sandbox",
        # Only the gateway checks keys.
        aws_access_key_id="within",
        aws_secret_access_key="within",
    )
    application = Client(create_app("ec2"))

    def send(request: AWSPreparedRequest, **_: Any) -> Any:
        headers = {name: _text(value) for name, value in request.headers.items()}
        answer = application.post("/", data=request.body, headers=headers)
        return AWSResponse(
            request.url, answer.status_code, HTTPHeaders.from_dict(dict(answer.headers)), _Body(answer.data)
        )

    client.meta.events.register("before-send.ec2", send)
    return client


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Body(io.BytesIO):
    """A response's body, as botocore reads one."""

    def stream(self, **_: Any) -> Any:
        while chunk := self.read(65536):
            yield chunk
