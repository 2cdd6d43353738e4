"""ECS Exec: runs one command in a container of a running task and reads its output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from omc_runbook.aws import channel
from omc_runbook.aws import plugin as session_plugin
from omc_runbook.aws.answer import InvalidResponse
from omc_runbook.aws.failures import DENIED, code_of, message_of
from omc_runbook.model.refusal import refused_action

if TYPE_CHECKING:
    from botocore.signers import RequestSigner
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_ecs.type_defs import ExecuteCommandResponseTypeDef

FailureKind = Literal[
    "off", "agent", "denied", "no-answer", "network", "no-shell", "no-tool", "log-group", "bucket", "session", "timeout"
]
"""Why a command failed: ECS Exec is off for the task; its agent is not connected; the caller lacks a permission;
ECS does not answer; the session's endpoint is not reached; the container has no shell, or lacks a program; the agent
does not know that the log group or the bucket for the session's log is encrypted, as it must; the session failed; a
timeout."""

_NOT_STARTED = re.compile(
    r"(?:-+ERROR-+\s+)?(?:Unable to start command: Failed to start pty|[^\n]*executable file not found in \$PATH)"
)
"""What an agent says, with or without its title for errors, where a container lacks the program.

See https://github.com/aws/amazon-ssm-agent/blob/mainline/agent/framework/processor/executer/iohandler/iohandler.go
"""
_UNENCRYPTED = re.compile(
    r"encryption (?:is not set up on the selected|on) (?:(?P<group>CloudWatch Logs log group)|Amazon S3 bucket)"
)
"""What an agent says where the log of sessions has to be encrypted, and it is not, or that cannot be read.

See https://github.com/aws/amazon-ssm-agent/blob/mainline/agent/session/plugins/sessionplugin/sessionplugin.go
"""
MESSAGES = "ssmmessages"
"""The service whose channels sessions go through."""


@dataclass(frozen=True)
class ExecFailure:
    """A command that did not complete: the kind of failure, and AWS's or the session's message."""

    kind: FailureKind
    message: str
    permission: str = ""
    """The permission that the caller lacks; "" for other reasons."""
    needs_plugin: bool = False
    """Whether session-manager-plugin could have the session, which our own client cannot."""


def run(
    client: ECSClient, cluster: str, task_arn: str, container: str, command: str, plugin: str = "", seconds: float = 20
) -> str | ExecFailure:
    """Run a command in a container, as root, and return its output; it gets no input.

    ECS splits the command and runs it without a shell: a backslash is removed even between double quotes, so use single
    quotes. `plugin` is the path of session-manager-plugin; "" uses our own client of its protocol, and so does an old
    plugin that would need the session's token as an argument. The terminal's CRLF line ends become LF. The command is
    interrupted after `seconds`. Raises ClientError where AWS refuses botocore's own sign-in.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html
    """
    try:
        answer = client.execute_command(
            cluster=cluster, task=task_arn, container=container, command=command, interactive=True
        )
        output, message = _read_output(client, answer, plugin, seconds)
    except ClientError as error:
        if error.operation_name != "ExecuteCommand":
            # botocore had to sign in first.
            raise
        return _client_failure(error)
    except InvalidResponse as error:
        return ExecFailure("session", str(error))
    except (ConnectionError, HTTPClientError) as error:
        return ExecFailure("no-answer", str(error))
    except channel.ChannelFailed as error:
        return _channel_failure(error)
    output = output.replace("\r\n", "\n")
    if _NOT_STARTED.match(message or output.lstrip()):
        return ExecFailure("no-shell", message or output.strip())
    if unencrypted := _UNENCRYPTED.search(message):
        return ExecFailure("log-group" if unencrypted["group"] else "bucket", message)
    return ExecFailure("session", message) if message and not output else output


def _read_output(
    client: ECSClient, answer: ExecuteCommandResponseTypeDef, plugin: str, seconds: float
) -> tuple[str, str]:
    session = answer["session"]
    url, token = session["streamUrl"], session["tokenValue"]
    if not plugin or not session_plugin.keeps_tokens(plugin):
        return channel.read_output(url, token, _signature(client, url), seconds)
    target = _target(client, answer)
    plugin_session = session_plugin.PluginSession(
        id=session["sessionId"],
        url=url,
        token=token,
        target=target,
        region=client.meta.region_name,
        endpoint=client.meta.endpoint_url,
        credentials=_credentials(client),
    )
    return session_plugin.read_output(plugin, plugin_session, seconds)


def _target(client: ECSClient, answer: ExecuteCommandResponseTypeDef) -> str:
    """Session Manager's name of the container, with its runtime id."""
    cluster, task = (arn.rpartition("/")[2] for arn in (answer["clusterArn"], answer["taskArn"]))
    tasks = client.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
    runtimes = {entry.get("name"): entry.get("runtimeId", "") for each in tasks for entry in each["containers"]}
    return f"ecs:{cluster}_{task}_{runtimes.get(answer['containerName'], '')}"


def _signature(client: ECSClient, url: str) -> Mapping[str, str]:
    """The headers that sign the opening request, as current plugins do where the URL is not signed."""
    if any(name.lower().startswith("x-amz-") for name in parse_qs(urlsplit(url).query)):
        return {}
    request = AWSRequest("GET", url)
    _signer(client).add_auth(request)
    return dict(request.headers.items())


def _credentials(client: ECSClient) -> Mapping[str, str]:
    credentials = _signer(client).credentials
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.token or "",
    }


def _signer(client: ECSClient) -> Any:
    # botocore has no public way from a client to its credentials.
    signer: RequestSigner = client._request_signer  # type: ignore[attr-defined]
    return signer.get_auth_instance(MESSAGES, client.meta.region_name, "v4")


def _client_failure(error: ClientError) -> ExecFailure:
    code, message = code_of(error), message_of(error)
    if code in DENIED:
        # With a key for the cluster's sessions, the call needs kms:GenerateDataKey too.
        return ExecFailure("denied", message, refused_action(message) or f"ecs:{error.operation_name}")
    if code == "TargetNotConnectedException":
        return ExecFailure("agent", message)
    if code == "InvalidParameterException" and "not enabled" in message:
        return ExecFailure("off", message)
    return ExecFailure("session", f"{code}: {message}")


def _channel_failure(error: channel.ChannelFailed) -> ExecFailure:
    message = str(error)
    if isinstance(error, channel.ChannelDenied):
        return ExecFailure("denied", message, f"{MESSAGES}:OpenDataChannel")
    if isinstance(error, channel.ChannelUnreachable):
        return ExecFailure("network", message)
    if isinstance(error, channel.ChannelTimeout):
        return ExecFailure("timeout", message)
    if isinstance(error, channel.ChannelUnsupported):
        sentence = f"The session requires {message}: install session-manager-plugin."
        return ExecFailure("session", sentence, needs_plugin=True)
    return ExecFailure("session", message)
