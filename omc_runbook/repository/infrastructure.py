"""What a checkout describes of AWS without Terraform, such as by the AWS CDK: no name is read from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.terraform.task_definitions import is_definition

TOOLS = {
    "cdk.json": "the AWS CDK",
    ".workspace": "AWS Copilot",
    "samconfig.toml": "AWS SAM",
    **dict.fromkeys(("serverless.yml", "serverless.yaml", "serverless.ts"), "the Serverless Framework"),
    **dict.fromkeys(("Pulumi.yaml", "Pulumi.yml"), "Pulumi"),
    "sst.config.ts": "SST",
    **dict.fromkeys(("ecspresso.yml", "ecspresso.yaml", "ecspresso.jsonnet"), "ecspresso"),
}
"""Which tool a file with this name belongs to."""
CLOUDFORMATION = "CloudFormation"
_TEMPLATE = re.compile(r"AWSTemplateFormatVersion|\bAWS::(?:ECS|SecretsManager)::")
BY_ITSELF = "a deployment without Terraform"
_ENDINGS = (".yaml", ".yml", ".json", ".template")


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
