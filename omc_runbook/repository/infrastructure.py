"""What a checkout describes of AWS without Terraform, such as by the AWS CDK: no name is read from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.model.letters import whole_words
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.terraform.task_definitions import is_definition

TOOLS = {
    "cdk.json": "the AWS CDK",
    ".workspace": "AWS Copilot",
    "samconfig.toml": "AWS SAM",
    **dict.fromkeys(("serverless.yml", "serverless.yaml", "serverless.ts"), "the Serverless Framework"),
    **dict.fromkeys(("Pulumi.yaml", "Pulumi.yml"), "Pulumi"),
    "sst.config.ts": "SST",
    "ecs-params.yml": "the ECS CLI",
    **dict.fromkeys(("ecspresso.yml", "ecspresso.yaml", "ecspresso.jsonnet"), "ecspresso"),
}
"""Which tool a file with this name belongs to."""
CLOUDFORMATION = "CloudFormation"
_TEMPLATE = re.compile(r"AWSTemplateFormatVersion|\bAWS::(?:ECS|SecretsManager)::")
BY_ITSELF = "a deployment without Terraform"
_ENDINGS = (".yaml", ".yml", ".json", ".template")
_SOURCES = (*_ENDINGS, ".jsonnet", ".libsonnet", ".ts", ".js", ".py", ".go")
"""The endings of files in which these tools are told a container's references."""
_REFERENCE = re.compile(r"(?i)secrets?_?manager|value_?from")
_COMMENT = re.compile(r"\s*(#|//)")


@dataclass(frozen=True)
class ReferenceElsewhere:
    """A line by which another tool than Terraform gives a container a key of a secret."""

    file: str
    line: int
    key: str


def other_tools(files: CheckoutFiles) -> tuple[str, ...]:
    """A sentence on each tool other than Terraform that has a file in a checkout, which names the first one."""
    first: dict[str, str] = {}
    for path, tool in _files(files):
        first.setdefault(tool, path.relative_to(files.root).as_posix())
    return tuple(f"{path} belongs to {tool}: only Terraform's files are read." for tool, path in first.items())


def _files(files: CheckoutFiles) -> Iterator[tuple[Path, str]]:
    for path in files.with_names(TOOLS):
        if path.name != ".workspace" or path.parent.name == "copilot":
            yield path, TOOLS[path.name]
    for path in files.ending(_ENDINGS):
        text = files.text(path)
        if _TEMPLATE.search(text):
            yield path, CLOUDFORMATION
        elif is_definition(path.name, text):
            yield path, BY_ITSELF


def find_references(files: CheckoutFiles, keys: Collection[str], without: str) -> Iterator[ReferenceElsewhere]:
    """Yield the last line of each of the tools' files that refers to one of a secret's keys, or begins to.

    Such a line has the key, and it or one beside it says Secrets Manager or valueFrom. Comments do not count, nor do
    files that have `without`, another key, already.
    """
    folders = tuple(dict.fromkeys(path.parent for path, _ in _files(files)))
    own, other = whole_words(keys), whole_words([without])
    for path in files.ending(_SOURCES) if folders and keys else ():
        text = files.text(path)
        if not any(path.is_relative_to(folder) for folder in folders) or not _REFERENCE.search(text):
            continue
        lines = ["" if _COMMENT.match(line) else line for line in text.split("\n")]
        if any(map(other.search, lines)):
            continue
        beside = zip(["", *lines], lines, [*lines[1:], ""], strict=False)
        found = [(at, own.search(each[1])) for at, each in enumerate(beside, 1) if _REFERENCE.search("\n".join(each))]
        if named := [(at, match[0]) for at, match in found if match]:
            yield ReferenceElsewhere(path.relative_to(files.root).as_posix(), *named[-1])
