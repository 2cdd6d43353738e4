"""A web server that receives messages as apprise sends them to json:// addresses, and calls of watchers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from support.web_server import serving


@contextmanager
def webhook(
    token: str, status: int = 200, hang: float = 0, location: str = ""
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server's address with a token, and the bodies that it received.

    It may answer late, with an error, or with the location of another server.
    """
    bodies: list[dict[str, str]] = []
    ended = threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            ended.wait(hang)
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            if location:
                self.send_header("Location", location.replace("json:", "http:", 1))
            self.end_headers()

        def do_GET(self) -> None:
            bodies.append({"path": self.path.removeprefix(f"/{token}")})
            self.send_response(status)
            self.end_headers()

    with serving(Receiver) as port:
        try:
            yield f"json://127.0.0.1:{port}/{token}", bodies
        finally:
            ended.set()
