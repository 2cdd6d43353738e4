"""The additional reads of troubleshooting: network, ECS Exec, running processes, logs and CloudTrail."""

from __future__ import annotations

import shutil
from dataclasses import replace

from omc_runbook.snapshot import exec_read, failure_logs, follow_ups, networking, roles
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

PLUGIN = "session-manager-plugin"


def look_inside(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Add the values in running tasks' processes, read over ECS Exec, and the roles that ECS Exec needs."""
    snapshot = replace(snapshot, plugin=shutil.which(PLUGIN) or "")
    task_roles = {
        arn: gatherer.pool.submit(roles.read_exec, gatherer.clients, arn) for arn in sorted(_task_roles(snapshot))
    }
    snapshot = replace(snapshot, inside=exec_read.read(gatherer, snapshot))
    return replace(snapshot, task_roles={arn: answer.result() for arn, answer in task_roles.items()})


def look_deeper(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Add the network, log lines of failed tasks and CloudTrail's events."""
    snapshot = follow_ups.register_former(gatherer, snapshot)
    snapshot = follow_ups.read_authors(gatherer, snapshot)
    snapshot = replace(snapshot, network=networking.read(gatherer, snapshot))
    snapshot = replace(snapshot, log_lines=failure_logs.read(gatherer, snapshot))
    return follow_ups.read_previous(gatherer, snapshot) if failure_logs.has_login_failure(snapshot) else snapshot


def _task_roles(snapshot: Snapshot) -> set[str]:
    """ARNs of the task roles of the consumers' running tasks with ECS Exec."""
    running = [task for service in snapshot.consumers for task in snapshot.running(service) if task.execute]
    definitions = (snapshot.definition(task.task_definition_arn) for task in running)
    return {definition.task_role_arn for definition in definitions if definition} - {""}
