"""The calls of clients: how many were made, how many have been answered, and how long they may take in all."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError

_STEP_SECONDS = 0.1
"""How late a wait may see that the time is over."""


class TookTooLong(BotoCoreError):
    """A call that was not sent, or not again, because the time for all calls was over."""

    fmt = "AWS did not answer all calls within {seconds:.0f} seconds."


class ReadingTime:
    """How long AWS may keep a run waiting, by the calls of all clients that share it; thread-safe.

    Without `limit` only `within` sets an end. What counts is the time in which a call is out, from its first request to
    its last repetition, or a look lasts: not that in which a person types a value, or another program runs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks: list[tuple[float, float]] = []
        self._seconds, self._spent = math.inf, 0.0
        self._since, self._out = 0.0, 0
        self._changes = 0

    def limit(self, seconds: float) -> None:
        """Let calls from now on keep the run waiting for so long in all; after that each raises TookTooLong."""
        with self._lock:
            self._seconds = seconds
            self._begin_anew()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Limit nothing while a change is made, which would stay half done; what is read afterwards has its own time.

        What it looks at within itself, by `within`, still ends.
        """
        with self._lock:
            self._changes += 1
        try:
            yield
        finally:
            with self._lock:
                self._changes -= 1
                self._begin_anew()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let calls be sent for so long; after that each raises TookTooLong, also one that would be repeated.

        Where contexts of several threads overlap, in whatever order they end, the latest of their limits counts.
        """
        limit = time.monotonic() + seconds, seconds
        with self._lock:
            self._looks.append(limit)
        try:
            with self.counted():
                yield
        finally:
            with self._lock:
                self._looks.remove(limit)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time of a call or a look, and that of several at once as one."""
        with self._lock:
            if not self._out:
                self._since = time.monotonic()
            self._out += 1
        try:
            yield
        finally:
            with self._lock:
                self._out -= 1
                if not self._out:
                    self._spent += time.monotonic() - self._since

    def uncounted(self, ask: Callable[[str], str]) -> Callable[[str], str]:
        """The same prompt, whose time does not count: for an MFA code, botocore asks a person within a call."""

        def ask_in_any_time(prompt: str) -> str:
            began = time.monotonic()
            try:
                return ask(prompt)
            finally:
                with self._lock:
                    self._spent -= time.monotonic() - began

        return ask_in_any_time

    def check(self) -> None:
        """Raise TookTooLong where the time is over."""
        now = time.monotonic()
        with self._lock:
            deadline, seconds = max(self._looks, default=(math.inf, 0.0))
            spent = self._spent + (now - self._since if self._out else 0.0)
            if spent > self._seconds and not self._changes:
                deadline, seconds = -math.inf, self._seconds
        if now > deadline:
            raise TookTooLong(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        """Wait before a call; raise TookTooLong as soon as the time is over, for it would not be sent."""
        end = time.monotonic() + seconds
        while True:
            self.check()
            remaining = end - time.monotonic()
            if remaining <= 0:
                return
            time.sleep(min(remaining, _STEP_SECONDS))

    def _begin_anew(self) -> None:
        self._spent, self._since = 0.0, time.monotonic()


Wrapper = Callable[[Callable[[], Any], str, Mapping[str, Any]], Any]
"""What makes a call instead of its client, by the function that does so; of an operation such as ecs:ListTasks, with
parameters."""


def wrap_calls(events: Any, wrapper: Wrapper) -> None:
    """Let a wrapper make each call of the clients that a session creates from now on; the last one is the outermost.

    botocore has no event for the end of a call that fails early, nor one that could repeat a call.
    """

    class WrappedClient:
        def _make_api_call(self, operation_name: str, api_params: Mapping[str, Any]) -> Any:
            call = partial(super()._make_api_call, operation_name, api_params)  # type: ignore[misc]
            service = self.meta.service_model.service_name  # type: ignore[attr-defined]
            return wrapper(call, f"{service}:{operation_name}", api_params)

    def extend(base_classes: list[type], **_: object) -> None:
        base_classes.insert(0, WrappedClient)

    events.register("creating-client-class", extend)


def around_calls(events: Any, context: Callable[[], AbstractContextManager[None]]) -> None:
    """Make each call of the clients that a session creates from now on within a context of its own."""

    def within(call: Callable[[], Any], *_: object) -> Any:
        with context():
            return call()

    wrap_calls(events, within)


class Calls:
    """A count of calls, by botocore's events, and their time, which other clients may share; thread-safe.

    See https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html
    """

    def __init__(self, events: Any, time: ReadingTime | None = None) -> None:
        self._lock = threading.Lock()
        self._waiting = Counter[str]()
        self.time = time or ReadingTime()
        self.made = self.answered = 0
        events.register("before-parameter-build", self._begin)
        events.register("after-call", self._finish)
        events.register("after-call-error", self._finish)
        events.register("before-send", self._refuse_late)
        around_calls(events, self.time.counted)

    @property
    def waiting(self) -> str:
        """The operation of a call that has no answer yet; "" for none."""
        with self._lock:
            return next((name for name, count in self._waiting.items() if count > 0), "")

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """As `ReadingTime.within`."""
        return self.time.within(seconds)

    def _refuse_late(self, **_: object) -> None:
        self.time.check()

    def _begin(self, model: Any, **_: object) -> None:
        with self._lock:
            self.made += 1
            self._waiting[model.name] += 1

    def _finish(self, event_name: str, **_: object) -> None:
        with self._lock:
            self.answered += 1
            self._waiting[event_name.rpartition(".")[2]] -= 1
