"""Who takes the signals that ask this process to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from omc_runbook.model import ending

FORMER: list[int] = []


@pytest.fixture(autouse=True)
def former() -> Iterator[None]:
    """A handler of the signal before; of another one, that it is ignored, as under nohup."""
    FORMER.clear()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, lambda number, _: FORMER.append(number))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("once", "count"), [(False, 2), (True, 1)])
def test_signals_are_taken_while_the_context_lasts(once: bool, count: int) -> None:
    """All of them or the first one; the others are for whoever took them before, and what is ignored stays so."""
    numbers: list[int] = []
    with ending.handled_by(numbers.append, once):
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGTERM):
            signal.raise_signal(number)
    signal.raise_signal(signal.SIGTERM)
    assert (numbers, FORMER) == ([signal.SIGTERM] * count, [signal.SIGTERM] * (3 - count))


def test_an_error_leaves_the_former_handlers() -> None:
    """As a cell that fails does."""
    numbers: list[int] = []
    with pytest.raises(ZeroDivisionError), ending.handled_by(numbers.append):
        raise ZeroDivisionError
    signal.raise_signal(signal.SIGTERM)
    assert (numbers, FORMER) == ([], [signal.SIGTERM])


def test_another_thread_takes_none() -> None:
    """Python lets the main thread alone have handlers."""
    numbers: list[int] = []

    def wait() -> None:
        with ending.handled_by(numbers.append):
            signal.raise_signal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(wait).result()
    assert (numbers, FORMER) == ([], [signal.SIGTERM])
