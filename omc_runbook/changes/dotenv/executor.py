"""The carrying out of a .env's plan: written once, kept private, started with, and what that start says."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from omc_runbook.changes import files
from omc_runbook.changes.dotenv.plan import EMPTIED, TEMPLATE, Setup
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Step, execute
from omc_runbook.messages.startlog import StartProblem, read_log
from omc_runbook.model.change import Change
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.workstation import docker, git
from omc_runbook.workstation.workstation import DOTENV

LISTENING, AT_REST = 60, 3
"""Seconds for which a log is read, and those after which one that does not grow is taken for whole."""


@dataclass(frozen=True)
class StartResult:
    """What a start showed: how it was started, or why it was not, and what its log says is wrong."""

    by: str
    """The command, or "" where none was given."""
    why_not: str = ""
    told: tuple[StartProblem, ...] | None = None
    ok: bool | None = None
    """Whether the command started the application; None where none was given, or that cannot be told."""


@dataclass(frozen=True, kw_only=True)
class DotenvResult(ChangeResult):
    """A .env that was written, and the start after it; `backup` is the file as it was before, where that was asked."""

    setup: Setup
    wrote: bool
    backup: Path | None
    start: StartResult


def apply(setup: Setup, backup: bool, now: datetime, begin: Callable[[], StartResult]) -> DotenvResult:
    """Write the .env as planned, mode 600, and start the application with it.

    Raises UsageError for a plan that cannot be carried out and a file that may not be written, ConflictError where the
    .env is not as it was when the plan was made, CouldNotLook where the system refuses.
    """
    if setup.obstacle:
        raise UsageError(f"{setup.obstacle.rstrip('.')}. Nothing was written.")
    path, git_dir, kept = setup.workstation.path, git.find_git_dir(setup.workstation.checkout.root), list[Path]()

    def write() -> Iterator[Change]:
        files.refuse_unwritable(path)
        if backup and setup.before is not None:
            kept.append(_back_up(path, setup.before, git_dir, now))
        files.write(path, setup.before, setup.after, git_dir, files.PRIVATE)
        yield from _changes_of(setup)

    journal = Journal()
    execute([Step(name="write", apply=write, is_done=lambda: setup.is_empty)], lambda name: None, journal)
    return DotenvResult(
        changes=tuple(journal.changes),
        setup=setup,
        wrote=not setup.is_empty,
        backup=kept[0] if kept else None,
        start=begin(),
    )


def _changes_of(setup: Setup) -> Iterator[Change]:
    """What the writing of a .env changes; of a new one the template's lines are counted only."""
    name, is_new = setup.workstation.path.name, setup.before is None
    changed = [change for change in setup.changes if change.action != "unchanged"]
    made = [change for change in changed if change.origin not in (TEMPLATE, EMPTIED)]
    if is_new:
        yield Change(action="created", file=name, origin=f"{len(changed) - len(made)} variables from the template")
    for change in made if is_new else changed:
        yield Change(key=change.key, action=change.action, origin=change.origin, file=name)
    for mend in setup.mends:
        yield Change(action="mended", file=name, origin=mend)
    if setup.tightens:
        yield Change(action="made private", file=name)


def start(root: Path, known: Collection[str]) -> StartResult:
    """Start the application by docker compose and read what it says; or say why that cannot be done here."""
    program = docker.find_compose()
    if program is None:
        return StartResult("", "There is no docker compose here.")
    refused = docker.engine_problem(program)
    if refused:
        return StartResult("", refused)
    command = " ".join((*program, "up", "-d"))
    try:
        begun = docker.up(program, root)
    except CouldNotLook as error:
        return StartResult(command, str(error), _hear(program, root, known))
    if not begun.ok:
        return StartResult(command, begun.message, _hear(program, root, known), ok=False)
    try:
        return StartResult(command, told=_listen(program, root, known), ok=True)
    except CouldNotLook as error:
        return StartResult(command, str(error), ok=True)


def _hear(program: Sequence[str], root: Path, known: Collection[str]) -> tuple[StartProblem, ...] | None:
    """What the log tells of a start that failed, as it is now; None where there is none."""
    try:
        text = docker.logs(program, root)
    except CouldNotLook:
        return None
    return read_log(text, known) if text.strip() else None


def _listen(program: Sequence[str], root: Path, known: Collection[str]) -> tuple[StartProblem, ...]:
    """What the log tells, once something is wrong in it or it has come to rest."""
    heard, still = "", 0
    for _ in range(LISTENING):
        text = docker.logs(program, root)
        told = read_log(text, known)
        still = still + 1 if text and text == heard else 0
        # What compose itself warns of stands there from the beginning.
        if any(each.service for each in told) or still == AT_REST:
            return told
        heard = text
        time.sleep(1)
    return read_log(heard, known)


def _back_up(path: Path, content: bytes, git_dir: Path | None, now: datetime) -> Path:
    """Keep the former file, where nobody else reads it and git does not take it along."""
    name = f"{DOTENV}.{now:%Y%m%dT%H%M%SZ}"
    if git_dir is not None:
        return files.keep(git_dir, f"{name.removeprefix('.')}.backup", content)
    target = path.with_name(f"{name}.backup")
    files.write(target, None, content, None, files.PRIVATE)
    return target
