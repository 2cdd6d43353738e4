"""The sandbox's end of ECS Exec: Session Manager's data channels, each with an agent that runs a command.

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
from omc_runbook.sandbox.admission import rejection
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
    """A session that ECS opened, for one client with its token."""

    id: str
    token: str = field(repr=False)
    url: str
    container: RunningContainer
    command: str = field(repr=False)
    expires: float


class Channels:
    """The WebSocket server for clients, and the sessions that wait for theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Session] = {}
        self._running: set[TerminalProcess] = set()
        self._directory: Path | None = None
        self._server: Server | None = None

    def start(self, directory: Path) -> None:
        """Serve on a free port of 127.0.0.1; commands keep their temporary files in `directory`."""
        self._directory = directory
        self._server = serve(self._serve, "127.0.0.1", 0, process_request=_admit, compression=None, ping_interval=None)
        threading.Thread(target=self._server.serve_forever, name="data-channels", daemon=True).start()

    def open(self, container: RunningContainer, command: str) -> Session:
        """Open a session that runs a command when its client connects, within a minute."""
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
            expires=now + _SESSION_SECONDS,
        )
        with self._lock:
            self._waiting = {key: other for key, other in self._waiting.items() if other.expires > now}
            self._waiting[name] = session
        return session

    def end(self) -> None:
        """Accept no more clients, and end every command."""
        if self._server is not None:
            self._server.shutdown()
        with self._lock:
            for process in self._running:
                process.kill()

    def _serve(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            session = self._claim(connection)
            if session is None:
                connection.close(_POLICY_VIOLATION, "the session is unknown or over, or has another token")
                return
            error = self._run(_Agent(connection), session)
            connection.send(_close_message(session, error))

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
                or session.expires < time.monotonic()
                or not hmac.compare_digest(session.token.encode(), token.encode())
            ):
                return None
            return self._waiting.pop(name)

    def _run(self, agent: "_Agent", session: Session) -> str:
        """Run the command to its end; returns the session's error, or ""."""
        assert self._directory is not None
        if error := agent.shake_hands():
            return error
        try:
            with session.container.run(session.command, self._directory) as process:
                with self._lock:
                    self._running.add(process)
                try:
                    agent.relay(process)
                finally:
                    with self._lock:
                        self._running.discard(process)
        except NotStarted as failure:
            return str(failure)
        return ""


class _Agent:
    """The agent's end of one channel; its client can leave at any time (ConnectionClosed)."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._stream = Stream(OUTPUT, connection.send)
        self._end = time.monotonic() + _SESSION_SECONDS

    def shake_hands(self) -> str:
        """Agree with the client on the type of session; returns the error, or ""."""
        start = time.time_ns()
        action = {"ActionType": "SessionType", "ActionParameters": {"SessionType": _SESSION_TYPE, "Properties": None}}
        request = {"AgentVersion": _AGENT_VERSION, "RequestedClientActions": [action]}
        self._stream.send(Kind.HANDSHAKE_REQUEST, json.dumps(request).encode())
        while time.monotonic() < self._end:
            for message in self._receive(RESEND_SECONDS):
                if message.kind == Kind.HANDSHAKE_RESPONSE:
                    for processed in json.loads(message.payload)["ProcessedClientActions"]:
                        if processed["ActionStatus"] != _SUCCESS:
                            return f"{processed['ActionType']} failed on client with status {processed['ActionStatus']}"
                    complete = {"HandshakeTimeToComplete": time.time_ns() - start, "CustomerMessage": ""}
                    self._stream.send(Kind.HANDSHAKE_COMPLETE, json.dumps(complete).encode())
                    return ""
        return "Handshake timed out."

    def relay(self, process: TerminalProcess) -> None:
        """Pass the command's output to the client and its input back, until all output is acknowledged."""
        is_done = threading.Event()
        threading.Thread(target=self._pump, args=(process, is_done), daemon=True).start()
        try:
            while time.monotonic() < self._end and not (is_done.is_set() and not self._stream.unacknowledged):
                for message in self._receive(_LAST_ACKNOWLEDGEMENT_SECONDS):
                    if message.kind == Kind.OUTPUT:
                        process.write(message.payload)
                    elif message.kind == Kind.SIZE:
                        size = json.loads(message.payload)
                        process.resize(int(size["cols"]), int(size["rows"]))
        finally:
            # Before the terminal is closed and its descriptor is used again.
            process.kill()
            is_done.wait(1)

    def _pump(self, process: TerminalProcess, is_done: threading.Event) -> None:
        with contextlib.suppress(ConnectionClosed):
            while piece := process.read(_PIECE):
                self._stream.send(Kind.OUTPUT, piece)
                while self._stream.unacknowledged > _WINDOW and time.monotonic() < self._end:
                    time.sleep(0.001)
        is_done.set()

    def _receive(self, seconds: float) -> list[Message]:
        """The client's next messages in order, if any arrive in time."""
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
    """Reject a web page's request: browsers let pages open any WebSocket, whatever CORS says."""
    host, origin = (request.headers.get_all(name) for name in ("Host", "Origin"))
    reason = rejection("GET", ",".join(host), ",".join(origin) if origin else None, connection.local_address[1])
    return connection.respond(HTTPStatus.FORBIDDEN, f"{reason}\n") if reason else None


def _close_message(session: Session, error: str) -> bytes:
    content = {
        "MessageId": str(uuid.uuid4()),
        "CreatedDate": str(time.time_ns() // 1_000_000),
        "DestinationId": "",
        "SessionId": session.id,
        "MessageType": CLOSED,
        "SchemaVersion": 1,
        "Output": error,
    }
    return encode(Message(type=CLOSED, sequence=0, payload=json.dumps(content).encode()))


CHANNELS = Channels()
