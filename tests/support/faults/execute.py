"""Faults of the family execute, each made in a healthy snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.check_assertions import Fault
from support.faults.access import DELEGATES, KEY
from support.networks import PRIVATE, TASKS, by_endpoint
from support.scene import Shown
from support.snapshots import (
    ACCOUNT,
    NAMES,
    by_policies,
    looked,
    with_channels,
    with_container,
    with_refusal,
    with_service,
)

from omc_runbook.aws.ec2 import Network
from omc_runbook.aws.ecs import Placement, TaskContainer
from omc_runbook.aws.kms import KmsKey
from omc_runbook.checks.execute import STATIC_KEYS
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.snapshot.roles import Permissions
from omc_runbook.snapshot.state import Snapshot

ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAMES.task_role}"


def with_worker(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """Change the worker's running tasks."""
    tasks = tuple(replace(old, **changes) if old.service == "worker" else old for old in snapshot.tasks)
    return replace(snapshot, tasks=tasks)


def without_agent(snapshot: Snapshot, status: str = "STOPPED") -> Snapshot:
    """Let the agent not run in the worker's tasks."""
    with_containers = with_worker(looked(snapshot), containers=(TaskContainer("worker", None, "", status),))
    return with_refusal(with_containers, "worker", "agent")


def with_role(snapshot: Snapshot, known: Permissions) -> Snapshot:
    """Let the tasks' role be another."""
    return replace(looked(snapshot), task_roles={ROLE: known})


def placed(snapshot: Snapshot, network: Network) -> Snapshot:
    """Let the worker's tasks stand in a private subnet of a network."""
    return replace(with_service(snapshot, "worker", placement=Placement((PRIVATE,), (TASKS,))), network=network)


def encrypted(snapshot: Snapshot, *policies: PolicyDocument) -> Snapshot:
    """Let a key encrypt sessions, all of which fail, and the task role have these policies."""
    key = KmsKey(arn=KEY, state="Enabled", manager="CUSTOMER", deletion=None, policy=DELEGATES)
    with_refusals = looked(snapshot)
    for name in ("backend", "worker"):
        with_refusals = with_refusal(with_refusals, name, "session", "Fetching data key failed")
    return replace(with_refusals, session_key=key, session_roles={ROLE: by_policies(*policies)})


FAULTS = {
    "exec-off": Fault(
        lambda s: with_refusal(with_worker(looked(s), execute=False), "worker", "off"),
        "worker",
        "enableExecuteCommand is false for task",
        "worker",
    ),
    "exec-agent": Fault(without_agent, "worker", "the ExecuteCommandAgent STOPPED", "worker"),
    "exec-iam": Fault(
        lambda s: with_role(s, with_channels("implicitDeny")), NAMES.task_role, "may not call ssmmessages:CreateControl"
    ),
    "exec-endpoint": Fault(
        lambda s: placed(without_agent(s), by_endpoint()),
        "rtb-private",
        "no endpoint for com.amazonaws.ap-southeast-2.ssmmessages",
        "worker",
    ),
    "exec-readonly": Fault(
        lambda s: with_container(without_agent(s), "worker", lambda old: replace(old, readonly=True)),
        "ohmycoins-staging-worker:7 worker",
        "readonlyRootFilesystem is true",
        "worker",
    ),
    "exec-kms": Fault(encrypted, NAMES.task_role, "may not call kms:Decrypt on it"),
    "exec-static-keys": Fault(
        lambda s: with_container(
            without_agent(s), "worker", lambda old: replace(old, environment=(*old.environment, *STATIC_KEYS))
        ),
        "ohmycoins-staging-worker:7 worker",
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the agent of ECS Exec uses them",
        "worker",
    ),
    "exec-no-shell": Fault(
        lambda s: with_refusal(looked(s), "worker", "no-shell", 'exec: "sh": executable file not found in $PATH'),
        "worker",
        "executable file not found",
        "worker",
    ),
    "exec-plugin": Fault(lambda s: replace(looked(s), plugin=""), "this machine", "its own client", ""),
}

SHOWN: Shown = {
    "exec-off": lambda s: (
        s.running("worker")["enableExecuteCommand"] is False and "not enabled" in s.exec_refusal("worker") and s.whole()
    ),
    "exec-agent": lambda s: s.has_no_agent("worker") and not s.has_no_agent("backend") and s.whole(),
    "exec-iam": lambda s: s.has_no_agent("worker") and s.has_no_agent("backend") and s.whole(),
    "exec-endpoint": lambda s: s.has_no_agent("worker") and not s.has_no_agent("backend") and s.whole(),
    "exec-readonly": lambda s: (
        s.definition("worker")["containerDefinitions"][0]["readonlyRootFilesystem"] is True
        and s.has_no_agent("worker")
        and s.whole()
    ),
    "exec-kms": lambda s: bool(s.session_key()) and not s.has_no_agent("worker") and s.whole(),
    "exec-static-keys": lambda s: s.has_no_agent("worker") and not s.has_no_agent("backend") and s.whole(),
    "exec-no-shell": lambda s: (
        s.command("worker") == ["--sandbox-no-shell"] and not s.has_no_agent("worker") and s.whole()
    ),
}
