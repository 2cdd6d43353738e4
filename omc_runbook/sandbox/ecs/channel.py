"""The sandbox's end of ECS Exec: Session Manager's data channels, with the agent that runs a command behind each.

The protocol is that of https://github.com/aws/amazon-ssm-agent (agent/session/datachannel).
"""

import contextlib
import hmac
import json
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from omc_runbook.aws.message import ACKNOWLEDGE, CLOSED, INPUT, OUTPUT, Kind, Message, decode, encode
from omc_runbook.aws.stream import RESEND_SECONDS, Stream
from omc_runbook.sandbox.admission import objection
from omc_runbook.sandbox.ecs.container import NotStarted, RunningContainer, TerminalProcess

_AGENT_VERSION = "3.3.0.0"
_SESSION_TYPE = "InteractiveCommands"
_SESSION_SECONDS = 60.0
_LAST_ACKNOWLEDGEMENT_SECONDS = 0.02
_PIECE = 1024
_WINDOW = 64
_POLICY_VIOLATION = 1008
_SUCCESS = 1


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session that ECS opened, good for one client that has its token."""

    id: str
    token: str = field(repr=False)
    url: str
    container: RunningContainer
    command: str = field(repr=False)
    until: float


class Channels:
    """The WebSocket server that clients meet their sessions at, and the sessions that wait for theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Session] = {}
        self._running: set[TerminalProcess] = set()
        self._directory: Path | None = None
        self._server: Server | None = None

    def start(self, directory: Path) -> None:
        """Serve on a free port of 127.0.0.1; what a command needs on disk while it runs is kept in the directory."""
        self._directory = directory
        self._server = serve(self._serve, "127.0.0.1", 0, process_request=_admit, compression=None, ping_interval=None)
        threading.Thread(target=self._server.serve_forever, name="data-channels", daemon=True).start()

    def open(self, container: RunningContainer, command: str) -> Session:
        """A new session that runs a command when its client comes, within a minute."""
        assert self._server is not None, "the data channels were not started"
        now = time.monotonic()
        name = f"ecs-execute-command-{secrets.token_hex(8)}"
        port = self._server.socket.getsockname()[1]
        url = f"ws://127.0.0.1:{port}/v1/data-channel/{name}?role=publish_subscribe"
        session = Session(
            id=name,
            token=secrets.token_urlsafe(48),
            url=url,
            container=container,
            command=command,
            until=now + _SESSION_SECONDS,
        )
        with self._lock:
            self._waiting = {key: held for key, held in self._waiting.items() if held.until > now}
            self._waiting[name] = session
        return session

    def end(self) -> None:
        """Take no more clients, and end every command."""
        if self._server is not None:
            self._server.shutdown()
        with self._lock:
            for process in self._running:
                process.kill()

    def _serve(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            session = self._claim(connection)
            if session is None:
                connection.close(_POLICY_VIOLATION, "the session is unknown, over, or not the token's")
                return
            said = self._run(_Agent(connection, session), session)
            connection.send(_closed(session, said))

    def _claim(self, connection: ServerConnection) -> Session | None:
        assert connection.request is not None
        name = urlsplit(connection.request.path).path.rpartition("/")[2]
        raw = connection.recv(timeout=_SESSION_SECONDS)
        try:
            token = str(json.loads(raw)["TokenValue"])
        except (ValueError, LookupError, TypeError):
            return None
        with self._lock:
            session = self._waiting.get(name)
            if (
                session is None
                or session.until < time.monotonic()
                or not hmac.compare_digest(session.token.encode(), token.encode())
            ):
                return None
            return self._waiting.pop(name)

    def _run(self, agent: "_Agent", session: Session) -> str:
        """Run the command through; gives what is wrong with the session, "" where it ended as it should."""
        assert self._directory is not None
        refused = agent.shake_hands()
        if refused:
            return refused
        try:
            with session.container.run(session.command, self._directory) as process:
                with self._lock:
                    self._running.add(process)
                try:
                    agent.pass_on(process)
                finally:
                    with self._lock:
                        self._running.discard(process)
        except NotStarted as error:
            return str(error)
        return ""


class _Agent:
    """The agent's end of one channel, which is its client's to leave at any time (ConnectionClosed)."""

    def __init__(self, connection: ServerConnection, session: Session) -> None:
        self._connection = connection
        self._stream = Stream(OUTPUT, connection.send)
        self._end = time.monotonic() + _SESSION_SECONDS

    def shake_hands(self) -> str:
        """Tell the client what kind of session it is; gives why that failed, or ""."""
        begun = time.time_ns()
        action = {
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": _SESSION_TYPE, "Properties": None},
        }
        request = {"AgentVersion": _AGENT_VERSION, "RequestedClientActions": [action]}
        self._stream.send(Kind.HANDSHAKE_REQUEST, json.dumps(request).encode())
        while time.monotonic() < self._end:
            for message in self._hear(RESEND_SECONDS):
                if message.kind == Kind.HANDSHAKE_RESPONSE:
                    for done in json.loads(message.payload)["ProcessedClientActions"]:
                        if done["ActionStatus"] != _SUCCESS:
                            return f"{done['ActionType']} failed on client with status {done['ActionStatus']}"
                    complete = {"HandshakeTimeToComplete": time.time_ns() - begun, "CustomerMessage": ""}
                    self._stream.send(Kind.HANDSHAKE_COMPLETE, json.dumps(complete).encode())
                    return ""
        return "Handshake timed out."

    def pass_on(self, process: TerminalProcess) -> None:
        """Send what the command writes, and type what the client sends, until all is written and acknowledged."""
        ended = threading.Event()
        pump = threading.Thread(target=self._pump, args=(process, ended), daemon=True)
        pump.start()
        try:
            while time.monotonic() < self._end and not (ended.is_set() and not self._stream.unacknowledged):
                for message in self._hear(_LAST_ACKNOWLEDGEMENT_SECONDS):
                    if message.kind == Kind.OUTPUT:
                        process.write(message.payload)
                    elif message.kind == Kind.SIZE:
                        size = json.loads(message.payload)
                        process.resize(int(size["cols"]), int(size["rows"]))
        finally:
            # Before the terminal is closed: its number would soon be another's.
            process.kill()
            ended.wait(1)

    def _pump(self, process: TerminalProcess, ended: threading.Event) -> None:
        with contextlib.suppress(ConnectionClosed):
            while piece := process.read(_PIECE):
                self._stream.send(Kind.OUTPUT, piece)
                while self._stream.unacknowledged > _WINDOW and time.monotonic() < self._end:
                    time.sleep(0.001)
        ended.set()

    def _hear(self, seconds: float) -> list[Message]:
        """What comes next in order of the client's own stream, if anything comes in time."""
        self._stream.resend()
        try:
            raw = self._connection.recv(timeout=seconds)
            message = decode(raw if isinstance(raw, bytes) else raw.encode())
        except (TimeoutError, ValueError):
            return []
        if message.type == ACKNOWLEDGE:
            self._stream.acknowledge(message)
        return self._stream.receive(message) if message.type == INPUT else []


def _admit(connection: ServerConnection, request: Request) -> Response | None:
    """Refuse what a web page opens: a browser lets it open a WebSocket anywhere, CORS or not."""
    host, origin = (request.headers.get_all(name) for name in ("Host", "Origin"))
    reason = objection("GET", ",".join(host), ",".join(origin) if origin else None, connection.local_address[1])
    return connection.respond(HTTPStatus.FORBIDDEN, f"{reason}\n") if reason else None


def _closed(session: Session, said: str) -> bytes:
    content = {
        "MessageId": str(uuid.uuid4()),
        "CreatedDate": str(time.time_ns() // 1_000_000),
        "DestinationId": "",
        "SessionId": session.id,
        "MessageType": CLOSED,
        "SchemaVersion": 1,
        "Output": said,
    }
    return encode(Message(type=CLOSED, sequence=0, payload=json.dumps(content).encode()))


CHANNELS = Channels()
