"""The local ECS agent: a thread that starts, watches and stops a real process for every task."""

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends
from werkzeug.exceptions import HTTPException

from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.ecs import scheduler, services, tasks
from omc_runbook.sandbox.ecs.connection import connects
from omc_runbook.sandbox.ecs.container import NO_SHELL, RunningContainer, pull_error
from omc_runbook.sandbox.ecs.injection import PullFailed, environments
from omc_runbook.sandbox.ecs.logs import open_stream
from omc_runbook.sandbox.ecs.network import task_network
from omc_runbook.sandbox.ecs.process import CACHED, INTERVAL, OUT_OF_MEMORY, STOP_SECONDS, Application
from omc_runbook.sandbox.ecs.services import EcsDeployment, EcsService, record_failure, record_health, services_of
from omc_runbook.sandbox.ecs.tasks import EcsTask

# A world in which little changes is checked rarely: several sandboxes may run on one machine.
_BUSY_SECONDS, _SETTLED_SECONDS = 0.03, 0.3
_REMOVAL_SECONDS = 60.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TaskStatus:
    """A task as `sandbox status` shows it: `pid` if a process runs, `health` its URL while it is healthy."""

    cluster: str
    service: str | None
    task: str
    revision: str
    status: str
    health_status: str
    pid: int | None
    health: str | None


class Agent(threading.Thread):
    """Every cluster's agent and service scheduler: a step after each call, and many a second while tasks change.

    Where nothing moves, one for each time that the applications are asked for their health, and when one has ended.
    """

    def __init__(self) -> None:
        super().__init__(name="ecs-agent", daemon=True)
        self._is_ending = False
        self._called = threading.Event()
        self._running: dict[str, Application] = {}
        self._first_environments: dict[str, dict[str, str]] = {}
        self._step_done = threading.Lock()
        self._stepped = threading.Condition()
        self._next_removal = 0.0

    def run(self) -> None:
        """Run steps until `end`; a failed step is logged and repeated."""
        while not self._is_ending:
            if not self.is_settled():
                time.sleep(_BUSY_SECONDS)
            else:
                self._called.wait(INTERVAL if self._is_idle() else _SETTLED_SECONDS)
            self._called.clear()
            try:
                with self._step_done:
                    if not self._is_ending:
                        self.step()
                with self._stepped:
                    self._stepped.notify_all()
            except (ServiceException, HTTPException, LookupError, TypeError, ValueError, AttributeError, OSError):
                _LOG.exception("a step of the agent failed")

    def step(self) -> None:
        """Update every task and every service once."""
        for application in list(self._running.values()):
            application.probe()
        is_removal_due = time.monotonic() >= self._next_removal
        if is_removal_due:
            self._next_removal = time.monotonic() + _REMOVAL_SECONDS
        with STATE:
            accepted = [
                task for task in _tasks() if task.last_status == "PROVISIONING" and task.desired_status == "RUNNING"
            ]
        for task in accepted:
            self._start(task)
        with STATE:
            unfinished = _tasks()
            for task in unfinished:
                self._watch(task)
            for backend in _backends():
                for service in services_of(backend):
                    if service.status != "INACTIVE":
                        scheduler.reconcile(service)
                _count(backend)
                if is_removal_due:
                    tasks.remove_stopped(backend)
            arns = {task.task_arn for task in unfinished}
        for arn in set(self._running) - arns:
            self._running.pop(arn).kill()

    def wake(self) -> None:
        """Take the next step now: a call may have changed what is to run."""
        self._called.set()

    def end(self) -> None:
        """Stop the agent and every process."""
        self._is_ending = True
        with self._step_done:
            for application in self._running.values():
                application.stop()
            self._kill_all()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Kill every process and take no step, while moto's state is replaced."""
        with self._step_done:
            self._kill_all()
            self._first_environments.clear()
            yield

    def _kill_all(self) -> None:
        for application in self._running.values():
            application.kill()
        # The agent asks all of them, between two steps too.
        with STATE:
            self._running.clear()

    def add_event(self, name: str, message: str) -> None:
        """Write an event of the services of a name, as ECS does, with any text."""
        with STATE:
            for service in _services():
                if service.name == name:
                    services.add_event(service, message)

    def stop_task(self, task_id: str, code: str, reason: str) -> None:
        """Stop a task, as ECS does for a reason of its own, with any text as the reason."""
        with STATE:
            for task in _tasks():
                if task.id == task_id:
                    tasks.mark_stopping(task, code, reason)
        self.wake()

    def remove_stopped(self) -> None:
        """Forget all stopped tasks, as ECS does after a while."""
        with STATE:
            for backend in _backends():
                tasks.remove_stopped(backend, timedelta(0))

    def statuses(self) -> list[TaskStatus]:
        """Every task that is not stopped."""
        with STATE:
            return [self._status(task) for task in _tasks()]

    def is_settled(self) -> bool:
        """Whether every service is steady, keeps failing in the same way, or waits for long."""
        with STATE:
            starting = any(task.last_status in ("PROVISIONING", "PENDING") for task in _tasks())
            return not starting and all(
                service.is_steady or scheduler.keeps_failing(service) or scheduler.is_waiting(service)
                for service in _services()
                if service.status == "ACTIVE"
            )

    def await_rest(self, seconds: float) -> bool:
        """Wait until every service rests, or until so many seconds have passed; whether they do."""
        with self._stepped:
            return self._stepped.wait_for(self._rests, seconds)

    def await_settled(self, seconds: float) -> bool:
        """Wait until everything is settled, or until so many seconds have passed; whether it is."""
        with self._stepped:
            return self._stepped.wait_for(self.is_settled, seconds)

    def _rests(self) -> bool:
        with STATE:
            return all(map(scheduler.rests, _services()))

    def _is_idle(self) -> bool:
        """Whether nothing will change before a call or an application's end, except an application's health."""
        with STATE:
            return (
                all(service.status == "INACTIVE" or service.is_steady for service in _services())
                and all(task.last_status == task.desired_status == "RUNNING" for task in _tasks())
                and all(application.is_well for application in self._running.values())
            )

    def _status(self, task: EcsTask) -> TaskStatus:
        application = self._running.get(task.task_arn)
        kind, _, name = task.group.partition(":")
        return TaskStatus(
            cluster=task.cluster_name,
            service=name if kind == "service" else None,
            task=task.id,
            revision=task.task_definition_arn.rpartition("/")[2],
            status=task.last_status,
            health_status=task.health_status,
            pid=application.pid if application else None,
            health=f"http://127.0.0.1:{application.port}/health" if application and tasks.is_healthy(task) else None,
        )

    def _start(self, task: EcsTask) -> None:
        with STATE:
            definition = task.definition
            task.last_status, task.pull_started_at = "PENDING", datetime.now(UTC)
        network = task_network(getattr(task, "network_configuration", None))
        application, reason = None, ""
        running: dict[str, RunningContainer] = {}
        containers: list[dict[str, Any]] = definition.container_definitions
        try:
            # Without the lock, so that a wire rule delays only the agent.
            variables = environments(task, definition, network)
            for container in containers:
                if message := pull_error(container):
                    raise PullFailed(message)
            logs = [open_stream(task, c) for c in containers]
            for container, log in zip(containers, logs, strict=True):
                arguments = [*(container.get("entryPoint") or []), *(container.get("command") or [])]
                environment, pid = variables[container["name"]], None
                # A log router stands beside the application, which cannot start without it.
                is_router = "firelensConfiguration" in container
                if application is None and container.get("essential", True) and not is_router:
                    own = environment
                    if CACHED in arguments:
                        own = self._first_environments.setdefault(definition.arn, environment)
                    seconds = container.get("stopTimeout") or STOP_SECONDS
                    application = Application(own, arguments, log, self.wake, seconds)
                    pid = application.pid
                running[container["name"]] = RunningContainer(environment, pid, NO_SHELL not in arguments)
        except PullFailed as failure:
            reason = str(failure)
        except (ValueError, OSError) as error:
            # The error may have the value that is invalid in an environment.
            reason = f"CannotStartContainerError: the container's environment was refused ({type(error).__name__})"
        with STATE:
            connections = {each["name"]: connects(task, definition, each, network) for each in containers}
            task.pull_stopped_at = datetime.now(UTC)
            if application is None:
                self._fail(task, "TaskFailedToStart", reason or "No essential container", None)
                return
            self._running[task.task_arn] = application
            for described in task.containers:
                described.running = running[described.name]
            tasks.mark_running(task, secrets.token_hex(16), connections)
            tasks.mark_ended(task, _awaited(containers))

    def _watch(self, task: EcsTask) -> None:
        application = self._running.get(task.task_arn)
        if application is None:
            if task.desired_status == "STOPPED":
                tasks.mark_stopped(task, None)
            return
        code = application.exit_code()
        if code is not None:
            del self._running[task.task_arn]
            if task.desired_status == "STOPPED":
                tasks.mark_stopped(task, code)
            else:
                containers: list[dict[str, Any]] = task.definition.container_definitions
                for container, described in zip(containers, task.containers, strict=True):
                    if OUT_OF_MEMORY in (container.get("command") or []):
                        described.reason = "OutOfMemoryError: Container killed due to memory usage"
                self._fail(task, "EssentialContainerExited", "Essential container in task exited", code)
        elif task.desired_status == "STOPPED":
            task.last_status = "STOPPING"
            application.stop()
        elif application.health and task.health_status != "HEALTHY":
            tasks.mark_health(task, True)
            if found := _deployment(task):
                record_health(*found)
        elif application.health is False:
            was_healthy = task.health_status == "HEALTHY"
            tasks.mark_health(task, False)
            reason = "Task failed container health checks"
            tasks.mark_stopping(task, "ServiceSchedulerInitiated", reason)
            application.stop()
            self._note(task, reason, was_healthy)

    def _fail(self, task: EcsTask, code: str, reason: str, exit_code: int | None) -> None:
        was_healthy = task.health_status == "HEALTHY"
        tasks.mark_stopping(task, code, reason)
        tasks.mark_stopped(task, exit_code)
        self._note(task, reason, was_healthy)

    def _note(self, task: EcsTask, reason: str, was_healthy: bool) -> None:
        found = _deployment(task)
        if found and not was_healthy:
            service, deployment = found
            record_failure(service, task.id, deployment, reason, hasattr(task, "started_at"))


def _backends() -> Iterator[EC2ContainerServiceBackend]:
    for account in list(ecs_backends.values()):
        yield from list(account.values())


def _services() -> list[EcsService]:
    return [service for backend in _backends() for service in services_of(backend)]


def _tasks() -> list[EcsTask]:
    return [task for backend in _backends() for task in tasks.unfinished(backend)]


def _deployment(task: EcsTask) -> tuple[EcsService, EcsDeployment] | None:
    """The service and its deployment that started a task; None of a task that was run alone."""
    for service in services_of(task.backend):
        if task.group == f"service:{service.name}" and task.cluster_name == service.cluster_name:
            return next(((service, each) for each in service.deployments if each.id == task.started_by), None)
    return None


def _count(backend: EC2ContainerServiceBackend) -> None:
    all_live = [task for task in tasks.unfinished(backend) if tasks.is_live(task)]
    for cluster in list(backend.clusters.values()):
        live = [task for task in all_live if task.cluster_name == cluster.name]
        services = [s for s in services_of(backend) if s.cluster_name == cluster.name]
        cluster.running_tasks_count = len([t for t in live if t.last_status == "RUNNING"])
        cluster.pending_tasks_count = len(live) - cluster.running_tasks_count
        cluster.active_services_count = len([s for s in services if s.status == "ACTIVE"])


def _awaited(containers: list[dict[str, Any]]) -> set[str]:
    """The containers whose end others wait for before they start."""
    conditions = [each for container in containers for each in container.get("dependsOn") or ()]
    return {each["containerName"] for each in conditions if each["condition"] in ("SUCCESS", "COMPLETE")}
