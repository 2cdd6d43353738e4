"""Faults of deployments: running tasks with an old value, and new tasks that do not replace them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from omc_runbook.aws.definitions import ACTIVE
from omc_runbook.aws.deployments import ServiceDeployment
from omc_runbook.aws.ecs import EXPRESS, Deployment, Service, ServiceEvent, Task
from omc_runbook.checks import remedies, startup
from omc_runbook.checks.change_authors import author_of_version
from omc_runbook.checks.check import ECS_FIELDS, Check, Evidence, Family, Hinders, Uncertain
from omc_runbook.checks.key_demand import services_of_others
from omc_runbook.checks.other_names import consumers_elsewhere, correct, found_instead, is_elsewhere, moved_names
from omc_runbook.checks.stopped_tasks import (
    Stop,
    fresh_stops,
    is_unproved,
    makes_progress,
    recovered_since,
    stale_evidence,
    stopped_on_purpose,
)
from omc_runbook.messages.phrases import Kind
from omc_runbook.messages.reasons import is_at_rest
from omc_runbook.model.findings import NO_REMEDY, Remedy, Severity
from omc_runbook.model.letters import counted, spell
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import nearest, nearest_in
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.held_values import OTHER
from omc_runbook.snapshot.state import Snapshot, in_cluster

check = Family("deployment", symptom="not-updating", looks_like=("old-value",))

_NEVER_STARTED: tuple[Hinders, ...] = ("secret", "calls", "tasks")
"""What can be wrong with tasks whose containers never ran: no value was read."""

_CHECKS: dict[Kind, Check] = {
    "secrets": startup.pull_failed,
    "image": startup.image_pull,
    "log": startup.log_group,
    "volume": startup.volume,
    "file": startup.environment_file,
    "start": startup.start_failed,
    "memory": startup.out_of_memory,
    "command": startup.command_fails,
    "exit": startup.task_exits,
    "health-check": startup.health_check,
}
"""The check of tasks that fail in one way."""
_HAVE_RUN: frozenset[Kind] = frozenset({"memory", "command", "exit", "health-check"})
"""How tasks fail whose containers ran."""

HOOK = re.compile(r"lifecycle hook.*\barn:[\w-]+:lambda:[\w-]+:\d+:function:([\w-]+)", re.IGNORECASE | re.DOTALL)
"""What ECS writes of a lifecycle hook that failed, with the name of its Lambda function."""
_REASON_FIRST = "Do so once the reason for the rollback is gone: else this deployment may be taken back, too."
_IN_FORCE = (
    "This starts tasks of the revision in force: to deploy the one that was rolled back, add --task-definition with it."
)
"""What to know where no task tells of which revision a deployment was."""
_STOPPED = ("STOP_REQUESTED", "STOPPED")
"""The statuses of a service deployment that a person or the circuit breaker stops without taking it back."""
UNREADABLE = ("not-json", "single-quoted", "bom", "truncated", "not-an-object", "binary")
"""Faults of the secret's whole text, with which no new task can start: the text has to be right before a deployment."""

PATIENCE = timedelta(minutes=30)
"""How long a deployment may go on without a new task that runs while stale ones do, before that is an error.

ECS waits for up to 27 minutes before it tries again to start tasks that have failed.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html
"""
_FIRST_TASK = timedelta(minutes=5)
"""How long ECS may take to create the first task, or to say why it does not; it is a matter of seconds."""


@check(
    "wrong-names",
    needs=("services", "clusters"),
    ruled_out_by="ListClusters and ListServices have the configured names",
)
def wrong_names(snapshot: Snapshot) -> Iterable[Evidence]:
    """The configured cluster or service does not exist."""
    names = snapshot.environment.names
    if snapshot.service_names is None:
        unread = snapshot.unread("clusters")
        near = "." if unread else nearest_in(snapshot.environment.name, names.cluster, snapshot.clusters)
        fact = f"ListServices: there is no cluster {names.cluster} in {names.region}{near}"
        remedy = correct(snapshot, "cluster") or Remedy(
            f"Correct cluster in {snapshot.environment.source_of('cluster')}."
        )
        hindered_by: tuple[Hinders, ...] | None = ("secret",) if is_elsewhere(snapshot) else None
        yield Evidence(names.cluster, (fact, *unread, *found_instead(snapshot)), remedy, hindered_by=hindered_by)
    elif not snapshot.gaps.get("services") and names.service not in snapshot.service_names:
        fact = f"there is no service {names.service} in {names.cluster}{nearest(names.service, snapshot.service_names)}"
        source = snapshot.environment.source_of("service")
        way = correct(snapshot, "service") or Remedy(f"Correct the parameter service, or service in {source}.")
        facts: tuple[str, ...] = (f"ListServices: {fact}", *found_instead(snapshot))
        if status := snapshot.deleted_status:
            facts = (f"DescribeServices: {names.service} of {names.cluster} is {status}: it was deleted.", *facts)
            again = f"Create {names.service} again, such as by terraform apply. If another service does its work now,"
            # Where nothing here uses the secret, and services of another cluster do, they have moved there.
            elsewhere = consumers_elsewhere(snapshot)
            way = Remedy(f"{again} correct the parameter service, or service in {source}.")
            way = moved_names(snapshot, elsewhere) if elsewhere else way
        yield Evidence(names.service, facts, way)


@check(
    "other-definition",
    needs=ECS_FIELDS,
    severity="warning",
    looks_like=("old-value", "refuses-to-start", "variable-not-read"),
    ruled_out_by="DescribeServices: each service runs a task definition of its own",
    hinders="value",
)
def other_definition(snapshot: Snapshot) -> Iterable[Evidence]:
    """A service runs another service's task definition."""
    main, own = snapshot.environment.names.service, snapshot.environment.names.task_family
    for service, owner in services_of_others(snapshot):
        label = service.task_definition_arn.rpartition("/")[2]
        family = label.partition(":")[0]
        expected_family = own if service.name == main else f"{family.removesuffix(owner)}{service.name}"
        tasks = [task.task_definition_arn.rpartition("/")[2] for task in snapshot.tasks if task.service == service.name]
        former = next((name for name in tasks if name.partition(":")[0] == expected_family), "")
        facts = (
            f"DescribeServices: {service.name} has taskDefinition {label}, the family of {owner}.",
            *((f"DescribeTasks: it ran {former} before.",) if former else ()),
        )
        is_known = any(expected_family == definition.family for definition in snapshot.task_definitions.values())
        revision = former or (expected_family if is_known else "")
        if service.controller == "ECS" and revision:
            remedy = remedies.deploy(snapshot.environment.names, service.name, revision)
        else:
            way = remedies.CONTROLLED.get(service.controller, "deploy that")
            remedy = Remedy(f"Let {service.name} run {revision or 'a task definition of its own'}, and {way}.")
        fails = any(stop.service.name == service.name for stop in fresh_stops(snapshot))
        severity: Severity | None = "error" if fails else None
        yield Evidence(service.name, facts, remedy, frozenset({service.name}), severity)


@check(
    "rollout-stuck",
    needs=("services", "tasks", "service_deployments"),
    looks_like=("old-value", "does-not-stay"),
    ruled_out_by=(
        "DescribeServices: no IN_PROGRESS deployment keeps failing or lacks room;"
        " no service waits long for a first task"
    ),
    because_of=("pull-failed",),
    hindered_by=("secret", "calls", "value", "tasks"),
)
def rollout_stuck(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A deployment is stuck: new tasks keep failing, or none can start."""
    found = tuple(_stuck(snapshot))
    yield from found
    reported = {each.subject for each in found if each.severity != "info"}
    # A stalled one is breaker-rollback's: there is no next task.
    reported |= {service.name for service in snapshot.consumers if service.is_stalled}
    for service in snapshot.readers:
        if service.name in reported:
            continue
        if is_unproved(snapshot, service):
            doubt = (
                f"{service.name} runs {service.running} of {service.desired} desired tasks, and none has kept running"
                " since the last one stopped: the next task shows whether the cause is gone."
            )
            last = tuple(Stop(service, task).sentence for task in stopped_on_purpose(snapshot, service)[:1])
            yield Uncertain(
                service.name, (doubt, *(_why_failing(snapshot, service, "") or last)), frozenset({service.name})
            )
        elif _was_at_rest(service) and _starts_nothing(snapshot, service):
            doubt = (
                f"{service.name} runs 0 of {service.desired} desired tasks, and ECS has said nothing since it was at"
                " rest: desiredCount may just have been raised. Run again in a minute: if it is still so, it is stuck."
            )
            yield Uncertain(service.name, (doubt,), frozenset({service.name}))


def _stuck(snapshot: Snapshot) -> Iterator[Evidence]:
    names = snapshot.environment.names
    for service in snapshot.consumers:
        primary = service.primary
        if primary and primary.rollout == "IN_PROGRESS" and primary.failed and not makes_progress(snapshot, service):
            old = sum(deployment.running for deployment in service.deployments if deployment is not primary)
            facts = (
                f"Deployment {primary.id} of {service.name} is IN_PROGRESS with"
                f" {counted(primary.failed, 'failed task')};"
                f" {primary.running} of {primary.desired} tasks run, and {old} of earlier deployments.",
                *_why_failing(snapshot, service, primary.id),
            )
            yield _failed_rollout(snapshot, service, primary.id, facts)
        elif primary and service.is_blocked:
            facts = (f"Deployment {primary.id} of {service.name} is IN_PROGRESS and cannot go on.", _no_room(service))
            remedy = remedies.start_tasks(names, service)
            others = frozenset(check.id for check in _CHECKS.values())
            yield Evidence(service.name, facts, remedy, frozenset({service.name}), hindered_by=(), unrelated=others)
        elif _starts_nothing(snapshot, service) and not _was_at_rest(service):
            facts = (
                f"{service.name} runs 0 of {service.desired} desired tasks, and for"
                f" {_patience(snapshot, service).seconds // 60} minutes ECS has neither created nor stopped one.",
                *(f"ECS says at {each.time:%H:%M:%S} UTC: {each.message}" for each in _last_words(service)),
            )
            yield Evidence(service.name, facts, remedies.show_service(names, service.name), frozenset({service.name}))


@check(
    "breaker-rollback",
    needs=("services", "tasks", "service_deployments"),
    looks_like=("old-value", "does-not-stay"),
    ruled_out_by="DescribeServices: no deployment is FAILED, and no rolloutStateReason says that one was rolled back",
    because_of=("pull-failed",),
    hindered_by=("secret", "calls", "value", "tasks"),
)
def breaker_rollback(snapshot: Snapshot) -> Iterable[Evidence]:
    """A deployment failed and was stopped or rolled back."""
    # A remark where the value was put back too: see recovered_since.
    for service in (*snapshot.consumers, *snapshot.express_readers):
        for deployment in service.deployments:
            is_back = deployment is service.primary and service.rolled_back
            if is_back or (deployment.rollout == "FAILED" and not _is_followed(service, deployment)):
                withdrawn, stopped = service.withdrawn, _stopped(service, deployment.id)
                id, state, reason = (
                    (withdrawn.deployment_id, withdrawn.status, withdrawn.why)
                    if withdrawn
                    else (deployment.id, stopped.status if stopped else deployment.rollout, deployment.rollout_reason)
                )
                # The present deployment is the one that ECS went back to: its tasks may fail in another way.
                failed = snapshot.last_failed(service) if is_back and not withdrawn else None
                of_failed = failed.deployment_id if failed else id
                facts = (
                    f"Deployment {id} of {service.name} is {state}: {reason.rstrip('.') or 'no reason given'}.",
                    "A rollback restores the former task definition, not the former value of the secret.",
                    *_why_failing(snapshot, service, of_failed),
                )
                yield _failed_rollout(snapshot, service, of_failed, facts)
                break


@check(
    "deployment-paused",
    needs=("services", "service_deployments"),
    severity="warning",
    ruled_out_by="DescribeServiceDeployments: no lifecycle hook is AWAITING_ACTION",
)
def deployment_paused(snapshot: Snapshot) -> Iterable[Evidence]:
    """A deployment is paused by a lifecycle hook and waits for a person."""
    for service in snapshot.consumers:
        underway = service.underway
        hook = underway.pause if underway else None
        if underway and hook:
            until = f" until {hook.expires:%Y-%m-%d %H:%M} UTC, then {hook.timeout_action}" if hook.expires else ""
            facts = (
                f"Deployment {underway.deployment_id} of {service.name} waits at {underway.stage}, hook {hook.id},"
                f" for ContinueServiceDeployment{until}.",
                "Until it ends, tasks of the old revision serve, and need the value that they have.",
            )
            remedy = remedies.continue_deployment(underway.region, underway.arn, hook.id)
            yield Evidence(service.name, facts, remedy, frozenset({service.name}))


@check(
    "not-forced",
    needs=("secret", "versions", *ECS_FIELDS, "other_clusters"),
    looks_like=("old-value", "login-refused"),
    ruled_out_by="every running task read the secret after AWSCURRENT moved",
    needs_new_tasks=True,
    because_of=(
        "pull-failed",
        "task-exits",
        "rollout-stuck",
        "breaker-rollback",
        "deployment-paused",
        "suffix-stale",
        "desired-zero",
        "external-controller",
        "code-deploy",
        *UNREADABLE,
    ),
    hindered_by=("tasks",),
    blocked_by=("secret", "calls"),
)
def not_forced(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Running tasks still have an old value of the secret."""
    yield from _old_values(snapshot)
    for other in snapshot.elsewhere:
        names, services = other.environment.names, {service.name: service for service in other.services}
        for answer in _old_values(other):
            subject = in_cluster(answer.subject, names.cluster)
            if isinstance(answer, Evidence):
                # No runbook of this environment deploys it.
                start = remedies.start_tasks(names, services[answer.subject])
                remedy = start if answer.remedy.runbook else answer.remedy
                yield replace(answer, subject=subject, remedy=remedy, services=frozenset({subject}))
            else:
                yield replace(answer, subject=subject)


def _old_values(snapshot: Snapshot) -> Iterator[Evidence | Uncertain]:
    for service in (reader for reader in snapshot.readers if not reader.is_family):
        stale = [task for task in snapshot.running(service) if freshness.of(snapshot, task) == "stale"]
        doubtful = [task for task in snapshot.running(service) if freshness.of(snapshot, task) == "undecidable"]
        # An ordinary deployment of other references is under way: it leaves no such task.
        if _refer_otherwise(snapshot, doubtful) and is_replacing(snapshot, service, doubtful):
            doubtful = []
        since = freshness.current_since(snapshot)
        if stale and since:
            keys = sorted({key for task in stale for key in freshness.changed_keys(snapshot, task) or ()})
            facts = (
                f"{len(stale)} of {len(snapshot.running(service))} running tasks of {service.name} read the secret"
                f" before {freshness.moves_missed(snapshot, stale)}.",
                f"Keys whose value differs: {', '.join(keys)}."
                if keys
                else "Their version is gone or could not be read: its keys cannot be compared.",
                *_versions_inside(snapshot, stale),
                *author_of_version(snapshot),
                *stale_evidence(snapshot, service),
            )
            if service.desired and not service.has_room:
                facts += (_no_room(service),)
            renewal = remedies.renew_tasks(snapshot.environment, service)
            if service in snapshot.former_consumers:
                renewal = remedies.start_tasks(snapshot.environment.names, service)
                label = service.task_definition_arn.rpartition("/")[2]
                facts += (f"Its own revision, {label}, does not refer to the secret, and has not replaced them yet.",)
            if protection := protection_of_old(snapshot, service):
                renewal = remedies.end_protection(snapshot.environment.names, [task.id for task in stale])
                facts += (f"ECS says: {protection}",)
            is_going_on = is_replacing(snapshot, service, stale)
            # What is under way needs no second deployment.
            remedy = NO_REMEDY if is_going_on else renewal
            if is_going_on and service.primary:
                stage = f" ({service.underway.progress})" if service.underway else ""
                since_then = "" if service in snapshot.former_consumers else "has started since and "
                facts += (f"Deployment {service.primary.id} {since_then}is replacing them{stage}.",)
            severity: Severity | None = "info" if is_going_on else None
            # New tasks would get a faulty value too: that comes first.
            yield Evidence(service.name, facts, remedy, frozenset({service.name}), severity, stems_from=frozenset(keys))
        elif doubtful and snapshot.versions and snapshot.references_of(service):
            tasks, when = counted(len(doubtful), "running task"), _in_doubt(snapshot, doubtful)
            value = "value it has" if len(doubtful) == 1 else "values they have"
            # Where new tasks fail, another deployment would show no more.
            fails = service.primary and service.primary.failed and not makes_progress(snapshot, service)
            wait = ", once new tasks can start" if fails else ""
            doubt = (
                f"{tasks} of {service.name} started {when}, and CloudTrail does not say which {value}: redeploy to be"
                f" sure{wait}."
            )
            gaps = snapshot.unread("writes", "reads")
            if begin := snapshot.writes_since:
                gaps += (
                    f"LookupEvents: the account has more such calls, and those before {begin:%Y-%m-%d} were not read.",
                )
            yield Uncertain(service.name, (doubt, *gaps))


def _in_doubt(snapshot: Snapshot, tasks: list[Task]) -> str:
    """When tasks started, of which it is not known whether that was before AWSCURRENT last moved, or from what."""
    if _refer_otherwise(snapshot, tasks):
        return "from a revision whose references differ from those in force"
    since, edited = freshness.current_since(snapshot), snapshot.secret.changed if snapshot.secret else None
    times = [(task.created, task.started) for task in tasks]
    if since and edited and all(begun and ran and since[0] <= begun <= ran < edited for begun, ran in times):
        return f"before the secret was last edited (LastChangedDate {edited:%Y-%m-%d %H:%M:%S} UTC)"
    return "while the secret changed"


def _refer_otherwise(snapshot: Snapshot, tasks: list[Task]) -> bool:
    return all(freshness.has_other_references(snapshot, task) for task in tasks)


def protection_of_old(snapshot: Snapshot, service: Service) -> str:
    """What ECS says of protected tasks, where the deployment itself has no old value; "" for nothing."""
    primary = service.primary
    own = [task for task in snapshot.running(service) if primary and task.deployment_id == primary.id]
    return "" if any(freshness.of(snapshot, task) == "stale" for task in own) else service.protection


@check(
    "lone-task",
    needs=("secret", "versions", "task_definitions", "tasks", "scheduled"),
    severity="warning",
    ruled_out_by="DescribeTasks: no task outside a service started before AWSCURRENT moved",
)
def lone_task(snapshot: Snapshot) -> Iterable[Evidence]:
    """A task outside the services has an old value of the secret, or can no longer start."""
    names = snapshot.environment.names
    for task in snapshot.lone_tasks:
        definition = snapshot.definition(task)
        if freshness.of(snapshot, task) == "stale" and definition:
            keys = ", ".join(sorted(freshness.changed_keys(snapshot, task) or ()))
            starter = f", started by {task.deployment_id}" if task.deployment_id else ""
            facts = (
                f"Task {task.id[:8]} of {definition.label} runs outside the services{starter}, and read the secret"
                f" before {freshness.moves_missed(snapshot, [task])}.",
                f"Keys whose value differs: {keys}." if keys else "Which of its keys differ is unknown.",
            )
            words = ("stop-task", "--cluster", names.cluster, "--task", task.id)
            stop = remedies.in_region(names.region, "ecs", *words).command
            remedy = Remedy(f"Let it end, or stop it with `{stop}` and run it again in the same way.")
            yield Evidence(task.id[:8], facts, remedy)
    for each in snapshot.scheduled:
        definition = snapshot.definition(each)
        if definition and (refused := each.refusal(definition)) and snapshot.own_references(definition):
            remedy = Remedy(f"Change {each.origin} to start an {ACTIVE} revision, such as the family's newest.")
            yield Evidence(each.origin, (refused,), remedy, frozenset({each.origin}))


@check(
    "desired-zero", needs=("services",), severity="warning", ruled_out_by="DescribeServices: desiredCount is above 0"
)
def desired_zero(snapshot: Snapshot) -> Iterable[Evidence]:
    """desiredCount is 0: delivery cannot be verified."""
    for service in snapshot.consumers:
        if service.desired == 0 and service.controller != EXPRESS:
            facts: tuple[str, ...] = (
                f"{service.name} has desiredCount 0: no task runs, which ECS calls a steady state.",
            )
            if service.is_daemon:
                facts += ("It is a daemon service, with one task on each suitable instance: the cluster has none.",)
            remedy = remedies.scale(snapshot.environment.names, service)
            declared = snapshot.declared.find(service.name) if snapshot.declared else None
            is_meant = declared is not None and declared.desired == 0
            if declared and is_meant:
                facts += (f"Terraform sets desired_count = 0 ({declared.desired_source}).",)
            yield Evidence(service.name, facts, remedy, frozenset({service.name}), "info" if is_meant else None)


@check(
    "external-controller",
    needs=("services",),
    severity="warning",
    ruled_out_by="DescribeServices: deploymentController is not EXTERNAL",
)
def external_controller(snapshot: Snapshot) -> Iterable[Evidence]:
    """An external deployment controller replaces the tasks."""
    return _controlled(snapshot, "EXTERNAL")


@check(
    "code-deploy",
    needs=("services",),
    severity="warning",
    ruled_out_by="DescribeServices: deploymentController is not CODE_DEPLOY",
)
def code_deploy(snapshot: Snapshot) -> Iterable[Evidence]:
    """CodeDeploy replaces the tasks: ECS refuses a forced deployment."""
    return _controlled(snapshot, "CODE_DEPLOY")


def _failed_rollout(snapshot: Snapshot, service: Service, id: str, facts: tuple[str, ...]) -> Evidence:
    """A rollout, by its deployment's id, whose tasks failed; how they did says which faults can be its cause."""
    stops = _stops_of(snapshot, service, id)
    causes_of_stops = [_causes_of(stop) for stop in stops]
    causes = tuple(dict.fromkeys(cause for of_stop in causes_of_stops for cause in of_stop))
    names, withdrawn = snapshot.environment.names, service.withdrawn
    stop = next(iter(stops), None)
    has_log = not (stop and _is_unspecific(stop))
    remedy = startup.after_failure(snapshot, service, stop) if has_log else remedies.show_service(names, service.name)
    halted = _stopped(service, id)
    ended = withdrawn or (halted if halted and "circuit breaker" not in halted.why.casefold() else None)
    if ended and not stops and not ended.failures:
        # No task failed: a hook, an alarm or a person took the deployment back, or a person stopped it.
        hook = HOOK.search(ended.why)
        log = remedies.log_of_function(names, hook[1]) if hook else None
        tasks = (task for task in snapshot.tasks if task.deployment_id == ended.deployment_id)
        revision = next((task.task_definition_arn.rpartition("/")[2] for task in tasks), "")
        needs = (_REASON_FIRST, "" if revision else _IN_FORCE) if withdrawn else ()
        remedy = log or remedies.start_tasks(names, service, revision).needing(*needs)
    severity: Severity | None = "info" if _is_outdated(snapshot, service) else None
    if severity and (left_out := _left_out(snapshot, service)):
        # New tasks of the revision in force would not have them.
        revision, fact = left_out
        facts, severity, remedy = (*facts, fact), "warning", remedies.start_tasks(names, service, revision)
    if service.is_stalled and not stops:
        facts += (f"ECS starts no further task of {service.name} by itself: only a new deployment does.",)
        remedy, severity = remedies.start_tasks(names, service), None
    return Evidence(
        service.name,
        facts,
        remedy,
        frozenset({service.name}),
        severity,
        causes if stops and all(causes_of_stops) else None,
        unrelated=_ways_of_others(stops),
    )


_MAY_LACK_VALUE: Sequence[Kind] = ("secrets", "exit", "health-check", "other")
"""How tasks fail that lack a value, or have a wrong one."""


def _left_out(snapshot: Snapshot, service: Service) -> tuple[str, str] | None:
    """The revision that a rollback replaced, as family:revision, with the fact that only it has keys of the secret.

    None where its tasks failed by something that no value mends, such as its image.
    """
    serving, document = snapshot.definition(service), snapshot.document
    task = snapshot.last_failed(service) if service.rolled_back else None
    failed = snapshot.task_definitions.get(task.task_definition_arn) if task else None
    if not (serving and document and task and failed) or Stop(service, task).kind not in _MAY_LACK_VALUE:
        return None
    own = {injection.reference.key for _, injection in snapshot.own_references(serving)}
    keys = {injection.reference.key for _, injection in snapshot.own_references(failed)} - {"", *own}
    names = ", ".join(spell(key) for key in sorted(keys.intersection(document.keys)))
    fact = f"The secret has {names} now, to which {failed.label} refers; {serving.label}, which runs, does not."
    return (failed.label, fact) if names else None


def _stopped(service: Service, id: str) -> ServiceDeployment | None:
    """A service's newest service deployment, where it is the one with this id and was stopped without a rollback."""
    newest = next(iter(service.service_deployments), None)
    return newest if newest and newest.status in _STOPPED and newest.deployment_id == id else None


def _ways_of_others(stops: Sequence[Stop]) -> frozenset[str]:
    """The checks of tasks that fail otherwise than all of a deployment's own, as those of a former one may."""
    ways = set[Kind]()
    for stop in stops:
        ways |= {*_CHECKS} - _HAVE_RUN if _is_unspecific(stop) else {stop.kind}
    is_known = bool(stops) and ways <= _CHECKS.keys()
    return frozenset(check.id for kind, check in _CHECKS.items() if kind not in ways) if is_known else frozenset()


def _causes_of(stop: Stop) -> tuple[Hinders, ...]:
    """What can be wrong where a task fails so: what its check finds, and what causes that; () where no check does."""
    if _is_unspecific(stop):
        return _NEVER_STARTED
    check = _CHECKS.get(stop.kind)
    # Beside tasks that exit, what keeps others from running counts too.
    itself: Hinders = "tasks" if check is startup.task_exits else check.hinders if check else ""
    return (*((itself,) if itself else ()), *(check.hindered_by if check else ()))


def _is_unspecific(stop: Stop) -> bool:
    """Whether ECS says of a task that never started nothing that a check looks for."""
    return stop.kind == "other" and stop.never_started


def _starts_nothing(snapshot: Snapshot, service: Service) -> bool:
    """Whether none of a service's tasks runs, and for a while ECS has neither created nor stopped any."""
    began, primary = snapshot.taken - _patience(snapshot, service), service.primary
    if primary is None:
        return False
    tasks = [task for task in snapshot.tasks if task.service == service.name]
    moments = [primary.created, *(moment for task in tasks for moment in (task.created, task.stopped) if moment)]
    moments += [event.time for event in service.events if " has started " in event.message]
    is_idle = service.running == 0 < service.desired and not any(task.is_running for task in tasks)
    # Other strategies than rolling updates wait for hooks.
    return is_idle and max(moments) < began and (service.underway is None or service.has_rollout_state)


def _patience(snapshot: Snapshot, service: Service) -> timedelta:
    """How long ECS may start none of a service's tasks: less where it has tried none, and has nothing to say of it."""
    has_tasks = any(task.service == service.name for task in snapshot.tasks)
    has_failed = any(deployment.failed for deployment in service.deployments)
    is_silent = not _last_words(service) or _was_at_rest(service)
    return _FIRST_TASK if is_silent and not (has_tasks or has_failed) else PATIENCE


def _was_at_rest(service: Service) -> bool:
    """Whether ECS said last that all is well: with its desired tasks, which were none if it has none now."""
    return any(is_at_rest(event.message) for event in _last_words(service))


def _last_words(service: Service) -> tuple[ServiceEvent, ...]:
    """What ECS said last of a service, unless that was before this deployment."""
    newest, primary = max(service.events, key=lambda event: event.time, default=None), service.primary
    return (newest,) if newest and primary and newest.time >= primary.created else ()


def _no_room(service: Service) -> str:
    """Why a service's deployment can replace no task."""
    return (
        f"{service.name} has minimumHealthyPercent {service.minimum_healthy_percent} and maximumPercent"
        f" {service.maximum_percent}: with desiredCount {service.desired} no task can be replaced."
    )


def _versions_inside(snapshot: Snapshot, stale: list[Task]) -> tuple[str, ...]:
    """The versions that stale tasks have, read inside them; () where that was not read."""
    versions = {entry.injected for task in stale for entry in freshness.values_inside(snapshot, task) if entry.is_stale}
    labels = [f"version {version}" for version in sorted(versions - {OTHER})]
    labels += ["a value that no remaining version has"] if OTHER in versions else []
    return (f"ExecuteCommand: their processes have {' and '.join(labels)}.",) if labels else ()


def _stops_of(snapshot: Snapshot, service: Service, id: str) -> Sequence[Stop]:
    """The failed tasks of a deployment; all of its service's where none is known to be its own.

    Those of a former one may have ended in another way.
    """
    stops = [stop for stop in fresh_stops(snapshot) if stop.service is service]
    return [stop for stop in stops if stop.task.deployment_id == id] or stops


def _why_failing(snapshot: Snapshot, service: Service, id: str) -> tuple[str, ...]:
    """How the newest failed task of a deployment ended, else why that says nothing any more."""
    stop = next(iter(_stops_of(snapshot, service, id)), None)
    if stop:
        return (stop.sentence, *startup.log_hint(snapshot, stop), *stop.log_lines)
    failed = snapshot.stopped(service)
    return stale_evidence(snapshot, service) or ((Stop(service, failed[0]).sentence,) if failed else ())


def is_replacing(snapshot: Snapshot, service: Service, stale: list[Task]) -> bool:
    """Whether a recent deployment without a failed task gives new tasks the present value, or none of the secret."""
    primary, since = service.primary, freshness.current_since(snapshot)
    # Without its rollout state, another deployment beside it shows that it goes on.
    is_unread = primary is not None and not primary.rollout and len(service.deployments) > 1
    is_begun = primary is not None and (primary.rollout == "IN_PROGRESS" or is_unread or service.ended_early)
    is_going_on = is_begun and not service.is_blocked
    if primary is None or since is None or primary.failed or not is_going_on:
        return False
    # New tasks without the secret need no value of it.
    if service not in snapshot.former_consumers and primary.created < since[1]:
        return False
    own = [task for task in snapshot.running(service) if task.deployment_id == primary.id]
    if any(task in stale for task in own):
        return False
    # One of many tasks takes long, but goes on. What stands in for a new task that ended is no step further.
    ended = sum(task.deployment_id == primary.id for task in snapshot.tasks if task.stopped)
    starts = sorted(task.started for task in own if task.started)
    progress = max([primary.created, *starts[: max(len(starts) - ended, 0)]])
    return progress >= snapshot.taken - PATIENCE - service.configuration.bake


def _is_followed(service: Service, failed: Deployment) -> bool:
    """Whether somebody has deployed again since a deployment that failed; a rollback is no such deployment."""
    primary, is_back = service.primary, service.rolled_back or "rolling back" in failed.rollout_reason
    return primary is not None and primary.created > failed.created and not is_back


def _is_outdated(snapshot: Snapshot, service: Service) -> bool:
    """Whether a service's tasks last failed on a version of the secret that has since been replaced."""
    if recovered_since(snapshot, service):
        return True
    since, failed, primary = freshness.current_since(snapshot), snapshot.stopped(service)[:1], service.primary
    begun = [each.created for each in service.deployments if each.rollout == "FAILED"]
    begun += [service.withdrawn.created] if service.withdrawn and service.withdrawn.created else []
    if since and any(each >= since[1] for each in begun):
        # A deployment that serves again, as after a blue/green one, may be older than the version.
        return False
    if since and primary and primary.rollout == "COMPLETED" and primary.updated < since[0]:
        return service.running >= service.desired > 0
    return since is not None and any(
        task.stopped is not None and task.stopped < since[0] and Stop(service, task).lacks_secrets for task in failed
    )


def _controlled(snapshot: Snapshot, controller: str) -> Iterator[Evidence]:
    cluster = command(snapshot.environment.names.cluster)
    way = f"To give its tasks a new value, {remedies.CONTROLLED[controller]} (cluster {cluster})."
    for service in snapshot.consumers:
        if service.controller == controller:
            fact = f"{service.name} has the deployment controller {controller}: ECS refuses forceNewDeployment."
            yield Evidence(service.name, (fact,), Remedy(way), frozenset({service.name}))
