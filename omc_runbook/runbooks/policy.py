"""The least IAM policy that a runbook needs in an environment: for `omc-runbook policy`."""

from __future__ import annotations

import importlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from omc_runbook.aws.session import Clients, partition_of
from omc_runbook.aws.sts import Caller
from omc_runbook.headless import last_run, notebooks
from omc_runbook.model.arn import partition_in
from omc_runbook.model.audit import AuditSettings
from omc_runbook.model.environment import LOCAL, Environment
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import FLEET
from omc_runbook.model.parameters import split_names
from omc_runbook.model.time_limits import LOOK_SECONDS
from omc_runbook.report.archive.bucket import S3Folder
from omc_runbook.runbooks.actions import BY_DISCOVERY, Actions
from omc_runbook.snapshot import environments, permissions
from omc_runbook.snapshot.environments import find_environment, find_several
from omc_runbook.snapshot.other_references import references_of
from omc_runbook.snapshot.reading import identify, take
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

_QUERY = ("cloudtrail:GetEventDataStore", "cloudtrail:GetQueryResults", "cloudtrail:StartQuery")
"""To read the calls in an event data store of CloudTrail Lake."""
_NOTHING = '{"Version": "2012-10-17", "Statement": []}'
"""A policy that allows nothing."""
_SEARCH = "secretsmanager:ListSecrets"
"""By which discovery finds environments."""
_SOMEBODY = "the caller"
"""Stands for the caller where AWS did not say who that is."""


@dataclass(frozen=True)
class PrincipalPolicy:
    """An IAM policy document, and the ARN of the principal that needs it."""

    principal: str
    document: str


@dataclass(frozen=True)
class LeastPolicy:
    """The policies that a run needs: the caller's, or that of the role in runbook.toml and then the caller's for it.

    A runbook that calls nothing has none: IAM knows no policy without a statement.

    `notes` says in sentences what a runbook needs besides in some environments, or why it needs nothing; `unread`, why
    AWS could not be read, so that the policies are made of names alone.
    """

    policies: tuple[PrincipalPolicy, ...]
    notes: tuple[str, ...]
    unread: str = ""


def actions_of(runbook: str) -> Actions:
    """What a runbook calls, as its own module says; raises UsageError where there is no such runbook."""
    notebooks.find(runbook)
    actions: Actions = importlib.import_module(f"omc_runbook.runbooks.{runbook}").ACTIONS
    return actions


def least_policy(runbook: str, environment: str, runbook_toml: str = "", applies: bool | None = None) -> LeastPolicy:
    """The least policy for a runbook on an environment, with the ARNs that are there.

    `applies` says whether also to apply its plan; with None, as the runbook is mostly used. The environment is read for
    the ARNs; what the caller may not read is named by its pattern, and so is all for somebody who cannot sign in yet.
    Raises UsageError for an unknown runbook, for several environments, and as `snapshot.reading.identify` does.
    """
    needed = actions_of(runbook)
    if needed.why_none:
        return LeastPolicy((), (needed.why_none,))
    if len(names := split_names("environment", environment)) > 1:
        raise UsageError(f"A policy is that of one environment: run it once for each of {', '.join(names)}.")
    settings = find_environment(environment, runbook_toml)
    if environment == LOCAL:
        raise UsageError("The local environment needs no policy: its secrets are in a .env.")
    clients = Clients.of(settings)
    clients.calls.time.limit(LOOK_SECONDS)
    unread = ""
    try:
        snapshot = take(clients, settings, identify(clients, settings), lambda: datetime.now(UTC))
    except CouldNotLook as error:
        snapshot, unread = _of_names(settings), str(error)
    does_apply = needed.apply and (needed.mostly_applies if applies is None else applies)
    more, some = (needed.apply, needed.sometimes_to_apply) if does_apply else ((), ())
    actions = (*needed.plan, *more)
    actions += (*_for_key(snapshot, actions), *_for_services(snapshot, actions))
    # A fleet looks at all that there are.
    is_searched_for = environments.is_searched_for("" if runbook == FLEET else environment, runbook_toml)
    role = settings.names.role_arn
    # The own role of an environment that is yet to be found searches nothing: the caller does, or the roles of tables.
    searches = is_searched_for and role in environments.searching_roles(runbook_toml)
    actions += (_SEARCH,) if searches and _SEARCH not in actions else ()
    document = permissions.document(snapshot, actions, needed.compares_environments, needed.searches)
    if needed.reads_trails:
        document = _with_events(document, settings.audit, snapshot.caller)
    own = PrincipalPolicy(role or snapshot.caller.arn, document)
    own_calls = _as_caller(role, is_searched_for, runbook_toml)
    of_caller = PrincipalPolicy(snapshot.caller.source or _SOMEBODY, _allowing(own_calls))
    notes = [_about_names(snapshot)] if unread else []
    known = {BY_DISCOVERY} if is_searched_for else set[str]()
    notes += [f"Sometimes also: {each}." for each in (*needed.sometimes, *some) if each not in known]
    if runbook == FLEET:
        notes += _for_others(settings.name, runbook_toml)
    return LeastPolicy((own, of_caller) if role else (own,), tuple(notes), unread)


def _as_caller(role: str, is_searched_for: bool, runbook_toml: str) -> Iterator[dict[str, Any]]:
    """What the caller does who assumes a role, beside it: it searches the own account where each has another role."""
    yield {"Action": ["sts:AssumeRole"], "Resource": [role]}
    if is_searched_for and not environments.home_environment(runbook_toml).names.role_arn:
        yield {"Action": [_SEARCH], "Resource": ["*"]}


def _of_names(settings: Environment) -> Snapshot:
    """An environment of which nothing was read, in the account that runbook.toml names, or else in any."""
    names = settings.names
    _, partition, *_, account, _ = (names.role_arn or f"arn:{partition_of(names.region)}:iam::*:root").split(":")
    caller = Caller(names.account_id or account, f"arn:{partition}:iam::{names.account_id or account}:root")
    return Snapshot(environment=settings, taken=datetime.now(UTC), caller=caller, endpoint="")


def _about_names(snapshot: Snapshot) -> str:
    """What is not exact in a policy that is made of names alone."""
    account = "* for the account" if snapshot.account == "*" else f"account {snapshot.account}"
    return (
        f"Based on {snapshot.environment.origin} alone, with {account}: AWS was not read. What only AWS shows, such as"
        " the secret's KMS key, other secrets and other roles, is missing or a wildcard. Print it again once you can"
        " sign in."
    )


def _for_others(environment: str, runbook_toml: str) -> Iterator[str]:
    """Which environments fleet looks at besides this one."""
    found = find_several("", environment, runbook_toml)
    if others := [each.name for each in found.environments if each.name != environment]:
        yield (
            f"This is for {environment} alone. A fleet also needs the policies for {', '.join(others)}: print each with"
            " environment=NAME."
        )
    yield from found.unread


def _for_key(snapshot: Snapshot, actions: Collection[str]) -> Iterator[str]:
    """What these actions need of the secret's key, where it is the customer's own."""
    if snapshot.kms_key is None or snapshot.kms_key.manager != "CUSTOMER":
        return
    if {GET_SECRET_VALUE, "secretsmanager:PutSecretValue"} & {*actions}:
        yield "kms:Decrypt"
    if "secretsmanager:PutSecretValue" in actions:
        yield "kms:GenerateDataKey"
    if "secretsmanager:GetResourcePolicy" in actions:
        yield from ("kms:DescribeKey", "kms:GetKeyPolicy")
    if "iam:GetAccountAuthorizationDetails" in actions:
        yield from ("kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListGrants", "kms:ListResourceTags")


def _for_services(snapshot: Snapshot, actions: Collection[str]) -> Iterator[str]:
    """What these actions need besides, because of how services are deployed and what else their tasks get."""
    if "ecs:DescribeServices" not in actions:
        return
    if any(each.deployments and not each.has_rollout_state and each.controller == "ECS" for each in snapshot.consumers):
        yield from ("ecs:DescribeServiceDeployments", "ecs:ListServiceDeployments")
    if any(reference.kind == "ssm" for reference in references_of(snapshot)):
        yield "ssm:DescribeParameters"
    if "*" in snapshot.environment.names.clusters:
        yield "ecs:ListClusters"


def _with_events(document: str, settings: AuditSettings, caller: Caller) -> str:
    """The policy with what reading the files of a trail, or an event data store, needs."""
    statements: list[dict[str, Any]] = []
    if settings.trail_s3:
        bucket = f"arn:{caller.partition}:s3:::{settings.bucket}"
        statements.append({"Action": ["s3:GetObject"], "Resource": [f"{bucket}/{settings.prefix}/*"]})
        statements.append({"Action": ["s3:ListBucket"], "Resource": [bucket]})
    if settings.event_data_store:
        statements.append({"Action": list(_QUERY), "Resource": [settings.event_data_store]})
    return _allowing(statements, document)


def _allowing(statements: Iterable[dict[str, Any]], document: str = _NOTHING) -> str:
    """A policy that also allows what these statements say."""
    body = json.loads(document)
    body["Statement"] += [{"Effect": "Allow", **each} for each in statements]
    return json.dumps(body, indent=2)


def with_records(least: LeastPolicy, bucket: S3Folder, remembers: bool = False) -> LeastPolicy:
    """The policies with what keeping records in S3 needs, by the caller: records are written as nobody else's role.

    With `remembers`, the last run is remembered there too, for `[notify]` and `[[schedules]]` of runbook.toml.
    """
    partition = _partition(least)
    prefix = f"arn:{partition}:s3:::{bucket.bucket}/{bucket.prefix}"
    statements: list[dict[str, Any]] = [{"Action": ["s3:PutObject"], "Resource": [f"{prefix}*"]}]
    if remembers:
        # Without ListBucket, S3 does not tell an object that is not there from one that may not be read.
        statements.append({"Action": ["s3:GetObject"], "Resource": [f"{prefix}.*{last_run.SUFFIX}"]})
        statements.append({"Action": ["s3:ListBucket"], "Resource": [f"arn:{partition}:s3:::{bucket.bucket}"]})
    if bucket.kms_key:
        use = ["kms:GenerateDataKey", *(["kms:Decrypt"] if remembers else [])]
        statements.append({"Action": use, **_key(bucket.kms_key, _caller(least).principal)})
    note = "Sometimes also: for a bucket with a customer managed key, kms: GenerateDataKey" + (
        ", Decrypt." if remembers else "."
    )
    return _with_statements(least, statements, () if bucket.kms_key else (note,))


def with_notifications(least: LeastPolicy, topics: Sequence[str]) -> LeastPolicy:
    """The policies with what publishing to SNS topics, by their ARNs, needs: as the caller, as nobody else's role."""
    if not topics:
        return least
    note = "Sometimes also: for a topic with a customer managed key, kms: GenerateDataKey, Decrypt."
    return _with_statements(least, [{"Action": ["sns:Publish"], "Resource": [*topics]}], (note,))


def _caller(least: LeastPolicy) -> PrincipalPolicy:
    """The caller's policy, without a statement where a runbook needs none."""
    return least.policies[-1] if least.policies else PrincipalPolicy(_SOMEBODY, _NOTHING)


def _partition(least: LeastPolicy) -> str:
    """The partition of the accounts, such as aws-cn; aws where there was nobody to ask."""
    arns = (each.principal for each in least.policies if each.principal.startswith("arn:"))
    return next((partition_in(arn) for arn in arns), "aws")


def _with_statements(least: LeastPolicy, statements: Iterable[dict[str, Any]], notes: Sequence[str]) -> LeastPolicy:
    """The policies with more that the caller may do, and with more notes."""
    caller = _caller(least)
    own = replace(caller, document=_allowing(statements, caller.document))
    return replace(least, policies=(*least.policies[:-1], own), notes=(*least.notes, *notes))


def _key(name: str, principal: str) -> dict[str, Any]:
    """The resource of a statement on a key, by its id, ARN or alias; an alias is a condition on the key that has it."""
    alias, owner = name.rpartition(":")[2], name if name.startswith("arn:") else principal
    if name == owner and not alias.startswith("alias/"):
        return {"Resource": [name]}
    of_nobody = ["arn", "aws", "kms", "*", "*"]
    _, partition, _, _, account, *_ = owner.split(":") if owner.startswith("arn:") else of_nobody
    base = f"arn:{partition}:kms:*:{account}:key"
    if alias.startswith("alias/"):
        condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": [alias]}}
        return {"Resource": [f"{base}/*"], "Condition": condition}
    return {"Resource": [f"{base}/{name}"]}
