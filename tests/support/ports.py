"""Ports for the servers that tests start by number."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

PORTS = range(20_000, 32_768)
"""Below those that Linux gives to connections: one of these could take the port before its server begins."""


def free_port() -> int:
    """A port of this machine at which nothing listens."""
    while True:
        port = secrets.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
