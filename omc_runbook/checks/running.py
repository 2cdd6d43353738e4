"""Faults inside a running task, which only a look at its processes can show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from omc_runbook.checks import remedies
from omc_runbook.checks.check import Doubt, Evidence, family
from omc_runbook.model.shell import command
from omc_runbook.snapshot.held_values import ABSENT, OTHER, UNSEEN, ContainerValues, HeldValue
from omc_runbook.snapshot.state import Snapshot

check = family("running")

NEEDS = ("inside", "services", "task_definitions", "tasks")

SLACK = timedelta(seconds=10)
"""How far a container's clock, which tells its boot in whole seconds, may be from that of ECS."""

UNREADABLE = "unreadable"
"""Why nothing is told of a look that worked: there is no version to compare with what it saw."""

SWITCH_ON: dict[str, str] = {
    "off": "Switch ECS Exec on with aws ecs update-service --enable-execute-command --force-new-deployment.",
    "agent": "See the findings of family exec for what keeps its agent from running.",
    "network": "Let this machine reach the session's address by HTTPS.",
    "no-shell": "Only an image with a shell and sha256sum can be looked into.",
    "no-tool": "Only an image with sha256sum, openssl, python3 or perl can be looked into.",
    "session": "Run again; the same command by hand says more.",
    "timeout": "Run again when the task has less to do.",
}
"""What would let one look inside, by why a look was refused."""

REASONS: dict[str, str] = {
    "off": "ECS Exec is off",
    "agent": "the agent of ECS Exec is not running",
    "denied": "this caller may not use ECS Exec",
    "network": "the session's address is not reached from here",
    "no-shell": "the container has no shell",
    "no-tool": "the container has no program that makes a digest",
    "session": "the session failed",
    "timeout": "the session took too long",
}


@check("entrypoint-override", *NEEDS)
def entrypoint_override(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The image's entry point replaces a variable."""
    for service, variable, seen in _variables(snapshot, _is_replaced):
        what = "no" if seen[0].held[variable].process == ABSENT else "another"
        facts = (
            f"ExecuteCommand: process {seen[0].process} of {_tasks(seen)} of {service} holds {what} {variable} than"
            " ECS gave the container, and no version of the secret that is kept has it."
            if what == "another"
            else f"ExecuteCommand: process {seen[0].process} of {_tasks(seen)} of {service} holds no {variable}, which"
            " ECS gave the container.",
        )
        remedy = remedies.advise(f"Let the image's entry point leave {variable} as it is, and deploy the new image.")
        yield Evidence(f"{service} {variable}", facts, remedy, frozenset({service}))
    yield from _unseen(snapshot)


@check("app-cache", *NEEDS)
def app_cache(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The application keeps a value that it read earlier."""
    for service, variable, seen in _variables(snapshot, _is_kept):
        held = seen[0].held[variable]
        facts = [
            f"ExecuteCommand: process {seen[0].process} of {_tasks(seen)} of {service} holds {variable} of version"
            f" {held.process}, where ECS gave the container {_named(held.injected)}.",
        ]
        facts += [
            f"The process began at {one.started:%Y-%m-%d %H:%M:%S} UTC, before the task did."
            for one in seen[:1]
            if one.started and _is_older(snapshot, one)
        ]
        remedy = remedies.advise(
            f"Let the application take {command(variable)} from its environment each time it starts, then start new"
            f" tasks: {remedies.redeploy(snapshot.environment.names, service).command}"
        )
        yield Evidence(f"{service} {variable}", tuple(facts), remedy, frozenset({service}))
    yield from _unseen(snapshot)


@check("baked-env", *NEEDS)
def baked_env(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """A value comes from the image, or from a file in it, and not from the secret."""
    for service, variable, seen in _variables(snapshot, _is_baked):
        held = seen[0].held[variable]
        if held.injected != ABSENT:
            where = f"the image of {_tasks(seen)} of {service} sets {variable}"
        elif held.process not in (ABSENT, UNSEEN):
            where = (
                f"process {seen[0].process} of {_tasks(seen)} of {service} has {variable}, which ECS did not give it"
            )
        else:
            where = f"{held.file} in {_tasks(seen)} of {service} names {variable}"
        value = _value(held.injected if held.injected != ABSENT else held.process)
        facts = (
            f"ExecuteCommand: {where}.{value}",
            f"DescribeTaskDefinition: no secrets[] entry injects {variable}: changes of the secret never reach it.",
        )
        name, arn = held.key, snapshot.secret.arn if snapshot.secret else "ARN"
        remedy = remedies.register(snapshot.environment.names, f"{arn}:{name}:: for {variable}")
        yield Evidence(f"{service} {variable}", facts, remedy, frozenset({service}))
    for service, variable, seen in _variables(snapshot, _is_shadowed):
        remark = (
            f"ExecuteCommand: {seen[0].held[variable].file} in {_tasks(seen)} of {service} names {variable} too; the"
            " process has what ECS injected, which wins where the application reads the file as Settings do.",
        )
        remedy = remedies.advise("Keep .env out of the image: name it in .dockerignore.")
        yield Evidence(f"{service} {variable}", remark, remedy, frozenset({service}), "info")
    yield from _unseen(snapshot)


def _is_replaced(held: HeldValue) -> bool:
    return held.has_reference and held.differs and held.process in (OTHER, ABSENT) and held.injected != ABSENT


def _is_kept(held: HeldValue) -> bool:
    return held.has_reference and held.differs and held.process not in (OTHER, ABSENT, UNSEEN)


def _is_baked(held: HeldValue) -> bool:
    if held.has_reference:
        return False
    return held.injected != ABSENT or held.process not in (ABSENT, UNSEEN) or bool(held.file)


def _is_shadowed(held: HeldValue) -> bool:
    return held.has_reference and bool(held.file) and not held.differs


def _variables(
    snapshot: Snapshot, is_so: Callable[[HeldValue], bool]
) -> Iterator[tuple[str, str, list[ContainerValues]]]:
    """By service and variable, the looks that show something of it, which never is none."""
    for service in snapshot.consumers:
        looks = [seen for seen in snapshot.inside or () if seen.service == service.name]
        for variable in dict.fromkeys(name for seen in looks for name in seen.held):
            showing = [seen for seen in looks if variable in seen.held and is_so(seen.held[variable])]
            if showing:
                yield service.name, variable, showing


def _unseen(snapshot: Snapshot) -> Iterator[Doubt]:
    """What was not looked into, and what would help: a sentence for each reason, and one if that is a choice."""
    looks = snapshot.inside or ()
    by_reason: dict[str, list[ContainerValues]] = {}
    for seen in looks:
        if seen.refused:
            by_reason.setdefault(seen.refused.why, []).append(seen)
        elif unseen := [held for held in seen.held.values() if held.process == UNSEEN and held.injected != ABSENT]:
            why = UNREADABLE if all(held.injected == UNSEEN for held in unseen) else ""
            by_reason.setdefault(why, []).append(seen)
    for why, dark in by_reason.items():
        services, refused = ", ".join(dict.fromkeys(one.service for one in dark)), dark[0].refused
        of = f"{_tasks(dark)} of {services}"
        if why == UNREADABLE:
            fact = f"What {of} hold was seen, and not the version that their references mean: they cannot be compared."
        elif refused is None:
            fact = f"The environment of process {dark[0].process} in {of} cannot be read: what it holds is not known."
        elif why == "denied":
            fact = f"Could not look into {of}: the permission {refused.permission} is missing."
        else:
            fact = f"Could not look into {of}, because {REASONS[why]}. {SWITCH_ON[why]}"
        yield Doubt(services, (fact, "Which value they hold is told by times alone.") if refused else (fact,))


def _tasks(seen: list[ContainerValues]) -> str:
    ids = list(dict.fromkeys(one.task_id[:8] for one in seen))
    return f"task {ids[0]}" if len(ids) == 1 else f"{len(ids)} tasks ({', '.join(ids[:3])}{'…' if ids[3:] else ''})"


def _named(version: str) -> str:
    return "a value that no kept version has" if version in (OTHER, UNSEEN) else f"that of version {version}"


def _value(version: str) -> str:
    if version in (ABSENT, UNSEEN):
        return ""
    return " It is no value of the secret's." if version == OTHER else f" It is the value of version {version}."


def _is_older(snapshot: Snapshot, seen: ContainerValues) -> bool:
    created = next((task.created for task in snapshot.tasks if task.id == seen.task_id), None)
    return bool(created and seen.started and seen.started < created - SLACK)


CHECKS = (entrypoint_override, app_cache, baked_env)
