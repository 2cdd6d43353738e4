"""A slow network: a proxy that delays each call, forwards it and counts it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from omc_runbook.sandbox import folders

SIGNED = {"host", "authorization", "x-amz-date"}
HOP_BY_HOP = {"connection", "date", "server", "transfer-encoding", "keep-alive"}


@dataclass
class Network:
    """The way to a server; each call takes `delay` seconds longer than without it."""

    server: str
    delay: float
    endpoint: str = ""
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each action was called with the same parameters."""
    spans: list[tuple[float, float]] = field(default_factory=list)
    """When each call arrived and when its answer was sent, in seconds."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, action: str, parameters: str, span: tuple[float, float]) -> None:
        """Count a call."""
        with self.lock:
            self.calls[action, parameters] += 1
            self.spans.append(span)

    def by_action(self) -> Counter[str]:
        """How often each action was called."""
        counts: Counter[str] = Counter()
        for (action, _), count in self.calls.items():
            counts[action] += count
        return counts

    @property
    def repeated(self) -> list[str]:
        """The actions that were called again with the same parameters."""
        return sorted({action for (action, _), count in self.calls.items() if count > 1})

    @property
    def rounds(self) -> int:
        """The longest chain of calls of which each came after the one before was answered."""
        count, last = 0, 0.0
        for arrival, ended in sorted(self.spans, key=lambda span: span[1]):
            if arrival >= last:
                count, last = count + 1, ended
        return count


class Handler(BaseHTTPRequestHandler):
    """Forwards requests, over one connection of its own for each of the client's."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    network: Network
    onward: http.client.HTTPConnection

    def setup(self) -> None:
        """Connect to the server for as long as the client stays connected."""
        super().setup()
        address = urlsplit(self.network.server)
        self.onward = http.client.HTTPConnection(str(address.hostname), address.port)

    def finish(self) -> None:
        """Disconnect from the server with the client."""
        self.onward.close()
        super().finish()

    def do_POST(self) -> None:
        """Forward a call, which most of AWS's are by POST."""
        self._forward()

    def do_GET(self) -> None:
        """Forward a call of a service with paths for its actions."""
        self._forward()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        arrival = time.monotonic()
        time.sleep(self.network.delay)
        self.handle_call(body)
        self.network.note(*_action(self.headers.get("X-Amz-Target", ""), self.path, body), (arrival, time.monotonic()))

    def handle_call(self, body: bytes) -> None:
        """Answer a call as the server does."""
        self.answer(*self.exchange(body))

    def exchange(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The server's answer to a call: its status, headers and content."""
        self.onward.request(self.command, self.path, body, self._signed(body))
        answer = self.onward.getresponse()
        return answer.status, answer.getheaders(), answer.read()

    def answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: int | None = None) -> None:
        """Send an answer; `length` is announced instead of the content's own."""
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def _signed(self, body: bytes) -> dict[str, str]:
        """The request's headers for the sandbox's address, signed again because the signature covers it."""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in SIGNED}
        scope = self.headers["Authorization"].split("Credential=")[1].split("/")
        request = AWSRequest(self.command, f"{self.network.server}{self.path}", headers, body)
        own = folders.at(self.network.server).credentials
        SigV4Auth(Credentials(own.access_key, own.secret_key), scope[3], scope[2]).add_auth(request)
        return dict(request.headers.items())

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _action(target: str, path: str, body: bytes) -> tuple[str, str]:
    """The action of a call in JSON or as a form, and its parameters, sorted; of another its path, which has all."""
    if target:
        return target.rpartition(".")[2], json.dumps(json.loads(body or b"{}"), sort_keys=True)
    if not body:
        return path.partition("?")[0], path
    form = dict(parse_qsl(body.decode()))
    return form.pop("Action", ""), json.dumps(form, sort_keys=True)


@contextmanager
def between(server: str, delay: float, handler: type[Handler] = Handler) -> Iterator[Network]:
    """Put a network of this delay, in seconds, before the server's address; `handler` answers its calls."""
    network = Network(server, delay)
    own = type("Handler", (handler,), {"network": network})
    listener = ThreadingHTTPServer(("127.0.0.1", 0), own)
    network.endpoint = f"http://127.0.0.1:{listener.server_port}"
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    try:
        yield network
    finally:
        listener.shutdown()
        listener.server_close()
