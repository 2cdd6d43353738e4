"""Remedies that rewrite IAM policies: the commands that put a policy with other statements in its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from omc_runbook.checks import remedies
from omc_runbook.checks.secret_access import SINGLE_SIGN_ON
from omc_runbook.iam.conditions import ConditionKeys, matches, texts
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import Identity
from omc_runbook.model.findings import Remedy
from omc_runbook.model.shell import command
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE

_AWS_MANAGED = ":iam::aws:policy/"
Statement = Mapping[str, Any]


def narrow(identity: Identity, policy: PolicyDocument, label: str, grants: Sequence[Statement]) -> Remedy:
    """Put these grants in the place of what a statement allows on Secrets Manager and by kms:Decrypt.

    What else the statement allows stays. Where it allows every action that is not to be told apart, the remedy is a
    sentence.
    """
    kept = _without(policy, label, _is_of_secrets)
    if kept is None or any(
        _covers(pattern, GET_SECRET_VALUE) for each in kept for pattern in texts(each["Action"]) or ()
    ):
        wanted = json.dumps(list(grants), separators=(",", ":"))
        return Remedy(f"Replace {label} of {identity.name} with what the role needs, of secrets only: {wanted}.")
    replaced = [*grants, *kept]
    statements = [each for other, own in policy.statements for each in (replaced if other == label else [own])]
    return _rewrite(identity, policy, statements)


def withdraw(identity: Identity, labels: Iterable[str], actions: Sequence[str], keeping: Sequence[str] = ()) -> Remedy:
    """Take these actions out of the identity's statements with these labels, and leave what else they allow.

    A pattern such as ecs:* goes as a whole, which is said; of what it allows only the actions in `keeping` stay.
    """
    if is_managed_elsewhere(identity):
        return _change_elsewhere(identity, labels, ", ".join(actions))
    ways, wide, labels = [], list[str](), list(dict.fromkeys(labels))

    def is_gone(pattern: str) -> bool:
        return any(_covers(pattern, action) for action in actions)

    for policy in identity.policies:
        statements: list[Any] | None = [statement for _, statement in policy.statements]
        own = [label for label, each in policy.statements if label in labels and _may_name(each, is_gone)]
        for label in own:
            kept = _without(policy, label, is_gone, keeping)
            if kept is None or statements is None:
                statements = None
                break
            wide += _wide_patterns(policy, label, is_gone)
            statement = dict(policy.statements)[label]
            position = next(index for index, each in enumerate(statements) if each is statement)
            statements = [*statements[:position], *kept, *statements[position + 1 :]]
        if own and statements is None:
            ways.append(Remedy(f"Take {', '.join(actions)} out of {', '.join(own)} of {identity.name}."))
        elif own:
            ways.append(_rewrite(identity, policy, statements or []))
    if not ways:
        where = f": see {', '.join(labels)}" if labels else ""
        return Remedy(f"Take {', '.join(actions)} from {identity.name}{where}.")
    remedy = remedies.combine(ways)
    more = f"It takes away all of {', '.join(dict.fromkeys(wide))}" if wide else ""
    but = f" but {', '.join(keeping)}" if keeping else ""
    return replace(remedy, needs=" ".join(filter(None, (remedy.needs, f"{more}{but}." if more else ""))))


def is_managed_elsewhere(identity: Identity) -> bool:
    """Whether IAM refuses to change a role, because IAM Identity Center or an AWS service made it."""
    return SINGLE_SIGN_ON in identity.arn or identity.is_service_linked


def without_principals(policy: PolicyDocument, name: str) -> str:
    """A resource or trust policy's JSON without one principal; "" where no statement remains."""
    statements = list[Any]()
    for _, statement in policy.statements:
        principal = statement.get("Principal") if isinstance(statement, Mapping) else None
        if not isinstance(principal, Mapping) or statement.get("Effect") != "Allow":
            statements.append(statement)
            continue
        left = {kind: [each for each in texts(members) or () if each != name] for kind, members in principal.items()}
        left = {kind: members for kind, members in left.items() if members}
        statements += [{**statement, "Principal": left}] if left else []
    return policy.with_statements(statements).text if statements else ""


def for_account(policy: PolicyDocument, labels: Iterable[str], root: str) -> str:
    """A resource policy's JSON in which the account's root is the principal of the statements with these labels."""
    changed = set(labels)
    return policy.with_statements(
        {**{name: value for name, value in statement.items() if name != "NotPrincipal"}, "Principal": {"AWS": root}}
        if label in changed and isinstance(statement, Mapping)
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


def _without(
    policy: PolicyDocument, label: str, is_gone: Callable[[str], bool], keeping: Sequence[str] = ()
) -> list[Statement] | None:
    """A statement without some of its actions, as a list of one or none; None where they cannot be taken out.

    The actions in `keeping` stay where a pattern that goes allows them.
    """
    statement = dict(policy.statements)[label]
    patterns = _actions_of(statement)
    if patterns is None:
        return None
    left = [pattern for pattern in patterns if not is_gone(pattern)]
    gone = [pattern for pattern in patterns if is_gone(pattern)]
    left += [action for action in keeping if any(_covers(pattern, action) for pattern in gone) and action not in left]
    # A wildcard over services allows more than what is to be taken out.
    if any(is_gone(pattern) and ":" not in pattern for pattern in patterns):
        return None
    kept = {name: value for name, value in statement.items() if name != "Sid"}
    return [{**kept, "Action": left if len(left) > 1 else left[0]}] if left else []


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
    put = command("aws", "iam", f"put-{kind}-policy", *holder, *policy_name, "--policy-document", text)
    if policy.kind == "managed":
        detach = command("aws", "iam", f"detach-{kind}-policy", *holder, "--policy-arn", policy.origin)
        if _AWS_MANAGED in policy.origin:
            return Remedy(f"{put} && {detach}" if statements else detach, needs=needs)
        if not statements:
            return Remedy(detach, needs=needs)
        words = ("create-policy-version", "--policy-arn", policy.origin, "--policy-document", text)
        version = Remedy(command("aws", "iam", *words, "--set-as-default"))
        return replace(version, needs=f"Whatever else {policy.name} is attached to changes too.")
    if not statements:
        return Remedy(command("aws", "iam", f"delete-{kind}-policy", *holder, *policy_name), needs=needs)
    return Remedy(put, needs=needs)
