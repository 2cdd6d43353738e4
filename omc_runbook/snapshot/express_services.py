"""Express services: ECS lists and describes them like other services, but only to who asks for what ECS manages."""

from __future__ import annotations

from dataclasses import replace

from omc_runbook.aws import ecs
from omc_runbook.model.grouping import batches
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot


def read(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Read those that have tasks, with their task definitions; costs nothing where each task's service is listed.

    What could not be read is a gap of "services".
    """
    listed = {"", *(snapshot.service_names or ())}
    if "services" in gatherer.gaps or listed.issuperset(task.service for task in snapshot.tasks):
        return snapshot
    cluster = gatherer.names.cluster
    what = f"the Express services of cluster {cluster}"
    answer = gatherer.read(what, "ecs:ListServices", ecs.list_service_names, cluster, "ECS")
    names = [name for name in gatherer.keep("services", answer, ()) or () if name not in listed]
    answers = [
        gatherer.read(what, "ecs:DescribeServices", ecs.describe_services, cluster, batch)
        for batch in batches(names, ecs.SERVICES_A_CALL)
    ]
    services = gatherer.join("services", answers)
    arns = {each.task_definition_arn for each in services}
    arns |= {task.task_definition_arn for task in snapshot.tasks if task.service in names}
    definitions = gatherer.task_definitions("task_definitions", arns - snapshot.task_definitions.keys())
    return replace(snapshot, express_services=services, task_definitions={**snapshot.task_definitions, **definitions})
