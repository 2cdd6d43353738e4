"""A provider's API on this machine, which accepts some tokens and refuses all others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from support.web_server import serving


class Provider:
    """The tokens that it accepts now, and those that it was asked for; `status` is its answer to the others."""

    def __init__(self, *tokens: str, status: int = 401) -> None:
        self.accepted, self.asked, self.status, self.address = set(tokens), list[str](), status, ""

    def answer(self, token: str) -> int:
        self.asked.append(token)
        return 200 if token in self.accepted else self.status


@contextmanager
def provider(*tokens: str, status: int = 401) -> Iterator[Provider]:
    """A provider that accepts these tokens, for as long as the block lasts."""
    issuer = Provider(*tokens, status=status)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(issuer.answer(str(self.headers["Authorization"]).removeprefix("Bearer ")))
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Answer) as port:
        issuer.address = f"http://127.0.0.1:{port}/v1/models"
        yield issuer
