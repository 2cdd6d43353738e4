"""How far a look at AWS is, in one line, for a person who waits for it."""

from __future__ import annotations

import contextvars
import html
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from omc_runbook.aws.calls import Calls
from omc_runbook.masking import kernel
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report.display.rich_display import RichDisplay, is_in_ipython

SECONDS = 0.5
"""How often the line is shown anew; a look that takes less shows none."""
_CLEAR = "\r\x1b[K"

_terminal: TextIO | None = None


@contextmanager
def on_terminal(stream: TextIO | None) -> Iterator[None]:
    """Show the line on a terminal; on none, nothing of it is shown but in Jupyter."""
    global _terminal
    former, _terminal = _terminal, stream
    try:
        yield
    finally:
        _terminal = former


class ReadProgress(RichDisplay):
    """A look at AWS that goes on, or has ended."""

    def __init__(self, calls: Calls, where: str) -> None:
        self._calls, self._where, self._began = calls, where, time.monotonic()
        self._made, self._answered = calls.made, calls.answered
        self.has_ended = False

    def to_html(self) -> str:
        """Render the line as HTML."""
        return f'<p role="status" style="margin: 0.2em 0">{html.escape(self.to_text())}</p>'

    def to_text(self) -> str:
        """Render the line as plain text."""
        calls, seconds = self._calls, time.monotonic() - self._began
        made, answered = calls.made - self._made, calls.answered - self._answered
        if self.has_ended:
            return f"Read {self._where}: {made} calls in {seconds:.1f} s."
        waiting = calls.waiting
        tail = f", waiting for {waiting}" if waiting else ""
        return f"Reading {self._where}: {answered} of {made} calls answered so far, {seconds:.1f} s{tail}."


@contextmanager
def shown(calls: Calls, where: str) -> Iterator[None]:
    """Show how far the calls of a look have come, where a person waits for them."""
    reading, show = ReadProgress(calls, where), _shower()
    if show is None:
        yield
        return
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(SECONDS):
            show(reading)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(follow,), daemon=True, name="reading")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        reading.has_ended = True
        show.end(reading)


class _OnTerminal:
    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_shown = stream, False

    def __call__(self, reading: ReadProgress) -> None:
        self._is_shown = True
        self._stream.write(f"{_CLEAR}{reading.to_text()[: shutil.get_terminal_size().columns - 1]}")
        self._stream.flush()

    def end(self, reading: ReadProgress) -> None:
        if self._is_shown:
            self._stream.write(_CLEAR)
            self._stream.flush()


class _InJupyter:
    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, reading: ReadProgress) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(reading._repr_mimebundle_(), display_id=True, raw=True)
        else:
            self.end(reading)

    def end(self, reading: ReadProgress) -> None:
        if self._handle is not None:
            self._handle.update(reading._repr_mimebundle_(), raw=True)


def _shower() -> _OnTerminal | _InJupyter | None:
    if _terminal is not None:
        return _OnTerminal(_terminal)
    is_headless = OUTCOME_VARIABLE in os.environ or not is_in_ipython() or not kernel.allows_input()
    return None if is_headless else _InJupyter()
