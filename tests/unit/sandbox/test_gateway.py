"""The gateway in front of moto."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from omc_runbook.sandbox.folders import TOKEN_HEADER
from omc_runbook.sandbox.gateway import Gateway

TOKEN = "token-of-the-state-file"
REQUEST = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/moto-api/data.json",
    "HTTP_HOST": "127.0.0.1:5000",
    "SERVER_PORT": "5000",
    f"HTTP_{TOKEN_HEADER.upper().replace('-', '_')}": TOKEN,
}


def test_moto_answers_one_call_at_a_time() -> None:
    """Its lists and mappings are not safe to use from several threads, and an answer is made piece by piece."""
    inside: list[str] = []
    most: list[int] = []

    def moto(environ: dict[str, Any], _: Any) -> Iterator[bytes]:
        inside.append(environ["QUERY_STRING"])
        for _ in range(3):
            most.append(len(inside))
            time.sleep(0.001)
            yield b"piece "
        inside.remove(environ["QUERY_STRING"])

    gateway = Gateway(moto, lambda *_: None, TOKEN, lambda _: None)

    def ask(number: int) -> bytes:
        request = REQUEST | {"QUERY_STRING": str(number), "wsgi.input": io.BytesIO()}
        return b"".join(gateway(request, lambda *_: None))

    with ThreadPoolExecutor(8) as pool:
        assert {*pool.map(ask, range(24))} == {b"piece piece piece "}
    assert {*most} == {1}
