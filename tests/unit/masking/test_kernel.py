"""The hook in a kernel: when what it holds back is sent."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from omc_runbook.masking import kernel, registry


class Session:
    """A kernel's session, which keeps what it sends."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def msg(self, kind: str, content: Any, parent: Any = None, *_: Any) -> dict[str, Any]:
        """A message as Jupyter has them."""
        return {"header": {"msg_type": kind}, "content": content, "parent_header": parent, "metadata": {}}

    def send(self, stream: Any, message: Any, **_: Any) -> None:
        """Keep a message's text."""
        self.texts.append(message["content"]["text"])


def test_what_is_written_as_a_timer_ends_is_sent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a timer of its own: no other message may come that would take it along."""
    timers = list[threading.Timer]()

    class SlowTimer(threading.Timer):
        def run(self) -> None:
            timers.append(self)
            super().run()
            if len(timers) == 1:
                write()
                write_done.set()

    def write() -> None:
        hook.send(None, "stream", {"name": "stdout", "text": value[:8]}, {})

    # No part of it looks like the next one: twice its beginning would else be one longer part, and be sent at once.
    value, write_done, session = "pq7mz4wd9xk2vh5t", threading.Event(), Session()
    registry.register(value, "CANARY")
    monkeypatch.setattr(kernel, "_PATIENCE", 0.01)
    monkeypatch.setattr(kernel.threading, "Timer", SlowTimer)
    hook = kernel._Hook(session)
    write()
    assert write_done.wait(20)
    for _ in range(200):
        if len(timers) == 2 and not timers[1].is_alive():
            break
        threading.Event().wait(0.05)
    assert len(timers) == 2 and len(session.texts) == 2


def test_an_extension_that_replaces_ipythons_tracebacks_is_masked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal it may come after the first value, and the log is masked once."""
    lines: list[str] = []
    logger = SimpleNamespace(log_write=lambda data, kind="input": lines.append(data))
    shell = SimpleNamespace(_showtraceback=lambda kind, error, parts: lines.extend(parts), logger=logger)
    monkeypatch.setattr(kernel, "find_ipython", lambda: shell)
    registry.register("pq7mz4wd9xk2vh5t", "CANARY")
    kernel.install()
    ours = logger.log_write
    shell._showtraceback = lambda kind, error, parts: lines.extend(reversed(parts))
    kernel.install()
    shell._showtraceback(ValueError, ValueError(), ["first", "text = pq7mz4wd9xk2vh5t"])
    logger.log_write("pq7mz4wd9xk2vh5t", "output")
    assert lines == ["text = ‹CANARY›", "first", "‹CANARY›"] and logger.log_write is ours
