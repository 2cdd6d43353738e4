"""Drills: the sandbox broken in a way that nobody tells, the answers to it graded, and the score."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from omc_runbook.diagnosis import root_causes
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.suggestions import nearest
from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.faults import Fault
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import CLUSTER, World

BROKEN = "a drill"
"""What the sandbox calls broken during one."""

ANSWERING = "`omc-runbook sandbox answer ID` answers it, `omc-runbook sandbox drill --stop` ends it"

_SHELL = "Nobody gets a shell in a running task."
_UNSEEN = "Somebody changed a value, and the application does not show it."
_LAME = "The application runs, and something in it that needs a secret does not work."


@dataclass(frozen=True)
class Grade:
    """An answer: what was broken, what was said, and how many seconds it took."""

    fault: str
    answer: str
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether it was that."""
        return self.fault == self.answer


@dataclass(frozen=True)
class Drill:
    """A drill that runs: the faults in their order, the answers to the first of them, and the present one's symptom."""

    faults: tuple[str, ...]
    grades: tuple[Grade, ...] = ()
    symptom: str = ""
    since: float = 0.0
    """When the present fault was there to be seen, in seconds since 1970."""

    @property
    def fault(self) -> str:
        """The fault that is there now."""
        return self.faults[len(self.grades)]

    @property
    def is_over(self) -> bool:
        """Whether every fault has been answered."""
        return len(self.grades) == len(self.faults)


def current(sandbox: Sandbox) -> Drill | None:
    """The drill that runs in a sandbox, if one does."""
    noted = lifecycle.ask(sandbox, "GET", "note")["drill"]
    if noted is None:
        return None
    grades = tuple(Grade(**grade) for grade in noted.pop("grades"))
    return Drill(tuple(noted.pop("faults")), grades, **noted)


def start(sandbox: Sandbox, family: str = "", count: int = 1, seed: int | None = None) -> Drill:
    """Break the first of so many faults, at random, of one family or of all.

    Raises UsageError where a drill runs already, where something else is broken, and for an unknown family.
    """
    if current(sandbox):
        raise UsageError(f"A drill runs already: {ANSWERING}.")
    found = lifecycle.status(sandbox)
    if found["broken"] or found["world"] != "healthy":
        what = ", ".join(found["broken"]) or "the world is not the healthy one"
        raise UsageError(
            f"A drill begins in a healthy world, and this one is not ({what}): `omc-runbook sandbox mend`."
        )
    return _break(sandbox, Drill(_choose(family, count, random.Random(seed))))


def answer(sandbox: Sandbox, fault: str) -> tuple[Grade, Drill]:
    """Grade an answer, mend, and break the next fault; the drill as it goes on, or is over.

    Raises UsageError where no drill runs, and for an id that is nobody's.
    """
    drill = _running(sandbox)
    known = {check.id for check in root_causes.CHECKS} | {known.id for known in faults.catalogue()}
    if fault not in known:
        raise UsageError(f"There is no fault {fault}{nearest(fault, known)} It was not graded.")
    grade = Grade(drill.fault, fault, round(time.time() - drill.since, 1))
    drill = replace(drill, grades=(*drill.grades, grade))
    faults.mend(sandbox.endpoint)
    if drill.is_over:
        _note(sandbox, None)
        return grade, drill
    return grade, _break(sandbox, drill)


def stop(sandbox: Sandbox) -> Drill:
    """Mend, and end the drill; raises UsageError where none runs."""
    drill = _running(sandbox)
    faults.mend(sandbox.endpoint)
    _note(sandbox, None)
    return drill


def verdict(grade: Grade) -> str:
    """What to say of an answer: right, wrong, or wrong in that it named what follows from the cause."""
    what = f"it was {grade.fault}: {_find(grade.fault).breaks}"
    if grade.is_right:
        return f"Right, after {grade.seconds:.0f} s: {what}"
    if _follows(grade.answer, grade.fault):
        return (
            f"Nearly, after {grade.seconds:.0f} s: {grade.answer} is a consequence at most. Its cause was "
            f"{grade.fault}: {_find(grade.fault).breaks}"
        )
    return f"Wrong, after {grade.seconds:.0f} s: not {grade.answer}, {what}"


def card(grades: Sequence[Grade]) -> str:
    """The score: a line for each answer, and how many were right."""
    rows = [("fault", "answer", "", "seconds")]
    rows += [(each.fault, each.answer, "right" if each.is_right else "wrong", f"{each.seconds:.0f}") for each in grades]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows]
    right = len([grade for grade in grades if grade.is_right])
    return "\n".join([*lines, f"{right} of {len(grades)} right"])


def _running(sandbox: Sandbox) -> Drill:
    drill = current(sandbox)
    if drill is None:
        raise UsageError("No drill runs: start one with `omc-runbook sandbox drill`.")
    return drill


def _choose(family: str, count: int, chance: random.Random) -> tuple[str, ...]:
    """So many faults, none a second time before all have been there."""
    known = faults.catalogue()
    candidates = [fault.id for fault in known if family in ("", fault.family)]
    if not candidates:
        raise UsageError(f"There is no family {family}{nearest(family, {fault.family for fault in known})}")
    chosen: list[str] = []
    while len(chosen) < count:
        chosen += chance.sample(candidates, len(candidates))
    return tuple(chosen[:count])


def _break(sandbox: Sandbox, drill: Drill) -> Drill:
    # Noted before it is broken: who is interrupted meanwhile can still end the drill.
    _note(sandbox, replace(drill, since=time.time()))
    faults.break_(sandbox.endpoint, drill.fault)
    drill = replace(drill, symptom=_symptom(World(sandbox.endpoint), _find(drill.fault)), since=time.time())
    _note(sandbox, drill)
    return drill


def _note(sandbox: Sandbox, drill: Drill | None) -> None:
    members: dict[str, Any] = {"broken": [], "drill": None}
    if drill:
        members = {"broken": [BROKEN], "drill": asdict(drill)}
    lifecycle.ask(sandbox, "POST", "note", members)


def _find(fault: str) -> Fault:
    return next(known for known in faults.catalogue() if known.id == fault)


def _follows(effect: str, cause: str) -> bool:
    """Whether the diagnosis counts one among the consequences of the other."""
    checks = {check.id: check for check in root_causes.CHECKS}
    both = [checks[id] for id in (effect, cause) if id in checks]
    found = [
        Finding(check=check.id, family=check.family, title=check.title, status="found", severity=check.severity)
        for check in both
    ]
    return any(cause in finding.because_of for finding in root_causes.relate(found) if finding.check == effect)


def _symptom(world: World, fault: Fault) -> str:
    """What somebody on call is told: what can be seen from outside, and no more."""
    if fault.family == "exec":
        return _SHELL
    try:
        services = {service["serviceName"]: service for service in world.services()}
    except ClientError as error:
        if error.response["Error"]["Code"] != "ClusterNotFoundException":
            raise
        services = {}
    if "backend" not in services:
        return "The dashboard of staging is empty: it finds no service backend."
    told = [_told(world, name) for name, service in services.items() if _fails(service)]
    idle = [f"Nothing of the {name} runs." for name, service in services.items() if not service["runningCount"]]
    unseen = fault.family in ("reference", "deployment", "running")
    return " ".join([*told, *idle]) or (_UNSEEN if unseen else _LAME)


def _fails(service: Any) -> bool:
    """Whether a service's last roll-out failed, keeps failing, or was taken back."""
    return any(
        deployment.get("failedTasks", 0) or "rolling back" in deployment.get("rolloutStateReason", "")
        for deployment in service["deployments"]
    )


def _told(world: World, service: str) -> str:
    """Whether a service's new tasks never start, or do not stay."""
    pages = world.ecs.get_paginator("list_tasks").paginate(
        cluster=CLUSTER, serviceName=service, desiredStatus="STOPPED"
    )
    arns = [arn for page in pages for arn in page["taskArns"]]
    stopped = [
        task
        for first in range(0, len(arns), 100)
        for task in world.ecs.describe_tasks(cluster=CLUSTER, tasks=arns[first : first + 100])["tasks"]
    ]
    # Those that a newer deployment replaced did not fail.
    failed = [task for task in stopped if not task.get("stoppedReason", "").startswith("Scaling activity")]
    last = max(failed, key=lambda task: task["createdAt"], default=None)
    starts = last is not None and "startedAt" in last
    return f"The {service}'s new tasks {'start and do not stay' if starts else 'do not start'}."
