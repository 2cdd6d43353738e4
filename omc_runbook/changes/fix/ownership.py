"""Ownership: to which environment a role, a secret, a service or a task definition belongs, by its names and tags.

A change touches only what belongs to the environment of its run: another one may want a confirmation that was not
asked for, and has people of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from omc_runbook.aws import iam
from omc_runbook.model.environment import KNOWN, LOCAL, Environment, Names
from omc_runbook.model.value_from import is_secret_name
from omc_runbook.snapshot.state import Snapshot

_ROLES = ("execution_role", "task_role")


def why_not_role(snapshot: Snapshot, arn: str) -> str:
    """Why a role must not be changed: it belongs to another environment, or to none that is known; "" where it may."""
    name, known = iam.role_name(arn), snapshot.permissions.get(arn)
    owners = _owners(snapshot, name, _ROLES, known.role.tags if known and known.role else {})
    if _others(snapshot, owners):
        return (
            f"Role {name} belongs to {_others(snapshot, owners)}, not to {snapshot.environment.name}: set"
            f" executionRoleArn of the task definition to {snapshot.environment.names.execution_role}, where it comes"
            " from."
        )
    if not owners:
        return (
            f"Neither name nor tags of role {name} say that it belongs to {snapshot.environment.name}: others may use"
            " it. Set execution_role in runbook.toml if it does."
        )
    return ""


def why_not_secret(snapshot: Snapshot) -> str:
    """Why the secret must not be changed: it belongs to another environment; "" where it may."""
    tags = snapshot.secret.tags if snapshot.secret else {}
    others = _others(snapshot, _owners(snapshot, snapshot.secret_name, ("secret",), tags))
    if not others:
        return ""
    return (
        f"Secret {snapshot.secret_name} belongs to {others}, not to {snapshot.environment.name}: correct secret in"
        f" runbook.toml, or run this for {others}."
    )


def why_not_family(snapshot: Snapshot, family: str) -> str:
    """Why a task definition's family must not get a revision: it is another environment's; "" where it may."""
    others = _others(snapshot, _owners(snapshot, family, ("task_family",)))
    if not others:
        return ""
    return (
        f"Task definition {family} belongs to {others}, not to {snapshot.environment.name}: give the service one of"
        f" its own, and correct this one in a run for {others}."
    )


def why_not_service(snapshot: Snapshot, service: str) -> str:
    """Why a service must not get new tasks: it is another environment's, in the same cluster; "" where it may."""
    if service == snapshot.environment.names.service:
        return ""
    others = _others(snapshot, _owners(snapshot, service, ()))
    return f"{service} belongs to {others}: give it new tasks in a run for {others}." if others else ""


def _owners(
    snapshot: Snapshot, name: str, fields: tuple[str, ...], tags: Mapping[str, str] | None = None
) -> frozenset[str]:
    """Every environment that names or tags say it belongs to."""
    environment, account = snapshot.environment, snapshot.caller.account
    beside = {other: names for other, names in environment.others.items() if names.account_id in ("", account)}
    owners = {environment.name} if _has(environment.names, fields, name) else set()
    owners |= {other for other, names in beside.items() if _has(names, fields, name) and _is_apart(environment, names)}
    owners |= set(_tagged(environment, tags or {}))
    if not owners:
        known = {environment.name, *KNOWN, *environment.others} - {LOCAL}
        found = sorted((each for each in known if _contains(name, each)), key=len)
        # In production-eu stands production too.
        owners = {each for each in found if not any(each != other and _contains(other, each) for other in found)}
    return frozenset(owners)


def _others(snapshot: Snapshot, owners: frozenset[str]) -> str:
    return ", ".join(sorted(owners - {snapshot.environment.name}))


def _has(names: Names, fields: tuple[str, ...], name: str) -> bool:
    """Whether one of the fields holds a name, or the ARN of what has it."""
    lasts = [re.split("[:/]", getattr(names, each))[-1] for each in fields]
    return any(is_secret_name(name, last) if "secret" in fields else name == last for last in lasts)


def _is_apart(environment: Environment, other: Names) -> bool:
    """Whether two environments have anything of their own; where none has, a file's names stand for both."""
    own = environment.names
    return (own.region, own.cluster, own.secret) != (other.region, other.cluster, other.secret)


def _tagged(environment: Environment, tags: Mapping[str, str]) -> Iterator[str]:
    """The environments that tags name, in those tags that name the environment of a secret."""
    known = {environment.name, *KNOWN, *environment.others}
    for tag, value in environment.names.secret_tags.items():
        if value == environment.name and tags.get(tag) in known:
            yield tags[tag]


def _contains(name: str, environment: str) -> bool:
    """Whether an environment's name is a word of another name."""
    return re.search(rf"(?<![^\W_]){re.escape(environment)}(?![^\W_])", name, re.IGNORECASE) is not None
