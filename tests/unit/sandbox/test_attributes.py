"""The values of an answer's members are those that moto itself picks, and are written as moto writes them."""

import gc
import weakref
from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar

import pytest
from moto.core.errors import get_error_model
from moto.core.model import Shape, StructureShape
from moto.core.serialize import AttributePickerContext, JSONSerializer, XFormedAttributePicker, never_return
from moto.core.utils import get_service_model
from moto.ecs.exceptions import ClusterNotFoundException

from omc_runbook.sandbox.aws.attributes import pick, write_structure

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
    return task.members


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


class Status(Enum):
    """A text of a model that moto has as an enumeration."""

    RUNNING = "RUNNING"


class Writer(JSONSerializer):
    """moto's serializer with the sandbox's way of writing a structure."""

    _serialize_type_structure = write_structure


MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
CONTAINER = {"name": "web", "exitCode": True, "networkInterfaces": [{}, {"private_ipv4_address": "10.0.0.1"}]}


@pytest.mark.parametrize(
    "tasks",
    [
        [],
        [Task(), Task(), {}, {"taskArn": "arn", "version": "7", "containers": [CONTAINER, {}, {"reason": ""}]}],
        [{"lastStatus": Status.RUNNING, "createdAt": MOMENT, "started_at": "2026-02-03T04:05:06Z", "cpu": 256}],
        [{"attributes": [], "overrides": {}, "ephemeralStorage": {"sizeInGiB": 21.0}, "group": None, "memory": []}],
        [{"taskArn": {}, "healthStatus": Status.RUNNING, "enableExecuteCommand": 0, "tags": ({"key": "a"},)}],
    ],
    ids=["nothing", "objects and mappings", "forms to change", "empty", "unusual"],
)
@pytest.mark.parametrize("transformers", [{}, {"Task.version": never_return, "roup": str}], ids=["plain", "changed"])
def test_an_answer_is_the_text_that_moto_writes(tasks: list[Any], transformers: dict[str, Any]) -> None:
    """Written for the first time and again."""
    answers = [
        kind(OPERATION, value_picker=XFormedAttributePicker(response_transformers=transformers)).serialize(result)
        for result in [{"tasks": tasks, "failures": [{"arn": "a", "reason": None}]}] * 2
        for kind in (JSONSerializer, Writer)
    ]
    assert answers == [answers[0]] * 4 and bool(tasks) == ('"tasks": [{' in str(answers[0]["body"]))


def test_what_is_known_of_an_errors_shape_goes_with_it() -> None:
    """moto makes one for each error, of which a sandbox that lasts answers with many."""
    error = ClusterNotFoundException()
    shape = get_error_model(error, OPERATION.service_model)
    body: dict[str, Any] = {}
    Writer(OPERATION, value_picker=XFormedAttributePicker())._serialize(body, error, shape, "")
    is_kept = weakref.ref(shape)
    del shape
    gc.collect()
    assert body == {"message": "Cluster not found."} and not is_kept()


def test_a_document_is_written_as_it_is() -> None:
    """Its members are in no model."""
    body: dict[str, Any] = {}
    document: Any = StructureShape("Document", {"type": "structure", "document": True}, None)
    Writer(OPERATION)._serialize(body, {"Any": [1]}, document, "document")
    assert body == {"document": {"Any": [1]}}
