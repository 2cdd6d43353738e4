"""A role's permissions: AWS's simulation first, the role's policies where that does not decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from omc_runbook.aws import iam, organizations
from omc_runbook.aws.failures import ReadFailure, look, or_none
from omc_runbook.aws.iam import Role, Simulation
from omc_runbook.aws.organizations import Organization
from omc_runbook.aws.session import Clients
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.model.grouping import grouped

GET_SECRET_VALUE = "secretsmanager:GetSecretValue"
GET_PARAMETERS = "ssm:GetParameters"
DECRYPT = "kms:Decrypt"
CHANNELS = tuple(f"ssmmessages:{verb}{kind}Channel" for kind in ("Control", "Data") for verb in ("Create", "Open"))
"""The permissions that ECS Exec needs of a task role, on any resource."""
POLICIES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """A role with AWS's simulation and, unless that allows everything, its policies.

    `role` is None where it does not exist or could not be read; `exists` tells which. `policies` is None where they
    were not needed or could not all be read.
    """

    role: Role | None
    exists: bool = True
    simulated: tuple[Simulation, ...] = ()
    policies: tuple[PolicyDocument, ...] | None = None
    boundary: PolicyDocument | None = None
    unread: tuple[ReadFailure, ...] = ()

    def simulation_of(self, action: str, resource: str) -> Simulation | None:
        """The simulation's result for an action on a resource; None where there is none."""
        return next((each for each in self.simulated if (each.action, each.resource) == (action, resource)), None)

    @property
    def organization_unread(self) -> tuple[str, ...]:
        """Why the simulation ran without the organization, on which a policy may depend; () where it needed none."""
        return tuple(gap.sentence for gap in self.unread if gap.permission.startswith("organizations:"))


def read(
    clients: Clients, arn: str, secret_arn: str, key_arn: str, others: Sequence[tuple[str, str]] = ()
) -> Permissions:
    """Read as much of a role as is needed to decide whether it may read the secret, and do these `others`.

    `secret_arn` is "" where the secret does not exist, `key_arn` where no customer managed key is used. `others` are
    actions with the resource of each.
    """
    needed = [(GET_SECRET_VALUE, secret_arn)] if secret_arn else []
    needed += [(DECRYPT, key_arn)] if secret_arn and key_arn else []
    needed += others

    def is_decided(results: Sequence[Simulation]) -> bool:
        allowed = {(entry.action, entry.resource) for entry in results if entry.decision == "allowed"}
        return allowed.issuperset(needed)

    actions = list(dict.fromkeys(action for action, _ in needed))
    # Also the secret's ARN without its suffix: a policy that allows only that is a common mistake.
    base = secret_arn.rpartition("-")[0]
    resources = [*filter(None, (secret_arn, base)), *(resource for _, resource in needed if resource != secret_arn)]
    return _read(clients, arn, actions, list(dict.fromkeys(resources)), is_decided)


def read_exec(clients: Clients, arn: str) -> Permissions:
    """Read whether a task role may open ECS Exec's channels, by AWS's simulation or else by its policies."""
    return _read(clients, arn, CHANNELS, ["*"], is_decided=bool)


def _read(
    clients: Clients,
    arn: str,
    actions: Sequence[str],
    resources: Sequence[str],
    is_decided: Callable[[Sequence[Simulation]], bool],
) -> Permissions:
    """Read a role with a simulation of these actions, if any, and its policies unless the simulation decides."""
    client, name = clients("iam"), iam.role_name(arn)
    what, permission = f"what role {name} may do", "iam:SimulatePrincipalPolicy"
    with ThreadPoolExecutor(1, "simulate") as pool:
        simulation = pool.submit(
            look, what, permission, lambda: _simulate(clients, arn, actions, resources) if actions else ()
        )
        role = look(f"role {name}", "iam:GetRole", lambda: iam.get_role(client, name))
    if role is None:
        return Permissions(role=None, exists=False)
    simulated = simulation.result()
    organization = _organization(clients, or_none(simulated) or ())
    if isinstance(organization, Organization) and organization.id:
        simulated = look(what, permission, lambda: _simulate(clients, arn, actions, resources, organization.id))
    results = or_none(simulated) or ()
    if not actions or (is_decided(results) and not any(entry.missing_context for entry in results)):
        found = Permissions(role=or_none(role), simulated=results, unread=_failures(role))
    else:
        found = _with_policies(clients, name, role, simulated)
    return replace(found, unread=(*found.unread, *_failures(organization)))


def _failures(*answers: object) -> tuple[ReadFailure, ...]:
    return tuple(answer for answer in answers if isinstance(answer, ReadFailure))


def _organization(clients: Clients, simulated: Sequence[Simulation]) -> Organization | ReadFailure | None:
    """The account's organization, where policies would deny without it; None where they would not."""
    if all(each.allowed_by_organization is not False for each in simulated):
        return None
    read = partial(organizations.describe, clients("organizations"))
    return look("the account's organization", "organizations:DescribeOrganization", read)


def _simulate(
    clients: Clients, arn: str, actions: Sequence[str], resources: Sequence[str], organization: str = ""
) -> tuple[Simulation, ...]:
    """Simulate these actions, each with what is known of its resource: the simulation does not say that it lacks that.

    `organization` is the id of the account's, "" where it is unknown.
    """
    contexts = grouped((_context(clients.region, arn, each, organization), each) for each in resources)
    return tuple(
        result
        for context, group in contexts.items()
        for result in iam.simulate(clients("iam"), arn, actions, group, dict(context))
    )


def _context(region: str, role_arn: str, resource: str, organization: str) -> tuple[tuple[str, str], ...]:
    """The condition keys of a role's call on a resource, by which an organization's policies limit it.

    What "*" stands for is of the role's own account.
    """
    owner, own = role_arn if resource == "*" else resource, account_in(role_arn)
    context = {"aws:RequestedRegion": region_in(owner) or region, "aws:ResourceAccount": account_in(owner) or own}
    if organization:
        context["aws:PrincipalOrgID"] = organization
    if organization and context["aws:ResourceAccount"] == own:
        context["aws:ResourceOrgID"] = organization
    return tuple(context.items())


def _with_policies(
    clients: Clients, name: str, role: Role | ReadFailure, simulated: tuple[Simulation, ...] | ReadFailure
) -> Permissions:
    """Add the role's policies, complete or not at all, where the simulation does not decide."""
    details, policies = or_none(role), read_policies(clients, name)
    what, arn = f"the permissions boundary of role {name}", details.boundary_arn if details else ""
    read_boundary = partial(iam.get_managed, clients("iam"), arn, "boundary")
    boundary = look(what, "iam:GetPolicyVersion", read_boundary) if arn else None
    complete = not _failures(role, *policies, boundary)
    return Permissions(
        role=details,
        simulated=or_none(simulated) or (),
        policies=tuple(answer for answer in policies if isinstance(answer, PolicyDocument)) if complete else None,
        boundary=or_none(boundary),
        unread=_failures(role, simulated, *policies, boundary),
    )


def read_policies(clients: Clients, name: str) -> Sequence[PolicyDocument | ReadFailure]:
    """Read a role's inline policies, then its managed ones; what could not be read is among them."""
    client, what = clients("iam"), f"the policies of role {name}"
    with ThreadPoolExecutor(POLICIES_AT_ONCE, "policies") as pool:
        inline = pool.submit(look, what, "iam:ListRolePolicies", lambda: iam.list_inline_names(client, name))
        attached = pool.submit(look, what, "iam:ListAttachedRolePolicies", lambda: iam.list_attached_arns(client, name))
        answers = [
            pool.submit(look, what, "iam:GetRolePolicy", lambda entry=entry: iam.get_inline(client, name, entry))
            for entry in or_none(inline.result()) or ()
        ] + [
            pool.submit(look, what, "iam:GetPolicyVersion", lambda arn=arn: iam.get_managed(client, arn))
            for arn in or_none(attached.result()) or ()
        ]
    lists = [answer for answer in (inline.result(), attached.result()) if isinstance(answer, ReadFailure)]
    return [*lists, *(answer.result() for answer in answers)]
