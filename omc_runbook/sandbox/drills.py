"""Drills: unnamed faults in the sandbox, the grades of the answers, and the score.

All checks, which hints and wrong answers are about, take longer to import than the rest, which every command needs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from omc_runbook.aws.failures import on_error
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import nearest
from omc_runbook.sandbox import faults, lifecycle, solved
from omc_runbook.sandbox.faults import Fault, checkout
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.solved import BestAnswer, FamilyScore
from omc_runbook.sandbox.worlds.staging import World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

    from omc_runbook.sandbox.hints import Level

AUDIT = "audit"
"""The family of the faults that only an audit finds."""
BROKEN = "a drill"
"""What `sandbox status` reports as broken during a drill."""

ANSWERING = "answer it with `omc-runbook sandbox answer ID`, or end it with `omc-runbook sandbox drill --stop`"

POINTS, HINT_COST = 10, 2
"""What a right answer is worth, and what each hint costs of it."""

_SHELL = "ECS Exec gives no shell in a running task."
_STALE = "A secret value was changed, but the application still uses the old one."
_QUESTIONED = (
    "Everything works. But somebody asks who can read the secret, who did, how old it is and who would notice."
)
_DEGRADED = "The application runs, but a feature that needs a secret does not work."


@dataclass(frozen=True)
class Grade:
    """A graded answer: the fault, the answer, the seconds from the break to it, and how many hints were taken."""

    fault: str
    answer: str
    seconds: float
    hints: int = 0

    @property
    def is_right(self) -> bool:
        """Whether the answer is the fault."""
        return self.fault == self.answer

    @property
    def points(self) -> int:
        """The points of a right answer; 0 of any other."""
        return _worth(self.hints) if self.is_right else 0


@dataclass(frozen=True)
class Drill:
    """A running drill: its faults in order, the grades so far, and the current fault's symptom."""

    faults: tuple[str, ...]
    grades: tuple[Grade, ...] = ()
    symptom: str = ""
    since: float = 0.0
    """When the current fault became visible, in seconds since 1970."""
    hints: int = 0
    """How many hints at the current fault were taken."""

    @property
    def fault(self) -> str:
        """The current fault."""
        return self.faults[len(self.grades)]

    @property
    def seconds(self) -> float:
        """The clock: how long the current fault has been visible."""
        return round(time.time() - self.since, 1)

    @property
    def points(self) -> int:
        """What a right answer is worth now."""
        return _worth(self.hints)

    @property
    def is_over(self) -> bool:
        """Whether every fault was answered."""
        return len(self.grades) == len(self.faults)


def current(sandbox: Sandbox) -> Drill | None:
    """The drill that runs in a sandbox; None if there is none."""
    members = lifecycle.ask(sandbox, "GET", "note")["drill"]
    if members is None:
        return None
    grades = tuple(Grade(**grade) for grade in members.pop("grades"))
    return Drill(tuple(members.pop("faults")), grades, **members)


def start(
    sandbox: Sandbox, family: str = "", count: int = 1, seed: int | None = None, level: Level | None = None
) -> Drill:
    """Start a drill of `count` random faults, of one family and level or of all, and inject the first.

    Raises UsageError if a drill is running, something else is broken, the family is unknown, or it has no fault of the
    level.
    """
    _check_healthy(sandbox)
    return _break(sandbox, Drill(_choose(family, level, count, random.Random(seed))))  # noqa: S311 - a drill


def start_secretly(sandbox: Sandbox, fault: str) -> Drill:
    """Start a drill of one fault that somebody chose for another; raises UsageError as `start` does."""
    chosen = faults.find(fault)
    checkout.refuse_unseen(chosen)
    _check_healthy(sandbox)
    return _break(sandbox, Drill((chosen.id,)))


def hint(sandbox: Sandbox) -> tuple[tuple[str, ...], Drill]:
    """Take the next hint; returns all that were taken, and the drill. After the last one nothing more is taken.

    Raises UsageError if no drill is running.
    """
    drill = _running(sandbox)
    from omc_runbook.sandbox import hints

    every = hints.of(faults.find(drill.fault))
    drill = replace(drill, hints=min(drill.hints + 1, len(every)))
    _note(sandbox, drill)
    return every[: drill.hints], drill


def answer(sandbox: Sandbox, fault: str, is_kept: bool = True) -> tuple[Grade, Drill]:
    """Grade an answer, repair, and inject the next fault; returns the grade and the drill, which may be over.

    A right answer is kept for the card, unless `is_kept` is False. Raises UsageError if no drill is running, and for an
    unknown id.
    """
    drill = _running(sandbox)
    _check_exists(fault)
    grade = Grade(drill.fault, fault, drill.seconds, drill.hints)
    drill = replace(drill, grades=(*drill.grades, grade))
    faults.mend(sandbox.endpoint)
    if drill.is_over:
        _note(sandbox, None)
    else:
        drill = _break(sandbox, drill)
    if grade.is_right and is_kept:
        solved.add(BestAnswer(grade.fault, grade.points, grade.seconds))
    return grade, drill


def repository(sandbox: Sandbox, drill: Drill) -> str:
    """The path of the copy of the checkout, where the current fault broke that; "" else."""
    return str(checkout.copy_of(sandbox.endpoint)) if checkout.is_in_copy(faults.find(drill.fault)) else ""


def diagnosis(sandbox: Sandbox, drill: Drill) -> str:
    """The command that looks at what the current fault broke: the environment, or the drill's copy of the checkout."""
    root, family = repository(sandbox, drill), faults.find(drill.fault).family
    if family == AUDIT:
        return "omc-runbook run audit -p environment staging --summary"
    if not root:
        return "omc-runbook run troubleshoot -p environment staging --summary"
    if family == checkout.DRIFT:
        return command("omc-runbook", "run", "verify", "-p", "repository", root, "--summary")
    # The copy is the sandbox's own code.
    words = ("-p", "repository", root, "-p", "allow_code", "true", "--summary")
    return command("omc-runbook", "run", "local_setup", *words)


def stop(sandbox: Sandbox) -> Drill:
    """Repair everything and end the drill; raises UsageError if none is running."""
    drill = _running(sandbox)
    faults.mend(sandbox.endpoint)
    _note(sandbox, None)
    return drill


def verdict(grade: Grade) -> str:
    """The verdict on an answer: right, wrong, or a consequence of the right one; with its time and points."""
    after = f"after {grade.seconds:.0f} s, {grade.points} of {POINTS} points"
    what = f"it was {grade.fault}: {faults.find(grade.fault).breaks}"
    if grade.is_right:
        return f"Right, {after}: {what}"
    if _follows(grade.answer, grade.fault):
        return (
            f"Nearly, {after}: {grade.answer} is only a consequence. The cause was "
            f"{grade.fault}: {faults.find(grade.fault).breaks}"
        )
    return f"Wrong, {after}: not {grade.answer}, {what}"


def card(grades: Sequence[Grade]) -> str:
    """The score: a line for each answer, the points, and how many were right."""
    rows = [("fault", "answer", "", "seconds", "hints", "points")]
    for each in grades:
        word = "right" if each.is_right else "wrong"
        rows.append((each.fault, each.answer, word, f"{each.seconds:.0f}", str(each.hints), str(each.points)))
    right = len([grade for grade in grades if grade.is_right])
    points = sum(grade.points for grade in grades)
    total = f"{points} of {POINTS * len(grades)} points"
    return "\n".join([*_table(rows, left_columns=3), total, f"{right} of {len(grades)} right"])


def family_card(scores: Sequence[FamilyScore]) -> str:
    """The score of all drills: of each family how much was solved, the best points, and the fastest answer."""
    rows = [("family", "solved", "points", "fastest")]
    for score in scores:
        times = [each.seconds for each in score.solved]
        points = sum(each.points for each in score.solved)
        fastest = f"{min(times):.0f} s" if times else "-"
        rows.append((score.family, f"{len(times)} of {score.faults}", str(points), fastest))
    answers = [answer for score in scores for answer in score.solved]
    total = f"{len(answers)} of {sum(score.faults for score in scores)} faults solved"
    return "\n".join([*_table(rows, left_columns=1), f"{total}, {sum(answer.points for answer in answers)} points"])


def _worth(hint_count: int) -> int:
    return POINTS - HINT_COST * hint_count


def _table(rows: Sequence[tuple[str, ...]], left_columns: int) -> list[str]:
    """Rows in columns as wide as their widest cell; the first `left_columns` are aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < left_columns else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _running(sandbox: Sandbox) -> Drill:
    drill = current(sandbox)
    if drill is None:
        raise UsageError("No drill is running: start one with `omc-runbook sandbox drill`.")
    return drill


def _check_exists(fault: str) -> None:
    """Raise UsageError unless a check or the catalogue has a fault with this id."""
    ids = {each.id for each in faults.every()}
    if fault in ids:
        return
    from omc_runbook.diagnosis import root_causes

    if fault not in {check.id for check in root_causes.EVERY_CHECK}:
        # Only those of the catalogue are right answers.
        raise UsageError(
            f"There is no fault {fault}{nearest(fault, ids)} The answer was not graded.",
            "omc-runbook sandbox faults lists the ids.",
        )


def _check_healthy(sandbox: Sandbox) -> None:
    """Raise UsageError unless nothing is broken, by a drill or by hand."""
    if current(sandbox):
        raise UsageError(f"A drill is already running: {ANSWERING}.")
    status = lifecycle.status(sandbox)
    if status["broken"] or status["world"] != "healthy":
        broken = ", ".join(status["broken"])
        # Only mend takes back all that a fault did, such as its events and what a fix has made.
        why = f"here something was broken, fixed since or not: {broken}" if broken else "this one is not"
        raise UsageError(f"A drill needs a healthy sandbox, and {why}. Run `omc-runbook sandbox mend`.")


def _choose(family: str, level: Level | None, count: int, generator: random.Random) -> tuple[str, ...]:
    """The ids of `count` faults that can be seen on this machine; none comes twice before each came once."""
    catalogue = [fault for fault in faults.every() if checkout.is_seen_here(fault)]
    members = [fault for fault in catalogue if family in ("", fault.family)]
    if not members:
        raise UsageError(f"There is no family {family}{nearest(family, {fault.family for fault in catalogue})}")
    candidates = [fault.id for fault in members]
    if level is not None:
        from omc_runbook.sandbox import hints

        candidates = [fault.id for fault in members if hints.level(fault) == level]
    if not candidates:
        levels = ", ".join(sorted({hints.level(fault) for fault in members}))
        raise UsageError(f"The family {family} has no {level} fault: its faults are {levels}.")
    ids: list[str] = []
    while len(ids) < count:
        ids += generator.sample(candidates, len(candidates))
    return tuple(ids[:count])


def _break(sandbox: Sandbox, drill: Drill) -> Drill:
    # Noted first, so that a drill can be ended if this is interrupted.
    drill = replace(drill, symptom="", since=time.time(), hints=0)
    _note(sandbox, drill)
    faults.break_(sandbox.endpoint, drill.fault)
    symptom = _symptom(World(sandbox.endpoint), faults.find(drill.fault))
    drill = replace(drill, symptom=symptom, since=time.time())
    _note(sandbox, drill)
    return drill


def _note(sandbox: Sandbox, drill: Drill | None) -> None:
    members: dict[str, Any] = {"broken": [], "drill": None}
    if drill:
        members = {"broken": [BROKEN], "drill": asdict(drill)}
    lifecycle.ask(sandbox, "POST", "note", members)


def _follows(effect: str, cause: str) -> bool:
    """Whether the diagnosis links two faults as effect and cause."""
    from omc_runbook.diagnosis import root_causes

    findings = [
        Finding(check=check.id, family=check.family, title=check.title, status="found", severity=check.severity)
        for check in root_causes.EVERY_CHECK
        if check.id in (effect, cause)
    ]
    return any(cause in finding.because_of for finding in root_causes.relate(findings) if finding.check == effect)


def _symptom(world: World, fault: Fault) -> str:
    """What somebody on call would report: only what is visible from outside."""
    if fault.symptom:
        return fault.symptom
    if fault.family == "exec":
        return _SHELL
    if fault.family == AUDIT:
        return _QUESTIONED
    services = {service["serviceName"]: service for service in _services(world)}
    if "backend" not in services:
        return "The dashboard of staging is empty: there is no service backend."
    failing = [_failure(world, name) for name, service in services.items() if _fails(service)]
    idle = [f"No task of the {name} runs." for name, service in services.items() if not service["runningCount"]]
    is_stale = fault.family in ("reference", "deployment", "running")
    return " ".join([*failing, *idle]) or (_STALE if is_stale else _DEGRADED)


@on_error("ClusterNotFoundException", gives=())
def _services(world: World) -> Sequence[ServiceTypeDef]:
    return world.services()


def _fails(service: Any) -> bool:
    """Whether a service's last rollout failed, keeps failing, or was rolled back."""
    return any(
        deployment.get("failedTasks", 0) or "rolling back" in deployment.get("rolloutStateReason", "")
        for deployment in service["deployments"]
    )


def _failure(world: World, service: str) -> str:
    """Whether a service's new tasks never start, or stop after their start."""
    stopped = world.tasks(serviceName=service, desiredStatus="STOPPED")
    # Tasks that a newer deployment replaced did not fail.
    failed = [task for task in stopped if not task.get("stoppedReason", "").startswith("Scaling activity")]
    last = max(failed, key=lambda task: task["createdAt"], default=None)
    starts = last is not None and "startedAt" in last
    return f"The {service}'s new tasks {'stop soon after they start' if starts else 'do not start'}."
