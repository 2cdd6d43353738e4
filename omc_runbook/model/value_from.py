"""The valueFrom of a container's secret: where ECS is told to find a variable's value."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Kind = Literal["secretsmanager", "ssm"]

_ARN = re.compile(r"^arn:(?P<partition>[a-z-]+):(?P<service>[a-z-]+):(?P<region>[^:]*):(?P<account>[^:]*):")
_SUFFIX = re.compile(r"^(?P<name>.+)-(?P<suffix>[A-Za-z0-9]{6})$")
_UNFILLED = re.compile(r"\$\{[^}]*\}?|\{\{[^}]*\}*")
_SPACE = re.compile(r"\s")
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
        return Reference(value_from, "ssm", problem=_mistaken(value_from))
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


def is_secret_name(name: str, secret_name: str) -> bool:
    """Tell whether the last part of an ARN, with its suffix or without, is that of a secret's name."""
    return name in (secret_name, split_suffix(secret_name)[0])


def means_secret(reference: Reference, name: str, keys: Collection[str]) -> bool:
    """Whether a reference means the secret of a name, well or badly written; `keys` are those that it may hold."""
    if reference.problem:
        return name in reference.text or not (reference.secret_name or ":secret:" in reference.text)
    if reference.kind == "ssm":
        # Names of SSM parameters that mean something have a path or an ARN; a bare one was meant for the secret.
        if reference.text.startswith(("/", "arn:")):
            return reference.text.endswith(f"/{name}")
        return name in reference.text or reference.text in keys
    return is_secret_name(name, reference.secret_name)


def split_suffix(secret_name: str) -> tuple[str, str]:
    """Split the last part of a secret's ARN into name and six-character suffix ("" where it has none)."""
    match = _SUFFIX.match(secret_name)
    return (match["name"], match["suffix"]) if match else (secret_name, "")


def is_short_version(version_id: str) -> bool:
    """Tell a version id that is too short to be one (Secrets Manager's have 32 to 64 characters)."""
    return 0 < len(version_id) < _SHORTEST_VERSION_ID


def _mistaken(text: str) -> str:
    """What shows that a text which is no secret's ARN was meant to be one, and no SSM parameter's name."""
    if not text:
        return "the valueFrom is empty"
    if unfilled := _UNFILLED.search(text):
        return f"nobody filled in {unfilled.group()}"
    if ":secret:" in text:
        return "a secret's ARN begins with arn:PARTITION:secretsmanager:"
    return ""


def _problem(fields: list[str], version_id: str) -> str:
    if len(fields) not in (7, 10):
        return f"it has {len(fields)} colon-separated fields where 7 (whole secret) or 10 (:KEY::) are due"
    if fields[5] != "secret" or not fields[6]:
        return "it does not name a secret after its account"
    if "*" in fields[6] or "?" in fields[6]:
        return "it has a wildcard in the secret's name, which only policies take"
    if any(_SPACE.search(field) for field in (*fields[:7], *fields[8:])):
        return "it has white space in it"
    if len(version_id) > _LONGEST_VERSION_ID:
        return f"its version id has {len(version_id)} characters where at most {_LONGEST_VERSION_ID} are allowed"
    return ""
