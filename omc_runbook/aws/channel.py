"""A client of Session Manager's data channel: opens it with a session's token and reads a command's output.

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
# The frames hold the token and the command's output, which the library would log at its lowest level.
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)


class ChannelFailed(Exception):
    """A session that ended before its command did; the message is the reason and shows nothing of the traffic."""


class ChannelUnsupported(ChannelFailed):
    """The agent requests a feature that only session-manager-plugin has, such as encryption with a KMS key."""


class ChannelUnreachable(ChannelFailed):
    """The session's endpoint was not reached, or refused the connection."""


class ChannelDenied(ChannelUnreachable):
    """The caller may not open the data channel."""


class ChannelTimeout(ChannelFailed):
    """The command did not end in time and was interrupted."""


def read_output(url: str, token: str, headers: Mapping[str, str], seconds: float) -> tuple[str, str]:
    """Open a session and wait up to `seconds` for its end; returns the command's output and the agent's last message.

    The message is mostly "". `headers` are those of the request that opens the WebSocket. The library websockets takes
    a proxy from the environment; none is used for this machine. Raises ChannelFailed.
    """
    # Imported here, because most runs never read from inside a task.
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
        failure = ChannelDenied if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else ChannelUnreachable
        raise failure(f"{urlsplit(url).hostname} answered with HTTP {status}.") from None
    except (OSError, WebSocketException, ImportError) as error:
        # The library's message may contain a signed URL, or a proxy's URL with its password.
        reason = type(error).__name__ if isinstance(error, WebSocketException) else str(error)
        raise ChannelUnreachable(f"{urlsplit(url).hostname} was not reached: {reason}") from None
    with connection:
        try:
            return _Session(connection).run(token, end)
        except ConnectionClosed as error:
            reason = f": {error.rcvd.reason}" if error.rcvd and error.rcvd.reason else ""
            raise ChannelFailed(f"The session's connection ended early{reason}.") from None


class _Session:
    """One session, from the token to the agent's last message."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._stream = Stream(INPUT, self._send)
        self._output = bytearray()

    def run(self, token: str, end: float) -> tuple[str, str]:
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
                return self._output.decode("utf-8", "replace"), _last_message(message)
            if message.type == OUTPUT:
                for part in self._stream.receive(message):
                    self._handle(part)
            elif message.type == ACKNOWLEDGE:
                self._stream.acknowledge(message)
        # Otherwise the session, and the command, would go on.
        self._stream.send(Kind.OUTPUT, INTERRUPT)
        raise ChannelTimeout("The command did not end in time.")

    def _send(self, frame: str | bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        # Messages received before the end are still to be read; only reading on makes the end an error.
        with contextlib.suppress(ConnectionClosed):
            self._connection.send(frame)

    def _next(self, seconds: float) -> Message | None:
        """The next message; None where none came in time or it is invalid, because it is sent again."""
        with contextlib.suppress(TimeoutError, ValueError):
            raw = self._connection.recv(timeout=max(seconds, 0))
            return decode(raw) if isinstance(raw, bytes) else None
        return None

    def _handle(self, message: Message) -> None:
        if message.kind in (Kind.OUTPUT, Kind.STDERR):
            self._output += message.payload
        elif message.kind == Kind.HANDSHAKE_REQUEST:
            self._answer_handshake(message)

    def _answer_handshake(self, request: Message) -> None:
        """Answer the agent's handshake; older agents send none before a command."""
        try:
            requested = [str(action["ActionType"]) for action in json.loads(request.payload)["RequestedClientActions"]]
        except (ValueError, LookupError, TypeError):
            raise ChannelFailed("The agent's handshake cannot be read.") from None
        unsupported = [name for name in requested if name != "SessionType"]
        processed = [
            {
                "ActionType": name,
                "ActionStatus": _UNSUPPORTED if name in unsupported else _SUCCESS,
                "ActionResult": None,
                "Error": f"Unsupported action {name}" if name in unsupported else "",
            }
            for name in requested
        ]
        errors = [entry["Error"] for entry in processed if entry["Error"]]
        answer = {"ClientVersion": CLIENT_VERSION, "ProcessedClientActions": processed, "Errors": errors}
        self._stream.send(Kind.HANDSHAKE_RESPONSE, json.dumps(answer).encode())
        if unsupported:
            raise ChannelUnsupported(", ".join(unsupported))


def _last_message(message: Message) -> str:
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
