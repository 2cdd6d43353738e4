"""Command lines of the AWS CLI, read by botocore's models: the call that each makes, as boto3 would make it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator

_EVERYWHERE = frozenset({"region", "output", "query"})
"""Options of the CLI itself."""
_SCALAR_OPTIONS = {
    "protocol": "IpProtocol",
    "port": "FromPort",
    "cidr": "CidrIp",
    "source-group": "SourceSecurityGroupName",
}
"""What the CLI alone has for one rule of a security group."""
_SERVICES = {"s3api": "s3"}
"""The CLI's own names of services."""
_RENAMED = {("sns", "subscribe"): {"notification-endpoint": "endpoint"}}
"""Options that the CLI calls otherwise than AWS's model."""
_ONLY_CLI = {("logs", "tail"): {"since"}}
"""Commands that are no operation: their options."""


@dataclass(frozen=True)
class Call:
    """A service's operation, the parameters as boto3 takes them, and the region."""

    service: str
    operation: str
    parameters: dict[str, Any]
    region: str = ""


@cache
def _operations(service: str) -> dict[str, OperationModel]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def read_line(line: str) -> list[Call]:
    """Read the commands of a line that are joined by &&, as a shell takes them apart."""
    commands: list[list[str]] = [[]]
    for word in shlex.split(line):
        if word == "&&":
            commands.append([])
        else:
            commands[-1].append(word)
    return [read(words) for words in commands]


def read(words: Sequence[str]) -> Call:
    """Read the words of an `aws` command; raises ValueError for what the CLI or AWS's model would refuse.

    A file of which the option names the path stays a path.
    """
    program, service, name, *rest = words
    if program != "aws":
        raise ValueError(f"{program} is not the AWS CLI")
    service, options = _SERVICES.get(service, service), dict(_options(rest))
    region = " ".join(options.pop("region", ()))
    if (service, name) in _ONLY_CLI:
        positional = options.pop("", [])
        if len(positional) != 1 or options.keys() - _ONLY_CLI[service, name]:
            raise ValueError(f"aws {service} {name} does not take {options}")
        return Call(service, name, {}, region)
    operation = _operations(service).get(name)
    if operation is None:
        raise ValueError(f"{service} has no operation {name}")
    shape = operation.input_shape
    members = {xform_name(member, "-"): member for member in shape.members}
    parameters: dict[str, Any] = {}
    is_from_file = options.pop("cli-input-json", None)
    renamed = _RENAMED.get((service, name), {})
    for option, values in ((renamed.get(option, option), values) for option, values in options.items()):
        member = members.get(option) or members.get(option.removeprefix("no-"))
        if option in _EVERYWHERE:
            continue
        if member:
            parameters[member] = _value(
                shape.members[member], values, not option.startswith("no-") or option in members
            )
        elif "security-group" in name and option in _SCALAR_OPTIONS:
            parameters |= {_SCALAR_OPTIONS[option]: int(values[0]) if option == "port" else values[0]}
        else:
            raise ValueError(f"aws {service} {name} has no option --{option}")
    if "SourceSecurityGroupName" in parameters:
        parameters = _rule(parameters)
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors() and not is_from_file:
        raise ValueError(f"aws {service} {name}: {report.generate_report()}")
    return Call(service, xform_name(operation.name), parameters, region)


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, values = "", list[str]()
    for word in words:
        if word.startswith("--"):
            if name or values:
                yield name, values
            name, values = word[2:], []
        else:
            values.append(word)
    if name or values:
        yield name, values


def _value(shape: Shape, words: list[str], flag: bool = True) -> Any:
    if shape.type_name == "boolean" and not words:
        return flag
    if not words:
        raise ValueError(f"{shape.name} has no value")
    is_json = words[0][:1] in ("{", "[") and shape.type_name in ("list", "structure", "map")
    if is_json:
        return json.loads(words[0])
    if isinstance(shape, ListShape):
        return [_value(shape.member, [word]) for word in words]
    if len(words) > 1:
        raise ValueError(f"{shape.name} has {len(words)} words")
    if isinstance(shape, StructureShape):
        return _shorthand(shape, words[0])
    return _scalar(shape, words[0])


def _scalar(shape: Shape, word: str) -> Any:
    if shape.type_name in ("double", "float"):
        return float(word)
    if shape.type_name in ("integer", "long"):
        return int(word)
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[word.lower()]
    if shape.type_name == "timestamp":
        return datetime.fromisoformat(word)
    if shape.enum and word not in shape.enum:
        raise ValueError(f"{word} is none of {shape.enum}")
    return word


def _shorthand(shape: Shape, text: str) -> Any:
    """What `a=b,c=[{d=e}]` means for a shape."""
    if text.startswith("[") and isinstance(shape, ListShape):
        return [_shorthand(shape.member, part.strip("{}")) for part in _parts(text[1:-1])]
    if not isinstance(shape, StructureShape):
        return _scalar(shape, text)
    found = {}
    for part in _parts(text):
        name, mark, value = part.partition("=")
        if not mark or name not in shape.members:
            raise ValueError(f"{shape.name} has no member {name}")
        found[name] = _shorthand(shape.members[name], value)
    return found


def _parts(text: str) -> list[str]:
    """The parts between commas that stand in no brackets."""
    return [part for part in re.split(r",(?![^\[]*\])(?![^{]*\})", text) if part]


def _rule(parameters: dict[str, Any]) -> dict[str, Any]:
    """The rule of a security group that the CLI makes of its own options."""
    port = parameters["FromPort"]
    pair = {"GroupId": parameters["SourceSecurityGroupName"]}
    rule = {"IpProtocol": parameters["IpProtocol"], "FromPort": port, "ToPort": port, "UserIdGroupPairs": [pair]}
    return {"GroupId": parameters["GroupId"], "IpPermissions": [rule]}
