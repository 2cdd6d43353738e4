"""Faults of other secrets, and of SSM parameters, that the same task definitions refer to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from omc_runbook.aws import iam
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Evidence, Family, Uncertain
from omc_runbook.checks.key_demand import KeyDemand, is_near_own, other_demands, rolled_back_revisions
from omc_runbook.checks.role_access import (
    EVERYBODY,
    RoleAccess,
    is_grant_limited,
    judge_action,
    keys_of_call,
    same_denial,
)
from omc_runbook.checks.role_remedies import ASK_ORGANIZATION, facts_of, put_without, remedy_of
from omc_runbook.checks.secret_owner import in_primary, restore_elsewhere, write_elsewhere
from omc_runbook.checks.startup import again
from omc_runbook.checks.stopped_tasks import Stop, fresh_stops
from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import Verdict, evaluate_resource
from omc_runbook.messages.reasons import is_of_content, is_role_refused, lacks_parameter, points_at
from omc_runbook.model.arn import account_in
from omc_runbook.model.findings import Remedy
from omc_runbook.model.grouping import grouped
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.other_references import FIELD, keys_read, permission_of, references_of
from omc_runbook.snapshot.other_sources import OtherSource
from omc_runbook.snapshot.state import Snapshot

check = Family("reference", hinders="secret")
_IN_NO_NAME = re.compile(r"(/)[/\s]+|\s+")

NEEDS = ("services", "task_definitions", FIELD)
REFUSED_BY_KEY = ("kms-no-permission", "parameter-denied")
UNUSABLE_KEYS = ("kms-disabled", "kms-pending")
"""The checks of AWS's messages about a key that a role may not use, and about one that nobody can."""
REFUSED_LOOKUP = "bare-name"
"""The check of its message that a role may not read what Parameter Store has by a name."""


@check(
    "other-secret-missing",
    needs=NEEDS,
    looks_like=("not-found",),
    ruled_out_by="DescribeSecret: each other secret of the task definitions exists and has the version that they name",
)
def other_secret_missing(snapshot: Snapshot) -> Iterable[Evidence]:
    """Another secret that tasks need does not exist, or has no such version."""
    for source, demands in _sources(snapshot, is_secret=True):
        problem = _problem(snapshot, source, demands)
        if problem:
            facts = (problem, _users(demands), *_citations(snapshot, source))
            way = _way_back(snapshot, source, demands)
            yield Evidence(
                source.name,
                facts,
                way,
                _services(demands),
                stems_from=_subjects(demands),
                revisions=_rolled_back(snapshot, demands),
            )


@check(
    "other-secret-denied",
    needs=(*NEEDS, "permissions"),
    looks_like=("access-denied",),
    ruled_out_by="the execution role may read each other secret of the task definitions",
)
def other_secret_denied(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The execution role may not read another secret that tasks need."""
    return _denied(snapshot, is_secret=True)


@check(
    "other-secret-key",
    needs=(*NEEDS, "tasks"),
    looks_like=("key-not-found", "unparsed"),
    ruled_out_by="DescribeTasks: no task stopped because another secret lacks a key",
)
def other_secret_key(snapshot: Snapshot) -> Iterable[Evidence]:
    """Another secret lacks a key that tasks need."""
    for source, demands in _sources(snapshot, is_secret=True):
        revisions = {demand.definition.arn for demand in demands}
        own = [stop for stop in fresh_stops(snapshot) if stop.task.task_definition_arn in revisions]
        stops = [stop for stop in own if is_of_content(stop.reason)]
        for demand in demands:
            key = demand.reference.key
            # They say that a secret lacks this key, or has no keys at all.
            named = f"json key {key}"
            matching_stops = [
                each for each in stops if named in each.reason or not points_at(each.reason, "key-missing")
            ]
            citations = [stop for stop in matching_stops if stop.service.name == demand.service.name]
            # Of another version than the current one nothing was read.
            is_told = citations or (source.keys and not demand.reference.names_version and not matching_stops)
            if not key or not is_told or (source.keys is not None and key in source.keys):
                continue
            if source.keys is None and _has_own(snapshot, demand, key, citations[0]):
                continue
            nearby = nearest(key, source.keys or ())
            lacking = f"has no key {key}{nearby}" if source.is_object else _why_no_object(source)
            is_current = not demand.reference.names_version
            read = f"GetSecretValue: {source.name} {lacking}" if source.keys is not None and is_current else ""
            facts = (*filter(None, (read,)), _users([demand]), *(stop.sentence for stop in citations[:1]))
            way = f"Add {key} to {source.name}, or correct the reference to {demand.variable}, and redeploy."
            if source.secret and source.secret.manager:
                # What manages a secret also names its keys.
                way = f"Correct the reference to {demand.variable}: {source.secret.manager} names the keys of"
                way += f" {source.name}, which it manages. Then redeploy."
            if not source.is_object:
                way = f"Take {key} out of the reference to {demand.variable}, if {source.name} is meant to be one text"
                way += f" without keys, or make it a JSON object with {key}; then redeploy."
            if source.is_binary:
                way = f"Put the value of {source.name} as SecretString, a JSON object with {key}, and redeploy."
            if not is_current and not (source.secret and source.secret.manager):
                # What is put now is in no version that is there already.
                way = f"Let the reference to {demand.variable} name a version of {source.name} that has {key}, a new"
                way += " one if none has, and redeploy."
            remedy = Remedy(way)
            services = frozenset({demand.service.name})
            yield Evidence(f"{source.name} {key}", facts, remedy, services, stems_from=_subjects([demand]))


@check(
    "other-secret-rotated",
    needs=(*NEEDS, "tasks"),
    severity="warning",
    symptom="not-updating",
    looks_like=("old-value", "login-refused"),
    ruled_out_by="no other secret of the task definitions has a version that is newer than running tasks",
    hinders="",
    blocked_by=("secret", "calls"),
)
def other_secret_rotated(snapshot: Snapshot) -> Iterable[Evidence]:
    """Running tasks have an old value of another secret."""
    return _changed(snapshot, is_secret=True)


@check(
    "parameter-missing",
    needs=NEEDS,
    looks_like=("not-found",),
    ruled_out_by="DescribeParameters: each SSM parameter of the task definitions exists",
)
def parameter_missing(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """An SSM parameter that tasks need does not exist."""
    yield from _judge_not_shown(snapshot)
    for source, demands in _sources(snapshot, is_secret=False):
        if source.parameter is None:
            region = snapshot.environment.names.region
            fact = f"DescribeParameters: there is no parameter {source.name} in {region}."
            create = command("aws", "ssm", "put-parameter", "--name", source.name, "--type", "SecureString")
            variable = demands[0].variable
            remedy = Remedy(
                f"Write its value to the file PATH and create it with `{create} --value file://PATH --region {region}`,"
                f" or correct the reference to {variable}, and redeploy."
            )
            if _IN_NO_NAME.search(source.name):
                name = command(_IN_NO_NAME.sub(r"\1", source.reference.text))
                fact += " No parameter's name can have two slashes in a row, or white space."
                remedy = Remedy(f"Write {name} into the reference to {command(variable)}, and redeploy.")
            yield Evidence(
                source.name, (fact, _users(demands), *_citations(snapshot, source)), remedy, _services(demands)
            )
        elif cited := _lacking(snapshot, source):
            selector = source.reference.text.removeprefix(source.arn).removeprefix(source.name).removeprefix(":")
            fact = f"DescribeParameters: {source.name} exists; the tasks' message says that {selector} of it does not."
            reference = f"the reference to {demands[0].variable}"
            remedy = Remedy(f"Correct the version or label {selector} in {reference}, and redeploy.")
            yield Evidence(source.name, (fact, _users(demands), cited[0].sentence), remedy, _services(demands))


@check(
    "parameter-denied",
    needs=(*NEEDS, "permissions"),
    looks_like=("access-denied",),
    ruled_out_by="the execution role may read each SSM parameter of the task definitions",
)
def parameter_denied(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The execution role may not read an SSM parameter that tasks need."""
    return _denied(snapshot, is_secret=False)


@check(
    "parameter-changed",
    needs=(*NEEDS, "tasks"),
    severity="warning",
    symptom="not-updating",
    looks_like=("old-value", "login-refused"),
    ruled_out_by="DescribeParameters: no SSM parameter of the task definitions is newer than running tasks",
    hinders="",
    blocked_by=("secret", "calls"),
)
def parameter_changed(snapshot: Snapshot) -> Iterable[Evidence]:
    """Running tasks have an old value of an SSM parameter."""
    return _changed(snapshot, is_secret=False)


def _judge_not_shown(snapshot: Snapshot) -> Iterator[Evidence | Uncertain]:
    """Parameters that DescribeParameters does not have, unless a task that was given them runs."""
    if snapshot.gaps.get(FIELD):
        return
    for source, _ in _not_shown(snapshot):
        where = f"DescribeParameters of this account and region does not show {source.reference.text}"
        if cited := _lacking(snapshot, source):
            remedy = Remedy("Create the parameter where the reference names it, or correct the reference.")
            services = frozenset(stop.service.name for stop in cited)
            yield Evidence(source.name, (f"{where}.", cited[0].sentence), remedy, services)
        elif not any(keys_read(snapshot, task, source) for task in snapshot.running_tasks):
            yield Uncertain(source.name, (f"{where}: whether it exists is unknown.",))


def _sources(snapshot: Snapshot, is_secret: bool) -> Iterator[tuple[OtherSource, list[KeyDemand]]]:
    """The other sources of one kind, each with the references to it."""
    demands = _demands(snapshot)
    for name, source in snapshot.other_sources.items():
        if source.is_secret == is_secret and name in demands:
            yield source, demands[name]


def _not_shown(snapshot: Snapshot) -> Iterator[tuple[OtherSource, list[KeyDemand]]]:
    """The parameters that DescribeParameters does not have, as those of another region or account."""
    demands = _demands(snapshot)
    for ref in references_of(snapshot):
        if ref.kind == "ssm" and ref.source not in snapshot.other_sources:
            yield OtherSource(reference=ref, arn=permission_of(ref, snapshot)[1]), demands[ref.source]


@once
def _demands(snapshot: Snapshot) -> dict[str, list[KeyDemand]]:
    """The references to other sources, by what they name."""
    return grouped((demand.reference.source, demand) for demand in other_demands(snapshot))


def _problem(snapshot: Snapshot, source: OtherSource, demands: list[KeyDemand]) -> str:
    """Why a secret cannot be read by anybody; "" where it can."""
    secret, ref = source.secret, source.reference
    if secret is None:
        if source.namesake:
            return f"DescribeSecret: there is no secret {ref.secret_arn}; the secret of that name is {source.namesake}."
        near = f": did you mean {snapshot.secret_name}?" if is_near_own(snapshot, ref) else "."
        return f"DescribeSecret: there is no secret {ref.secret_arn}{near}"
    if secret.deleted:
        return f"DescribeSecret: {secret.name} has DeletedDate {secret.deleted:%Y-%m-%d %H:%M} UTC: it cannot be read."
    for demand in demands:
        stage, version = demand.reference.stage or CURRENT, demand.reference.version_id
        if not version and not secret.version_at(stage):
            return f"DescribeSecret: no version of {secret.name} has the label {stage}."
        if version and demand.reference.stage and secret.version_at(stage) != version:
            return f"DescribeSecret: version {version} of {secret.name} does not have the label {stage}."
        # DescribeSecret does not list versions without a label, which can still be read.
        if version not in ("", *secret.stages) and any(version in stop.reason for stop in fresh_stops(snapshot)):
            return f"{secret.name} has no version {version}, as the tasks' message says."
    return ""


def _way_back(snapshot: Snapshot, source: OtherSource, demands: list[KeyDemand]) -> Remedy:
    secret, region = source.secret, source.reference.region
    if secret and secret.deleted:
        if elsewhere := restore_elsewhere(secret):
            return Remedy(f"{elsewhere}; then redeploy.")
        return remedies.in_region(region, "secretsmanager", "restore-secret", "--secret-id", secret.name)
    pinned = next((demand for demand in demands if demand.reference.version_id), None)
    if secret and pinned:
        return Remedy(f"Take the version id out of the reference to {pinned.variable}, then redeploy.")
    labelled = next((demand for demand in demands if demand.reference.names_version), None)
    if secret and labelled:
        label = command(labelled.reference.stage)
        return Remedy(
            f"Take the label {label} out of the reference to {command(labelled.variable)}, or give"
            f" {command(secret.name)} a version with it; then redeploy."
        )
    if secret and (elsewhere := write_elsewhere(secret)):
        return Remedy(f"{elsewhere}; then redeploy.")
    if secret:
        words = ("put-secret-value", "--secret-id", secret.name, "--secret-string", "file://PATH")
        put_value = remedies.in_region(region, "secretsmanager", *words)
        return Remedy(f"Write its value to the file PATH and put it with `{put_value.command}`, then redeploy.")
    variable = command(demands[0].variable)
    if source.namesake:
        return Remedy(
            f"Write {command(source.namesake)} into the reference to {variable} in the place of that ARN, register a"
            " new revision and deploy it; policies that name the former ARN need the new one, too."
        )
    if snapshot.secret and is_near_own(snapshot, source.reference):
        return Remedy(
            f"If {snapshot.secret_name} is meant, write {snapshot.secret.arn} into the reference to {variable} in the"
            " place of that ARN, register a new revision and deploy it; else create the secret, and redeploy."
        )
    return Remedy(f"Create the secret, or correct the reference to {variable}, and redeploy.")


def _denied(snapshot: Snapshot, is_secret: bool) -> Iterator[Evidence | Uncertain]:
    not_shown = [] if is_secret else [*_not_shown(snapshot)]
    for source, demands in (*_sources(snapshot, is_secret), *not_shown):
        stops = [
            stop
            for stop in _stops_about(snapshot, source)
            if is_role_refused(stop.reason)
            or points_at(stop.reason, *REFUSED_BY_KEY, *UNUSABLE_KEYS)
            or (points_at(stop.reason, REFUSED_LOOKUP) and not lacks_parameter(stop.reason))
        ]
        for arn, own in grouped((demand.definition.execution_role_arn, demand) for demand in demands).items():
            permissions = snapshot.permissions.get(arn)
            services = _services(own)
            cited = [stop for stop in stops if stop.service.name in services]
            # A missing permission on what does not exist is no separate fault; for what is elsewhere, tasks show it.
            counts = bool(cited) if (source, demands) in not_shown else source.is_there
            if permissions is None or not permissions.exists or not counts:
                continue
            access = _judge(snapshot, arn, source)
            is_refused = access.cause not in ("", "unknown")
            if is_refused or cited:
                facts = (
                    *(facts_of(snapshot, arn, access) if is_refused else ()),
                    *(stop.sentence for stop in cited[:1]),
                )
                way = _remedy(snapshot, source, arn, access) if is_refused else _let_in(snapshot, source, arn, cited[0])
                stems_from = _subjects(demands) | same_denial(snapshot, arn, access)
                yield Evidence(
                    source.name,
                    (*facts, _users(demands)),
                    way,
                    services,
                    stems_from=stems_from,
                    revisions=_rolled_back(snapshot, own),
                )
            elif access.cause:
                yield Uncertain(source.name, access.sentences)
            elif source.key_id and not _was_read(snapshot, arn, source):
                use = f"whether {iam.role_name(arn)} may use it is only seen when a task starts"
                yield Uncertain(source.name, (f"{source.name} is encrypted with key {source.key_id}: {use}.",))


def _was_read(snapshot: Snapshot, role_arn: str, source: OtherSource) -> bool:
    """Whether a running task was given a source by a role."""
    return any(
        revision.execution_role_arn == role_arn and keys_read(snapshot, task, source)
        for task in snapshot.running_tasks
        if (revision := snapshot.definition(task))
    )


def _let_in(snapshot: Snapshot, source: OtherSource, role_arn: str, stop: Stop) -> Remedy:
    """What lets a role read a source that its own policies let it read, by the message of a task."""
    if points_at(stop.reason, "scp"):
        return ASK_ORGANIZATION
    key, name = source.key_id, iam.role_name(role_arn)
    _, partition, _, region, account, _ = source.arn.split(":", 5)
    if key and points_at(stop.reason, *UNUSABLE_KEYS):
        verbs = ("cancel-key-deletion",) * points_at(stop.reason, "kms-pending") + ("enable-key",)
        return remedies.use_key(region, key, *verbs)
    if key and points_at(stop.reason, *REFUSED_BY_KEY):
        service = "secretsmanager" if source.is_secret else "ssm"
        grant = remedies.let_read_with(name, key, partition, region, account, service)
        otherwise = f"Where the key's policy does not let IAM policies count, let {name} decrypt there instead."
        return grant.needing(otherwise)
    if account != account_in(role_arn):
        return Remedy(_steps_of_owner(source, role_arn, account))
    if points_at(stop.reason, "no-permission"):
        # The role's own policies allow by now what none allowed then.
        return again(snapshot, stop)
    return Remedy("The task's message names the policy at fault.")


def _steps_of_owner(source: OtherSource, role_arn: str, account: str) -> str:
    """What another account has to do, so that a role may read what it has."""
    decrypt = f"a customer managed key whose policy allows {role_arn} kms:Decrypt"
    if source.is_secret:
        how = f"allow {role_arn} {source.action} in the resource policy of {source.name}, and encrypt it with {decrypt}"
        return f"In account {account}, {how}."
    return f"In account {account}, share {source.name} by AWS RAM; if it is a SecureString, encrypt it with {decrypt}."


def _remedy(snapshot: Snapshot, source: OtherSource, role_arn: str, access: RoleAccess) -> Remedy:
    names = snapshot.environment.names
    if access.cause == "resource-deny":
        own = ("--secret-id", source.name)
        put, delete = (
            remedies.in_region(source.reference.region or names.region, "secretsmanager", *words)
            for words in (
                ("put-resource-policy", *own, "--resource-policy", "file://policy.json"),
                ("delete-resource-policy", *own),
            )
        )
        which = "those statements" if access.statements[1:] else "that statement"
        remedy = put_without(which, access.statements, source.policy, put, delete)
        return in_primary(source.secret, remedy) if source.secret else remedy
    grant = remedies.grant(names, iam.role_name(role_arn), source.action, source.arn, source.name)
    account = account_in(source.arn)
    if account != account_in(role_arn):
        grant = grant.needing(_steps_of_owner(source, role_arn, account))
    return remedy_of(access, source.action, source.arn, grant)


def _judge(snapshot: Snapshot, role_arn: str, source: OtherSource) -> RoleAccess:
    """Judge whether a role may read a source, by its own policies and, of a secret, the secret's."""
    permissions = snapshot.permissions[role_arn]
    tags = source.secret.tags if source.secret else None
    of_secret = source.is_secret and request_keys.of_secret(source.arn, tags, (CURRENT,), "")
    keys = keys_of_call(snapshot, role_arn, source.arn, of_secret or request_keys.of_resource(source.arn))
    access = judge_action(permissions, role_arn, source.action, source.arn, keys)
    if source.policy_unread and access.cause == "nothing-allows":
        return RoleAccess("unknown", source.policy_unread)
    if source.policy is None or access.cause == "unknown" or access.is_denied:
        return access

    def evaluate(principals: Collection[str]) -> Verdict:
        assert source.policy
        # An undecidable deny is ignored without an allow, and the role's own policies may have that.
        beside = () if access.cause else (EVERYBODY,)
        return evaluate_resource(source.policy, principals, source.action, source.arn, keys, beside)

    verdict = evaluate({role_arn})
    if verdict.decision == "explicit-deny":
        return RoleAccess("resource-deny", f"GetResourcePolicy: {verdict.reason}.", verdict.statements)
    if verdict.decision == "unknown":
        return RoleAccess("unknown", f"GetResourcePolicy: {verdict.reason}.")
    is_outside = access.cause == "boundary" or access.is_bounded
    if verdict.decision != "allowed" or (
        is_outside and is_grant_limited(role_arn, lambda names: evaluate(names).decision == "allowed")
    ):
        return access
    return RoleAccess("", access.sentence)


def _changed(snapshot: Snapshot, is_secret: bool) -> Iterator[Evidence]:
    for source, _ in _sources(snapshot, is_secret):
        changed = source.changed
        if changed is None:
            continue
        for service in snapshot.consumers:
            older = [task for task in snapshot.running(service) if task.started and task.started < changed]
            stale = [task for task in older if _has_changed(source, keys_read(snapshot, task, source))]
            if stale:
                what = "its current version came" if is_secret else "it was last written"
                fact = (
                    f"{len(stale)} of {len(snapshot.running(service))} running tasks of {service.name} started before"
                    f" {what}, at {changed:%Y-%m-%d %H:%M:%S} UTC."
                )
                keys = {key for task in stale for key in keys_read(snapshot, task, source)}
                facts = (fact, *((_comparison(source, keys),) if is_secret else ()))
                remedy = remedies.redeploy(snapshot.environment.names, service.name)
                yield Evidence(source.name, facts, remedy, frozenset({service.name}))


def _comparison(source: OtherSource, keys: Collection[str]) -> str:
    """What tasks read of a secret, and whether that is known to differ."""
    if source.changed_keys is None:
        read = f"They read {', '.join(sorted(keys))}" if "" not in keys else "They read the whole of it"
        return f"{read}; whether that differs was not compared."
    differing = source.changed_keys if "" in keys else source.changed_keys.intersection(keys)
    return f"Keys whose value differs: {', '.join(sorted(differing))}."


def _has_changed(source: OtherSource, keys: frozenset[str]) -> bool:
    """Whether a source's present value is another one for what is read of it, as far as that was compared."""
    return bool(keys) and (source.changed_keys is None or "" in keys or bool(keys & source.changed_keys))


def _stops_about(snapshot: Snapshot, source: OtherSource) -> list[Stop]:
    """Fresh stops whose reason names a source, or refuses a key that a parameter is encrypted with."""
    return [
        stop
        for stop in fresh_stops(snapshot)
        if source.is_named_in(stop.reason) or _is_of_parameters_key(snapshot, source, stop)
    ]


def _is_of_parameters_key(snapshot: Snapshot, source: OtherSource, stop: Stop) -> bool:
    """Whether KMS kept a task from a parameter: the message does not name it, and the key only if that is unusable."""
    if source.is_secret or not source.key_id or "ssm" not in stop.reason:
        return False
    is_read = keys_read(snapshot, stop.task, source)
    return bool(is_read) and points_at(stop.reason, "parameter-denied", *UNUSABLE_KEYS)


def _lacking(snapshot: Snapshot, source: OtherSource) -> list[Stop]:
    """Fresh stops that say that there is no such parameter, or no such version of it."""
    return [stop for stop in _stops_about(snapshot, source) if lacks_parameter(stop.reason)]


def _citations(snapshot: Snapshot, source: OtherSource) -> tuple[str, ...]:
    return tuple(stop.sentence for stop in _stops_about(snapshot, source)[:1])


def _why_no_object(source: OtherSource) -> str:
    """What it is instead, as the end of a sentence."""
    if source.is_binary:
        return "is not a JSON object: its current version has a SecretBinary and no SecretString."
    return f"is not a JSON object: the text {source.flaw}" if source.flaw else "is not a JSON object."


def _has_own(snapshot: Snapshot, demand: KeyDemand, key: str, stop: Stop) -> bool:
    """Whether the environment's own secret may be what the reason is about."""
    document = snapshot.document
    if document is None:
        return True
    own_keys = {injection.reference.key for _, injection in snapshot.own_references(demand.definition)}
    return key in own_keys and document.get(key) is None and points_at(stop.reason, "key-missing")


def _users(demands: list[KeyDemand]) -> str:
    names = dict.fromkeys(
        f"{demand.variable} of {demand.definition.label} {demand.container.name}" for demand in demands
    )
    call = "DescribeServices" if all(demand.is_of_proxy for demand in demands) else "DescribeTaskDefinition"
    return f"{call}: {', '.join(names)} from {demands[0].reference.text}."


def _subjects(demands: list[KeyDemand]) -> frozenset[str]:
    """The references themselves: where they are wrong, what they lead to is no fault of its own."""
    return frozenset(demand.subject for demand in demands)


def _rolled_back(snapshot: Snapshot, demands: list[KeyDemand]) -> dict[str, str]:
    return rolled_back_revisions(snapshot, ((demand.service, demand.definition) for demand in demands))


def _services(demands: list[KeyDemand]) -> frozenset[str]:
    return frozenset(demand.service.name for demand in demands)
