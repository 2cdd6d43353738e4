"""The signals that ask this process to end: which ones it handles, and until when they count."""

from __future__ import annotations

import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

ENDED_AT_ONCE = (
    "Ended at once by a third signal, without a record. If a plan was being applied, run the same again, which"
    " completes or undoes what was begun."
)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
_REPEAT_SECONDS = 0.05
"""After how long a signal is repeated whose exception was lost."""


@dataclass
class _State:
    number: int | None = None
    """The last signal that came."""
    is_repeated: bool = False
    """Whether the next one is that one again."""
    is_before_run: bool = False
    """Whether a run is prepared, and none of its cells has begun."""
    is_decided: bool = False
    """Whether what this process ends with is known, so that the next signal comes too late."""


_state = _State()


def handled_signals() -> tuple[signal.Signals, ...]:
    """The signals that ask this process to end, without those that it was begun to ignore, as by nohup."""
    return tuple(each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN)


@contextmanager
def handled_by(handler: Callable[[int], object], once: bool = False) -> Iterator[None]:
    """Let a function take the signals while the context lasts; with `once` the first of them alone."""
    # Only the main thread may have handlers.
    numbers = handled_signals() if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, former in before.items():
            signal.signal(number, former)

    def handle(number: int, frame: object) -> None:
        if once:
            restore()
        handler(number)

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()


def begin() -> None:
    """Begin anew: nothing is decided; repeat a signal whose exception Python ignores, as one in a callback from C."""
    global _state
    _state = _State()
    sys.unraisablehook = _repeat_lost


def note(number: int) -> bool:
    """Note a signal, for its handler; False for one that is repeated, since its exception was lost."""
    is_new, _state.is_repeated, _state.number = not _state.is_repeated, False, number
    if number == signal.SIGXCPU:
        # It would come again each second: the time up to the hard limit is for tidying up.
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    return is_new


def prepare_run() -> None:
    """Note that a run is prepared: until `begin_run`, nothing is done."""
    _state.is_before_run = True


def begin_run() -> None:
    """Note that the first cell begins."""
    _state.is_before_run = False


def interrupted() -> str:
    """What to say where a signal ends this process."""
    return "Interrupted. Nothing was done." if _state.is_before_run else "Interrupted."


def decide() -> None:
    """Let the next signal come too late: what this process ends with is being told, and stays true."""
    _state.is_decided = True


def comes_too_late() -> bool:
    """Whether a signal came after all was decided; the next one counts, so that a process that hangs can be ended."""
    was_decided, _state.is_decided = _state.is_decided, False
    return was_decided


def ignore() -> None:
    """Ignore the signals while Python ends this process, whose exit code is known."""
    for number in handled_signals():
        signal.signal(number, signal.SIG_IGN)


def _repeat_lost(lost: UnraisableHookArgs) -> None:
    number = _state.number
    if number is None or not issubclass(lost.exc_type, (KeyboardInterrupt, SystemExit)):
        sys.__unraisablehook__(lost)
        return
    timer = threading.Timer(_REPEAT_SECONDS, _repeat, (number,))
    timer.daemon = True
    timer.start()


def _repeat(number: int) -> None:
    _state.is_repeated, main = True, threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, number)
