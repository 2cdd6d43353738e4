"""A client of Session Manager's data channel: opened with a session's token, it hears a command out.

The protocol is that of https://github.com/aws/session-manager-plugin (src/datachannel).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from omc_runbook.aws.message import ACKNOWLEDGE, CLOSED, INPUT, OUTPUT, Kind, Message, decode
from omc_runbook.aws.stream import RESEND_SECONDS, Stream

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

CLIENT_VERSION = "1.2.0.0"
INTERRUPT = b"\x03"
"""What Ctrl-C sends."""
_SUCCESS, _UNSUPPORTED = 1, 3
# The frames hold the token and what the command writes: the library would log them to whoever asks for everything.
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)


class ChannelFailed(Exception):
    """A session that ended before its command did; its text is why, and holds nothing of what was sent."""


class Unsupported(ChannelFailed):
    """The agent asks for something that only session-manager-plugin can do, such as encryption with a KMS key."""


class Unopened(ChannelFailed):
    """The address of the session was not reached, or refused the client."""


class Forbidden(Unopened):
    """The caller may not open the session's channel."""


class TookTooLong(ChannelFailed):
    """The command had not ended in time; it was interrupted."""


def hear(url: str, token: str, headers: Mapping[str, str], seconds: float) -> tuple[str, str]:
    """Open a session and wait for its end; gives what the command wrote, and the agent's own last words, mostly "".

    `headers` are those of the request that opens the WebSocket. A proxy is found in the environment as the library
    websockets finds it, and never used on the way to this machine. Raises ChannelFailed.
    """
    # Loaded late: most runs never look into a task.
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
    from websockets.sync.client import connect

    end = time.monotonic() + seconds
    try:
        connection = connect(
            url,
            proxy=None if _is_local(url) else True,
            additional_headers=headers,
            compression=None,
            open_timeout=seconds,
            close_timeout=1,
            logger=_SILENT,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        failure = Forbidden if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else Unopened
        raise failure(f"{urlsplit(url).hostname} answered with HTTP {status}.") from None
    except (OSError, WebSocketException, ImportError) as error:
        # The library's own words may hold an address with its signature, or a proxy's with its password.
        words = type(error).__name__ if isinstance(error, WebSocketException) else str(error)
        raise Unopened(f"{urlsplit(url).hostname} was not reached: {words}") from None
    with connection:
        try:
            return _Hearing(connection).to_the_end(token, end)
        except ConnectionClosed as error:
            said = error.rcvd.reason if error.rcvd else ""
            raise ChannelFailed(f"The session's connection ended early{said and f': {said}'}.") from None


class _Hearing:
    """One session, from the token to the agent's goodbye."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._stream = Stream(INPUT, self._send)
        self._heard = bytearray()

    def to_the_end(self, token: str, end: float) -> tuple[str, str]:
        opening = {
            "MessageSchemaVersion": "1.0",
            "RequestId": str(uuid.uuid4()),
            "TokenValue": token,
            "ClientId": str(uuid.uuid4()),
            "ClientVersion": CLIENT_VERSION,
        }
        self._send(json.dumps(opening))
        while time.monotonic() < end:
            message = self._next(min(RESEND_SECONDS, end - time.monotonic()))
            self._stream.resend()
            if message is None:
                continue
            if message.type == CLOSED:
                return self._heard.decode("utf-8", "replace"), _last_words(message)
            if message.type == OUTPUT:
                for part in self._stream.receive(message):
                    self._take(part)
            elif message.type == ACKNOWLEDGE:
                self._stream.settle(message)
        # A session that nobody listens to goes on, and so would the command.
        self._stream.send(Kind.OUTPUT, INTERRUPT)
        raise TookTooLong("The command had not ended in time.")

    def _send(self, frame: str | bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        # What came before the end is still to be read, and only then is the end an error.
        with contextlib.suppress(ConnectionClosed):
            self._connection.send(frame)

    def _next(self, seconds: float) -> Message | None:
        """The next message, or None where none came in time or what came is none: it will be sent again."""
        with contextlib.suppress(TimeoutError, ValueError):
            raw = self._connection.recv(timeout=max(seconds, 0))
            return decode(raw) if isinstance(raw, bytes) else None
        return None

    def _take(self, message: Message) -> None:
        if message.kind in (Kind.OUTPUT, Kind.STDERR):
            self._heard += message.payload
        elif message.kind == Kind.HANDSHAKE_REQUEST:
            self._shake_hands(message)

    def _shake_hands(self, request: Message) -> None:
        """Answer what the agent asks of its client; older agents ask nothing before a command."""
        try:
            asked = [str(action["ActionType"]) for action in json.loads(request.payload)["RequestedClientActions"]]
        except (ValueError, LookupError, TypeError):
            raise ChannelFailed("The agent's handshake cannot be read.") from None
        refused = [name for name in asked if name != "SessionType"]
        processed = [
            {
                "ActionType": name,
                "ActionStatus": _UNSUPPORTED if name in refused else _SUCCESS,
                "ActionResult": None,
                "Error": f"Unsupported action {name}" if name in refused else "",
            }
            for name in asked
        ]
        errors = [entry["Error"] for entry in processed if entry["Error"]]
        answer = {"ClientVersion": CLIENT_VERSION, "ProcessedClientActions": processed, "Errors": errors}
        self._stream.send(Kind.HANDSHAKE_RESPONSE, json.dumps(answer).encode())
        if refused:
            raise Unsupported(", ".join(refused))


def _last_words(message: Message) -> str:
    try:
        return str(json.loads(message.payload).get("Output") or "").strip()
    except (ValueError, AttributeError):
        return ""


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
