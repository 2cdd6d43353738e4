"""Faults of access: the execution role, the secret's policy and its KMS key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from omc_runbook.aws import iam
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.secretsmanager import RESOURCE_POLICY
from omc_runbook.checks import remedies
from omc_runbook.checks.change_authors import author_of, newest_call
from omc_runbook.checks.check import Evidence, Family, Uncertain
from omc_runbook.checks.key_demand import rolled_back_revisions
from omc_runbook.checks.role_access import (
    RoleAccess,
    judge,
    judge_beside,
    judge_key,
    judge_resource_policy,
    refused_access,
    same_denial,
    undecided_denies,
    unread_organization,
)
from omc_runbook.checks.role_remedies import (
    ASK_ORGANIZATION,
    exchange_of,
    facts_of,
    put_without,
    remedy_of,
    remove_deny,
)
from omc_runbook.checks.secret_owner import why_not_here
from omc_runbook.checks.startup import again
from omc_runbook.checks.stopped_tasks import Stop, fresh_stops, is_about_other, stops_saying
from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import (
    PolicyDocument,
    RefusingCondition,
    Verdict,
    conditions_of,
    extend,
    refusing_conditions,
    trusts,
)
from omc_runbook.iam.request_keys import Keys
from omc_runbook.messages.reasons import is_role_refused, mentions, points_at
from omc_runbook.model.arn import region_in
from omc_runbook.model.aws_names import Names
from omc_runbook.model.findings import NO_REMEDY, Remedy
from omc_runbook.model.grouping import grouped
from omc_runbook.model.suggestions import closest
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.audit.secret_calls import ECS_TASKS
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

NEEDS = ("secret", "services", "task_definitions", "permissions")
check = Family("access", needs=NEEDS, looks_like=("access-denied",), hinders="secret")


@check(
    "role-absent",
    needs=("services", "task_definitions"),
    ruled_out_by="DescribeTaskDefinition: executionRoleArn is set",
    hinders="calls",
)
def role_absent(snapshot: Snapshot) -> Iterable[Evidence]:
    """A task definition names no execution role."""
    names = snapshot.environment.names
    pairs = ((definition, service) for service in snapshot.readers for definition in snapshot.revisions(service))
    reads = ((each, of) for each, of in pairs if not each.execution_role_arn and (each.references or of.proxy_secrets))
    for definition, services in grouped(reads).items():
        users = frozenset(service.name for service in services)
        fact = f"{definition.label} injects secrets and has no executionRoleArn."
        if not definition.references:
            owners = ", ".join(sorted(users))
            fact = (
                f"{definition.label} has no executionRoleArn: ECS needs one for the Service Connect proxy of {owners}."
            )
        remedy = Remedy(f"Set executionRoleArn to {names.execution_role}, register a new revision and deploy it.")
        yield Evidence(definition.label, (fact,), remedy, users)


@check(
    "role-untrusted",
    needs=("services", "task_definitions", "permissions"),
    ruled_out_by="GetRole: the execution role exists and trusts ecs-tasks.amazonaws.com",
    hinders="calls",
)
def role_untrusted(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """ECS cannot assume the execution role."""
    context = _context_of_ecs(snapshot)
    for arn, services in _roles(snapshot):
        permissions, name = snapshot.permissions[arn], iam.role_name(arn)
        role = permissions.role
        if not permissions.exists:
            yield _no_role(snapshot, name, services)
            continue
        refused = [
            stop
            for stop in stops_saying(snapshot, "role-untrusted")
            if mentions(stop.reason, arn) or mentions(stop.reason, f"role/{name}")
        ]
        if role is None:
            gaps = tuple(gap.sentence for gap in permissions.unread)
            if refused:
                way = f"Let the trust policy of {name} allow {ECS_TASKS} to assume it; create it if it is gone."
                yield Evidence(name, (refused[0].sentence, *gaps), Remedy(way), services)
            else:
                yield Uncertain(name, gaps)
            continue
        verdict = trusts(role.trust, ECS_TASKS, context)
        if refused and verdict.decision == "allowed":
            # That a task was refused counts more than what ECS is thought to send beside these.
            certain = {key: context[key] for key in ("aws:SourceAccount", "aws:SourceArn")}
            verdict = trusts(role.trust, ECS_TASKS, certain)
        if verdict.decision == "unknown" and not refused:
            yield _doubt(snapshot, name, f"Its trust policy cannot be evaluated: {verdict.reason}.")
        elif verdict.decision != "allowed":
            facts, remedy = _of_trust(name, role.trust, verdict, context)
            facts = (*facts, *(stop.sentence for stop in refused[:1]))
            yield Evidence(name, facts, remedy, services, revisions=_rolled_back(snapshot, arn))
        elif refused and role.arn != arn:
            fact = f"GetRole: the ARN of {name} is {role.arn}, not {arn}, which the task definition names."
            register = Remedy(f"Set executionRoleArn to {role.arn}, register a new revision and deploy it.")
            yield Evidence(name, (fact, refused[0].sentence), register, services)
        elif role.arn != arn and not _has_started(snapshot, arn):
            fact = f"GetRole: the ARN of {name} is {role.arn}; the task definition names {arn}."
            yield Uncertain(name, (f"{fact} No task has started with that ARN, so ECS may not find the role.",))


def _no_role(snapshot: Snapshot, name: str, services: frozenset[str]) -> Evidence:
    """That an execution role does not exist, with the one that may be meant."""
    existing = [iam.role_name(other) for other in snapshot.permissions if snapshot.permissions[other].exists]
    similar = closest(name, existing)
    instead = f"Set executionRoleArn to {similar}, register a new revision and deploy it, or create"
    way = f"{instead if similar else 'Create'} role {name} with the trust policy and permissions of the guide."
    fact = f"GetRole: there is no role {name}{f': did you mean {similar}?' if similar else '.'}"
    return Evidence(name, (fact,), Remedy(way), services)


def _of_trust(name: str, trust: PolicyDocument, verdict: Verdict, context: Keys) -> tuple[tuple[str, ...], Remedy]:
    """Why the trust policy of a role refuses ECS, and what lets ECS assume it."""
    conditions = refusing_conditions([trust], lambda policy: trusts(policy, ECS_TASKS, context), context)
    facts = (
        f"GetRole: the trust policy does not let {ECS_TASKS} assume {name}.",
        *(condition.sentence for condition in conditions),
        *conditions_of([trust], verdict.statements),
    )
    return facts, _let_ecs_assume(name, trust, verdict, conditions, context)


def _let_ecs_assume(
    name: str, trust: PolicyDocument, verdict: Verdict, conditions: Sequence[RefusingCondition], context: Keys
) -> Remedy:
    sources = (key for key in context if key.startswith("aws:Source") and context[key])
    values = " and ".join(f"{key} {context[key]}" for key in sources)
    labels = " and ".join(condition.statement for condition in conditions)
    wrong = f"the Condition of {labels}: ECS calls with {values}"
    if conditions and verdict.decision == "implicit-deny":
        return Remedy(f"Correct {wrong}.")
    if verdict.decision == "explicit-deny":
        others = trust.with_statements(each for label, each in trust.statements if label not in verdict.statements)
        way = f"Stop {' and '.join(verdict.statements)} from denying {ECS_TASKS}"
        if trusts(others, ECS_TASKS, context).decision == "implicit-deny":
            way += f", and correct {wrong}" if conditions else ", and add one that allows it sts:AssumeRole: none does"
        return Remedy(f"{way}.")
    document = extend(trust, Effect="Allow", Principal={"Service": ECS_TASKS}, Action="sts:AssumeRole")
    return remedies.trust(name, document)


def _has_started(snapshot: Snapshot, role_arn: str) -> bool:
    """Whether a task runs with an execution role of this name."""
    definitions = (snapshot.definition(task) for task in snapshot.tasks if task.is_running)
    return any(definition and definition.execution_role_arn == role_arn for definition in definitions)


@check(
    "no-permission",
    needs=(*NEEDS, "resource_policy"),
    ruled_out_by="a policy of the execution role allows, or tries to allow, GetSecretValue on the secret",
    fixed_by="troubleshoot",
)
def no_permission(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The execution role may not read the secret."""
    return _because(snapshot, "nothing-allows")


@check(
    "pattern-suffix",
    needs=(*NEEDS, "resource_policy"),
    ruled_out_by="no policy of the role names the secret without its suffix",
    fixed_by="troubleshoot",
)
def pattern_suffix(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The role's policy omits the six-character suffix of the secret's ARN."""
    return _because(snapshot, "suffix")


@check("identity-deny", ruled_out_by="no policy of the execution role denies GetSecretValue")
def identity_deny(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A policy of the execution role denies reading the secret."""
    return _because(snapshot, "identity-deny")


@check(
    "boundary", ruled_out_by="GetRole: no permissions boundary forbids a GetSecretValue that the role's policies allow"
)
def boundary(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The execution role's permissions boundary does not allow reading the secret."""
    return _because(snapshot, "boundary")


@check("scp", ruled_out_by="OrganizationsDecisionDetail or a task's read shows no denial")
def scp(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """An organization policy denies reading the secret."""
    stops = stops_saying(snapshot, "scp")
    for arn, services, access in _judged(snapshot):
        refused = [stop for stop in stops if stop.service.name in services]
        unread = _organization_in_doubt(snapshot, arn, access)
        if unread and not refused:
            yield Uncertain(iam.role_name(arn), (*unread, *access.sentences))
        elif access.cause == "organization":
            yield _refused(snapshot, arn, services, access)
        elif refused:
            affected = frozenset(stop.service.name for stop in refused)
            remedy = _unless_corrected(ASK_ORGANIZATION)
            yield Evidence(iam.role_name(arn), (refused[0].sentence,), remedy, affected)
        elif access.cause == "unknown" or not (_simulated(snapshot, arn) or _has_read(snapshot, arn)):
            # Only the simulation, or a task that read the secret, shows an organization's policies.
            gaps = tuple(gap.sentence for gap in snapshot.permissions[arn].unread)
            yield Uncertain(iam.role_name(arn), gaps or access.sentences)


@check("resource-deny", ruled_out_by="GetResourcePolicy: the secret's own policy denies nobody who needs it")
def resource_deny(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The secret's own policy denies the execution role."""
    if gaps := snapshot.unread("resource_policy"):
        yield from tuple(_denied_unseen(snapshot, gaps)) or (Uncertain("", gaps),)
        return
    for arn, services in _roles(snapshot):
        refused = [stop for stop in _denied_by_secret(snapshot) if stop.service.name in services]
        verdict = judge_resource_policy(snapshot, arn)
        if verdict is None:
            continue
        if verdict.decision == "unknown" and not refused:
            fact = f"The secret's resource policy cannot be evaluated: {verdict.reason}."
            before = [stop for stop in stops_saying(snapshot, "resource-deny") if stop.service.name in services]
            since = "A new task alone shows whether the policy, which was put since, denies it too."
            facts = (before[0].sentence, *author_of(snapshot, "PutResourcePolicy"), since) if before else ()
            yield _doubt(snapshot, iam.role_name(arn), fact, *facts)
        elif verdict.decision in ("explicit-deny", "unknown"):
            conditions = conditions_of(snapshot.resource_policies, verdict.statements)
            remedy = _without_denial(snapshot, verdict.statements, has_conditions=bool(conditions))
            denies = "deny" if verdict.statements[1:] else "denies"
            doubt = f"; {verdict.doubt}" if verdict.doubt else ""
            facts = (
                f"GetResourcePolicy: {', '.join(verdict.statements)} {denies} {iam.role_name(arn)}{doubt}.",
                *conditions,
                *(stop.sentence for stop in refused[:1]),
                *author_of(snapshot, "PutResourcePolicy"),
            )
            is_decided = verdict.decision == "explicit-deny"
            subject = snapshot.environment.names.secret
            yield Evidence(subject, facts, remedy if is_decided else _unless_corrected(remedy), services)


def _without_denial(snapshot: Snapshot, statements: Sequence[str], has_conditions: bool) -> Remedy:
    """How statements of the secret's own policies, which deny the tasks' calls, are taken out of them."""
    foreign = [
        policy.name.removeprefix(f"{RESOURCE_POLICY} ")
        for policy in snapshot.other_resource_policies
        if any(label.startswith(f"{policy.name} ") for label in statements)
    ]
    if foreign:
        return Remedy(f"Policy {', '.join(foreign)} was attached by an AWS service: change or remove it there.")
    write = remedies.put_resource_policy(snapshot.environment.names)
    which = "those statements" if statements[1:] else "that statement"
    spare = ", or with a Condition that leaves the tasks' calls out," if has_conditions else ""
    delete = remedies.set_resource_policy(snapshot.environment.names, "")
    return put_without(f"{which}{spare}", statements, snapshot.resource_policy, write, delete)


def _denied_by_secret(snapshot: Snapshot) -> tuple[Stop, ...]:
    """The stopped tasks that the secret's policy denied, as it was since it was last put."""
    put = newest_call(snapshot, "PutResourcePolicy")
    stops = stops_saying(snapshot, "resource-deny")
    return tuple(stop for stop in stops if not (put and stop.task.stopped and stop.task.stopped < put.time))


def _unless_corrected(remedy: Remedy) -> Remedy:
    """A remedy of what a stopped task's words alone show, which says nothing of a correction since."""
    corrected = "If that was corrected after the task stopped, start a new task: it alone shows whether it is allowed."
    return replace(remedy, command_needs=f"{corrected} {remedy.command_needs}".rstrip())


def _denied_unseen(snapshot: Snapshot, gaps: tuple[str, ...]) -> Iterator[Evidence]:
    """The roles that a task says the secret's policy denies, where nobody may read it."""
    stops = _denied_by_secret(snapshot)
    for arn, services in _roles(snapshot):
        if refused := next((stop for stop in stops if stop.service.name in services), None):
            remedy = _unless_corrected(Remedy(f"Stop the secret's resource policy from denying {iam.role_name(arn)}."))
            yield Evidence(snapshot.environment.names.secret, (refused.sentence, *gaps), remedy, services)


_UNAVAILABLE = {
    "PendingImport": (
        "its imported key material was deleted, has expired, or was never imported",
        "Import the same key material again (import-key-material), which only its owner has; what was encrypted with"
        " other material cannot be read.",
    ),
    "Unavailable": (
        "its custom key store is not connected",
        "Connect the key's custom key store: connect-custom-key-store (CustomKeyStoreId of describe-key).",
    ),
}
"""What states of a key mean in which nobody can use it, and what to do."""

_USABLE = ("Enabled", "Updating")

PENDING_DELETION = ("PendingDeletion", "PendingReplicaDeletion")
"""The second is that of a primary key whose replicas in other regions still exist: nobody can use it either."""


@check(
    "kms-disabled",
    needs=("secret", "kms_key"),
    looks_like=("kms-refused",),
    ruled_out_by="DescribeKey: the secret's key is not Disabled, PendingImport or Unavailable",
)
def kms_disabled(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The key that encrypts the secret is disabled or unavailable.

    See https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
    """
    key = snapshot.kms_key
    if key and key.state not in PENDING_DELETION:
        yield from _key_state(snapshot, key)


@check(
    "kms-pending",
    needs=("secret", "kms_key"),
    looks_like=("kms-refused",),
    ruled_out_by="DescribeKey: the secret's key is neither PendingDeletion nor PendingReplicaDeletion",
)
def kms_pending(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The key that encrypts the secret is pending deletion."""
    key = snapshot.kms_key
    return _key_state(snapshot, key) if key and key.state in PENDING_DELETION else ()


@check(
    "kms-missing",
    needs=("secret", "kms_key"),
    looks_like=("kms-refused",),
    ruled_out_by="DescribeKey finds the secret's key, or AWS manages it",
    not_in_sandbox="KMS, and so the sandbox, keeps a key for at least seven days before it deletes it",
)
def kms_missing(snapshot: Snapshot) -> Iterable[Evidence]:
    """The key that encrypts the secret does not exist."""
    if snapshot.secret and snapshot.kms_key_id and snapshot.kms_key is None:
        facts = (f"DescribeKey: there is no key {snapshot.kms_key_id}.", *_former_key(snapshot))
        owner = why_not_here(snapshot.secret)
        remedy = Remedy(owner) if owner else _write_again(snapshot.environment.names)
        yield Evidence(snapshot.kms_key_id, facts, remedy, snapshot.consumer_names)


@check(
    "kms-useless-grant",
    needs=(*NEEDS, "kms_key", "key_policy"),
    looks_like=("access-denied", "kms-refused"),
    ruled_out_by="no policy grants kms:Decrypt on the secret's ARN",
    fixed_by="troubleshoot",
)
def kms_useless_grant(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """kms:Decrypt names the secret's ARN instead of its key's."""
    for arn, services, key, access in _key_uses(snapshot):
        if access.cause == "useless-grant":
            yield _without_grant(snapshot, arn, services, key, access)


@check(
    "kms-no-permission",
    needs=(*NEEDS, "kms_key", "key_policy"),
    looks_like=("access-denied", "kms-refused"),
    ruled_out_by="the role may kms:Decrypt with the secret's key, or needs no permission for it",
)
def kms_no_permission(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The role may not decrypt with the key that encrypts the secret."""
    for arn, services, key, access in _key_uses(snapshot):
        name, facts = iam.role_name(arn), (*facts_of(snapshot, arn, access), *_former_key(snapshot))
        # Policies and grants that could not be read may say more of it than a task does.
        is_read = snapshot.permissions[arn].policies is not None and not key.unread
        stops = fresh_stops(snapshot) if access.cause == "unknown" and is_read else ()
        own = (stop for stop in stops if stop.service.name in services and not is_about_other(snapshot, stop))
        if refused := next((stop for stop in own if points_at(stop.reason, "kms-no-permission")), None):
            ways = "by its policy, a grant or the role's own policies, where a Condition may be in the way"
            remedy = _unless_corrected(Remedy(f"Let {name} decrypt with {key.arn}: {ways}."))
            yield Evidence(name, (refused.sentence, *facts), remedy, services)
        elif access.cause == "unknown":
            yield _doubt(snapshot, name, *facts)
        elif access.cause in ("identity-deny", "boundary", "organization"):
            remedy, stems_from = remedy_of(access, DECRYPT, key.arn, NO_REMEDY), same_denial(snapshot, arn, access)
            yield Evidence(name, facts, remedy, services, stems_from=stems_from)
        elif access.cause == "key-policy":
            yield Evidence(name, facts, _change_key_policy(snapshot, name, key, access), services)
        elif access.cause == "nothing-allows":
            yield _without_grant(snapshot, arn, services, key, access)


@check(
    "throttled",
    needs=("services", "tasks"),
    looks_like=("no-connection", "never-starts"),
    ruled_out_by="DescribeTasks: no stoppedReason says ThrottlingException",
    needs_new_tasks=True,
    fixed_by="troubleshoot",
)
def throttled(snapshot: Snapshot) -> Iterable[Evidence]:
    """Reading the secret was throttled when tasks started."""
    stops = [stop for stop in stops_saying(snapshot, "throttled") if stop.lacks_secrets]
    if stops:
        newest = {stop.service.name: stop for stop in reversed(stops)}
        latest = [*reversed(newest.values())]
        start = remedies.combine([again(snapshot, stop) for stop in latest])
        wait = "First wait until what calls Secrets Manager so often has ended, or stop it."
        remedy = replace(start, command_needs=f"{wait} {start.command_needs}".rstrip())
        facts = tuple(stop.sentence for stop in latest[:3])
        yield Evidence(snapshot.environment.names.secret, facts, remedy, frozenset(newest))


def _roles(snapshot: Snapshot) -> Iterator[tuple[str, frozenset[str]]]:
    """The execution roles with the services that use each."""
    for arn in snapshot.permissions:
        yield arn, frozenset(service.name for service, _ in _revisions_of(snapshot, arn))


def _revisions_of(snapshot: Snapshot, arn: str) -> Iterator[tuple[Service, TaskDefinition]]:
    """The revisions with an execution role, each after its service."""
    pairs = ((service, revision) for service in snapshot.readers for revision in snapshot.revisions(service))
    return (pair for pair in pairs if pair[1].execution_role_arn == arn)


def _rolled_back(snapshot: Snapshot, arn: str) -> dict[str, str]:
    """The services of which only a revision that ECS has rolled back has an execution role, each with that revision."""
    return rolled_back_revisions(snapshot, _revisions_of(snapshot, arn))


def _simulated(snapshot: Snapshot, arn: str) -> bool:
    secret = snapshot.secret
    return secret is not None and snapshot.permissions[arn].simulation_of(GET_SECRET_VALUE, secret.arn) is not None


def _has_read(snapshot: Snapshot, arn: str) -> bool:
    """Whether a running task read the present version as the role, so that no policy denies it."""
    fresh = (
        snapshot.definition(task) for task in snapshot.running_tasks if freshness.by_times(snapshot, task) == "fresh"
    )
    return any(
        revision and revision.execution_role_arn == arn and snapshot.own_references(revision) for revision in fresh
    )


def _organization_in_doubt(snapshot: Snapshot, arn: str, access: RoleAccess) -> tuple[str, ...]:
    """Why the organization is unknown that is said to deny a role what a task did as the role; () for another cause.

    A policy with a condition on the organization denies a simulation without a value for it, and no task.
    """
    unread = snapshot.permissions[arn].organization_unread if access.cause == "organization" else ()
    return unread if unread and _has_read(snapshot, arn) else ()


def _judged(snapshot: Snapshot) -> Iterator[tuple[str, frozenset[str], RoleAccess]]:
    for arn, services in _roles(snapshot):
        if snapshot.secret and snapshot.permissions[arn].exists:
            access = judge(snapshot, arn)
            refused = refused_access(snapshot, services) if access.cause in ("", "unknown") else None
            # The undecided result names the statement by which AWS may have refused the task.
            denies = undecided_denies(snapshot, arn) if refused and refused.cause == "identity-deny" else ()
            if refused and (access.cause or denies):
                conditions = conditions_of(snapshot.permissions[arn].policies or (), denies)
                doubts = access.sentences if access.cause else tuple(conditions)
                access = replace(refused, statements=(" or ".join(denies),), conditions=doubts)
            yield arn, services, access


def _context_of_ecs(snapshot: Snapshot) -> Keys:
    """The condition keys of ECS's own call to assume a role."""
    caller, region = snapshot.caller, snapshot.environment.names.region
    source: Keys = {
        "aws:SourceAccount": caller.account,
        "aws:SourceArn": f"arn:{caller.partition}:ecs:{region}:{caller.account}:*",
    }
    if snapshot.organization is not None:
        source |= request_keys.of_organization(snapshot.organization, "Source")
    return {**request_keys.of_service(ECS_TASKS, snapshot.taken), **source}


def _doubt(snapshot: Snapshot, role: str, *facts: str) -> Uncertain:
    """What cannot be judged of a role, with why the account's organization is unknown where that decides."""
    return Uncertain(role, (*facts, *unread_organization(snapshot, facts)))


def _because(snapshot: Snapshot, cause: str) -> Iterator[Evidence | Uncertain]:
    for arn, services, access in _judged(snapshot):
        if access.cause == "unknown":
            yield _doubt(snapshot, iam.role_name(arn), *access.sentences)
        elif access.cause == cause:
            yield _refused(snapshot, arn, services, access)
        elif (beside := judge_beside(snapshot, arn, access)) and beside.cause == cause:
            # AWS's message to tasks is about the denial that comes before.
            remedy, revisions = _remedy(snapshot, arn, beside), _rolled_back(snapshot, arn)
            yield Evidence(iam.role_name(arn), facts_of(snapshot, arn, beside), remedy, services, revisions=revisions)


def _refused(snapshot: Snapshot, arn: str, services: frozenset[str], access: RoleAccess) -> Evidence:
    stops = [stop for stop in fresh_stops(snapshot) if stop.service.name in services and is_role_refused(stop.reason)]
    own = [stop.sentence for stop in stops if not is_about_other(snapshot, stop)]
    exchange = exchange_of(snapshot, arn, services) if access.cause == "nothing-allows" else None
    facts = dict.fromkeys((*facts_of(snapshot, arn, access), *((exchange.fact,) if exchange else ()), *own[:1]))
    remedy = exchange.remedy if exchange else _remedy(snapshot, arn, access)
    if access.sentence in own:
        remedy = _unless_corrected(remedy)
    return Evidence(iam.role_name(arn), tuple(facts), remedy, services, revisions=_rolled_back(snapshot, arn))


def _remedy(snapshot: Snapshot, arn: str, access: RoleAccess) -> Remedy:
    secret = snapshot.secret_arn
    names, role = snapshot.environment.names, iam.role_name(arn)
    grant = remedies.grant(names, role, GET_SECRET_VALUE, f"{secret.rpartition('-')[0]}-??????")
    return remedy_of(access, GET_SECRET_VALUE, secret, grant)


def what_ends_state(key: KmsKey) -> tuple[str, Remedy | None] | None:
    """Why nobody can use a key in its state, and what ends that (None where that is not known); None if usable."""
    if key.state in _USABLE:
        return None
    if reason := _UNAVAILABLE.get(key.state):
        return f"DescribeKey: KeyState {key.state}: {reason[0]}.", Remedy(reason[1])
    if key.state not in ("Disabled", *PENDING_DELETION):
        return f"DescribeKey: KeyState {key.state or 'is missing'}: whether it decrypts is not known.", None
    verbs = ["cancel-key-deletion"] * (key.state in PENDING_DELETION) + ["enable-key"]
    until = f" until {key.deletion:%Y-%m-%d}" if key.deletion else ""
    return f"DescribeKey: KeyState {key.state}{until}.", remedies.use_key(region_in(key.arn), key.arn, *verbs)


def _key_state(snapshot: Snapshot, key: KmsKey) -> Iterator[Evidence | Uncertain]:
    fact, remedy = what_ends_state(key) or ("", None)
    if remedy:
        yield Evidence(key.arn, (fact, *_former_key(snapshot)), remedy, snapshot.consumer_names)
    elif fact:
        yield Uncertain(key.arn, (fact,))


def _former_key(snapshot: Snapshot) -> tuple[str, ...]:
    """Why the current version is under another key than the secret's own; () where it is not."""
    own = snapshot.secret.kms_key_id if snapshot.secret else ""
    if snapshot.kms_key_id == own:
        return ()
    return (
        f"ListSecretVersionIds: KmsKeyIds of the current version has {snapshot.kms_key_id} alone. DescribeSecret:"
        f" KmsKeyId is {own or 'absent, which is the AWS managed key'}: only a version that is written now is"
        " encrypted with that.",
    )


def _key_uses(snapshot: Snapshot) -> Iterator[tuple[str, frozenset[str], KmsKey, RoleAccess]]:
    """The roles that may not use the customer key, or of which that is not known, each with its services and why."""
    key = snapshot.kms_key
    if not (key and key.manager == "CUSTOMER" and snapshot.secret):
        return
    gaps = tuple(gap.sentence for gap in key.unread)
    for arn, services in _roles(snapshot):
        access = judge_key(snapshot, arn, key) if snapshot.permissions[arn].exists else None
        if access and access.cause:
            unread = _organization_in_doubt(snapshot, arn, access)
            # A grant that could not be read may be what lets the tasks decrypt.
            if access.cause == "unknown" or unread or (gaps and _has_read(snapshot, arn)):
                facts = (*unread, *access.sentences, *gaps)
                access = RoleAccess("unknown", facts[0], conditions=facts[1:])
            yield arn, services, key, access


def _without_grant(snapshot: Snapshot, arn: str, services: frozenset[str], key: KmsKey, access: RoleAccess) -> Evidence:
    """A role that nothing lets use the key, with a grant as the remedy, or the role that should be in its place."""
    name, facts = iam.role_name(arn), (*facts_of(snapshot, arn, access), *_former_key(snapshot))
    if exchange := exchange_of(snapshot, arn, services):
        return Evidence(name, (*facts, exchange.fact), exchange.remedy, services, stems_from=frozenset({name}))
    grant = remedies.grant(snapshot.environment.names, name, DECRYPT, key.arn)
    remedy = remedy_of(access, DECRYPT, key.arn, grant)
    if not access.is_bounded:
        # Only the author of a Deny can take it back.
        remedy = remedies.with_runbook("troubleshoot", snapshot.environment, remedy)
    return Evidence(name, facts, remedy, services, revisions=_rolled_back(snapshot, arn))


def _write_again(names: Names) -> Remedy:
    """Encrypt the whole secret with a key that exists: nobody can decrypt what the former key encrypted."""
    write = remedies.on_secret(names, "update-secret", "--kms-key-id", "KEY", "--secret-string", remedies.FROM_FILE)
    return Remedy(
        f"Write the secret again under a key that exists, with `{write.command}`: KEY is that key's ARN, and"
        f" {remedies.put_value(names).needs}"
    )


def _change_key_policy(snapshot: Snapshot, role: str, key: KmsKey, access: RoleAccess) -> Remedy:
    what = f"Let {role}, or the account, use the key"
    if access.statements:
        what = remove_deny(access)
    elif access.conditions:
        what = "Correct the Condition of the key's policy"
    write = remedies.put_key_policy(snapshot.environment.names, key.arn)
    return Remedy(f"{what}: write the corrected policy to policy.json, then put it with `{write.command}`.")
