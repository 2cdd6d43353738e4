"""What takes access to the secret away: commands that leave everything else in a policy, or sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from omc_runbook.checks import policy_remedies, remedies
from omc_runbook.checks.secret_access import Outsider, PrincipalAccess
from omc_runbook.iam.conditions import texts
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import Assumption, Identity, trusted
from omc_runbook.model.findings import Remedy, is_sentence
from omc_runbook.snapshot.audit.state import Identities
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot


def withdraw_read(snapshot: Snapshot, access: PrincipalAccess) -> Remedy:
    """Take from a principal that it may read the secret, or become the role that may."""
    if access.chain:
        return withdraw_step(snapshot, access.chain[0])
    names, labels = snapshot.environment.names, access.read.statements
    put = partial(remedies.set_resource_policy, names)
    return _withdraw(snapshot, access.identity, labels, GET_SECRET_VALUE, snapshot.resource_policy, put)


def withdraw_step(snapshot: Snapshot, step: Assumption) -> Remedy:
    """Take from a principal that it may assume a role, in its own policies and in the role's trust policy."""
    role, labels = step.role, step.verdict.statements
    trust = None if policy_remedies.is_managed_elsewhere(role) else role.trust
    return _withdraw(snapshot, step.identity, labels, step.verdict.action, trust, partial(remedies.trust, role.name))


def _withdraw(
    snapshot: Snapshot,
    identity: Identity,
    labels: Sequence[str],
    action: str,
    policy: PolicyDocument | None,
    put: Callable[[str], Remedy],
) -> Remedy:
    """Take an action out of an identity's own policies, and the identity out of a policy that names it or everybody."""
    there = [label for label, _ in policy.statements if label in labels] if policy else []
    document = _without_principal(snapshot, policy, there, identity.arn) if policy and there else None
    if document is None or (not document and policy and policy.kind == "trust"):
        return policy_remedies.withdraw(identity, labels, (action,))
    others = [label for label in labels if label not in there]
    own = {label for each in identity.policies for label, _ in each.statements}
    ways = [policy_remedies.withdraw(identity, others, (action,))] if own.intersection(others) else []
    return remedies.combine([*ways, put(document)])


def leave(where: str, remedy: Remedy) -> Remedy:
    """A remedy for where a permission is not meant."""
    way = remedy.command if is_sentence(remedy.command) else f"`{remedy.command}`."
    return replace(Remedy(f"Leave it where {where}. Where it does not: {way}"), needs=remedy.needs)


def close(snapshot: Snapshot, found: Identities | None, outsider: Outsider) -> Remedy:
    """Name the account instead of everybody in the statement."""
    names, account = snapshot.environment.names, _account(snapshot)
    labels = outsider.statements
    key = found.key if found else None
    if key and key.policy and outsider.statement.startswith(key.policy.name):
        return remedies.put_key_policy(names, key.arn, policy_remedies.for_account(key.policy, labels, account))
    policy = snapshot.resource_policy
    if policy is None or not _has_statements(policy, labels):
        return Remedy(f"Change {outsider.statement}: an AWS service attached this policy.")
    return remedies.set_resource_policy(names, policy_remedies.for_account(policy, labels, account))


def exclude(snapshot: Snapshot, outsider: Outsider) -> Remedy:
    """Take another account out of the secret's own policy."""
    policy, labels = snapshot.resource_policy, outsider.statements
    if policy is None or not _has_statements(policy, labels):
        return Remedy(f"Change {outsider.statement}: an AWS service attached this policy.")
    document = _without_principal(snapshot, policy, labels, outsider.principal)
    if document is None:
        return Remedy(f"Take {outsider.principal} out of {outsider.statement}.")
    return remedies.set_resource_policy(snapshot.environment.names, document)


def distrust(snapshot: Snapshot, found: Identities | None, outsider: Outsider) -> Remedy:
    """Take another account out of a role's trust policy."""
    role = next((each for each in found.identities if each.arn == outsider.role), None) if found else None
    name = outsider.role.rpartition("/")[2]
    if role is None or role.trust is None:
        return Remedy(f"Take {outsider.principal} out of the trust policy of {name}.")
    document = _without_principal(snapshot, role.trust, outsider.statements, outsider.principal)
    if document is None:
        return Remedy(f"Take {outsider.principal} out of {outsider.statement}.")
    if not document:
        return Remedy(f"Delete {name}, or name who is to assume it in its trust policy.")
    return remedies.trust(name, document)


def _without_principal(snapshot: Snapshot, policy: PolicyDocument, labels: Sequence[str], principal: str) -> str | None:
    """A policy's JSON without a principal; where Principal * lets it in, the account stands in its place.

    None where neither changes it, since it names the principal in another way.
    """
    own = [statement for label, statement in policy.statements if label in labels]
    if "*" in trusted(PolicyDocument(policy.name, policy.kind, {"Statement": own}), "AWS"):
        return policy_remedies.for_account(policy, labels, _account(snapshot))
    names = {name for _, statement in policy.statements for name in _principals(statement)}
    return policy_remedies.without_principals(policy, principal) if principal in names else None


def _principals(statement: Any) -> Iterator[str]:
    principal = statement.get("Principal") if isinstance(statement, Mapping) else None
    for members in principal.values() if isinstance(principal, Mapping) else ():
        yield from texts(members) or ()


def _has_statements(policy: PolicyDocument, labels: Iterable[str]) -> bool:
    return {label for label, _ in policy.statements}.issuperset(labels)


def _account(snapshot: Snapshot) -> str:
    """The account of the environment, as a principal."""
    return f"arn:{snapshot.caller.partition}:iam::{snapshot.caller.account}:root"
