"""Faults inside a running task, which only its processes show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial

from omc_runbook.aws.ecs import SessionSettings
from omc_runbook.checks.check import ECS_FIELDS, Evidence, Family, Uncertain
from omc_runbook.checks.definition_source import source_for
from omc_runbook.model.findings import Remedy
from omc_runbook.model.grouping import grouped
from omc_runbook.model.secretive import is_secret
from omc_runbook.model.shell import command
from omc_runbook.snapshot.held_values import ABSENT, OTHER, UNSEEN, ExecLook, HeldValue
from omc_runbook.snapshot.state import Snapshot

check = Family("running", symptom="not-updating", needs=("exec_looks", *ECS_FIELDS), looks_like=("old-value",))

SLACK = timedelta(seconds=10)
"""How far a container's clock, with its boot time in whole seconds, may be from ECS's."""

UNREADABLE = "unreadable"
"""Why a read that worked shows nothing: there is no version to compare its values with."""

UNKEYED = "unkeyed"
"""Why no digest of a value was asked for."""

NEEDS_PLUGIN = "plugin"
"""Why a session that session-manager-plugin could have failed here."""

REASONS: dict[str, tuple[str, str]] = {
    "off": (
        "ECS Exec is off",
        "Finding exec-off says how to switch it on: by --enable-execute-command, or by what deploys the service.",
    ),
    "agent": ("the agent of ECS Exec is not running", "The findings of family exec say why."),
    "no-answer": ("ecs:ExecuteCommand has no answer", "Check the network, then run again."),
    "network": (
        "the session's address is unreachable from here",
        "Allow HTTPS from this machine to the session's address.",
    ),
    "no-shell": ("the container has no shell", "Looking inside needs an image with a shell and sha256sum."),
    "no-tool": (
        "the container has no program that computes a digest",
        "Looking inside needs an image with sha256sum, openssl, python3 or perl.",
    ),
    "log-group": (
        "the agent of ECS Exec does not know that the log group for the log of sessions is encrypted, as the cluster"
        " demands",
        "Give the log group a KMS key, and the task role logs:DescribeLogGroups; or set cloudWatchEncryptionEnabled to"
        " false in the cluster's executeCommandConfiguration.",
    ),
    "bucket": (
        "the agent of ECS Exec does not know that the bucket for the log of sessions is encrypted, as the cluster"
        " demands",
        "Let the bucket be encrypted, and the task role call s3:GetEncryptionConfiguration on it; or set"
        " s3EncryptionEnabled to false in the cluster's executeCommandConfiguration.",
    ),
    NEEDS_PLUGIN: (
        "the session needs session-manager-plugin, as where a KMS key encrypts it",
        "Install session-manager-plugin on this machine, in a version after 1.2.497 if it has an older one, then run"
        " again.",
    ),
    "session": ("the session failed", "Run again, or run aws ecs execute-command by hand for details."),
    "timeout": ("the session took too long", "Run again when the task is less busy."),
}
"""Why a task could not be looked into, and what to do, by `ExecFailure.why`; a denial names its permission."""


@check("entrypoint-override", ruled_out_by="the process has the value that ECS injected")
def entrypoint_override(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The image's entry point replaces a variable."""
    for service, variable, looks in _variables(snapshot, _is_replaced):
        process = f"process {looks[0].process} of {_tasks(looks)} of {service}"
        is_gone = looks[0].values[variable].process == ABSENT
        difference = (
            f"has no {variable}, although ECS injected it."
            if is_gone
            else f"has a value of {variable} that ECS did not inject: no remaining version of the secret has it."
        )
        facts = (f"ExecuteCommand: {process} {difference}",)
        remedy = Remedy(f"Let the image's entry point leave {variable} as it is, and deploy the new image.")
        yield Evidence(f"{service} {variable}", facts, remedy, frozenset({service}))
    yield from _unseen(snapshot)


@check("app-cache", ruled_out_by="the process started with its task and has the current value")
def app_cache(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The application still uses a value that it read earlier."""
    for service, variable, looks in _variables(snapshot, _is_kept):
        value = looks[0].values[variable]
        facts = [
            f"ExecuteCommand: process {looks[0].process} of {_tasks(looks)} of {service} has {variable} of version"
            f" {value.process}; ECS injected {_describe(value.injected)}."
        ]
        facts += [
            f"The process started at {one.started:%Y-%m-%d %H:%M:%S} UTC, before its task."
            for one in looks[:1]
            if one.started and _is_older(snapshot, one)
        ]
        remedy = Remedy(
            f"Let the application take {command(variable)} from its environment each time it starts, and deploy it."
        )
        yield Evidence(f"{service} {variable}", tuple(facts), remedy, frozenset({service}))
    yield from _unseen(snapshot)


@check("baked-env", ruled_out_by="DescribeTaskDefinition: the variable is in secrets[], and the process has its value")
def baked_env(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A value comes from the image or a file in it, not from the secret."""
    for service, variable, looks in _variables(snapshot, partial(_is_baked, snapshot)):
        value = looks[0].values[variable]
        if value.injected != ABSENT:
            source = "an environment file or the image" if _has_files(snapshot, looks[0]) else "the image"
            where = f"{source} of {_tasks(looks)} of {service} sets {variable}"
        elif value.process not in (ABSENT, UNSEEN):
            where = (
                f"process {looks[0].process} of {_tasks(looks)} of {service} has {variable}, which ECS did not inject"
            )
        else:
            where = f"{value.file} in {_tasks(looks)} of {service} sets {variable}"
        origin = _value(value.injected if value.injected != ABSENT else value.process)
        facts = (
            f"ExecuteCommand: {where}.{origin}",
            f"DescribeTaskDefinition: no secrets[] entry injects {variable}: changes to the secret never reach it.",
        )
        remedy = source_for(snapshot, [service]).add(value.key, variable)
        yield Evidence(f"{service} {variable}", facts, remedy, frozenset({service}))
    for service, variable, looks in _variables(snapshot, _is_shadowed):
        remark = (
            f"ExecuteCommand: {looks[0].values[variable].file} in {_tasks(looks)} of {service} sets {variable} too; the"
            " process has the value that ECS injected, which takes precedence in Settings.",
        )
        remedy = Remedy("Keep .env out of the image: name it in .dockerignore.")
        yield Evidence(f"{service} {variable}", remark, remedy, frozenset({service}), "info")
    yield from _unseen(snapshot)


def _has_files(snapshot: Snapshot, look: ExecLook) -> bool:
    """Whether ECS gives the container variables from files in S3."""
    task = next((task for task in snapshot.tasks if task.id == look.task_id), None)
    containers = snapshot.containers(task) if task else ()
    return any(each.has_environment_files for each in containers if each.name == look.container)


def _is_replaced(value: HeldValue) -> bool:
    return value.has_reference and value.differs and value.process in (OTHER, ABSENT) and value.injected != ABSENT


def _is_kept(value: HeldValue) -> bool:
    return value.has_reference and value.differs and value.process not in (OTHER, ABSENT, UNSEEN)


def _is_baked(snapshot: Snapshot, value: HeldValue) -> bool:
    if value.has_reference:
        return False
    # Each image sets PATH, many PORT or LANG: whether a key so named is meant for tasks, key-unreferenced asks.
    is_known = value.key in snapshot.environment.keys or is_secret(value.variable) or bool(value.file)
    if not is_known and {value.injected, value.process} <= {ABSENT, OTHER, UNSEEN}:
        return False
    return value.injected != ABSENT or value.process not in (ABSENT, UNSEEN) or bool(value.file)


def _is_shadowed(value: HeldValue) -> bool:
    return value.has_reference and bool(value.file) and not value.differs


def _variables(snapshot: Snapshot, predicate: Callable[[HeldValue], bool]) -> Iterator[tuple[str, str, list[ExecLook]]]:
    """By service and variable, the looks with such a value, at least one."""
    for service in snapshot.consumers:
        looks = [look for look in snapshot.exec_looks or () if look.service == service.name]
        for variable in dict.fromkeys(name for look in looks for name in look.values):
            matching = [look for look in looks if variable in look.values and predicate(look.values[variable])]
            if matching:
                yield service.name, variable, matching


def _unseen(snapshot: Snapshot) -> Iterator[Evidence | Uncertain]:
    """What could not be read inside tasks and what to do about it, by reason."""
    reasons = ((_why_unseen(look), look) for look in snapshot.exec_looks or ())
    by_reason = grouped((why, look) for why, look in reasons if why is not None)
    for why, unread in by_reason.items():
        services, refused = ", ".join(dict.fromkeys(one.service for one in unread)), unread[0].refused
        of = f"{_tasks(unread)} of {services}"
        if why == UNKEYED:
            fact = (
                f"The values in {of} were not compared: none is strong enough to key the digests, and from unkeyed ones"
                " a weak value could be guessed if the session is logged. Values are derived from times instead."
            )
            yield Evidence(services, (fact,), severity="info")
            continue
        if why == UNREADABLE:
            fact = (
                f"The values in {of} cannot be compared: no value of the version that their references name was read."
            )
            yield Uncertain(services, (fact, *snapshot.unread("secret", "versions", "contents")))
            continue
        if refused is None:
            fact = f"The environment of process {unread[0].process} in {of} cannot be read: its values are unknown."
        elif why == "denied":
            fact = f"Could not look into {of}: the permission {refused.permission} is missing."
        else:
            fact = "Could not look into {}, because {}. {}".format(of, *REASONS[why])
        more = (*_log_of(snapshot, why), "Values are derived from times instead.") if refused else ()
        yield Uncertain(services, (fact, *more))


def _log_of(snapshot: Snapshot, why: str | None) -> tuple[str, ...]:
    """Where the cluster lets sessions be logged, in a sentence, where that is why none begins and it was read."""
    settings = snapshot.session_settings or SessionSettings()
    places = {"log-group": ("log group", settings.log_group), "bucket": ("bucket", settings.bucket)}
    kind, name = places.get(why or "", ("", ""))
    cluster = snapshot.environment.names.cluster
    return (f"DescribeClusters: executeCommandConfiguration of {cluster} has {kind} {name}.",) if name else ()


def _why_unseen(look: ExecLook) -> str | None:
    """Why values were not read inside a task, "" where its process shows none; None where they were."""
    if look.refused:
        return NEEDS_PLUGIN if look.refused.needs_plugin else look.refused.kind
    unseen = [value for value in look.values.values() if value.process == UNSEEN and value.injected != ABSENT]
    if not unseen:
        return None
    if look.is_unkeyed:
        return UNKEYED
    return UNREADABLE if all(value.injected == UNSEEN for value in unseen) else ""


def _tasks(looks: list[ExecLook]) -> str:
    ids = list(dict.fromkeys(one.task_id[:8] for one in looks))
    return f"task {ids[0]}" if len(ids) == 1 else f"{len(ids)} tasks ({', '.join(ids[:3])}{'…' if ids[3:] else ''})"


def _describe(version: str) -> str:
    return "a value that no remaining version has" if version in (OTHER, UNSEEN) else f"that of version {version}"


def _value(version: str) -> str:
    if version in (ABSENT, UNSEEN):
        return ""
    return " No version of the secret has this value." if version == OTHER else f" Version {version} has this value."


def _is_older(snapshot: Snapshot, look: ExecLook) -> bool:
    created = next((task.created for task in snapshot.tasks if task.id == look.task_id), None)
    return bool(created and look.started and look.started < created - SLACK)
