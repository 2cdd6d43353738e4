"""The calls of one set of clients: how many were made, how many have been answered, and how long they may take."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError


class TookTooLong(BotoCoreError):
    """A call that was not sent, or not again, because the time for all calls was over."""

    fmt = "AWS did not answer all calls within {seconds:.0f} seconds."


class Calls:
    """A count of calls, by botocore's events; thread-safe.

    See https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html
    """

    def __init__(self, events: Any) -> None:
        self._lock = threading.Lock()
        self._waiting = Counter[str]()
        self._limits: list[tuple[float, float]] = []
        self.made = self.answered = 0
        events.register("before-parameter-build", self._begin)
        events.register("after-call", self._finish)
        events.register("after-call-error", self._finish)
        events.register("before-send", self._refuse_late)

    @property
    def waiting(self) -> str:
        """The operation of a call that has no answer yet; "" for none."""
        with self._lock:
            return next((name for name, count in self._waiting.items() if count > 0), "")

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let calls be sent for so long; after that each raises TookTooLong, also one that would be repeated.

        Where contexts of several threads overlap, in whatever order they end, the latest of their limits counts.
        """
        limit = time.monotonic() + seconds, seconds
        with self._lock:
            self._limits.append(limit)
        try:
            yield
        finally:
            with self._lock:
                self._limits.remove(limit)

    def _refuse_late(self, **_: object) -> None:
        with self._lock:
            deadline, seconds = max(self._limits, default=(float("inf"), 0.0))
        if time.monotonic() > deadline:
            raise TookTooLong(seconds=seconds)

    def _begin(self, model: Any, **_: object) -> None:
        with self._lock:
            self.made += 1
            self._waiting[model.name] += 1

    def _finish(self, event_name: str, **_: object) -> None:
        with self._lock:
            self.answered += 1
            self._waiting[event_name.rpartition(".")[2]] -= 1
