"""Runs parts side by side, each in a process of its own, and counts what they report."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from benchmarks.hold.trial import Profile, Try

BROKEN_OFF = "the part itself"
"""The surface of a part that broke off, which is a failure."""


@dataclass
class Row:
    """How the tries of one surface of a part ended."""

    part: str
    surface: str
    tries: int = 0
    failures: int = 0
    seconds: float = 0.0

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of the table."""
        return self.part, self.surface, str(self.tries), str(self.failures), f"{self.seconds:.0f}"


@dataclass(frozen=True)
class Report:
    """One try of a part, with the seconds since the part's former one."""

    part: str
    attempt: Try
    seconds: float


def run(parts: Sequence[str], profile: Profile, seed: int, jobs: int) -> Iterator[Report]:
    """Run parts, as many at once as there are jobs; yield each try when it has ended.

    A part that raises an exception, or ends without saying so, has failed.
    """
    context, waiting = multiprocessing.get_context("spawn"), [*parts]
    running: dict[Connection, tuple[str, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                part = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(part, profile, seed, theirs), name=part)
                process.start()
                theirs.close()
                running[ours] = part, process
            for ready in wait([*running]):
                assert isinstance(ready, Connection)
                part, process = running[ready]
                try:
                    report = ready.recv()
                except EOFError:
                    process.join()
                    del running[ready]
                    if process.exitcode:
                        yield Report(part, Try(BROKEN_OFF, part, f"ended with {process.exitcode}"), 0.0)
                else:
                    yield report
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join()


def count(rows: dict[tuple[str, str], Row], report: Report) -> None:
    """Add a try to its row."""
    row = rows.setdefault((report.part, report.attempt.surface), Row(report.part, report.attempt.surface))
    row.tries += 1
    row.failures += bool(report.attempt.failure)
    row.seconds += report.seconds


def again(report: Report, profile: Profile, seed: int) -> str:
    """The command that repeats a try."""
    words = [report.part, "--profile", profile.name, "--seed", str(seed)]
    if report.attempt.surface != BROKEN_OFF:
        words += ["--match", report.attempt.what]
    return shlex.join(["python", "-m", "benchmarks.hold", *words])


def _work(part: str, profile: Profile, seed: int, pipe: Connection) -> None:
    """Be one part. Ctrl-C is for the parent, which ends this process, so that the part tidies up.

    Where the parent is killed, the part ends too; and where the part is, what is attached to its standard input.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    reading, _writing = os.pipe()
    os.dup2(reading, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with _Ending(part, pipe):
        start = time.monotonic()
        for attempt in importlib.import_module(f"benchmarks.hold.{part}").tries(profile, seed):
            now = time.monotonic()
            pipe.send(Report(part, attempt, now - start))
            start = now


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True)
class _Ending:
    """Reports what a part breaks off with as a failure, by its place: its text may have a value in it."""

    part: str
    pipe: Connection

    def __enter__(self) -> None:
        """Begin the part."""

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> bool:
        """Report an error; an exit goes on."""
        if kind is None or not issubclass(kind, Exception):
            return False
        frames = (f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in traceback.extract_tb(trace))
        failure = f"{kind.__name__} in {' > '.join(frames)}"
        self.pipe.send(Report(self.part, Try(BROKEN_OFF, self.part, failure), 0.0))
        return True
