"""Clients that find no credentials, no profile and no network: one sentence each."""

import errno
import json
import os
import re
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import botocore.endpoint
import botocore.session
import pytest
from botocore.credentials import AssumeRoleCredentialFetcher, create_credential_resolver
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    LoginInsufficientPermissions,
    LoginRefreshRequired,
    LoginTokenLoadError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    RefreshWithMFAUnsupportedError,
    ResponseStreamingError,
    SSLError,
)
from IPython.core.error import StdinNotImplementedError
from support.moto_environment import REGION, Wire, between, mock_aws

from omc_runbook.aws import credential_process, lambda_functions, secretsmanager
from omc_runbook.aws.answer import InvalidResponse
from omc_runbook.aws.failures import ReadFailure, attempt, look
from omc_runbook.aws.session import Clients, configured_region, make_change, partition_of, require
from omc_runbook.aws.sts import Caller
from omc_runbook.aws.timed_response import TimedResponse
from omc_runbook.model.environment import load
from omc_runbook.model.errors import OUT_OF_FILES, CouldNotLook, UsageError
from omc_runbook.model.findings import merge_reads
from omc_runbook.report.display.banner import where
from omc_runbook.runbooks.run import Run, Target
from omc_runbook.snapshot import reading
from omc_runbook.snapshot.reading import identify

ROLE = "arn:aws:iam::210987654321:role/runbooks"


def configure(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    """Let botocore find this text as its AWS configuration, and no credentials in variables."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    (folder / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))


def test_no_credentials_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any credentials the sentence says how to come by some."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    with pytest.raises(CouldNotLook, match="No AWS credentials were found"):
        identify(Clients(REGION), load("staging"))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("credential_process = /nowhere/helper", "/nowhere/helper: No such file or directory"),
        ('credential_process = "/nowhere/helper --token hunter2"', "/nowhere/helper …: No such file or directory"),
        (
            "role_arn = arn:aws:iam::210987654321:role/runbooks\nweb_identity_token_file = /nowhere/token",
            "/nowhere/token: No such file or directory",
        ),
    ],
)
def test_credentials_that_cannot_be_read_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, reason: str
) -> None:
    """What the AWS configuration names for them is wrong; the endpoint is not."""
    configure(monkeypatch, tmp_path, f"[profile night]\n{table}\n")
    monkeypatch.setenv("AWS_PROFILE", "night")
    with pytest.raises(CouldNotLook) as caught:
        identify(Clients(REGION), load("staging"))
    advice = "Correct the AWS configuration, then run again."
    assert str(caught.value) == f"The AWS credentials cannot be read: {reason}. {advice}"


@pytest.mark.parametrize(
    ("operation", "rest", "profile", "expected"),
    [
        (
            "AssumeRole",
            " on resource: arn:aws:iam::123456789012:role/team/read-only",
            "qa",
            ' for profile "qa" cannot be read: AWS does not let role arn:aws:iam::123456789012:role/team/read-only be'
            " assumed (AccessDenied). Allow who assumes it sts:AssumeRole on it, and see that its trust policy names"
            " them, then run again.",
        ),
        (
            "AssumeRoleWithWebIdentity",
            "",
            "",
            " cannot be read: AWS does not let the role that the AWS configuration or its variables name be assumed"
            " (AccessDenied). Allow who assumes it sts:AssumeRoleWithWebIdentity on it, and see that its trust policy"
            " names them, then run again.",
        ),
        (
            "AssumeRole",
            " on resource: arn:aws:iam::123456789012:role/a with an explicit deny in a service control policy",
            "",
            " cannot be read: an explicit deny in a service control policy forbids sts:AssumeRole on role"
            " arn:aws:iam::123456789012:role/a. Have that deny changed, or sign in with another profile, then run"
            " again.",
        ),
    ],
)
def test_a_profiles_role_that_is_refused_may_lack_the_trust(
    operation: str, rest: str, profile: str, expected: str
) -> None:
    """AWS says the same of both: botocore asked for the role by itself, whatever the call was, and none succeeds."""

    def refuse() -> None:
        user = "User: arn:aws:iam::123456789012:user/a is not authorized to perform: "
        message = f"{user}sts:{operation}{rest}" if rest else f"Not authorized to perform sts:{operation}"
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, operation)

    with pytest.raises(CouldNotLook) as caught:
        attempt("tasks", "ecs:ListTasks", refuse, profile)
    assert (str(caught.value), caught.value.kind) == (f"The AWS credentials{expected}", "credentials")
    if operation == "AssumeRole":
        # That of an environment, which the run assumes itself, has a sentence of its own.
        assert isinstance(attempt("role a", "sts:AssumeRole", refuse), ReadFailure)


@pytest.mark.parametrize(
    ("operation", "code", "reason"),
    [
        *(
            (
                "GetRoleCredentials",
                code,
                f"AWS IAM Identity Center does not give the role that sso_role_name and sso_account_id name ({code})."
                " Have it assigned to you there",
            )
            for code in ("ForbiddenException", "ResourceNotFoundException", "InvalidRequestException")
        ),
        *(
            (
                "AssumeRoleWithWebIdentity",
                code,
                f"AWS does not accept the web identity token ({code}). Have a new one written to the file that",
            )
            for code in ("InvalidIdentityToken", "ExpiredTokenException", "IDPRejectedClaim")
        ),
        ("AssumeRole", "ValidationError", "sts:AssumeRole failed with ValidationError. Correct the AWS configuration"),
        (
            "CreateOAuth2Token",
            "ValidationException",
            "signin:CreateOAuth2Token failed with ValidationException. Sign in",
        ),
    ],
)
def test_a_sign_in_that_aws_refuses_says_what_next(operation: str, code: str, reason: str) -> None:
    """botocore makes the call by itself, of a service that the run's own call is not for."""

    def refuse() -> None:
        raise ClientError({"Error": {"Code": code, "Message": "No access"}}, operation)

    with pytest.raises(CouldNotLook) as caught:
        attempt("tasks", "ecs:ListTasks", refuse, "qa")
    sentence = str(caught.value)
    assert sentence.startswith(f'The AWS credentials for profile "qa" cannot be read: {reason}')
    assert sentence.endswith(", then run again.") and caught.value.kind == "credentials"


@pytest.mark.parametrize(
    ("operation", "code", "sentence"),
    [
        (
            "GetRoleCredentials",
            "InternalServerException",
            "sso:GetRoleCredentials failed with InternalServerException.",
        ),
        ("GetRoleCredentials", "TooManyRequestsException", "TooManyRequestsException outlasted the retries"),
        ("CreateOAuth2Token", "TooManyRequestsError", "TooManyRequestsError outlasted the retries"),
        ("AssumeRoleWithWebIdentity", "IDPCommunicationError", "the web identity token: run again in a minute."),
        ("AssumeRole", "RegionDisabledException", "STS is not activated in this region: have it activated"),
        ("AssumeRole", "", "failed with HTTP 403. AWS's refusals have a code, which this one lacks: a proxy may have"),
        ("GetRoleCredentials", "302", "failed with 302. AWS's refusals have a code, which this one lacks: a proxy may"),
        ("GetRoleCredentials", "403", "failed with 403. AWS's refusals have a code, which this one lacks: a proxy may"),
    ],
)
def test_a_sign_in_that_may_succeed_later_is_no_refusal(operation: str, code: str, sentence: str) -> None:
    """A watch asks again."""

    def refuse() -> None:
        response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(response, operation)

    answer = attempt("tasks", "ecs:ListTasks", refuse)
    assert isinstance(answer, ReadFailure) and sentence in answer.sentence


@pytest.mark.parametrize(
    "read",
    [
        secretsmanager.describe,
        secretsmanager.get_value,
        secretsmanager.get_other_resource_policies,
        lambda_functions.describe,
    ],
)
def test_a_sign_in_that_finds_no_role_is_no_secret_that_is_missing(read: Callable[[Any, str], object]) -> None:
    """IAM Identity Center has the same code for it, in the middle of a run, whose session is renewed."""
    refused = ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "GetRoleCredentials")

    class Signing:
        meta = Mock(endpoint_url="https://secretsmanager.ap-southeast-2.amazonaws.com")

        def __getattr__(self, name: str) -> Mock:
            return Mock(side_effect=refused)

    with pytest.raises(CouldNotLook, match="IAM Identity Center does not give the role"):
        attempt("the secret", "secretsmanager:DescribeSecret", lambda: read(Signing(), "arn:aws:lambda:a:b:function:c"))


def test_an_mfa_code_that_is_wrong_is_no_lack_of_a_permission() -> None:
    """AWS has the same code for it; a code that was used before is refused so, too."""

    def refuse() -> None:
        message = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, "AssumeRole")

    with pytest.raises(CouldNotLook, match=r"does not accept the MFA code \(AccessDenied\)\. Enter the next code"):
        attempt("the caller", "sts:GetCallerIdentity", refuse, "qa")


MFA = "\nmfa_serial = arn:aws:iam::123456789012:mfa/me"


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("role_arn = runbooks", "role_arn is too short. Correct it in the AWS configuration or its variables"),
        (f"role_arn = {ROLE}\nduration_seconds = 5", "duration_seconds is too short. Correct it"),
        (f"role_arn = {ROLE}{MFA}", "an MFA code has six digits. Enter the next code of the device"),
    ],
)
def test_a_setting_that_botocore_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, reason: str
) -> None:
    """botocore's own first line says only that the validation of a parameter failed."""

    class Typing(AssumeRoleCredentialFetcher):
        def __init__(self, *values: Any, **options: Any) -> None:
            super().__init__(*values, **(options | {"mfa_prompter": lambda prompt: "123"}))

    monkeypatch.setattr("botocore.credentials.AssumeRoleCredentialFetcher", Typing)
    keys = "aws_access_key_id = id\naws_secret_access_key = key\n"
    configure(monkeypatch, tmp_path, f"[profile qa]\nsource_profile = base\n{table}\n[profile base]\n{keys}")
    monkeypatch.setenv("AWS_PROFILE", "qa")
    with pytest.raises(CouldNotLook) as caught:
        identify(Clients(REGION), load("staging"))
    assert str(caught.value).startswith(f"The AWS credentials cannot be read: {reason}")
    own = Mock(side_effect=ParamValidationError(report="Invalid length for parameter RoleArn, value: 1"))
    with pytest.raises(CouldNotLook, match="sts:AssumeRole could not be called"):
        attempt("role a", "sts:AssumeRole", own)


def test_an_empty_web_identity_token_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a file is that nothing has written to yet."""
    (tmp_path / "token").touch()
    configure(monkeypatch, tmp_path, f"[profile qa]\nrole_arn = {ROLE}\nweb_identity_token_file = {tmp_path}/token\n")
    monkeypatch.setenv("AWS_PROFILE", "qa")
    with pytest.raises(CouldNotLook, match=r"the web identity token is empty\. Have a new one written to the file"):
        identify(Clients(REGION), load("staging"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RefreshWithMFAUnsupportedError(), "the session that an MFA code began has ended. Have the device's next code"),
        (LoginRefreshRequired(), 'has expired for profile "qa": run `aws login --profile qa`, then run again.'),
        (LoginTokenLoadError(error_msg="hunter2"), "run `aws login --profile qa`, then run again."),
        (LoginInsufficientPermissions(), "Allow who signs in the permission signin:CreateOAuth2Token, then run again."),
    ],
)
def test_a_session_that_has_ended_ends_a_watch(error: Exception, sentence: str) -> None:
    """Of its kind: nobody is asked again, and no later look would succeed."""
    with pytest.raises(CouldNotLook) as caught:
        attempt("tasks", "ecs:ListTasks", Mock(side_effect=error), "qa")
    assert sentence in str(caught.value) and caught.value.kind == "credentials"


@pytest.mark.parametrize("body", ['{"AccessKeyId": "hunter2"}', '{"message": "hunter2"}', "hunter2"])
def test_an_endpoint_that_gives_no_credentials_is_one_sentence(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """What it answers is not shown; botocore takes it for what it should be."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/hunter2")
    answer = Mock(status_code=200, content=body.encode())
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", Mock(return_value=answer))
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    with pytest.raises(CouldNotLook, match="AWS_CONTAINER_") as caught:
        identify(Clients(REGION), load("staging"))
    assert "hunter2" not in str(caught.value)


def test_a_profile_that_names_none_says_where_to_correct_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """botocore's own sentence ends with what is wrong."""
    configure(monkeypatch, tmp_path, f"[profile qa]\nrole_arn = {ROLE}\nsource_profile = bse\n")
    monkeypatch.setenv("AWS_PROFILE", "qa")
    with pytest.raises(
        CouldNotLook, match=r'"bse" .* does not exist\. Correct the AWS configuration, then run again\.$'
    ):
        identify(Clients(REGION), load("staging"))


def test_a_lack_of_open_files_is_no_fault_of_the_credentials() -> None:
    """botocore opens its models when a client is made, which asks for credentials first."""

    def call() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/lib/botocore/data/ecs/paginators-1.json")

    with pytest.raises(CouldNotLook) as caught:
        attempt("the credentials", "credentials", call)
    assert str(caught.value) == OUT_OF_FILES


@pytest.mark.parametrize(
    "program",
    [
        "false",
        "/bin/sh -c 'echo hunter2 opens no vault >&2; exit 1'",
        "/bin/echo hunter2",
        "/bin/echo null",
        """/bin/echo '["hunter2"]'""",
        "/usr/bin/printf '\\377hunter2'",
        """/bin/echo '{"Version": "hunter2"}'""",
        """/bin/echo '{"Version": 1, "AccessKeyId": null, "SecretAccessKey": "hunter2"}'""",
        """/bin/echo '{"Version": 1, "AccessKeyId": "hunter2", "SecretAccessKey": 12}'""",
        """/bin/echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "B", "Expiration": "hunter2"}'""",
        '/bin/echo "hunter2',
    ],
)
def test_what_the_program_for_credentials_says_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    """It may name a password; and it is not the endpoint that is wrong."""
    configure(monkeypatch, tmp_path, f"[profile night]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_PROFILE", "night")
    for ask in (lambda clients: identify(clients, load("staging")), lambda clients: clients.has_credentials):
        with pytest.raises(CouldNotLook) as caught:
            ask(Clients(REGION))
        assert str(caught.value) == (
            "The AWS credentials cannot be read: credential_process fails, or prints something else. Run that program"
            " by hand to see why, then run again."
        )


@pytest.mark.parametrize(
    "profiles",
    [
        "[profile night]\ncredential_process = {program}\n",
        "[profile night]\nrole_arn = arn:aws:iam::210987654321:role/runbooks\nsource_profile = base\n"
        "[profile base]\ncredential_process = {program}\n",
    ],
)
def test_a_program_for_credentials_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profiles: str
) -> None:
    """Also where a role's source profile names it, and where a program that it has started holds its output open."""
    monkeypatch.setattr("omc_runbook.aws.credential_process.PROGRAM_SECONDS", 0.3)
    program = f"/bin/sh -c 'sleep 20 & echo $$ > {tmp_path}/pid; wait'"
    configure(monkeypatch, tmp_path, profiles.format(program=program))
    monkeypatch.setenv("AWS_PROFILE", "night")
    start = time.monotonic()
    with pytest.raises(CouldNotLook) as caught:
        identify(Clients(REGION), load("staging"))
    assert time.monotonic() - start < 10
    assert str(caught.value) == (
        "The AWS credentials cannot be read: credential_process gave no answer within 60 seconds, and was ended. Run"
        " that program by hand to see what it waits for, then run again."
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_program_for_credentials_that_leaves_another_running_has_answered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Such as an agent, which holds the program's output open."""
    monkeypatch.setattr("omc_runbook.aws.credential_process.PROGRAM_SECONDS", 0.3)
    answer = json.dumps({"Version": 1, "AccessKeyId": "testing", "SecretAccessKey": secrets.token_hex(20)})
    program = tmp_path / "program"
    program.write_text(f"echo '{answer}'\nsleep 20 &\necho $! > {tmp_path}/pid\n")
    configure(monkeypatch, tmp_path, f"[profile night]\ncredential_process = /bin/sh {program}\n")
    monkeypatch.setenv("AWS_PROFILE", "night")
    start = time.monotonic()
    assert Clients(REGION).has_credentials and time.monotonic() - start < 10
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_what_the_program_of_a_source_profile_prints_is_checked_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The keys with which a role is assumed; botocore would sign with null, and fail in a TypeError."""
    program = """/bin/echo '{"Version": 1, "AccessKeyId": "hunter2", "SecretAccessKey": null}'"""
    role = "role_arn = arn:aws:iam::210987654321:role/runbooks"
    profiles = f"[profile night]\n{role}\nsource_profile = base\n[profile base]\ncredential_process = {program}\n"
    configure(monkeypatch, tmp_path, profiles)
    monkeypatch.setenv("AWS_PROFILE", "night")
    with pytest.raises(CouldNotLook, match="credential_process fails, or prints something else"):
        identify(Clients(REGION), load("staging"))


def test_a_program_that_gives_expired_credentials_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a helper does that keeps those of a session that has ended; botocore raises a RuntimeError."""
    keys = {"Version": 1, "AccessKeyId": "none", "SecretAccessKey": "none", "SessionToken": "none"}
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(keys | {"Expiration": "2020-01-01T00:00:00Z"}))
    configure(monkeypatch, tmp_path, f"[profile night]\ncredential_process = cat {kept}\n")
    monkeypatch.setenv("AWS_PROFILE", "night")
    with pytest.raises(CouldNotLook) as caught:
        identify(Clients(REGION), load("staging"))
    assert caught.value.kind == "credentials" and str(caught.value) == (
        "The AWS credentials cannot be read: where they come from, such as credential_process, gives expired ones."
        " Sign in there again, or set this machine's clock if it is wrong, then run again."
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://hunter2.example.test/"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "hunter2"),
    ],
)
def test_a_wrong_variable_is_no_program_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str
) -> None:
    """Who never configured a credential_process would look for one; another profile's is not run."""
    configure(monkeypatch, tmp_path, "[profile other]\ncredential_process = hunter2\n")
    monkeypatch.setenv(name, text)
    with pytest.raises(CouldNotLook, match="cannot be read: a variable that says where they are, such as AWS_CONTAI"):
        identify(Clients(REGION), load("staging"))


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_line_break_in_a_session_token_does_not_show_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As of a file with Windows' line ends: Python's HTTP client names the whole header."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        for each in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.setenv(each, "hunter2\rx" if each == name else "none")
        with pytest.raises(CouldNotLook) as caught:
            identify(Clients(REGION), load("staging"))
    assert str(caught.value) == (
        "The AWS credentials cannot be read: a key's id or the session token has a line break within or at its end."
        " Remove it where they are set, such as in a file with Windows' line ends, then run again."
    )


@pytest.mark.parametrize("error", [EOFError, StdinNotImplementedError])
def test_an_mfa_code_that_nobody_can_type_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: type[Exception]
) -> None:
    """Without a terminal, getpass ends with standard input, or as a kernel that has nobody to ask."""
    # It has taken getpass.getpass for its default already.
    monkeypatch.setattr(AssumeRoleCredentialFetcher, "_assume_role_kwargs", Mock(side_effect=error))
    role = "role_arn = arn:aws:iam::210987654321:role/runbooks\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n"
    keys = "aws_access_key_id = id\naws_secret_access_key = key\n"
    configure(monkeypatch, tmp_path, f"[profile night]\nsource_profile = base\n{role}[profile base]\n{keys}")
    monkeypatch.setenv("AWS_PROFILE", "night")
    with pytest.raises(CouldNotLook, match="cannot be read: their profile asks for an MFA code, and nobody can be"):
        identify(Clients(REGION), load("staging"))


def test_an_mfa_code_is_asked_for_once_for_each_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AWS takes none twice: environments of one profile share its session, as do other regions, S3 and SNS."""
    asked = list[str]()

    def assume(fetcher: AssumeRoleCredentialFetcher) -> dict[str, Any]:
        asked.append(arn := fetcher._role_arn)
        keys = {"AccessKeyId": arn, "SecretAccessKey": "key", "SessionToken": "token"}
        return {"Credentials": {**keys, "Expiration": f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}}

    def key_of(region: str, profile: str) -> str:
        return str(Clients(region, profile)._session.get_credentials().get_frozen_credentials().access_key)

    monkeypatch.setattr(AssumeRoleCredentialFetcher, "_get_credentials", assume)
    roles = {name: f"arn:aws:iam::210987654321:role/{name}" for name in ("staging", "production")}
    tables = "".join(
        f"[profile {name}]\nsource_profile = base\nrole_arn = {arn}\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n"
        for name, arn in roles.items()
    )
    configure(monkeypatch, tmp_path, f"{tables}[profile base]\naws_access_key_id = id\naws_secret_access_key = key\n")
    for region in (REGION, "eu-west-1"):
        assert {name: key_of(region, name) for name in roles} == roles
    assert asked == [*roles.values()]
    assert key_of(REGION, "base") == "id"
    for ago, name in enumerate(("AWS_ENDPOINT_URL", "AWS_SHARED_CREDENTIALS_FILE"), 1):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert key_of(REGION, "staging") == roles["staging"]
        assert asked == [*roles.values(), *[roles["staging"]] * ago], (
            "a sandbox, and other keys, have their own sessions"
        )
    expired = Mock(side_effect=ClientError({"Error": {"Code": "ExpiredToken"}}, "GetCallerIdentity"))
    with pytest.raises(CouldNotLook):
        require("the caller", "sts:GetCallerIdentity", expired)
    assert key_of(REGION, "staging") == roles["staging"]
    assert asked.count(roles["staging"]) == 4, "a session that AWS ended is not taken up again"
    assert key_of(REGION, "production") == roles["production"]
    with pytest.raises(CouldNotLook):
        require("the caller", "sts:GetCallerIdentity", expired, profile="staging")
    assert {name: key_of(REGION, name) for name in roles} == roles
    assert [asked.count(role) for role in roles.values()] == [5, 2], "another profile's session goes on"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[profile night\n", " in line 1"),
        ("[default]\nhunter2\n", " in line 2"),
        ("[default]\nregion = a\nregion = b\n", " in line 3"),
        ("[default]\ns3 =\n hunter2\n", ""),
    ],
)
def test_a_configuration_that_cannot_be_parsed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, where: str
) -> None:
    """By its path and the number of a line, whose text may be a secret."""
    configure(monkeypatch, tmp_path, text)
    with pytest.raises(UsageError) as caught:
        Clients(REGION)
    sentence = f"The AWS configuration {tmp_path / 'config'} is not valid{where}: correct it, then run again."
    assert str(caught.value) == sentence
    assert configured_region() == ""
    assert partition_of(REGION) == "aws"


@pytest.mark.parametrize("role", ["", "arn:aws:iam::210987654321:role/runbooks"])
@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            "",
            'No AWS credentials were found for profile "qa": set it up, such as with'
            " `aws configure sso --profile qa`, then run again.",
        ),
        (
            "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n"
            "sso_account_id = 123456789012\nsso_role_name = read\n",
            'The AWS sign-in has expired for profile "qa": run `aws sso login --profile qa`, then run again.',
        ),
    ],
)
def test_a_profile_that_is_not_signed_in_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, role: str, table: str, sentence: str
) -> None:
    """With the command that signs in with it: of several environments each may have its own."""
    configure(monkeypatch, tmp_path, f"[profile qa]\n{table}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "nothing"))
    monkeypatch.setenv("OMC_PROFILE", "qa")
    monkeypatch.setenv("OMC_ROLE_ARN", role)
    environment = load("staging")
    with pytest.raises(CouldNotLook) as caught:
        identify(Clients.of(environment), environment)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("profile", "variable", "rest", "way"),
    [
        ("qa", "", "", ' for profile "qa": run `aws sso login --profile qa`'),
        ("qa", "", "source_profile = reader\n", ' for profile "qa": run `aws sso login --profile qa`'),
        ("qa", "", "source_profile =\n  name = reader\n", ' for profile "qa": run `aws sso login --profile qa`'),
        ("reader", "", "", ' for profile "reader": run `aws sso login --profile qa`'),
        ("", "qa", "", ": run `aws sso login`"),
        ("", "reader", "", ": run `aws sso login --profile qa`"),
    ],
)
def test_a_sign_in_that_ends_in_the_middle_of_a_run_names_the_profile_to_sign_in_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str, variable: str, rest: str, way: str
) -> None:
    """Each read is one of the run's clients, and knows it; the profile that has the role has none to sign in with.

    One without a role takes its credentials from no other.
    """
    sign_in = "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n"
    sign_in += f"sso_account_id = 123456789012\nsso_role_name = read\n{rest}"
    configure(
        monkeypatch, tmp_path, f"[profile qa]\n{sign_in}[profile reader]\nrole_arn = {ROLE}\nsource_profile = qa\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "nothing"))
    if variable:
        monkeypatch.setenv("AWS_PROFILE", variable)
    clients = Clients(REGION, profile)
    for read in (look, attempt):
        with pytest.raises(CouldNotLook) as caught:
            read(
                "the secrets",
                "secretsmanager:ListSecrets",
                lambda: secretsmanager.list_secrets(clients("secretsmanager")),
            )
        assert str(caught.value) == f"The AWS sign-in has expired{way}, then run again."


@pytest.mark.parametrize(
    ("profile", "code", "sentence"),
    [
        ("qa", "ExpiredTokenException", 'have expired for profile "qa"'),
        ("reader", "ExpiredTokenException", 'have expired for profile "qa"'),
        ("reader", "UnrecognizedClientException", 'correct profile "qa"'),
        ("", "UnrecognizedClientException", "check AWS_PROFILE or AWS_ACCESS_KEY_ID"),
    ],
)
def test_refused_credentials_in_the_middle_of_a_run_name_their_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str, code: str, sentence: str
) -> None:
    """What AWS itself answers, too; a profile that assumes a role with another's has none to correct.

    Where the profile is a variable's, the keys may be, too.
    """
    monkeypatch.setenv("AWS_PROFILE", "reader")
    keys = "aws_access_key_id = a\naws_secret_access_key = b\n"
    configure(monkeypatch, tmp_path, f"[profile qa]\n{keys}[profile reader]\nrole_arn = {ROLE}\nsource_profile = qa\n")
    client = Clients(REGION, profile)("ecs")

    def refuse(**_: object) -> tuple[Any, dict[str, Any]]:
        return Mock(status_code=400), {"Error": {"Code": code, "Message": ""}}

    for call in ("sts.AssumeRole", "ecs.ListClusters"):
        client.meta.events.register(f"before-call.{call}", refuse)
    with pytest.raises(CouldNotLook, match=sentence):
        look("the clusters", "ecs:ListClusters", client.list_clusters)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        *(
            (code, f'The AWS credentials have expired for profile "qa" ({code}): sign in again')
            for code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
        ),
        *(
            (code, f'AWS does not accept these credentials ({code}): correct profile "qa"')
            for code in (
                *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException"),
                *("SignatureDoesNotMatch", "IncompleteSignature", "AuthFailure", "MissingAuthenticationToken"),
            )
        ),
    ],
)
def test_a_profile_whose_credentials_are_refused_is_named(code: str, sentence: str) -> None:
    """Not a variable, which has no say in it."""

    def refuse() -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetCallerIdentity")

    with pytest.raises(CouldNotLook) as caught:
        require("the caller", "sts:GetCallerIdentity", refuse, profile="qa")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("SignatureDoesNotMatch", "Signature expired: 20261129T010000Z is now earlier than 20261129T020000Z"),
        ("InvalidSignatureException", "Signature not yet current: 20261129T030000Z is still later than 2026112"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ("RequestInTheFuture", ""),
    ],
)
def test_a_clock_that_is_wrong_is_no_wrong_credentials(code: str, message: str) -> None:
    """AWS takes a signature for five or fifteen minutes."""

    def refuse() -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "GetCallerIdentity")

    sentence = f"This machine's clock differs from AWS's by minutes ({code}): set it, then run again."
    with pytest.raises(CouldNotLook) as caught:
        attempt("the caller", "sts:GetCallerIdentity", refuse)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("operation", "code", "advice"),
    [
        ("s3:GetObject", "AccessDenied", "the permission s3:GetObject is missing"),
        ("ec2:DescribeVpcs", "UnauthorizedOperation", "the permission ec2:DescribeVpcs is missing"),
        ("sns:Publish", "AuthorizationError", "the permission sns:Publish is missing"),
        ("cloudtrail:StartQuery", "NotAuthorized", "the permission cloudtrail:StartQuery is missing"),
        *(
            (operation, code, f"{code} outlasted the retries")
            for operation, code in (
                ("iam:GetRole", "Throttling"),
                ("ecs:ListTasks", "ThrottlingException"),
                ("sns:Publish", "ThrottledException"),
                ("lambda:ListFunctions", "TooManyRequestsException"),
                ("ec2:DescribeVpcs", "RequestLimitExceeded"),
                ("s3:GetObject", "RequestThrottled"),
                ("s3:GetObject", "SlowDown"),
            )
        ),
        ("secretsmanager:PutSecretValue", "InvalidRequestException", "may have scheduled its deletion"),
        ("iam:PutRolePolicy", "LimitExceeded", "10,240 characters together at most"),
        ("secretsmanager:UpdateSecretVersionStage", "InvalidRequestException", "may have scheduled its deletion"),
        ("ecs:DescribeTaskDefinition", "ClientException", "let what starts it start an ACTIVE one."),
        ("secretsmanager:GetSecretValue", "DecryptionFailure", "see the state of its KMS key"),
        ("secretsmanager:PutSecretValue", "EncryptionFailure", "see the state of its KMS key"),
        ("secretsmanager:PutSecretValue", "LimitExceededException", "run again when the oldest are."),
        ("secretsmanager:DescribeSecret", "InvalidRequestException", "failed with InvalidRequestException."),
        ("sts:GetCallerIdentity", "InternalFailure", "run again in a minute."),
        ("ecs:ListServices", "ServerException", "run again in a minute."),
        ("secretsmanager:GetSecretValue", "InternalServiceError", "run again in a minute."),
        ("ec2:DescribeVpcs", "Unavailable", "run again in a minute."),
        ("events:ListRules", "InternalException", "run again in a minute."),
        ("kms:DescribeKey", "DependencyTimeoutException", "run again in a minute."),
        ("kms:DescribeKey", "KMSInternalException", "run again in a minute."),
        ("organizations:DescribeOrganization", "ServiceException", "run again in a minute."),
    ],
)
def test_an_error_says_what_to_do_about_it(operation: str, code: str, advice: str) -> None:
    """Each service has its own word for a refusal, and for too many calls."""

    def refuse() -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, operation.partition(":")[2])

    answer = attempt("it", operation, refuse)
    assert isinstance(answer, ReadFailure) and advice in answer.sentence


def test_an_unknown_profile_is_used_wrongly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile that the configuration lacks is named."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match='Profile "night" is not in the AWS configuration'):
        Clients(REGION, "night")


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("/srv/ops/names", r"profile in /srv/ops/names, or OMC_PROFILE"),
        ("runbook.toml", r"profile in runbook\.toml, or OMC_PROFILE"),
        ("OMC_ENVIRONMENTS__EU__PROFILE", "OMC_ENVIRONMENTS__EU__PROFILE"),
    ],
)
@pytest.mark.parametrize("role", ["", "arn:aws:iam::123456789012:role/runbooks"])
def test_an_unknown_profile_is_corrected_where_it_is_set(
    source: str, where: str, role: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the runbook.toml that was read, which may be in another folder, or in a variable."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=rf"Correct {where}\.$"):
        Clients("eu-west-1", "night", role, profile_source=source)


@pytest.mark.parametrize(
    ("notebook", "remedy"),
    [
        (None, r"run `unset (AWS_ENDPOINT_URL .+)`, in fish `set -e \1`, or start another\."),
        (
            "verify.ipynb",
            r"are still set: end JupyterLab, .* by `omc-runbook lab --sandbox`, or without the variables\.",
        ),
    ],
)
def test_an_unreachable_endpoint_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, notebook: str | None, remedy: str
) -> None:
    """It names the address that does not answer, and a command that helps: none changes a kernel's variables."""
    if notebook:
        monkeypatch.setenv("JPY_SESSION_NAME", notebook)
    else:
        monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda seconds: None)
    with pytest.raises(CouldNotLook, match=r"cannot be reached.*127\.0\.0\.1:1") as caught:
        identify(Clients(REGION), load("staging"))
    assert "\n" not in str(caught.value)
    assert re.search(remedy, str(caught.value))


@pytest.mark.parametrize(
    "problem",
    [
        ReadTimeoutError(endpoint_url="https://iam"),
        InvalidResponse("iam:PutRolePolicy"),
        ClientError(
            {"Error": {"Code": "ServiceFailure"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "PutRolePolicy"
        ),  # type: ignore[typeddict-item]
    ],
    ids=["no answer", "half an answer", "an error of the server"],
)
def test_a_write_without_an_answer_may_have_taken_effect(problem: Exception) -> None:
    """A read cannot."""

    def call() -> None:
        raise problem

    doubt = "It is unknown whether iam:PutRolePolicy took effect."
    with pytest.raises(CouldNotLook, match=doubt):
        require("policy read", "iam:PutRolePolicy", call, "change")
    with pytest.raises(CouldNotLook) as of_read:
        require("policy read", "iam:PutRolePolicy", call)
    assert doubt not in str(of_read.value)


@pytest.mark.parametrize(
    "problem",
    [
        ConnectionClosedError(endpoint_url="https://s3"),
        EndpointConnectionError(endpoint_url="https://s3"),
        ReadTimeoutError(endpoint_url="https://s3"),
        ConnectTimeoutError(endpoint_url="https://s3"),
        ProxyConnectionError(proxy_url="http://proxy"),
        SSLError(endpoint_url="https://s3", error="it ended"),
        ResponseStreamingError(error="it ended"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_one_look_without_an_answer_does_not_end_the_run(problem: Exception) -> None:
    """It is named, with what came instead; credentials that are refused end it."""

    def call() -> None:
        raise problem

    answer = look("record a", "s3:GetObject", call)
    assert isinstance(answer, ReadFailure)
    assert answer.sentence.startswith("Could not read record a: AWS cannot be reached: s3:GetObject has no answer. ")
    assert answer.sentence.count("Check the network") == 1
    other = look("role z", "iam:GetRole", call)
    assert isinstance(other, ReadFailure)
    # The network is gone once, whichever calls have no answer.
    assert len(merge_reads((answer.sentence, other.sentence))) == 1
    elsewhere = look("record a", "s3:GetObject", call, "eu-wset-1")
    assert isinstance(elsewhere, ReadFailure)
    assert elsewhere.sentence.endswith(" has no answer from eu-wset-1. Check the network, then run again.")
    # One kind of failure has one text, wherever it happens.
    assert answer.kind == elsewhere.kind == "no-answer"
    assert elsewhere.sentence.startswith("Could not read record a: AWS cannot be reached: s3:GetObject has no answer")
    role = look("role z", "iam:GetRole", call, "eu-wset-1")
    assert isinstance(role, ReadFailure)
    assert len(merge_reads((elsewhere.sentence, role.sentence))) == 1
    assert len(merge_reads((elsewhere.sentence, other.sentence))) == 2
    refused: Any = {"Error": {"Code": "ExpiredToken"}}
    with pytest.raises(CouldNotLook, match="have expired"):
        look("record a", "s3:GetObject", Mock(side_effect=ClientError(refused, "GetObject")))


@pytest.mark.parametrize(
    ("problem", "is_done", "is_raised"),
    [
        (ConnectionClosedError(endpoint_url="https://iam"), True, False),
        (InvalidResponse("iam:PutRolePolicy"), True, False),
        (ConnectionClosedError(endpoint_url="https://iam"), False, True),
        (ConnectionClosedError(endpoint_url="https://iam"), None, True),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "PutRolePolicy"), True, True),
    ],
)
def test_a_change_whose_answer_is_lost_is_asked_for(problem: Exception, is_done: bool | None, is_raised: bool) -> None:
    """What AWS refused is not; where it cannot be read either, it stays unknown."""

    def call() -> None:
        raise problem

    def ask() -> bool:
        if is_done is None:
            raise CouldNotLook("No.")
        return is_done

    with pytest.raises(CouldNotLook, match="PutRolePolicy") if is_raised else nullcontext():
        make_change("policy read", "iam:PutRolePolicy", call, ask)


@pytest.mark.parametrize(
    ("code", "status"),
    [("LimitExceeded", 409), ("AccessDenied", 403), ("Throttling", 400), ("RequestLimitExceeded", 503)],
)
def test_a_write_that_aws_refused_has_not_taken_effect(code: str, status: int) -> None:
    """A throttled call was certainly not carried out, though some services answer it as a server's error."""

    def call() -> None:
        answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(answer, "PutRolePolicy")

    with pytest.raises(CouldNotLook) as refused:
        require("policy read", "iam:PutRolePolicy", call, "change")
    assert "unknown" not in str(refused.value)


def test_a_write_that_is_interrupted_says_that_it_may_still_take_effect() -> None:
    """A read does not; the words of who asked to stop stay. A record tells an interruption by the name of its class."""

    def interrupt(*words: str) -> Callable[[], None]:
        def call() -> None:
            raise KeyboardInterrupt(*words)

        return call

    doubt = r"PutRolePolicy may still take effect: run again to continue\.$"
    with pytest.raises(KeyboardInterrupt, match=rf"^Interrupted\. {doubt}") as caught:
        require("policy read", "iam:PutRolePolicy", interrupt(), "change")
    assert caught.type is KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt, match=rf"^Stopped, as you asked\. {doubt}"):
        make_change("policy read", "iam:PutRolePolicy", interrupt("Stopped, as you asked."), lambda: True)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        require("policy read", "iam:PutRolePolicy", interrupt())


@pytest.mark.parametrize(("do", "kind"), [("read", "no-answer"), ("change", "in-doubt")])
def test_what_has_no_answer_is_in_doubt_where_it_was_to_change_something(do: str, kind: str) -> None:
    """A read that has none leaves nothing behind."""

    def call() -> None:
        raise ReadTimeoutError(endpoint_url="https://iam.amazonaws.com")

    with pytest.raises(CouldNotLook) as lost:
        require("policy read", "iam:PutRolePolicy", call, do)
    assert lost.value.kind == kind


@contextmanager
def trickling(pause: float) -> Iterator[str]:
    """A server that announces a long body, and sends a byte of it every so many seconds; gives its address."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n\r\n")
            while not has_ended.wait(pause):
                connection.sendall(b" ")

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    has_ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        has_ended.set()


def test_a_body_that_trickles_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the answer as a whole does not: it counts as none, after the usual retries."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda seconds: None)
    with trickling(0.02) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        clients = Clients(REGION)
        monkeypatch.setattr(TimedResponse, "seconds", 0.15)
        began = time.monotonic()
        with pytest.raises(CouldNotLook, match="AWS cannot be reached"):
            identify(clients, load("staging"))
    assert 0.6 <= time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_ECS", "endpoint_url"])
def test_a_foreign_endpoint_is_told_before_anything_is_read(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all services or one, from a variable or the configuration; on the page in red, and no change without TLS."""
    url = f"http://aws.{name.replace('_', '').lower()}.test"
    (tmp_path / "config").write_text(f"[default]\nendpoint_url = {url}\n" if name.islower() else "")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))
    if not name.islower():
        monkeypatch.setenv(name, url)

    def get_caller(client: Any) -> Caller:
        warning = f"warning: Calls go to {url}, neither AWS nor this machine: it sees all that is read and written.\n"
        assert capsys.readouterr().err == warning
        return Caller("123456789012", "arn:aws:iam::123456789012:user/me")

    monkeypatch.setattr(reading.sts, "get_caller", get_caller)

    environment, clients = load("staging"), Clients(REGION)
    target = Target(environment, clients, identify(clients, environment))
    banner = where("verify", [target])
    assert banner.style == "production" and banner.lines[0].startswith(f"Calls go to {url}, neither")
    with pytest.raises(UsageError, match="is reached without TLS"):
        Run(runbook="update", started=datetime.now(UTC), targets=(target,)).may_change(True, "")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert Clients(REGION).foreign_endpoints == ()


def test_over_tls_a_foreign_endpoint_may_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody on the way can read along; who runs it was chosen."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://aws.endpoint.test")
    target = Target(load("staging"), Clients(REGION), Caller("123456789012", "arn:aws:iam::123456789012:user/me"))
    assert target.clients.foreign_endpoints == ("https://aws.endpoint.test",)
    assert Run(runbook="update", started=datetime.now(UTC), targets=(target,)).may_change(True, "")


@pytest.mark.parametrize("service", ["SECRETS_MANAGER", "S3", "SSM", "SNS", "LAMBDA", "CLOUDWATCH_LOGS", "EVENTBRIDGE"])
def test_the_endpoint_of_any_service_that_is_called_may_be_foreign(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees what is sent to that one, such as the records in a bucket."""
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "https://aws.endpoint.test")
    assert Clients(REGION).foreign_endpoints == ("https://aws.endpoint.test",)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:5000", "http://localhost:1", "https://vpce-1.vpce.amazonaws.com", "https://sts.eu.api.aws"),
        *("https://ecs.cn-north-1.amazonaws.com.cn", "https://ecs.cn-north-1.api.amazonwebservices.com.cn"),
        *("https://ecs.eusc-de-east-1.amazonaws.eu", "https://ecs.eusc-de-east-1.api.amazonwebservices.eu"),
    ],
)
def test_the_sandbox_and_aws_are_no_foreign_endpoints(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a VPC endpoint of one's own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    assert Clients(REGION).foreign_endpoints == ()


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_an_unknown_profile_of_a_variable_is_named(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the nearest that exists, and the variable to correct."""
    (tmp_path / "config").write_text("[profile nightly]\nregion = ap-southeast-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "nothing"))
    monkeypatch.setenv(variable, "nightli")
    with pytest.raises(UsageError) as caught:
        Clients(REGION)
    assert str(caught.value) == (
        f'Profile "nightli" is not in the AWS configuration: did you mean nightly? Correct {variable}.'
    )
    with pytest.raises(UsageError, match=r"Correct profile in runbook\.toml, or OMC_PROFILE\."):
        Clients(REGION, "night")


@pytest.mark.parametrize(
    ("url", "reason"),
    [("nonsense", "Invalid endpoint: nonsense"), ("http://127.0.0.1:99999", "Port out of range 0-65535")],
)
def test_an_endpoint_that_is_no_url_is_used_wrongly(monkeypatch: pytest.MonkeyPatch, url: str, reason: str) -> None:
    """The variable is named."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(UsageError, match=f"{reason}: set AWS_ENDPOINT_URL"):
        identify(Clients(REGION), load("staging"))


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("because no identity-based policy allows it", "the permission {} is missing"),
        (
            "with an explicit deny in an identity-based policy",
            "the permission {0} is missing, since an explicit deny in an identity-based policy forbids {0}",
        ),
        (
            "with an explicit deny in a resource-based policy",
            "the permission {0} is missing, since an explicit deny in a resource-based policy forbids {0}",
        ),
        *(
            (
                f"with an explicit deny in {policy}",
                f"the permission {{0}} is missing, since an explicit deny in {policy} forbids {{0}}",
            )
            for policy in (
                "a session policy",
                "a VPC endpoint policy",
                "a resource control policy",
                "a permissions boundary",
            )
        ),
        (
            "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/p-1",
            "the permission {0} is missing, since an explicit deny in a service control policy forbids {0}",
        ),
    ],
)
def test_a_denial_that_no_permission_overrides_is_named(reason: str, sentence: str) -> None:
    """The message names the kind of policy that denies, because no other policy overrides it."""
    action = "secretsmanager:GetSecretValue"
    message = f"User: arn:aws:iam::1:user/me is not authorized to perform: {action} {reason}"

    def call() -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "GetSecretValue")

    answer = attempt("the value", action, call)
    assert isinstance(answer, ReadFailure)
    assert answer.sentence == f"Could not read the value: AccessDeniedException; {sentence.format(action)}."


NOT_ALLOWED = "Access to KMS is not allowed"
ON_A_KEY = "User: me is not authorized to perform: {} on resource: app-KMS-secrets"


@pytest.mark.parametrize(
    ("operation", "message", "permission"),
    [
        ("GetSecretValue", NOT_ALLOWED, "kms:Decrypt"),
        ("PutSecretValue", NOT_ALLOWED, "kms:GenerateDataKey"),
        ("CreateSecret", NOT_ALLOWED, "kms:GenerateDataKey"),
        ("PutObject", NOT_ALLOWED, "kms:GenerateDataKey"),
        ("PutSecretValue", ON_A_KEY.format("secretsmanager:PutSecretValue"), "secretsmanager:PutSecretValue"),
        ("PutSecretValue", ON_A_KEY.format("kms:Decrypt"), "kms:Decrypt"),
    ],
)
def test_what_a_key_refuses_is_the_permission_that_the_call_needs(
    operation: str, message: str, permission: str
) -> None:
    """A read decrypts and a write encrypts; where AWS names the permission, that counts, and no name of a secret."""

    def call() -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, operation)

    answer = attempt("the secret", f"secretsmanager:{operation}", call)
    assert isinstance(answer, ReadFailure) and answer.permission == permission


class ShortLived(Wire):
    """A wire on which the credentials of a role last for a minute."""

    def call(self, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        answer = super().call(client, operation, parameters)
        if operation == "AssumeRole":
            answer["Credentials"]["Expiration"] = datetime.now(UTC) + timedelta(minutes=1)
        return answer


@pytest.mark.parametrize(("wire", "count"), [(Wire(), 1), (ShortLived(), 3)])
def test_a_roles_credentials_are_renewed_before_they_expire(wire: Wire, count: int) -> None:
    """Each session is named after the caller, whom the identity names too."""
    with mock_aws(), between(wire):
        role = "arn:aws:iam::210987654321:role/runbooks"
        clients = Clients(REGION, role_arn=role, external_id="partner")
        caller = identify(clients, load("staging"))
        clients("secretsmanager").list_secrets()
        clients("secretsmanager").list_secrets()
    assert wire.made("AssumeRole") == count
    assert caller.account == "210987654321"
    assert caller.arn == "arn:aws:sts::210987654321:assumed-role/runbooks/omc-runbook-moto"
    assert caller.source.endswith("user/moto")
    (request,) = {parameters for operation, parameters in wire.calls if operation == "AssumeRole"}
    assert '"ExternalId": "partner"' in request


@pytest.mark.parametrize(
    ("code", "message", "external_id", "sentence"),
    [
        ("AccessDenied", "", "", "or the role's trust policy does not allow that caller"),
        ("AccessDenied", "", "", "and external_id in runbook.toml or OMC_EXTERNAL_ID the external id, if the policy"),
        ("AccessDenied", "", "contract-4711", "that external_id in runbook.toml or OMC_EXTERNAL_ID sets"),
        (
            "AccessDenied",
            "not authorized with an explicit deny in a service control policy",
            "",
            "since an explicit deny in a service control policy forbids sts:AssumeRole. The caller is arn:",
        ),
        ("Throttling", "", "", "Throttling outlasted the retries"),
    ],
)
def test_a_role_that_cannot_be_assumed_ends_the_look(code: str, message: str, external_id: str, sentence: str) -> None:
    """Nobody could look further: the role is named, and why."""

    class Refusing(Wire):
        def call(self, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            if operation == "AssumeRole":
                raise ClientError({"Error": {"Code": code, "Message": message}}, operation)
            return super().call(client, operation, parameters)

    role = "arn:aws:iam::210987654321:role/runbooks"
    with mock_aws(), between(Refusing()), pytest.raises(CouldNotLook) as caught:
        identify(Clients(REGION, role_arn=role, external_id=external_id), load("staging"))
    assert role in str(caught.value) and sentence in str(caught.value)


def test_a_botocore_without_a_private_name_finds_credentials_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next release may call what makes the providers of a role's source profile otherwise."""
    session = botocore.session.Session()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))
    resolver = create_credential_resolver(session)
    monkeypatch.delattr(resolver.get_provider("assume-role"), "_profile_provider_builder")
    credential_process.bound(resolver)
    assert resolver.load_credentials().access_key == "testing"
