"""Writes a .env as planned, starts the application with it, and reads its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from omc_runbook.changes import files
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.dotenv.plan import EMPTIED, TEMPLATE, DotenvPlan
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Made, Step, at_once, execute
from omc_runbook.masking import registry
from omc_runbook.messages.startline import StartProblem
from omc_runbook.messages.startlog import last_exception, read_log
from omc_runbook.model.change import Change, Tell, tell_nobody
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.repository import git
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.compose import ComposeService
from omc_runbook.workstation import docker
from omc_runbook.workstation.workstation import DOTENV

LOG_SECONDS, SETTLED_SECONDS = 60, 3
"""Seconds for which a log or health checks are followed, and those without new lines after which a log is complete."""
STARTING = "starting"
"""The health of a container whose check has not passed or failed yet."""


@dataclass(frozen=True)
class StartResult:
    """A start of the application: its command, or why there was none, and the problems in its log."""

    by: str
    """The command, or "" where none was run."""
    why_not: str = ""
    problems: tuple[StartProblem, ...] | None = None
    ok: bool | None = None
    """Whether the command started the application; None where none was run, or that is unknown."""
    remedy: str = ""
    """The command that removes what it failed at, or that shows more of it."""


@dataclass(frozen=True, kw_only=True)
class DotenvResult(ChangeResult):
    """A written .env, and the start after it; `backup` is the copy of the former file, where requested."""

    plan: DotenvPlan
    wrote: bool
    backup: Path | None
    start: StartResult


def apply(
    plan: DotenvPlan,
    backup: bool,
    now: datetime,
    start_application: Callable[[], StartResult],
    announce: Callable[[str], None] = lambda name: None,
    tell: Tell = tell_nobody,
) -> DotenvResult:
    """Write the .env as planned, mode 600, and start the application with it.

    While that starts, `start_application` may raise Cancelled: then the .env is as before again. Raises UsageError for
    a plan with an obstacle and a file that is not writable, ConflictError where the .env has changed since the plan was
    made, CouldNotLook where the system refuses, and Interrupted.
    """
    if plan.obstacle:
        raise UsageError(f"{plan.obstacle.rstrip('.')}. Nothing was written.")
    path, git_dir, backups = plan.workstation.path, git.find_git_dir(plan.workstation.checkout.root), list[Path]()

    def write() -> Iterator[Made]:
        files.refuse_unwritable(path)
        if backup and plan.before is not None:
            backups.append(_back_up(path, plan.before, git_dir, now))
        files.write(path, plan.before, plan.after, git_dir, files.PRIVATE)
        yield from at_once(_changes_of(plan))

    def put_back() -> Iterator[Change]:
        if plan.before is None:
            files.remove(path, plan.after)
        else:
            files.write(path, plan.after, plan.before, git_dir, files.PRIVATE)
        yield Change(action="put back", file=path.name)

    starts = list[StartResult]()
    journal, undo = Journal(tell), Step(name="withdraw", apply=put_back, is_done=lambda: plan.is_empty)
    steps = (
        Step(name="write", apply=write, is_done=lambda: plan.is_empty, undo=(undo,)),
        Step(name="start", apply=lambda: starts.append(start_application())),
    )
    is_kept = execute(steps, announce, journal)
    down = plan.workstation.compose_command("down")
    back = f"{path.name} is as before; containers that were started have the new one: {down}."
    return DotenvResult(
        changes=tuple(journal.changes),
        plan=plan,
        left_out=plan.left_out,
        wrote=not plan.is_empty and is_kept,
        backup=backups[0] if backups else None,
        start=starts[0] if starts else StartResult("", "You stopped it."),
        rollback_note="" if is_kept else back,
        is_back=not is_kept,
        findings=() if is_kept else (failure.cancellation(path.name, back, True),),
    )


def _changes_of(plan: DotenvPlan) -> Iterator[Change]:
    """The changes of a written .env; those of a new one from the template are only counted."""
    name, is_new = plan.workstation.path.name, plan.before is None
    written_changes = [change for change in plan.changed if change.origin not in (TEMPLATE, EMPTIED)]
    if is_new:
        copied = len(plan.changed) - len(written_changes)
        yield Change(action="created", file=name, origin=f"{copied} variables from the template")
    for change in written_changes if is_new else plan.changed:
        yield Change(key=change.key, action=change.action, origin=change.origin, file=name)
    for mend in plan.mends:
        yield Change(action="mended", file=name, origin=mend)
    if plan.tightens:
        yield Change(action="made private", file=name)


def start(checkout: Checkout, variables: Collection[str], sleep: Callable[[float], None] = time.sleep) -> StartResult:
    """Start the application with docker compose and read its log, or say why that is not possible here.

    Raises what `sleep` raises, with which it waits for the log.
    """
    root = checkout.root
    program = docker.find_compose(root)
    if program is None:
        return StartResult("", "Docker Compose is not installed here.")
    engine_problem = docker.engine_problem(program)
    if engine_problem:
        return StartResult("", engine_problem)
    up = " ".join((*program, "up", "-d"))
    try:
        started = docker.up(program, root)
    except CouldNotLook as error:
        text = _log_of_failure(program, root)
        return StartResult(up, str(error), read_log(text, variables) if text else None)
    if not started.ok:
        result = StartResult(up, started.message, ok=False, remedy=started.remedy)
        return _explain(result, started.services, program, checkout, variables)
    problems: tuple[StartProblem, ...] | None = None
    try:
        problems = _follow_log(program, root, variables, sleep)
        is_refused = any(problem.service for problem in problems)
        # An application that has said why it does not work need not be awaited.
        containers = docker.containers(program, root) if is_refused else _follow_health(program, root, sleep)
    except CouldNotLook as error:
        return StartResult(up, str(error), problems, ok=True)
    own = checkout.application.name if checkout.application else ""
    # What another service waits for to end well is a job.
    own = "" if any(own in each.awaits_end_of for each in checkout.services) else own
    failed = [each for each in containers if each.failure or (each.service == own and each.state == "exited")]
    if failed:
        failure = failed[0].failure or "has ended (exit code 0)"
        message = f"{up} succeeded, but service {failed[0].service} {failure}."
        return _explain(StartResult(up, message, ok=False), [failed[0].service], program, checkout, variables)
    why_unclear = _why_left_out(checkout.application, containers, up)
    starting = [each.service for each in containers if each.health == STARTING]
    if starting and not is_refused:
        look = docker.command_for(program, checkout, "ps")
        why_unclear = f"The health check of service {starting[0]} has not passed within {LOG_SECONDS} s: `{look}`."
    return StartResult(up, why_unclear, problems, ok=True)


def _why_left_out(application: ComposeService | None, containers: Iterable[docker.ComposeContainer], up: str) -> str:
    """A sentence where the application has no container, since none of its profiles is active; else ""."""
    if not application or not application.profiles or application.name in (each.service for each in containers):
        return ""
    name, profiles = application.name, ", ".join(application.profiles)
    return f"{up} succeeded, but leaves out service {name}, whose profile {profiles} is not active."


def _explain(
    result: StartResult, names: Sequence[str], program: Sequence[str], checkout: Checkout, variables: Collection[str]
) -> StartResult:
    """A failed start with the services that failed, what their logs say, and what to do next.

    `names` are the services or containers that Docker Compose blames.
    """
    try:
        containers = docker.containers(program, checkout.root)
    except CouldNotLook:
        containers = ()
    service_of = {each.name: each.service for each in containers}
    services = [service_of.get(name, name) for name in names]
    facts = [result.why_not]
    for container in containers:
        if container.failure and container.service not in services:
            services.append(container.service)
            facts.append(f"Service {container.service} {container.failure}.")
    text = _log_of_failure(program, checkout.root)
    exceptions = ((service, last_exception(text, service)) for service in services)
    facts += [f"The last error in the log of {service} is {name}." for service, name in exceptions if name]
    look = docker.command_for(program, checkout, "logs", *services) if services else ""
    problems = read_log(text, variables) if text else None
    return replace(result, why_not=registry.mask(" ".join(facts)), problems=problems, remedy=result.remedy or look)


def _log_of_failure(program: Sequence[str], root: Path) -> str:
    """The log of all services after a failed start; "" without one."""
    try:
        text = docker.logs(program, root)
    except CouldNotLook:
        return ""
    return text if text.strip() else ""


def _follow_log(
    program: Sequence[str], root: Path, variables: Collection[str], sleep: Callable[[float], None]
) -> tuple[StartProblem, ...]:
    """The problems in the log, as soon as there are any or the log has settled."""
    last_text, unchanged_reads = "", 0
    for _ in range(LOG_SECONDS):
        text = docker.logs(program, root)
        problems = read_log(text, variables)
        unchanged_reads = unchanged_reads + 1 if text and text == last_text else 0
        # Warnings of Compose itself, which have no service, come first.
        if any(problem.service for problem in problems) or unchanged_reads == SETTLED_SECONDS:
            return problems
        last_text = text
        sleep(1)
    return read_log(last_text, variables)


def _follow_health(
    program: Sequence[str], root: Path, sleep: Callable[[float], None]
) -> tuple[docker.ComposeContainer, ...]:
    """The containers, as soon as one fails or no health check is on its way."""
    containers = docker.containers(program, root)
    for _ in range(LOG_SECONDS):
        if any(each.failure for each in containers) or all(each.health != STARTING for each in containers):
            break
        sleep(1)
        containers = docker.containers(program, root)
    return containers


def _back_up(path: Path, content: bytes, git_dir: Path | None, now: datetime) -> Path:
    """Save the former file with mode 600, where git does not commit it."""
    name = f"{DOTENV}.{now:%Y%m%dT%H%M%SZ}"
    if git_dir is not None:
        return files.keep_private(git_dir, f"{name.removeprefix('.')}.backup", content)
    target = path.with_name(f"{name}.backup")
    files.write(target, None, content, None, files.PRIVATE)
    return target
