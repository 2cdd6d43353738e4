"""The valueFrom of a container's secret: where ECS finds a variable's value."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from omc_runbook.model import letters

Kind = Literal["secretsmanager", "ssm"]

_ARN = re.compile(r"^arn:(?P<partition>[a-z-]+):(?P<service>[a-z0-9-]+):(?P<region>[^:]*):(?P<account>[^:]*):")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_PARAMETER = re.compile(rf"arn:[a-z-]+:ssm:{_REGION.pattern}:([0-9]{{12}}:parameter|:parameter/aws)/[^:\s]+(:[^:\s]+)?")
"""A parameter's ARN, with its version or label where it names one; AWS's own public ones, /aws/…, have no account."""
_SUFFIX = re.compile(r"^(?P<name>.+)-(?P<suffix>[A-Za-z0-9]{6})$")
_UNFILLED = re.compile(r"\$\{[^}]*\}?|\{\{[^}]*\}*")
_NOTHING = re.compile(r"(?i)(?:(?:None|null|nil|<nil>|undefined)(?!:\d+\Z))?:")
"""What stands before a key, and not before a parameter's version, where a program had no ARN to put there."""
_SPACE = re.compile(r"\s")
_IN_NO_NAME = re.compile(r"[^A-Za-z0-9/_+=.@!-]")
"""Characters that Secrets Manager accepts in no name; "!" is in those that an AWS service gives, such as rds!db-…"""
_SHORTEST_VERSION_ID = 32
_LONGEST_VERSION_ID = 64


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A parsed valueFrom.

    `kind` is "ssm" for anything that is not a Secrets Manager ARN, as ECS reads it. `problem` says, as a clause,
    why the text is malformed; "" where it is not. Empty `key`, `stage` and `version_id` have ECS's meaning: the whole
    string, AWSCURRENT, no fixed version.

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
    def secret_id(self) -> str:
        """What Secrets Manager finds the secret by: its ARN, or where the reference has only its name, that."""
        return self.secret_arn if self.text.startswith("arn:") else self.secret_name

    @property
    def is_partial(self) -> bool:
        """Whether it lacks the six-character suffix of the secret's ARN."""
        return self.kind == "secretsmanager" and (
            self.secret_id == self.secret_name or not split_suffix(self.secret_name)[1]
        )

    @property
    def secret_pattern(self) -> str:
        """The secret's ARN as a policy can name it, with ?????? for a suffix that it lacks; "" for an SSM parameter."""
        return f"{self.secret_arn}-??????" if self.is_partial else self.secret_arn

    @property
    def has_no_region(self) -> bool:
        """Whether it is a secret's ARN with a region that none can be, such as ap_southeast_2."""
        return bool(self.region) and not _REGION.fullmatch(self.region)

    @property
    def source(self) -> str:
        """What holds the value, whatever key or version of it: the secret's ARN, or the parameter's name or ARN."""
        return self.secret_arn or self.text

    @property
    def names_version(self) -> bool:
        """Whether it names a version id or a staging label other than AWSCURRENT."""
        return bool(self.version_id) or self.stage not in ("", "AWSCURRENT")


def parse(value_from: str) -> Reference:
    """Parse a valueFrom; never raises: `problem` says what is wrong with it."""
    match = _ARN.match(value_from)
    if not match or match["service"] != "secretsmanager":
        return Reference(text=value_from, kind="ssm", problem=_ssm_problem(value_from))
    fields = value_from.split(":")
    name = fields[6] if len(fields) > 6 else ""
    key, stage, version_id = [*fields[7:10], "", "", ""][:3]
    return Reference(
        text=value_from,
        kind="secretsmanager",
        partition=match["partition"],
        region=match["region"],
        account=match["account"],
        secret_name=name,
        key=key,
        stage=stage,
        version_id=version_id,
        problem=_problem(fields, version_id),
    )


def of_value(label: str) -> Reference:
    """The reference of an entry whose valueFrom is a value, of which only the label is known here."""
    return Reference(
        text=label,
        kind="ssm",
        problem="it seems to be the value itself, in clear in the task definition: give the key a new one",
    )


def of_name(name: str, partition: str, region: str, account: str) -> Reference:
    """The reference of a registry's login that has only a secret's name, in the task's own region and account."""
    return Reference(
        text=name, kind="secretsmanager", partition=partition, region=region, account=account, secret_name=name
    )


def is_secret_name(name: str, secret_name: str) -> bool:
    """Whether the last part of an ARN, with or without its suffix, is a secret's name."""
    return name in (secret_name, split_suffix(secret_name)[0])


def named_among(names: Collection[str], secret_name: str) -> str:
    """Which of several secrets' names the last part of an ARN is; "" for none.

    shop-config is the secret of that name before it is one called shop, with the suffix that AWS has given it.
    """
    return next((each for each in (secret_name, split_suffix(secret_name)[0]) if each and each in names), "")


def means_secret(reference: Reference, name: str, keys: Collection[str], arn: str) -> bool:
    """Whether a reference means the secret of a name, well or badly written.

    `keys` are those that it may hold, `arn` is its own, where it exists: it shows whether a reference was cut off.
    """
    if reference.problem:
        text = reference.text.casefold()
        names_other = reference.secret_name or ":secret:" in text or ":ssm:" in text
        return name.casefold() in letters.skeleton(reference.text).casefold() or not names_other
    if reference.kind == "ssm":
        # Names of SSM parameters that mean something have a path or an ARN; a bare one was meant for the secret.
        if reference.text.startswith(("/", "arn:")):
            return reference.text.endswith(f"/{name}")
        return name in reference.text or reference.text in keys
    is_cut_off = arn.startswith(reference.secret_arn) and len(reference.secret_name) > len(name)
    return is_cut_off or is_secret_name(name, reference.secret_name)


def split_suffix(secret_name: str) -> tuple[str, str]:
    """Split the last part of a secret's ARN into name and six-character suffix ("" where it has none)."""
    match = _SUFFIX.match(secret_name)
    return (match["name"], match["suffix"]) if match else (secret_name, "")


def is_short_version(version_id: str) -> bool:
    """Whether a version id is shorter than Secrets Manager's 32 to 64 characters."""
    return 0 < len(version_id) < _SHORTEST_VERSION_ID


def _ssm_problem(text: str) -> str:
    """Why a text was probably meant to be a secret's ARN and not an SSM parameter's name; "" otherwise."""
    if not text:
        return "the valueFrom is empty"
    if unfilled := _UNFILLED.search(text):
        return f"the placeholder {unfilled.group()} is not filled in"
    if _NOTHING.match(text):
        return f"{text.partition(':')[0] or 'nothing'} stands where the secret's ARN belongs"
    if ":secret:" in text.casefold():
        return "a secret's ARN begins with arn:PARTITION:secretsmanager:"
    if "://" in text:
        return "it is a page's address, where a secret's ARN belongs"
    if ":ssm:" in text and text.startswith("arn:") and not _PARAMETER.fullmatch(text):
        return "it is no whole ARN of an SSM parameter, arn:PARTITION:ssm:REGION:ACCOUNT:parameter/NAME"
    if (match := _ARN.match(text)) and match["service"] != "ssm":
        return f"it is an ARN of {match['service']}, where a secret's or an SSM parameter's belongs"
    return ""


def _problem(fields: list[str], version_id: str) -> str:
    if len(fields) not in (7, 10):
        return f"it has {len(fields)} colon-separated fields instead of 7 (whole secret) or 10 (:KEY::)"
    if not (fields[3] and fields[4]):
        return f"it has no {'account id' if fields[3] else 'region'}"
    if fields[5] != "secret" or not fields[6]:
        return "it names no secret after the account id"
    if "*" in fields[6] or "?" in fields[6]:
        return "it has a wildcard in the secret's name, which only policies allow"
    if any(_SPACE.search(field) for field in (*fields[:7], *fields[8:])):
        return "it has white space in it"
    if odd := letters.describe("".join((*fields[:7], *fields[8:]))):
        return f"it has {odd} in it"
    if strange := _IN_NO_NAME.search(fields[6]):
        return f"the secret's name has {strange.group()} in it, which no name may have"
    if len(version_id) > _LONGEST_VERSION_ID:
        return f"its version id has {len(version_id)} characters where at most {_LONGEST_VERSION_ID} are allowed"
    return ""
