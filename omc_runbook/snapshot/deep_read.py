"""The additional reads of troubleshooting: network, ECS Exec, running processes, logs and CloudTrail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from omc_runbook.aws import ecs, kms
from omc_runbook.aws.ecs import SessionSettings
from omc_runbook.model import programs
from omc_runbook.snapshot import exec_read, failure_logs, follow_ups, networking, roles
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.roles import DECRYPT
from omc_runbook.snapshot.state import Snapshot

PLUGIN = "session-manager-plugin"
SESSION_FAILURES = frozenset({"agent", "session", "timeout", "log-group", "bucket"})
"""Kinds of `ExecFailure` for which the encryption of sessions, or of their log, may be the reason."""


class InsideRead:
    """The read of the values in running tasks' processes, over ECS Exec, and of the roles that ECS Exec needs.

    It begins at once, so that other reads are made meanwhile. No program of the checkout in `root` is run.
    """

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot, root: Path | None = None) -> None:
        self._gatherer, self._plugin = gatherer, programs.find(PLUGIN, root) or ""
        self._task_roles = {
            arn: gatherer.pool.submit(roles.read_exec, gatherer.clients, arn) for arn in sorted(_task_roles(snapshot))
        }
        self._values = exec_read.ExecRead(gatherer, replace(snapshot, plugin=self._plugin))

    def end(self, snapshot: Snapshot) -> Snapshot:
        """Add what was found."""
        snapshot = replace(snapshot, plugin=self._plugin, exec_looks=self._values.end())
        if any(look.refused and look.refused.kind in SESSION_FAILURES for look in snapshot.exec_looks or ()):
            snapshot = _with_session_settings(self._gatherer, snapshot)
        return replace(snapshot, task_roles={arn: answer.result() for arn, answer in self._task_roles.items()})


def _with_session_settings(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Add the settings for ECS Exec's sessions, the key that encrypts them, and whether the task roles may use it."""
    cluster = gatherer.names.cluster
    configuration = gatherer.read(
        f"the configuration of cluster {cluster}", "ecs:DescribeClusters", ecs.session_settings, cluster
    )
    settings = gatherer.keep("session_key", configuration, SessionSettings())
    snapshot, key_id = replace(snapshot, session_settings=settings), settings.key
    if not key_id:
        return snapshot
    described = gatherer.read(f"key {key_id}", "kms:DescribeKey", kms.describe_key, key_id)
    key = gatherer.keep("session_key", described, None)
    if key is None:
        is_missing = described.result() is None
        return replace(snapshot, missing_session_key=key_id if is_missing else "")
    document = gatherer.read(f"the policy of key {key_id}", "kms:GetKeyPolicy", kms.get_key_policy, key.arn)
    needed = [(DECRYPT, key.arn)]
    answers = {
        arn: gatherer.pool.submit(roles.read, gatherer.clients, arn, "", "", needed) for arn in _task_roles(snapshot)
    }
    return replace(
        snapshot,
        session_key=replace(key, policy=gatherer.keep("session_key", document, None)),
        session_roles={arn: answer.result() for arn, answer in answers.items()},
    )


def look_deeper(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Add the network, log lines of failed tasks and CloudTrail's events."""
    snapshot = follow_ups.register_former(gatherer, snapshot)
    snapshot = follow_ups.read_authors(gatherer, snapshot)
    snapshot = replace(snapshot, network=networking.read(gatherer, snapshot))
    snapshot = replace(snapshot, organization=follow_ups.read_organization(gatherer, snapshot))
    snapshot = replace(snapshot, log_lines=failure_logs.read(gatherer, snapshot))
    return follow_ups.read_previous(gatherer, snapshot) if failure_logs.has_login_failure(snapshot) else snapshot


def _task_roles(snapshot: Snapshot) -> set[str]:
    """ARNs of the task roles of the consumers' running tasks with ECS Exec."""
    running = [task for service in snapshot.container_consumers for task in snapshot.running(service) if task.execute]
    definitions = (snapshot.definition(task) for task in running)
    return {definition.task_role_arn for definition in definitions if definition} - {""}
