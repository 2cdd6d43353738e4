"""Whether the agent of ECS Exec, which ECS puts beside a container's application, connects to Session Manager.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from typing import Any

from moto.ecs.models import TaskDefinition

from omc_runbook.network.reachability import Request, TaskNetwork
from omc_runbook.sandbox.authorization import context_of, refusal
from omc_runbook.sandbox.ecs import network
from omc_runbook.sandbox.ecs.process import AGENT_STOPS
from omc_runbook.sandbox.principals import PARTITION, role_session
from omc_runbook.snapshot.roles import CHANNELS


def connects(
    definition: TaskDefinition,
    container: dict[str, Any],
    task_id: str,
    region: str,
    account: str,
    place: TaskNetwork | None,
) -> bool:
    """Whether it does: it needs a root file system to write to, a role that may open its channels, and a way there."""
    if container.get("readonlyRootFilesystem") or AGENT_STOPS in (container.get("command") or []):
        return False
    arn = getattr(definition, "task_role_arn", None)
    if not arn:
        return False
    arn = arn if arn.startswith("arn:") else f"arn:{PARTITION}:iam::{account}:role/{arn}"
    role = role_session(arn, task_id)
    context = context_of(role, region)
    if place is not None:
        path = network.way(place, account, region, Request(role.identity_arn, CHANNELS[0], "*"))
        if path is not None and path.is_reachable is False:
            return False
    return all(refusal(role, action, "*", context) is None for action in CHANNELS)
