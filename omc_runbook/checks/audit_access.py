"""Faults of who may read the secret, change it, or run tasks that read it, seen by an audit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from omc_runbook.aws.iam import LastAccess
from omc_runbook.checks import access_remedies, audit_accesses, remedies, secret_access
from omc_runbook.checks.check import ECS_FIELDS, Evidence, Family, Uncertain
from omc_runbook.checks.outsiders import Outsider
from omc_runbook.checks.secret_access import PrincipalAccess, conditions_of, deciding_step, statements_of
from omc_runbook.checks.self_grants import administers_iam
from omc_runbook.iam import request_keys
from omc_runbook.iam.federation import WITH_SAML, WITH_TOKEN, limit_subject, open_federations
from omc_runbook.iam.policy import PolicyDocument, PolicyRequest, apply
from omc_runbook.iam.who_can import AccessVerdict, Assumption, Identity, Judge, ResourceCall
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.model.letters import listed
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

check = Family("audit", symptom="audit", looks_like=("readable-by-many",), severity="warning")

NEEDS = ("secret", "identities")
UNUSED_DAYS = 90
"""After so many days without a read, a permission to read counts as unused."""
READ_ACTION = "GetSecretValue"
"""The action by which IAM may report when somebody last read a secret."""
_SOURCE = "GetAccountAuthorizationDetails"
_ANOTHER = "another-secret"


@check(
    "wildcard-secret",
    needs=(*NEEDS, *ECS_FIELDS),
    ruled_out_by="no Resource of the tasks' roles matches a secret that the tasks do not refer to",
)
def wildcard_secret(snapshot: Snapshot) -> Iterable[Evidence]:
    """A role of the tasks may read more secrets than they need."""
    found = snapshot.audit.identities
    if found is None:
        return
    judge = secret_calls.judge_of(snapshot, found)
    for identity in found.identities:
        if not secret_access.is_of_tasks(snapshot, identity):
            continue
        for policy in identity.policies:
            for label, others in _wide_statements(snapshot, judge, identity, policy):
                statement = dict(policy.statements)[label]
                facts = (
                    f"{_SOURCE}: {label} of {identity.name} allows {_listed(statement, 'Action')} on"
                    f" {_listed(statement, 'Resource')}.",
                    f"It also matches {', '.join(others)}{_as_far_as(statement)}.",
                )
                grants = _exact_statements(snapshot, identity, statement)
                remedy = access_remedies.narrow(identity, policy, label, grants)
                yield Evidence(identity.name, facts, remedy, _services(snapshot, identity))


@check(
    "readable-by-all",
    needs=(*NEEDS, "resource_policy", "key_policy"),
    ruled_out_by="no policy of the secret or its key allows Principal * without a condition that limits it",
    severity="error",
)
def readable_by_all(snapshot: Snapshot) -> Iterable[Evidence]:
    """A policy of the secret or its key lets everybody in."""
    key = secret_access.key_of(snapshot)
    for moment, outsider in _entering(snapshot):
        if (outsider.kind, outsider.way) != ("everybody", "resource policy"):
            continue
        is_key = bool(key and key.policy and outsider.statement.startswith(key.policy.name))
        action, subject = (DECRYPT, key.arn) if is_key and key else (GET_SECRET_VALUE, snapshot.secret_name)
        api = "GetKeyPolicy" if is_key else "GetResourcePolicy"
        is_open = outsider.decision == "allowed"
        condition = _condition_of(snapshot, outsider)
        which = "under a condition that anybody can meet" if is_open else "as far as its condition lets them"
        limit = f", {which}{_from(moment)}: {condition}." if condition else f"{_from(moment)}."
        denial = outsider.doubt if outsider.denials else ""
        facts = (f"{api}: {outsider.allows} {action} to everybody, in any account{limit}{denial}",)
        remedy = access_remedies.close(snapshot, outsider)
        severity: Severity = "error" if is_open and not moment else "warning"
        yield Evidence(subject, facts, remedy, snapshot.consumer_names, severity)


@check(
    "other-account-reads",
    needs=(*NEEDS, "resource_policy"),
    ruled_out_by="no policy or replica of the secret, and no reader's or administrator's role, lets another account in",
)
def other_account_reads(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Another account may read the secret."""
    access = secret_access.of(snapshot)
    remarks = dict[str, list[tuple[str, Remedy]]]()
    administrators = {each.identity.arn for each in access.administrators}
    for moment, outsider in _entering(snapshot):
        doubt, begin = outsider.doubt, _from(moment)
        if outsider.kind == "account" and outsider.way == "resource policy":
            facts = [f"GetResourcePolicy: {outsider.allows} {GET_SECRET_VALUE} to {outsider.principal}{begin}.{doubt}"]
            if not secret_access.key_of(snapshot):
                facts.append("The secret is under the key that AWS manages, which other accounts cannot use.")
            remedy = access_remedies.exclude(snapshot, outsider)
            if moment:
                remedy = access_remedies.leave("that is meant", remedy)
            yield Evidence(outsider.principal, tuple(facts), remedy, severity="info" if moment else "warning")
        elif outsider.way == "replica":
            facts = [
                f"DescribeSecret: CrossAccountReplicas has {outsider.statement}: account {outsider.principal} has a"
                " copy of the secret, and decides who reads it there.",
                "CloudTrail records the reads of that copy in that account alone. Once it is disassociated, it keeps"
                " the values that it has now: rotate them then.",
            ]
            end = ("disassociate-cross-account-replica", "--cross-account-replica-arn", outsider.statement)
            remedy = remedies.on_secret(snapshot.environment.names, *end)
            yield Evidence(outsider.principal, tuple(facts), remedy)
        elif outsider.way == "trust policy" and outsider.kind in ("account", "everybody"):
            role = outsider.role.rpartition("/")[2]
            is_open = outsider.kind == "everybody"
            whom = "everybody, in any account," if is_open else outsider.principal
            way = access.role_of(outsider)
            if way and way.perhaps_gets_values and not moment:
                entry = f"{_SOURCE}: the trust policy of {role} lets {whom} assume it.{doubt}"
                yield Uncertain(outsider.principal, (f"{entry} {_open_way(snapshot, way)}",))
                continue
            gets_in = "may then read the secret" if moment else "may read the secret"
            if way and (way.gets_values or outsider.role in administrators):
                gets_in = "may read the secret" if way.read.is_possible else way.reach
            fact = f"{_SOURCE}: the trust policy of {role}, which {gets_in}, lets {whom} assume it{begin}.{doubt}"
            severity: Severity = "error" if is_open and not (doubt or moment) else "warning"
            remedy = access_remedies.distrust(snapshot, outsider)
            is_whole = outsider.is_organization and not doubt
            if outsider.role in administrators and not is_open and not is_whole:
                remarks.setdefault(outsider.principal, []).append((fact, remedy))
                continue
            if moment and not is_open:
                remedy, severity = access_remedies.leave("that is meant", remedy), "info"
            yield Evidence(outsider.principal, (fact,), remedy, severity=severity)
    for principal, roles in remarks.items():
        # Each account that an organization made has such a role, for its management alone.
        whose = f"{principal} is meant to administer this account, as an organization's management is"
        remedy = access_remedies.leave(whose, remedies.combine([way for _, way in roles]))
        yield Evidence(principal, tuple(fact for fact, _ in roles), remedy, severity="info")


@check(
    "human-may-read",
    needs=NEEDS,
    looks_like=("readable-by-many", "unusual-use"),
    ruled_out_by="of all users, and roles that people sign in to, only administrators may read the secret",
)
def human_may_read(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A person may read the secret."""
    access, is_production = secret_access.of(snapshot), snapshot.environment.is_production
    usual: Severity = "warning" if is_production else "info"
    for moment, each in (*((None, each) for each in access.readers), *secret_access.beginning(snapshot)):
        if secret_access.is_human(each.identity) and not secret_access.is_of_tasks(snapshot, each.identity):
            when = f"{_from(moment)}," if moment else ""
            facts = (
                f"{_SOURCE}: {each.identity.name} is {_kind(each.identity)}, and may read it{when} by {each.read_by}.",
                *_sentences(snapshot, [each.way]),
            )
            remedy = access_remedies.withdraw_read(snapshot, each)
            remedy = access_remedies.leave("that is meant", remedy) if moment else remedy
            yield Evidence(each.identity.name, facts, remedy, severity="info" if moment else usual)
    for each in access.principals:
        if each.labels and secret_access.is_human(each.identity):
            verdicts = [each.by_label[label] for label in each.labels]
            facts = (
                f"{_SOURCE}: {each.identity.name} is {_kind(each.identity)}, and may read {' and '.join(each.labels)},"
                f" by {each.labels_by}.",
                "It may not read AWSCURRENT. A version with another label may have values that are still valid.",
                *_sentences(snapshot, verdicts),
            )
            yield Evidence(each.identity.name, facts, access_remedies.withdraw_labels(snapshot, each), severity=usual)
        elif each.by_label and is_production and secret_access.is_human(each.identity) and not each.read.is_unjudged:
            doubts = conditions_of(snapshot, [*each.by_label.values()])
            by = f" by assuming {secret_access.roles_of(each.label_chain)}" if each.label_chain else ""
            yield Uncertain(each.identity.name, (f"Whether it may read {' and '.join(each.by_label)}{by}: {doubts}",))
    for each in access.unjudged:
        if is_production and secret_access.is_human(each.identity):
            yield Uncertain(each.identity.name, _doubts(snapshot, each))


@check(
    "unused-reader",
    needs=(*NEEDS, "last_accesses", "tasks"),
    looks_like=("readable-by-many", "not-used"),
    ruled_out_by="GetServiceLastAccessedDetails and CloudTrail: whoever may read the secret has done so lately",
)
def unused_reader(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A principal may read the secret and never does."""
    found, access = snapshot.audit.identities, secret_access.of(snapshot)
    execution = snapshot.execution_roles
    since = snapshot.taken - timedelta(days=UNUSED_DAYS)
    for each in access.readers if found else ():
        identity = each.identity
        is_old = identity.created is not None and identity.created < since
        if each.chain or identity.arn in execution or identity.is_service_linked or not is_old:
            continue
        last = found.last_accesses.get(identity.arn) if found else None
        if last is None:
            gaps = snapshot.unread("last_accesses")
            yield Uncertain(identity.name, gaps or (f"IAM gave no report of when {identity.name} last read a secret.",))
            continue
        fact = _idle_since(identity, last, since) or _reads_others(snapshot, identity, last, since)
        if fact:
            facts = (
                fact,
                f"It may read the secret by {each.read_by}, and exists since {identity.created:%Y-%m-%d}.",
                *_sentences(snapshot, [each.way]),
            )
            yield Evidence(identity.name, facts, access_remedies.withdraw_read(snapshot, each))
    for each in access.unjudged:
        # Whoever reads over another role is not judged here either.
        is_own = each.read.is_unjudged
        if is_own and not (secret_access.is_human(each.identity) and snapshot.environment.is_production):
            yield Uncertain(each.identity.name, _doubts(snapshot, each))


def _idle_since(identity: Identity, last: LastAccess, since: datetime) -> str:
    """What IAM reports of an identity that used no secret since then, in a sentence; "" of one that did, or may have.

    IAM says when it last called Secrets Manager, for whatever secret, and of single actions only if it tracks them.
    """
    memory = "as far as IAM remembers, which is 400 days."
    if READ_ACTION in last.actions:
        moment, tried = last.actions[READ_ACTION], f"tried {READ_ACTION}"
    else:
        moment, tried = last.service, "called Secrets Manager"
    if moment is not None and moment >= since:
        return ""
    when = f"last {tried} on {moment:%Y-%m-%d}" if moment else f"never {tried}"
    return f"GetServiceLastAccessedDetails: {identity.name} {when}, {memory}"


def _reads_others(snapshot: Snapshot, identity: Identity, last: LastAccess, since: datetime) -> str:
    """What CloudTrail says of an identity that uses other secrets alone, in a sentence; "" where that is not known."""
    history = audit_accesses.history_of(snapshot)
    if history is None or history.begin > since:
        return ""
    calls = (call for call in history.accesses.calls if call.is_read and call.principal == identity.arn)
    if any(call.time >= since for call in calls):
        return ""
    latest = max(filter(None, (last.service, last.actions.get(READ_ACTION))))
    return (
        f"CloudTrail has no read of this secret by {identity.name} since {since:%Y-%m-%d}. By IAM it used"
        f" Secrets Manager on {latest:%Y-%m-%d}: for other secrets, or other calls."
    )


@check(
    "can-write-secret",
    needs=(*NEEDS, "resource_policy"),
    looks_like=("readable-by-many", "not-protected"),
    ruled_out_by="no role of the tasks may change the secret, delete it or set its policy",
    severity="error",
)
def can_write_secret(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Principals may change the secret."""
    found, access = snapshot.audit.identities, secret_access.of(snapshot)
    others = list[tuple[PrincipalAccess, list[AccessVerdict]]]()
    for each in access.principals:
        certain = [verdict for verdict in each.changes if verdict.is_possible]
        if certain and secret_access.is_of_tasks(snapshot, each.identity):
            facts = (
                _may_call(each.identity, certain),
                "Whoever takes over a task may then replace, delete or open the secret.",
                *_sentences(snapshot, certain),
            )
            still_allowed = (GET_SECRET_VALUE,) if each.read.is_possible else ()
            remedy = access_remedies.withdraw(each.identity, _labels(certain), _actions(certain), still_allowed)
            yield Evidence(each.identity.name, facts, remedy, _services(snapshot, each.identity), "error")
        elif certain:
            others.append((each, certain))
        elif each.changes and secret_access.is_of_tasks(snapshot, each.identity):
            yield Uncertain(
                each.identity.name, (f"Whether it may change the secret: {conditions_of(snapshot, each.changes)}",)
            )
    if others:
        lines = (
            *(
                f"{_SOURCE}: {each.identity.name} may call"
                f" {', '.join(v.action for v in certain)} by {statements_of(certain)}."
                for each, certain in others
            ),
            *([secret_access.unless_forbidden(snapshot)] if found and found.levels is None else []),
        )
        remedy = Remedy("Check whether each of them needs to change the secret, such as to rotate it.")
        yield Evidence(snapshot.secret_name, lines, remedy, severity="info")


@check(
    "can-pass-role",
    needs=(*NEEDS, *ECS_FIELDS),
    looks_like=("readable-by-many", "unusual-use"),
    ruled_out_by="nobody but administrators and machines that deploy may pass a role that reads it to their own task",
)
def can_pass_role(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Somebody may run a task of their own with a role that reads the secret."""
    for each in secret_access.of(snapshot).principals:
        verdict, identity = each.passes, each.identity
        if verdict is None:
            continue
        if verdict.is_unjudged:
            yield Uncertain(identity.name, (f"Whether it may {verdict.action}: {conditions_of(snapshot, [verdict])}",))
            continue
        facts = (
            f"{_SOURCE}: {identity.name} may call {verdict.action}, by {statements_of([verdict])}.",
            "Such a task gets the secret's values, or a role that reads them, whatever the principal itself may read.",
            *_assuming(snapshot, identity),
            *_sentences(snapshot, [verdict]),
        )
        remedy = access_remedies.withdraw(identity, verdict.statements, (secret_calls.PASS_ROLE,))
        severity = _severity(snapshot, identity)
        if severity == "info":
            remedy = access_remedies.leave(f"{identity.name} deploys", remedy)
        yield Evidence(identity.name, facts, remedy, _services(snapshot, identity), severity)


@check(
    "can-enter-task",
    needs=(*NEEDS, *ECS_FIELDS),
    looks_like=("readable-by-many", "unusual-use"),
    ruled_out_by="nobody but administrators may begin a session in a task with the secret's values, or ECS Exec is off",
)
def can_enter_task(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Somebody may read the secret's values inside a task."""
    for each in secret_access.of(snapshot).principals:
        identity, severity = each.identity, _severity(snapshot, each.identity)
        if severity == "warning" and secret_access.is_human(identity) and not snapshot.environment.is_production:
            severity = "info"
        verdicts = [session.verdict for session in each.possible_sessions]
        if verdicts:
            services = list(dict.fromkeys(session.service for session in each.possible_sessions))
            facts = (
                _may_call(identity, verdicts),
                f"ECS Exec is enabled for {', '.join(services)}, and the task role allows it. Whoever begins a session"
                " in such a task can read the secret's values there, whatever else they may read.",
                *_assuming(snapshot, identity),
                *_sentences(snapshot, verdicts),
            )
            remedy = access_remedies.withdraw(identity, _labels(verdicts), _actions(verdicts))
            if severity == "info":
                remedy = access_remedies.leave(f"{identity.name} has to look into tasks", remedy)
            yield Evidence(identity.name, facts, remedy, frozenset(services), severity)
        elif each.sessions and severity != "info":
            doubts = conditions_of(snapshot, [session.verdict for session in each.sessions])
            yield Uncertain(identity.name, (f"Whether it may begin a session in a task: {doubts}",))


@check(
    "grant-to-stranger",
    needs=(*NEEDS, "kms_key", "key_grants"),
    ruled_out_by="ListGrants: each grant of the secret's key is for a service or an identity of the account",
)
def grant_to_stranger(snapshot: Snapshot) -> Iterable[Evidence]:
    """A grant lets a stranger decrypt with the secret's key."""
    key = secret_access.key_of(snapshot)
    grants = {f"grant {grant.id}": grant for grant in key.grants} if key else {}
    for outsider in secret_access.of(snapshot).outsiders:
        if key and outsider.way == "key grant" and outsider.kind != "service":
            grant = grants[outsider.statement]
            whose = "of another account" if outsider.kind == "account" else "that does not exist"
            facts = (
                f"ListGrants: grant {grant.id} of {key.arn} allows {', '.join(sorted(grant.operations))} to"
                f" {grant.grantee}, a principal {whose}.",
            )
            words = ("kms", "revoke-grant", "--key-id", key.arn, "--grant-id", grant.id)
            yield Evidence(grant.grantee, facts, remedies.in_region(snapshot.environment.names.region, *words))


@check(
    "federated-any-subject",
    needs=NEEDS,
    ruled_out_by="each trust policy that lets an identity provider's users read the values has a Condition on its sub",
    severity="error",
)
def federated_any_subject(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Any user of an identity provider may read the secret."""
    access, identities = secret_access.of(snapshot), snapshot.audit.identities
    controls = identities.resource_controls if identities else ()
    entering = [each for each in access.principals if each.gets_values or each.perhaps_gets_values]
    for each in (*entering, *access.administrators):
        role = each.identity
        if role.trust is None or access_remedies.is_managed_elsewhere(role):
            continue
        for found in open_federations(role.trust, controls):
            action = WITH_SAML if found.kind == "saml" else WITH_TOKEN
            who = (
                "Anybody with an account there can do so, strangers too."
                if found.is_shared
                else "Anybody whom the provider authenticates can do so."
            )
            facts = (
                f"{_SOURCE}: {found.statement} lets {found.issuer} begin sessions by {action}, without a Condition on"
                f" {found.claim} that says whose.",
                f"{who} {_open_way(snapshot, each) if each.perhaps_gets_values else f'{role.name} {each.reach}.'}",
            )
            if each.perhaps_gets_values:
                yield Uncertain(role.name, facts)
                continue
            remedy = remedies.trust(role.name, limit_subject(role.trust, found))
            needs = f"Restrict {found.claim} to the subject that is meant, instead of {found.subject}."
            severity: Severity = "error" if found.is_shared else "info" if found.kind == "saml" else "warning"
            yield Evidence(role.name, facts, remedy.needing(needs), severity=severity)


@check(
    "can-become-reader",
    needs=(*NEEDS, "functions"),
    looks_like=("readable-by-many", "unusual-use"),
    ruled_out_by="nobody but administrators may change a policy or pass a role so as to read the secret",
)
def can_become_reader(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A principal that may not read the secret can give itself access."""
    access = secret_access.of(snapshot)
    ways = {each.identity.arn: each for each in access.principals}
    administrators, assuming, open_ways = list[str](), list[str](), list[str]()
    for each in access.principals:
        identity, severity = each.identity, _severity(snapshot, each.identity)
        certain = [verdict for verdict in each.becomes if verdict.is_possible]
        if certain and administers_iam(identity):
            administrators.append(identity.name)
        elif certain:
            facts = (
                _may_call(identity, certain),
                "It may not read the secret, but it can let itself in that way.",
                *_sentences(snapshot, certain),
            )
            # Of several calls that it takes together, the first is the one to withdraw.
            firsts = [action.partition(" and ")[0] for action in _actions(certain)]
            remedy = access_remedies.withdraw(identity, _labels(certain), firsts)
            yield Evidence(identity.name, facts, remedy, _services(snapshot, identity), severity)
        elif each.steps and _is_for_administrators(each.steps) and severity != "error":
            assuming.append(f"{identity.name} may assume {secret_access.roles_of(each.steps)}")
        elif each.steps:
            first, last = each.steps[0], each.steps[-1].role
            way = ways.get(last.arn)
            then = f"may call {secret_access.actions_of(way.becomes)}" if way else "may do everything"
            facts = (
                f"{_SOURCE}: {identity.name} may assume {secret_access.roles_of(each.steps)}, by"
                f" {statements_of([first.verdict]) or first.verdict.action}.",
                f"{last.name} {then}, and so let itself in.",
                *_sentences(snapshot, [first.verdict]),
            )
            remedy = access_remedies.withdraw_step(snapshot, first)
            yield Evidence(identity.name, facts, remedy, _services(snapshot, identity), severity)
        elif each.becomes:
            yield Uncertain(identity.name, (f"Whether it can let itself in: {conditions_of(snapshot, each.becomes)}",))
        elif each.unjudged_steps:
            whom = secret_access.roles_of(each.unjudged_steps)
            doubts = conditions_of(snapshot, [deciding_step(each.unjudged_steps).verdict])
            if _is_for_administrators(each.unjudged_steps) and severity != "error":
                # If it may, that is a remark.
                open_ways.append(f"Whether {identity.name} may assume {whom} is unknown. {doubts}")
            else:
                yield Uncertain(identity.name, (f"Whether it can let itself in by assuming {whom}: {doubts}",))
    if administrators or assuming or open_ways:
        allowed = f"{', '.join(administrators)} may call iam:* on everything"
        certain_ways = (f"{_SOURCE}: {fact}." for fact in (*([allowed] if administrators else []), *assuming))
        facts = (*certain_ways, *open_ways)
        remedy = Remedy("Check whether each of them needs to administer all of IAM.")
        yield Evidence("administrators of IAM", facts, remedy, severity="info")


def _assuming(snapshot: Snapshot, role: Identity) -> tuple[str, ...]:
    """Who may become a role that gets the values by a task alone, in a sentence; () where nobody may."""
    names = [each.name for each in secret_access.assuming(snapshot).get(role.arn, ())]
    return (f"So can who may assume {role.name}: {listed(names)}.",) if names else ()


def _severity(snapshot: Snapshot, identity: Identity) -> Severity:
    """How bad it is that somebody may let themselves in: worst a role of the tasks, least a machine that deploys."""
    entering = secret_access.assuming(snapshot).get(identity.arn, ())
    if any(secret_access.is_of_tasks(snapshot, each) for each in (identity, *entering)):
        return "error"
    return "info" if secret_access.is_machine(identity) else "warning"


def _is_for_administrators(steps: Sequence[Assumption]) -> bool:
    """Whether the last of these roles is one of administrators, whom somebody may assume on purpose."""
    role = steps[-1].role
    return role.is_administrator or administers_iam(role)


def _wide_statements(
    snapshot: Snapshot, judge: Judge, identity: Identity, policy: PolicyDocument
) -> Iterator[tuple[str, list[str]]]:
    """The labels of statements that allow reading secrets which no consumer refers to, each once with the secrets."""
    base = snapshot.secret_arn.rpartition(":")[0]
    needed = {ref.rpartition(":")[2] for ref in _secrets_of(snapshot, identity)}
    siblings = [names.secret for names in snapshot.environment.others.values() if not names.secret.startswith("arn:")]
    probes = [f"{name}-AbCdEf" for name in (_ANOTHER, *siblings) if name != snapshot.secret_name]
    matched: dict[str, list[str]] = {}
    for name in probes:
        if any(name.startswith(each.rpartition("-")[0]) for each in needed):
            continue
        # Which tags another secret has is not known.
        other_keys = request_keys.of_secret(f"{base}:{name}")
        call = ResourceCall(action=GET_SECRET_VALUE, resource=f"{base}:{name}", keys=other_keys)
        if judge.verdict(identity, call).decision == "denied":
            # A permissions boundary, a Deny or the organization keeps the role from it.
            continue
        request = PolicyRequest(call.action, call.resource, {"aws:PrincipalArn": identity.arn, **other_keys})
        for applied in apply([policy], request):
            # Under a condition that it could meet, what it names is too much too.
            if applied.effect == "Allow" and applied.applies is not False and "Resource" not in applied.unknowns:
                matched.setdefault(applied.label, []).append(name.rpartition("-")[0])
    for label, names in matched.items():
        yield label, ["every other secret"] if _ANOTHER in names else names


def _as_far_as(statement: dict[str, Any]) -> str:
    """What a statement's Condition limits it to, as the end of a sentence; "" without one."""
    return f", as far as its Condition {json.dumps(statement['Condition'])} holds" if "Condition" in statement else ""


def _secrets_of(snapshot: Snapshot, identity: Identity) -> list[str]:
    """The ARNs of the secrets that the consumers with this role refer to, the environment's own first."""
    arns = (
        injection.reference.secret_pattern
        for service in snapshot.readers
        for revision, _, injection in snapshot.other_references_of(service)
        if identity.arn in (revision.execution_role_arn, revision.task_role_arn) and not injection.reference.problem
    )
    return list(dict.fromkeys(filter(None, (snapshot.secret_arn, *arns))))


def _exact_statements(snapshot: Snapshot, identity: Identity, statement: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements in the place of a too wide one: what the role reads, and the secret's key through the service."""
    arns = [_pattern(arn) for arn in _secrets_of(snapshot, identity)]
    sid = {"Sid": statement["Sid"]} if "Sid" in statement else {}
    condition = {"Condition": statement["Condition"]} if "Condition" in statement else {}
    resource = arns if len(arns) > 1 else arns[0]
    exact = [{**sid, "Effect": "Allow", "Action": GET_SECRET_VALUE, "Resource": resource, **condition}]
    if key := secret_access.key_of(snapshot):
        region = snapshot.environment.names.region
        through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}}
        exact.append({"Effect": "Allow", "Action": DECRYPT, "Resource": key.arn, "Condition": through})
    return exact


def _pattern(arn: str) -> str:
    """A secret's ARN with a wildcard for each of the six characters that AWS chooses anew with each new secret."""
    name, dash, suffix = arn.rpartition("-")
    return f"{name}-??????" if dash and len(suffix) == 6 else arn


def _listed(statement: dict[str, Any], name: str) -> str:
    """What a statement names as Action or Resource, or that it means everything else."""
    element = statement.get(name, statement.get(f"Not{name}"))
    listed = ", ".join(map(str, element)) if isinstance(element, list) else str(element)
    return listed if name in statement else f"everything but {listed}"


def _services(snapshot: Snapshot, identity: Identity) -> frozenset[str]:
    return frozenset(
        service.name
        for service in snapshot.consumers
        if any(
            identity.arn in (revision.execution_role_arn, revision.task_role_arn)
            for revision in snapshot.revisions(service)
        )
    )


def _entering(snapshot: Snapshot) -> Iterator[tuple[datetime | None, Outsider]]:
    """Who from outside is let in, and then who will be, each after the date from which on."""
    yield from ((None, each) for each in secret_access.of(snapshot).outsiders)
    yield from secret_access.outsiders_beginning(snapshot)


def _from(moment: datetime | None) -> str:
    """From when on something is so, after a blank; "" of what is so already."""
    return f" from {moment:%Y-%m-%d %H:%M} UTC on" if moment else ""


def _may_call(identity: Identity, verdicts: Sequence[AccessVerdict]) -> str:
    return f"{_SOURCE}: {identity.name} may call {', '.join(_actions(verdicts))} by {statements_of(verdicts)}."


def _actions(verdicts: Iterable[AccessVerdict]) -> list[str]:
    return list(dict.fromkeys(verdict.action for verdict in verdicts))


def _sentences(snapshot: Snapshot, verdicts: Sequence[AccessVerdict]) -> tuple[str, ...]:
    sentence = conditions_of(snapshot, verdicts)
    return (sentence,) if sentence else ()


def _open_way(snapshot: Snapshot, access: PrincipalAccess) -> str:
    """How somebody perhaps gets at the values, and what leaves it open, in sentences with its name."""
    name, verdicts = access.identity.name, [*access.by_label.values()]
    if access.read.is_unjudged or access.unjudged_chain:
        verdicts, what = [access.way], "may read the secret"
        if not access.read.is_unjudged:
            what += f" by assuming {secret_access.roles_of(access.unjudged_chain)}"
    elif verdicts:
        what = f"may read {' and '.join(access.by_label)}"
    elif access.becomes:
        verdicts, what = [*access.becomes], "can let itself in"
    elif access.unjudged_steps:
        verdicts = [deciding_step(access.unjudged_steps).verdict]
        what = f"can let itself in by assuming {secret_access.roles_of(access.unjudged_steps)}"
    else:
        verdicts = [access.passes] if access.passes else [each.verdict for each in access.sessions]
        what = f"may call {' and '.join(_actions(verdicts))}"
    return f"Whether {name} {what} cannot be judged here: {conditions_of(snapshot, verdicts)}"


def _doubts(snapshot: Snapshot, access: PrincipalAccess) -> tuple[str, ...]:
    by = "" if access.read.is_unjudged else f" by assuming {secret_access.roles_of(access.unjudged_chain)}"
    return (f"Whether it may read the secret{by} cannot be judged here: {conditions_of(snapshot, [access.way])}",)


def _kind(identity: Identity) -> str:
    kind = secret_access.kind_of(identity)
    return f"{'an' if kind[0] in 'AEI' else 'a'} {kind}"


def _labels(verdicts: Iterable[AccessVerdict]) -> list[str]:
    return [label for verdict in verdicts for label in verdict.statements]


def _condition_of(snapshot: Snapshot, outsider: Outsider) -> str:
    """The Conditions of the statements that let somebody in, as JSON."""
    key = secret_access.key_of(snapshot)
    policies = [*snapshot.resource_policies, *([key.policy] if key and key.policy else [])]
    labels = outsider.statements
    statements = [statement for each in policies for label, statement in each.statements if label in labels]
    return " and ".join(json.dumps(each["Condition"]) for each in statements if "Condition" in each)
