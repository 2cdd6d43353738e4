"""HTTP in front of the gateway: a thread for each connection, which answers one request after another."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

CLOSE = ("Connection", "close")
"""The header of a response to a request whose body was not read whole: the connection cannot be used any more."""
_WITHOUT_BODY = (204, 304)
_DRAIN_SECONDS, _DRAIN_READS, _DRAIN_BYTES = 0.5, 1000, 65536


class RequestHandler(MotoRequestHandler):
    """Keeps connections open, as werkzeug's own never does, and logs no requests."""

    protocol_version = "HTTP/1.1"
    # Head and body are one write where they fit the buffer; a second write does not wait for the client's delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer one request, whose body the application has read whole unless it answers with `CLOSE`."""
        head: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
            head.append((status, headers))
            return self.wfile.write

        try:
            body = b"".join(self.server.app(self.make_environ(), start_response))
        finally:
            # The exception itself goes to the server's log.
            if not head:
                self.send_error(500)
        status, headers = head[-1]
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if int(code) not in _WITHOUT_BODY and "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if CLOSE in headers:
            self._drain()

    def handle_expect_100(self) -> bool:
        """Ask for the body at once."""
        is_accepted = super().handle_expect_100()
        self.wfile.flush()
        return bool(is_accepted)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""

    def _drain(self) -> None:
        """Read on for a while: the end of a connection with bytes unread takes the response with it."""
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_DRAIN_SECONDS)
            for _ in range(_DRAIN_READS):
                if not self.connection.recv(_DRAIN_BYTES):
                    return
