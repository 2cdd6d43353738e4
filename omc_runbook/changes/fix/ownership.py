"""Ownership: which environment a role, secret, service or task definition belongs to, by names and tags.

A change touches only its own environment: another one may need a confirmation, and has other owners.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from omc_runbook.aws import iam
from omc_runbook.aws.ecs import Service
from omc_runbook.changes.secret.plan import why_not_writable
from omc_runbook.model.aws_names import Names
from omc_runbook.model.environment import KNOWN, LOCAL, Environment
from omc_runbook.model.environment_names import aliases
from omc_runbook.model.value_from import is_secret_name
from omc_runbook.snapshot.state import Snapshot

_ROLES = ("execution_role", "task_role")


def why_not_role(snapshot: Snapshot, arn: str) -> str:
    """Why a role must not be changed: it belongs to another environment, or to an unknown one; "" where it may."""
    name, permissions = iam.role_name(arn), snapshot.permissions.get(arn)
    owners = _owners(snapshot, name, _ROLES, permissions.role.tags if permissions and permissions.role else {})
    if whose := _whose(snapshot, f"Role {name}", owners):
        is_shared = snapshot.environment.name in owners
        own = "a role of its own" if is_shared else snapshot.environment.names.execution_role
        return f"{whose}: set executionRoleArn of the task definition to {own}, where it comes from."
    if not owners:
        return (
            f"Neither name nor tags of role {name} show that it belongs to {snapshot.environment.name}: others may use"
            " it. Set execution_role in runbook.toml if it does."
        )
    return ""


def why_not_secret(snapshot: Snapshot) -> str:
    """Why the secret must not be changed: it belongs to another environment or service; "" where it may."""
    if snapshot.secret and (reason := why_not_writable(snapshot.secret)):
        return reason
    tags = snapshot.secret.tags if snapshot.secret else {}
    owners = _owners(snapshot, snapshot.secret_name, ("secret",), tags)
    if not (whose := _whose(snapshot, f"Secret {snapshot.secret_name}", owners)):
        return ""
    # A run for the others would say the same of this environment.
    is_shared = snapshot.environment.name in owners
    way = "give each a secret of its own" if is_shared else f"run this for {_other_owners(snapshot, owners)}"
    return f"{whose}: correct secret in runbook.toml, or {way}."


def why_not_family(snapshot: Snapshot, family: str) -> str:
    """Why a task definition family must not get a revision: it belongs to another environment; "" where it may."""
    owners = _owners(snapshot, family, ("task_family",))
    if not (whose := _whose(snapshot, f"Task definition {family}", owners)):
        return ""
    is_shared = snapshot.environment.name in owners
    way = "" if is_shared else f", and correct this one in a run for {_other_owners(snapshot, owners)}"
    return f"{whose}: give the service its own{way}."


def why_not_service(snapshot: Snapshot, service: str) -> str:
    """Why a service must not be redeployed: it belongs to another environment; "" where it may."""
    if service == snapshot.environment.names.service:
        return ""
    others = _other_owners(snapshot, _owners(snapshot, service, ()))
    return f"{service} belongs to {others}: redeploy it in a run for {others}." if others else ""


def may_redeploy(snapshot: Snapshot, service: Service) -> bool:
    """Whether a run on this environment may start new tasks of a service, as a deployment in ECS."""
    return service.controller == "ECS" and not why_not_service(snapshot, service.name)


def _owners(
    snapshot: Snapshot, name: str, fields: tuple[str, ...], tags: Mapping[str, str] | None = None
) -> frozenset[str]:
    """The environments that own a resource, by its name and tags."""
    environment, account = snapshot.environment, snapshot.caller.account
    same_account = {other: names for other, names in environment.others.items() if names.account_id in ("", account)}
    owners = {environment.name} if _is_named(environment.names, fields, name) else set()
    owners |= {
        other
        for other, names in same_account.items()
        if _is_named(names, fields, name) and _is_apart(environment, names)
    }
    owners |= set(_tagged(environment, tags or {}))
    if not owners:
        environments = {environment.name, *KNOWN, *environment.others} - {LOCAL}
        matches = sorted((each for each in environments if _is_named_for(environment, each, name)), key=len)
        # production-eu contains production too.
        owners = {each for each in matches if not any(each != other and _contains(other, each) for other in matches)}
    return frozenset(owners)


def _whose(snapshot: Snapshot, what: str, owners: frozenset[str]) -> str:
    """That something belongs to other environments, alone or too; "" where it does not."""
    others, own = _other_owners(snapshot, owners), snapshot.environment.name
    link = "as well as" if own in owners else "not"
    return f"{what} belongs to {others}, {link} to {own}" if others else ""


def _other_owners(snapshot: Snapshot, owners: frozenset[str]) -> str:
    return ", ".join(sorted(owners - {snapshot.environment.name}))


def _is_named(names: Names, fields: tuple[str, ...], name: str) -> bool:
    """Whether one of the fields is a name, or an ARN with that name."""
    last_parts = [re.split("[:/]", getattr(names, each))[-1] for each in fields]
    return any(is_secret_name(name, last_part) if "secret" in fields else name == last_part for last_part in last_parts)


def _is_apart(environment: Environment, other: Names) -> bool:
    """Whether two environments have different resources, not the same names for both in runbook.toml."""
    own = environment.names
    return (own.region, own.cluster, own.secret) != (other.region, other.cluster, other.secret)


def _tagged(environment: Environment, tags: Mapping[str, str]) -> Iterator[str]:
    """The environments in those tags that hold the environment's name in `secret_tags`."""
    environments = {environment.name, *KNOWN, *environment.others}
    for tag, value in environment.names.secret_tags.items():
        if value == environment.name and tags.get(tag) in environments:
            yield tags[tag]


def _is_named_for(environment: Environment, other: str, name: str) -> bool:
    """Whether a name begins with an environment's prefix, or has the environment's name as a word, as in prod."""
    names = environment.names if other == environment.name else environment.others.get(other)
    has_prefix = names is not None and re.match(rf"{re.escape(names.prefix)}(?![^\W_])", name) is not None
    return has_prefix or any(_contains(name, alias) for alias in aliases(other))


def _contains(name: str, environment: str) -> bool:
    """Whether an environment's name is a word of another name."""
    return re.search(rf"(?<![^\W_]){re.escape(environment)}(?![^\W_])", name, re.IGNORECASE) is not None
