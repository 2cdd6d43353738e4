"""The progress of what a person waits for, in one line: a read of AWS, or of several environments."""

from __future__ import annotations

import contextvars
import html
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from omc_runbook.aws.calls import Calls
from omc_runbook.masking import kernel
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report.display.rich_display import RichDisplay, is_in_ipython

SECONDS = 0.5
"""Seconds between two updates of the line; a read that takes less time shows none."""
_CLEAR = "\r\x1b[K"
"""The control sequence that removes the line from a terminal."""

_terminal: TextIO | None = None


def clear(stream: TextIO) -> str:
    """What removes the line from a terminal; from one without control sequences, as in Emacs, blanks over it."""
    if os.environ.get("TERM", "").lower() not in ("dumb", "unknown"):
        return _CLEAR
    return f"\r{' ' * _room(stream)}\r"


def _room(stream: TextIO) -> int:
    """How many characters a line of a terminal has room for, before it would go on in the next one."""
    try:
        # Standard output, which shutil asks, is no terminal while the cells of a notebook write into their outputs.
        columns = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        columns = 0
    return (columns or shutil.get_terminal_size().columns) - 1


@contextmanager
def on_terminal(stream: TextIO | None) -> Iterator[None]:
    """Show the line on a terminal; on none, nothing of it is shown but in Jupyter."""
    global _terminal
    former, _terminal = _terminal, stream
    try:
        yield
    finally:
        _terminal = former


class Waiting(RichDisplay):
    """What a person waits for, in one line that `to_text` gives."""

    def __init__(self) -> None:
        self._began, self.has_ended = time.monotonic(), False

    def to_html(self) -> str:
        return f'<p role="status" style="margin: 0.2em 0">{html.escape(self.to_text())}</p>'

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return time.monotonic() - self._began


class FleetProgress(Waiting):
    """Environments that are looked at side by side: how each ended, and which are waited for."""

    def __init__(self, environments: Iterable[str]) -> None:
        super().__init__()
        self._results = dict.fromkeys(environments, "")

    def note(self, environment: str, result: str) -> None:
        """Note how the look at an environment ended."""
        self._results[environment] = result

    def to_text(self) -> str:
        ended = [f"{name} {result}" for name, result in self._results.items() if result]
        waiting = [name for name, result in self._results.items() if not result]
        count = f"{len(ended)} of {len(self._results)} environments in {self.seconds:.1f} s"
        tail = f"; waiting for {', '.join(waiting)}" if waiting else ""
        return f"Looked at {count}{': ' if ended else ''}{', '.join(ended)}{tail}."


class ReadProgress(Waiting):
    """A look at AWS that goes on, or has ended."""

    def __init__(self, calls: Calls, where: str) -> None:
        super().__init__()
        self._calls, self._where = calls, where
        self._made, self._answered = calls.made, calls.answered

    def to_text(self) -> str:
        calls, seconds = self._calls, self.seconds
        made, answered = calls.made - self._made, calls.answered - self._answered
        if self.has_ended:
            return f"Read {self._where}: {made} calls in {seconds:.1f} s."
        waiting = calls.waiting
        tail = f", waiting for {waiting}" if waiting else ""
        return f"Reading {self._where}: {answered} of {made} calls answered so far, {seconds:.1f} s{tail}."


@contextmanager
def follow(waiting: Waiting) -> Iterator[None]:
    """Show the progress of something while a person waits for it."""
    show = _shower()
    if show is None:
        yield
        return

    def show_again(ended: threading.Event) -> None:
        while not ended.wait(SECONDS):
            show(waiting)

    try:
        with in_background(show_again, "reading"):
            yield
    finally:
        waiting.has_ended = True
        show.end(waiting)


@contextmanager
def in_background(act: Callable[[threading.Event], None], name: str) -> Iterator[None]:
    """Call `act` on another thread with an event that is set at the end of the context, which then waits for it."""
    ended = threading.Event()
    thread = threading.Thread(target=contextvars.copy_context().run, args=(act, ended), daemon=True, name=name)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _OnTerminal:
    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_shown = stream, False

    def __call__(self, waiting: Waiting) -> None:
        self._is_shown = True
        self._stream.write(f"{clear(self._stream)}{waiting.to_text()[: _room(self._stream)]}")
        self._stream.flush()

    def end(self, waiting: Waiting) -> None:
        if self._is_shown:
            self._stream.write(clear(self._stream))
            self._stream.flush()


class _InJupyter:
    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, waiting: Waiting) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(waiting._repr_mimebundle_(), display_id=True, raw=True)
        else:
            self.end(waiting)

    def end(self, waiting: Waiting) -> None:
        if self._handle is not None:
            self._handle.update(waiting._repr_mimebundle_(), raw=True)


def _shower() -> _OnTerminal | _InJupyter | None:
    if _terminal is not None:
        return _OnTerminal(_terminal)
    return None if is_headless() else _InJupyter()


def is_headless() -> bool:
    """Whether no person is at a notebook, who would see each cell's progress and could interrupt it."""
    return OUTCOME_VARIABLE in os.environ or not is_in_ipython() or not kernel.allows_input()
