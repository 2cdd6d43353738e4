"""A proxy on this machine, before a server or before none, that spoils the answers to one operation."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from support.web_server import serving

XML_WITHOUT_MEMBERS = b'<?xml version="1.0"?><%(op)sResponse><%(op)sResult/></%(op)sResponse>'
HTML = b"<html><head><title>Sign in</title></head><body><p>Welcome to the hotel</body></html>"


def cut(body: bytes, operation: str, is_json: bool) -> bytes:
    """The first half of the body."""
    whole = body or (b'{"Some": "body"}' if is_json else b"<%sResponse></Response>" % operation.encode())
    return whole[: len(whole) // 2]


def without_members(body: bytes, operation: str, is_json: bool) -> bytes:
    """A whole body that has no members."""
    return b"{}" if is_json else XML_WITHOUT_MEMBERS % {b"op": operation.encode()}


def page(body: bytes, operation: str, is_json: bool) -> bytes:
    """What a hotel's network answers instead."""
    return HTML


def well_formed_page(body: bytes, operation: str, is_json: bool) -> bytes:
    """The same as XML, or as a JSON text that is no object."""
    return b'["Sign in"]' if is_json else b"<html><body/></html>"


def nothing(body: bytes, operation: str, is_json: bool) -> bytes:
    """No body."""
    return b""


def closed(body: bytes, operation: str, is_json: bool) -> None:
    """No answer: the connection is closed after the call was carried out."""


Fault = Callable[[bytes, str, bool], bytes | None]
FAULTS: tuple[Fault, ...] = (cut, without_members, page, well_formed_page, nothing)


@dataclass
class Proxy:
    """What it does to the answers to which operation ("": to all), and how often each was called."""

    target: str = ""
    url: str = ""
    operation: str = ""
    fault: Fault | None = None
    times: int = 1_000_000
    """How many answers are spoilt before the others come through."""
    status: int = 200
    """The status of what is spoilt."""
    is_lost: bool = False
    """Whether the length that was announced is the whole body's: the connection ends early."""
    calls: Counter[str] = field(default_factory=Counter)

    def spoil(self, operation: str, fault: Fault | None, times: int = 1_000_000) -> None:
        """Answer an operation like this from now on."""
        self.operation, self.fault, self.times = operation, fault, times
        self.calls.clear()


@contextmanager
def proxy(target: str = "") -> Iterator[Proxy]:
    """Stand before a server; before none, every call is answered with nothing, or as spoilt."""
    state = Proxy(target)

    class Spoiler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            named = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            self._answer(sent, named or parse_qs(sent.decode())["Action"][0], is_json=bool(named))

        def do_GET(self) -> None:
            """EventBridge Scheduler, Lambda and S3 name their calls by method and path."""
            if self.path.endswith("/configuration"):
                self._answer(b"", "GetFunctionConfiguration", is_json=True)
            elif "/functions" in self.path:
                self._answer(b"", "ListFunctions", is_json=True)
            elif self.path.startswith("/schedules"):
                name = "GetSchedule" if self.path.startswith("/schedules/") else "ListSchedules"
                self._answer(b"", name, is_json=True)
            else:
                self._answer(b"", "ListObjectsV2" if "list-type=2" in self.path else "GetObject", is_json=False)

        def do_PUT(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))), "PutObject", is_json=False)

        def _answer(self, sent: bytes, operation: str, is_json: bool) -> None:
            state.calls[operation] += 1
            status, kind, body = self._forward(sent) if state.target else (200, "", b"")
            if operation == "ListResourcePolicies" and status >= 500:
                # moto lacks it.
                status, kind, body = 200, "", b'{"ResourcePolicies": []}'
            announced = None
            if state.fault and state.operation in ("", operation) and state.times > 0:
                state.times -= 1
                spoilt = state.fault(body, operation, is_json)
                if spoilt is None:
                    self.close_connection = True
                    return
                status, announced, body = state.status, len(body) if state.is_lost else None, spoilt
            self.send_response(status)
            self.send_header("Content-Type", kind or "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body) if announced is None else announced))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = announced is not None

        def _forward(self, sent: bytes) -> tuple[int, str, bytes]:
            dropped = ("host", "content-length", "connection", "accept-encoding")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
            request = urllib.request.Request(state.target + self.path, sent or None, headers, method=self.command)
            try:
                with urllib.request.urlopen(request) as answer:
                    return answer.status, answer.headers["Content-Type"], answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.headers["Content-Type"], error.read()

    with serving(Spoiler) as port:
        state.url = f"http://127.0.0.1:{port}"
        yield state
