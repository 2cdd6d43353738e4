"""ECS Exec: the binary message, both ends of a session's channel, and commands in the sandbox's tasks."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import secrets
import shutil
import stat
import struct
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_world import CLUSTER, ROLE, Stage, environment_of, policy, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from omc_runbook.aws import channel, execute
from omc_runbook.aws.execute import ExecFailure
from omc_runbook.aws.message import ACKNOWLEDGE, CLOSED, INPUT, OUTPUT, Kind, Message, decode, encode
from omc_runbook.aws.stream import Stream
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.ecs.container import NotStarted, RunningContainer, split
from omc_runbook.sandbox.lifecycle import Sandbox

PLUGIN = shutil.which("session-manager-plugin") or ""
GOODBYE = Message(type=CLOSED, sequence=0, payload=b'{"Output": ""}')

Handler = Callable[[ServerConnection], None]


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """A WebSocket server for as long as the block lasts; its address."""
    with serve(handler, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v1/data-channel/session"
        server.shutdown()


def receive(connection: ServerConnection, kind: str) -> Message:
    """The next message of a type."""
    while True:
        raw = connection.recv(timeout=5)
        assert isinstance(raw, bytes)
        message = decode(raw)
        if message.type == kind:
            return message


def acknowledged(message: Message) -> int:
    return int(json.loads(message.payload)["AcknowledgedMessageSequenceNumber"])


def output(sequence: int, text: str) -> bytes:
    return encode(Message(type=OUTPUT, sequence=sequence, payload=text.encode(), kind=Kind.OUTPUT))


def handshake(*actions: str) -> bytes:
    actions_requested = [{"ActionType": action, "ActionParameters": {}} for action in actions]
    content = {"AgentVersion": "3.0.0.0", "RequestedClientActions": actions_requested}
    return encode(Message(type=OUTPUT, sequence=0, payload=json.dumps(content).encode(), kind=Kind.HANDSHAKE_REQUEST))


def test_message_lies_where_the_plugin_looks_for_it() -> None:
    """Each field has its place: big-endian numbers, a padded type, the id's second half first, a digest."""
    key = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
    raw = encode(
        Message(type=INPUT, sequence=7, payload=b"payload", kind=Kind.SIZE, flags=3, id=key, created=1_700_000_000_123)
    )
    assert struct.unpack_from(">I", raw, 0) == (116,)
    assert raw[4:36] == b"input_stream_data" + 15 * b" "
    assert struct.unpack_from(">IQqQ", raw, 36) == (1, 1_700_000_000_123, 7, 3)
    assert raw[64:80] == bytes.fromhex("8899aabbccddeeff0011223344556677")
    assert raw[80:112] == hashlib.sha256(b"payload").digest()
    assert struct.unpack_from(">II", raw, 112) == (3, 7)
    assert raw[120:] == b"payload"


@given(
    st.sampled_from([INPUT, OUTPUT, ACKNOWLEDGE, CLOSED]),
    st.integers(0, 2**63 - 1),
    st.binary(max_size=2000),
    st.integers(0, 12),
    st.uuids(),
)
def test_message_comes_back_as_it_went(name: str, number: int, payload: bytes, kind: int, key: uuid.UUID) -> None:
    """Decoding gives what was encoded."""
    message = Message(type=name, sequence=number, payload=payload, kind=kind, flags=1, id=key)
    assert decode(encode(message)) == message


@given(st.integers(0, 126))
def test_damaged_message_is_refused(offset: int) -> None:
    """A payload that is not what the digest says is no message, nor is one cut short."""
    raw = bytearray(encode(Message(type=OUTPUT, sequence=0, payload=b"payload", kind=Kind.OUTPUT)))
    with pytest.raises(ValueError):
        decode(bytes(raw[:offset]))
    if 80 <= offset < 112 or offset >= 120:
        raw[offset] ^= 1
        with pytest.raises(ValueError, match="digest"):
            decode(bytes(raw))


def test_stream_sends_again_until_it_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest message that nobody acknowledged is sent again, and no other."""
    messages: list[Message] = []
    stream = Stream(INPUT, lambda raw: messages.append(decode(raw)))
    monkeypatch.setattr("omc_runbook.aws.stream.RESEND_SECONDS", 0.0)
    stream.send(Kind.OUTPUT, b"a")
    stream.send(Kind.OUTPUT, b"b")
    stream.resend()
    stream.acknowledge(Message(type=ACKNOWLEDGE, sequence=0, payload=b'{"AcknowledgedMessageSequenceNumber": 0}'))
    stream.resend()
    stream.acknowledge(Message(type=ACKNOWLEDGE, sequence=0, payload=b"nonsense"))
    stream.acknowledge(Message(type=ACKNOWLEDGE, sequence=0, payload=b'{"AcknowledgedMessageSequenceNumber": 1}'))
    stream.resend()
    assert [message.sequence for message in messages] == [0, 1, 0, 1]
    assert messages[0] == messages[2]
    assert stream.unacknowledged == 0


def test_session_opens_with_its_token_and_shakes_hands() -> None:
    """The token is in the first message, which is text; the handshake is answered, repeated until acknowledged."""
    token, received = secrets.token_hex(16), dict[str, Any]()

    def agent(connection: ServerConnection) -> None:
        received["opening"] = json.loads(connection.recv(timeout=5))
        connection.send(handshake("SessionType"))
        first, again = receive(connection, INPUT), receive(connection, INPUT)
        received["answers"] = first, again
        connection.send(
            encode(Message(type=ACKNOWLEDGE, sequence=0, payload=b'{"AcknowledgedMessageSequenceNumber": 0}'))
        )
        connection.send(encode(Message(type=OUTPUT, sequence=1, payload=b"{}", kind=Kind.HANDSHAKE_COMPLETE)))
        connection.send(output(2, "done\r\n"))
        connection.send(encode(GOODBYE))

    with serving(agent) as url:
        assert channel.read_output(url, token, {}, 5) == ("done\r\n", "")
    opening = received["opening"]
    assert opening.keys() == {"MessageSchemaVersion", "RequestId", "TokenValue", "ClientId", "ClientVersion"}
    assert opening["TokenValue"] == token
    assert opening["MessageSchemaVersion"] == "1.0"
    first, again = received["answers"]
    assert (first.kind, first.sequence) == (Kind.HANDSHAKE_RESPONSE, 0)
    assert first == again
    (action,) = json.loads(first.payload)["ProcessedClientActions"]
    assert (action["ActionType"], action["ActionStatus"]) == ("SessionType", 1)


def test_output_is_put_in_order_and_each_piece_acknowledged() -> None:
    """Pieces come early, twice or damaged; the output of an agent without a handshake is read as well."""
    numbers: list[int] = []

    def agent(connection: ServerConnection) -> None:
        connection.recv(timeout=5)
        damaged = bytearray(output(1, "b"))
        damaged[-1] ^= 1
        pieces = [output(0, "a"), output(2, "c"), bytes(damaged), output(0, "a"), output(1, "b"), output(2, "c")]
        for piece in pieces:
            connection.send(piece)
        numbers.extend(acknowledged(receive(connection, ACKNOWLEDGE)) for _ in range(len(pieces) - 1))
        connection.send(encode(Message(type="pause_publication", sequence=0, payload=b"")))
        connection.send(encode(GOODBYE))

    with serving(agent) as url:
        assert channel.read_output(url, "token", {}, 5) == ("abc", "")
    assert numbers == [0, 2, 0, 1, 2]


def test_encrypted_session_needs_the_plugin() -> None:
    """The agent gets "unsupported" for encryption with a KMS key, and the caller an ExecFailure that names it."""
    answers: list[Any] = []

    def agent(connection: ServerConnection) -> None:
        connection.recv(timeout=5)
        connection.send(handshake("KMSEncryption", "SessionType"))
        answers.extend(json.loads(receive(connection, INPUT).payload)["ProcessedClientActions"])

    with serving(agent) as url:
        failure = execute.run(Ecs(url), "cluster", "task", "main", "true", seconds=5)
    assert isinstance(failure, ExecFailure)
    assert failure.kind == "session"
    assert "KMSEncryption" in failure.message and "session-manager-plugin" in failure.message
    assert [(action["ActionType"], action["ActionStatus"]) for action in answers] == [
        ("KMSEncryption", 3),
        ("SessionType", 1),
    ]


def test_failures_of_a_session_are_told_apart() -> None:
    """A silent agent, an early end, a goodbye with an error, a refusal and an address that nobody is at."""
    token = "token"

    def silent(connection: ServerConnection) -> None:
        connection.recv(timeout=5)
        assert receive(connection, INPUT).payload == b"\x03"

    def early(connection: ServerConnection) -> None:
        connection.recv(timeout=5)

    def sorry(connection: ServerConnection) -> None:
        connection.recv(timeout=5)
        connection.send(
            encode(
                Message(
                    type=CLOSED, sequence=0, payload=b'{"Output": "Plugin with name InteractiveCommands not found."}'
                )
            )
        )

    results = {}
    for agent in (silent, early, sorry):
        with serving(agent) as url:
            results[agent.__name__] = execute.run(Ecs(url, token), "cluster", "task", "main", "true", seconds=0.5)
    results["nobody"] = execute.run(Ecs(url, token), "cluster", "task", "main", "true", seconds=2)
    with serve(silent, "127.0.0.1", 0, process_request=lambda c, _: c.respond(403, "no")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        results["forbidden"] = execute.run(Ecs(url, token), "cluster", "task", "main", "true", seconds=2)
    refused = {name: answer for name, answer in results.items() if isinstance(answer, ExecFailure)}
    assert {name: answer.kind for name, answer in refused.items()} == {
        "silent": "timeout",
        "early": "session",
        "sorry": "session",
        "nobody": "network",
        "forbidden": "denied",
    }
    assert refused["forbidden"].permission == "ssmmessages:OpenDataChannel"
    assert "InteractiveCommands" in refused["sorry"].message


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sh -c 'a \"b\" \\n'", ["sh", "-c", 'a "b" \\n']),
        ("sh -c \"a 'b' \\n \\$X\"", ["sh", "-c", "a 'b' n $X"]),
        ("a'b'\"c\"\\ d  e\t''", ["abc d", "e", ""]),
        ("a#b # comment", ["a#b"]),
        ("", []),
    ],
)
def test_words_are_split_as_the_agent_splits_them(command: str, words: list[str]) -> None:
    """A backslash goes even between double quotes; single quotes keep everything."""
    assert split(command) == words


def test_open_quote_is_told_as_the_agent_tells_it() -> None:
    """What cannot be split is not started."""
    with pytest.raises(NotStarted, match="EOF found when expecting closing quote"):
        split("sh -c 'a")


def test_container_without_programs_starts_nothing(tmp_path: Path) -> None:
    """The words are those of the agent, and nothing is left behind."""
    container = RunningContainer({}, None, has_programs=False)
    missing = r'^Unable to start command: Failed to start pty: exec: "sh": executable file not found in \$PATH$'
    with pytest.raises(NotStarted, match=missing), container.run("sh -c true", tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


class Ecs:
    """A client of ECS whose sessions lead to an address of the test's."""

    def __init__(self, url: str, token: str = "token") -> None:
        self._session = {"sessionId": "session", "streamUrl": f"{url}?X-Amz-Signature=0", "tokenValue": token}

    def execute_command(self, **_: Any) -> Any:
        return {"session": self._session}


@pytest.fixture(scope="module")
def stage(empty_sandbox: Sandbox) -> Stage:
    """A sandbox with one task that has ECS Exec, one that has not, and one without a shell."""
    small_world = Stage(empty_sandbox)
    arn = small_world.build("off")
    channels = [f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")]
    allowed = policy({"Effect": "Allow", "Action": channels, "Resource": "*"})
    small_world.iam.put_role_policy(RoleName="execution", PolicyName="exec", PolicyDocument=allowed)
    for name, words in (("app", []), ("bare", ["--sandbox-no-shell"])):
        small_world.define(name, arn, command=words)
        containers = small_world.ecs.describe_task_definition(taskDefinition=name)["taskDefinition"][
            "containerDefinitions"
        ]
        small_world.ecs.register_task_definition(
            family=name, executionRoleArn=ROLE, taskRoleArn=ROLE, containerDefinitions=containers
        )
        small_world.ecs.create_service(
            cluster=CLUSTER, serviceName=name, taskDefinition=name, desiredCount=1, enableExecuteCommand=True
        )
    for name in ("app", "off", "bare"):
        small_world.steady(name)
    return small_world


def run(stage: Stage, command: str, service: str = "app", **more: Any) -> str | ExecFailure:
    """Run a command in the one task of a service."""
    (task,) = stage.processes(service)
    return execute.run(more.pop("client", stage.ecs), CLUSTER, task["task"], "main", command, **more)


def test_command_runs_in_the_containers_own_place(stage: Stage) -> None:
    """It has the container's environment, starts in /, finds 1 to be the application, and leaves nothing."""
    (task,) = stage.processes()
    script = 'pwd; ls /proc/; printf "%s" "$OPENAI_API_KEY" | sha256sum; tr "\\0" "\\n" < /proc/1/environ | sha256sum'
    text = run(stage, f"sh -c '{script}'")
    assert isinstance(text, str)
    where, listing, value_digest, environment_digest = text.splitlines()
    variables = environment_of(task["pid"])
    assert where == "/"
    assert {"1", "self"} <= set(listing.split())
    assert str(os.getpid()) not in listing.split()
    assert value_digest.split()[0] == hashlib.sha256(variables["OPENAI_API_KEY"].encode()).hexdigest()
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    assert environment_digest.split()[0] == hashlib.sha256(lines.encode()).hexdigest()
    assert list(Path(lifecycle.status(stage.sandbox)["directory"]).glob("proc-*")) == []


def test_long_output_comes_whole_and_a_run_is_quick(stage: Stage) -> None:
    """200 KB of output are read to the last byte; a command that writes a word takes less than half a second."""
    text = run(stage, "seq 1 40000")
    assert text == "".join(f"{number}\n" for number in range(1, 40001))
    seconds = []
    # Beside other work on the machine, some have to wait for it.
    while min(seconds, default=1) >= 0.5 and len(seconds) < 30:
        start = time.monotonic()
        assert run(stage, "echo word") == "word\n"
        seconds.append(time.monotonic() - start)
    assert min(seconds) < 0.5


def test_failing_command_is_heard_all_the_same(stage: Stage) -> None:
    """What it wrote to either stream before it failed is its output."""
    assert run(stage, "sh -c 'echo out; echo err >&2; exit 3'") == "out\nerr\n"


def test_missing_programs_are_told(stage: Stage) -> None:
    """Neither a container without programs nor a path that leads nowhere has a shell."""
    for failure in (run(stage, "sh -c true", "bare"), run(stage, "/no/such/sh -c true"), run(stage, "no-such-sh")):
        assert isinstance(failure, ExecFailure)
        assert failure.kind == "no-shell"


def test_refusals_of_ecs_are_told_apart(stage: Stage) -> None:
    """ECS Exec off, and a caller who may not."""
    failure = run(stage, "true", "off")
    assert isinstance(failure, ExecFailure) and failure.kind == "off"
    name = f"user-{secrets.token_hex(4)}"
    stage.iam.create_user(UserName=name)
    allowed = policy({"Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"})
    stage.iam.put_user_policy(UserName=name, PolicyName="look", PolicyDocument=allowed)
    key = stage.iam.create_access_key(UserName=name)["AccessKey"]
    client = stage.client("ecs", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    failure = run(stage, "true", client=client)
    assert isinstance(failure, ExecFailure)
    assert (failure.kind, failure.permission) == ("denied", "ecs:ExecuteCommand")


def command_line(process: Path) -> bytes:
    """A process's command line; empty where it has ended or is another user's."""
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_command_that_takes_too_long_is_ended(stage: Stage) -> None:
    """It is refused in time, and its process does not go on."""
    mark = f"6{secrets.randbelow(10**8):08}"
    start = time.monotonic()
    failure = run(stage, f"sleep {mark}", seconds=0.5)
    assert time.monotonic() - start < 120
    assert isinstance(failure, ExecFailure) and failure.kind == "timeout"

    def runs() -> bool:
        return f"sleep\0{mark}\0".encode() in set(map(command_line, Path("/proc").glob("[0-9]*")))

    until(lambda: not runs())


def session_of(stage: Stage, command: str) -> Any:
    (task,) = stage.processes()
    parameters = {"cluster": CLUSTER, "task": task["task"], "container": "main", "interactive": True}
    return stage.ecs.execute_command(command=command, **parameters)["session"]


def test_session_is_good_once_and_for_its_token_alone(stage: Stage) -> None:
    """Another token is turned away and spends nothing; the right one is taken once."""
    session = session_of(stage, "echo once")
    url, token = session["streamUrl"], session["tokenValue"]
    with pytest.raises(channel.ChannelFailed):
        channel.read_output(url, secrets.token_hex(8), {}, 5)
    assert channel.read_output(url, token, {}, 5) == ("once\r\n", "")
    with pytest.raises(channel.ChannelFailed):
        channel.read_output(url, token, {}, 5)


def test_trail_keeps_no_command(stage: Stage) -> None:
    """CloudTrail tells that a command was run, and where, not which."""
    mark = secrets.token_hex(8)
    assert run(stage, f"echo {mark}") == f"{mark}\n"
    lookup_attributes = [{"AttributeKey": "EventName", "AttributeValue": "ExecuteCommand"}]
    events = stage.client("cloudtrail").lookup_events(LookupAttributes=lookup_attributes)["Events"]
    (task,) = stage.processes()
    assert task["task"] in events[0]["CloudTrailEvent"]
    assert mark not in str(events)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Host": "rebound.example.com"},
        {"Host": "localhost"},
        {"Host": "rebound.example.com", "X-Forwarded-Host": "127.0.0.1"},
    ],
)
def test_web_page_opens_no_session(stage: Stage, headers: dict[str, str]) -> None:
    """A page gets no connection, whatever it knows, and spends nothing."""
    session = session_of(stage, "echo once")
    url = urlsplit(session["streamUrl"])
    headers_to_send = {
        "Host": url.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
    } | headers
    opening = http.client.HTTPConnection(url.netloc, timeout=5)
    opening.putrequest("GET", f"{url.path}?{url.query}", skip_host=True)
    for name, value in (headers_to_send | {"Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode()}).items():
        opening.putheader(name, value)
    opening.endheaders()
    answer = opening.getresponse()
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (403, None)
    opening.close()
    assert channel.read_output(session["streamUrl"], session["tokenValue"], {}, 5) == ("once\r\n", "")


@pytest.mark.parametrize("opening", ["", "[]", '{"TokenValue": null}', '{"TokenValue": "\u00e9"}', "\xff"])
def test_session_wants_its_token_first(stage: Stage, opening: str) -> None:
    """Nothing else is taken for it, and the connection is closed for good."""
    session = session_of(stage, "echo once")
    with connect(session["streamUrl"], compression=None, proxy=None) as connection:
        connection.send(opening)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
    assert channel.read_output(session["streamUrl"], session["tokenValue"], {}, 5) == ("once\r\n", "")


def test_proxy_never_stands_between_the_client_and_this_machine(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the environment names is left out on the way to a session on this machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert run(stage, "echo here") == "here\n"


def test_many_commands_run_at_once(stage: Stage) -> None:
    """Runs do not get into each other's way."""
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(lambda number: run(stage, f"echo {number}"), range(16)))
    assert outputs == [f"{number}\n" for number in range(16)]


def test_traffic_holds_no_value_where_only_digests_are_written(stage: Stage) -> None:
    """Every frame of both directions, recorded on its way."""
    frames: list[bytes] = []
    session = session_of(stage, "sh -c 'printf %s \"$POSTGRES_PASSWORD\" | sha256sum; wc -c < /proc/1/environ'")

    def proxy(connection: ServerConnection) -> None:
        with connect(session["streamUrl"], compression=None, proxy=None) as beyond:

            def forth() -> None:
                for frame in connection:
                    frames.append(frame if isinstance(frame, bytes) else frame.encode())
                    beyond.send(frame)

            thread = threading.Thread(target=forth, daemon=True)
            thread.start()
            for frame in beyond:
                frames.append(frame if isinstance(frame, bytes) else frame.encode())
                connection.send(frame)
            connection.close()
            thread.join(5)

    with serving(proxy) as url:
        text, _ = channel.read_output(url, session["tokenValue"], {}, 5)
    (task,) = stage.processes()
    variables = environment_of(task["pid"])
    traffic = b"".join(frames)
    digest = hashlib.sha256(variables["POSTGRES_PASSWORD"].encode()).hexdigest()
    assert digest in text
    assert digest.encode() in traffic
    values = [variables["POSTGRES_PASSWORD"], variables["OPENAI_API_KEY"]]
    assert not [value for value in values if value.encode() in traffic]
    log = (Path(lifecycle.status(stage.sandbox)["directory"]) / "server.log").read_text()
    assert not [value for value in (*values, session["tokenValue"]) if value in log]


def test_client_like_the_plugin_hears_everything(stage: Stage) -> None:
    """The plugin acknowledges nothing before it is ready, and nothing twice: what it missed is sent again."""
    session = session_of(stage, "seq 1 500")
    messages: dict[int, Message] = {}
    with connect(session["streamUrl"], compression=None, proxy=None) as connection:
        connection.send(json.dumps({"TokenValue": session["tokenValue"]}))
        stream, dropped = Stream(INPUT, connection.send), False
        while True:
            raw = connection.recv(timeout=5)
            assert isinstance(raw, bytes)
            message = decode(raw)
            if message.type == CLOSED:
                break
            if message.type != OUTPUT or message.sequence in messages:
                continue
            if message.kind == Kind.OUTPUT and not dropped:
                dropped = True
                continue
            messages[message.sequence] = message
            stream.receive(message)
            if message.kind == Kind.HANDSHAKE_REQUEST:
                processed = [{"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""}]
                answer = {"ClientVersion": "1.2.764.0", "ProcessedClientActions": processed, "Errors": None}
                stream.send(Kind.HANDSHAKE_RESPONSE, json.dumps(answer).encode())
                stream.send(Kind.SIZE, b'{"cols": 300, "rows": 100}')
    text = b"".join(messages[number].payload for number in sorted(messages) if messages[number].kind == Kind.OUTPUT)
    assert text.decode() == "".join(f"{number}\r\n" for number in range(1, 501))
    assert sorted(messages) == list(range(len(messages)))


STAND_IN = """#!{python}
import json, os, sys
if sys.argv[1:] == ["--version"]:
    print("{version}")
    sys.exit()
sys.path.insert(0, {root!r})
from omc_runbook.aws import channel
session = json.loads(os.environ[sys.argv[1]])
with open({record!r}, "w") as record:
    json.dump(sys.argv, record)
print("\\nStarting session with SessionId: " + session["SessionId"])
written, words = channel.read_output(session["StreamUrl"], session["TokenValue"], {{}}, 20)
print(written, end="")
goodbye = "SessionId: %s : %s" if words else "Exiting session with sessionId: %s%s."
print("\\n\\n" + goodbye % (session["SessionId"], words) + "\\n")
"""


def stand_in(folder: Path, version: str) -> tuple[Path, Path]:
    """A program with the plugin's arguments and output, and the file to which it writes its arguments."""
    path, record = folder / f"plugin-{version}", folder / f"arguments-{version}"
    root = str(Path(execute.__file__).parents[2])
    path.write_text(STAND_IN.format(python=sys.executable, version=version, root=root, record=str(record)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path, record


def test_plugin_is_given_no_token_as_an_argument(stage: Stage, tmp_path: Path) -> None:
    """A plugin that takes the session from its environment is run; an older one is left alone."""
    path, record = stand_in(tmp_path, "1.2.764.0")
    assert run(stage, "echo plugin", plugin=str(path)) == "plugin\n"
    (task,) = stage.processes()
    described = stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[task["task"]])["tasks"][0]["containers"][0]
    _, variable, region, operation, profile, target, endpoint = json.loads(record.read_text())
    assert variable == "AWS_SSM_START_SESSION_RESPONSE"
    assert (region, operation, profile) == (stage.ecs.meta.region_name, "StartSession", "")
    assert json.loads(target) == {"Target": f"ecs:{CLUSTER}_{task['task']}_{described['runtimeId']}"}
    assert endpoint == stage.sandbox.endpoint
    old, untouched = stand_in(tmp_path, "1.2.497.0")
    assert run(stage, "echo own", plugin=str(old)) == "own\n"
    assert not untouched.exists()


def test_plugins_own_words_are_told_apart_from_the_commands(stage: Stage, tmp_path: Path) -> None:
    """The agent's last words, and a command that takes too long, come through the plugin as through our client."""
    path, _ = stand_in(tmp_path, "1.2.765.0")
    missing = run(stage, "no-such-sh", plugin=str(path))
    assert isinstance(missing, ExecFailure) and missing.kind == "no-shell"
    late = run(stage, "sleep 60", plugin=str(path), seconds=1)
    assert isinstance(late, ExecFailure) and late.kind == "timeout"


@pytest.mark.skipif(not PLUGIN, reason="session-manager-plugin is not on PATH; AWS gives it out, no registry does")
def test_real_plugin_and_our_client_hear_the_same(stage: Stage) -> None:
    """The real plugin works against the sandbox."""
    for command in ("echo word", "seq 1 2000", "sh -c 'exit 3'", "no-such-sh"):
        assert run(stage, command, plugin=PLUGIN) == run(stage, command)


def test_nothing_secret_is_shown_by_what_is_held() -> None:
    """The repr of a message and of a container has no value."""
    value = secrets.token_hex(16)
    text = repr(Message(type=OUTPUT, sequence=0, payload=value.encode())) + repr(RunningContainer({"KEY": value}, None))
    assert value not in text
