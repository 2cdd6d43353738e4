"""What libraries log of their traffic, which holds values before anybody can have registered them."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

LIBRARIES = frozenset({"boto3", "botocore", "s3transfer", "urllib3", "websockets", "psycopg"})
"""Packages whose loggers write down what they send and receive."""

_silent = False


def silence() -> None:
    """Drop what these libraries log below a warning, whatever is or will be configured.

    Levels, handlers, filters, `logging.config` and child loggers made later change nothing about it, since the records
    end before a logger asks for any of them. A second call does nothing.
    """
    global _silent
    if _silent:
        return
    # Both, for kinds of loggers that have another `handle`.
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
    """Keep these kinds of `http.client.HTTPConnection` from printing what they send and receive (debuglevel)."""
    for connection in connections:
        connection.debuglevel = property(lambda self: 0, lambda self, level: None)
