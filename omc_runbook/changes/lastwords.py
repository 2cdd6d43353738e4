"""What the container of a failed task said last, where its log tells."""

from __future__ import annotations

import re
from collections.abc import Iterator

from omc_runbook.aws import logs
from omc_runbook.aws.ecs import Task
from omc_runbook.aws.session import Clients, Unread, look
from omc_runbook.masking import registry
from omc_runbook.snapshot.state import Snapshot

TROUBLE = re.compile(
    r"\b(error|fatal|critical|panic|exception|refused|denied|failed)\b|Error\b|Exception\b", re.IGNORECASE
)
LONGEST = 240
MOST = 2


def last_words(clients: Clients, snapshot: Snapshot, service: str, deployment_id: str) -> tuple[str, ...]:
    """Sentences with the lines that tell of trouble, of the newest failed task of a deployment; its last line else.

    Values that are known are masked. Says so where the log may not be read; () where nothing was logged.
    """
    task = _failed(snapshot, service, deployment_id)
    definition = snapshot.definition(task.task_definition_arn) if task else None
    if task is None or definition is None or task.started is None:
        return ()
    client = clients("logs")
    told: list[str] = []
    for container in definition.containers:
        if container.log_group:
            stream = f"{container.log_prefix}/{container.name}/{task.id}"
            answer = look(
                f"the log of {container.name}",
                "logs:GetLogEvents",
                lambda group=container.log_group, stream=stream: logs.last_lines(client, group, stream),  # type: ignore[misc]
            )
            told += [answer.sentence] if isinstance(answer, Unread) else _told(container.name, answer)
    return tuple(told)


def _failed(snapshot: Snapshot, service: str, deployment_id: str) -> Task | None:
    stopped = (task for known in snapshot.services if known.name == service for task in snapshot.stopped(known))
    return next((task for task in stopped if task.deployment_id == deployment_id), None)


def _told(container: str, lines: tuple[str, ...]) -> Iterator[str]:
    said = [line for line in lines if line.strip()]
    for line in [line for line in said if TROUBLE.search(line)][-MOST:] or said[-1:]:
        text = registry.mask(" ".join(line.split()))
        yield f"The log of {container} says: {text if len(text) <= LONGEST else text[:LONGEST] + '…'}"
