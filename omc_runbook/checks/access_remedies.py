"""What takes access to the secret away: commands that leave everything else in a policy, or sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from omc_runbook.checks import remedies
from omc_runbook.checks.outsiders import Outsider
from omc_runbook.checks.secret_access import SINGLE_SIGN_ON, PrincipalAccess, key_of
from omc_runbook.iam.conditions import ConditionKeys, matches, texts
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import Assumption, Identity, principals_in
from omc_runbook.model.findings import Remedy, is_sentence
from omc_runbook.model.shell import command
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

_AWS_MANAGED = ":iam::aws:policy/"
Statement = Mapping[str, Any]


def withdraw_read(snapshot: Snapshot, access: PrincipalAccess) -> Remedy:
    """Take from a principal that it may read the secret, or become the role that may."""
    if access.chain:
        return withdraw_step(snapshot, access.chain[0])
    names, labels = snapshot.environment.names, access.read.statements
    set_policy = partial(remedies.set_resource_policy, names)
    return _withdraw_everywhere(
        snapshot, access.identity, labels, GET_SECRET_VALUE, snapshot.resource_policy, set_policy
    )


def withdraw_labels(snapshot: Snapshot, access: PrincipalAccess) -> Remedy:
    """Take from a principal that it may read versions of other labels than AWSCURRENT, or become the role that may."""
    if access.label_chain:
        return withdraw_step(snapshot, access.label_chain[0])
    labels = [label for stage in access.labels for label in access.by_label[stage].statements]
    return withdraw(access.identity, labels, (GET_SECRET_VALUE,))


def withdraw_step(snapshot: Snapshot, step: Assumption) -> Remedy:
    """Take from a principal that it may assume a role, in its own policies and in the role's trust policy."""
    role, labels = step.role, step.verdict.statements
    trust = None if is_managed_elsewhere(role) else role.trust
    return _withdraw_everywhere(
        snapshot, step.identity, labels, step.verdict.action, trust, partial(remedies.trust, role.name)
    )


def _withdraw_everywhere(
    snapshot: Snapshot,
    identity: Identity,
    labels: Sequence[str],
    action: str,
    policy: PolicyDocument | None,
    set_policy: Callable[[str], Remedy],
) -> Remedy:
    """Take an action out of an identity's own policies, and the identity out of a policy that names it or everybody."""
    own_labels = [label for label, _ in policy.statements if label in labels] if policy else []
    document = None
    if policy and own_labels:
        sessions = identity.sessions_among(principals_in(policy, "AWS"))
        names = [identity.arn, *(replace(identity, session=each).session_arn for each in sessions)]
        document = _without_principal(snapshot, policy, own_labels, *names)
    if document is None:
        return withdraw(identity, labels, (action,))
    others = [label for label in labels if label not in own_labels]
    own = {label for each in identity.policies for label, _ in each.statements}
    ways = [withdraw(identity, others, (action,))] if own.intersection(others) else []
    if not document and policy and policy.kind == "trust":
        # A role has to have a trust policy.
        return remedies.combine([*ways, Remedy(f"Take {action} from {identity.name}: see {', '.join(own_labels)}.")])
    return remedies.combine([*ways, set_policy(document)])


def leave(where: str, remedy: Remedy) -> Remedy:
    """A remedy for where a permission is not meant."""
    way = remedy.command if is_sentence(remedy.command) else f"`{remedy.command}`."
    return Remedy(f"Leave it if {where}. If not: {way}", command_needs=remedy.command_needs)


def close(snapshot: Snapshot, outsider: Outsider) -> Remedy:
    """Name the account instead of everybody in the statement."""
    names, account = snapshot.environment.names, _account(snapshot)
    labels, key = outsider.statements, key_of(snapshot)
    if key and key.policy and outsider.statement.startswith(key.policy.name):
        return remedies.put_key_policy(names, key.arn, _for_account(key.policy, labels, account))
    policy = snapshot.resource_policy
    if policy is None or not _has_statements(policy, labels):
        return Remedy(f"Change {outsider.statement}: an AWS service attached this policy.")
    return remedies.set_resource_policy(names, _for_account(policy, labels, account))


def exclude(snapshot: Snapshot, outsider: Outsider) -> Remedy:
    """Take another account out of the secret's own policy."""
    policy, labels = snapshot.resource_policy, outsider.statements
    if policy is None or not _has_statements(policy, labels):
        return Remedy(f"Change {outsider.statement}: an AWS service attached this policy.")
    document = _without_principal(snapshot, policy, labels, outsider.principal)
    if document is None:
        return Remedy(f"Take {outsider.principal} out of {outsider.statement}.")
    return remedies.set_resource_policy(snapshot.environment.names, document)


def distrust(snapshot: Snapshot, outsider: Outsider) -> Remedy:
    """Take another account out of a role's trust policy."""
    identities = snapshot.audit.identities.identities if snapshot.audit.identities else ()
    role = next((each for each in identities if each.arn == outsider.role), None)
    name = outsider.role.rpartition("/")[2]
    if role is None or role.trust is None:
        return Remedy(f"Take {outsider.principal} out of the trust policy of {name}.")
    document = _without_principal(snapshot, role.trust, outsider.statements, outsider.principal)
    if document is None:
        return Remedy(f"Take {outsider.principal} out of {outsider.statement}.")
    if not document:
        return Remedy(f"Delete {name}, or name who is to assume it in its trust policy.")
    return remedies.trust(name, document)


def _without_principal(snapshot: Snapshot, policy: PolicyDocument, labels: Sequence[str], *names: str) -> str | None:
    """A policy's JSON without a principal by its names; where Principal * lets it in, the account stands in its place.

    None where neither changes it, since it names the principal in another way.
    """
    own = [statement for label, statement in policy.statements if label in labels]
    if "*" in principals_in(PolicyDocument(policy.name, policy.kind, {"Statement": own}), "AWS"):
        return _for_account(policy, labels, _account(snapshot))
    members = (texts(each) or () for _, statement in policy.statements for each in _principals(statement).values())
    return None if {*names}.isdisjoint(chain.from_iterable(members)) else _without_names(policy, names)


def _principals(statement: Any) -> Mapping[str, Any]:
    """Whom a statement names as its Principal, by kind; {} for everybody or nobody."""
    principal = statement.get("Principal") if isinstance(statement, Mapping) else None
    return principal if isinstance(principal, Mapping) else {}


def _has_statements(policy: PolicyDocument, labels: Iterable[str]) -> bool:
    return {label for label, _ in policy.statements}.issuperset(labels)


def _account(snapshot: Snapshot) -> str:
    """The account of the environment, as a principal."""
    return f"arn:{snapshot.caller.partition}:iam::{snapshot.caller.account}:root"


def narrow(identity: Identity, policy: PolicyDocument, label: str, grants: Sequence[Statement]) -> Remedy:
    """Put these grants in the place of what a statement allows on Secrets Manager and by kms:Decrypt.

    What else the statement allows stays. Where its actions cannot be separated, the remedy is a sentence.
    """
    remaining = _without_actions(policy, label, _is_of_secrets)
    if remaining is None or any(
        _covers(pattern, GET_SECRET_VALUE) for each in remaining for pattern in texts(each["Action"]) or ()
    ):
        grants_json = json.dumps(list(grants), separators=(",", ":"))
        if _AWS_MANAGED in policy.origin:
            return Remedy(
                f"AWS manages {policy.name}: attach a policy of your own to {identity.name} in its place, with what the"
                f" role needs, of secrets only: {grants_json}."
            )
        return Remedy(f"Replace {label} of {identity.name} with what the role needs, of secrets only: {grants_json}.")
    replaced = [*grants, *remaining]
    statements = [each for other, own in policy.statements for each in (replaced if other == label else [own])]
    return _rewrite(identity, policy, statements)


def withdraw(identity: Identity, labels: Iterable[str], actions: Sequence[str], keeping: Sequence[str] = ()) -> Remedy:
    """Take these actions out of the identity's statements with these labels, and leave what else they allow.

    A pattern such as ecs:* is removed as a whole, and the remedy says so; of what it allows, only `keeping` stays.
    """
    if is_managed_elsewhere(identity):
        return _change_elsewhere(identity, labels, ", ".join(actions))
    ways, wide, labels = [], list[str](), list(dict.fromkeys(labels))

    def is_gone(pattern: str) -> bool:
        return any(_covers(pattern, action) for action in actions)

    for policy in identity.policies:
        own = [label for label, each in policy.statements if label in labels and _may_name(each, is_gone)]
        remaining = {label: _without_actions(policy, label, is_gone, keeping) for label in own}
        if None in remaining.values() and _AWS_MANAGED in policy.origin:
            holder = f"group {policy.group.rpartition('/')[2]}" if policy.group else identity.name
            ways.append(
                Remedy(
                    f"AWS manages {policy.name}: deny {', '.join(actions)} to {identity.name} in an inline policy, or"
                    f" attach a policy of your own to {holder} in its place."
                )
            )
        elif None in remaining.values():
            ways.append(Remedy(f"Take {', '.join(actions)} out of {', '.join(own)} of {identity.name}."))
        elif own:
            wide += (pattern for label in own for pattern in _wide_patterns(policy, label, is_gone))
            statements = [
                statement for label, each in policy.statements for statement in remaining.get(label, [each]) or ()
            ]
            ways.append(_rewrite(identity, policy, statements))
    if not ways:
        where = f": see {', '.join(labels)}" if labels else ""
        return Remedy(f"Take {', '.join(actions)} from {identity.name}{where}.")
    remedy = remedies.combine(ways)
    more = f"It takes away all of {', '.join(dict.fromkeys(wide))}" if wide else ""
    but = f" but {', '.join(keeping)}" if keeping else ""
    return remedy.needing(f"{more}{but}." if more else "")


def is_managed_elsewhere(identity: Identity) -> bool:
    """Whether IAM refuses to change a role, because IAM Identity Center or an AWS service made it."""
    return SINGLE_SIGN_ON in identity.arn or identity.is_service_linked


def _without_names(policy: PolicyDocument, names: Collection[str]) -> str:
    """A resource or trust policy's JSON without these principals; "" where no statement remains."""
    statements = list[Any]()
    for _, statement in policy.statements:
        principals = _principals(statement)
        if not principals or statement.get("Effect") != "Allow":
            statements.append(statement)
            continue
        remaining = {
            kind: [each for each in texts(members) or () if each not in names] for kind, members in principals.items()
        }
        remaining = {kind: members for kind, members in remaining.items() if members}
        statements += [{**statement, "Principal": remaining}] if remaining else []
    return policy.with_statements(statements).text if statements else ""


def _for_account(policy: PolicyDocument, labels: Collection[str], root: str) -> str:
    """A resource policy's JSON in which the account's root is the principal of the statements with these labels."""
    return policy.with_statements(
        {**{name: value for name, value in statement.items() if name != "NotPrincipal"}, "Principal": {"AWS": root}}
        if label in labels and isinstance(statement, Mapping)
        else statement
        for label, statement in policy.statements
    ).text


def _change_elsewhere(identity: Identity, labels: Iterable[str], actions: str) -> Remedy:
    statements = ", ".join(dict.fromkeys(labels))
    if identity.is_service_linked:
        return Remedy(f"An AWS service owns {identity.name}, by whose {statements} it may {actions}.")
    permission_set = identity.name.removeprefix("AWSReservedSSO_").rpartition("_")[0] or identity.name
    return Remedy(
        f"In IAM Identity Center, take {actions} out of permission set {permission_set} ({statements}), or deny it"
        " there in an inline policy; then provision the set again. IAM itself lets nobody change this role."
    )


def _is_of_secrets(pattern: str) -> bool:
    return pattern.lower().startswith("secretsmanager:") or pattern.lower() == DECRYPT.lower()


def _covers(pattern: str, action: str) -> bool:
    return matches(pattern, action, ConditionKeys({}), fold=True) is not False


def _may_name(statement: Any, is_gone: Callable[[str], bool]) -> bool:
    """Whether a statement names one of these actions, also as one of all but some."""
    patterns = _actions_of(statement)
    return patterns is None or any(map(is_gone, patterns))


def _actions_of(statement: Any) -> list[str] | None:
    """The patterns in a statement's Action; None where it has none, or they are not texts."""
    return texts(statement.get("Action")) if isinstance(statement, Mapping) and "Action" in statement else None


def _wide_patterns(policy: PolicyDocument, label: str, is_gone: Callable[[str], bool]) -> list[str]:
    """The patterns of a statement that allow more than the actions that are taken out of it."""
    patterns = texts(dict(policy.statements)[label]["Action"]) or ()
    return [pattern for pattern in patterns if is_gone(pattern) and ("*" in pattern or "?" in pattern)]


def _without_actions(
    policy: PolicyDocument, label: str, is_gone: Callable[[str], bool], keeping: Sequence[str] = ()
) -> list[Statement] | None:
    """A statement without some of its actions, as a list of one or none; None where they cannot be taken out.

    The actions in `keeping` stay where a pattern that goes allows them.
    """
    statement = dict(policy.statements)[label]
    patterns = _actions_of(statement)
    if patterns is None:
        return None
    remaining = [pattern for pattern in patterns if not is_gone(pattern)]
    removed = [pattern for pattern in patterns if is_gone(pattern)]
    remaining += [
        action for action in keeping if any(_covers(pattern, action) for pattern in removed) and action not in remaining
    ]
    # A wildcard over services allows more than what is to be taken out.
    if any(is_gone(pattern) and ":" not in pattern for pattern in patterns):
        return None
    members = {name: value for name, value in statement.items() if name != "Sid"}
    return [{**members, "Action": remaining if len(remaining) > 1 else remaining[0]}] if remaining else []


def _rewrite(identity: Identity, policy: PolicyDocument, statements: Sequence[Any]) -> Remedy:
    """Put a policy with these statements in the place of one of an identity's; without statements take it away."""
    dated = replace(policy, document={"Version": "2012-10-17", **policy.document})
    text = dated.with_statements(statements).text
    kind, name = str(identity.kind), identity.name
    needs = ""
    if policy.group:
        kind, name = "group", policy.group.rpartition("/")[2]
        needs = f"It changes what every member of group {name} may do."
    holder, policy_name = (f"--{kind}-name", name), ("--policy-name", policy.name)
    put_policy = command("aws", "iam", f"put-{kind}-policy", *holder, *policy_name, "--policy-document", text)
    if policy.kind == "managed":
        detach = command("aws", "iam", f"detach-{kind}-policy", *holder, "--policy-arn", policy.origin)
        if _AWS_MANAGED in policy.origin:
            return Remedy(f"{put_policy} && {detach}" if statements else detach, command_needs=needs)
        if not statements:
            return Remedy(detach, command_needs=needs)
        words = ("create-policy-version", "--policy-arn", policy.origin, "--policy-document", text)
        version = Remedy(command("aws", "iam", *words, "--set-as-default"))
        return version.needing(f"Whatever else {policy.name} is attached to changes too.")
    if not statements:
        return Remedy(command("aws", "iam", f"delete-{kind}-policy", *holder, *policy_name), command_needs=needs)
    return Remedy(put_policy, command_needs=needs)
