"""A command that kills itself in the middle of a change: `killed_command.py FILE NUMBER WORDS of omc-runbook`.

Points are the beginning and the end of each step and of each call that changes something in AWS, and each file that
comes to its place. Each is a line in FILE; at the one of this number, counted from 1, the process gets SIGKILL.
FILE.unsynced names files that came to their places before their content was on the disk: a power failure empties them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

from omc_runbook import cli
from omc_runbook.changes.engine import step as engine

TAKEN, UNSYNCED = ".taken", ".unsynced"
READING = ("Assume", "BatchGet", "Describe", "Execute", "Get", "List", "Lookup", "Simulate")
"""How the names of calls begin that change nothing."""


class Points:
    """Counts the points, and kills the process at one of them."""

    def __init__(self, file: Path, last: int) -> None:
        self._file, self._last, self._count = file, last, 0
        self._synced: set[int] = set()

    def reach(self, name: str) -> None:
        """Note a point."""
        self._count += 1
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")
        if self._count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def sync(self, descriptor: int) -> None:
        """Note that a file's content is on the disk."""
        self._synced.add(os.fstat(descriptor).st_ino)

    def rename(self, source: str, target: str) -> None:
        """Note that a file is renamed to its final name."""
        if Path(target).suffix == TAKEN:
            return
        if Path(source).is_file() and Path(source).stat().st_ino not in self._synced:
            with self._file.with_suffix(UNSYNCED).open("a", encoding="utf-8") as file:
                file.write(f"{Path(target).resolve()}\n")
        self.reach(f"before a file {Path(target).suffix or Path(target).name} comes to its place")


def watch(points: Points) -> None:
    """Let steps, calls and files tell when they begin and end."""
    run, call, sync = engine._run, BaseClient._make_api_call, os.fsync  # type: ignore[attr-defined]

    def run_step(step: engine.Step, announce: Callable[[str], None], journal: engine.Journal) -> None:
        points.reach(f"before step {step.name or 'without a name'}")
        run(step, announce, journal)
        points.reach(f"after step {step.name or 'without a name'}")

    def make_call(client: Any, operation: str, parameters: Any) -> Any:
        if operation.startswith(READING):
            return call(client, operation, parameters)
        points.reach(f"before {operation}")
        answer = call(client, operation, parameters)
        points.reach(f"after {operation}")
        return answer

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.rename", "os.link"):
            points.rename(os.fsdecode(arguments[0]), os.fsdecode(arguments[1]))

    def sync_file(fd: Any) -> None:
        sync(fd)
        points.sync(fd)

    engine._run = run_step
    BaseClient._make_api_call = make_call  # type: ignore[attr-defined]
    os.fsync = sync_file
    sys.addaudithook(audit)


if __name__ == "__main__":
    watch(Points(Path(sys.argv[1]), int(sys.argv[2])))
    sys.argv[1:] = sys.argv[3:]
    cli.main()
