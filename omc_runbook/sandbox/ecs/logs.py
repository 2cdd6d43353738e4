"""Containers' logs, written to CloudWatch Logs as the awslogs driver does.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
"""

import time
from collections.abc import Callable
from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends

from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.ecs.injection import PullFailed
from omc_runbook.sandbox.ecs.tasks import EcsTask


def open_stream(task: EcsTask, container: dict[str, Any]) -> Callable[[list[str]], None]:
    """A function that appends lines to the container's log stream; raises PullFailed if the log group is missing."""
    driver = container.get("logConfiguration") or {}
    options = driver.get("options") or {}
    group = options.get("awslogs-group")
    if driver.get("logDriver") != "awslogs" or not group:
        return lambda lines: None
    stream = "/".join(filter(None, [options.get("awslogs-stream-prefix"), container["name"], task.id]))
    with STATE:
        backend = logs_backends[task.account][options.get("awslogs-region", task.region_name)]
        if options.get("awslogs-create-group") == "true":
            backend.ensure_log_group(group)
        try:
            backend.ensure_log_stream(group, stream)
        except ResourceNotFoundException:
            raise PullFailed(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
                f"failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group "
                f"does not exist. : {group}"
            ) from None

    def append(lines: list[str]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines if line]
        with STATE:
            # A group deleted while the task runs loses its lines, as on AWS.
            if events and group in backend.groups and stream in backend.groups[group].streams:
                backend.put_log_events(group, stream, events)

    return append
