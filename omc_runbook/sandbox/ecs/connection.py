"""Whether the agent of ECS Exec in a container connects to Session Manager.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from typing import Any

from moto.ecs.models import TaskDefinition

from omc_runbook.network.reachability import Request, TaskNetwork
from omc_runbook.sandbox.authorization import context_of, refusal
from omc_runbook.sandbox.ecs import network
from omc_runbook.sandbox.ecs.process import AGENT_STOPS
from omc_runbook.sandbox.ecs.tasks import EcsTask
from omc_runbook.sandbox.principals import Principal, caller, role_arn, role_session
from omc_runbook.snapshot.roles import CHANNELS


def connects(
    task: EcsTask, definition: TaskDefinition, container: dict[str, Any], task_network: TaskNetwork | None
) -> bool:
    """Whether the agent has a writable root file system, a role that may open channels, and network access."""
    if container.get("readonlyRootFilesystem") or AGENT_STOPS in (container.get("command") or []):
        return False
    role = _principal(task, definition, container)
    if role is None:
        return False
    context = context_of(role, task.region_name)
    if task_network is not None:
        request = Request(role.identity_arn, CHANNELS[0], "*")
        path = network.trace_call(task_network, task.account, task.region_name, request)
        if path is not None and path.is_reachable is False:
            return False
    return all(refusal(role, action, "*", context) is None for action in CHANNELS)


def _principal(task: EcsTask, definition: TaskDefinition, container: dict[str, Any]) -> Principal | None:
    """Who the agent calls as: the owner of the keys in the container's environment, else the task role."""
    plain = {entry["name"]: entry.get("value", "") for entry in container.get("environment") or []}
    injected = {entry["name"] for entry in container.get("secrets") or []}
    if {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= {*plain, *injected}:
        return caller(plain.get("AWS_ACCESS_KEY_ID", ""))
    name = getattr(definition, "task_role_arn", None)
    return role_session(role_arn(name, task.account), task.id) if name else None
