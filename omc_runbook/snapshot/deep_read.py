"""The deeper look that troubleshooting takes: the network, ECS Exec, running processes, logs and CloudTrail."""

from __future__ import annotations

import shutil
from dataclasses import replace

from omc_runbook.snapshot import exec_read, failure_logs, follow_ups, networking, roles
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

PLUGIN = "session-manager-plugin"


def look_inside(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Add what the processes of running tasks hold, and what ECS Exec needs for that."""
    snapshot = replace(snapshot, plugin=shutil.which(PLUGIN) or "")
    task_roles = {
        arn: gatherer.pool.submit(roles.read_exec, gatherer.clients, arn) for arn in sorted(_task_roles(snapshot))
    }
    snapshot = replace(snapshot, inside=exec_read.look(gatherer, snapshot))
    return replace(snapshot, task_roles={arn: answer.result() for arn, answer in task_roles.items()})


def look_deeper(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Add the network, the last words of failed tasks and CloudTrail's events."""
    follow_ups.know_former(gatherer, snapshot)
    snapshot = follow_ups.read_authors(gatherer, snapshot)
    snapshot = replace(snapshot, network=networking.read(gatherer, snapshot))
    snapshot = replace(snapshot, words=failure_logs.read(gatherer, snapshot))
    return follow_ups.read_previous(gatherer, snapshot) if failure_logs.tell_of_refusal(snapshot) else snapshot


def _task_roles(snapshot: Snapshot) -> set[str]:
    """ARNs of the roles that the consumers' running tasks with ECS Exec have."""
    running = [task for service in snapshot.consumers for task in snapshot.running(service) if task.execute]
    definitions = (snapshot.definition(task.task_definition_arn) for task in running)
    return {definition.task_role_arn for definition in definitions if definition} - {""}
