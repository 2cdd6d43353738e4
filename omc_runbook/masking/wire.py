"""Suppresses libraries' logs of their traffic, which contain values before they can be registered."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

LIBRARIES = frozenset({"boto3", "botocore", "s3transfer", "urllib3", "websockets", "psycopg"})
"""Packages whose loggers record what they send and receive."""

_silent = False


def silence() -> None:
    """Drop what these libraries log below WARNING, whatever the logging configuration.

    Levels, handlers, filters, `logging.config` and later child loggers do not change this, because the records are
    dropped before any of them is consulted. A second call does nothing.
    """
    global _silent
    if _silent:
        return
    # Both, because subclasses of Logger may override `handle`.
    logging.Logger.handle = _leave_out(logging.Logger.handle)  # type: ignore[method-assign]
    logging.Logger.callHandlers = _leave_out(logging.Logger.callHandlers)  # type: ignore[method-assign]
    _silent = True


def _leave_out(handle: Callable[[logging.Logger, logging.LogRecord], None]) -> Callable[..., None]:
    @wraps(handle)
    def handle_others(self: logging.Logger, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or record.name.partition(".")[0] not in LIBRARIES:
            handle(self, record)

    return handle_others


def silence_connections(*connections: type[Any]) -> None:
    """Keep these subclasses of `http.client.HTTPConnection` from printing their traffic (debuglevel)."""
    for connection in connections:
        connection.debuglevel = property(lambda self: 0, lambda self, level: None)
