"""Requests as AWS takes them: botocore checks no maximum, pattern or enumeration, and emulators check few."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from omc_runbook.aws import answer

if TYPE_CHECKING:
    from botocore.model import OperationModel

    from omc_runbook.aws.calls import Wrapper

MOST = {
    "ecs:DescribeClusters": ("clusters", 100),
    "ecs:DescribeDaemonRevisions": ("daemonRevisionArns", 20),
    "ecs:DescribeServiceDeployments": ("serviceDeploymentArns", 20),
    "ecs:DescribeServices": ("services", 10),
    "ecs:DescribeTasks": ("tasks", 100),
}
"""How many entries a list may have, where that stands in the documentation alone."""
FILTERS, VALUES = 50, 200
"""How many filters a call of EC2 may have, and how many values these may have together."""
SECRET_BYTES = 65_536


def insist(setattr: Callable[[Any, str, Any], None]) -> None:
    """Let each client of the package raise AssertionError for a request that AWS would refuse."""
    wrap_calls = answer.wrap_calls

    def wrap_and_check(events: Any, wrapper: Wrapper) -> None:
        wrap_calls(events, wrapper)
        events.register("provide-client-params", _check)

    setattr(answer, "wrap_calls", wrap_and_check)


def _check(params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
    shape, operation = model.input_shape, f"{model.service_model.service_name}:{model.name}"
    found = [*(_of_model(params, shape, "") if shape else ()), *_of_documentation(operation, params)]
    assert not found, f"AWS refuses this {operation}: {'; '.join(found)}"


def _of_model(value: Any, shape: Any, path: str) -> Iterator[str]:
    """What the service model does not allow, without a value, which may be a secret."""
    limits = shape.metadata
    match shape.type_name:
        case "structure":
            for name in value.keys() & shape.members.keys():
                yield from _of_model(value[name], shape.members[name], f"{path}.{name}")
        case "list":
            for each in value:
                yield from _of_model(each, shape.member, f"{path}[]")
        case "string" if shape.enum and value not in shape.enum:
            yield f"{path} is none of {', '.join(shape.enum)}"
        case "string" if "pattern" in limits:
            # Some use what Python's re lacks, such as \p{L}.
            with suppress(re.error):
                if not re.fullmatch(limits["pattern"], value):
                    yield f"{path} does not match {limits['pattern']}"
    size = value if shape.type_name in ("integer", "long") else len(value) if hasattr(value, "__len__") else 0
    if "max" in limits and size > limits["max"]:
        yield f"{path} has {size}, and {limits['max']} is the most"


def _of_documentation(operation: str, request: Mapping[str, Any]) -> Iterator[str]:
    member, most = MOST.get(operation, ("", 0))
    if len(request.get(member, ())) > most:
        yield f"more than {most} {member}"
    filters = request.get("Filters", ()) if operation.startswith("ec2:") else ()
    if len(filters) > FILTERS or sum(len(each["Values"]) for each in filters) > VALUES:
        yield "too many filters, or values of them"
    if len(request.get("SecretString", "").encode()) > SECRET_BYTES:
        yield "SecretString is too long"
