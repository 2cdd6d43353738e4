"""The values of an answer's members are those that moto itself picks."""

from typing import Any, ClassVar

import pytest
from moto.core.model import Shape
from moto.core.serialize import AttributePickerContext, JSONSerializer, XFormedAttributePicker, never_return
from moto.core.utils import get_service_model

from omc_runbook.sandbox.aws.attributes import pick

OPERATION = get_service_model("ecs").operation_model("DescribeTasks")


class Task:
    """An object with attributes under several kinds of names."""

    class Meta:
        """Names of its own, one of them a path."""

        serialization_aliases: ClassVar[dict[str, str]] = {"stopCode": "reason.code", "cpu": "size"}

    def __init__(self) -> None:
        self.task_arn, self.version, self.definition_arn = "arn", 3, "definition"
        self.reason, self.size = {"code": "TaskFailedToStart"}, "256"
        self.group = None


def members() -> dict[str, Shape]:
    """The members of a task, as the service's model has them."""
    tasks: Any = OPERATION.output_shape
    task = tasks.members["tasks"].member
    for member in task.members.values():
        member.parent = task
    found: dict[str, Shape] = task.members
    return found


@pytest.mark.parametrize(
    "owner",
    [Task(), {"taskArn": "arn", "stop_code": "x", "version": 0}, {}, [], "text"],
    ids=["object", "mapping", "empty mapping", "list", "text"],
)
@pytest.mark.parametrize(
    "transformers", [{}, {"Task.version": never_return, "roup": str}], ids=["plain", "transformed"]
)
def test_each_member_has_the_value_that_moto_picks(owner: Any, transformers: dict[str, Any]) -> None:
    """Asked for the first time and again, for objects, mappings and others, with transformers and without."""
    picker = XFormedAttributePicker(response_transformers=transformers)
    serializer = JSONSerializer(OPERATION, value_picker=picker)
    serializer.path = ["DescribeTasks", "tasks", "Task"]
    for _ in range(2):
        picked = {key: pick(serializer, owner, key, shape) for key, shape in members().items()}
        assert picked == {
            key: picker(AttributePickerContext(owner, key, shape, key_path="DescribeTasks.tasks.Task"))
            for key, shape in members().items()
        }
    if isinstance(owner, Task):
        assert (picked["taskArn"], picked["stopCode"], picked["cpu"]) == ("arn", "TaskFailedToStart", "256")
