"""ECS Exec: one command in a container of a running task, and what it wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from omc_runbook.aws import channel
from omc_runbook.aws import plugin as own_plugin
from omc_runbook.aws.answer import NotAnAnswer
from omc_runbook.aws.session import DENIED, code_of, message_of

if TYPE_CHECKING:
    from botocore.signers import RequestSigner
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_ecs.type_defs import ExecuteCommandResponseTypeDef

Why = Literal["off", "agent", "denied", "network", "no-shell", "no-tool", "session", "timeout"]
"""Why nothing came back: not enabled for the task; its agent is not connected; this caller may not; the session's
address is not reached; the container has no shell; it lacks a program; the session failed; it took too long."""

_NOT_STARTED = re.compile(r"Unable to start command: Failed to start pty|[^\n]*executable file not found in \$PATH")
_MESSAGES = "ssmmessages"


@dataclass(frozen=True)
class Refused:
    """A command that was not run to its end, why, and AWS's or the session's own words."""

    why: Why
    words: str
    permission: str = ""
    """The permission that the caller lacks, where that is why."""


def run(
    client: ECSClient, cluster: str, task_arn: str, container: str, command: str, plugin: str = "", seconds: float = 20
) -> str | Refused:
    """Run a command in a container, as root, and give back what it wrote; nothing is sent to its input.

    ECS splits the words and runs them with no shell: a backslash is taken away even between double quotes, so quote
    with single ones. `plugin` is the path of session-manager-plugin; "" uses our own client of its protocol, and so
    does a plugin that would have to be given the session's token as an argument. What the command writes comes from a
    terminal, whose line ends are made plain. It is given `seconds` from the session's beginning.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html
    """
    try:
        answer = client.execute_command(
            cluster=cluster, task=task_arn, container=container, command=command, interactive=True
        )
        written, words = _hear(client, answer, plugin, seconds)
    except ClientError as error:
        return _refused(error)
    except NotAnAnswer as error:
        return Refused("session", str(error))
    except (ConnectionError, HTTPClientError) as error:
        return Refused("network", str(error))
    except channel.ChannelFailed as error:
        return _failed(error)
    written = written.replace("\r\n", "\n")
    if _NOT_STARTED.match(words or written.lstrip()):
        return Refused("no-shell", words or written.strip())
    return Refused("session", words) if words and not written else written


def _hear(client: ECSClient, answer: ExecuteCommandResponseTypeDef, path: str, seconds: float) -> tuple[str, str]:
    session = answer["session"]
    url, token = session["streamUrl"], session["tokenValue"]
    if not path or not own_plugin.keeps_tokens(path):
        return channel.hear(url, token, _signature(client, url), seconds)
    target = _target(client, answer)
    start = own_plugin.Start(
        session["sessionId"],
        url,
        token,
        target,
        client.meta.region_name,
        client.meta.endpoint_url,
        _credentials(client),
    )
    return own_plugin.hear(path, start, seconds)


def _target(client: ECSClient, answer: ExecuteCommandResponseTypeDef) -> str:
    """The container as Session Manager names it, by the id that its runtime gave it."""
    cluster, task = (arn.rpartition("/")[2] for arn in (answer["clusterArn"], answer["taskArn"]))
    found = client.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
    runtimes = {entry.get("name"): entry.get("runtimeId", "") for held in found for entry in held["containers"]}
    return f"ecs:{cluster}_{task}_{runtimes.get(answer['containerName'], '')}"


def _signature(client: ECSClient, url: str) -> Mapping[str, str]:
    """The headers that sign the opening of a session, as today's plugin does where its address is not signed."""
    if any(name.lower().startswith("x-amz-") for name in parse_qs(urlsplit(url).query)):
        return {}
    request = AWSRequest("GET", url)
    _signer(client).add_auth(request)
    return dict(request.headers.items())


def _credentials(client: ECSClient) -> Mapping[str, str]:
    held = _signer(client).credentials
    return {
        "AWS_ACCESS_KEY_ID": held.access_key,
        "AWS_SECRET_ACCESS_KEY": held.secret_key,
        "AWS_SESSION_TOKEN": held.token or "",
    }


def _signer(client: ECSClient) -> Any:
    # botocore has no public way from a client to the credentials that it signs with.
    signer: RequestSigner = client._request_signer  # type: ignore[attr-defined]
    return signer.get_auth_instance(_MESSAGES, client.meta.region_name, "v4")


def _refused(error: ClientError) -> Refused:
    code, words = code_of(error), message_of(error)
    if code in DENIED:
        return Refused("denied", words, f"ecs:{error.operation_name}")
    if code == "TargetNotConnectedException":
        return Refused("agent", words)
    if code == "InvalidParameterException" and "not enabled" in words:
        return Refused("off", words)
    return Refused("session", f"{code}: {words}")


def _failed(error: channel.ChannelFailed) -> Refused:
    words = str(error)
    if isinstance(error, channel.Forbidden):
        return Refused("denied", words, f"{_MESSAGES}:OpenDataChannel")
    if isinstance(error, channel.Unopened):
        return Refused("network", words)
    if isinstance(error, channel.TookTooLong):
        return Refused("timeout", words)
    if isinstance(error, channel.Unsupported):
        return Refused("session", f"The session asks for {words}: install session-manager-plugin for it.")
    return Refused("session", words)
