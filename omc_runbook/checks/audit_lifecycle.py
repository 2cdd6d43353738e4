"""What protects, renews and limits the secret."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from omc_runbook.aws.secretsmanager import LARGEST_VALUE
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Evidence, Family
from omc_runbook.iam.policy import PolicyDocument, evaluate_resource, extend
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.model.findings import Remedy
from omc_runbook.snapshot.state import Snapshot

check = Family("audit", symptom="audit", looks_like=("not-protected",))

DELETE = "secretsmanager:DeleteSecret"
LARGEST_POLICY, MOST_VERSIONS, MOST_LABELS = 20_480, 100, 20
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
NEAR = 0.8
"""From this share of a quota it is near."""
_OF_CALLERS = ("aws:principal", "aws:userid", "aws:username", "aws:multifactorauth")
FEWEST_OTHERS = 2
"""How many other secrets of the project have to have a tag that this one should have."""


@check(
    "no-deletion-guard",
    needs=("secret", "resource_policy"),
    severity="info",
    ruled_out_by="GetResourcePolicy: a statement denies secretsmanager:DeleteSecret, or this is not production",
    not_in_sandbox="The sandbox has no production",
)
def no_deletion_guard(snapshot: Snapshot) -> Iterable[Evidence]:
    """No resource policy protects production's secret from deletion."""
    secret = snapshot.secret
    if secret and snapshot.environment.is_production and not secret.deleted and not is_guarded(snapshot):
        facts = (
            f"GetResourcePolicy: no statement of {secret.name} denies {DELETE}: each identity with that permission can"
            " delete it, with ForceDeleteWithoutRecovery at once and for good.",
        )
        yield Evidence(secret.name, facts, _guard(snapshot))


@check(
    "key-not-rotated",
    needs=("secret", "kms_key", "lifecycle"),
    severity="warning",
    ruled_out_by="GetKeyRotationStatus: KeyRotationEnabled is true, or the key is AWS's own",
)
def key_not_rotated(snapshot: Snapshot) -> Iterable[Evidence]:
    """The KMS key of the secret does not rotate."""
    key, lifecycle = snapshot.kms_key, snapshot.audit.lifecycle
    rotation = lifecycle.key_rotation if lifecycle else None
    if key and key.state == "Enabled" and rotation and not rotation.is_enabled:
        fact = f"GetKeyRotationStatus: KeyRotationEnabled is false for {key.arn}, which encrypts the secret."
        words = ("kms", "enable-key-rotation", "--key-id", key.arn.rpartition("/")[2])
        yield Evidence(key.arn, (fact,), remedies.in_region(region_in(key.arn), *words))


@check(
    "rotation-broken",
    needs=("secret", "lifecycle"),
    looks_like=("not-protected", "old-value-kept"),
    ruled_out_by="GetFunctionConfiguration: the rotation function exists and is in order, or there is no rotation",
)
def rotation_broken(snapshot: Snapshot) -> Iterable[Evidence]:
    """Automatic rotation is on and cannot run."""
    secret, lifecycle = snapshot.secret, snapshot.audit.lifecycle
    function = lifecycle.rotation_function if lifecycle else None
    if not (secret and secret.rotates):
        return
    if function and not function.exists:
        fact = f"GetFunctionConfiguration: there is no function {function.arn}, which RotationLambdaARN names."
        yield Evidence(secret.name, (fact,), remedies.on_secret(snapshot.environment.names, "cancel-rotate-secret"))
    elif function and "Failed" in (function.state, function.last_update):
        reason = f": {function.reason.rstrip('.')}" if function.reason else ""
        fact = (
            f"GetFunctionConfiguration: {function.arn} has State {function.state or 'unknown'} and LastUpdateStatus"
            f" {function.last_update or 'unknown'}{reason}."
        )
        advice = f"Deploy the function again; its log group is {function.log_group}."
        yield Evidence(secret.name, (fact,), Remedy(advice))


@check(
    "tags-missing",
    needs=("secret", "unused"),
    severity="info",
    ruled_out_by="DescribeSecret: Tags has what the project's other secrets have in common",
)
def tags_missing(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret lacks tags that the project's other secrets have."""
    missing = missing_tags(snapshot)
    if missing:
        fact = f"DescribeSecret: Tags lacks {', '.join(missing)}, which each other secret of the project has."
        yield Evidence(snapshot.secret_name, (fact,), remedies.tag(snapshot.environment.names, missing))


@check(
    "quota-near",
    needs=("secret", "versions", "contents", "resource_policy"),
    severity="warning",
    ruled_out_by="GetSecretValue, GetResourcePolicy, ListSecretVersionIds: each size and count is far from its quota",
)
def quota_near(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret is close to a quota of Secrets Manager."""
    names = snapshot.environment.names
    for quota, count, most, unit in quotas(snapshot):
        if count >= NEAR * most:
            remedy = remedies.show_secret(names).needing(_RELIEF[quota])
            fact = f"The {quota} is at {count:,} of {most:,} {unit}: beyond that, writes are refused."
            yield Evidence(f"{snapshot.secret_name}: {quota}", (fact,), remedy)


VALUE_SIZE, POLICY_SIZE = "size of the value", "size of the resource policy"
VERSIONS, LABELS = "number of versions of the last day", "number of staging labels"
_RELIEF = {
    VALUE_SIZE: "Remove keys that nobody uses, or move some to a secret of their own.",
    POLICY_SIZE: "Put fewer statements in it, such as one on aws:PrincipalTag in the place of many principals.",
    VERSIONS: "Write less often: a day later Secrets Manager removes the oldest versions without a label by itself.",
    LABELS: "Remove labels that nobody uses, by UpdateSecretVersionStage.",
}
"""What makes room under each quota, which a person has to decide."""


def quotas(snapshot: Snapshot) -> Iterator[tuple[str, int, int, str]]:
    """The quotas of the secret: what it limits, how much there is, how much there may be, and the unit."""
    content, policy = snapshot.current, snapshot.resource_policy
    if content:
        yield VALUE_SIZE, content.size, LARGEST_VALUE, "bytes"
    if policy:
        # Secrets Manager counts what it stores, without white space.
        yield POLICY_SIZE, len(policy.text), LARGEST_POLICY, "characters"
    # Older ones make room: Secrets Manager removes none of the last day, and none with a label.
    recent = snapshot.taken - timedelta(days=1)
    fixed = [version for version in snapshot.versions if version.stages or version.created > recent]
    yield VERSIONS, len(fixed), MOST_VERSIONS, "versions"
    yield LABELS, sum(len(version.stages) for version in snapshot.versions), MOST_LABELS, "labels"


def is_guarded(snapshot: Snapshot) -> bool:
    """Whether a statement of the secret's policies denies its deletion to anybody."""
    arn = snapshot.secret_arn
    account = account_in(arn) if arn else ""
    somebody = (f"arn:{snapshot.caller.partition}:iam::{account}:role/anybody", account)
    return any(
        evaluate_resource(_denials(policy), somebody, DELETE, arn, None).decision == "explicit-deny"
        for policy in snapshot.resource_policies
    )


def missing_tags(snapshot: Snapshot) -> tuple[str, ...]:
    """The tags that each other secret of the project has, and this one lacks."""
    secret, listed = snapshot.secret, snapshot.audit.project_secrets
    others = [{*each.tags} for each in listed if secret and each.arn != secret.arn and not each.owning_service]
    if secret is None or len(others) < FEWEST_OTHERS:
        return ()
    common = set.intersection(*others) - {*secret.tags}
    return tuple(sorted(tag for tag in common if not tag.startswith("aws:")))


def _guard(snapshot: Snapshot) -> Remedy:
    """The secret's policy with a statement that lets only the caller's identity delete it."""
    policy = snapshot.resource_policy or PolicyDocument("policy", "resource", {"Version": "2012-10-17"})
    statement = {
        "Sid": "OnlyTheseDeleteIt",
        "Effect": "Deny",
        "Principal": "*",
        "Action": DELETE,
        "Resource": "*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": _identities(snapshot.caller.arn)}},
    }
    remedy = remedies.set_resource_policy(snapshot.environment.names, extend(policy, **statement))
    return remedy.needing("aws:PrincipalArn lists who may delete it, so far only you: add who else may.")


def _identities(caller: str) -> Sequence[str]:
    """The patterns of a caller's identity; a session does not say which path its role has."""
    head, _, tail = caller.partition(":assumed-role/")
    if not tail:
        return [caller]
    base, role = head.replace(":sts:", ":iam:"), tail.partition("/")[0]
    return [f"{base}:role/{role}", f"{base}:role/*/{role}"]


def _denials(policy: PolicyDocument) -> PolicyDocument:
    """The statements that deny something to everybody but some, without their conditions."""
    return policy.with_statements(
        {name: element for name, element in each.items() if name != "Condition"}
        for _, each in policy.statements
        if isinstance(each, dict) and each.get("Effect") == "Deny" and _is_about_callers(each.get("Condition"))
    )


def _is_about_callers(condition: object) -> bool:
    """Whether a condition tells callers apart; one on TLS, which many policies have, lets all of them delete."""
    return not condition or any(key in json.dumps(condition).casefold() for key in _OF_CALLERS)
