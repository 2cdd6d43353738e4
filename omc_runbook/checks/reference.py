"""Faults of the references: a task definition's valueFrom against the secret that exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from omc_runbook.aws.definitions import Container, Injection, TaskDefinition
from omc_runbook.aws.schedules import ScheduledTask
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Evidence, Family, Uncertain
from omc_runbook.checks.definition_source import out_of_environment, refer_in_proxy, source_of, source_of_demand
from omc_runbook.checks.key_demand import (
    KeyDemand,
    all_demands,
    containers_in_force,
    content_for,
    exchanged_key,
    is_meant_whole,
    is_near_own,
    is_only_pinned,
    keys_by_variable,
    lacking_document,
    named_key,
    other_demands,
    secret_demands,
    successions,
)
from omc_runbook.checks.secret_owner import place_of_new_key, why_not_here
from omc_runbook.masking.relations import is_database_address
from omc_runbook.model import letters, value_from
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.environment import KNOWN
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.model.same_secret import region_of
from omc_runbook.model.shell import command
from omc_runbook.model.value_from import Reference
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot

NEEDS = ("services", "task_definitions")
check = Family("reference", needs=NEEDS, hinders="secret")

FROM_FILES = "Its environmentFiles may set that: files in S3 are not read."
FIRST_WITH_KEYS = (1, 4, 0)
"""The first platform version of Fargate for Linux that reads one key of a secret, or a certain version of it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
"""


@check(
    "arn-malformed",
    looks_like=("invalid-reference",),
    ruled_out_by="DescribeTaskDefinition: each valueFrom is the whole ARN of a secret or parameter, or a name",
)
def arn_malformed(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom is malformed."""
    for demand in (*secret_demands(snapshot), *other_demands(snapshot)):
        is_lost = demand.reference.has_no_region and not snapshot.is_own(demand.reference)
        no_region = f"no region is called {demand.reference.region}" if is_lost else ""
        if problem := demand.reference.problem or no_region:
            is_whole = demand.injection in demand.container.whole_secrets
            is_own = snapshot.is_own(demand.reference) and not is_whole
            is_guessed = is_near_own(snapshot, demand.reference) and not is_whole
            remedy = None if is_own or is_guessed else _whole_arn(snapshot, demand)
            found = _evidence(snapshot, demand, f"The valueFrom is malformed: {problem}.", remedy)
            # No runbook decides what a reference to another secret means.
            way = remedies.with_runbook("troubleshoot", snapshot.environment, found.remedy) if is_own else found.remedy
            yield replace(found, remedy=way)


def _whole_arn(snapshot: Snapshot, demand: KeyDemand) -> Remedy:
    """Write another source's ARN in full into a malformed reference, as it is meant where its text shows that."""
    ref, is_whole = demand.reference, demand.injection in demand.container.whole_secrets
    meant = ref.secret_arn if is_whole else f"{ref.secret_arn}:{ref.key}:{ref.stage}:{ref.version_id}"
    is_short = not is_whole and value_from.is_short_version(ref.version_id)
    if not ref.secret_arn and ":ssm:" in ref.text:
        meant = "the name of its parameter, or the whole ARN"
    elif ref.has_no_region or not ref.secret_arn or value_from.parse(meant).problem or is_short:
        meant = "the whole ARN of its secret" + ("" if is_whole else ", with :KEY:: after it for one key")
    else:
        meant = f'"{meant}"'
    if demand.is_of_proxy:
        return Remedy(f"Set valueFrom of {demand.variable} to {meant}, in {demand.service.name}'s Service Connect.")
    source = source_of_demand(snapshot, demand)
    return source.write(demand.variable if is_whole else source.value_of(demand.variable), meant)


@check(
    "bare-name",
    looks_like=("invalid-reference",),
    ruled_out_by="DescribeTaskDefinition: each valueFrom is the ARN of a secret",
    fixed_by="troubleshoot",
)
def bare_name(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom is a plain name, which ECS looks up in SSM Parameter Store."""
    for demand in secret_demands(snapshot):
        if demand.reference.kind == "ssm" and not demand.reference.problem:
            yield _evidence(
                snapshot, demand, "The valueFrom is not a Secrets Manager ARN: ECS looks that name up in SSM."
            )


@check(
    "wrong-account",
    needs=(*NEEDS, "secret"),
    looks_like=("not-found",),
    ruled_out_by="DescribeTaskDefinition: no valueFrom names an account other than the secret's",
)
def wrong_account(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom names another account."""
    for demand, ref in _arns(snapshot):
        home, foreign = snapshot.account, snapshot.foreign_secrets.get(ref.secret_arn)
        # Of one that is there, under the key that AWS manages, kms-cross-account tells.
        if ref.account != home and not (foreign and not foreign.kms_key_id):
            yield _evidence(snapshot, demand, f"The ARN's account is {ref.account}; the secret is in {home}.")


@check(
    "kms-cross-account",
    needs=(*NEEDS, "secret"),
    looks_like=("access-denied", "kms-refused"),
    ruled_out_by="DescribeSecret: each secret of another account has a KmsKeyId",
)
def kms_cross_account(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret in another account is encrypted with the AWS managed key, which cannot be shared."""
    for demand, ref in _arns(snapshot):
        foreign = snapshot.foreign_secrets.get(ref.secret_arn)
        own = snapshot.secret if snapshot.secret and ref.secret_arn == snapshot.secret.arn else None
        secret = foreign or own
        if secret and ref.account != snapshot.caller.account and not secret.kms_key_id:
            fact = f"DescribeSecret: {secret.name} in account {ref.account} has no KmsKeyId, so the AWS managed key."
            remedy = Remedy(
                f"In account {ref.account}, encrypt {secret.name} with a customer managed key, and allow this account's"
                " execution role in its key policy."
            )
            yield _evidence(snapshot, demand, fact, remedy)


@check(
    "wrong-partition",
    looks_like=("invalid-reference",),
    ruled_out_by="DescribeTaskDefinition: the partition in each valueFrom is the caller's",
    fixed_by="troubleshoot",
    not_in_sandbox="The sandbox has one partition of AWS",
)
def wrong_partition(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom names another AWS partition."""
    home = snapshot.caller.partition
    for demand, ref in _arns(snapshot):
        if ref.partition != home:
            yield _evidence(snapshot, demand, f"The ARN's partition is {ref.partition}; the secret is in {home}.")


@check(
    "other-environment",
    symptom="not-updating",
    looks_like=("not-found", "old-value"),
    ruled_out_by="DescribeTaskDefinition: no valueFrom names another environment's secret",
    not_in_sandbox="The sandbox has one environment, staging",
)
def other_environment(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom names another environment's secret."""
    environment, others = snapshot.environment.name, secrets_of_others(snapshot)
    own = own_secret_names(snapshot)
    for demand in all_demands(snapshot):
        ref = demand.reference
        if other := others.get(value_from.named_among({*others, *own}, ref.secret_name)):
            yield _evidence(snapshot, demand, f"That is the secret of {other}; this is {environment}.")


@check(
    "wrong-region",
    looks_like=("not-found",),
    ruled_out_by="DescribeTaskDefinition: no valueFrom names a region other than the secret's",
    # A partition has regions of its own.
    because_of=("wrong-partition",),
    per_subject=True,
    fixed_by="troubleshoot",
)
def wrong_region(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom names another region."""
    names = snapshot.environment.names
    region = region_of(names)
    for demand, ref in _arns(snapshot):
        # A secret that is configured in another region is secret-missing: references to it may be right.
        if ref.region not in (names.region, region):
            secret = snapshot.foreign_secrets.get(ref.secret_arn)
            also = f" A secret of that name is in {ref.region} too." if secret else ""
            if ref.secret_arn in snapshot.foreign_secrets and not secret:
                also = f" None was found in {ref.region}."
            yield _evidence(snapshot, demand, f"The ARN's region is {ref.region}; the secret is in {region}.{also}")


@check(
    "suffix-stale",
    needs=(*NEEDS, "secret"),
    looks_like=("not-found",),
    ruled_out_by="DescribeSecret: no ARN in valueFrom has a suffix that differs from the secret's",
    fixed_by="troubleshoot",
)
def suffix_stale(snapshot: Snapshot) -> Iterable[Evidence]:
    """The ARN in a valueFrom has the wrong suffix: a deleted secret's, or a mistyped one."""
    for demand, ref in _local_arns(snapshot):
        suffix, current = _suffix(snapshot, ref.secret_name), _suffix(snapshot, _own_name(snapshot))
        if suffix and not current.startswith(suffix):
            created = snapshot.secret.created if snapshot.secret else None
            when = f", created {created:%Y-%m-%d %H:%M} UTC" if created else ""
            yield _evidence(
                snapshot, demand, f"The ARN ends in -{suffix}; the secret of that name ends in -{current}{when}."
            )


@check(
    "partial-arn",
    needs=(*NEEDS, "secret"),
    looks_like=("invalid-reference", "not-found"),
    ruled_out_by="DescribeTaskDefinition: no ARN in valueFrom lacks the six characters after the name",
    fixed_by="troubleshoot",
)
def partial_arn(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom lacks the six-character suffix of the secret's ARN."""
    for demand, ref in _local_arns(snapshot):
        suffix, current = _suffix(snapshot, ref.secret_name), _suffix(snapshot, _own_name(snapshot))
        if suffix != current and current.startswith(suffix):
            yield _evidence(
                snapshot, demand, f"The ARN ends in {ref.secret_name}; the secret's ends in {_own_name(snapshot)}."
            )


@check(
    "whole-json",
    needs=(*NEEDS, "contents"),
    looks_like=("key-not-found", "bad-value"),
    ruled_out_by="DescribeTaskDefinition: each valueFrom names a JSON key",
    hinders="value",
)
def whole_json(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom names no key: the variable gets the whole JSON."""
    document, environment = snapshot.document, snapshot.environment
    variables = {variable_of(key, environment.keys) for key in document.keys} if document else set[str]()
    for demand, ref in _arns(snapshot):
        # A key in the place of the stage is previous-pinned, whose remedy names it as the key.
        if ref.key or document is None or exchanged_key(snapshot, ref):
            continue
        variable = demand.variable
        found = _evidence(snapshot, demand, f"The key field is empty: {variable} gets every key's value.")
        if variable in variables:
            yield replace(found, remedy=remedies.with_runbook("troubleshoot", environment, found.remedy))
        elif not demand.is_variable:
            yield found
        else:
            what, lead, severity = f"{snapshot.secret_name} has no key of that name.", "Name", found.severity
            if is_meant_whole(snapshot, demand):
                what, lead, severity = "By its name it is meant to.", "Unless the program parses that, name", "info"
            remedy = Remedy(
                f"{lead} the key that {command(variable)} needs in its valueFrom, or take {command(variable)} out of"
                " secrets; then register a new revision and deploy it."
            )
            yield replace(found, facts=(*found.facts, what), remedy=remedy, severity=severity)


@check(
    "previous-pinned",
    symptom="not-updating",
    looks_like=("not-found", "old-value"),
    ruled_out_by="DescribeTaskDefinition: no valueFrom without a version id names a stage other than AWSCURRENT",
    fixed_by="troubleshoot",
)
def previous_pinned(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom is pinned to a stage other than AWSCURRENT."""
    for demand, ref in _arns(snapshot):
        # One that names a version too is pinned to that.
        if ref.stage not in ("", CURRENT) and not ref.version_id:
            which = ", which is a key" if exchanged_key(snapshot, ref) else ""
            yield _pinned(snapshot, demand, f"The stage field is {ref.stage}{which}")


@check(
    "version-pinned",
    symptom="not-updating",
    looks_like=("not-found", "old-value"),
    ruled_out_by="DescribeTaskDefinition: no valueFrom names a version id",
    fixed_by="troubleshoot",
)
def version_pinned(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom is pinned to one version."""
    for demand, ref in _arns(snapshot):
        if ref.version_id and not value_from.is_short_version(ref.version_id):
            yield _pinned(snapshot, demand, f"The version field is {ref.version_id}")


@check(
    "version-short",
    looks_like=("invalid-reference",),
    ruled_out_by="DescribeTaskDefinition: no valueFrom names a version id under 32 characters",
    fixed_by="troubleshoot",
)
def version_short(snapshot: Snapshot) -> Iterable[Evidence]:
    """A valueFrom is pinned to a version id that is too short."""
    for demand, ref in _arns(snapshot):
        if value_from.is_short_version(ref.version_id):
            yield _evidence(
                snapshot, demand, f"The version field has {len(ref.version_id)} characters; 32 to 64 are required."
            )


@check(
    "platform-version",
    looks_like=("invalid-reference", "not-found"),
    ruled_out_by="DescribeServices: platformVersion is LATEST, or 1.4.0 or later",
)
def platform_version(snapshot: Snapshot) -> Iterable[Evidence]:
    """The service's platform version cannot inject a single key or version of a secret."""
    for service in snapshot.consumers:
        numbers = tuple(int(number) for number in service.platform_version.split(".") if number.isdecimal())
        revisions = [each for each in snapshot.revisions(service) if not each.os_family.startswith("WINDOWS")]
        refs = [
            (revision, injection.variable)
            for revision in revisions
            for _, injection in revision.references
            if injection.reference.key or injection.reference.names_version
        ]
        if refs and numbers and numbers < FIRST_WITH_KEYS:
            variables = ", ".join(dict.fromkeys(variable for _, variable in refs))
            facts = (
                f"DescribeServices: {service.name} runs on Fargate's platform version {service.platform_version}, which"
                " reads whole secrets only; 1.4.0 is the first that reads one key, or a certain version.",
                f"DescribeTaskDefinition: {refs[0][0].label} names a key or a version for {variables}.",
            )
            names, newest = snapshot.environment.names, ("--platform-version", "LATEST")
            remedy = remedies.start_tasks(names, service, "", *newest)
            if service.controller != "ECS":
                remedy = Remedy(f"{remedy.command} Give it the platform version LATEST.")
            yield Evidence(service.name, facts, remedy, frozenset({service.name}))


@check(
    "sidecar-only",
    looks_like=("key-not-found", "refuses-to-start", "variable-not-read"),
    ruled_out_by="DescribeTaskDefinition: each key's variable is in the application's own container",
    hinders="value",
)
def sidecar_only(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A key is injected into the wrong container, not into the application's."""
    keys = snapshot.environment.keys
    read = snapshot.checkout.reads if snapshot.checkout else None
    variables = frozenset(variable_of(key, keys) for key in keys) if read is None else frozenset(read)
    for demand, ref in _arns(snapshot):
        application = _application(demand)
        if application is None or application is demand.container or demand.variable not in variables:
            continue
        own = {*application.environment, *(injection.variable for injection in application.secrets)}
        entry = keys.get(ref.key)
        # Another application with a database URL does not build one from the password.
        has_address = read is None and entry is not None and entry.in_url and any(map(is_database_address, own))
        if demand.variable not in own and not has_address:
            fact = (
                f"The application's container is {application.name}; its secrets and environment lack"
                f" {demand.variable}, which {demand.container.name} gets."
            )
            if application.has_environment_files:
                yield Uncertain(demand.subject, (fact, FROM_FILES))
                continue
            move = Remedy(
                f"Move the entry {command(demand.variable)} from container {demand.container.name} to"
                f" {application.name}, register a new revision and deploy it."
            )
            is_required = entry is None or entry.required
            yield replace(_evidence(snapshot, demand, fact, move), severity="error" if is_required else "warning")


@check(
    "duplicate-name",
    symptom="not-updating",
    looks_like=("old-value",),
    ruled_out_by="DescribeTaskDefinition: no variable is in both environment and secrets",
    hinders="value",
)
def duplicate_name(snapshot: Snapshot) -> Iterable[Evidence]:
    """A container sets one variable twice."""
    found = set[tuple[str, str]]()
    for demand in secret_demands(snapshot):
        if (demand.service.name, demand.subject) in found:
            continue
        found.add((demand.service.name, demand.subject))
        same = [entry.reference.text for entry in demand.container.secrets if entry.variable == demand.variable]
        if demand.variable in demand.container.environment:
            fact = f"{demand.variable} is in the container's environment and in its secrets."
            remedy = Remedy(f"Remove {demand.variable} from environment, and deploy the revision.")
            yield _evidence(snapshot, demand, fact, remedy)
        elif len(same) > 1:
            times = "twice" if len(same) == 2 else f"{len(same)} times"
            fact = f"{demand.variable} occurs {times} in the container's secrets: {', '.join(same)}."
            remedy = Remedy(f"Remove all but one {demand.variable} from secrets, and deploy.")
            yield _evidence(snapshot, demand, fact, remedy)


@check(
    "plain-secret",
    needs=(*NEEDS, "scheduled"),
    severity="warning",
    symptom="not-updating",
    looks_like=("old-value",),
    ruled_out_by="DescribeTaskDefinition: no plain variable in environment has a secret's value",
    hinders="",
)
def plain_secret(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret is a plain variable of the task definition."""
    for service, definition, container in containers_in_force(snapshot):
        injected = {injection.variable for injection in container.secrets}
        for variable in container.plain_secrets if snapshot.own_injections(definition) else ():
            if variable not in injected:
                facts = (
                    f"{definition.label}, container {container.name}: {variable} has its value in environment,"
                    " and everybody who may call ecs:DescribeTaskDefinition can read it.",
                    "A new value in the secret never reaches it.",
                )
                remedy = move_into_secret(snapshot, container.name, variable)
                subject = f"{definition.label} {container.name} {variable}"
                yield Evidence(subject, facts, remedy, frozenset({service.name}))
        for injection in container.plain_references:
            if injection.variable not in injected:
                yield _plain_reference(snapshot, service.name, definition, container, injection)
    for task in snapshot.scheduled:
        yield from _plain_references_of(snapshot, task)
        own = {
            (each.name, injection.variable) for each, injection in snapshot.own_injections(snapshot.definition(task))
        }
        for container in task.overrides if own else ():
            for name in (*container.plain_secrets, *container.plain_options):
                place = place_of_new_key(snapshot.secret)
                yield _in_override(task, container, name, place, is_injected=(container.name, name) in own)


def _plain_references_of(snapshot: Snapshot, task: ScheduledTask) -> Iterator[Evidence]:
    """Yield each valueFrom in environment of what EventBridge runs: in its revision, or in its containerOverrides."""
    definition = snapshot.definition(task)
    if not definition:
        return
    is_reader = bool(snapshot.own_references(definition))
    in_force = {(each.arn, container.name) for _, each, container in containers_in_force(snapshot)}
    overrides = {each.name: each for each in task.overrides}
    for container in definition.containers:
        override = overrides.get(container.name)
        replaced = set(override.environment) if override else set()
        injected = {injection.variable for injection in container.secrets}
        for injection in container.plain_references if (definition.arn, container.name) not in in_force else ():
            is_ours = is_reader or snapshot.is_own(injection.reference)
            if is_ours and injection.variable not in injected | replaced:
                yield _plain_reference(snapshot, task.origin, definition, container, injection)
        for injection in override.plain_references if override else ():
            if is_reader or snapshot.is_own(injection.reference):
                yield _reference_in_override(snapshot, task, definition, container, injection)


def _reference_in_override(
    snapshot: Snapshot, task: ScheduledTask, definition: TaskDefinition, container: Container, injection: Injection
) -> Evidence:
    """A valueFrom in what a rule or a schedule gives a container instead of its own variables."""
    variable, place = injection.variable, f"the containerOverrides of {task.origin}"
    remedy = _inject(snapshot, definition, injection).needing(f"Take {variable} out of {place} in the same change.")
    if any(each.variable == variable for each in container.secrets):
        by_definition = f"{container.name} gets it by secrets[] of the task definition."
        remedy = Remedy(f"Take {variable} out of {place}: {by_definition}")
    where = f"{task.origin}, containerOverrides of {container.name}"
    facts = _facts_of_plain_reference(where, injection)
    return Evidence(f"{task.origin} {container.name} {variable}", facts, remedy, frozenset({task.origin}), "error")


def _plain_reference(
    snapshot: Snapshot, reader: str, definition: TaskDefinition, container: Container, injection: Injection
) -> Evidence:
    """A valueFrom in the place of a plain variable's value; `reader` is the service, the rule or the schedule."""
    remedy = _inject(snapshot, definition, injection).needing(out_of_environment(injection.variable))
    facts = _facts_of_plain_reference(f"{definition.label}, container {container.name}", injection)
    subject = f"{definition.label} {container.name} {injection.variable}"
    return Evidence(subject, facts, remedy, frozenset({reader}), "error")


def _facts_of_plain_reference(where: str, injection: Injection) -> tuple[str, str]:
    variable = injection.variable
    return (
        f"{where}: {variable} in environment has the text of a valueFrom, {injection.reference.text}.",
        f"ECS resolves references in secrets alone: the program gets that text as its {variable}.",
    )


def _inject(snapshot: Snapshot, definition: TaskDefinition, injection: Injection) -> Remedy:
    """Inject by secrets[] what a plain variable refers to; the key has to be in the secret before."""
    variable, ref, document = injection.variable, injection.reference, snapshot.document
    if not snapshot.is_own(ref):
        return Remedy(
            f"Inject {variable} by secrets[], with that text as its valueFrom, register a new revision and deploy it."
        )
    remedy = source_of(snapshot, [definition]).add(ref.key, variable)
    if document and document.get(ref.key) is None:
        return remedy.needing(f"Before that, give {ref.key} a value in {snapshot.secret_name}, which lacks this key.")
    return remedy


def _in_override(task: ScheduledTask, container: Container, name: str, place: str, is_injected: bool) -> Evidence:
    """A secret in what a rule or a schedule gives a container instead of its own; `place` has room for a key."""
    call = "events:ListTargetsByRule" if task.origin.startswith("rule ") else "scheduler:GetSchedule"
    is_variable = name in container.environment
    subject = f"{name} in environment is" if is_variable else f"{name} has what is"
    facts = (
        f"{task.origin}, containerOverrides of {container.name}: {subject} a secret by its name or form,"
        f" and everybody who may call {call} can read it.",
        "A new value in the secret never reaches it.",
    )
    key, instead = (name, "take it out of") if is_variable else ("it", "read that variable instead in")
    remedy = Remedy(
        f"Add {key} to {place} with a new value, inject it into {container.name} by secrets[] of the task"
        f" definition, and {instead} the containerOverrides of {task.origin}."
    )
    if is_injected:
        remedy = Remedy(
            f"Take {name} out of the containerOverrides of {task.origin}: {container.name} gets it by secrets[] of the"
            " task definition. If the two values are the same, renew that."
        )
    return Evidence(f"{task.origin} {container.name} {name}", facts, remedy, frozenset({task.origin}))


def move_into_secret(snapshot: Snapshot, container: str, variable: str) -> Remedy:
    """Move a plain variable into the secret."""
    document = snapshot.document
    if document and document.get(variable):
        return Remedy(
            f"Inject {variable} by secrets[], from the secret's key {variable}, and take it out of environment. If the"
            " two values are the same, renew that."
        )
    by_hand = Remedy(
        f"Add {variable} to {place_of_new_key(snapshot.secret)} with a new value, inject it by secrets[], and take it"
        " out of environment."
    )
    if snapshot.secret and why_not_here(snapshot.secret):
        return by_hand
    needs = out_of_environment(variable)
    return remedies.with_runbook("add_key", snapshot.environment, by_hand, needs, key=variable, containers=container)


@check(
    "name-mismatch",
    looks_like=("key-not-found", "bad-value", "refuses-to-start", "variable-not-read"),
    ruled_out_by="DescribeTaskDefinition: secrets[].name is what the application's Settings read",
    because_of=("duplicate-name",),
    per_subject=True,
    hinders="value",
)
def name_mismatch(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A key is injected under a name that the application does not read."""
    in_service = {
        (pair.failing.arn, injection.reference.key): (injection.variable, pair.serving.label)
        for pair in successions(snapshot)
        for _, injection in snapshot.own_injections(pair.serving)
    }
    for demand, ref in _arns(snapshot):
        if not demand.is_variable:
            continue
        former, label = in_service.get((demand.definition.arn, ref.key), ("", ""))
        source, variable = source_of_demand(snapshot, demand), demand.variable
        what = f"Key {ref.key} is injected as {letters.spell(variable)}"
        if odd := letters.describe(variable):
            what += f", which has {odd}"
        if other := _owner(snapshot, demand):
            # The name is right, and the reference another key's.
            correct = source.refer_to(other, variable)
            yield _evidence(snapshot, demand, f"{what}, the variable of key {other}.", correct)
        elif former and former not in demand.definition.variables:
            fact = f"{what}; {label}, the revision in service, injects it as {former}."
            yield _evidence(snapshot, demand, fact, source.rename(variable, former))
        elif due := _unset(snapshot, demand):
            reader = "the application" if snapshot.checkout is None else "Settings"
            fact = f"{what}; {reader} reads {due}, which is not set."
            if demand.container.has_environment_files:
                yield Uncertain(demand.subject, (fact, FROM_FILES))
                continue
            yield _evidence(snapshot, demand, fact, source.rename(variable, due))


def secrets_of_others(snapshot: Snapshot) -> dict[str, str]:
    """The other environments by the names of their secrets, also by the usual names."""
    environment, name = snapshot.environment.name, snapshot.secret_name
    others = {names.secret.rpartition(":")[2]: other for other, names in snapshot.environment.others.items()}
    others = {
        name.replace(environment, other): other for other in KNOWN if environment in name and other != environment
    } | others
    # Where runbook.toml has the ARN of one secret for all environments, none of them is another.
    for own in own_secret_names(snapshot):
        others.pop(own, None)
    return others


def own_secret_names(snapshot: Snapshot) -> tuple[str, ...]:
    """The environment's own secret: its name, and that with its suffix, where it exists."""
    return tuple(filter(None, (snapshot.secret_name, snapshot.secret_arn.rpartition(":")[2])))


def _application(demand: KeyDemand) -> Container | None:
    """The container of a task definition that runs the service's application; None where nothing tells which."""
    containers, service = demand.definition.containers, demand.service.name
    same_name = [each for each in containers if service == each.name or service.endswith(f"-{each.name}")]
    images = [each for each in containers if each.repository.endswith(service)]
    essential = [container for container in containers if container.essential]
    return next((found[0] for found in (same_name, images, essential) if len(found) == 1), None)


def _owner(snapshot: Snapshot, demand: KeyDemand) -> str:
    """The other key whose variable a reference sets; "" where it is the key's own, or nobody's."""
    keys, key, variable = snapshot.environment.keys, demand.reference.key, demand.variable
    if key != variable and (key, variable) in _pairs(demand.container):
        return variable
    owner = keys_by_variable(snapshot).get(variable, "")
    return owner if key in keys and owner != key else ""


@once
def _pairs(container: Container) -> frozenset[tuple[str, str]]:
    """Each variable of a container with the key that it gets."""
    return frozenset((each.variable, each.reference.key) for each in container.secrets)


def _unset(snapshot: Snapshot, demand: KeyDemand) -> str:
    """The variable that the main service reads for a key and that its revision leaves unset; "" for none."""
    key, keys, checkout = demand.reference.key, snapshot.environment.keys, snapshot.checkout
    due = variable_of(key, keys)
    if demand.service.name != snapshot.environment.names.service or due in demand.definition.variables:
        return ""
    if checkout is None:
        return due if key in keys else ""
    return due if due in checkout.reads and not checkout.reads_as(demand.variable, due) else ""


def _arns(snapshot: Snapshot) -> Iterator[tuple[KeyDemand, Reference]]:
    """References that are well-formed Secrets Manager ARNs."""
    for demand in secret_demands(snapshot):
        if demand.reference.kind == "secretsmanager" and not demand.reference.problem:
            yield demand, demand.reference


def _local_arns(snapshot: Snapshot) -> Iterator[tuple[KeyDemand, Reference]]:
    """References to this region and account, where the secret is."""
    for demand, ref in _arns(snapshot):
        if snapshot.secret and (ref.region, ref.account) == (snapshot.environment.names.region, snapshot.account):
            yield demand, ref


def _own_name(snapshot: Snapshot) -> str:
    return snapshot.secret_arn.rpartition(":")[2]


def _suffix(snapshot: Snapshot, name: str) -> str:
    """What follows the secret's own name in the last part of an ARN."""
    own = snapshot.secret_name
    return name.removeprefix(f"{own}-") if name.startswith(f"{own}-") else ""


def _evidence(snapshot: Snapshot, demand: KeyDemand, fact: str, remedy: Remedy | None = None) -> Evidence:
    reference, keys = demand.reference, snapshot.environment.keys
    own_keys = [name for name in keys if variable_of(name, keys) == demand.variable]
    similar_key = named_key(snapshot, demand) if reference.problem else ""
    # The name of a log driver's option is no key's.
    likely = next(iter(own_keys), demand.variable) if demand.is_variable else "KEY"
    key = exchanged_key(snapshot, reference) or similar_key or reference.key or likely
    arn = snapshot.secret_arn if snapshot.secret_arn != reference.secret_arn else ""
    if demand.is_of_proxy:
        option, service = demand.variable.rpartition(" ")[2], demand.service.name
        where = f"serviceConnectConfiguration of {service}, logConfiguration: {option}"
        value_from = f"{snapshot.secret_arn or snapshot.secret_name}:{key}::"
        mend = remedy or refer_in_proxy(service, demand.variable, value_from)
    else:
        where = f"{demand.definition.label}, container {demand.container.name}: {demand.variable}"
        mend = remedy or source_of_demand(snapshot, demand).refer_to(key, demand.variable, arn)
    if key == "KEY" and not remedy:
        mend = mend.needing("KEY stands for the key that the option needs.")
    facts = (f"{where} from {letters.spell(reference.text)}.", fact)
    return Evidence(demand.subject, facts, mend, frozenset({demand.service.name}))


def _pinned(snapshot: Snapshot, demand: KeyDemand, fact: str) -> Evidence:
    """A pin is a warning while its version can be read, and keeps tasks from starting when it cannot.

    A label of one's own is a remark while it is on the current version: it may be how values are released.
    """
    ref, secret, content = demand.reference, snapshot.secret, content_for(snapshot, demand)
    lacks_now = snapshot.document is None or snapshot.document.get(ref.key) is None
    problem, is_own_label = "", bool(ref.stage) and not ref.version_id and not ref.stage.startswith("AWS")
    if secret and "versions" not in snapshot.gaps:
        labelled = secret.version_at(ref.stage) if ref.stage else ref.version_id
        exists = any(version.id == ref.version_id for version in snapshot.versions) if ref.version_id else labelled
        if not exists:
            problem = "the secret has no such version"
        elif ref.version_id not in ("", labelled):
            problem = (
                f"that version does not have the label {ref.stage}, and Secrets Manager refuses to read it by both"
            )
        elif ref.key and content and not content.document and content.version_id != snapshot.current_id:
            problem = "ECS can read no key from that version"
        elif lacking_document(snapshot, demand) and not lacks_now:
            problem = f"that version does not have the key {letters.spell(ref.key)}, and the current one has it"
    once = "reaches this variable only once somebody moves that label"
    tail = problem or f"a new value {once if is_own_label else 'never reaches this variable'}"
    is_current = is_own_label and "" != snapshot.version_at(ref.stage) == snapshot.current_id
    severity: Severity = "error" if problem else "info" if is_current else "warning"
    evidence = replace(_evidence(snapshot, demand, f"{fact}: {tail}."), severity=severity)
    if not is_only_pinned(snapshot, demand):
        return evidence
    first = f"First give {letters.spell(ref.key)} a value in the current version, which lacks it."
    return replace(evidence, remedy=evidence.remedy and evidence.remedy.needing(first))
