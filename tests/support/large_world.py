"""An environment of any size in memory."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

from support.snapshots import KEYS, NOW, event, healthy, service, task, task_definition

from omc_runbook.aws.secretsmanager import Version
from omc_runbook.snapshot.state import Snapshot

TASKS = 4
"""How many tasks each service runs."""


def large(services: int) -> Snapshot:
    """So many services that refer to the secret, each with its tasks, as many versions, and CloudTrail's reads."""
    names = ("backend", *(f"service-{number}" for number in range(1, services)))
    definitions = [task_definition(name, KEYS) for name in names]
    tasks = tuple(task(name) for name in names for _ in range(TASKS))
    former = (
        Version(secrets.token_hex(16), NOW - timedelta(days=100 + number), ()) for number in range(services, 0, -1)
    )
    snapshot = healthy()
    return replace(
        snapshot,
        service_names=names,
        services=tuple(replace(service(name), desired=TASKS, running=TASKS) for name in names),
        task_definitions={definition.arn: definition for definition in definitions},
        tasks=tasks,
        versions=(*former, *snapshot.versions),
    )


def with_reads(snapshot: Snapshot) -> Snapshot:
    """The same with the call by which each task read the secret, and those that wrote its versions."""
    reads = tuple(
        event("GetSecretValue", each.created or NOW, principal=f"arn:aws:sts::1:assumed-role/execution/{each.id}")
        for each in snapshot.tasks
    )
    writes = tuple(event("PutSecretValue", version.created, version.id) for version in snapshot.versions)
    return replace(snapshot, reads=reads, writes=writes)
