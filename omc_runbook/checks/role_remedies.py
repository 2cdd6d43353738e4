"""What lets a role do what it may not: a grant, or what is in the way of one, or another role in its place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from omc_runbook.aws import iam
from omc_runbook.checks.role_access import RoleAccess
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.findings import Remedy
from omc_runbook.snapshot.state import Snapshot

ASK_ORGANIZATION = Remedy("Ask the organization's administrator: no policy of this account can override it.")


@dataclass(frozen=True)
class Exchange:
    """A task definition that names its execution role and its task role in each other's place."""

    execution_role: str
    """The name of the role that its tasks are started with."""
    fact: str
    remedy: Remedy


def exchange_of(snapshot: Snapshot, role_arn: str, services: Collection[str]) -> Exchange | None:
    """The exchange because of which a role lacks a permission; None where nothing shows one.

    What shows it is an earlier revision of the family, or the environment's names of both roles.
    """
    names = snapshot.environment.names
    for service in (each for each in snapshot.consumers if each.name in services):
        for revision in snapshot.revisions(service):
            pair = (revision.execution_role_arn, revision.task_role_arn)
            if role_arn not in pair or not all(pair) or pair[0] == pair[1]:
                continue
            former = (
                f"{each.label} names them the other way round"
                for each in snapshot.task_definitions.values()
                if (each.task_role_arn, each.execution_role_arn) == pair
                and each.family == revision.family
                and each.revision < revision.revision
            )
            execution, task = map(iam.role_name, pair)
            is_named = (task, execution) == (names.execution_role, names.task_role)
            if why := f"{task} is the environment's execution role" if is_named else next(former, ""):
                fact = f"DescribeTaskDefinition: {revision.label} has executionRoleArn {execution}, taskRoleArn {task}"
                way = f"In {revision.label}, exchange executionRoleArn and taskRoleArn, and deploy a new revision."
                return Exchange(execution, f"{fact}; {why}.", Remedy(way))
    return None


def facts_of(snapshot: Snapshot, role_arn: str, access: RoleAccess) -> tuple[str, ...]:
    """What shows a refusal, with the name of a permissions boundary that is in the way, where nothing else tells it.

    Its ARN is known where nobody may read its policy.
    """
    permissions = snapshot.permissions[role_arn]
    arn = permissions.role.boundary_arn if permissions.role else ""
    name = permissions.boundary.name if permissions.boundary else iam.role_name(arn)
    is_in_the_way = access.is_bounded or (access.cause == "boundary" and not any(access.statements))
    if not (name and is_in_the_way) or f"permissions boundary {name} " in access.sentence:
        return access.sentences
    return (*access.sentences, f"GetRole: PermissionsBoundary of {iam.role_name(role_arn)} is {name}.")


def put_without(what: str, labels: Sequence[str], policy: PolicyDocument | None, put: Remedy, delete: Remedy) -> Remedy:
    """How statements with these labels are taken out of a secret's policy; without a statement it would be none."""
    way = f"Write the policy without {what} to policy.json, then put it with `{put.command}`"
    if policy and {*labels}.issuperset(label for label, _ in policy.statements):
        way += f", or delete it with `{delete.command}`, since nothing else is in it"
    return Remedy(f"{way}.")


def remove_deny(access: RoleAccess) -> str:
    """What to do about a deny; with a Condition it may be there on purpose, for calls from elsewhere."""
    boundary = "the role's permissions boundary" if access.cause == "boundary" else ""
    where = ", ".join(filter(None, (*access.statements, boundary))) or "its policies"
    spare = ", or let its Condition leave the tasks' calls out" if access.conditions else ""
    return f"Remove the deny from {where}{spare}"


def remedy_of(access: RoleAccess, action: str, resource: str, grant: Remedy) -> Remedy:
    """What gives a role back what it lacks: a grant where nothing allows it, since no grant outdoes a Deny."""
    if access.cause == "organization":
        return ASK_ORGANIZATION
    if access.is_denied:
        return Remedy(f"{remove_deny(access)}.")
    if access.cause == "boundary":
        return Remedy(f"Allow {action} on {resource} in the role's permissions boundary.")
    if access.is_bounded:
        first = f"First allow {action} on {resource} in the role's permissions boundary."
        return replace(grant, command_needs=f"{first} {grant.command_needs}".strip())
    return grant
