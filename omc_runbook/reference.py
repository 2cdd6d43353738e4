"""The valueFrom of a container's secret: where ECS is told to find a variable's value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["secretsmanager", "ssm"]

_ARN = re.compile(r"^arn:(?P<partition>[a-z-]+):(?P<service>[a-z-]+):(?P<region>[^:]*):(?P<account>[^:]*):")
_SUFFIX = re.compile(r"^(?P<name>.+)-(?P<suffix>[A-Za-z0-9]{6})$")
_SHORTEST_VERSION_ID = 32
_LONGEST_VERSION_ID = 64


@dataclass(frozen=True)
class Reference:
    """A valueFrom taken apart.

    `kind` is "ssm" for anything that is not a Secrets Manager ARN, as ECS reads it. `problem` is a
    sentence when the text does not follow the grammar, else "". Empty `key`, `stage` and `version_id`
    mean what ECS takes them to mean: the whole string, AWSCURRENT, no fixed version.

    See https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specifying-sensitive-data.html
    """

    text: str
    kind: Kind
    partition: str = ""
    region: str = ""
    account: str = ""
    secret_name: str = ""
    """The last part of the secret's ARN: the name, with its six-character suffix where it has one."""
    key: str = ""
    stage: str = ""
    version_id: str = ""
    problem: str = ""

    @property
    def secret_arn(self) -> str:
        """The secret's ARN without key, stage and version; "" for an SSM parameter."""
        if self.kind == "ssm":
            return ""
        return f"arn:{self.partition}:secretsmanager:{self.region}:{self.account}:secret:{self.secret_name}"

    @property
    def names_version(self) -> bool:
        """Whether a stage other than AWSCURRENT, or a version id, is fixed."""
        return bool(self.version_id) or self.stage not in ("", "AWSCURRENT")


def parse(value_from: str) -> Reference:
    """Take a valueFrom apart; never raises: `problem` says what is wrong with it."""
    match = _ARN.match(value_from)
    if not match or match["service"] != "secretsmanager":
        problem = "" if value_from else "the valueFrom is empty"
        return Reference(value_from, "ssm", problem=problem)
    fields = value_from.split(":")
    name = fields[6] if len(fields) > 6 else ""
    key, stage, version_id = [*fields[7:10], "", "", ""][:3]
    return Reference(
        value_from,
        "secretsmanager",
        match["partition"],
        match["region"],
        match["account"],
        name,
        key,
        stage,
        version_id,
        _problem(fields, version_id),
    )


def split_suffix(secret_name: str) -> tuple[str, str]:
    """Split the last part of a secret's ARN into name and six-character suffix ("" where it has none)."""
    match = _SUFFIX.match(secret_name)
    return (match["name"], match["suffix"]) if match else (secret_name, "")


def is_short_version(version_id: str) -> bool:
    """Tell a version id that is too short to be one (Secrets Manager's have 32 to 64 characters)."""
    return 0 < len(version_id) < _SHORTEST_VERSION_ID


def _problem(fields: list[str], version_id: str) -> str:
    if len(fields) not in (7, 10):
        return f"it has {len(fields)} colon-separated fields where 7 (whole secret) or 10 (:KEY::) are due"
    if fields[5] != "secret" or not fields[6]:
        return "it does not name a secret after its account"
    if len(version_id) > _LONGEST_VERSION_ID:
        return f"its version id has {len(version_id)} characters where at most {_LONGEST_VERSION_ID} are allowed"
    return ""
