"""Whether services can be redeployed at all: what to know before anything is written, and what forbids it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.rollout import expected
from omc_runbook.changes.values.sources import KEEP, rotate_command
from omc_runbook.checks import remedies
from omc_runbook.checks.deployment import is_replacing
from omc_runbook.checks.families import find
from omc_runbook.checks.startup import keys_with_nul
from omc_runbook.checks.stopped_tasks import Stop, of_kind
from omc_runbook.messages.phrases import Kind
from omc_runbook.messages.reasons import is_unreached
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, is_sentence
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

CERTAIN: frozenset[Kind] = frozenset({"image", "start", "command", "log", "volume", "file"})
"""What stops every new task before any value matters."""

OUTSIDE_THE_SECRET = ("reference", "access", "network")
"""The families of what keeps secrets from tasks and is not in the secret."""

_LACKING = re.compile(r"slim|alpine|distroless|chainguard")
"""Images that come without curl."""
_MOVING = re.compile(r"(latest|stable|edge|main|master|dev|develop|staging|production|prod)\Z", re.IGNORECASE)


def notes(snapshot: Snapshot, services: Sequence[Service], followed: Collection[str] = ()) -> Iterator[str]:
    """Sentences about how ECS deploys these services, and what could make new tasks fail whatever their values are.

    `followed` are the names of those whose present deployment is watched in the place of a new one.
    """
    deployable = [service for service in services if service.controller == "ECS" and service.desired]
    for service in deployable:
        if service.configuration.sentence:
            yield f"{service.name} deploys {service.configuration.sentence}"
        primary = service.primary
        if primary and primary.rollout == "IN_PROGRESS" and service.name not in followed:
            stage = f" ({service.underway.progress})" if service.underway else ""
            yield (
                f"{service.name}: deployment {primary.id} of {primary.created:%Y-%m-%d %H:%M} UTC is still under"
                f" way{stage}; the new one takes its place."
            )
        if service.rolled_back or (primary and primary.rollout == "FAILED"):
            label = service.task_definition_arn.rpartition("/")[2]
            yield f"{service.name}: its last deployment failed (see the findings); new tasks run {label}, in force now."
        if service.desired == 1 and service.minimum_healthy_percent == 0 and not service.configuration.overlaps:
            yield f"{service.name}: minimumHealthyPercent 0 lets ECS stop its only task before the new one runs."
    unguarded = [service.name for service in deployable if _lacks_breaker(service)]
    if unguarded:
        yield (
            f"{', '.join(unguarded)}: without a deployment circuit breaker, only this run ends a deployment whose tasks"
            " fail."
        )
    lone = [
        f"{task.id[:8]} ({task.task_definition_arn.rpartition('/')[2]})" for task in snapshot.lone_tasks if deployable
    ]
    if lone:
        yield f"Tasks outside the services keep the old values until they end: {', '.join(lone)}. Run them again."
    moving = {
        f"{service.name} ({container.image.rpartition('/')[2]})": None
        for service in deployable
        for container in snapshot.containers(service)
        if moves(container.image)
    }
    if moving:
        yield (
            f"Mutable image tags: {', '.join(moving)}. New tasks may get a different image from the running ones,"
            " and fail because of it."
        )


def blockers(snapshot: Snapshot, services: Sequence[Service]) -> tuple[str, ...]:
    """Why new tasks of these services would fail for certain, whatever their values are: as those in force do now.

    A service that gets none, as with desiredCount 0, blocks nothing.
    """
    names = grouped(
        (_certainty(snapshot, stops[0]), service.name)
        for service, stops in of_kind(snapshot, (*CERTAIN, "health-check", "secrets"))
        if service in services
        and not expected(service).is_over
        and stops[0].task.task_definition_arn == service.task_definition_arn
    )
    return tuple(
        f"New tasks of {', '.join(own)} would fail whatever their values are: {reason.removesuffix('.')}. Fix that"
        " first (troubleshoot)."
        for reason, own in names.items()
        if reason
    )


def outlasts(cause: Finding) -> bool:
    """Whether what keeps secrets from tasks goes on, whatever becomes of the secret's values."""
    check = find(cause.check, cause.family)
    # Any new version gives the staging labels other versions.
    if check is None or check.needs_new_tasks or check.id == "previous-pinned":
        return False
    return cause.is_root_cause and cause.family in OUTSIDE_THE_SECRET and check.hinders in ("secret", "calls")


def is_underway(snapshot: Snapshot, service: Service) -> bool:
    """Whether a deployment that began with the current values goes on, so that another one would only disturb it."""
    underway, primary = service.underway, service.primary
    is_own = underway is not None and primary is not None and underway.deployment_id == primary.id
    old = [task for task in snapshot.running(service) if freshness.of(snapshot, task) != "fresh"]
    # What goes on after an early success has no state: it shows by its tasks. Protected ones outlast any deployment.
    is_rest = service.ended_early and (bool(service.protection) or is_replacing(snapshot, service, old))
    if primary is None or not (is_own or is_rest):
        return False
    is_current = freshness.is_current_at(snapshot, primary.created)
    return is_current and all(task.deployment_id != primary.id for task in old)


def refuse_one_password(services: Sequence[Service], key: str, login: str) -> None:
    """Raise UsageError where tasks with the old password would outlive it in the database."""
    one = f"{key} belongs to one role in the database, which has one password at a time: tasks that"
    without_tasks = [rollout for rollout in map(expected, services) if rollout.desired and rollout.is_over]
    if without_tasks:
        reasons = " ".join(f"{rollout.service} gets no new tasks: {rollout.reason}" for rollout in without_tasks)
        raise UsageError(
            f"{one} keep the old one could not log in. {reasons} {_two_roles(login)}. Nothing was written."
        )
    overlapping = [service for service in services if service.configuration.overlaps]
    if overlapping:
        sentences = " ".join(f"{service.name} deploys {service.configuration.sentence}" for service in overlapping)
        raise UsageError(
            f"{one} still have the old one could not log in. {sentences} {_two_roles(login)}. Or set the strategy"
            " ROLLING without pauses, rotate, and set it back. Nothing was written."
        )


def refuse_old_logins(snapshot: Snapshot, services: Sequence[Service], key: str, login: str, role: str) -> None:
    """Raise UsageError where tasks have an earlier login, which may be the role that gets a new password."""
    for service in services:
        ages = {freshness.of_key(snapshot, task, each) for task in snapshot.running(service) for each in (key, login)}
        if "stale" in ages:
            raise UsageError(
                f"Tasks of {service.name} have an earlier {key}, and may log in as {role}, which gets a new password:"
                f" they could not log in any more. {_fresh_login(snapshot.environment, service)} Nothing was written."
            )


def _fresh_login(environment: Environment, service: Service) -> str:
    """How a service's tasks get the current login."""
    if expected(service).is_over:
        way = remedies.start_tasks(environment.names, service).command
    else:
        way = rotate_command(environment, values_from=KEEP)
    return way if is_sentence(way) else f"Give them the current one first: `{way}`."


def _two_roles(login: str) -> str:
    return (
        f"Let two roles take turns, with the login's name in the secret too, as {login}, and an administrator's URL in"
        " database_url_from"
    )


def moves(image: str) -> bool:
    """Whether an image's tag names another image from time to time: none, or one without a version."""
    name = image.rpartition("/")[2]
    return bool(image) and "@" not in image and bool(_MOVING.match(name.partition(":")[2] or "latest"))


def _certainty(snapshot: Snapshot, stop: Stop) -> str:
    """Why a task stopped, where no value can be the reason; "" where one can."""
    if stop.lacks_secrets or is_unreached(stop.reason):
        causes = failure.causes(snapshot, frozenset({stop.service.name}))
        return next((cause.sentence for cause in causes if outlasts(cause)), "")
    if stop.kind == "start" and keys_with_nul(snapshot, stop.service):
        return ""
    if stop.kind in CERTAIN:
        return stop.sentence
    for container in snapshot.containers(stop.service) if stop.kind == "health-check" else ():
        program = container.health_program
        if program == "curl" and _LACKING.search(container.image):
            image = container.image.rpartition("/")[2]
            return f"the health check's program {program} is not in the image {image} (exit code 127). {stop.sentence}"
    return ""


def _lacks_breaker(service: Service) -> bool:
    return service.configuration.strategy == "ROLLING" and not service.configuration.breaker.enabled
