"""Runs and sandboxes, one after another for a long time: files, processes, threads, memory, labels and versions stay.

A scheduled night verifies, updates a key now and then, and keeps the last records; a long-lived parent makes each run.
"""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from benchmarks.hold.trial import Profile, Try
from benchmarks.hold.workplace import Workplace, last_line, new_workplace, runs
from omc_runbook.aws.session import Clients
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import folders, lifecycle

NIGHTS, FEW_NIGHTS = 300, 12
SANDBOXES, FEW_SANDBOXES = 50, 3
LOOKS, FEW_LOOKS = 300, 40
KEPT = 4
"""The records of each runbook that runbook.toml keeps."""
CHANGED_EVERY = 4
RUNBOOKS, FILES_A_RECORD = 2, 3
MEGABYTE = 1 << 20
GROWTH = 8 * MEGABYTE
"""By how much a process that looks again and again may grow after its first looks."""


@dataclass(frozen=True)
class State:
    """What there is of each kind that could grow."""

    temporary: tuple[str, ...]
    home: int
    records: int
    others: tuple[str, ...]
    labels: int
    versions: int

    @classmethod
    def of(cls, workplace: Workplace) -> State:
        """Count it."""
        names = [path.name for path in workplace.records.rglob("*") if path.is_file()]
        labels = [label for labels in workplace.stages().values() for label in labels]
        return cls(
            temporary=tuple(workplace.left_over()),
            home=sum(path.is_file() for path in (workplace.root / "home").rglob("*")),
            records=sum(name.startswith(("verify-", "update-")) for name in names),
            others=tuple(sorted(name for name in names if not name.startswith(("verify-", "update-")))),
            labels=len(labels),
            versions=len(workplace.stages()),
        )


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """Nights, looks of one process, and sandboxes."""
    draw = random.Random(seed)
    with new_workplace() as workplace:
        (workplace.work / "runbook.toml").write_text(f"[records]\nkeep_count = {KEPT}\n", encoding="utf-8")
        yield from _nights(workplace, profile, draw)
        if profile.has("looks of one process"):
            yield Try("memory", "looks of one process", _looks(workplace, LOOKS if profile.is_long else FEW_LOOKS))
    yield from _sandboxes(profile)


def _nights(workplace: Workplace, profile: Profile, draw: random.Random) -> Iterator[Try]:
    """Scheduled runs: each ends with 0, and after it there is no more than after the first nights."""
    before: State | None = None
    for night in range(NIGHTS if profile.is_long else FEW_NIGHTS):
        what = f"night {night}"
        if not profile.has(what):
            continue
        changes = night % CHANGED_EVERY == 1
        words = ("values_from=env:NEW_VALUE", "keys=SMTP_PASSWORD", "apply=true") if changes else ()
        workplace.draw_value()
        ended = workplace.run("update" if changes else "verify", words)
        pruning = workplace.call("records", "--prune", "--apply", "--record", str(workplace.records))
        failure = f"exit code {ended.returncode}: {last_line(ended)}" if ended.returncode else ""
        failure = failure or (
            f"records ends with {pruning.returncode}: {last_line(pruning)}" if pruning.returncode else ""
        )
        state = State.of(workplace)
        if night == 2 * CHANGED_EVERY - 1:
            before = state
        yield Try("scheduled runs", what, failure or _grown(before, state))
    if processes := _own_processes(workplace):
        yield Try("scheduled runs", "processes at the end", f"{processes} still run")


def _grown(before: State | None, now: State) -> str:
    """What there is more of than after the first nights."""
    grown = []
    if now.temporary:
        grown.append(f"temporary files: {', '.join(now.temporary)}")
    if now.records > RUNBOOKS * KEPT * FILES_A_RECORD:
        grown.append(f"{now.records} files of records")
    if now.labels > 2:
        grown.append(f"{now.labels} labels")
    if now.versions > 2:
        grown.append(f"{now.versions} versions with labels")
    if before and now.home > before.home:
        grown.append(f"{now.home - before.home} more files at home")
    if before and now.others != before.others:
        grown.append(f"other files beside the records: {', '.join(sorted({*now.others} ^ {*before.others}))}")
    return ", ".join(grown)


def _own_processes(workplace: Workplace) -> int:
    """The processes that have this workplace's folder as their home."""
    mark = f"HOME={workplace.root / 'home'}".encode()
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            count += mark in (folder / "environ").read_bytes().split(b"\0") and runs(int(folder.name))
        except OSError:
            continue
    return count


def _looks(workplace: Workplace, count: int) -> str:
    """Look again and again in this process, as a kernel that stays open does."""
    variables = workplace.variables
    with mock.patch.dict(os.environ, variables, clear=True):
        run = runbooks_run.begin("verify", "staging")
        for _ in range(count // 4):
            run.look()
        before = _resident(), threading.active_count(), _descriptors()
        for number in range(count):
            run.look()
            if number % 10 == 0:
                Clients("ap-southeast-2")
        after = _resident(), threading.active_count(), _descriptors()
    names = ("bytes of memory", "threads", "descriptors")
    room = (GROWTH, 0, 2)
    grown = [
        f"{b - a} more {name}" for a, b, name, more in zip(before, after, names, room, strict=True) if b > a + more
    ]
    return ", ".join(grown)


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _resident() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _sandboxes(profile: Profile) -> Iterator[Try]:
    """Sandboxes come and go, and leave neither files nor processes."""
    for number in range(SANDBOXES if profile.is_long else FEW_SANDBOXES):
        what = f"sandbox {number}"
        if not profile.has(what):
            continue
        sandbox = lifecycle.up("healthy", is_attached=True)
        tasks = [task["pid"] for task in lifecycle.status(sandbox)["tasks"]]
        folder = folders.at(sandbox.endpoint).directory
        lifecycle.down(sandbox)
        end = time.monotonic() + 10
        while (left := [pid for pid in (sandbox.pid, *tasks) if runs(pid)]) and time.monotonic() < end:
            time.sleep(0.05)
        failure = f"{len(left)} of its processes still run" if left else ""
        yield Try("sandboxes", what, failure or (f"{folder.name} is left" if folder.exists() else ""))
