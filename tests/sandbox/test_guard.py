"""Who can use a sandbox: holders of its keys, and nobody else on the machine or in a browser."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import secrets
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from support import forked_command
from support.small_world import READ, REGION, ROLE, TRUST, Stage, policy, running, until
from support.web_server import serving

from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.sandbox import folders, lifecycle

JSON = "application/x-amz-json-1.1"
GET_VALUE = {"X-Amz-Target": "secretsmanager.GetSecretValue", "Content-Type": JSON}
BODY = b'{"SecretId": "kept"}'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CONTROL = ["/_sandbox/status", "/_sandbox/note", "/_sandbox/wire", "/moto-api/reset", "/moto-api/data.json"]


@dataclass(frozen=True)
class Answer:
    """The response to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code in either protocol."""
        if match := re.search(rb"<Code>(.*?)</Code>", self.body):
            return match[1].decode()
        return str(json.loads(self.body).get("__type", ""))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A sandbox that holds one secret."""
    with running() as small_world:
        small_world.secrets.create_secret(Name="kept", SecretString="worth-keeping")
        yield small_world


@pytest.fixture(autouse=True)
def nothing_is_lost(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test of the shared sandbox tried, the secret is still there."""
    yield
    if "stage" in request.fixturenames:
        small_world: Stage = request.getfixturevalue("stage")
        assert [secret["Name"] for secret in small_world.secrets.list_secrets()["SecretList"]] == ["kept"]


def send(
    stage: Stage, method: str = "POST", path: str = "/", body: Any = b"", version: int = 11, **headers: str | None
) -> Answer:
    """One request with these headers; one that is None is left out, and `_` stands for `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", stage.sandbox.port, timeout=10)
    if version == 10:
        connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    headers_to_send = {"Host": f"127.0.0.1:{stage.sandbox.port}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    chunked = not isinstance(body, bytes)
    headers_to_send = (
        {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    ) | headers_to_send
    for name, value in headers_to_send.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body, encode_chunked=chunked)
    with connection.getresponse() as response:
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
        )
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert b"worth-keeping" not in answer.body or response.status == 200
    return answer


def signed_headers(
    stage: Stage,
    headers: Mapping[str, str] = GET_VALUE,
    body: bytes = BODY,
    path: str = "/",
    key: Credentials | None = None,
    method: str = "POST",
) -> dict[str, str]:
    """The headers of a request signed as boto3 signs it, by the administrator unless by another."""
    own = stage.sandbox.credentials
    request = AWSRequest(method, f"{stage.sandbox.endpoint}{path}", dict(headers), body)
    signer = key or Credentials(own.access_key, own.secret_key)
    botocore.auth.SigV4Auth(signer, "secretsmanager", REGION).add_auth(request)
    return {name: str(value) for name, value in request.headers.items()}


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Let requests be signed as if it were then."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)


def test_signed_request_is_answered(stage: Stage) -> None:
    """As boto3 signs it, whole or in pieces, to either name of this machine; no answer is for a web page."""
    answer = send(stage, body=BODY, **signed_headers(stage))
    assert (answer.status, json.loads(answer.body)["SecretString"]) == (200, "worth-keeping")
    assert send(stage, body=iter([BODY[:7], BODY[7:]]), **signed_headers(stage)).status == 200
    elsewhere = Stage(lifecycle.at(f"http://localhost:{stage.sandbox.port}/"))
    headers = {"Host": f"localhost:{stage.sandbox.port}"}
    assert send(elsewhere, body=BODY, **signed_headers(stage, GET_VALUE | headers)).status == 200


def test_a_long_answer_comes_at_once(stage: Stage) -> None:
    """Its last part does not wait until the client has confirmed the first ones, which takes it 40 ms."""
    stage.secrets.create_secret(Name="long", SecretString=secrets.token_hex(10_000))
    seconds: list[float] = []
    # The first answers of a connection are confirmed at once.
    for _ in range(60):
        start = time.perf_counter()
        stage.secrets.get_secret_value(SecretId="long")
        seconds.append(time.perf_counter() - start)
    stage.secrets.delete_secret(SecretId="long", ForceDeleteWithoutRecovery=True)
    assert min(seconds[30:]) < 0.03


def test_a_connection_stays_open_while_requests_are_read_whole(stage: Stage) -> None:
    """One request after another is answered over it, a refused one too; after an unread body it is closed."""
    connection = http.client.HTTPConnection("127.0.0.1", stage.sandbox.port, timeout=10)
    connection.connect()
    opened = connection.sock
    for headers, status in ((signed_headers(stage), 200), (GET_VALUE, 403), ({"Origin": "http://page.test"}, 403)) * 2:
        connection.request("POST", "/", BODY, dict(headers))
        with connection.getresponse() as response:
            assert (response.status, response.getheader("Connection")) == (status, None)
            response.read()
        assert connection.sock is opened
    connection.request("POST", "/", iter([b"x" * 65536] * 10), GET_VALUE | {"Content-Length": str(2**40)})
    with connection.getresponse() as response:
        assert (response.status, response.getheader("Connection")) == (400, "close")
        assert "length" in json.loads(response.read())["error"]
    connection.close()


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("sts", lambda client: client.get_caller_identity()),
        ("iam", lambda client: client.list_roles()),
        ("ec2", lambda client: client.describe_vpcs(Filters=[{"Name": "tag:a b/c", "Values": ["ü & = +", "*~"]}])),
        ("logs", lambda client: client.describe_log_groups()),
        ("lambda", lambda client: client.list_functions(MaxItems=3)),
        ("lambda", lambda client: client.list_tags(Resource=f"arn:aws:lambda:{REGION}:123456789012:function:absent")),
        ("cloudwatch", lambda client: client.describe_alarms()),
    ],
)
def test_every_protocol_of_boto3_is_understood(stage: Stage, service: str, call: Any) -> None:
    """Queries, JSON, CBOR and REST, with paths and parameters that are awkward to sign."""
    try:
        call(stage.client(service))
    except ClientError as error:
        # Lambda knows no such function, which is the answer to a request that was let through.
        assert error.response["Error"]["Code"] == "ResourceNotFoundException"


def test_s3_is_understood(stage: Stage) -> None:
    """Its paths are signed as they are, and PutObject stores the object."""
    s3, name = stage.client("s3"), "a//b/../ü +.txt"
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="bucket", Key=name, Body=b"content")
    assert s3.get_object(Bucket="bucket", Key=name)["Body"].read() == b"content"
    objects = s3.list_objects_v2(Bucket="bucket", Prefix="a//b", StartAfter="a b")["Contents"]
    assert [each["Key"] for each in objects] == [name]


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (GET_VALUE, BODY, "MissingAuthenticationTokenException"),
        (FORM, b"Action=ListUsers&Version=2010-05-08", "MissingAuthenticationToken"),
        (
            FORM,
            b"Action=AssumeRoleWithWebIdentity&RoleArn=a&RoleSessionName=b&Version=2011-06-15",
            "MissingAuthenticationToken",
        ),
        ({}, b"", "MissingAuthenticationToken"),
        (GET_VALUE | {"Authorization": "Bearer secret"}, BODY, "IncompleteSignatureException"),
        (GET_VALUE | {"Authorization": "AWS4-HMAC-SHA256"}, BODY, "IncompleteSignatureException"),
        (
            FORM
            | {
                "Authorization": "AWS4-HMAC-SHA256 Credential=AKI\xc9/20260101/a/sts/aws4_request, "
                f"SignedHeaders=host, Signature={'0' * 64}"
            },
            b"",
            "IncompleteSignature",
        ),
        (FORM | {"Authorization": "AWS AKIAEXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg="}, b"", "IncompleteSignature"),
    ],
)
def test_unsigned_request_is_refused(stage: Stage, headers: dict[str, str], body: bytes, code: str) -> None:
    """Nothing reaches AWS's API without a signature."""
    before = lifecycle.ask(stage.sandbox, "GET", "calls")
    answer = send(stage, body=body, **headers)
    assert (answer.status, answer.code) == (403, code)
    assert lifecycle.ask(stage.sandbox, "GET", "calls") == before


@pytest.mark.parametrize("path", ["/latest/meta-data/", "/bucket/key", "/sts_us-east-1/x", "/", "/_sandboxes"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_no_path_is_open(stage: Stage, method: str, path: str) -> None:
    """Whatever moto would answer there."""
    assert send(stage, method, path).status == 403


def test_presigned_address_is_refused(stage: Stage) -> None:
    """A signature in the query is none: nothing of ours signs addresses."""
    url = stage.client("sts").generate_presigned_url("get_caller_identity")
    answer = send(stage, "GET", url.removeprefix(stage.sandbox.endpoint))
    assert (answer.status, answer.code) == (403, "MissingAuthenticationToken")


def test_wrong_signature_is_refused(stage: Stage) -> None:
    """Another secret key, body, path, method, action or header than the one that was signed."""
    own = stage.sandbox.credentials
    right = signed_headers(stage)
    forged = signed_headers(stage, key=Credentials(own.access_key, secrets.token_hex(20)))
    other_body = BODY.replace(b"kept", b"lost")
    broken = [
        send(stage, body=BODY, **forged),
        send(stage, body=other_body, **right),
        send(stage, body=iter([other_body]), **right),
        send(stage, path="/?a=b", body=BODY, **right),
        send(stage, path="/a", body=BODY, **right),
        send(stage, "PUT", body=BODY, **right),
        send(stage, body=BODY, **right | {"X-Amz-Target": "secretsmanager.DeleteSecret"}),
        send(stage, body=BODY, **right | {"X-Amz-Content-SHA256": hashlib.sha256(BODY).hexdigest()}),
        send(stage, body=BODY, **right | {"Host": f"localhost:{stage.sandbox.port}"}),
        send(stage, body=BODY, **right | {"Authorization": right["Authorization"].replace("secretsmanager", "kms")}),
    ]
    assert {(answer.status, answer.code) for answer in broken} == {(403, "InvalidSignatureException")}
    unsigned = signed_headers(stage, GET_VALUE | {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert send(stage, body=other_body, **unsigned).code == "InvalidSignatureException"
    assert send(stage, body=BODY, **signed_headers(stage, {**GET_VALUE, "Content-Type": JSON})).status == 200


def test_codes_are_the_services_own(stage: Stage) -> None:
    """STS, EC2 and the JSON services name the same faults differently, as at AWS."""
    stranger = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
    wrong = {"aws_secret_access_key": "sandbox"}
    for service, call, codes in [
        ("sts", "get_caller_identity", ["InvalidClientTokenId", "SignatureDoesNotMatch"]),
        ("ec2", "describe_vpcs", ["AuthFailure", "AuthFailure"]),
        ("ecs", "list_clusters", ["UnrecognizedClientException", "InvalidSignatureException"]),
        ("cloudwatch", "describe_alarms", ["UnrecognizedClientException", "InvalidSignatureException"]),
    ]:
        for credentials, code in zip((stranger, wrong), codes, strict=True):
            with pytest.raises(ClientError) as error:
                getattr(stage.client(service, **credentials), call)()
            assert error.value.response["Error"]["Code"] == code
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24])
def test_old_signature_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    """A request is good for 15 minutes."""
    at(monkeypatch, datetime.now(UTC) + timedelta(minutes=minutes))
    answer = send(stage, body=BODY, **signed_headers(stage))
    assert (answer.status, answer.code) == (403, "InvalidSignatureException")
    at(monkeypatch, datetime.now(UTC) + timedelta(minutes=minutes // abs(minutes) * 14))
    assert send(stage, body=BODY, **signed_headers(stage)).status == 200


def test_keys_of_users_and_sessions_count_while_they_are_good(stage: Stage) -> None:
    """A user's key until it is made inactive or deleted, a session's with its own token alone."""
    stage.iam.create_user(UserName="guest")
    stage.iam.put_user_policy(UserName="guest", PolicyName="read", PolicyDocument=policy(READ))
    access_key = stage.iam.create_access_key(UserName="guest")["AccessKey"]
    key = Credentials(access_key["AccessKeyId"], access_key["SecretAccessKey"])
    assert send(stage, body=BODY, **signed_headers(stage, key=key)).status == 200
    stage.iam.update_access_key(UserName="guest", AccessKeyId=key.access_key, Status="Inactive")
    assert send(stage, body=BODY, **signed_headers(stage, key=key)).code == "UnrecognizedClientException"
    stage.iam.update_access_key(UserName="guest", AccessKeyId=key.access_key, Status="Active")
    assert send(stage, body=BODY, **signed_headers(stage, key=key)).status == 200
    stage.iam.delete_access_key(UserName="guest", AccessKeyId=key.access_key)
    assert send(stage, body=BODY, **signed_headers(stage, key=key)).code == "UnrecognizedClientException"

    stage.iam.create_role(RoleName="execution", AssumeRolePolicyDocument=policy(TRUST))
    stage.iam.put_role_policy(RoleName="execution", PolicyName="read", PolicyDocument=policy(READ))
    opened = stage.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
    session = (opened["AccessKeyId"], opened["SecretAccessKey"])
    assert (
        send(stage, body=BODY, **signed_headers(stage, key=Credentials(*session, opened["SessionToken"]))).status == 200
    )
    for token in (None, "another"):
        refused = send(stage, body=BODY, **signed_headers(stage, key=Credentials(*session, token)))
        assert (refused.status, refused.code) == (403, "UnrecognizedClientException")


def test_keys_that_would_sign_nothing_are_not_given_out(stage: Stage) -> None:
    """STS says that it does not offer them."""
    sts = stage.client("sts")
    for call in (sts.get_session_token, lambda: sts.get_federation_token(Name="me")):
        with pytest.raises(ClientError, match="The sandbox does not offer sts:Get"):
            call()


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example.com",
        "rebound.example.com:{port}",
        "127.0.0.1.example.com:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "0.0.0.0:{port}",
        "localhost:{port}@example.com",
        "secretsmanager.ap-southeast-2.amazonaws.com",
        "",
        None,
    ],
)
def test_another_host_is_refused(stage: Stage, host: str | None) -> None:
    """Also with a good signature: a page whose name leads here (DNS rebinding) sends its own name."""
    host = host and host.format(port=stage.sandbox.port)
    headers = {**signed_headers(stage, GET_VALUE | {"Host": host or ""}), "Host": host}
    assert send(stage, body=BODY, **headers).status == 403
    token = folders.at(stage.sandbox.endpoint).token
    assert send(stage, "GET", "/_sandbox/status", X_Sandbox_Token=token, Host=host).status == 403
    assert send(stage, version=10, body=BODY, **headers).status == 403


def test_host_is_not_taken_from_elsewhere(stage: Stage) -> None:
    """Neither a proxy's word nor an absolute address makes another host one's own, and one's own is in any case."""
    own = f"127.0.0.1:{stage.sandbox.port}"
    foreign = {"Host": "rebound.example.com"}
    for more in ({"X-Forwarded-Host": own}, {"Forwarded": f"host={own}"}, {"X-Host": own}):
        assert send(stage, body=BODY, **signed_headers(stage, GET_VALUE | foreign) | foreign | more).status == 403
    assert send(stage, path="http://rebound.example.com/", body=BODY, **signed_headers(stage)).status == 403
    headers = GET_VALUE | {"Host": f"LOCALHOST:{stage.sandbox.port}"}
    assert send(stage, body=BODY, **signed_headers(stage, headers)).status == 200


@pytest.mark.parametrize(
    "origin", ["https://example.com", "null", "http://127.0.0.1:1", "http://localhost", "file://", ""]
)
def test_web_page_is_refused(stage: Stage, origin: str) -> None:
    """A page's requests name their origin: they are refused, signed or not, with a preflight or without."""
    assert send(stage, body=BODY, Origin=origin, **signed_headers(stage)).status == 403
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-amz-target"}
    assert send(stage, "OPTIONS", Origin=origin, **asking).status == 403
    assert send(stage, "OPTIONS", **asking).status == 403
    token = folders.at(stage.sandbox.endpoint).token
    assert send(stage, "GET", "/_sandbox/status", Origin=origin, X_Sandbox_Token=token).status == 403
    assert send(stage, body=b"", path="/moto-api/reset", Origin=origin, Content_Type="text/plain").status == 403


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        *CONTROL,
        *(
            "//moto-api/reset",
            "/MOTO-API/reset",
            "/%6doto-api/reset",
            "/moto-api//reset",
            "/moto-api/../moto-api/reset",
        ),
        *("//_sandbox/reset", "/_SANDBOX/reset", "/%5fsandbox/reset", "/_sandbox//reset", "/_sandbox", "/favicon.ico"),
    ],
)
def test_control_path_wants_the_token(stage: Stage, method: str, path: str) -> None:
    """Without the state file's token neither the sandbox's control paths nor moto's do anything, nor with another."""
    for headers in (
        {},
        {"X-Sandbox-Token": ""},
        {"X-Sandbox-Token": secrets.token_urlsafe(32)},
        {"X-Sandbox-Token": "\xe9"},
        # The administrator's own signature is no leave to empty the world either.
        signed_headers(stage, {}, b"", path=path, method=method),
    ):
        assert send(stage, method, path, **headers).status == 403


def test_state_is_the_owners_alone(stage: Stage) -> None:
    """Key and token are in a file that nobody else can read, and in nothing that is printed of a sandbox."""
    sandbox = folders.at(stage.sandbox.endpoint)
    file = sandbox.directory / "state.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sandbox.token in file.read_text()
    text = f"{sandbox} {stage.sandbox} {json.dumps(lifecycle.status(stage.sandbox))}"
    assert sandbox.token not in text and sandbox.credentials.secret_key not in text
    log = (sandbox.directory / "server.log").read_text()
    assert sandbox.token not in log and sandbox.credentials.secret_key not in log
    arguments = Path(f"/proc/{sandbox.pid}/cmdline").read_text() + Path(f"/proc/{sandbox.pid}/environ").read_text()
    assert sandbox.token not in arguments and sandbox.credentials.secret_key not in arguments


def test_motos_control_is_open_to_the_token(stage: Stage) -> None:
    """Whoever can read the state file may also look into moto."""
    token = folders.at(stage.sandbox.endpoint).token
    assert send(stage, "GET", "/moto-api/data.json", X_Sandbox_Token=token).status == 200


def test_two_sandboxes_have_keys_of_their_own(stage: Stage) -> None:
    """One's credentials and token open nothing of another."""
    with running() as other:
        assert other.sandbox.credentials != stage.sandbox.credentials
        own = stage.sandbox.credentials
        headers = signed_headers(other, key=Credentials(own.access_key, own.secret_key))
        assert send(other, body=BODY, **headers).code == "UnrecognizedClientException"
        token = folders.at(stage.sandbox.endpoint).token
        assert send(other, "GET", "/_sandbox/status", X_Sandbox_Token=token).status == 403


def test_body_that_is_no_body_is_refused(stage: Stage) -> None:
    """A length that is none, or more than anybody needs, is not waited for."""
    for length in ("-1", "x", str(10**12)):
        assert send(stage, **signed_headers(stage, body=b""), Content_Length=length).status == 400


# What a forged sandbox would have `down` do.


class _Forger(BaseHTTPRequestHandler):
    """Answers with the status of a sandbox that names another's process and files, and keeps the requests."""

    status: dict[str, Any]
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(f"{self.path} {self.headers}")
        body = json.dumps(self.status).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()


@dataclass(frozen=True)
class Forgery:
    """A server that says it is a sandbox, with a process and a folder that are somebody's."""

    endpoint: str
    process: subprocess.Popen[bytes]
    folder: Path
    requests: list[str]

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    def is_harmless(self) -> bool:
        """Whether the process lives and the folder has its file."""
        return self.process.poll() is None and (self.folder / "precious").exists()


@pytest.fixture
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory without other sandboxes."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def forgery(own_directory: Path) -> Iterator[Forgery]:
    """A forged sandbox that serves."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    folder = own_directory / "somebodys"
    folder.mkdir()
    (folder / "precious").touch()
    requests: list[str] = []
    handler = type("Forger", (_Forger,), {"heard": requests})
    with serving(handler) as port:
        endpoint = f"http://127.0.0.1:{port}"
        handler.status = {  # type: ignore[attr-defined]
            "endpoint": endpoint,
            "port": port,
            "pid": process.pid,
            "directory": str(folder),
            "world": "healthy",
            "broken": [],
            "tasks": [],
            "settled": True,
            "database": None,
            "drill": None,
        }
        yield Forgery(endpoint, process, folder, requests)
    process.kill()
    process.wait()


def command(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `omc-runbook sandbox` as a user does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return forked_command.run(["omc-runbook", "sandbox", *words], environment | variables, Path.cwd(), seconds=60)


@pytest.mark.parametrize(
    "words", [["down"], ["status"], ["mend"], ["break", "no-permission"], ["drill"], ["answer", "x"]]
)
def test_forged_status_is_not_believed(forgery: Forgery, own_directory: Path, words: list[str]) -> None:
    """What answers at AWS_ENDPOINT_URL is not believed: one sentence, exit 3, and no process is ended."""
    ended = command(*words, AWS_ENDPOINT_URL=forgery.endpoint, TMPDIR=str(own_directory))
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith(f"error: No sandbox of yours runs at AWS_ENDPOINT_URL ({forgery.endpoint})")
    assert ended.stderr.count("\n") == 1
    assert forgery.is_harmless()
    assert forgery.requests == []


def state(forgery: Forgery, own_directory: Path, pid: int) -> Path:
    """A directory as a sandbox's at the forger's port, with a state file that names a process."""
    directory = own_directory / f"omc-sandbox-{os.getuid()}" / str(forgery.port)
    directory.mkdir(parents=True, mode=0o700)
    directory.parent.chmod(0o700)
    credentials = {"access_key": "AKIAFORGED", "secret_key": "forged", "token": ""}
    members = {"endpoint": forgery.endpoint, "port": forgery.port, "pid": pid, "token": "x", "credentials": credentials}
    file = directory / "state.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(members | {"directory": str(forgery.folder)}))
    return file


LOCK = """import fcntl, sys, time
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)"""


@pytest.fixture
def lock(forgery: Forgery, own_directory: Path) -> Iterator[Path]:
    """A state file that somebody who is no sandbox holds, and that names the forgery's process."""
    file = state(forgery, own_directory, forgery.process.pid)
    with subprocess.Popen([sys.executable, "-c", LOCK, str(file)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"locked\n"
        yield file
        holder.kill()


def test_process_that_is_no_server_is_not_ended(forgery: Forgery, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a locked state file has no process ended that is none of a sandbox."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", forgery.endpoint)
    with pytest.raises(CouldNotLook, match=f"Process {forgery.process.pid} is not a sandbox's and was not stopped"):
        lifecycle.down()
    assert forgery.is_harmless() and lock.exists()


@pytest.mark.parametrize("pid", [0, 1, -1])
def test_state_names_one_process(forgery: Forgery, lock: Path, pid: int) -> None:
    """No number of a group of processes, nor that of the first, is a sandbox's."""
    lock.write_text(json.dumps(json.loads(lock.read_text()) | {"pid": pid}))
    with pytest.raises(UsageError):
        lifecycle.at(forgery.endpoint)
    assert folders.running() == []


@pytest.mark.parametrize("breach", ["open file", "open directory", "open root", "link to file", "link to directory"])
def test_state_that_another_could_write_is_not_believed(
    forgery: Forgery, lock: Path, monkeypatch: pytest.MonkeyPatch, breach: str
) -> None:
    """Each of root, directory and file is the user's alone and no link; else it is neither used nor removed."""
    assert lifecycle.at(forgery.endpoint).pid == forgery.process.pid
    directory = lock.parent
    if breach == "open file":
        lock.chmod(0o644)
    elif breach == "open directory":
        directory.chmod(0o755)
    elif breach == "open root":
        directory.parent.chmod(0o777)
    elif breach == "link to file":
        lock.rename(forgery.folder / "state.json")
        lock.symlink_to(forgery.folder / "state.json")
    else:
        directory.rename(forgery.folder / "directory")
        directory.symlink_to(forgery.folder / "directory")
    with pytest.raises(UsageError):
        lifecycle.at(forgery.endpoint)
    assert folders.running() == []
    assert directory.exists() and forgery.is_harmless()


def test_dead_sandbox_is_removed_and_nothing_beside_it(forgery: Forgery, own_directory: Path) -> None:
    """What its links lead to stays, and the process that has its number by now."""
    file = state(forgery, own_directory, forgery.process.pid)
    (file.parent / "link").symlink_to(forgery.folder)
    (file.parent / "database").symlink_to(forgery.folder)
    assert folders.running() == []
    assert not file.parent.exists()
    assert forgery.is_harmless()


def test_only_directories_of_sandboxes_are_removed(forgery: Forgery) -> None:
    """`release` leaves alone whatever is not where they are."""
    forgery.folder.chmod(0o700)
    folders.release(forgery.folder)
    assert forgery.is_harmless()


def test_down_ends_a_server_that_hangs(own_directory: Path) -> None:
    """One that answers nobody any more is ended by its state file all the same."""
    stage = Stage(lifecycle.up(None))
    os.kill(stage.sandbox.pid, signal.SIGSTOP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "_DOWN_SECONDS", 1.0)
        lifecycle.down(stage.sandbox)
    until(lambda: not Path(f"/proc/{stage.sandbox.pid}").exists())
    assert list(own_directory.iterdir()) == []
