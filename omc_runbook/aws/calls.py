"""The calls of one set of clients: how many were made, how many have been answered, and which have not."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any


class Calls:
    """A count of calls, by botocore's events; thread-safe.

    See https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html
    """

    def __init__(self, events: Any) -> None:
        self._lock = threading.Lock()
        self._waiting = Counter[str]()
        self.made = self.answered = 0
        events.register("before-parameter-build", self._begin)
        events.register("after-call", self._end)
        events.register("after-call-error", self._end)

    @property
    def waiting(self) -> str:
        """The operation of a call that has no answer yet; "" for none."""
        with self._lock:
            return next((name for name, count in self._waiting.items() if count > 0), "")

    def _begin(self, model: Any, **_: object) -> None:
        with self._lock:
            self.made += 1
            self._waiting[model.name] += 1

    def _end(self, event_name: str, **_: object) -> None:
        with self._lock:
            self.answered += 1
            self._waiting[event_name.rpartition(".")[2]] -= 1
