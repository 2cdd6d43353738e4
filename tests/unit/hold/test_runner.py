"""What a part reports is counted, and a part that breaks off has failed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from benchmarks.hold import __main__ as hold
from benchmarks.hold import runner, texts
from benchmarks.hold.runner import BROKEN_OFF, Report
from benchmarks.hold.trial import Profile, Try
from omc_runbook.masking import registry

FAILED = Report("texts", Try("masked texts", "a value; quoted", "shown: plain"), 2.0)
KEPT = Report("texts", Try("masked texts", "another value"), 1.0)


def test_a_failure_is_told_with_the_command_that_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table counts it, standard error has the way to it, also as the last words, and the command ends with 1."""

    def run(*_: object) -> Iterator[Report]:
        yield from (FAILED, KEPT)

    monkeypatch.setattr(runner, "run", run)
    ended = CliRunner().invoke(hold.main, ["--seed", "7"])
    assert ended.exit_code == 1
    assert "| texts | masked texts | 2 | 1 | 3 |" in ended.stdout
    again = "python -m benchmarks.hold texts --profile short --seed 7 --match 'a value; quoted'"
    assert "shown: plain" in ended.stderr and again in ended.stderr
    assert "shown: plain" in ended.output.partition("seed 7")[2]


def test_a_part_that_breaks_off_has_failed() -> None:
    """In a process of its own, what a part ends with is a failure with its place and without its text."""
    [report] = runner.run(["no_such_part"], Profile(), 1, 1)
    assert (report.part, report.attempt.surface) == ("no_such_part", BROKEN_OFF)
    assert report.attempt.failure.startswith("ModuleNotFoundError in ")


def test_a_run_of_nothing_is_no_success() -> None:
    """Where no try has the text in its description, the command says so and does not end with 0."""
    ended = CliRunner().invoke(hold.main, ["texts", "--match", "no such try"])
    assert ended.exit_code == 2 and "no such try" in ended.stderr


def _attached(profile: Profile, seed: int) -> Iterator[Try]:
    """A part that has started something which ends with its standard input, and goes on and on."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.stdin.read()"])
    yield Try("processes", str(child.pid))
    time.sleep(60)


def _is_running(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def _become(pids: list[int], running: bool) -> bool:
    """Whether all of these processes soon run, or soon do not."""
    end = time.monotonic() + 10
    while {*map(_is_running, pids)} != {running}:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_what_a_part_started_ends_with_a_killed_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL of `make hold` leaves no part, and nothing that a part has attached to itself, as its sandboxes."""
    monkeypatch.setattr(runner.importlib, "import_module", lambda _: SimpleNamespace(tries=_attached))  # type: ignore[attr-defined]
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def be_parent() -> None:
        part = context.Process(target=runner._work, args=("attached", Profile(), 1, theirs))
        part.start()
        theirs.send(part.pid)
        part.join()

    parent = context.Process(target=be_parent)
    parent.start()
    assert parent.pid
    messages = [ours.recv(), ours.recv()]
    pids = [each if isinstance(each, int) else int(each.attempt.what) for each in messages]
    # A process that has just begun has no command yet.
    assert _become(pids, True)
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    assert _become(pids, False)


@pytest.mark.long
def test_texts_that_are_not_masked_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With masking out of order each try of the part fails, and with it none does."""
    assert not [each for each in texts.tries(Profile(), 3) if each.failure]
    monkeypatch.setattr(registry, "mask", str)
    monkeypatch.setattr(registry, "mask_thoroughly", str)
    attempts = [each for each in texts.tries(Profile(), 3) if "common word" not in each.what]
    assert len(attempts) > 300 and all(each.failure for each in attempts)
