"""Faults of deployments: whether the running tasks have what the secret holds, and why new ones do not come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from omc_runbook.aws.ecs import Service, Task
from omc_runbook.checks import remedies
from omc_runbook.checks.change_authors import author_of_version
from omc_runbook.checks.check import Doubt, Evidence, family
from omc_runbook.checks.startup import log_of
from omc_runbook.checks.stopped_tasks import Stop, fresh_stops, gets_on, tell_stale
from omc_runbook.model.findings import Severity
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot.held_values import OTHER
from omc_runbook.snapshot.state import Snapshot

check = family("deployment")

PATIENCE = timedelta(minutes=30)
"""How long a deployment may take before it is no excuse any more."""


@check("wrong-names", "services", "clusters")
def wrong_names(snapshot: Snapshot) -> Iterable[Evidence]:
    """The cluster or the service is not called what the configuration says."""
    names = snapshot.environment.names
    if snapshot.service_names is None:
        unread = tuple(gap.sentence for gap in snapshot.gaps.get("clusters", ()))
        near = "." if unread else nearest(names.cluster, snapshot.clusters)
        fact = f"ListServices: there is no cluster {names.cluster} in {names.region}{near}"
        yield Evidence(names.cluster, (fact, *unread), remedies.advise("Set cluster in runbook.toml."))
    elif not snapshot.gaps.get("services") and names.service not in snapshot.service_names:
        fact = f"There is no service {names.service} in {names.cluster}{nearest(names.service, snapshot.service_names)}"
        yield Evidence(
            names.service, (f"ListServices: {fact}",), remedies.advise("Give service, or set it in runbook.toml.")
        )


@check("not-forced", "secret", "versions", "services", "task_definitions", "tasks")
def not_forced(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The secret changed and running tasks still hold the former value."""
    for service in snapshot.consumers:
        stale = [task for task in snapshot.running(service) if snapshot.standing(service, task) == "stale"]
        doubtful = [task for task in snapshot.running(service) if snapshot.standing(service, task) == "undecidable"]
        since = snapshot.current_since
        if stale and since:
            keys = sorted({key for task in stale for key in snapshot.changed_keys(service, task) or ()})
            facts = (
                f"{len(stale)} of {len(snapshot.running(service))} running tasks of {service.name} read the secret"
                f" before its current version came at {since[0]:%Y-%m-%d %H:%M:%S} UTC.",
                f"Keys whose value differs: {', '.join(keys)}."
                if keys
                else "The version they hold is gone, so that its keys cannot be compared.",
                *_seen(snapshot, stale),
                *author_of_version(snapshot),
                *tell_stale(snapshot, service),
            )
            remedy = remedies.renew_tasks(snapshot.environment, service.name)
            coming = _is_coming(snapshot, service, stale)
            if coming and service.primary:
                facts += (f"Deployment {service.primary.id} has begun since and is on its way to replace them.",)
            yield Evidence(service.name, facts, remedy, frozenset({service.name}), "info" if coming else None)
        elif doubtful and snapshot.versions and _injects(snapshot, service):
            doubt = (
                f"{len(doubtful)} running tasks of {service.name} started while the secret changed, and CloudTrail "
                "does not tell which value they hold: a redeployment would settle it."
            )
            gaps = (gap.sentence for field in ("writes", "reads") for gap in snapshot.gaps.get(field, ()))
            yield Doubt(service.name, (doubt, *dict.fromkeys(gaps)))


@check("rollout-stuck", "services", "tasks")
def rollout_stuck(snapshot: Snapshot) -> Iterable[Evidence]:
    """A deployment does not come to its end: its tasks fail while the old ones serve."""
    for service in snapshot.consumers:
        primary = service.primary
        if primary and primary.rollout == "IN_PROGRESS" and primary.failed and not gets_on(snapshot, service):
            old = sum(deployment.running for deployment in service.deployments if deployment is not primary)
            facts = (
                f"Deployment {primary.id} of {service.name} is IN_PROGRESS with {primary.failed} failed tasks;"
                f" {primary.running} of {primary.desired} run, {old} of an earlier deployment serve.",
                *_why(snapshot, service),
            )
            severity: Severity | None = "info" if _is_outdated(snapshot, service) else None
            yield Evidence(service.name, facts, log_of(snapshot, service), frozenset({service.name}), severity)


@check("breaker-rollback", "services", "tasks")
def breaker_rollback(snapshot: Snapshot) -> Iterable[Evidence]:
    """The circuit breaker stopped a deployment or rolled it back."""
    for service in snapshot.consumers:
        for deployment in service.deployments:
            if deployment.rollout == "FAILED" or (deployment is service.primary and service.rolled_back):
                facts = (
                    f"Deployment {deployment.id} of {service.name} is {deployment.rollout}:"
                    f" {deployment.rollout_reason.rstrip('.') or 'no reason given'}.",
                    "A rollback brings the former task definition back, not the former value of the secret.",
                    *_why(snapshot, service),
                )
                severity: Severity | None = "info" if _is_outdated(snapshot, service) else None
                yield Evidence(service.name, facts, log_of(snapshot, service), frozenset({service.name}), severity)
                break


@check("desired-zero", "services", severity="warning")
def desired_zero(snapshot: Snapshot) -> Iterable[Evidence]:
    """No task is wanted, so that nothing shows whether the secrets arrive."""
    for service in snapshot.consumers:
        if service.desired == 0 and service.controller == "ECS":
            facts = (f"{service.name} has desiredCount 0: ECS calls that a steady state, with nothing running.",)
            remedy = remedies.scale(snapshot.environment.names, service.name)
            yield Evidence(service.name, facts, remedy, frozenset({service.name}))


@check("external-controller", "services", severity="warning")
def external_controller(snapshot: Snapshot) -> Iterable[Evidence]:
    """Another deployment controller than ECS's own replaces the tasks."""
    for service in snapshot.consumers:
        if service.controller == "EXTERNAL":
            yield _controlled(snapshot, service, "create a task set: aws ecs create-task-set")


@check("code-deploy", "services", severity="warning")
def code_deploy(snapshot: Snapshot) -> Iterable[Evidence]:
    """CodeDeploy replaces the tasks, so that a forced deployment is refused."""
    for service in snapshot.consumers:
        if service.controller == "CODE_DEPLOY":
            yield _controlled(snapshot, service, "start a CodeDeploy deployment: aws deploy create-deployment")


def _seen(snapshot: Snapshot, stale: list[Task]) -> tuple[str, ...]:
    """What a look inside showed of the versions that stale tasks hold; () where none was taken."""
    held = {entry.injected for task in stale for entry in snapshot.held_by(task) if entry.is_stale}
    named = [f"version {version}" for version in sorted(held - {OTHER})]
    named += ["a value that no version which is kept has"] if OTHER in held else []
    return (f"ExecuteCommand: looked into, they hold {' and '.join(named)}.",) if named else ()


def _injects(snapshot: Snapshot, service: Service) -> bool:
    return bool(snapshot.own_injections(snapshot.definition(service.task_definition_arn)))


def _why(snapshot: Snapshot, service: Service) -> tuple[str, ...]:
    stop = next((stop for stop in fresh_stops(snapshot) if stop.service is service), None)
    if stop:
        return (stop.sentence, *stop.words)
    failed = snapshot.stopped(service)
    return tell_stale(snapshot, service) or ((Stop(service, failed[0]).sentence,) if failed else ())


def _is_coming(snapshot: Snapshot, service: Service, stale: list[Task]) -> bool:
    """Whether a deployment that has lost no task, and began lately and after the secret changed, replaces tasks."""
    primary, since = service.primary, snapshot.current_since
    if primary is None or since is None or primary.rollout != "IN_PROGRESS" or primary.failed:
        return False
    lately = max(since[1], snapshot.taken - PATIENCE)
    return primary.created >= lately and all(task.deployment_id != primary.id for task in stale)


def _is_outdated(snapshot: Snapshot, service: Service) -> bool:
    """Whether a service's tasks last failed on a version of the secret that has since been replaced."""
    since, failed, primary = snapshot.current_since, snapshot.stopped(service)[:1], service.primary
    if since and primary and primary.rollout == "COMPLETED" and primary.updated < since[0]:
        return service.running >= service.desired > 0
    return since is not None and any(
        task.stopped is not None and task.stopped < since[0] and Stop(service, task).lacks_secrets for task in failed
    )


def _controlled(snapshot: Snapshot, service: Service, way: str) -> Evidence:
    facts = (
        f"{service.name} has the deployment controller {service.controller}: ECS refuses forceNewDeployment there.",
    )
    names = snapshot.environment.names
    remedy = remedies.advise(f"To give its tasks a new value, {way} (cluster {command(names.cluster)}).")
    return Evidence(service.name, facts, remedy, frozenset({service.name}))


CHECKS = (
    wrong_names,
    rollout_stuck,
    breaker_rollback,
    not_forced,
    desired_zero,
    external_controller,
    code_deploy,
)
