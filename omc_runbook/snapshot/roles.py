"""What is known of a role: AWS's own simulation first, the role's policies where that does not settle it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from omc_runbook.aws import iam
from omc_runbook.aws.iam import Role, Simulated
from omc_runbook.aws.session import Clients, ReadFailure, look, or_none
from omc_runbook.iam.policy import PolicyDocument

GET_SECRET_VALUE = "secretsmanager:GetSecretValue"
DECRYPT = "kms:Decrypt"
CHANNELS = tuple(f"ssmmessages:{verb}{kind}Channel" for kind in ("Control", "Data") for verb in ("Create", "Open"))
"""What ECS Exec needs of a task's own role, on any resource."""
POLICIES_AT_ONCE = 8


@dataclass(frozen=True)
class Permissions:
    """A role with what AWS simulates of it and, unless that allows all, its policies.

    `role` is None where there is no such role or it could not be read; `exists` tells these apart.
    `policies` is None where they were not needed or could not all be read.
    """

    role: Role | None
    exists: bool = True
    simulated: tuple[Simulated, ...] = ()
    policies: tuple[PolicyDocument, ...] | None = None
    boundary: PolicyDocument | None = None
    unread: tuple[ReadFailure, ...] = ()

    def said_of(self, action: str, resource: str) -> Simulated | None:
        """What AWS's simulation said of an action on a resource; None where it was not asked or did not answer."""
        return next((said for said in self.simulated if (said.action, said.resource) == (action, resource)), None)


def read(clients: Clients, arn: str, secret_arn: str, key_arn: str) -> Permissions:
    """Read a role, as much of it as is needed to tell whether it may read the secret.

    Empty `secret_arn`: there is no secret to ask about; empty `key_arn`: no customer key is in use.
    """
    client, name = clients("iam"), iam.role_name(arn)
    with ThreadPoolExecutor(1, "simulate") as beside:
        asked = beside.submit(_simulate, clients, arn, secret_arn, key_arn) if secret_arn else None
        role = look(f"role {name}", "iam:GetRole", lambda: iam.get_role(client, name))
    if role is None:
        return Permissions(None, exists=False)
    known, unread = or_none(role), [role] if isinstance(role, ReadFailure) else []
    if asked is None:
        return Permissions(known, unread=tuple(unread))
    simulated = asked.result()
    wanted = [(GET_SECRET_VALUE, secret_arn)] + ([(DECRYPT, key_arn)] if key_arn else [])
    said = [] if isinstance(simulated, ReadFailure) else list(simulated)
    allowed = {(entry.action, entry.resource) for entry in said if entry.decision == "allowed"}
    if allowed.issuperset(wanted) and not any(entry.missing_context for entry in said):
        return Permissions(known, simulated=tuple(said), unread=tuple(unread))
    policies = _policies(clients, name)
    boundary = _boundary(clients, name, known.boundary_arn) if known and known.boundary_arn else None
    unread += [answer for answer in (simulated, *policies, boundary) if isinstance(answer, ReadFailure)]
    complete = not any(isinstance(answer, ReadFailure) for answer in (role, *policies, boundary))
    return Permissions(
        known,
        simulated=tuple(said),
        policies=tuple(answer for answer in policies if isinstance(answer, PolicyDocument)) if complete else None,
        boundary=or_none(boundary),
        unread=tuple(unread),
    )


def read_exec(clients: Clients, arn: str) -> Permissions:
    """Read whether a task role may open the channels of ECS Exec, by AWS's simulation or else by its policies."""
    client, name = clients("iam"), iam.role_name(arn)
    with ThreadPoolExecutor(1, "simulate") as beside:
        asked = beside.submit(
            look,
            f"what role {name} may do",
            "iam:SimulatePrincipalPolicy",
            lambda: iam.simulate(client, arn, CHANNELS, ["*"]),
        )
        role = look(f"role {name}", "iam:GetRole", lambda: iam.get_role(client, name))
    if role is None:
        return Permissions(None, exists=False)
    said = asked.result()
    unread = tuple(answer for answer in (role, said) if isinstance(answer, ReadFailure))
    if said and not isinstance(said, ReadFailure):
        return Permissions(or_none(role), simulated=said, unread=unread)
    policies = _policies(clients, name)
    boundary = _boundary(clients, name, role.boundary_arn) if isinstance(role, Role) and role.boundary_arn else None
    lacking = tuple(answer for answer in (*policies, boundary) if isinstance(answer, ReadFailure))
    known = tuple(answer for answer in policies if isinstance(answer, PolicyDocument))
    is_complete = isinstance(role, Role) and not lacking
    return Permissions(
        or_none(role),
        policies=known if is_complete else None,
        boundary=or_none(boundary),
        unread=(*unread, *lacking),
    )


def _simulate(clients: Clients, arn: str, secret_arn: str, key_arn: str) -> tuple[Simulated, ...] | ReadFailure:
    """Also asks about the secret's ARN without its suffix: a policy that allows only that is a common mistake."""
    actions = [GET_SECRET_VALUE] + ([DECRYPT] if key_arn else [])
    resources = [secret_arn, secret_arn.rpartition("-")[0]] + ([key_arn] if key_arn else [])
    return look(
        f"what role {iam.role_name(arn)} may do",
        "iam:SimulatePrincipalPolicy",
        lambda: iam.simulate(clients("iam"), arn, actions, resources),
    )


def _policies(clients: Clients, name: str) -> Sequence[PolicyDocument | ReadFailure]:
    client, what = clients("iam"), f"the policies of role {name}"
    with ThreadPoolExecutor(POLICIES_AT_ONCE, "policies") as beside:
        inline = beside.submit(look, what, "iam:ListRolePolicies", lambda: iam.list_inline_names(client, name))
        attached = beside.submit(
            look, what, "iam:ListAttachedRolePolicies", lambda: iam.list_attached_arns(client, name)
        )
        answers = [
            beside.submit(look, what, "iam:GetRolePolicy", lambda entry=entry: iam.get_inline(client, name, entry))
            for entry in or_none(inline.result()) or ()
        ] + [
            beside.submit(look, what, "iam:GetPolicyVersion", lambda arn=arn: iam.get_managed(client, arn))
            for arn in or_none(attached.result()) or ()
        ]
    lists = [answer for answer in (inline.result(), attached.result()) if isinstance(answer, ReadFailure)]
    return [*lists, *(answer.result() for answer in answers)]


def _boundary(clients: Clients, name: str, arn: str) -> PolicyDocument | ReadFailure:
    what = f"the permissions boundary of role {name}"
    return look(what, "iam:GetPolicyVersion", lambda: iam.get_managed(clients("iam"), arn, "boundary"))
