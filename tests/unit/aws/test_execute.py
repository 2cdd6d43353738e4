"""Why ECS Exec did not run a command, by ECS's refusal or the agent's last message."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from omc_runbook.aws import channel, execute


class Client:
    """A client of ECS that starts a session, or refuses with a message."""

    def __init__(self, refusal: str = "", operation: str = "ExecuteCommand") -> None:
        self.refusal, self.operation = refusal, operation

    def execute_command(self, **_: Any) -> Any:
        if self.refusal:
            error = {"Code": "AccessDeniedException", "Message": self.refusal}
            raise ClientError({"Error": error}, self.operation)  # type: ignore[typeddict-item]
        return {"session": {"streamUrl": "wss://session?X-Amz-Signature=0", "tokenValue": "token"}}


def run(client: Any) -> str | execute.ExecFailure:
    return execute.run(client, "cluster", "task", "app", "sh -c true")


@pytest.mark.parametrize("action", ["ecs:ExecuteCommand", "kms:GenerateDataKey"])
def test_the_permission_is_that_of_the_refusal(action: str) -> None:
    """Where a key encrypts the cluster's sessions, the caller has to make a data key too."""
    failure = run(Client(f"User: me is not authorized to perform: {action} on resource: it"))
    assert isinstance(failure, execute.ExecFailure)
    assert (failure.kind, failure.permission) == ("denied", action)


def test_a_refused_role_of_the_configuration_is_no_refusal_of_the_command() -> None:
    """botocore assumes the role before it calls ECS: what signs in says what to do."""
    with pytest.raises(ClientError):
        run(Client("User: me is not authorized to perform: sts:AssumeRole on resource: it", "AssumeRole"))


@pytest.mark.parametrize("title", ["", "----------ERROR-------\n"])
@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Unable to start command: Failed to start pty: fork/exec /bin/sh: no such file or directory", "no-shell"),
        ('OCI runtime exec failed: exec: "sh": executable file not found in $PATH', "no-shell"),
        ("Fetching data key failed", "session"),
        (
            "We couldn't start the session because encryption is not set up on the selected CloudWatch Logs log group.",
            "log-group",
        ),
        (
            "Couldn't start the session because we are unable to validate encryption on CloudWatch Logs log group",
            "log-group",
        ),
        ("We couldn't start the session because encryption is not set up on the selected Amazon S3 bucket.", "bucket"),
        (
            "Couldn't start the session because we are unable to validate encryption on Amazon S3 bucket. Error",
            "bucket",
        ),
    ],
)
def test_a_container_without_a_shell_is_told(
    message: str, kind: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agents put a title before what went wrong, or none."""
    monkeypatch.setattr(channel, "read_output", lambda *_: ("", f"{title}{message}"))
    failure = run(Client())
    assert isinstance(failure, execute.ExecFailure)
    assert failure.kind == kind


def test_a_session_that_our_client_cannot_have_needs_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a key encrypts it."""

    def refuse(*_: object) -> None:
        raise channel.ChannelUnsupported("KMSEncryption")

    monkeypatch.setattr(channel, "read_output", refuse)
    failure = run(Client())
    assert isinstance(failure, execute.ExecFailure)
    assert failure.kind == "session" and failure.needs_plugin
